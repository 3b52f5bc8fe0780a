/* The stand-in for cuBLASLt: takes everything, computes nothing, counts in which types it is asked
   to compute, and is as hard to end as the real one (slow.h). Any thread. */

#include <stdlib.h>
#include <string.h>

#include "backend/cuda/driver/library.h"
#include "slow.h"
#include "stand_in.h"

#define WR_FUNCTION(name, symbol, params) \
  __attribute__((visibility("default"))) int stand_in_##name params __asm__(symbol);
#include "backend/cuda/driver/cublaslt.def"
#undef WR_FUNCTION

enum { ALLOC_FAILED = 3, TYPES = 128 };

/* By compute type; 0: all. Atomic RELAXED: numbers by themselves. */
static wr_atomic_u64 described[TYPES];

__attribute__((visibility("default"))) uint64_t weir_stand_in_lt_products(int compute_type);
uint64_t weir_stand_in_lt_products(int compute_type) {
  return wr_load_relaxed(&described[compute_type]); /* relaxed: see the words */
}

static wr_atomic_u64 launched; /* atomic RELAXED: a number by itself */

__attribute__((visibility("default"))) uint64_t weir_stand_in_lt_launched(void);
uint64_t weir_stand_in_lt_launched(void) { return wr_load_relaxed(&launched); }

__attribute__((constructor)) static void load(void) { slow_open(NULL); }
__attribute__((destructor)) static void unload(void) { slow_end(NULL); }

static int called(void) {
  slow_enter();
  slow_leave();
  return 0;
}

/* A description is a byte. */
static int object_new(void *out) {
  void *object = malloc(1);
  memcpy(out, &object, sizeof object);
  return object ? called() : ALLOC_FAILED;
}

static int object_free(void *object) {
  free(object);
  return called();
}

/* One for each GPU, for good. */
int stand_in_create(wr_lt_handle *handle) {
  static char the_handle;
  void *address = &the_handle;
  memcpy(handle, &address, sizeof address);
  slow_enter();
  slow_first_call();
  slow_leave();
  return 0;
}

int stand_in_desc_new(wr_lt_desc *desc, int compute_type, int scale_type) {
  (void)scale_type;
  wr_fetch_add_relaxed(&described[0], 1u);
  wr_fetch_add_relaxed(&described[compute_type], 1u); /* relaxed: see the words */
  return object_new(desc);
}

int stand_in_desc_free(wr_lt_desc desc) { return object_free(desc); }

int stand_in_desc_set(wr_lt_desc desc, int attribute, const void *value, size_t bytes) {
  (void)desc;
  (void)attribute;
  (void)value;
  (void)bytes;
  return called();
}

int stand_in_layout_new(wr_lt_layout *layout, int type, uint64_t rows, uint64_t cols, int64_t ld) {
  (void)type;
  (void)rows;
  (void)cols;
  (void)ld;
  return object_new(layout);
}

int stand_in_layout_free(wr_lt_layout layout) { return object_free(layout); }

int stand_in_layout_set(wr_lt_layout layout, int attribute, const void *value, size_t bytes) {
  (void)layout;
  (void)attribute;
  (void)value;
  (void)bytes;
  return called();
}

int stand_in_preference_new(wr_lt_preference *preference) { return object_new(preference); }

int stand_in_preference_free(wr_lt_preference preference) { return object_free(preference); }

int stand_in_preference_set(wr_lt_preference preference, int attribute, const void *value,
                            size_t bytes) {
  (void)preference;
  (void)attribute;
  (void)value;
  (void)bytes;
  return called();
}

int stand_in_heuristic(wr_lt_handle handle, wr_lt_desc desc, wr_lt_layout a, wr_lt_layout b,
                       wr_lt_layout c, wr_lt_layout d, wr_lt_preference preference, int wanted,
                       struct wr_lt_heuristic *results, int *found) {
  (void)handle;
  (void)desc;
  (void)a;
  (void)b;
  (void)c;
  (void)d;
  (void)preference;
  (void)wanted;
  memset(results, 0, sizeof *results);
  *found = 1;
  return called();
}

int stand_in_matmul(wr_lt_handle handle, wr_lt_desc desc, const void *alpha, const void *a,
                    wr_lt_layout a_layout, const void *b, wr_lt_layout b_layout, const void *beta,
                    const void *c, wr_lt_layout c_layout, void *d, wr_lt_layout d_layout,
                    const struct wr_lt_algo *algo, void *workspace, size_t workspace_bytes,
                    wr_cu_stream stream) {
  (void)handle;
  (void)desc;
  (void)alpha;
  (void)a;
  (void)a_layout;
  (void)b;
  (void)b_layout;
  (void)beta;
  (void)c;
  (void)c_layout;
  (void)d;
  (void)d_layout;
  (void)algo;
  (void)workspace;
  (void)workspace_bytes;
  (void)stream;
  wr_fetch_add_relaxed(&launched, 1u); /* relaxed: see the word */
  return called();
}
