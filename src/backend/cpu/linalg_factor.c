/* Factorisations of matrices and what is solved with them, by LAPACK's routines of float and
   double. Where a routine is the same for a matrix and the transposed one, it works on our rows as
   they lie. A matrix that is singular, or not positive definite, is an error. No locks but the gate
   of the library. */

#include <string.h>

#include "backend/cpu/linalg.h"
#include "base/base.h"

static char *out_of(const struct wr_linalg *g, int64_t i, int64_t elements) {
  return (char *)g->call->out.data + i * elements * g->element;
}

/* The result of one matrix whose sides are equal, which holds the input, for a routine that works
   in place. */
static char *square_of(const struct wr_linalg *g, int64_t i) {
  char *a = out_of(g, i, (int64_t)g->n * g->n);
  wr_linalg_gather(g, 0, i, a, false);
  return a;
}

/* The same in one of several results. */
static char *part_of(const struct wr_linalg *g, int part, int64_t i, int64_t elements) {
  return (char *)wr_call_part(g->call, part) + i * elements * g->element;
}

static double cube(const struct wr_linalg *g) { return (double)g->m * (double)g->n * (double)g->k; }

/* Without scratch. */
static struct wr_error *run_in_place(const struct wr_call *call, wr_linalg_body body) {
  struct wr_linalg g = wr_linalg_of(call);
  return call->out.size == 0 ? NULL : wr_linalg_run(&g, 0, cube(&g) / 3, body);
}

/* ---- Cholesky ---- */

/* Our lower triangle is the upper one there. */
static struct wr_error *cholesky_body(const struct wr_linalg *g, int64_t i, char *scratch) {
  const struct wr_triangle_params *params = g->call->params;
  char *a = square_of(g, i);
  const struct wr_lapack *lapack;
  int info;
  (void)scratch;
  struct wr_error *error = wr_cpu_lapack_enter(&lapack);
  if (error) return error;
  lapack->potrf[g->type](params->upper ? "L" : "U", &g->n, a, &g->n, &info, 1);
  wr_cpu_lapack_leave();
  if (info < 0) return wr_linalg_misuse("potrf", info);
  if (info > 0) return wr_linalg_fault(g, i, WR_MATRIX_NOT_POSITIVE, info);
  wr_linalg_keep_triangle(a, g->n, g->element, params->upper);
  return NULL;
}

struct wr_error *wr_cpu_cholesky(const struct wr_call *call) {
  return run_in_place(call, cholesky_body);
}

/* ---- inverses ---- */

static struct wr_error *tri_inv_body(const struct wr_linalg *g, int64_t i, char *scratch) {
  const struct wr_triangle_params *params = g->call->params;
  char *a = square_of(g, i);
  const struct wr_lapack *lapack;
  int info;
  (void)scratch;
  wr_linalg_keep_triangle(a, g->n, g->element, params->upper);
  struct wr_error *error = wr_cpu_lapack_enter(&lapack);
  if (error) return error;
  lapack->trtri[g->type](params->upper ? "L" : "U", "N", &g->n, a, &g->n, &info, 1, 1);
  wr_cpu_lapack_leave();
  if (info < 0) return wr_linalg_misuse("trtri", info);
  return info == 0 ? NULL : wr_linalg_fault(g, i, WR_MATRIX_ZERO_DIAGONAL, info);
}

struct wr_error *wr_cpu_tri_inv(const struct wr_call *call) {
  return run_in_place(call, tri_inv_body);
}

static struct wr_error *singular(const struct wr_linalg *g, int64_t i) {
  return wr_linalg_fault(g, i, WR_MATRIX_SINGULAR, 0);
}

/* Scratch: pivots, then the workspace. The inverse of the transposed matrix is the inverse,
   transposed. */
static struct wr_error *inv_body(const struct wr_linalg *g, int64_t i, char *scratch) {
  char *a = square_of(g, i);
  int *pivots = (int *)scratch;
  char *work = scratch + wr_linalg_behind(0, (int64_t)g->n * (int64_t)sizeof *pivots);
  const struct wr_lapack *lapack;
  int info;
  struct wr_error *error = wr_cpu_lapack_enter(&lapack);
  if (error) return error;
  lapack->getrf[g->type](&g->n, &g->n, a, &g->n, pivots, &info);
  if (info == 0) lapack->getri[g->type](&g->n, a, &g->n, pivots, work, &g->lwork, &info);
  wr_cpu_lapack_leave();
  if (info < 0) return wr_linalg_misuse("getri", info);
  return info == 0 ? NULL : singular(g, i);
}

struct wr_error *wr_cpu_inv(const struct wr_call *call) {
  struct wr_linalg g = wr_linalg_of(call);
  const struct wr_lapack *lapack;
  double first = 0;
  const int query = -1;
  int info, pivot = 0;
  if (call->out.size == 0) return NULL;
  struct wr_error *error = wr_cpu_lapack_enter(&lapack);
  if (error) return error;
  lapack->getri[g.type](&g.n, &first, &g.n, &pivot, &first, &query, &info);
  wr_cpu_lapack_leave();
  error = wr_linalg_workspace(&g, &first);
  if (error) return error;
  const int64_t bytes = wr_linalg_behind(0, (int64_t)g.n * (int64_t)sizeof(int));
  return wr_linalg_run(&g, (size_t)(bytes + g.lwork * g.element), 2 * cube(&g), inv_body);
}

/* ---- LU ---- */

/* Scratch: the matrix, column by column, pivots, rows. */
struct lu_scratch {
  char *a;
  int *pivots;
  uint32_t *rows;
};

static struct lu_scratch lu_scratch(const struct wr_linalg *g, char *scratch) {
  const int64_t a = wr_linalg_behind(0, (int64_t)g->m * g->n * g->element);
  const int64_t pivots = wr_linalg_behind(a, (int64_t)g->k * (int64_t)sizeof(int));
  return (struct lu_scratch){scratch, (int *)(scratch + a), (uint32_t *)(scratch + pivots)};
}

static size_t lu_scratch_bytes(const struct wr_linalg *g) {
  const int64_t a = wr_linalg_behind(0, (int64_t)g->m * g->n * g->element);
  const int64_t pivots = wr_linalg_behind(a, (int64_t)g->k * (int64_t)sizeof(int));
  return (size_t)wr_linalg_behind(pivots, (int64_t)g->m * (int64_t)sizeof(uint32_t));
}

/* Of a singular matrix too. */
static struct wr_error *factorise(const struct wr_linalg *g, int64_t i,
                                  const struct lu_scratch *r) {
  const struct wr_lapack *lapack;
  const int leading = wr_linalg_leading(g->m);
  int info;
  wr_linalg_gather(g, 0, i, r->a, true);
  struct wr_error *error = wr_cpu_lapack_enter(&lapack);
  if (error) return error;
  lapack->getrf[g->type](&g->m, &g->n, r->a, &leading, r->pivots, &info);
  wr_cpu_lapack_leave();
  return info < 0 ? wr_linalg_misuse("getrf", info) : NULL;
}

static struct wr_error *lu_factor_body(const struct wr_linalg *g, int64_t i, char *scratch) {
  const struct lu_scratch r = lu_scratch(g, scratch);
  struct wr_error *error = factorise(g, i, &r);
  if (error) return error;
  const int64_t size = (int64_t)g->m * g->n;
  uint32_t *pivots = (uint32_t *)wr_call_part(g->call, 1) + i * g->k;
  wr_linalg_turn(part_of(g, 0, i, size), r.a, g->m, g->n, g->element);
  for (int j = 0; j < g->k; j++) pivots[j] = (uint32_t)(r.pivots[j] - 1);
  return NULL;
}

struct wr_error *wr_cpu_lu_factor(const struct wr_call *call) {
  struct wr_linalg g = wr_linalg_of(call);
  if (g.k == 0) return NULL;
  return wr_linalg_run(&g, lu_scratch_bytes(&g), cube(&g), lu_factor_body);
}

/* Where row j of the matrix went. */
static void write_rows(const struct wr_linalg *g, const struct lu_scratch *r, uint32_t *out) {
  for (int j = 0; j < g->m; j++) r->rows[j] = (uint32_t)j;
  for (int j = 0; j < g->k; j++) {
    const uint32_t row = r->rows[j];
    r->rows[j] = r->rows[r->pivots[j] - 1];
    r->rows[r->pivots[j] - 1] = row;
  }
  for (int j = 0; j < g->m; j++) out[r->rows[j]] = (uint32_t)j;
}

static void put_one(const struct wr_linalg *g, char *at) {
  const float one = 1;
  const double wide = 1;
  memcpy(at, g->type == 1 ? (const void *)&wide : (const void *)&one, (size_t)g->element);
}

/* The first k columns below the diagonal, ones on it; the first k rows from it on. */
static void write_factors(const struct wr_linalg *g, const char *a, char *l, char *u) {
  const int64_t e = g->element;
  for (int64_t i = 0; i < g->m; i++) {
    const int64_t below = i < g->k ? i : g->k;
    char *row = l + i * g->k * e;
    wr_copy_run(row, 1, a + i * e, g->m, below, (int)e);
    memset(row + below * e, 0, (size_t)((g->k - below) * e));
    if (i < g->k) put_one(g, row + i * e);
  }
  for (int64_t i = 0; i < g->k; i++) {
    char *row = u + i * g->n * e;
    memset(row, 0, (size_t)(i * e));
    wr_copy_run(row + i * e, 1, a + (i * g->m + i) * e, g->m, g->n - i, (int)e);
  }
}

/* The parts are rows, L and U. */
static struct wr_error *lu_body(const struct wr_linalg *g, int64_t i, char *scratch) {
  const struct lu_scratch r = lu_scratch(g, scratch);
  struct wr_error *error = factorise(g, i, &r);
  if (error) return error;
  write_rows(g, &r, (uint32_t *)wr_call_part(g->call, 0) + i * g->m);
  write_factors(g, r.a, part_of(g, 1, i, (int64_t)g->m * g->k),
                part_of(g, 2, i, (int64_t)g->k * g->n));
  return NULL;
}

struct wr_error *wr_cpu_lu(const struct wr_call *call) {
  struct wr_linalg g = wr_linalg_of(call);
  return wr_linalg_run(&g, lu_scratch_bytes(&g), cube(&g), lu_body);
}

/* ---- QR ---- */

/* Scratch: the matrix, column by column, scalars of the reflections, the workspace. */
struct qr_scratch {
  int64_t tau, work;
};

static struct qr_scratch qr_scratch(const struct wr_linalg *g) {
  const int64_t tau = wr_linalg_behind(0, (int64_t)g->m * g->n * g->element);
  return (struct qr_scratch){tau, wr_linalg_behind(tau, g->k * g->element)};
}

static struct wr_error *qr_body(const struct wr_linalg *g, int64_t i, char *scratch) {
  const struct qr_scratch r = qr_scratch(g);
  char *a = scratch, *tau = scratch + r.tau, *work = scratch + r.work;
  const int64_t e = g->element;
  char *upper = part_of(g, 1, i, (int64_t)g->k * g->n);
  const struct wr_lapack *lapack;
  int info;
  wr_linalg_gather(g, 0, i, a, true);
  struct wr_error *error = wr_cpu_lapack_enter(&lapack);
  if (error) return error;
  lapack->geqrf[g->type](&g->m, &g->n, a, &g->m, tau, work, &g->lwork, &info);
  for (int64_t j = 0; j < g->k && info == 0; j++) {
    memset(upper + j * g->n * e, 0, (size_t)(j * e));
    wr_copy_run(upper + (j * g->n + j) * e, 1, a + (j * g->m + j) * e, g->m, g->n - j, (int)e);
  }
  if (info == 0) {
    lapack->orgqr[g->type](&g->m, &g->k, &g->k, a, &g->m, tau, work, &g->lwork, &info);
  }
  wr_cpu_lapack_leave();
  if (info < 0) return wr_linalg_misuse("geqrf", info);
  wr_linalg_turn(part_of(g, 0, i, (int64_t)g->m * g->k), a, g->m, g->k, e);
  return NULL;
}

/* The larger workspace of both routines. */
static struct wr_error *qr_workspace(struct wr_linalg *g) {
  const struct wr_lapack *lapack;
  const int query = -1;
  double first = 0, second = 0;
  int info;
  struct wr_error *error = wr_cpu_lapack_enter(&lapack);
  if (error) return error;
  lapack->geqrf[g->type](&g->m, &g->n, &first, &g->m, &first, &first, &query, &info);
  lapack->orgqr[g->type](&g->m, &g->k, &g->k, &second, &g->m, &second, &second, &query, &info);
  wr_cpu_lapack_leave();
  error = wr_linalg_workspace(g, &first);
  const int one = g->lwork;
  if (!error) error = wr_linalg_workspace(g, &second);
  if (one > g->lwork) g->lwork = one;
  return error;
}

struct wr_error *wr_cpu_qr(const struct wr_call *call) {
  struct wr_linalg g = wr_linalg_of(call);
  if (g.k == 0 || g.count == 0) return NULL;
  struct wr_error *error = qr_workspace(&g);
  if (error) return error;
  const size_t scratch = (size_t)(qr_scratch(&g).work + g.lwork * g.element);
  return wr_linalg_run(&g, scratch, 4 * cube(&g), qr_body);
}

/* ---- solving ---- */

/* Scratch: both matrices, ours as it lies, the second column by column, then pivots. Ours is the
   transposed one there, so it is solved with its transposed factors. */
struct solve_scratch {
  char *a, *b;
  int *pivots;
};

static struct solve_scratch solve_scratch(const struct wr_linalg *g, char *scratch) {
  const int64_t a = wr_linalg_behind(0, (int64_t)g->n * g->n * g->element);
  const int64_t b = wr_linalg_behind(a, (int64_t)g->n * g->columns * g->element);
  return (struct solve_scratch){scratch, scratch + a, (int *)(scratch + b)};
}

static size_t solve_scratch_bytes(const struct wr_linalg *g) {
  const int64_t a = wr_linalg_behind(0, (int64_t)g->n * g->n * g->element);
  const int64_t b = wr_linalg_behind(a, (int64_t)g->n * g->columns * g->element);
  return (size_t)wr_linalg_behind(b, g->n * (int64_t)sizeof(int));
}

/* The scratch, with both matrices in it. */
static struct solve_scratch solve_operands(const struct wr_linalg *g, int64_t i, char *scratch) {
  const struct solve_scratch r = solve_scratch(g, scratch);
  wr_linalg_gather(g, 0, i, r.a, false);
  wr_linalg_gather(g, 1, i, r.b, true);
  return r;
}

static void write_solution(const struct wr_linalg *g, int64_t i, const struct solve_scratch *r) {
  wr_linalg_turn(out_of(g, i, (int64_t)g->n * g->columns), r->b, g->n, g->columns, g->element);
}

static struct wr_error *run_solve(const struct wr_call *call, wr_linalg_body body) {
  struct wr_linalg g = wr_linalg_of(call);
  const double operations = cube(&g) + 2.0 * (double)g.n * (double)g.n * (double)g.columns;
  if (call->out.size == 0) return NULL;
  return wr_linalg_run(&g, solve_scratch_bytes(&g), operations, body);
}

static struct wr_error *solve_body(const struct wr_linalg *g, int64_t i, char *scratch) {
  const struct solve_scratch r = solve_operands(g, i, scratch);
  const struct wr_lapack *lapack;
  int info;
  struct wr_error *error = wr_cpu_lapack_enter(&lapack);
  if (error) return error;
  lapack->getrf[g->type](&g->n, &g->n, r.a, &g->n, r.pivots, &info);
  if (info == 0) {
    lapack->getrs[g->type]("T", &g->n, &g->columns, r.a, &g->n, r.pivots, r.b, &g->n, &info, 1);
  }
  wr_cpu_lapack_leave();
  if (info < 0) return wr_linalg_misuse("getrs", info);
  if (info > 0) return singular(g, i);
  write_solution(g, i, &r);
  return NULL;
}

struct wr_error *wr_cpu_solve(const struct wr_call *call) {
  return run_solve(call, solve_body);
}

static struct wr_error *solve_triangular_body(const struct wr_linalg *g, int64_t i, char *scratch) {
  const struct wr_triangle_params *params = g->call->params;
  const struct solve_scratch r = solve_operands(g, i, scratch);
  const struct wr_lapack *lapack;
  int info;
  struct wr_error *error = wr_cpu_lapack_enter(&lapack);
  if (error) return error;
  lapack->trtrs[g->type](params->upper ? "L" : "U", "T", "N", &g->n, &g->columns, r.a, &g->n, r.b,
                         &g->n, &info, 1, 1, 1);
  wr_cpu_lapack_leave();
  if (info < 0) return wr_linalg_misuse("trtrs", info);
  if (info > 0) return wr_linalg_fault(g, i, WR_MATRIX_ZERO_DIAGONAL, info);
  write_solution(g, i, &r);
  return NULL;
}

struct wr_error *wr_cpu_solve_triangular(const struct wr_call *call) {
  return run_solve(call, solve_triangular_body);
}
