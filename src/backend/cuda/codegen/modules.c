/* The modules of one GPU, found by what they are compiled for. The table is read without a lock: it
   has chains of entries, to which entries are only ever added, and an entry gets its module by one
   store, once it is loaded. The thread that adds an entry compiles and loads the module; others
   that want the same one wait. A module that failed is tried again by the next call. Lock: BACKEND,
   the table's; not held while anything is compiled. */

#include <pthread.h>

#include "backend/cuda/codegen/internal.h"

enum { BUCKETS = 1024 };

struct loaded {
  wr_cu_function functions[WR_ENTRIES_MAX];
  unsigned most_threads; /* of a user's kernel */
  wr_atomic_u32
      shared_bytes; /* the same; atomic RELAXED, changed under LOCK: how much it may have */
};

/* What a module is made of. */
struct wanted {
  uint64_t key;
  struct wr_module_id id;
  const struct wr_kernel_text *users; /* or NULL */
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

static struct wanted of_module(struct wr_module_id id) {
  return (struct wanted){.key = key_of(id), .id = id};
}

/* Texts stay where they are. The bit is no other key's, nor an address's. */
static struct wanted of_user(const struct wr_kernel_text *text) {
  return (struct wanted){.key = (uint64_t)(uintptr_t)text | UINT64_C(1) << 63, .users = text};
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

/* All that a launch may ask for without more ado; more has to be allowed (find_users). */
enum { ORDINARY_SHARED = 48 << 10 };

static struct wr_error *load_users(struct wr_gpu *gpu, const char *name, wr_cu_module module,
                                   struct loaded *loaded) {
  int most = 0;
  struct wr_error *error = wr_gpu_result(
      gpu, wr_cu->module_function(&loaded->functions[0], module, name), "cuModuleGetFunction");
  if (!error) {
    error = wr_gpu_result(
        gpu, wr_cu->function_attribute(&most, WR_CU_FUNCTION_MAX_THREADS, loaded->functions[0]),
        "cuFuncGetAttribute");
  }
  loaded->most_threads = (unsigned)most;
  return error;
}

static struct wr_error *load_entries(struct wr_gpu *gpu, const struct wanted *wanted,
                                     wr_cu_module module, struct loaded *loaded) {
  if (wanted->users) return load_users(gpu, wanted->users->entry, module, loaded);
  const struct wr_module_id id = wanted->id;
  struct wr_error *error = NULL;
  for (int i = 0; i < WR_ENTRIES_MAX && !error; i++) {
    const char *name = wr_source_entry((enum wr_source)id.source, i);
    if (!name) break;
    error = wr_gpu_result(gpu, wr_cu->module_function(&loaded->functions[i], module, name),
                          "cuModuleGetFunction");
    if (error || !wr_source_shares((enum wr_source)id.source)) continue;
    error = wr_gpu_result(
        gpu, wr_cu->function_set(loaded->functions[i], WR_CU_FUNCTION_MAX_SHARED, gpu->shared_most),
        "cuFuncSetAttribute");
  }
  return error;
}

static struct wr_error *load_module(struct wr_gpu *gpu, const struct wanted *wanted,
                                    struct loaded **out) {
  int driver = 0;
  void *image;
  wr_cu_module module;
  (void)wr_cu->driver_version(&driver);
  struct wr_error *error = wanted->users
                               ? wr_jit_users_image(wanted->users, gpu->arch, driver, &image)
                               : wr_jit_image(wanted->id, gpu->arch, driver, &image);
  if (error) return error;
  struct loaded *loaded = wr_calloc(sizeof *loaded);
  error = loaded ? wr_gpu_result(gpu, wr_cu->module_load(&module, image), "cuModuleLoadData")
                 : wr_error_out_of_memory();
  if (!error) error = load_entries(gpu, wanted, module, loaded);
  wr_free(image);
  if (error) {
    wr_free(loaded);
    return error;
  }
  *out = loaded;
  return NULL;
}

/* Another thread's attempt may fail while this one waits; then it makes its own. */
static struct wr_error *find_slow(struct wr_gpu *gpu, const struct wanted *wanted,
                                  struct loaded **out) {
  bool mine;
  struct entry *e = claim(gpu->modules, wanted->key, &mine);
  if (!e) return wr_error_out_of_memory();
  *out = wr_load_acquire(&e->module);
  if (!mine) return NULL;
  struct wr_error *error = load_module(gpu, wanted, out);
  claim_end(gpu->modules, e, error ? NULL : *out);
  return error;
}

static struct wr_error *find_module(struct wr_gpu *gpu, const struct wanted *wanted,
                                    struct loaded **out) {
  struct entry *e = find(gpu->modules, wanted->key);
  *out = e ? wr_load_acquire(&e->module) : NULL;
  return *out ? NULL : find_slow(gpu, wanted, out);
}

struct wr_error *wr_kernel_find(struct wr_gpu *gpu, struct wr_module_id id, int entry,
                                wr_cu_function *out) {
  const struct wanted wanted = of_module(id);
  struct loaded *module;
  struct wr_error *error = find_module(gpu, &wanted, &module);
  if (!error) *out = module->functions[entry];
  return error;
}

/* One text may belong to kernels with more and with less of it. */
static struct wr_error *allow_shared(struct wr_gpu *gpu, struct loaded *module, unsigned bytes) {
  struct wr_error *error = NULL;
  /* Relaxed: who sees it larger has nothing to do, and nothing else depends on it. */
  if (bytes <= ORDINARY_SHARED || wr_load_relaxed(&module->shared_bytes) >= bytes) return NULL;
  wr_mutex_lock(&gpu->modules->lock);
  if (wr_load_relaxed(&module->shared_bytes) < bytes) {
    error = wr_gpu_result(
        gpu, wr_cu->function_set(module->functions[0], WR_CU_FUNCTION_MAX_SHARED, (int)bytes),
        "cuFuncSetAttribute");
    if (!error) wr_store_relaxed(&module->shared_bytes, bytes);
  }
  wr_mutex_unlock(&gpu->modules->lock);
  return error;
}

struct wr_error *wr_kernel_find_users(struct wr_gpu *gpu, const struct wr_kernel_text *text,
                                      unsigned shared_bytes, wr_cu_function *out,
                                      unsigned *most_threads) {
  const struct wanted wanted = of_user(text);
  struct loaded *module;
  struct wr_error *error = find_module(gpu, &wanted, &module);
  if (!error) error = allow_shared(gpu, module, shared_bytes);
  if (error) return error;
  *out = module->functions[0];
  *most_threads = module->most_threads;
  return NULL;
}
