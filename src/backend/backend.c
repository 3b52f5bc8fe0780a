/* The list of backends, one slot per device type, and the hook through which kernels use the worker
   pool. Both are written at start, before the first stream, and only read afterwards; they are
   atomics all the same, because a test may register while another thread makes its first stream.
   No locks. */

#include "backend/backend.h"

#include "base/atomic.h"

static wr_atomic_ptr registered[WR_DEVICE_TYPE_COUNT];
static _Atomic(wr_parallel_runner) parallel_runner;

const struct wr_backend *wr_backend_for(enum wr_device_type type) {
  /* Acquire: the backend's struct was filled before it was registered. */
  const struct wr_backend *backend = wr_load_acquire(&registered[type]);
  if (backend) return backend;
  return type == WR_DEVICE_CPU ? &wr_backend_cpu : &wr_backend_cuda;
}

void wr_backend_register(const struct wr_backend *backend) {
  /* Release: pairs with the acquire above. */
  wr_store_release(&registered[backend->type], (void *)backend);
}

void wr_backend_set_parallel(wr_parallel_runner runner) {
  /* Release: what the runner needs was made before. */
  wr_store_release(&parallel_runner, runner);
}

void wr_parallel_for_awake(int64_t n, int64_t grain, int64_t least, wr_parallel_body body,
                           void *ctx) {
  /* Acquire: pairs with the release above. */
  wr_parallel_runner runner = wr_load_acquire(&parallel_runner);
  if (n <= 0) return;
  if (runner) {
    runner(n, grain, least, body, ctx);
  } else {
    body(ctx, 0, n);
  }
}

void wr_parallel_for(int64_t n, int64_t grain, wr_parallel_body body, void *ctx) {
  wr_parallel_for_awake(n, grain, grain, body, ctx);
}
