/* The modules of one GPU, found by what they are compiled for. A table of chains whose heads are
   read without a lock: entries are only added, and a module is published in its entry once it is
   loaded. Whoever adds an entry compiles and loads; others that want the same module wait. A module
   that failed is tried again by the next call. Lock: BACKEND, the table's; not held while anything
   is compiled. */

#include <pthread.h>

#include "backend/cuda/codegen/internal.h"

enum { BUCKETS = 1024 };

struct loaded {
  wr_cu_function functions[WR_ENTRIES_MAX];
};

struct entry {
  struct entry *next;   /* immutable after publish */
  uint64_t key;         /* immutable after publish */
  wr_atomic_ptr module; /* atomic ACQ_REL: struct loaded *, set once */
  bool loading;         /* under LOCK */
};

struct wr_module_table {
  wr_atomic_ptr heads[BUCKETS]; /* atomic ACQ_REL: struct entry * */
  struct wr_mutex lock;
  struct wr_cond over; /* with LOCK: some module's loading has ended */
};

struct wr_error *wr_module_table_new(struct wr_module_table **out) {
  struct wr_module_table *t = wr_calloc(sizeof *t);
  if (!t) return wr_error_out_of_memory();
  wr_mutex_init(&t->lock, WR_RANK_BACKEND);
  wr_cond_init(&t->over);
  *out = t;
  return NULL;
}

void wr_module_table_free(struct wr_module_table *table) { wr_free(table); }

static uint64_t key_of(struct wr_module_id id) {
  return (uint64_t)id.source | (uint64_t)id.op << 8 | (uint64_t)id.a << 16 | (uint64_t)id.b << 24 |
         (uint64_t)id.big << 32 | (uint64_t)id.variant << 40;
}

static wr_atomic_ptr *bucket(struct wr_module_table *t, uint64_t key) {
  return &t->heads[key * UINT64_C(0x9e3779b97f4a7c15) >> 54];
}

_Static_assert(BUCKETS == 1 << (64 - 54), "bucket takes the upper ten bits");

static struct entry *find(struct wr_module_table *t, uint64_t key) {
  /* Acquire: an entry was filled before it became a head. */
  struct entry *e = wr_load_acquire(bucket(t, key));
  while (e && e->key != key) e = e->next;
  return e;
}

/* Finds or adds the entry, and says whether this thread is to load it. Waits while another does. */
static struct entry *claim(struct wr_module_table *t, uint64_t key, bool *mine) {
  *mine = false;
  wr_mutex_lock(&t->lock);
  struct entry *e = find(t, key);
  if (!e) {
    e = wr_calloc(sizeof *e);
    if (e) {
      e->key = key;
      e->next = wr_load_relaxed(bucket(t, key)); /* relaxed: changed under the lock alone */
      wr_store_release(bucket(t, key), (void *)e);
    }
  }
  while (e && e->loading) wr_cond_wait(&t->over, &t->lock);
  if (e && !wr_load_relaxed(&e->module)) e->loading = *mine = true;
  wr_mutex_unlock(&t->lock);
  return e;
}

static void claim_end(struct wr_module_table *t, struct entry *e, struct loaded *module) {
  wr_mutex_lock(&t->lock);
  /* Release: pairs with the acquire of those who find the module without the lock. */
  wr_store_release(&e->module, (void *)module);
  e->loading = false;
  wr_cond_broadcast(&t->over);
  wr_mutex_unlock(&t->lock);
}

static struct wr_error *load_entries(struct wr_gpu *gpu, struct wr_module_id id,
                                     wr_cu_module module, struct loaded *loaded) {
  struct wr_error *error = NULL;
  for (int i = 0; i < WR_ENTRIES_MAX && !error; i++) {
    const char *name = wr_source_entry((enum wr_source)id.source, i);
    if (!name) break;
    error = wr_gpu_result(gpu, wr_cu->module_function(&loaded->functions[i], module, name),
                          "cuModuleGetFunction");
  }
  return error;
}

static struct wr_error *load_module(struct wr_gpu *gpu, struct wr_module_id id,
                                    struct loaded **out) {
  int driver = 0;
  void *image;
  wr_cu_module module;
  (void)wr_cu->driver_version(&driver);
  struct wr_error *error = wr_jit_image(id, gpu->arch, driver, &image);
  if (error) return error;
  struct loaded *loaded = wr_calloc(sizeof *loaded);
  error = loaded ? wr_gpu_result(gpu, wr_cu->module_load(&module, image), "cuModuleLoadData")
                 : wr_error_out_of_memory();
  if (!error) error = load_entries(gpu, id, module, loaded);
  wr_free(image);
  if (error) {
    wr_free(loaded);
    return error;
  }
  *out = loaded;
  return NULL;
}

/* Another thread's attempt may fail while this one waits; then it makes its own. */
static struct wr_error *find_slow(struct wr_gpu *gpu, struct wr_module_id id, struct loaded **out) {
  bool mine;
  struct entry *e = claim(gpu->modules, key_of(id), &mine);
  if (!e) return wr_error_out_of_memory();
  *out = wr_load_acquire(&e->module);
  if (!mine) return NULL;
  struct wr_error *error = load_module(gpu, id, out);
  claim_end(gpu->modules, e, error ? NULL : *out);
  return error;
}

struct wr_error *wr_kernel_find(struct wr_gpu *gpu, struct wr_module_id id, int entry,
                                wr_cu_function *out) {
  struct entry *e = find(gpu->modules, key_of(id));
  struct loaded *module = e ? wr_load_acquire(&e->module) : NULL;
  if (!module) {
    struct wr_error *error = find_slow(gpu, id, &module);
    if (error) return error;
  }
  *out = module->functions[entry];
  return NULL;
}
