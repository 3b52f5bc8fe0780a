/* Factorisations of matrices and what is solved with them, on the GPU. Where a routine is the same
   for a matrix and the transposed one, it works on our rows as they lie. Many small matrices go to
   routines that take arrays of pointers; others one after the other. No locks. */

#include "backend/cuda/ops/solver.h"

static const float one_f32 = 1;
static const double one_f64 = 1;

static bool is_f64(const struct wr_solving *s) { return s->type == WR_FLOAT64; }

static const void *one(const struct wr_solving *s) {
  return is_f64(s) ? (const void *)&one_f64 : (const void *)&one_f32;
}

/* Our lower triangle is the upper one there. */
static int part_there(bool upper) { return upper ? WR_CUBLAS_LOWER : WR_CUBLAS_UPPER; }

static bool wants_upper(const struct wr_solving *s) {
  return ((const struct wr_triangle_params *)s->call->params)->upper;
}

/* ---- Cholesky ---- */

/* Where it is factored: in the result, or, of one matrix whose lower triangle counts, column by
   column beside it, since the routine for lower triangles there takes half the time. */
struct cholesky {
  struct wr_solving s; /* the first */
  void *a;
  bool turned;
  int part; /* there */
};

static struct wr_error *cholesky_many(struct wr_solving *s, const struct cholesky *c) {
  const int n = (int)s->n;
  void **a;
  struct wr_error *error = wr_solving_pointers(s, c->a, s->n * s->n, &a);
  if (!error) error = wr_solving_direct(s);
  if (error) return error;
  const int status = (is_f64(s) ? s->cusolver->potrf_many_f64 : s->cusolver->potrf_many_f32)(
      s->by.dense, c->part, n, a, n, s->info, (int)s->count);
  return wr_cusolver_result(status, "cusolverDnpotrfBatched");
}

static struct wr_error *cholesky_body(struct wr_solving *s) {
  const struct cholesky *c = WR_CONTAINER_OF(s, struct cholesky, s);
  const struct wr_cusolver *f = s->cusolver;
  const int type = s->cuda_type;
  const int64_t n = s->n;
  struct wr_spaces w;
  if (wr_solving_is_many(s)) return cholesky_many(s, c);
  int status = f->potrf_size(s->by.dense, s->by.params, c->part, n, type, c->a, n, type,
                             &w.device_bytes, &w.host_bytes);
  struct wr_error *error = wr_spaces_begin(s, status, "cusolverDnXpotrf_bufferSize", &w);
  if (error) return error;
  for (int64_t i = 0; wr_solving_goes_on(s, i, status, &error); i++) {
    status = f->potrf(s->by.dense, s->by.params, c->part, n, type, wr_solving_at(s, c->a, n * n, i),
                      n, type, w.device, w.device_bytes, w.host, w.host_bytes, s->info + i);
  }
  return error ? error : wr_cusolver_result(status, "cusolverDnXpotrf");
}

struct wr_error *wr_gpu_cholesky(struct wr_run *run, const struct wr_call *call) {
  struct cholesky c;
  struct wr_solving *s = &c.s;
  if (call->out.size == 0) return NULL;
  struct wr_error *error = wr_solving_begin(s, run, call);
  if (error) return error;
  const bool upper = wants_upper(s);
  c.turned = !upper && !wr_solving_is_many(s);
  c.part = c.turned ? WR_CUBLAS_LOWER : part_there(upper);
  c.a = call->out.data;
  if (c.turned) error = wr_solving_room(s, call->in[0].size, &c.a);
  if (!error) error = wr_solving_gather(s, 0, c.a, c.turned);
  if (!error) error = wr_solving_run(s, cholesky_body);
  if (!error && c.turned) {
    error = wr_solving_turn(s, c.a, s->n * s->n, s->n, s->n, s->n, call->out.data);
  }
  if (!error) error = wr_solving_keep(s, call->out.data, s->n, s->n, upper);
  return error ? error : wr_solving_judge(s, WR_MATRIX_NOT_POSITIVE);
}

/* ---- triangular systems ---- */

/* An operand where it lies, if that is dense, or a copy. */
static struct wr_error *operand(struct wr_solving *s, int input, void **out) {
  const struct wr_tensor *t = &s->call->in[input];
  *out = t->data;
  if (t->dense) return NULL;
  struct wr_error *error = wr_solving_room(s, t->size, out);
  return error ? error : wr_solving_gather(s, input, *out, false);
}

/* X with A X = B: there both are transposed, so A comes from the right. B, with so many columns, is
   in the result already. */
struct triangular {
  struct wr_solving s; /* the first */
  void *a;
  int64_t columns;
};

static struct wr_error *trsm_many(struct wr_solving *s, const struct triangular *t) {
  const int n = (int)s->n, columns = (int)t->columns;
  void **a, **b;
  struct wr_error *error = wr_solving_pointers(s, t->a, s->n * s->n, &a);
  if (!error) error = wr_solving_pointers(s, s->call->out.data, s->n * t->columns, &b);
  if (!error) error = wr_solving_direct(s);
  if (error) return error;
  const int status = (is_f64(s) ? s->cublas->trsm_many_f64 : s->cublas->trsm_many_f32)(
      s->by.blas, WR_CUBLAS_RIGHT, part_there(wants_upper(s)), WR_CUBLAS_PLAIN, 0, columns, n,
      one(s), a, n, b, columns, (int)s->count);
  return wr_cublas_result(status, "cublastrsmBatched");
}

static struct wr_error *trsm_body(struct wr_solving *s) {
  const struct triangular *t = WR_CONTAINER_OF(s, struct triangular, s);
  const int n = (int)s->n, columns = (int)t->columns;
  int status = 0;
  if (wr_solving_is_many(s)) return trsm_many(s, t);
  struct wr_error *error = wr_solving_each(s);
  if (error) return error;
  for (int64_t i = 0; wr_solving_goes_on(s, i, status, &error); i++) {
    status = (is_f64(s) ? s->cublas->trsm_f64 : s->cublas->trsm_f32)(
        s->by.blas, WR_CUBLAS_RIGHT, part_there(wants_upper(s)), WR_CUBLAS_PLAIN, 0, columns, n,
        one(s), wr_solving_at(s, t->a, s->n * s->n, i), n,
        wr_solving_at(s, s->call->out.data, s->n * t->columns, i), columns);
  }
  return error ? error : wr_cublas_result(status, "cublastrsm");
}

struct wr_error *wr_gpu_tri_inv(struct wr_run *run, const struct wr_call *call) {
  struct triangular t;
  struct wr_solving *s = &t.s;
  if (call->out.size == 0) return NULL;
  struct wr_error *error = wr_solving_begin(s, run, call);
  t.columns = s->n;
  /* The result may be the input's memory. */
  if (!error) error = wr_solving_room(s, call->in[0].size, &t.a);
  if (!error) error = wr_solving_gather(s, 0, t.a, false);
  if (!error) error = wr_solving_diagonal(s, t.a);
  if (!error) error = wr_solving_identity(s, call->out.data, s->n);
  if (!error) error = wr_solving_run(s, trsm_body);
  if (!error) error = wr_solving_keep(s, call->out.data, s->n, s->n, wants_upper(s));
  return error ? error : wr_solving_judge(s, WR_MATRIX_ZERO_DIAGONAL);
}

struct wr_error *wr_gpu_solve_triangular(struct wr_run *run, const struct wr_call *call) {
  struct triangular t;
  struct wr_solving *s = &t.s;
  if (call->out.size == 0) return NULL;
  struct wr_error *error = wr_solving_begin(s, run, call);
  t.columns = s->columns;
  if (!error) error = operand(s, 0, &t.a);
  if (!error) error = wr_solving_diagonal(s, t.a);
  if (!error) error = wr_solving_gather(s, 1, call->out.data, false);
  if (!error) error = wr_solving_run(s, trsm_body);
  return error ? error : wr_solving_judge(s, WR_MATRIX_ZERO_DIAGONAL);
}

/* ---- LU ---- */

/* What is factored, m x n there, where it lies; and what is done with that. */
struct lu {
  struct wr_solving s; /* the first */
  void *a;
  int64_t m, n;
  void *pivots;
  bool many;       /* square matrices, and then pivots of 32 bits */
  void *b;         /* or NULL: what is solved for, n x columns there, and then the solution */
  int64_t columns; /* of b */
  int transposed;  /* it is solved for the transposed of what is factored */
};

static struct wr_error *solve_many(struct wr_solving *s, const struct lu *lu, void **a, void **b) {
  const int n = (int)s->n;
  int refused = 0;
  const int status = (is_f64(s) ? s->cublas->getrs_many_f64 : s->cublas->getrs_many_f32)(
      s->by.blas, lu->transposed, n, (int)lu->columns, a, n, lu->pivots, b, n, &refused,
      (int)s->count);
  return wr_cublas_result(status ? status : refused, "cublasgetrsBatched");
}

static struct wr_error *lu_many(struct wr_solving *s, const struct lu *lu) {
  const int n = (int)s->n;
  void **a, **b = NULL;
  struct wr_error *error = wr_solving_pointers(s, lu->a, s->n * s->n, &a);
  if (!error && lu->b) error = wr_solving_pointers(s, lu->b, s->n * lu->columns, &b);
  if (!error) error = wr_solving_direct(s);
  if (error) return error;
  const int status = (is_f64(s) ? s->cublas->getrf_many_f64 : s->cublas->getrf_many_f32)(
      s->by.blas, n, a, n, lu->pivots, s->info, (int)s->count);
  error = wr_cublas_result(status, "cublasgetrfBatched");
  return error || !lu->b ? error : solve_many(s, lu, a, b);
}

/* Solves for matrix i, whose own info stays what getrf has said: that of getrs goes to `spare`. */
static int solve_one(struct wr_solving *s, const struct lu *lu, int64_t i, int *spare) {
  const int64_t n = s->n;
  return s->cusolver->getrs(s->by.dense, s->by.params, lu->transposed, n, lu->columns, s->cuda_type,
                            wr_solving_at(s, lu->a, n * n, i), n,
                            (const int64_t *)lu->pivots + i * n, s->cuda_type,
                            wr_solving_at(s, lu->b, n * lu->columns, i), n, spare);
}

static struct wr_error *lu_body(struct wr_solving *s) {
  const struct lu *lu = WR_CONTAINER_OF(s, struct lu, s);
  const struct wr_cusolver *f = s->cusolver;
  const int type = s->cuda_type;
  struct wr_spaces w;
  void *spare = NULL;
  if (lu->many) return lu_many(s, lu);
  struct wr_error *error = wr_run_scratch(s->run, sizeof(int), &spare);
  if (error) return error;
  int status = f->getrf_size(s->by.dense, s->by.params, lu->m, lu->n, type, lu->a, lu->m, type,
                             &w.device_bytes, &w.host_bytes);
  error = wr_spaces_begin(s, status, "cusolverDnXgetrf_bufferSize", &w);
  if (error) return error;
  for (int64_t i = 0; wr_solving_goes_on(s, i, status, &error); i++) {
    status =
        f->getrf(s->by.dense, s->by.params, lu->m, lu->n, type,
                 wr_solving_at(s, lu->a, lu->m * lu->n, i), lu->m, (int64_t *)lu->pivots + i * s->k,
                 type, w.device, w.device_bytes, w.host, w.host_bytes, s->info + i);
    if (!status && lu->b) status = solve_one(s, lu, i, spare);
  }
  return error ? error : wr_cusolver_result(status, "cusolverDnXgetrf");
}

/* Room for the matrix and pivots; the matrix in it as it lies or, `turned`, column by column. */
static struct wr_error *lu_begin(struct lu *lu, struct wr_run *run, const struct wr_call *call,
                                 bool turned) {
  struct wr_solving *s = &lu->s;
  struct wr_error *error = wr_solving_begin(s, run, call);
  if (error) return error;
  const struct wr_solving given = *s;
  *lu = (struct lu){.s = given};
  lu->m = turned ? s->m : s->n;
  lu->n = turned ? s->n : s->m;
  lu->many = wr_solving_is_many(s);
  const size_t item = lu->many ? sizeof(int32_t) : sizeof(int64_t);
  error = wr_solving_room(s, call->in[0].size, &lu->a);
  if (!error) error = wr_run_scratch(run, (size_t)(s->k * s->count) * item, &lu->pivots);
  return error ? error : wr_solving_gather(s, 0, lu->a, turned);
}

/* The inverse of the transposed matrix is the inverse, transposed. */
struct wr_error *wr_gpu_inv(struct wr_run *run, const struct wr_call *call) {
  struct lu lu;
  if (call->out.size == 0) return NULL;
  struct wr_error *error = lu_begin(&lu, run, call, false);
  if (error) return error;
  lu.b = call->out.data;
  lu.columns = lu.s.n;
  error = wr_solving_identity(&lu.s, lu.b, lu.s.n);
  if (!error) error = wr_solving_run(&lu.s, lu_body);
  return error ? error : wr_solving_judge(&lu.s, WR_MATRIX_SINGULAR);
}

/* Ours is the transposed one there, so it is solved with its transposed factors. */
struct wr_error *wr_gpu_solve(struct wr_run *run, const struct wr_call *call) {
  struct lu lu;
  struct wr_solving *s = &lu.s;
  if (call->out.size == 0) return NULL;
  struct wr_error *error = lu_begin(&lu, run, call, false);
  if (error) return error;
  const bool one_column = s->columns == 1;
  lu.b = call->out.data;
  lu.columns = s->columns;
  lu.transposed = WR_CUBLAS_TRANSPOSED;
  if (!one_column) error = wr_solving_room(s, call->out.size, &lu.b);
  if (!error) error = wr_solving_gather(s, 1, lu.b, true);
  if (!error) error = wr_solving_run(s, lu_body);
  if (!error && !one_column) {
    error = wr_solving_turn(s, lu.b, s->n * s->columns, s->n, s->n, s->columns, call->out.data);
  }
  return error ? error : wr_solving_judge(s, WR_MATRIX_SINGULAR);
}

/* Of a singular matrix too: its pivots say so by themselves. */
struct wr_error *wr_gpu_lu_factor(struct wr_run *run, const struct wr_call *call) {
  struct lu lu;
  struct wr_solving *s = &lu.s;
  struct wr_error *error = lu_begin(&lu, run, call, true);
  if (!error) error = wr_solving_run(s, lu_body);
  if (!error) {
    error = wr_solving_turn(s, lu.a, s->m * s->n, s->m, s->m, s->n, wr_call_part(call, 0));
  }
  return error ? error : wr_solving_rows(s, lu.pivots, !lu.many, 0, wr_call_part(call, 1));
}

/* The parts are rows, L and U. */
struct wr_error *wr_gpu_lu(struct wr_run *run, const struct wr_call *call) {
  struct lu lu;
  struct wr_solving *s = &lu.s;
  void *both;
  struct wr_error *error = lu_begin(&lu, run, call, true);
  if (!error) error = wr_solving_room(s, call->in[0].size, &both);
  if (!error) error = wr_solving_rows_room(s, s->m);
  if (!error) error = wr_solving_run(s, lu_body);
  if (!error) error = wr_solving_turn(s, lu.a, s->m * s->n, s->m, s->m, s->n, both);
  if (!error) {
    error = wr_solving_factors(s, both, wr_call_part(call, 1), wr_call_part(call, 2));
  }
  return error ? error : wr_solving_rows(s, lu.pivots, !lu.many, s->m, wr_call_part(call, 0));
}

/* ---- QR ---- */

/* The matrix, column by column, and scalars of the reflections. */
struct qr {
  struct wr_solving s; /* the first */
  void *a, *tau;
  void *work; /* of orgqr */
  int elements;
};

static struct wr_error *orgqr_room(struct wr_solving *s, struct qr *qr) {
  const struct wr_cusolver *f = s->cusolver;
  const int m = (int)s->m, k = (int)s->k;
  const int status = (is_f64(s) ? f->orgqr_size_f64 : f->orgqr_size_f32)(
      s->by.dense, m, k, k, qr->a, m, qr->tau, &qr->elements);
  struct wr_error *error = wr_cusolver_result(status, "cusolverDnorgqr_bufferSize");
  return error ? error : wr_solving_room(s, (int64_t)qr->elements + 1, &qr->work);
}

static struct wr_error *orgqr(struct wr_solving *s, const struct qr *qr) {
  const struct wr_cusolver *f = s->cusolver;
  const int m = (int)s->m, k = (int)s->k;
  const bool wide = is_f64(s);
  int status = 0;
  struct wr_error *error = wr_solving_each(s);
  if (error) return error;
  for (int64_t i = 0; wr_solving_goes_on(s, i, status, &error); i++) {
    status = (wide ? f->orgqr_f64 : f->orgqr_f32)(
        s->by.dense, m, k, k, wr_solving_at(s, qr->a, s->m * s->n, i), m,
        wr_solving_at(s, qr->tau, s->k, i), qr->work, qr->elements, s->info + i);
  }
  return error ? error : wr_cusolver_result(status, "cusolverDnorgqr");
}

static struct wr_error *qr_body(struct wr_solving *s) {
  struct qr *qr = WR_CONTAINER_OF(s, struct qr, s);
  const struct wr_cusolver *f = s->cusolver;
  const int type = s->cuda_type;
  struct wr_spaces w;
  struct wr_error *error = orgqr_room(s, qr);
  if (error) return error;
  int status = f->geqrf_size(s->by.dense, s->by.params, s->m, s->n, type, qr->a, s->m, type,
                             qr->tau, type, &w.device_bytes, &w.host_bytes);
  error = wr_spaces_begin(s, status, "cusolverDnXgeqrf_bufferSize", &w);
  if (error) return error;
  for (int64_t i = 0; wr_solving_goes_on(s, i, status, &error); i++) {
    status = f->geqrf(s->by.dense, s->by.params, s->m, s->n, type,
                      wr_solving_at(s, qr->a, s->m * s->n, i), s->m, type,
                      wr_solving_at(s, qr->tau, s->k, i), type, w.device, w.device_bytes, w.host,
                      w.host_bytes, s->info + i);
  }
  if (!error) error = wr_cusolver_result(status, "cusolverDnXgeqrf");
  if (error) return error;
  /* The triangle is read before orgqr writes over it. */
  void *r = wr_call_part(s->call, 1);
  error = wr_solving_turn(s, qr->a, s->m * s->n, s->m, s->k, s->n, r);
  if (!error) error = wr_solving_keep(s, r, s->k, s->n, true);
  return error ? error : orgqr(s, qr);
}

struct wr_error *wr_gpu_qr(struct wr_run *run, const struct wr_call *call) {
  struct qr qr;
  struct wr_solving *s = &qr.s;
  struct wr_error *error = wr_solving_begin(s, run, call);
  if (!error) error = wr_solving_room(s, call->in[0].size, &qr.a);
  if (error) return error;
  error = wr_solving_room(s, s->k * s->count, &qr.tau);
  if (!error) error = wr_solving_gather(s, 0, qr.a, true);
  if (!error) error = wr_solving_run(s, qr_body);
  return error ? error
               : wr_solving_turn(s, qr.a, s->m * s->n, s->m, s->m, s->k, wr_call_part(call, 0));
}

/* ---- whether it waits ---- */

static bool has_routine_for_many(enum wr_op op, int64_t m, int64_t n, int64_t count) {
  return op != WR_OP_QR && wr_solver_is_many(m, n, count);
}

/* What goes matrix by matrix, of more than two stretches: as wr_solving_goes_on has it. */
static bool is_long(enum wr_op op, int64_t m, int64_t n, int64_t count) {
  return count > 2 * wr_solver_stretch(m, n) && !has_routine_for_many(op, m, n, count);
}

bool wr_gpu_waits_within(enum wr_op op, int ndim, const int32_t *shape) {
  int64_t count = 1;
  switch ((int)op) {
    case WR_OP_SVD:
    case WR_OP_EIGH:
      return true;
    case WR_OP_CHOLESKY:
    case WR_OP_INV:
    case WR_OP_LU:
    case WR_OP_LU_FACTOR:
    case WR_OP_QR:
    case WR_OP_SOLVE:
    case WR_OP_SOLVE_TRIANGULAR:
    case WR_OP_TRI_INV:
      for (int d = 0; d < ndim - 2; d++) count *= shape[d];
      return is_long(op, shape[ndim - 2], shape[ndim - 1], count);
    default:
      return false;
  }
}
