/* OpenBLAS behind a gate (base/gate.h). Its library destructor frees the buffers in which products
   are packed, or waits for its threads, and a product that runs then reads freed memory. The calls
   inside the gate are slices of a few milliseconds, and opening the library. A fork closes the gate
   too, before the process is copied, so that the child finds neither OpenBLAS's own locks held nor
   the loader's.

   OpenBLAS without threads of its own is not safe for concurrent calls as Debian builds it: two
   products can be given one packing buffer, and now and then one of them is wrong. Then a lock of
   rank BACKEND lets in one at a time; its slices are short. The threaded builds need none. */

#include "backend/cpu/blas/blas.h"

#include "backend/cpu/blas/openblas.h"
#include "base/fork.h"
#include "base/gate.h"
#include "base/lock.h"
#include "base/once.h"

static struct wr_once once;            /* opened, or known to be absent */
static struct wr_openblas blas;        /* immutable after once */
static struct wr_error *unavailable;   /* immutable after once; why there is no OpenBLAS, or NULL */
static _Thread_local bool fork_closed; /* on a thread that forks, between prepare and after */
static struct wr_mutex one_product = WR_MUTEX_INIT(WR_RANK_BACKEND);

static void fork_prepare(void) { fork_closed = wr_gate_close(WR_GATE_PRODUCTS); }

static void fork_parent(void) {
  if (fork_closed) wr_gate_open(WR_GATE_PRODUCTS);
}

static void fork_child(void) { wr_mutex_init(&one_product, WR_RANK_BACKEND); }

WR_AT_FORK(.rank = WR_RANK_NONE, .before = fork_prepare, .parent = fork_parent, .child = fork_child)

static struct wr_error *is_ending(void) {
  return wr_error_new(WEIR_ERROR_STATE, "the process is ending: no matrix products any more");
}

/* What the system refuses for the moment is an error of the call alone (T2). */
static bool set_up(void *arg) {
  struct wr_error **refusal = arg;
  bool absent = false;
  if (!wr_gate_enter(WR_GATE_PRODUCTS)) {
    *refusal = is_ending();
    return false;
  }
  struct wr_error *error = wr_openblas_open(&blas, &absent);
  wr_gate_leave(WR_GATE_PRODUCTS);
  if (error && !absent) {
    *refusal = error;
    return false;
  }
  unavailable = error;
  return true;
}

static void leave(void) {
  wr_gate_leave(WR_GATE_PRODUCTS);
  if (blas.one_at_a_time) wr_mutex_unlock(&one_product);
}

/* The lock first, so that a closer waits for one product and not for all that queue for it. */
static bool enter(void) {
  if (blas.one_at_a_time) wr_mutex_lock(&one_product);
  if (wr_gate_enter(WR_GATE_PRODUCTS)) return true;
  if (blas.one_at_a_time) wr_mutex_unlock(&one_product);
  return false;
}

static int transpose(bool transposed) { return transposed ? WR_BLAS_TRANS : WR_BLAS_NO_TRANS; }

static void product(const struct wr_gemm *g) {
  const int m = (int)g->m, n = (int)g->n, k = (int)g->k;
  const wr_complex64 alpha = {g->alpha, 0}, beta = {g->beta, 0};
  blas.cgemm(WR_BLAS_ROW_MAJOR, transpose(g->a_transposed), transpose(g->b_transposed), m, n, k,
             &alpha, g->a, (int)g->lda, g->b, (int)g->ldb, &beta, g->c, (int)g->ldc);
}

/* Inside the gate, where there is no error. */
static struct wr_error *begin(void) {
  if (wr_gate_ends_here()) return is_ending();
  struct wr_error *refusal = NULL;
  if (!wr_once_try(&once, set_up, (void *)&refusal)) return refusal;
  if (unavailable) return wr_error_retain(unavailable);
  return enter() ? NULL : is_ending();
}

struct wr_error *wr_cpu_gemm(const struct wr_gemm *g) {
  if (g->dtype != WR_COMPLEX64) return wr_gemm_run(g);
  struct wr_error *error = begin();
  if (error) return error;
  product(g);
  leave();
  return NULL;
}

struct wr_error *wr_cpu_gemm_slices(struct wr_gemm g, int64_t step, int64_t element) {
  const int64_t a_step = g.a_transposed ? g.lda : 1, b_step = g.b_transposed ? 1 : g.ldb;
  const char *a = g.a, *b = g.b;
  const int64_t k = g.k;
  for (int64_t at = 0; at < k; at += step) {
    g.k = k - at < step ? k - at : step;
    g.a = a + at * a_step * element;
    g.b = b + at * b_step * element;
    struct wr_error *error = wr_cpu_gemm(&g);
    if (error) return error;
    g.beta = 1.0f;
  }
  return NULL;
}

struct wr_error *wr_cpu_lapack_enter(const struct wr_lapack **out) {
  struct wr_error *error = begin();
  if (error) return error;
  *out = &blas.lapack;
  if (!blas.lapack_lacks) return NULL;
  leave();
  return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                      "linear algebra needs LAPACK, and the OpenBLAS on this machine was built "
                      "without it: it has no %s",
                      blas.lapack_lacks);
}

void wr_cpu_lapack_leave(void) { leave(); }
