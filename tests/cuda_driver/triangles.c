/* The stand-in for cuBLAS: as that for cuSOLVER (solver.c). Any thread. */

#include "backend/cuda/driver/library.h"
#include "handles.h"

#define WR_FUNCTION(name, symbol, params) \
  __attribute__((visibility("default"))) int stand_in_##name params __asm__(symbol);
#include "backend/cuda/driver/cublas.def"
#undef WR_FUNCTION

enum call {
#define WR_FUNCTION(name, symbol, params) CALL_##name,
#include "backend/cuda/driver/cublas.def"
#undef WR_FUNCTION
  CALL_COUNT
};

static const char *const symbols[CALL_COUNT] = {
#define WR_FUNCTION(name, symbol, params) symbol,
#include "backend/cuda/driver/cublas.def"
#undef WR_FUNCTION
};

__attribute__((constructor)) static void load(void) { slow_open(NULL); }
__attribute__((destructor)) static void unload(void) { slow_end(NULL); }

static wr_atomic_u32 next_info; /* atomic RELAXED: a number by itself */

static void fail(const char *symbol, uint64_t n, int result) {
  handle_fail(symbols, CALL_COUNT, symbol, n, result);
}

static void say(int info) { wr_store_relaxed(&next_info, (uint32_t)info); }

static uint64_t alive(void) { return wr_load_relaxed(&handles_alive); }

extern const struct stand_in_solver weir_stand_in_triangles;
__attribute__((visibility("default"))) const struct stand_in_solver weir_stand_in_triangles = {
    .fail = fail, .say = say, .linger = handle_linger, .alive = alive, .most = handle_were_inside};

int stand_in_create(wr_blas_handle *handle) { return handle_new(CALL_create, handle); }

int stand_in_destroy(wr_blas_handle handle) { return handle_free(handle); }

int stand_in_set_stream(wr_blas_handle handle, wr_cu_stream stream) {
  const int failed = handle_begin(CALL_set_stream, handle);
  if (failed) return failed;
  ((struct handle *)(void *)handle)->stream = stream;
  return handle_end(handle);
}

static int run(int call, wr_blas_handle handle, const void *const *at, int *info) {
  struct touching t = {.info_at = device_address(info)};
  const int failed = handle_begin(call, handle);
  if (failed) return failed;
  for (int i = 0; at[i]; i++) t.at[i] = device_address(at[i]);
  if (info) t.info = (int)wr_exchange_acq_rel(&next_info, 0u);
  handle_touch(handle, &t);
  return handle_end(handle);
}

#define RUN(name, info, ...) \
  run(CALL_##name, handle, (const void *const[]){__VA_ARGS__, NULL}, info)

#define UNUSED_SHAPE (void)side, (void)part, (void)transposed, (void)unit, (void)m, (void)n

int stand_in_trsm_f32(wr_blas_handle handle, int side, int part, int transposed, int unit, int m,
                      int n, const void *alpha, const void *a, int lda, void *b, int ldb) {
  UNUSED_SHAPE, (void)alpha, (void)lda, (void)ldb;
  return RUN(trsm_f32, NULL, a, b);
}

int stand_in_trsm_f64(wr_blas_handle handle, int side, int part, int transposed, int unit, int m,
                      int n, const void *alpha, const void *a, int lda, void *b, int ldb) {
  UNUSED_SHAPE, (void)alpha, (void)lda, (void)ldb;
  return RUN(trsm_f64, NULL, a, b);
}

int stand_in_trsm_many_f32(wr_blas_handle handle, int side, int part, int transposed, int unit,
                           int m, int n, const void *alpha, void *const *a, int lda, void *const *b,
                           int ldb, int count) {
  UNUSED_SHAPE, (void)alpha, (void)lda, (void)ldb, (void)count;
  return RUN(trsm_many_f32, NULL, a, b);
}

int stand_in_trsm_many_f64(wr_blas_handle handle, int side, int part, int transposed, int unit,
                           int m, int n, const void *alpha, void *const *a, int lda, void *const *b,
                           int ldb, int count) {
  UNUSED_SHAPE, (void)alpha, (void)lda, (void)ldb, (void)count;
  return RUN(trsm_many_f64, NULL, a, b);
}

int stand_in_getrf_many_f32(wr_blas_handle handle, int n, void *const *a, int lda, int *pivots,
                            int *info, int count) {
  (void)n, (void)lda, (void)count;
  return RUN(getrf_many_f32, info, a, pivots);
}

int stand_in_getrf_many_f64(wr_blas_handle handle, int n, void *const *a, int lda, int *pivots,
                            int *info, int count) {
  (void)n, (void)lda, (void)count;
  return RUN(getrf_many_f64, info, a, pivots);
}

int stand_in_getrs_many_f32(wr_blas_handle handle, int transposed, int n, int columns,
                            void *const *a, int lda, const int *pivots, void *const *b, int ldb,
                            int *host_info, int count) {
  (void)transposed, (void)n, (void)columns, (void)lda, (void)ldb, (void)count;
  *host_info = 0;
  return RUN(getrs_many_f32, NULL, a, pivots, b);
}

int stand_in_getrs_many_f64(wr_blas_handle handle, int transposed, int n, int columns,
                            void *const *a, int lda, const int *pivots, void *const *b, int ldb,
                            int *host_info, int count) {
  (void)transposed, (void)n, (void)columns, (void)lda, (void)ldb, (void)count;
  *host_info = 0;
  return RUN(getrs_many_f64, NULL, a, pivots, b);
}
