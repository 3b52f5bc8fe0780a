/* Groups: elementwise operations that run as one kernel, generated from the group (group_source.c)
   and compiled like every other kernel, with the same cache on disk. A reduction or softmax at the
   end is the operation's own kernel over the group's result, so that it rounds as it does by
   itself.

   Kernels are found by the group's structure: operations, dtypes and who reads what, never extents.
   A compilation takes tens of milliseconds and more, and the thread that encodes waits for it, so a
   small group that was never seen before runs step by step, with its intermediate values in
   scratch; seen again, it is compiled. A large one is compiled at once: its scratch would be as
   large as the memory that fusing saves. While a thread compiles, others that have the same group
   do not wait but run it step by step; so do groups that do not compile, and all new ones once the
   table is full. Results are bit for bit the same either way. Nothing is unloaded: kernels of the
   table may be in flight. Lock: BACKEND, the table's; not held while anything is compiled. */

#include <string.h>

#include "backend/cuda/kernel.h"

enum {
  BUCKETS = 256,
  MOST_GROUPS = 1024, /* some tens of KB each, most of it in the GPU's memory */
  SMALL = 1 << 16,    /* elements: scratch of at most 16 MB for 32 steps */
  KEY_BYTES = 3 + WR_GROUP_INPUTS + WR_GROUP_STEPS * 7
};

enum state { SEEN_ONCE, LOADING, LOADED, REFUSED };

struct key {
  uint32_t bytes;
  unsigned char data[KEY_BYTES];
};

struct entry {
  struct entry *next;          /* under LOCK */
  enum state state;            /* under LOCK */
  wr_cu_function functions[2]; /* under LOCK until LOADED; immutable from then on */
  struct key key;              /* immutable after publish */
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

static void key_make(struct key *k, const struct wr_group *g, int n_steps, bool big) {
  k->bytes = 0;
  key_add(k, (unsigned)g->n_in);
  key_add(k, (unsigned)n_steps);
  key_add(k, big);
  for (int i = 0; i < g->n_in; i++) key_add(k, g->in[i].dtype);
  for (int i = 0; i < n_steps; i++) {
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
  while (e && (e->key.bytes != k->bytes || memcmp(e->key.data, k->data, k->bytes) != 0)) {
    e = e->next;
  }
  return e;
}

/* NULL when the table is full or memory is refused. */
static struct entry *add_locked(struct wr_group_table *t, const struct key *k) {
  struct entry *e = t->count < MOST_GROUPS ? wr_calloc(sizeof *e) : NULL;
  if (!e) return NULL;
  e->state = SEEN_ONCE;
  e->key = *k;
  e->next = *bucket(t, k);
  *bucket(t, k) = e;
  t->count++;
  return e;
}

/* The entry if its kernels are there or this thread is to load them (*mine), else NULL. */
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

static struct wr_error *load(struct wr_run *run, const struct wr_group *g, int n_steps, bool big,
                             wr_cu_function *functions) {
  int driver = 0;
  void *image;
  wr_cu_module module;
  char *text = wr_alloc(WR_GROUP_TEXT);
  if (!text) return wr_error_out_of_memory();
  wr_group_source(g, n_steps, text);
  (void)wr_cu->driver_version(&driver);
  struct wr_error *error = wr_jit_group_image(text, big, run->gpu->arch, driver, &image);
  wr_free(text);
  if (error) return error;
  error = wr_gpu_result(run->gpu, wr_cu->module_load(&module, image), "cuModuleLoadData");
  wr_free(image);
  static const char *const names[] = {"dense", "strided"};
  for (int i = 0; i < 2 && !error; i++) {
    error = wr_gpu_result(run->gpu, wr_cu->module_function(&functions[i], module, names[i]),
                          "cuModuleGetFunction");
  }
  return error;
}

/* The group's kernels, or NULL when it is to run step by step. Why a kernel could not be made is
   of no interest then; a fault of the device comes out again in the steps. */
static struct entry *kernels_of(struct wr_run *run, const struct wr_group *g, int n_steps,
                                bool big) {
  struct wr_group_table *t = run->gpu->groups;
  struct key key;
  bool mine;
  key_make(&key, g, n_steps, big);
  struct entry *e = look_up(t, &key, g->in[0].size > SMALL, &mine);
  if (!mine) return e;
  struct wr_error *error = load(run, g, n_steps, big, e->functions);
  bool dry = error && wr_error_status(error) == WEIR_ERROR_OUT_OF_MEMORY;
  wr_mutex_lock(&t->lock);
  e->state = !error ? LOADED : dry ? SEEN_ONCE : REFUSED; /* memory may be there next time */
  wr_mutex_unlock(&t->lock);
  wr_error_release(error);
  return error ? NULL : e;
}

/* ---- one kernel ---- */

/* True when every input goes by packs; a bit in *scalars for those that are one element for all. */
static bool by_packs(const struct wr_group *g, const struct wr_layout *l, const void *out,
                     enum wr_dtype to, size_t k, uint32_t *scalars) {
  *scalars = 0;
  if (l->ndim > 1 || !wr_aligned(out, k * wr_dtype_size(to))) return false;
  for (int i = 0; i < g->n_in; i++) {
    const int64_t stride = l->strides[i][0];
    if (stride == 0) {
      *scalars |= 1u << i;
    } else if (stride != 1 || !wr_aligned(g->in[i].data, k * wr_dtype_size(g->in[i].dtype))) {
      return false;
    }
  }
  return true;
}

static void layout_of_group(struct wr_layout *l, const struct wr_group *g) {
  int64_t strides[WR_GROUP_INPUTS];
  wr_layout_start(l, g->n_in);
  for (int d = 0; d < g->in[0].ndim; d++) {
    for (int i = 0; i < g->n_in; i++) strides[i] = g->in[i].strides[d];
    wr_layout_push(l, g->in[0].shape[d], strides);
  }
  wr_layout_finish(l);
}

static void run_kernel(struct wr_run *run, const struct wr_group *g, int n_steps,
                       struct wr_layout *layout, const struct entry *e, void *out) {
  const int64_t size = g->in[0].size;
  const size_t k = wr_group_pack(g, n_steps);
  const enum wr_dtype to = (enum wr_dtype)g->steps[n_steps - 1].dtype;
  uint32_t scalars;
  struct wr_launch launch;
  const bool packs = by_packs(g, layout, out, to, k, &scalars);
  const struct wr_module_id id = {.big = wr_layout_is_big(layout)};
  wr_launch_start(&launch, id, 0);
  wr_launch_pointer(&launch, out);
  for (int i = 0; i < g->n_in; i++) wr_launch_pointer(&launch, g->in[i].data);
  wr_launch_index(&launch, size);
  if (packs) {
    wr_launch_struct(&launch, &scalars, sizeof scalars);
    wr_launch_packs(&launch, size, k);
  } else {
    wr_launch_layout(&launch, layout);
    wr_launch_threads(&launch, run, size, 256);
  }
  wr_launch_function(&launch, run, e->functions[packs ? 0 : 1]);
}

/* ---- step by step ---- */

/* A dense operand of the group's shape. */
static struct wr_tensor dense_tensor(const struct wr_group *g, const int64_t *strides,
                                     enum wr_dtype dtype, void *data) {
  struct wr_tensor t = g->in[0];
  t.data = data;
  t.strides = strides;
  t.dtype = dtype;
  t.dense = true;
  return t;
}

static struct wr_error *run_steps(struct wr_run *run, const struct wr_group *g, int n_steps,
                                  const int64_t *strides, void *out) {
  struct wr_tensor values[WR_GROUP_STEPS];
  struct wr_error *error = NULL;
  for (int i = 0; i < n_steps && !error; i++) {
    const struct wr_group_step *s = &g->steps[i];
    const enum wr_dtype dtype = (enum wr_dtype)s->dtype;
    struct wr_tensor in[WR_GROUP_OPERANDS];
    void *data = out;
    if (i < n_steps - 1) {
      error = wr_run_scratch(run, (size_t)g->in[0].size * wr_dtype_size(dtype), &data);
      if (error) break;
    }
    values[i] = dense_tensor(g, strides, dtype, data);
    for (int j = 0; j < s->n_in; j++) {
      in[j] = s->in[j] < g->n_in ? g->in[s->in[j]] : values[s->in[j] - g->n_in];
    }
    const struct wr_call call = {
        .op = (enum wr_op)s->op, .n_in = s->n_in, .in = in, .out = values[i]};
    error = wr_gpu_kernel_for(call.op)(run, &call);
  }
  return error;
}

/* ---- groups ---- */

static struct wr_error *run_elementwise(struct wr_run *run, const struct wr_group *g, int n_steps,
                                        const int64_t *strides, void *out) {
  struct wr_layout layout;
  layout_of_group(&layout, g);
  const struct entry *e = kernels_of(run, g, n_steps, wr_layout_is_big(&layout));
  if (!e) return run_steps(run, g, n_steps, strides, out);
  run_kernel(run, g, n_steps, &layout, e, out);
  return NULL;
}

/* The last axes that together hold what makes one result. */
static uint32_t reduced_axes(const struct wr_group *g) {
  const struct wr_tensor *t = &g->in[0];
  const int64_t length = t->size / g->out.size;
  uint32_t axes = 0;
  int64_t n = 1;
  for (int d = t->ndim; d-- > 0 && n < length;) {
    n *= t->shape[d];
    axes |= 1u << d;
  }
  return axes;
}

/* The operation that ends the group, over the group's result in scratch. */
static struct wr_error *run_ended(struct wr_run *run, const struct wr_group *g, int n_steps,
                                  const int64_t *strides) {
  const enum wr_dtype dtype = (enum wr_dtype)g->steps[n_steps - 1].dtype;
  const enum wr_op op = (enum wr_op)g->steps[n_steps].op;
  const struct wr_reduce_params reduced = {.axes = reduced_axes(g)};
  const bool reduces = wr_op_info(op)->ends_group == WR_ENDS_REDUCED;
  void *values;
  struct wr_error *error =
      wr_run_scratch(run, (size_t)g->in[0].size * wr_dtype_size(dtype), &values);
  if (!error) error = run_elementwise(run, g, n_steps, strides, values);
  if (error) return error;
  const struct wr_tensor in = dense_tensor(g, strides, dtype, values);
  const struct wr_call call = {
      .op = op, .n_in = 1, .in = &in, .out = g->out, .params = reduces ? &reduced : NULL};
  return wr_gpu_kernel_for(op)(run, &call);
}

struct wr_error *wr_gpu_group(struct wr_run *run, const struct wr_group *group) {
  const bool ends = wr_op_info((enum wr_op)group->steps[group->n_steps - 1].op)->ends_group;
  const int n_steps = group->n_steps - ends;
  int64_t strides[WR_MAX_NDIM];
  int64_t stride = 1;
  if (group->out.size == 0) return NULL;
  for (int d = group->in[0].ndim; d-- > 0;) {
    strides[d] = stride;
    stride *= group->in[0].shape[d];
  }
  return ends ? run_ended(run, group, n_steps, strides)
              : run_elementwise(run, group, n_steps, strides, group->out.data);
}
