/* The stand-in for cuSOLVER: computes nothing, looks at its handles and memory (handles.h), is as
   hard to end as the real one (slow.h), and says of matrices what it is told to. A workspace that
   is not the one that was asked for ends the process. Any thread. */

#include "backend/cuda/driver/library.h"
#include "handles.h"

#define WR_FUNCTION(name, symbol, params) \
  __attribute__((visibility("default"))) int stand_in_##name params __asm__(symbol);
#include "backend/cuda/driver/cusolver.def"
#include "backend/cuda/driver/cusolver_new.def"
#undef WR_FUNCTION

#define WR_FUNCTION(name, symbol, params) CALL_##name,
enum call {
#include "backend/cuda/driver/cusolver.def"
#include "backend/cuda/driver/cusolver_new.def"
  CALL_COUNT
};
#undef WR_FUNCTION

#define WR_FUNCTION(name, symbol, params) symbol,
static const char *const symbols[CALL_COUNT] = {
#include "backend/cuda/driver/cusolver.def"
#include "backend/cuda/driver/cusolver_new.def"
};
#undef WR_FUNCTION

enum { DEVICE_BYTES = 4096, HOST_BYTES = 256, WORK_ELEMENTS = 512 };

__attribute__((constructor)) static void load(void) { slow_open(NULL); }
__attribute__((destructor)) static void unload(void) { slow_end(NULL); }

/* ---- orders ---- */

static wr_atomic_u32 next_info; /* atomic RELAXED: a number by itself */

static void fail(const char *symbol, uint64_t n, int result) {
  handle_fail(symbols, CALL_COUNT, symbol, n, result);
}

static void say(int info) { wr_store_relaxed(&next_info, (uint32_t)info); }

static uint64_t alive(void) { return wr_load_relaxed(&handles_alive); }

extern const struct stand_in_solver weir_stand_in_solver;
__attribute__((visibility("default"))) const struct stand_in_solver weir_stand_in_solver = {
    .fail = fail, .say = say, .linger = handle_linger, .alive = alive, .most = handle_were_inside};

/* ---- life ---- */

int stand_in_create(wr_solver_handle *handle) { return handle_new(CALL_create, handle); }

int stand_in_destroy(wr_solver_handle handle) { return handle_free(handle); }

int stand_in_params_new(wr_solver_params *params) {
  static char the_params;
  void *address = &the_params;
  slow_enter();
  const int failed = handle_ordered(CALL_params_new);
  if (!failed) memcpy(params, &address, sizeof address);
  slow_leave();
  return failed;
}

int stand_in_params_free(wr_solver_params params) {
  (void)params;
  slow_enter();
  slow_leave();
  return 0;
}

int stand_in_set_stream(wr_solver_handle handle, wr_cu_stream stream) {
  const int failed = handle_begin(CALL_set_stream, handle);
  if (failed) return failed;
  ((struct handle *)(void *)handle)->stream = stream;
  return handle_end(handle);
}

/* ---- routines ---- */

static int sizes(int call, wr_solver_handle handle, size_t *device, size_t *host) {
  const int failed = handle_begin(call, handle);
  if (failed) return failed;
  *device = DEVICE_BYTES;
  *host = HOST_BYTES;
  return handle_end(handle);
}

static int work_size(int call, wr_solver_handle handle, int *elements) {
  const int failed = handle_begin(call, handle);
  if (failed) return failed;
  *elements = WORK_ELEMENTS;
  return handle_end(handle);
}

/* A routine's device memory, its workspaces, and where it says what it found. */
struct routine {
  const void *at[TOUCHED - 1];
  const void *device;
  size_t device_bytes;
  void *host;
  size_t host_bytes;
  int *info;
};

static int run(int call, wr_solver_handle handle, const struct routine *r) {
  struct touching t = {.at = {device_address(r->device)}, .info_at = device_address(r->info)};
  const int failed = handle_begin(call, handle);
  if (failed) return failed;
  if (!r->device || r->device_bytes != DEVICE_BYTES || !r->host || r->host_bytes != HOST_BYTES) {
    slow_misuse("a routine without its workspaces");
  }
  *(volatile char *)r->host = 0;
  for (int i = 0; i < TOUCHED - 1; i++) t.at[i + 1] = device_address(r->at[i]);
  t.info = (int)wr_exchange_acq_rel(&next_info, 0u);
  handle_touch(handle, &t);
  return handle_end(handle);
}

int stand_in_potrf_size(wr_solver_handle handle, wr_solver_params params, int part, int64_t n,
                        int type, const void *a, int64_t lda, int compute, size_t *device,
                        size_t *host) {
  (void)params, (void)part, (void)n, (void)type, (void)a, (void)lda, (void)compute;
  return sizes(CALL_potrf_size, handle, device, host);
}

int stand_in_potrf(wr_solver_handle handle, wr_solver_params params, int part, int64_t n, int type,
                   void *a, int64_t lda, int compute, void *device, size_t device_bytes, void *host,
                   size_t host_bytes, int *info) {
  const struct routine r = {{a}, device, device_bytes, host, host_bytes, info};
  (void)params, (void)part, (void)n, (void)type, (void)lda, (void)compute;
  return run(CALL_potrf, handle, &r);
}

static int many(int call, wr_solver_handle handle, void **a, int *info) {
  struct touching t = {.at = {device_address(a)}, .info_at = device_address(info)};
  const int failed = handle_begin(call, handle);
  if (failed) return failed;
  t.info = (int)wr_exchange_acq_rel(&next_info, 0u);
  handle_touch(handle, &t);
  return handle_end(handle);
}

int stand_in_potrf_many_f32(wr_solver_handle handle, int part, int n, void **a, int lda, int *info,
                            int count) {
  (void)part, (void)n, (void)lda, (void)count;
  return many(CALL_potrf_many_f32, handle, a, info);
}

int stand_in_potrf_many_f64(wr_solver_handle handle, int part, int n, void **a, int lda, int *info,
                            int count) {
  (void)part, (void)n, (void)lda, (void)count;
  return many(CALL_potrf_many_f64, handle, a, info);
}

int stand_in_getrf_size(wr_solver_handle handle, wr_solver_params params, int64_t m, int64_t n,
                        int type, const void *a, int64_t lda, int compute, size_t *device,
                        size_t *host) {
  (void)params, (void)m, (void)n, (void)type, (void)a, (void)lda, (void)compute;
  return sizes(CALL_getrf_size, handle, device, host);
}

int stand_in_getrf(wr_solver_handle handle, wr_solver_params params, int64_t m, int64_t n, int type,
                   void *a, int64_t lda, int64_t *pivots, int compute, void *device,
                   size_t device_bytes, void *host, size_t host_bytes, int *info) {
  const struct routine r = {{a, pivots}, device, device_bytes, host, host_bytes, info};
  (void)params, (void)m, (void)n, (void)type, (void)lda, (void)compute;
  return run(CALL_getrf, handle, &r);
}

int stand_in_getrs(wr_solver_handle handle, wr_solver_params params, int transposed, int64_t n,
                   int64_t columns, int a_type, const void *a, int64_t lda, const int64_t *pivots,
                   int b_type, void *b, int64_t ldb, int *info) {
  const struct touching t = {.at = {device_address(a), device_address(pivots), device_address(b)},
                             .info_at = device_address(info)};
  const int failed = handle_begin(CALL_getrs, handle);
  (void)params, (void)transposed, (void)n, (void)columns, (void)a_type, (void)lda, (void)b_type;
  (void)ldb;
  if (failed) return failed;
  handle_touch(handle, &t);
  return handle_end(handle);
}

int stand_in_geqrf_size(wr_solver_handle handle, wr_solver_params params, int64_t m, int64_t n,
                        int type, const void *a, int64_t lda, int tau_type, const void *tau,
                        int compute, size_t *device, size_t *host) {
  (void)params, (void)m, (void)n, (void)type, (void)a, (void)lda, (void)tau_type, (void)tau;
  (void)compute;
  return sizes(CALL_geqrf_size, handle, device, host);
}

int stand_in_geqrf(wr_solver_handle handle, wr_solver_params params, int64_t m, int64_t n, int type,
                   void *a, int64_t lda, int tau_type, void *tau, int compute, void *device,
                   size_t device_bytes, void *host, size_t host_bytes, int *info) {
  const struct routine r = {{a, tau}, device, device_bytes, host, host_bytes, info};
  (void)params, (void)m, (void)n, (void)type, (void)lda, (void)tau_type, (void)compute;
  return run(CALL_geqrf, handle, &r);
}

int stand_in_orgqr_size_f32(wr_solver_handle handle, int m, int n, int k, const void *a, int lda,
                            const void *tau, int *elements) {
  (void)m, (void)n, (void)k, (void)a, (void)lda, (void)tau;
  return work_size(CALL_orgqr_size_f32, handle, elements);
}

int stand_in_orgqr_size_f64(wr_solver_handle handle, int m, int n, int k, const void *a, int lda,
                            const void *tau, int *elements) {
  (void)m, (void)n, (void)k, (void)a, (void)lda, (void)tau;
  return work_size(CALL_orgqr_size_f64, handle, elements);
}

static int orgqr(int call, wr_solver_handle handle, void *a, const void *tau, void *work,
                 int elements, int *info) {
  const struct touching t = {.at = {device_address(a), device_address(tau), device_address(work)},
                             .info_at = device_address(info)};
  const int failed = handle_begin(call, handle);
  if (failed) return failed;
  if (elements != WORK_ELEMENTS) slow_misuse("a routine without its workspace");
  handle_touch(handle, &t);
  return handle_end(handle);
}

int stand_in_orgqr_f32(wr_solver_handle handle, int m, int n, int k, void *a, int lda,
                       const void *tau, void *work, int elements, int *info) {
  (void)m, (void)n, (void)k, (void)lda;
  return orgqr(CALL_orgqr_f32, handle, a, tau, work, elements, info);
}

int stand_in_orgqr_f64(wr_solver_handle handle, int m, int n, int k, void *a, int lda,
                       const void *tau, void *work, int elements, int *info) {
  (void)m, (void)n, (void)k, (void)lda;
  return orgqr(CALL_orgqr_f64, handle, a, tau, work, elements, info);
}

int stand_in_syevd_size(wr_solver_handle handle, wr_solver_params params, int vectors, int part,
                        int64_t n, int type, const void *a, int64_t lda, int w_type, const void *w,
                        int compute, size_t *device, size_t *host) {
  (void)params, (void)vectors, (void)part, (void)n, (void)type, (void)a, (void)lda, (void)w_type;
  (void)w, (void)compute;
  return sizes(CALL_syevd_size, handle, device, host);
}

int stand_in_syevd(wr_solver_handle handle, wr_solver_params params, int vectors, int part,
                   int64_t n, int type, void *a, int64_t lda, int w_type, void *w, int compute,
                   void *device, size_t device_bytes, void *host, size_t host_bytes, int *info) {
  const struct routine r = {{a, w}, device, device_bytes, host, host_bytes, info};
  (void)params, (void)vectors, (void)part, (void)n, (void)type, (void)lda, (void)w_type;
  (void)compute;
  return run(CALL_syevd, handle, &r);
}

int stand_in_gesvd_size(wr_solver_handle handle, wr_solver_params params, signed char u_job,
                        signed char vt_job, int64_t m, int64_t n, int type, const void *a,
                        int64_t lda, int s_type, const void *s, int u_type, const void *u,
                        int64_t ldu, int vt_type, const void *vt, int64_t ldvt, int compute,
                        size_t *device, size_t *host) {
  (void)params, (void)u_job, (void)vt_job, (void)m, (void)n, (void)type, (void)a, (void)lda;
  (void)s_type, (void)s, (void)u_type, (void)u, (void)ldu, (void)vt_type, (void)vt, (void)ldvt;
  (void)compute;
  return sizes(CALL_gesvd_size, handle, device, host);
}

int stand_in_gesvd(wr_solver_handle handle, wr_solver_params params, signed char u_job,
                   signed char vt_job, int64_t m, int64_t n, int type, void *a, int64_t lda,
                   int s_type, void *s, int u_type, void *u, int64_t ldu, int vt_type, void *vt,
                   int64_t ldvt, int compute, void *device, size_t device_bytes, void *host,
                   size_t host_bytes, int *info) {
  const struct routine r = {{a, s, u, vt}, device, device_bytes, host, host_bytes, info};
  (void)params, (void)u_job, (void)vt_job, (void)type, (void)lda, (void)s_type, (void)u_type;
  (void)ldu, (void)vt_type, (void)ldvt, (void)compute;
  if (m < n) slow_misuse("gesvd of a matrix with fewer rows than columns");
  return run(CALL_gesvd, handle, &r);
}

int stand_in_jacobi_new(wr_solver_jacobi *jacobi) {
  static char the_jacobi;
  void *address = &the_jacobi;
  slow_enter();
  const int failed = handle_ordered(CALL_jacobi_new);
  if (!failed) memcpy(jacobi, &address, sizeof address);
  slow_leave();
  return failed;
}

int stand_in_jacobi_free(wr_solver_jacobi jacobi) {
  (void)jacobi;
  slow_enter();
  slow_leave();
  return 0;
}

/* So many elements that 32 bits do not hold their number; of still more matrices it wraps around to
   one that looks right. */
int stand_in_gesvdj_many_size(wr_solver_handle handle, int vectors, int m, int n, const void *a,
                              int lda, const void *s, const void *u, int ldu, const void *v,
                              int ldv, int *elements, wr_solver_jacobi jacobi, int count) {
  (void)vectors, (void)m, (void)n, (void)a, (void)lda, (void)s, (void)u, (void)ldu, (void)v;
  (void)ldv, (void)jacobi;
  const int failed = work_size(CALL_gesvdj_many_size, handle, elements);
  if (!failed && count > 100 && count <= 1 << 19) *elements = -WORK_ELEMENTS;
  return failed;
}

int stand_in_gesvdj_many(wr_solver_handle handle, int vectors, int m, int n, void *a, int lda,
                         void *s, void *u, int ldu, void *v, int ldv, void *work, int elements,
                         int *info, wr_solver_jacobi jacobi, int count) {
  struct touching t = {.at = {device_address(a), device_address(s), device_address(u),
                              device_address(v), device_address(work)},
                       .info_at = device_address(info)};
  const int failed = handle_begin(CALL_gesvdj_many, handle);
  (void)vectors, (void)lda, (void)ldu, (void)ldv;
  if (failed) return failed;
  if (count > 100) slow_misuse("a batch without its workspace");
  if (elements != WORK_ELEMENTS || !jacobi) slow_misuse("a routine without its workspace");
  if (m > 32 || n > 32) slow_misuse("gesvdjBatched of matrices that are too large");
  t.info = (int)wr_exchange_acq_rel(&next_info, 0u);
  handle_touch(handle, &t);
  return handle_end(handle);
}

/* A workspace that grows with the number of matrices. */
int stand_in_syev_many_size(wr_solver_handle handle, wr_solver_params params, int vectors, int part,
                            int64_t n, int type, const void *a, int64_t lda, int w_type,
                            const void *w, int compute, size_t *device, size_t *host,
                            int64_t count) {
  (void)params, (void)vectors, (void)part, (void)n, (void)type, (void)a, (void)lda, (void)w_type;
  (void)w, (void)compute;
  const int failed = sizes(CALL_syev_many_size, handle, device, host);
  if (!failed && count > 100) *device = (size_t)1 << 30;
  return failed;
}

int stand_in_syev_many(wr_solver_handle handle, wr_solver_params params, int vectors, int part,
                       int64_t n, int type, void *a, int64_t lda, int w_type, void *w, int compute,
                       void *device, size_t device_bytes, void *host, size_t host_bytes, int *info,
                       int64_t count) {
  const struct routine r = {{a, w}, device, device_bytes, host, host_bytes, info};
  (void)params, (void)vectors, (void)part, (void)n, (void)type, (void)lda, (void)w_type;
  (void)compute;
  if (count > 100) slow_misuse("a batch without its workspace");
  return run(CALL_syev_many, handle, &r);
}
