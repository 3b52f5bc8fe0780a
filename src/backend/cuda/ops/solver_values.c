/* Singular values, and eigenvalues of symmetric matrices, on the GPU. A matrix with a NaN or an
   infinity in what is read of it is an error, and is replaced by zeros before a routine sees it.
   The routines wait for the GPU between their steps. No locks. */

#include "backend/cuda/ops/solver.h"

/* ---- eigenvalues of symmetric matrices ---- */

struct eigh {
  struct wr_solving s; /* the first */
  void *a, *w;
  bool vectors;
};

/* So many at once that the workspace, some hundred kilobytes for each, is no larger than this. */
enum { MOST_SPACE = 256 << 20 };

static struct wr_error *eigh_many(struct wr_solving *s, const struct eigh *e) {
  const struct wr_cusolver_new *f = s->newer;
  const int type = s->cuda_type;
  const int64_t n = s->n;
  int64_t part = s->count;
  struct wr_spaces w;
  int status;
  do {
    status = f->syev_many_size(s->by.dense, s->by.params, e->vectors, WR_CUBLAS_LOWER, n, type,
                               e->a, n, type, e->w, type, &w.device_bytes, &w.host_bytes, part);
  } while (!status && w.device_bytes > MOST_SPACE && part > 1 && (part = (part + 1) / 2));
  struct wr_error *error = wr_spaces_begin(s, status, "cusolverDnXsyevBatched_bufferSize", &w);
  if (error) return error;
  for (int64_t i = 0; i < s->count && !status; i += part) {
    const int64_t count = s->count - i < part ? s->count - i : part;
    status = f->syev_many(s->by.dense, s->by.params, e->vectors, WR_CUBLAS_LOWER, n, type,
                          wr_solving_at(s, e->a, n * n, i), n, type, wr_solving_at(s, e->w, n, i),
                          type, w.device, w.device_bytes, w.host, w.host_bytes, s->info + i, count);
  }
  return wr_cusolver_result(status, "cusolverDnXsyevBatched");
}

static struct wr_error *eigh_body(struct wr_solving *s) {
  const struct eigh *e = WR_CONTAINER_OF(s, struct eigh, s);
  const struct wr_cusolver *f = s->cusolver;
  const int type = s->cuda_type;
  const int64_t n = s->n;
  struct wr_spaces w;
  if (s->newer && wr_solver_eigh_takes(n, s->count)) return eigh_many(s, e);
  int status = f->syevd_size(s->by.dense, s->by.params, e->vectors, WR_CUBLAS_LOWER, n, type, e->a,
                             n, type, e->w, type, &w.device_bytes, &w.host_bytes);
  struct wr_error *error = wr_spaces_begin(s, status, "cusolverDnXsyevd_bufferSize", &w);
  if (error) return error;
  for (int64_t i = 0; i < s->count && !status; i++) {
    status = f->syevd(s->by.dense, s->by.params, e->vectors, WR_CUBLAS_LOWER, n, type,
                      wr_solving_at(s, e->a, n * n, i), n, type, wr_solving_at(s, e->w, n, i), type,
                      w.device, w.device_bytes, w.host, w.host_bytes, s->info + i);
  }
  return wr_cusolver_result(status, "cusolverDnXsyevd");
}

/* Both triangles become the one that is read, so that nothing depends on the other. */
struct wr_error *wr_gpu_eigh(struct wr_run *run, const struct wr_call *call) {
  const struct wr_eigh_params *params = call->params;
  struct eigh e = {.vectors = params->vectors};
  struct wr_solving *s = &e.s;
  struct wr_error *error = wr_solving_begin(s, run, call);
  e.w = e.vectors ? wr_call_part(call, 0) : call->out.data;
  if (!error) error = wr_solving_room(s, call->in[0].size, &e.a);
  if (!error) error = wr_solving_gather(s, 0, e.a, false);
  if (!error) error = wr_solving_mirror(s, e.a, params->upper);
  if (!error) error = wr_solving_survey(s, e.a, s->n * s->n);
  if (!error) error = wr_solving_run(s, eigh_body);
  if (!error && e.vectors) {
    error = wr_solving_turn(s, e.a, s->n * s->n, s->n, s->n, s->n, wr_call_part(call, 1));
  }
  return error ? error : wr_solving_judge(s, WR_MATRIX_NO_CONVERGENCE);
}

/* ---- singular values ---- */

/* What is decomposed there is U S V' with at least as many rows as columns: our rows as they lie
   are the transposed matrix, whose U is our V; of a matrix that is longer than it is wide it is the
   matrix itself, column by column. The routine by polar decomposition, which takes a third of the
   time, is wrong for orthogonal matrices and off by more than LAPACK for those that lack ranks.

   Many small ones go to a routine by rotations, in float64, since in float32 its vectors are off by
   ten times more than LAPACK's. It gives V, not V', and takes rows that are fewer than columns. */
struct svd {
  struct wr_solving s; /* the first */
  bool vectors;
  bool many;
  bool turned;           /* it is our matrix itself */
  int64_t rows, columns; /* there */
  void *a;
  void *left, *right; /* rows x rows, columns x columns */
  void *values;
};

/* So many that the number of elements of their workspace, which the routine gives in 32 bits,
   cannot have wrapped around to one that looks right: for that it would have to be 128 times what
   their matrices have, the smallest taken for 8 x 8. */
static int64_t svd_part(const struct svd *d, int64_t most) {
  enum { SMALLEST = 8 * 8 };
  const int64_t elements = d->rows * d->columns;
  const int64_t part = most / (elements < SMALLEST ? SMALLEST : elements);
  return d->s.count < part ? d->s.count : part > 0 ? part : 1;
}

static struct wr_error *svd_many(struct wr_solving *s, const struct svd *d) {
  const struct wr_cusolver *f = s->cusolver;
  enum { WITH_VECTORS = 1 }; /* takes no longer, and is what was tried most */
  const int m = (int)d->rows, n = (int)d->columns;
  const int64_t most = MOST_SPACE / (int64_t)sizeof(double);
  int64_t part = svd_part(d, most);
  void *work;
  int elements = 0, status;
  do {
    status = f->gesvdj_many_size(s->by.dense, WITH_VECTORS, m, n, d->a, m, d->values, d->left, m,
                                 d->right, n, &elements, s->by.jacobi, (int)part);
  } while (!status && (elements < 0 || elements > most) && part > 1 && (part = (part + 1) / 2));
  struct wr_error *error = wr_cusolver_result(status, "cusolverDnDgesvdjBatched_bufferSize");
  if (!error) error = wr_solving_room(s, (int64_t)elements + 1, &work);
  if (!error) error = wr_solving_direct(s);
  if (error) return error;
  for (int64_t i = 0; i < s->count && !status; i += part) {
    const int count = (int)(s->count - i < part ? s->count - i : part);
    status = f->gesvdj_many(
        s->by.dense, WITH_VECTORS, m, n, wr_solving_at(s, d->a, (int64_t)m * n, i), m,
        wr_solving_at(s, d->values, s->k, i), wr_solving_at(s, d->left, (int64_t)m * m, i), m,
        wr_solving_at(s, d->right, (int64_t)n * n, i), n, work, elements, s->info + i, s->by.jacobi,
        count);
  }
  return wr_cusolver_result(status, "cusolverDnDgesvdjBatched");
}

static struct wr_error *svd_body(struct wr_solving *s) {
  const struct svd *d = WR_CONTAINER_OF(s, struct svd, s);
  const struct wr_cusolver *f = s->cusolver;
  const int type = s->cuda_type;
  const int64_t rows = d->rows, columns = d->columns;
  const signed char job = d->vectors ? 'A' : 'N';
  struct wr_spaces w;
  if (d->many) return svd_many(s, d);
  int status = f->gesvd_size(s->by.dense, s->by.params, job, job, rows, columns, type, d->a, rows,
                             type, d->values, type, d->left, rows, type, d->right, columns, type,
                             &w.device_bytes, &w.host_bytes);
  struct wr_error *error = wr_spaces_begin(s, status, "cusolverDnXgesvd_bufferSize", &w);
  if (error) return error;
  for (int64_t i = 0; i < s->count && !status; i++) {
    void *left = d->vectors ? wr_solving_at(s, d->left, rows * rows, i) : NULL;
    void *right = d->vectors ? wr_solving_at(s, d->right, columns * columns, i) : NULL;
    status = f->gesvd(s->by.dense, s->by.params, job, job, rows, columns, type,
                      wr_solving_at(s, d->a, rows * columns, i), rows, type,
                      wr_solving_at(s, d->values, columns, i), type, left, rows, type, right,
                      columns, type, w.device, w.device_bytes, w.host, w.host_bytes, s->info + i);
  }
  return wr_cusolver_result(status, "cusolverDnXgesvd");
}

/* Vectors of rows as they lie, which are transposed as ours are, and values go where they belong;
   others to scratch. The routine for many writes vectors also where none are asked for. */
static struct wr_error *svd_room(struct svd *d) {
  struct wr_solving *s = &d->s;
  struct wr_error *error = NULL;
  if (d->many) {
    error = wr_solving_room(s, s->count * s->k, &d->values);
  } else {
    d->values = d->vectors ? wr_call_part(s->call, 1) : s->call->out.data;
  }
  if (d->many || (d->vectors && d->turned)) {
    if (!error) error = wr_solving_room(s, s->count * d->rows * d->rows, &d->left);
    if (!error) error = wr_solving_room(s, s->count * d->columns * d->columns, &d->right);
  } else if (d->vectors) {
    d->left = wr_call_part(s->call, 2);
    d->right = wr_call_part(s->call, 0);
  }
  return error;
}

/* As they lie, in the type of the input. */
static struct wr_error *plain(struct wr_solving *s, void *from, int64_t elements, void *to) {
  return wr_solving_turn(s, from, elements, elements, elements, 1, to);
}

static struct wr_error *svd_results(struct svd *d) {
  struct wr_solving *s = &d->s;
  struct wr_error *error = NULL;
  if (d->many) {
    error = plain(s, d->values, s->k, d->vectors ? wr_call_part(s->call, 1) : s->call->out.data);
  }
  if (error || !d->vectors || (!d->many && !d->turned)) return error;
  void *u = wr_call_part(s->call, 0), *vt = wr_call_part(s->call, 2);
  if (d->many) {
    error = plain(s, d->left, s->n * s->n, vt);
    return error ? error : wr_solving_turn(s, d->right, s->m * s->m, s->m, s->m, s->m, u);
  }
  error = wr_solving_turn(s, d->left, s->m * s->m, s->m, s->m, s->m, u);
  return error ? error : wr_solving_turn(s, d->right, s->n * s->n, s->n, s->n, s->n, vt);
}

struct wr_error *wr_gpu_svd(struct wr_run *run, const struct wr_call *call) {
  struct svd d = {.vectors = ((const struct wr_vectors_params *)call->params)->vectors};
  struct wr_solving *s = &d.s;
  struct wr_error *error = wr_solving_begin(s, run, call);
  if (error) return error;
  d.many = s->count > 1 && wr_solver_jacobi_takes(s->m, s->n);
  if (d.many) wr_solving_widen(s);
  d.turned = s->m > s->n && !d.many;
  d.rows = d.turned ? s->m : s->n;
  d.columns = d.turned ? s->n : s->m;
  error = wr_solving_room(s, call->in[0].size, &d.a);
  if (!error) error = wr_solving_gather(s, 0, d.a, d.turned);
  if (!error) error = wr_solving_survey(s, d.a, s->m * s->n);
  if (!error) error = svd_room(&d);
  if (!error) error = wr_solving_run(s, svd_body);
  if (!error) error = svd_results(&d);
  return error ? error : wr_solving_judge(s, WR_MATRIX_NO_CONVERGENCE);
}
