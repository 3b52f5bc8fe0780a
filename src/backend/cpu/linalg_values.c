/* Singular values and eigenvalues, by LAPACK's routines of float, double and complex float. A
   matrix with a NaN or an infinity in what is read of it is an error: some of the routines would
   never end. No locks but the gate of the library. */

#include <math.h>
#include <string.h>

#include "backend/cpu/linalg.h"
#include "base/base.h"

enum { COMPLEX = 2 };

/* Bytes of a real number of the matrix's kind. */
static int64_t real_bytes(const struct wr_linalg *g) { return g->type == 1 ? 8 : 4; }

static double cube(const struct wr_linalg *g) { return (double)g->m * (double)g->n * (double)g->k; }

static bool are_finite(const struct wr_linalg *g, const char *from, int64_t elements) {
  bool finite = true;
  if (g->type == 1) {
    const double *x = (const double *)(const void *)from;
    for (int64_t i = 0; i < elements; i++) finite = finite && isfinite(x[i]);
    return finite;
  }
  const float *x = (const float *)(const void *)from;
  const int64_t n = g->type == COMPLEX ? 2 * elements : elements;
  for (int64_t i = 0; i < n; i++) finite = finite && isfinite(x[i]);
  return finite;
}

static struct wr_error *not_finite(const struct wr_linalg *g, int64_t i) {
  return wr_linalg_fault(g, i, WR_MATRIX_NOT_FINITE, 0);
}

static struct wr_error *outcome(const struct wr_linalg *g, int64_t i, const char *routine,
                                int info) {
  if (info < 0) return wr_linalg_misuse(routine, info);
  if (info == 0) return NULL;
  return wr_matrix_fault_error(WR_MATRIX_NO_CONVERGENCE, i, g->count, info, routine);
}

/* What a routine says of its workspace, asked with a length of -1: it leaves that where the
   workspace is to be, `work` bytes into scratch of `bytes`. */
static struct wr_error *ask_workspace(struct wr_linalg *g, int64_t bytes, int64_t work,
                                      const char *routine,
                                      int (*ask)(const struct wr_lapack *lapack,
                                                 const struct wr_linalg *g, char *scratch)) {
  const struct wr_lapack *lapack;
  char *scratch = wr_calloc((size_t)bytes + 64);
  if (!scratch) return wr_error_out_of_memory();
  struct wr_error *error = wr_cpu_lapack_enter(&lapack);
  if (!error) {
    const int info = ask(lapack, g, scratch);
    wr_cpu_lapack_leave();
    error = info ? wr_linalg_misuse(routine, info) : wr_linalg_workspace(g, scratch + work);
  }
  wr_free(scratch);
  return error;
}

static void put_identity(char *at, int n, const struct wr_linalg *g) {
  const float one = 1;
  const double wide = 1;
  memset(at, 0, (size_t)((int64_t)n * n * g->element));
  for (int64_t i = 0; i < n; i++) {
    memcpy(at + (i * n + i) * g->element, g->type == 1 ? (const void *)&wide : (const void *)&one,
           (size_t)real_bytes(g));
  }
}

/* ---- singular values ---- */

/* The scratch: the matrix, the workspaces. */
struct svd_scratch {
  int64_t work, real_work, int_work, end;
};

static struct svd_scratch svd_scratch(const struct wr_linalg *g) {
  const int64_t least = g->k, most = g->m > g->n ? g->m : g->n;
  const int64_t reals = g->type == COMPLEX ? least * (7 * least + 2 * most + 7) : 0;
  struct svd_scratch r;
  r.work = wr_linalg_behind(0, (int64_t)g->m * g->n * g->element);
  r.real_work = wr_linalg_behind(r.work, g->lwork * g->element);
  r.int_work = wr_linalg_behind(r.real_work, reals * (int64_t)sizeof(float));
  r.end = wr_linalg_behind(r.int_work, 8 * least * (int64_t)sizeof(int));
  return r;
}

/* What is written: the values alone, or U, S and Vt as parts. */
struct svd_out {
  char *u, *s, *vt;
};

static char *part_of(const struct wr_linalg *g, int part, int64_t i, int64_t bytes) {
  return (char *)wr_call_part(g->call, part) + i * bytes;
}

static struct svd_out svd_out(const struct wr_linalg *g, int64_t i) {
  const struct wr_vectors_params *params = g->call->params;
  const int64_t s_bytes = g->k * real_bytes(g);
  if (!params->vectors) {
    return (struct svd_out){.s = (char *)g->call->out.data + i * s_bytes};
  }
  return (struct svd_out){part_of(g, 0, i, (int64_t)g->m * g->m * g->element),
                          part_of(g, 1, i, s_bytes),
                          part_of(g, 2, i, (int64_t)g->n * g->n * g->element)};
}

/* Our rows are the transposed matrix there: its left vectors are our right ones, transposed too. */
static int gesdd(const struct wr_lapack *lapack, const struct wr_linalg *g, char *scratch,
                 const struct svd_out *out, int lwork) {
  const struct wr_vectors_params *params = g->call->params;
  const struct svd_scratch r = svd_scratch(g);
  const char *job = params->vectors ? "A" : "N";
  int *ints = (int *)(scratch + r.int_work);
  int info;
  if (g->type == COMPLEX) {
    lapack->cgesdd(job, &g->n, &g->m, scratch, &g->n, (float *)(void *)out->s, out->vt, &g->n,
                   out->u, &g->m, scratch + r.work, &lwork,
                   (float *)(void *)(scratch + r.real_work), ints, &info, 1);
  } else {
    lapack->gesdd[g->type](job, &g->n, &g->m, scratch, &g->n, out->s, out->vt, &g->n, out->u, &g->m,
                           scratch + r.work, &lwork, ints, &info, 1);
  }
  return info;
}

static struct wr_error *svd_body(const struct wr_linalg *g, int64_t i, char *scratch) {
  const struct svd_out out = svd_out(g, i);
  const struct wr_lapack *lapack;
  if (g->k == 0) {
    if (out.u) put_identity(out.u, g->m, g);
    if (out.vt) put_identity(out.vt, g->n, g);
    return NULL;
  }
  wr_linalg_gather(g, 0, i, scratch, false);
  if (!are_finite(g, scratch, (int64_t)g->m * g->n)) return not_finite(g, i);
  struct wr_error *error = wr_cpu_lapack_enter(&lapack);
  if (error) return error;
  const int info = gesdd(lapack, g, scratch, &out, g->lwork);
  wr_cpu_lapack_leave();
  return outcome(g, i, "gesdd", info);
}

static int ask_gesdd(const struct wr_lapack *lapack, const struct wr_linalg *g, char *scratch) {
  const struct svd_out none = {scratch, scratch, scratch};
  return gesdd(lapack, g, scratch, &none, -1);
}

/* The least workspace of gesdd with vectors, in elements, which it counts in 32 bits: 4 k^2 + 7 k
   where real matrices are so long that it begins with a QR factorisation, else 3 k^2 + 7 k. Values
   alone take multiples of k. */
static bool svd_is_too_large(const struct wr_linalg *g) {
  const struct wr_vectors_params *params = g->call->params;
  const int64_t k = g->k, most = g->m > g->n ? g->m : g->n;
  const int64_t squares = g->type != COMPLEX && most >= k * 11 / 6 ? 4 : 3;
  return params->vectors && squares * k * k + 7 * k > INT32_MAX;
}

static struct wr_error *svd_workspace(struct wr_linalg *g) {
  if (svd_is_too_large(g)) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                        "a matrix of shape (%d,%d) is too large for LAPACK's singular vectors, "
                        "whose workspace it counts in 32 bits",
                        g->m, g->n);
  }
  return ask_workspace(g, svd_scratch(g).end, svd_scratch(g).work, "gesdd", ask_gesdd);
}

struct wr_error *wr_cpu_svd(const struct wr_call *call) {
  struct wr_linalg g = wr_linalg_of(call);
  g.lwork = 1;
  struct wr_error *error = g.k > 0 && g.count > 0 ? svd_workspace(&g) : NULL;
  if (error) return error;
  return wr_linalg_run(&g, (size_t)svd_scratch(&g).end, 10 * cube(&g), svd_body);
}

/* ---- eigenvalues of symmetric matrices ---- */

struct eigh_scratch {
  int64_t matrix, work, real_work, int_work, end;
  int n_reals, n_ints;
};

/* With vectors the routines divide and conquer, in 1 + 6 n + 2 n^2 elements, which they count in 32
   bits; values alone take multiples of n. */
enum { MOST_WITH_VECTORS = 32766 };

static bool has_vectors(const struct wr_linalg *g) {
  const struct wr_eigh_params *params = g->call->params;
  return params->vectors;
}

static struct eigh_scratch eigh_scratch(const struct wr_linalg *g) {
  const int64_t n = g->n;
  struct eigh_scratch r = {.n_ints = 1};
  if (g->type == COMPLEX) r.n_reals = (int)n;
  if (has_vectors(g)) {
    r.n_ints = (int)(3 + 5 * n);
    if (g->type == COMPLEX) r.n_reals = (int)(1 + 5 * n + 2 * n * n);
  }
  r.work = wr_linalg_behind(0, n * n * g->element);
  r.real_work = wr_linalg_behind(r.work, g->lwork * g->element);
  r.int_work = wr_linalg_behind(r.real_work, r.n_reals * (int64_t)sizeof(float));
  r.end = wr_linalg_behind(r.int_work, r.n_ints * (int64_t)sizeof(int));
  return r;
}

/* Our lower triangle is the upper one there; of a Hermitian matrix the transposed is the conjugate.
 */
static int syevd(const struct wr_lapack *lapack, const struct wr_linalg *g, char *scratch, char *w,
                 int lwork) {
  const struct wr_eigh_params *params = g->call->params;
  const struct eigh_scratch r = eigh_scratch(g);
  const char *job = has_vectors(g) ? "V" : "N", *uplo = params->upper ? "L" : "U";
  int *ints = (int *)(scratch + r.int_work);
  int info;
  if (g->type == COMPLEX) {
    lapack->cheevd(job, uplo, &g->n, scratch, &g->n, (float *)(void *)w, scratch + r.work, &lwork,
                   (float *)(void *)(scratch + r.real_work), &r.n_reals, ints, &r.n_ints, &info, 1,
                   1);
  } else {
    lapack->syevd[g->type](job, uplo, &g->n, scratch, &g->n, w, scratch + r.work, &lwork, ints,
                           &r.n_ints, &info, 1, 1);
  }
  return info;
}

static bool triangle_is_finite(const struct wr_linalg *g, const char *a, bool upper) {
  for (int64_t i = 0; i < g->n; i++) {
    const int64_t from = upper ? i : 0, count = upper ? g->n - i : i + 1;
    if (!are_finite(g, a + (i * g->n + from) * g->element, count)) return false;
  }
  return true;
}

/* Vectors lie row by row there, and are those of the conjugate. */
static void write_vectors(const struct wr_linalg *g, const char *from, char *to) {
  wr_linalg_turn(to, from, g->n, g->n, g->element);
  if (g->type != COMPLEX) return;
  float *x = (float *)(void *)to;
  for (int64_t i = 0; i < (int64_t)g->n * g->n; i++) x[2 * i + 1] = -x[2 * i + 1];
}

static struct wr_error *eigh_body(const struct wr_linalg *g, int64_t i, char *scratch) {
  const struct wr_eigh_params *params = g->call->params;
  const int64_t w_bytes = g->n * real_bytes(g);
  char *w = params->vectors ? part_of(g, 0, i, w_bytes) : (char *)g->call->out.data + i * w_bytes;
  const struct wr_lapack *lapack;
  wr_linalg_gather(g, 0, i, scratch, false);
  if (!triangle_is_finite(g, scratch, params->upper)) return not_finite(g, i);
  struct wr_error *error = wr_cpu_lapack_enter(&lapack);
  if (error) return error;
  const int info = syevd(lapack, g, scratch, w, g->lwork);
  wr_cpu_lapack_leave();
  if (info == 0 && params->vectors) {
    write_vectors(g, scratch, part_of(g, 1, i, (int64_t)g->n * g->n * g->element));
  }
  return outcome(g, i, "syevd", info);
}

static int ask_syevd(const struct wr_lapack *lapack, const struct wr_linalg *g, char *scratch) {
  return syevd(lapack, g, scratch, scratch, -1);
}

static struct wr_error *eigh_workspace(struct wr_linalg *g) {
  if (has_vectors(g) && g->n > MOST_WITH_VECTORS) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                        "a matrix of shape (%d,%d) is too large for LAPACK, which finds the "
                        "eigenvectors of at most %d rows",
                        g->m, g->n, MOST_WITH_VECTORS);
  }
  return ask_workspace(g, eigh_scratch(g).end, eigh_scratch(g).work, "syevd", ask_syevd);
}

/* Runs `body` on each matrix, which costs so many times the cube of its rows. */
static struct wr_error *run_all(const struct wr_call *call,
                                struct wr_error *(*workspace)(struct wr_linalg *g),
                                int64_t (*scratch_end)(const struct wr_linalg *g), double cubes,
                                wr_linalg_body body) {
  struct wr_linalg g = wr_linalg_of(call);
  if (g.n == 0 || g.count == 0) return NULL;
  g.lwork = 1;
  struct wr_error *error = workspace(&g);
  return error ? error : wr_linalg_run(&g, (size_t)scratch_end(&g), cubes * cube(&g), body);
}

static int64_t eigh_end(const struct wr_linalg *g) { return eigh_scratch(g).end; }

struct wr_error *wr_cpu_eigh(const struct wr_call *call) {
  return run_all(call, eigh_workspace, eigh_end, 4, eigh_body);
}

/* ---- eigenvalues of any matrices ---- */

/* The scratch: the matrix, its vectors, real and imaginary parts of the values, or the values,
   which are complex, and the workspaces. */
struct eig_scratch {
  int64_t vectors, values, work, real_work, end;
};

static struct eig_scratch eig_scratch(const struct wr_linalg *g) {
  const int64_t n = g->n, matrix = n * n * g->element;
  const int64_t reals = g->type == COMPLEX ? 2 * n : 0;
  struct eig_scratch r;
  r.vectors = wr_linalg_behind(0, matrix);
  r.values = wr_linalg_behind(r.vectors, matrix);
  r.work = wr_linalg_behind(r.values, 2 * n * g->element);
  r.real_work = wr_linalg_behind(r.work, g->lwork * g->element);
  r.end = wr_linalg_behind(r.real_work, reals * (int64_t)sizeof(float));
  return r;
}

/* Our rows are the transposed matrix there, whose left vectors are the conjugates of ours. */
static int geev(const struct wr_lapack *lapack, const struct wr_linalg *g, char *scratch,
                int lwork) {
  const struct wr_vectors_params *params = g->call->params;
  const struct eig_scratch r = eig_scratch(g);
  const char *job = params->vectors ? "V" : "N";
  char *values = scratch + r.values;
  const int one = 1;
  int info;
  if (g->type == COMPLEX) {
    lapack->cgeev(job, "N", &g->n, scratch, &g->n, values, scratch + r.vectors, &g->n, scratch,
                  &one, scratch + r.work, &lwork, (float *)(void *)(scratch + r.real_work), &info,
                  1, 1);
  } else {
    lapack->geev[g->type](job, "N", &g->n, scratch, &g->n, values, values + g->n * g->element,
                          scratch + r.vectors, &g->n, scratch, &one, scratch + r.work, &lwork,
                          &info, 1, 1);
  }
  return info;
}

static double real_at(const struct wr_linalg *g, const char *at, int64_t i) {
  return g->type == 1 ? ((const double *)(const void *)at)[i]
                      : (double)((const float *)(const void *)at)[i];
}

static wr_complex64 value_at(const struct wr_linalg *g, const char *values, int64_t j) {
  if (g->type == COMPLEX) return ((const wr_complex64 *)values)[j];
  return (wr_complex64){(float)real_at(g, values, j), (float)real_at(g, values, g->n + j)};
}

/* Element i of vector j: the conjugate of what is there. Of a pair of conjugate values the first
   one's vector has its parts where the pair has its vectors. */
static wr_complex64 vector_at(const struct wr_linalg *g, const char *scratch, int64_t i,
                              int64_t j) {
  const struct eig_scratch r = eig_scratch(g);
  const char *vectors = scratch + r.vectors;
  const int64_t n = g->n;
  if (g->type == COMPLEX) {
    const wr_complex64 v = ((const wr_complex64 *)vectors)[j * n + i];
    return (wr_complex64){v.re, -v.im};
  }
  const double im = real_at(g, scratch + r.values, n + j);
  const int64_t first = im < 0 ? j - 1 : j;
  wr_complex64 v = {(float)real_at(g, vectors, first * n + i), 0};
  if (im == 0) return v;
  v.im = (float)real_at(g, vectors, (first + 1) * n + i);
  if (im > 0) v.im = -v.im;
  return v;
}

static struct wr_error *eig_body(const struct wr_linalg *g, int64_t i, char *scratch) {
  const struct wr_vectors_params *params = g->call->params;
  const int64_t n = g->n;
  wr_complex64 *w =
      (wr_complex64 *)(params->vectors ? wr_call_part(g->call, 0) : g->call->out.data) + i * n;
  const struct wr_lapack *lapack;
  wr_linalg_gather(g, 0, i, scratch, false);
  if (!are_finite(g, scratch, n * n)) return not_finite(g, i);
  struct wr_error *error = wr_cpu_lapack_enter(&lapack);
  if (error) return error;
  const int info = geev(lapack, g, scratch, g->lwork);
  wr_cpu_lapack_leave();
  if (info) return outcome(g, i, "geev", info);
  for (int64_t j = 0; j < n; j++) w[j] = value_at(g, scratch + eig_scratch(g).values, j);
  if (!params->vectors) return NULL;
  wr_complex64 *v = (wr_complex64 *)wr_call_part(g->call, 1) + i * n * n;
  for (int64_t k = 0; k < n * n; k++) v[k] = vector_at(g, scratch, k / n, k % n);
  return NULL;
}

static int ask_geev(const struct wr_lapack *lapack, const struct wr_linalg *g, char *scratch) {
  return geev(lapack, g, scratch, -1);
}

static struct wr_error *eig_workspace(struct wr_linalg *g) {
  return ask_workspace(g, eig_scratch(g).end, eig_scratch(g).work, "geev", ask_geev);
}

static int64_t eig_end(const struct wr_linalg *g) { return eig_scratch(g).end; }

struct wr_error *wr_cpu_eig(const struct wr_call *call) {
  return run_all(call, eig_workspace, eig_end, 20, eig_body);
}
