/* The kernels of groups, found by the group's form. They are compiled like every other kernel, with
   the same cache on disk.

   Compiling takes tens of milliseconds or more, for which the thread that encodes waits. So a small
   group that is seen for the first time runs step by step, with its intermediate values in scratch
   memory, and is compiled when it is seen again. A large one is compiled at once, since its scratch
   would take the memory that fusing is to save. A group also runs step by step while another thread
   compiles it, where it does not compile, and where it is new and the table is full. No kernel is
   ever unloaded, since it may be in flight. Lock: BACKEND, the table's; not held while anything is
   compiled. */

#include <string.h>

#include "backend/cuda/codegen/internal.h"

enum {
  BUCKETS = 256,
  SMALL = 1 << 16,                      /* elements */
  SMALL_STEPS = SMALL * WR_GROUP_STEPS, /* the same of all steps: scratch of at most 16 MB */
  MOST_GROUPS = 1024,                   /* some tens of KB each, most of it in the GPU's memory */
  KEY_BYTES = 8 + WR_GROUP_INPUTS + WR_GROUP_LONG * 7
};

enum state { SEEN_ONCE, LOADING, LOADED, REFUSED };

struct key {
  uint32_t bytes;
  unsigned char data[KEY_BYTES];
};

struct entry {
  struct entry *next;                         /* under LOCK */
  enum state state;                           /* under LOCK */
  wr_cu_function functions[WR_GROUP_ENTRIES]; /* under LOCK until LOADED; then immutable */
  uint32_t key_bytes;                         /* immutable after publish */
  unsigned char key[];                        /* immutable after publish */
};

struct wr_group_table {
  struct wr_mutex lock;
  int count;                    /* under LOCK */
  struct entry *heads[BUCKETS]; /* under LOCK */
};

struct wr_error *wr_group_table_new(struct wr_group_table **out) {
  struct wr_group_table *t = wr_calloc(sizeof *t);
  if (!t) return wr_error_out_of_memory();
  wr_mutex_init(&t->lock, WR_RANK_BACKEND);
  *out = t;
  return NULL;
}

void wr_group_table_free(struct wr_group_table *table) { wr_free(table); }

/* ---- the table ---- */

static void key_add(struct key *k, unsigned value) { k->data[k->bytes++] = (unsigned char)value; }

static void key_make(struct key *k, const struct wr_group_form *f) {
  const struct wr_group *g = f->group;
  k->bytes = 0;
  key_add(k, (unsigned)g->n_in);
  key_add(k, (unsigned)g->n_steps);
  key_add(k, f->big);
  key_add(k, f->way);
  key_add(k, f->packed);
  key_add(k, f->scalars);
  key_add(k, f->values);
  key_add(k, f->turned);
  for (int i = 0; i < g->n_in; i++) key_add(k, g->in[i].dtype);
  for (int i = 0; i < g->n_steps; i++) {
    const struct wr_group_step *s = &g->steps[i];
    key_add(k, s->op & 0xffu);
    key_add(k, s->op >> 8);
    key_add(k, s->dtype);
    key_add(k, s->n_in);
    for (int j = 0; j < s->n_in; j++) key_add(k, s->in[j]);
  }
}

static struct entry **bucket(struct wr_group_table *t, const struct key *k) {
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  for (uint32_t i = 0; i < k->bytes; i++) h = (h ^ k->data[i]) * UINT64_C(0x100000001b3);
  return &t->heads[(h ^ h >> 32) % BUCKETS];
}

static struct entry *find_locked(struct wr_group_table *t, const struct key *k) {
  struct entry *e = *bucket(t, k);
  while (e && (e->key_bytes != k->bytes || memcmp(e->key, k->data, k->bytes) != 0)) e = e->next;
  return e;
}

/* NULL when the table is full or memory is refused. */
static struct entry *add_locked(struct wr_group_table *t, const struct key *k) {
  struct entry *e = t->count < MOST_GROUPS ? wr_calloc(sizeof *e + k->bytes) : NULL;
  if (!e) return NULL;
  e->state = SEEN_ONCE;
  e->key_bytes = k->bytes;
  memcpy(e->key, k->data, k->bytes);
  e->next = *bucket(t, k);
  *bucket(t, k) = e;
  t->count++;
  return e;
}

/* The entry, if its kernels are loaded, or (*mine) if this thread has to load them; else NULL: the
   group is to run step by step. */
static struct entry *look_up(struct wr_group_table *t, const struct key *k, bool at_once,
                             bool *mine) {
  *mine = false;
  wr_mutex_lock(&t->lock);
  struct entry *e = find_locked(t, k);
  bool is_new = !e;
  if (is_new) e = add_locked(t, k);
  if (e && e->state == SEEN_ONCE && (at_once || !is_new)) {
    e->state = LOADING;
    *mine = true;
  }
  if (e && !*mine && e->state != LOADED) e = NULL;
  wr_mutex_unlock(&t->lock);
  return e;
}

static struct wr_error *load(struct wr_gpu *gpu, const struct wr_group_form *f,
                             wr_cu_function *functions) {
  int driver = 0;
  void *image;
  wr_cu_module module;
  char *text = wr_alloc(WR_GROUP_TEXT);
  if (!text) return wr_error_out_of_memory();
  wr_group_source(f, text);
  (void)wr_cu->driver_version(&driver);
  struct wr_error *error = wr_jit_group_image(text, wr_group_module(f), gpu->arch, driver, &image);
  wr_free(text);
  if (error) return error;
  error = wr_gpu_result(gpu, wr_cu->module_load(&module, image), "cuModuleLoadData");
  wr_free(image);
  const char *name;
  for (int i = 0; !error && i < WR_GROUP_ENTRIES && (name = wr_group_entry(f, i)); i++) {
    error = wr_gpu_result(gpu, wr_cu->module_function(&functions[i], module, name),
                          "cuModuleGetFunction");
  }
  return error;
}

/* The reason why a kernel could not be made is dropped: if it is a fault of the device, the steps
   fail with it too. */
const wr_cu_function *wr_group_kernels(struct wr_gpu *gpu, const struct wr_group_form *form) {
  struct wr_group_table *t = gpu->groups;
  struct key key;
  bool mine;
  key_make(&key, form);
  const int64_t size = wr_group_like(form->group)->size;
  const bool at_once = size > SMALL || size * form->group->n_steps > SMALL_STEPS;
  struct entry *e = look_up(t, &key, at_once, &mine);
  if (!mine) return e ? e->functions : NULL;
  struct wr_error *error = load(gpu, form, e->functions);
  bool dry = error && (wr_error_status(error) == WEIR_ERROR_OUT_OF_MEMORY ||
                       wr_error_status(error) == WEIR_ERROR_STATE); /* of the moment (T2) */
  wr_mutex_lock(&t->lock);
  e->state = !error ? LOADED : dry ? SEEN_ONCE : REFUSED;
  wr_mutex_unlock(&t->lock);
  wr_error_release(error);
  return error ? NULL : e->functions;
}
