/* OpenBLAS behind a gate.

   Its library destructor frees the buffers in which products are packed, or waits for its threads.
   The process may end (return from main, exit) while other threads compute, and a product that runs
   then reads freed memory. So a handler closes the gate and waits, bounded, for the products
   inside; these are slices of a few milliseconds. It joins no thread and runs no work. Handlers
   that were registered after main began run before the destructors of all libraries, so the order
   among the handlers does not matter; it is registered before the library is opened, and opening
   counts as being inside. A fork closes the gate too, before the process is copied, so that the
   child finds neither OpenBLAS's own locks held nor the loader's, and opens it again on both sides.

   A product that comes after the handler finds the process ending, and waits for that: an error
   would make its thread do what the program has for errors, and perhaps end the process with
   another status. Only when the end takes longer it fails after all, since a handler or a
   destructor of the program's may be joining that very thread.

   The gate is a read-write lock: a product holds it for reading, who closes it for writing. Writers
   come first, so a stream of products cannot keep them out. No product holds a lock of Weir's that
   is not below the gate, and none waits for anything inside it.

   OpenBLAS without threads of its own is not safe for concurrent calls as Debian builds it: two
   products can be given one packing buffer, and now and then one of them is wrong. Then a lock of
   rank BACKEND lets in one at a time; its slices are short. The threaded builds need none. */

#include "backend/cpu/blas.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "backend/cpu/openblas.h"
#include "base/atomic.h"
#include "base/lock.h"

enum { CLOSE_NS = 500 * 1000 * 1000 }; /* how long a closer waits at most */

/* How long the end of a process may take before products fail. ThreadSanitizer's alone is a second.
 */
static const uint64_t ending_ns = UINT64_C(3000000000);

static pthread_rwlock_t gate;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static wr_atomic_u64 ending;           /* atomic RELAXED: since when, by wr_clock_ns, or 0; written
                                          before the gate is closed */
static struct wr_openblas blas;        /* immutable after once */
static struct wr_error *unavailable;   /* immutable after once; why there is no OpenBLAS, or NULL */
static _Thread_local bool fork_closed; /* on a thread that forks, between prepare and after */
static _Thread_local bool ends_process; /* on the thread that runs the handlers */
static struct wr_mutex turn = WR_MUTEX_INIT(WR_RANK_BACKEND);

static void gate_init(void) {
  pthread_rwlockattr_t attr;
  pthread_rwlockattr_init(&attr);
  /* The one kind of glibc's in which writers come first. */
  pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init(&gate, &attr);
  pthread_rwlockattr_destroy(&attr);
}

/* False when products were still inside after CLOSE_NS. */
static bool gate_close(void) {
  struct timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  int64_t ns = deadline.tv_nsec + (int64_t)CLOSE_NS;
  deadline.tv_sec += (time_t)(ns / 1000000000);
  deadline.tv_nsec = (long)(ns % 1000000000);
  return pthread_rwlock_timedwrlock(&gate, &deadline) == 0;
}

static void at_exit(void) {
  ends_process = true;
  /* Relaxed: who does not see it holds the gate for reading, and is waited for. */
  wr_store_relaxed(&ending, wr_clock_ns());
  /* Who comes to hold the gate after that sees that the process is ending. */
  if (gate_close()) pthread_rwlock_unlock(&gate);
}

static void fork_prepare(void) { fork_closed = gate_close(); }

static void fork_parent(void) {
  if (fork_closed) pthread_rwlock_unlock(&gate);
}

/* The lock knows its writer by a thread id that is the parent's, so it is made anew. */
static void fork_child(void) {
  gate_init();
  wr_mutex_init(&turn, WR_RANK_BACKEND);
}

static void sleep_until(uint64_t ns) {
  struct timespec at = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
  int before = wr_cancel_off();
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL)) continue; /* a signal */
  wr_cancel_restore(before);
}

/* False when the process is ending, and does not end. */
static bool gate_enter(void) {
  pthread_rwlock_rdlock(&gate);
  uint64_t since = wr_load_relaxed(&ending);
  if (!since) return true;
  pthread_rwlock_unlock(&gate);
  sleep_until(since + ending_ns);
  return false;
}

static void gate_leave(void) { pthread_rwlock_unlock(&gate); }

static struct wr_error *is_ending(void) {
  return wr_error_new(WEIR_ERROR_STATE, "the process is ending: no matrix products any more");
}

static void set_up(void) {
  gate_init();
  /* Refused by a process that has run its handlers already, or by the system. */
  if (atexit(at_exit)) {
    unavailable = is_ending();
    return;
  }
  /* Without memory for handlers, a child finds OpenBLAS's locks, or the loader's, as they happened
     to be. */
  (void)pthread_atfork(fork_prepare, fork_parent, fork_child);
  int before = wr_cancel_off();
  if (gate_enter()) {
    unavailable = wr_openblas_open(&blas);
    gate_leave();
  } else {
    unavailable = is_ending();
  }
  wr_cancel_restore(before);
}

static void leave(void) {
  gate_leave();
  if (blas.one_at_a_time) wr_mutex_unlock(&turn);
}

/* The turn first, so that a closer waits for one product and not for all that queue for it. */
static bool enter(void) {
  if (blas.one_at_a_time) wr_mutex_lock(&turn);
  if (gate_enter()) return true;
  if (blas.one_at_a_time) wr_mutex_unlock(&turn);
  return false;
}

static int transpose(bool transposed) { return transposed ? WR_BLAS_TRANS : WR_BLAS_NO_TRANS; }

/* c and b are columns. b's elements are ldb apart unless it is given transposed. */
static void matrix_times_column(const struct wr_gemm *g) {
  int rows = (int)(g->a_transposed ? g->k : g->m);
  int cols = (int)(g->a_transposed ? g->m : g->k);
  int step = (int)(g->b_transposed ? 1 : g->ldb);
  if (g->dtype == WR_FLOAT32) {
    blas.sgemv(WR_BLAS_ROW_MAJOR, transpose(g->a_transposed), rows, cols, g->alpha, g->a,
               (int)g->lda, g->b, step, g->beta, g->c, (int)g->ldc);
  } else {
    blas.dgemv(WR_BLAS_ROW_MAJOR, transpose(g->a_transposed), rows, cols, (double)g->alpha, g->a,
               (int)g->lda, g->b, step, (double)g->beta, g->c, (int)g->ldc);
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
  const int ta = transpose(g->a_transposed);
  const int tb = transpose(g->b_transposed);
  const int m = (int)g->m, n = (int)g->n, k = (int)g->k;
  const int lda = (int)g->lda, ldb = (int)g->ldb, ldc = (int)g->ldc;
  if (g->dtype == WR_FLOAT32) {
    blas.sgemm(WR_BLAS_ROW_MAJOR, ta, tb, m, n, k, g->alpha, g->a, lda, g->b, ldb, g->beta, g->c,
               ldc);
  } else if (g->dtype == WR_FLOAT64) {
    blas.dgemm(WR_BLAS_ROW_MAJOR, ta, tb, m, n, k, (double)g->alpha, g->a, lda, g->b, ldb,
               (double)g->beta, g->c, ldc);
  } else {
    const wr_complex64 alpha = {g->alpha, 0};
    const wr_complex64 beta = {g->beta, 0};
    blas.cgemm(WR_BLAS_ROW_MAJOR, ta, tb, m, n, k, &alpha, g->a, lda, g->b, ldb, &beta, g->c, ldc);
  }
}

struct wr_error *wr_cpu_gemm(const struct wr_gemm *g) {
  if (ends_process) return is_ending();
  pthread_once(&once, set_up);
  if (unavailable) return wr_error_retain(unavailable);
  if (!enter()) return is_ending();
  if (g->n == 1 && g->dtype != WR_COMPLEX64) {
    matrix_times_column(g);
  } else if (g->m == 1 && g->dtype != WR_COMPLEX64) {
    row_times_matrix(g);
  } else {
    product(g);
  }
  leave();
  return NULL;
}
