#ifndef WR_TESTS_SUPPORT_STAND_IN_CASE_H
#define WR_TESTS_SUPPORT_STAND_IN_CASE_H

/* What the programs of tests/cuda_host share: the stand-in driver that they run on, and counts of
   what is alive in it. On top of programs.h. */

#include <dlfcn.h>

#include "programs.h"
#include "stand_in.h"

static const struct stand_in *cuda;

/* Opened here and by the library alike, as LD_LIBRARY_PATH has it; skipped with any other driver.
 */
static inline void stand_in_start(void) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  void *symbol = library ? dlsym(library, STAND_IN_SYMBOL) : NULL;
  if (!symbol) {
    printf("skipped: libcuda.so.1 is not the stand-in, ctest sets LD_LIBRARY_PATH\n");
    exit(77);
  }
  cuda = symbol;
}

/* The compiler's orders; it is opened here if it is not yet. */
static inline void stand_in_nvrtc_order(const char *symbol, uint64_t n, int result) {
  void *library = dlopen("libnvrtc.so.13", RTLD_NOW | RTLD_LOCAL);
  void *address = library ? dlsym(library, STAND_IN_NVRTC_SYMBOL) : NULL;
  stand_in_nvrtc_fail fail;
  CHECK(address != NULL);
  memcpy(&fail, &address, sizeof fail);
  fail(symbol, n, result);
}

static inline struct stand_in_counts stand_in_now(void) {
  struct stand_in_counts now;
  cuda->counts(&now);
  return now;
}

/* True once the library has given back all memory of the devices but what encoders that are pooled
   keep; for ten seconds at most. */
static inline bool allocations_become(uint64_t n) {
  for (int i = 0; i < 10000 && stand_in_now().allocations > n; i++) usleep(1000);
  return stand_in_now().allocations <= n;
}

/* ---- work whose result the stand-in has right: copies ---- */

static inline mlx_array part_of(mlx_array a, int begin, int end, mlx_stream s) {
  mlx_array out = mlx_array_new();
  const int step = 1;
  CHECK(mlx_slice(&out, a, &begin, 1, &end, 1, &step, 1, s) == 0);
  return out;
}

/* *a with its first element last, lazily, on s. */
static inline void turn(mlx_array *a, mlx_stream s) {
  const int n = (int)mlx_array_size(*a);
  const mlx_array parts[] = {part_of(*a, 1, n, s), part_of(*a, 0, 1, s)};
  mlx_vector_array v = mlx_vector_array_new_data(parts, 2);
  CHECK(mlx_concatenate_axis(a, v, 0, s) == 0);
  mlx_vector_array_free(v);
  for (int i = 0; i < 2; i++) mlx_array_free(parts[i]);
}

/* That it was floats(n, v) and has been turned so often; forces it. */
static inline void expect_turned(mlx_array a, float v, int times) {
  const int n = (int)mlx_array_size(a);
  const float *data = mlx_array_data_float32(a);
  CHECK(data != NULL);
  for (int i = 0; i < n; i++) CHECK(data[i] == v + (float)((i + times) % n));
}

#endif
