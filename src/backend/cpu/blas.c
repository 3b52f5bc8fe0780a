/* OpenBLAS behind a gate.

   Its library destructor frees the buffers in which products are packed. The process may end
   (return from main, exit) while other threads compute, and a product that runs then reads freed
   memory. libweir is linked with OpenBLAS, so that Weir's destructor runs first: it closes the gate
   and waits, bounded, for the products inside; these are slices of a few milliseconds. It joins no
   thread and runs no work.

   The gate is one word: a closed bit and the count of threads inside. Entering adds 1 and looks at
   the bit in the same atomic step; closing sets the bit and looks at the count in one step. One of
   the two comes first in the word's modification order: either the closer sees the thread in the
   count, or the thread sees the bit and leaves without a call.

   OpenBLAS without threads of its own is not safe for concurrent calls as Debian builds it: two
   products can be given one packing buffer, and now and then one of them is wrong. Then a lock of
   rank BACKEND lets in one at a time; its slices are short. The threaded builds need none. */

#include "backend/cpu/blas.h"

#include <cblas.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/lock.h"

#define GATE_CLOSED 0x80000000u

enum { CLOSE_STEP_NS = 100 * 1000, CLOSE_STEPS = 5000 }; /* half a second */

static wr_atomic_u32 gate;
static _Thread_local bool ends_process; /* on the thread that runs the destructors */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool one_at_a_time; /* immutable after once */
static struct wr_mutex turn = WR_MUTEX_INIT(WR_RANK_BACKEND);

/* The threads inside are not part of the child; its gate starts empty. */
static void forked(void) {
  wr_store_relaxed(&gate, 0u);
  wr_mutex_init(&turn, WR_RANK_BACKEND);
}

static void set_up(void) {
  /* Weir's pool spreads the slices; OpenBLAS's own threads would be a second pool on the same
     cores. */
  openblas_set_num_threads(1);
  one_at_a_time = openblas_get_parallel() == OPENBLAS_SEQUENTIAL;
  /* When the system refuses the memory, a child's exit waits half a second at worst. */
  (void)pthread_atfork(NULL, NULL, forked);
}

static void gate_leave(void) {
  /* Release: this thread's use of OpenBLAS's buffers comes before the destructor that frees them,
     which follows the closer's acquire load of the count. */
  wr_fetch_sub_acq_rel(&gate, 1u);
}

static bool gate_enter(void) {
  /* Acquire-release: on one word the modification order decides, see above; nothing else is
     published by it. */
  if (!(wr_fetch_add_acq_rel(&gate, 1u) & GATE_CLOSED)) return true;
  gate_leave();
  return false;
}

static void leave(void) {
  gate_leave();
  if (one_at_a_time) wr_mutex_unlock(&turn);
}

/* The turn first, so that the closer waits for one product and not for all that queue for it. */
static bool enter(void) {
  if (one_at_a_time) wr_mutex_lock(&turn);
  if (gate_enter()) return true;
  if (one_at_a_time) wr_mutex_unlock(&turn);
  if (ends_process) return false;
  /* The process ends within moments, and this thread with it. There is no result to return. */
  for (;;) pause();
}

__attribute__((destructor)) static void gate_close(void) {
  const struct timespec step = {.tv_sec = 0, .tv_nsec = CLOSE_STEP_NS};
  ends_process = true;
  uint32_t inside = wr_fetch_or_acq_rel(&gate, GATE_CLOSED) & ~GATE_CLOSED;
  /* Polling, since a wake-up would cost every product; this wait happens once per process. Acquire:
     pairs with gate_leave. */
  for (int i = 0; inside != 0 && i < CLOSE_STEPS; i++) {
    nanosleep(&step, NULL);
    inside = wr_load_acquire(&gate) & ~GATE_CLOSED;
  }
}

static enum CBLAS_TRANSPOSE transpose(bool transposed) {
  return transposed ? CblasTrans : CblasNoTrans;
}

/* c and b are columns. b's elements are ldb apart unless it is given transposed. */
static void matrix_times_column(const struct wr_gemm *g) {
  blasint rows = (blasint)(g->a_transposed ? g->k : g->m);
  blasint cols = (blasint)(g->a_transposed ? g->m : g->k);
  blasint step = (blasint)(g->b_transposed ? 1 : g->ldb);
  if (g->dtype == WR_FLOAT32) {
    cblas_sgemv(CblasRowMajor, transpose(g->a_transposed), rows, cols, g->alpha, g->a,
                (blasint)g->lda, g->b, step, g->beta, g->c, (blasint)g->ldc);
  } else {
    cblas_dgemv(CblasRowMajor, transpose(g->a_transposed), rows, cols, (double)g->alpha, g->a,
                (blasint)g->lda, g->b, step, (double)g->beta, g->c, (blasint)g->ldc);
  }
}

/* The row a times b is the column b' times a'. */
static void row_times_matrix(const struct wr_gemm *g) {
  const struct wr_gemm turned = {.dtype = g->dtype,
                                 .a_transposed = !g->b_transposed,
                                 .b_transposed = !g->a_transposed,
                                 .m = g->n,
                                 .n = 1,
                                 .k = g->k,
                                 .a = g->b,
                                 .b = g->a,
                                 .lda = g->ldb,
                                 .ldb = g->lda,
                                 .c = g->c,
                                 .ldc = 1,
                                 .alpha = g->alpha,
                                 .beta = g->beta};
  matrix_times_column(&turned);
}

static void product(const struct wr_gemm *g) {
  const enum CBLAS_TRANSPOSE ta = transpose(g->a_transposed);
  const enum CBLAS_TRANSPOSE tb = transpose(g->b_transposed);
  const blasint m = (blasint)g->m, n = (blasint)g->n, k = (blasint)g->k;
  const blasint lda = (blasint)g->lda, ldb = (blasint)g->ldb, ldc = (blasint)g->ldc;
  if (g->dtype == WR_FLOAT32) {
    cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, g->alpha, g->a, lda, g->b, ldb, g->beta, g->c, ldc);
  } else if (g->dtype == WR_FLOAT64) {
    cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, (double)g->alpha, g->a, lda, g->b, ldb,
                (double)g->beta, g->c, ldc);
  } else {
    const wr_complex64 alpha = {g->alpha, 0};
    const wr_complex64 beta = {g->beta, 0};
    cblas_cgemm(CblasRowMajor, ta, tb, m, n, k, &alpha, g->a, lda, g->b, ldb, &beta, g->c, ldc);
  }
}

bool wr_cpu_gemm(const struct wr_gemm *g) {
  pthread_once(&once, set_up);
  if (!enter()) return false;
  if (g->n == 1 && g->dtype != WR_COMPLEX64) {
    matrix_times_column(g);
  } else if (g->m == 1 && g->dtype != WR_COMPLEX64) {
    row_times_matrix(g);
  } else {
    product(g);
  }
  leave();
  return true;
}
