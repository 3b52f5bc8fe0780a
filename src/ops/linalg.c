/* Linear algebra. What the stream's device does not do, or not as well, is LAPACK's, on the CPU:
   there an operation stands on the calling thread's default stream of the CPU, and the graph brings
   its inputs there, as it brings the result to whoever needs it. Matrices are the last two axes,
   and the others batches. Messages are MLX's. No locks. */

#include <float.h>
#include <string.h>

#include "backend/backend.h"
#include "ops/internal.h"
#include "stream/stream.h"

#define INVALID(...) wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, __VA_ARGS__)

/* ---- checks; `name` is as in messages ---- */

static struct wr_error *check_type(const char *name, const struct wr_node *a, bool takes_complex) {
  const enum wr_dtype t = wr_node_dtype(a);
  if (t == WR_FLOAT32 || t == WR_FLOAT64 || (takes_complex && t == WR_COMPLEX64)) return NULL;
  return INVALID("[linalg::%s] Arrays must have type %s. Received array with type %s.", name,
                 takes_complex ? "float32, float64 or complex64" : "float32 or float64",
                 wr_dtype_name(t));
}

static struct wr_error *check_matrix(const char *name, const struct wr_node *a,
                                     bool takes_complex) {
  struct wr_error *error = check_type(name, a, takes_complex);
  if (error || wr_node_ndim(a) >= 2) return error;
  return INVALID("[linalg::%s] %s must have >= 2 dimensions. Received array with %d dimensions.",
                 name, strcmp(name, "svd") == 0 ? "Input array" : "Arrays", wr_node_ndim(a));
}

static int32_t extent(const struct wr_node *a, int from_end) {
  return wr_node_shape(a)[wr_node_ndim(a) - from_end];
}

static struct wr_error *check_square(const char *name, const struct wr_node *a, bool takes_complex,
                                     const char *what) {
  struct wr_error *error = check_matrix(name, a, takes_complex);
  if (error || extent(a, 1) == extent(a, 2)) return error;
  return INVALID("[linalg::%s] %s for square matrices.", name, what);
}

/* Matrices as those of a. */
static struct wr_matrices matrices_of(enum wr_op op, const struct wr_node *a, bool vectors) {
  struct wr_matrices what = {.op = op,
                             .dtype = wr_node_dtype(a),
                             .vectors = vectors,
                             .m = extent(a, 2),
                             .n = extent(a, 1),
                             .count = 1};
  for (int i = 0; i < wr_node_ndim(a) - 2; i++) what.count *= wr_node_shape(a)[i];
  return what;
}

/* The stream that is to work on them: *s, or one of the CPU. */
static struct wr_error *choose_stream(struct wr_stream **s, const struct wr_matrices *what) {
  if (wr_stream_device(*s).type == WR_DEVICE_CPU) return NULL;
  const struct wr_backend *backend = wr_stream_backend(*s);
  if (backend->solves && backend->solves(what)) return NULL;
  return wr_stream_default((struct wr_device){.type = WR_DEVICE_CPU}, s);
}

/* ---- recording ---- */

/* A result of a's batch and the last extents given. */
struct result {
  enum wr_dtype dtype;
  int n; /* last extents: 1 or 2 */
  int32_t last[2];
};

static int shape_of(const struct wr_node *a, const struct result *r, int32_t *shape) {
  const int batch = wr_node_ndim(a) - 2;
  for (int i = 0; i < batch; i++) shape[i] = wr_node_shape(a)[i];
  for (int i = 0; i < r->n; i++) shape[batch + i] = r->last[i];
  return batch + r->n;
}

static struct result matrix_of(enum wr_dtype t, int32_t rows, int32_t columns) {
  return (struct result){t, 2, {rows, columns}};
}
static struct result vector_of(enum wr_dtype t, int32_t n) { return (struct result){t, 1, {n, 0}}; }
static enum wr_dtype real_of(enum wr_dtype t) { return t == WR_COMPLEX64 ? WR_FLOAT32 : t; }

/* What an operation gives for its last input, of which there is one or, in SOLVE, the columns. */
static int results_of(enum wr_op op, const void *params, const struct wr_node *a,
                      struct result *r) {
  const int32_t m = extent(a, 2), n = extent(a, 1), k = m < n ? m : n;
  const enum wr_dtype t = wr_node_dtype(a);
  r[0] = matrix_of(t, m, n);
  switch ((int)op) {
    case WR_OP_QR:
      r[0] = matrix_of(t, m, k);
      r[1] = matrix_of(t, k, n);
      return 2;
    case WR_OP_LU:
      r[0] = vector_of(WR_UINT32, m);
      r[1] = matrix_of(t, m, k);
      r[2] = matrix_of(t, k, n);
      return 3;
    case WR_OP_LU_FACTOR:
      r[1] = vector_of(WR_UINT32, k);
      return 2;
    case WR_OP_SVD:
      r[0] = vector_of(real_of(t), k);
      if (!((const struct wr_vectors_params *)params)->vectors) return 1;
      r[1] = r[0];
      r[0] = matrix_of(t, m, m);
      r[2] = matrix_of(t, n, n);
      return 3;
    case WR_OP_EIGH:
      r[0] = vector_of(real_of(t), n);
      r[1] = matrix_of(t, n, n);
      return ((const struct wr_eigh_params *)params)->vectors ? 2 : 1;
    case WR_OP_EIG:
      r[0] = vector_of(WR_COMPLEX64, n);
      r[1] = matrix_of(WR_COMPLEX64, n, n);
      return ((const struct wr_vectors_params *)params)->vectors ? 2 : 1;
    default:
      return 1;
  }
}

static bool wants_vectors(const struct wr_record *r) {
  if (r->op == WR_OP_EIGH) return ((const struct wr_eigh_params *)r->params)->vectors;
  return r->op == WR_OP_SVD && ((const struct wr_vectors_params *)r->params)->vectors;
}

/* The results, out[0] and on, of one command, or the bytes in which several stand. */
static struct wr_error *record_all(struct wr_node **out, const struct wr_record *given,
                                   bool packed) {
  int32_t shapes[3][WR_MAX_NDIM];
  struct wr_part parts[3];
  struct result results[3];
  struct wr_record r = *given;
  const struct wr_node *a = r.in[r.n_in - 1];
  struct wr_matrices what = matrices_of(r.op, r.in[0], wants_vectors(&r));
  if (r.n_in > 1) what.others = extent(a, 1);
  struct wr_error *error = choose_stream(&r.stream, &what);
  if (error) return error;
  const int n = results_of(r.op, r.params, a, results);
  for (int i = 0; i < n; i++) {
    parts[i] = (struct wr_part){.shape = shapes[i], .dtype = results[i].dtype};
    parts[i].ndim = shape_of(a, &results[i], shapes[i]);
  }
  if (n > 1) return (packed ? wr_ops_record_packed : wr_ops_record_parts)(out, parts, n, &r);
  r.dtype = results[0].dtype;
  r.ndim = parts[0].ndim;
  r.shape = shapes[0];
  return wr_ops_record(out, &r);
}

static struct wr_error *record(struct wr_node **out, enum wr_op op, struct wr_node *const *in,
                               int n_in, const void *params, struct wr_stream *s) {
  const struct wr_record r = wr_ops_command(op, in, n_in, params, s);
  return record_all(out, &r, false);
}

/* ---- one matrix in ---- */

struct wr_error *wr_ops_cholesky(struct wr_node **out, struct wr_node *a, bool upper,
                                 struct wr_stream *s) {
  struct wr_error *error =
      check_square("cholesky", a, false, "Cholesky decomposition is only defined");
  const struct wr_triangle_params params = {.upper = upper};
  return error ? error : record(out, WR_OP_CHOLESKY, &a, 1, &params, s);
}

struct wr_error *wr_ops_tri_inv(struct wr_node **out, struct wr_node *a, bool upper,
                                struct wr_stream *s) {
  struct wr_error *error = check_square("inv", a, false, "Inverses are only defined");
  const struct wr_triangle_params params = {.upper = upper};
  return error ? error : record(out, WR_OP_TRI_INV, &a, 1, &params, s);
}

struct wr_error *wr_ops_inv(struct wr_node **out, struct wr_node *a, struct wr_stream *s) {
  struct wr_error *error = check_square("inv", a, false, "Inverses are only defined");
  return error ? error : record(out, WR_OP_INV, &a, 1, NULL, s);
}

struct wr_error *wr_ops_qr(struct wr_node **out, struct wr_node *a, struct wr_stream *s) {
  struct wr_error *error = check_matrix("qr", a, false);
  return error ? error : record(out, WR_OP_QR, &a, 1, NULL, s);
}

struct wr_error *wr_ops_lu(struct wr_node **out, struct wr_node *a, struct wr_stream *s) {
  struct wr_error *error = check_matrix("lu", a, false);
  return error ? error : record(out, WR_OP_LU, &a, 1, NULL, s);
}

struct wr_error *wr_ops_lu_factor(struct wr_node **out, struct wr_node *a, struct wr_stream *s) {
  struct wr_error *error = check_matrix("lu_factor", a, false);
  return error ? error : record(out, WR_OP_LU_FACTOR, &a, 1, NULL, s);
}

struct wr_error *wr_ops_svd(struct wr_node **out, struct wr_node *a, bool compute_uv,
                            struct wr_stream *s) {
  const struct wr_vectors_params params = {.vectors = compute_uv};
  struct wr_error *error = check_matrix("svd", a, true);
  return error ? error : record(out, WR_OP_SVD, &a, 1, &params, s);
}

struct wr_error *wr_ops_eigh(struct wr_node **out, struct wr_node *a, const char *uplo,
                             bool vectors, struct wr_stream *s) {
  const char *name = vectors ? "eigh" : "eigvalsh";
  struct wr_error *error = check_square(name, a, true, "Only defined");
  if (error) return error;
  const bool upper = strcmp(uplo, "U") == 0 || strcmp(uplo, "u") == 0;
  if (!upper && strcmp(uplo, "L") != 0 && strcmp(uplo, "l") != 0) {
    return INVALID("[linalg::%s] UPLO is \"%.40s\", neither \"L\" nor \"U\".", name, uplo);
  }
  const struct wr_eigh_params params = {.upper = upper, .vectors = vectors};
  return record(out, WR_OP_EIGH, &a, 1, &params, s);
}

struct wr_error *wr_ops_eig(struct wr_node **out, struct wr_node *a, bool vectors,
                            struct wr_stream *s) {
  const struct wr_vectors_params params = {.vectors = vectors};
  struct wr_error *error = check_square(vectors ? "eig" : "eigvals", a, true, "Only defined");
  return error ? error : record(out, WR_OP_EIG, &a, 1, &params, s);
}

/* ---- composed ---- */

static struct wr_node *transposed(struct wr_compose *c, struct wr_node *a) {
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_swapaxes(wr_compose_slot(c), a, -2, -1, c->stream));
}

struct wr_error *wr_ops_cholesky_inv(struct wr_node **out, struct wr_node *a, bool upper,
                                     struct wr_stream *s) {
  struct wr_error *error =
      check_square("cholesky_inv", a, false, "Cholesky inverse is only defined");
  if (error) return error;
  const struct wr_matrices what = matrices_of(WR_OP_TRI_INV, a, false);
  error = choose_stream(&s, &what);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_step(&c, wr_ops_tri_inv(wr_compose_slot(&c), a, upper, s));
  struct wr_node *y = transposed(&c, x);
  return wr_compose_end(&c, out, wr_compose_matmul(&c, upper ? x : y, upper ? y : x));
}

/* The reciprocals of what is not tiny beside the largest. */
static struct wr_node *reciprocals(struct wr_compose *c, struct wr_node *values, double bound) {
  const enum wr_dtype t = c->error ? WR_FLOAT32 : wr_node_dtype(values);
  const int last = -1;
  struct wr_node *most = wr_compose_reduce(c, WR_OP_MAX, values, &last, 1, true);
  struct wr_node *cut = wr_compose_binary(c, WR_OP_MULTIPLY, most, wr_compose_scalar(c, bound, t));
  struct wr_node *counts = wr_compose_binary(c, WR_OP_GREATER, values, cut);
  return wr_compose_where(c, counts, wr_compose_unary(c, WR_OP_RECIPROCAL, values),
                          wr_compose_scalar(c, 0, t));
}

struct wr_error *wr_ops_pinv(struct wr_node **out, struct wr_node *a, struct wr_stream *s) {
  struct wr_node *parts[3];
  struct wr_error *error = check_matrix("pinv", a, false);
  if (error) return error;
  const struct wr_matrices what = matrices_of(WR_OP_SVD, a, true);
  error = choose_stream(&s, &what);
  if (error) return error;
  const int32_t m = extent(a, 2), n = extent(a, 1), k = m < n ? m : n;
  const int rows = wr_node_ndim(a) - 2;
  if (wr_node_size(a) == 0) {
    int32_t shape[WR_MAX_NDIM];
    const struct result r = matrix_of(wr_node_dtype(a), n, m);
    const int ndim = shape_of(a, &r, shape);
    return wr_ops_fill(out, shape, ndim, 0, wr_node_dtype(a), s);
  }
  error = wr_ops_svd(parts, a, true, s);
  if (error) return error;
  const double eps = wr_node_dtype(a) == WR_FLOAT64 ? DBL_EPSILON : (double)FLT_EPSILON;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *scale = reciprocals(&c, parts[1], 10.0 * (m > n ? m : n) * eps);
  struct wr_node *u = wr_compose_slice_axis(&c, parts[0], rows + 1, 0, k);
  struct wr_node *vt = wr_compose_slice_axis(&c, parts[2], rows, 0, k);
  struct wr_node *v =
      wr_compose_binary(&c, WR_OP_MULTIPLY, transposed(&c, vt), wr_compose_expand(&c, scale, rows));
  error = wr_compose_end(&c, out, wr_compose_matmul(&c, v, transposed(&c, u)));
  for (int i = 0; i < 3; i++) wr_node_release(parts[i]);
  return error;
}

/* ---- solving ---- */

static struct wr_error *check_solve(const char *name, const struct wr_node *a,
                                    const struct wr_node *b, enum wr_dtype t) {
  if (wr_node_ndim(a) < 2) {
    return INVALID(
        "[linalg::%s] First input must have >= 2 dimensions. Received array with %d dimensions.",
        name, wr_node_ndim(a));
  }
  if (wr_node_ndim(b) < 1) {
    return INVALID(
        "[linalg::%s] Second input must have >= 1 dimensions. Received array with %d dimensions.",
        name, wr_node_ndim(b));
  }
  if (extent(a, 1) != extent(a, 2)) {
    return INVALID(
        "[linalg::%s] First input must be a square matrix. Received array with shape %s.", name,
        wr_ops_shape_text(a).s);
  }
  if (extent(a, 1) != extent(b, wr_node_ndim(b) > 1 ? 2 : 1)) {
    return INVALID(
        "[linalg::%s] Last dimension of first input with shape %s must match second to last "
        "dimension of second input with shape %s.",
        name, wr_ops_shape_text(a).s, wr_ops_shape_text(b).s);
  }
  if (t == WR_FLOAT32 || t == WR_FLOAT64) return NULL;
  return INVALID(
      "[linalg::%s] Input arrays must promote to float32 or float64.  Received arrays with type %s "
      "and %s.",
      name, wr_dtype_name(wr_node_dtype(a)), wr_dtype_name(wr_node_dtype(b)));
}

/* x in type t with the batch given. */
static struct wr_node *batched(struct wr_compose *c, struct wr_node *x, enum wr_dtype t,
                               const int32_t *batch, int n) {
  int32_t shape[WR_MAX_NDIM + 2];
  x = wr_compose_astype(c, x, t);
  if (c->error) return NULL;
  for (int i = 0; i < n; i++) shape[i] = batch[i];
  shape[n] = extent(x, 2);
  shape[n + 1] = extent(x, 1);
  return wr_compose_broadcast(c, x, n + 2, shape);
}

static struct wr_error *solve(struct wr_node **out, enum wr_op op, struct wr_node *a,
                              struct wr_node *b, const struct wr_triangle_params *params,
                              struct wr_stream *s) {
  const char *name = wr_op_info(op)->name;
  const enum wr_dtype t = wr_dtype_promote(wr_node_dtype(a), wr_node_dtype(b));
  struct wr_error *error = check_solve(name, a, b, t);
  if (error) return error;
  const bool vector = wr_node_ndim(b) == 1;
  int32_t batch[WR_MAX_NDIM];
  int n;
  if (!wr_shape_broadcast(wr_node_shape(a), wr_node_ndim(a) - 2, wr_node_shape(b),
                          vector ? 0 : wr_node_ndim(b) - 2, batch, &n)) {
    return wr_ops_broadcast_error(wr_node_shape(a), wr_node_ndim(a) - 2, wr_node_shape(b),
                                  wr_node_ndim(b) - 2, "the batches of a and b");
  }
  struct wr_matrices what = {
      .op = op, .dtype = t, .m = extent(a, 1), .n = extent(a, 1), .count = 1};
  what.others = vector ? 1 : extent(b, 1);
  for (int i = 0; i < n; i++) what.count *= batch[i];
  struct wr_error *none = choose_stream(&s, &what);
  if (none) return none;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *columns = vector ? wr_compose_expand(&c, b, 1) : b;
  struct wr_node *in[2] = {batched(&c, a, t, batch, n), batched(&c, columns, t, batch, n)};
  struct wr_node *x = NULL;
  if (!c.error) x = wr_compose_step(&c, record(wr_compose_slot(&c), op, in, 2, params, s));
  if (vector && !c.error) {
    const int last = -1;
    x = wr_compose_step(&c, wr_ops_squeeze(wr_compose_slot(&c), x, &last, 1, s));
  }
  return wr_compose_end(&c, out, x);
}

struct wr_error *wr_ops_solve(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                              struct wr_stream *s) {
  return solve(out, WR_OP_SOLVE, a, b, NULL, s);
}

struct wr_error *wr_ops_solve_triangular(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                         bool upper, struct wr_stream *s) {
  const struct wr_triangle_params params = {.upper = upper};
  return solve(out, WR_OP_SOLVE_TRIANGULAR, a, b, &params, s);
}

/* ---- again ---- */

static struct wr_error *check_again(const struct wr_record *like) {
  const struct wr_node *a = like->in[0];
  const char *name = wr_op_info(like->op)->name;
  switch ((int)like->op) {
    case WR_OP_QR:
    case WR_OP_LU:
    case WR_OP_LU_FACTOR:
      return check_matrix(name, a, false);
    case WR_OP_SVD:
      return check_matrix(name, a, true);
    case WR_OP_EIG:
    case WR_OP_EIGH:
      return check_square(name, a, true, "Only defined");
    default:
      return check_square(name, a, false, "Only defined");
  }
}

struct wr_error *wr_again_linalg(struct wr_node **out, const struct wr_record *like) {
  struct wr_node *const *in = like->in;
  if (like->op == WR_OP_SOLVE || like->op == WR_OP_SOLVE_TRIANGULAR) {
    return solve(out, like->op, in[0], in[1], like->params, like->stream);
  }
  struct wr_error *error = check_again(like);
  return error ? error : record_all(out, like, true);
}

/* ---- cross products ---- */

static struct wr_error *check_cross(const struct wr_node *a, int axis) {
  const int ndim = wr_node_ndim(a);
  if (axis < -ndim || axis >= ndim) {
    return INVALID("[linalg::cross] Axis %d is out of bounds for array with %d dimensions.", axis,
                   ndim);
  }
  const int32_t n = wr_node_shape(a)[axis < 0 ? axis + ndim : axis];
  if (n == 2 || n == 3) return NULL;
  return INVALID("[linalg::cross] The specified axis must have size 2 or 3.");
}

/* The components along an axis, 1 long there; NULL for a third that is not there. */
static void components(struct wr_compose *c, struct wr_node *a, int axis, struct wr_node **out) {
  for (int i = 0; i < 3; i++) {
    const bool there = !c->error && i < wr_node_shape(a)[axis];
    out[i] = there ? wr_compose_slice_axis(c, a, axis, i, i + 1) : NULL;
  }
}

/* a b' - b a', where what is missing is 0. */
static struct wr_node *difference(struct wr_compose *c, struct wr_node *a, struct wr_node *b_other,
                                  struct wr_node *b, struct wr_node *a_other) {
  struct wr_node *left = a && b_other ? wr_compose_binary(c, WR_OP_MULTIPLY, a, b_other) : NULL;
  struct wr_node *right = b && a_other ? wr_compose_binary(c, WR_OP_MULTIPLY, b, a_other) : NULL;
  if (left && right) return wr_compose_binary(c, WR_OP_SUBTRACT, left, right);
  if (left) return left;
  return right ? wr_compose_unary(c, WR_OP_NEGATIVE, right) : NULL;
}

/* The extents that both have but for the axis, which is the same counted from the end or the start.
 */
static struct wr_error *cross_shape(const struct wr_node *a, const struct wr_node *b, int axis,
                                    int32_t *shape, int *ndim) {
  int32_t x[WR_MAX_NDIM], y[WR_MAX_NDIM];
  const int na = wr_node_ndim(a), nb = wr_node_ndim(b);
  for (int i = 0; i < na; i++) x[i] = wr_node_shape(a)[i];
  for (int i = 0; i < nb; i++) y[i] = wr_node_shape(b)[i];
  x[axis < 0 ? axis + na : axis] = 3;
  y[axis < 0 ? axis + nb : axis] = 3;
  if (wr_shape_broadcast(x, na, y, nb, shape, ndim)) return NULL;
  return wr_ops_broadcast_error(x, na, y, nb, "a and b");
}

struct wr_error *wr_ops_cross(struct wr_node **out, struct wr_node *a, struct wr_node *b, int axis,
                              struct wr_stream *s) {
  int32_t shape[WR_MAX_NDIM];
  int ndim;
  struct wr_error *error = check_cross(a, axis);
  if (!error) error = check_cross(b, axis);
  if (!error) error = cross_shape(a, b, axis, shape, &ndim);
  if (error) return error;
  const enum wr_dtype t = wr_dtype_promote(wr_node_dtype(a), wr_node_dtype(b));
  const int at = axis < 0 ? axis + ndim : axis;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *in[2] = {a, b}, *x[2][3], *parts[3];
  for (int i = 0; i < 2; i++) {
    shape[at] = wr_node_shape(in[i])[axis < 0 ? axis + wr_node_ndim(in[i]) : axis];
    components(&c, wr_compose_broadcast(&c, wr_compose_astype(&c, in[i], t), ndim, shape), at,
               x[i]);
  }
  shape[at] = 1;
  for (int i = 0; i < 3; i++) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    parts[i] = difference(&c, x[0][j], x[1][k], x[0][k], x[1][j]);
    if (!parts[i]) parts[i] = wr_compose_zeros(&c, ndim, shape, t);
  }
  return wr_compose_end(&c, out, wr_compose_join(&c, parts, 3, at));
}
