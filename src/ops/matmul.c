/* Matrix products. Invariant: both matrices of a recorded node have the same batch extents in front
   (through broadcast views) and the result's type. Vectors become matrices by a view, and the axis
   that was added goes from the result. No locks. */

#include "ops/internal.h"

/* How a product of a and b looks. */
struct product {
  enum wr_dtype dtype;
  int32_t rows, inner, columns;
  int batch_ndim;
  int32_t batch[WR_MAX_NDIM];
  bool a_is_vector, b_is_vector;
};

static struct wr_error *check_dtype(enum wr_dtype a, enum wr_dtype b, enum wr_dtype common) {
  if (wr_dtype_is_floating(common) || common == WR_COMPLEX64) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "a is %s and b is %s; matrix products need a floating point or complex type",
                      wr_dtype_name(a), wr_dtype_name(b));
}

static struct wr_error *shape_mismatch(const struct wr_node *a, const struct wr_node *b) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "a with shape %s and b with shape %s cannot be multiplied",
                      wr_ops_shape_text(a).s, wr_ops_shape_text(b).s);
}

static struct wr_error *product_of(const struct wr_node *a, const struct wr_node *b,
                                   enum wr_dtype dtype, struct product *p) {
  int na = wr_node_ndim(a);
  int nb = wr_node_ndim(b);
  const int32_t *sa = wr_node_shape(a);
  const int32_t *sb = wr_node_shape(b);
  struct wr_error *error = check_dtype(wr_node_dtype(a), wr_node_dtype(b), dtype);
  if (error) return error;
  if (na == 0 || nb == 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s has no dimensions, at least one is needed",
                        na == 0 ? "a" : "b");
  }
  *p = (struct product){.dtype = dtype, .a_is_vector = na == 1, .b_is_vector = nb == 1};
  p->rows = na == 1 ? 1 : sa[na - 2];
  p->inner = sa[na - 1];
  p->columns = nb == 1 ? 1 : sb[nb - 1];
  if (p->inner != sb[nb == 1 ? 0 : nb - 2] ||
      !wr_shape_broadcast(sa, na > 2 ? na - 2 : 0, sb, nb > 2 ? nb - 2 : 0, p->batch,
                          &p->batch_ndim)) {
    return shape_mismatch(a, b);
  }
  return NULL;
}

/* Casts x, makes a vector a matrix, and gives it the batch extents. */
static struct wr_node *matrix(struct wr_compose *c, struct wr_node *x, const struct product *p,
                              int vector_axis, int32_t rows, int32_t columns) {
  int32_t shape[WR_MAX_NDIM + 2];
  int ndim = p->batch_ndim + 2;
  for (int i = 0; i < p->batch_ndim; i++) shape[i] = p->batch[i];
  shape[ndim - 2] = rows;
  shape[ndim - 1] = columns;
  struct wr_node *m = wr_compose_astype(c, x, p->dtype);
  if (!c->error && wr_node_ndim(x) == 1) {
    m = wr_compose_step(c, wr_ops_expand_dims(wr_compose_slot(c), m, &vector_axis, 1, c->stream));
  }
  return wr_compose_broadcast(c, m, ndim, shape);
}

/* The result's shape without the axes that vectors do not have. */
static int result_shape(const struct product *p, int32_t *shape) {
  int ndim = p->batch_ndim;
  for (int i = 0; i < ndim; i++) shape[i] = p->batch[i];
  if (!p->a_is_vector) shape[ndim++] = p->rows;
  if (!p->b_is_vector) shape[ndim++] = p->columns;
  return ndim;
}

static struct wr_node *drop_vector_axes(struct wr_compose *c, struct wr_node *x,
                                        const struct product *p) {
  if (c->error || (!p->a_is_vector && !p->b_is_vector)) return x;
  int32_t shape[WR_MAX_NDIM + 2];
  int ndim = result_shape(p, shape);
  return wr_compose_reshape(c, x, ndim, shape);
}

static struct wr_error *record_of(struct wr_node **out, enum wr_op op, struct wr_node *const *in,
                                  int n_in, const struct product *p, const void *params,
                                  struct wr_stream *s) {
  int32_t shape[WR_MAX_NDIM + 2];
  const int ndim = p->batch_ndim + 2;
  for (int i = 0; i < p->batch_ndim; i++) shape[i] = p->batch[i];
  shape[ndim - 2] = p->rows;
  shape[ndim - 1] = p->columns;
  struct wr_record r = wr_ops_command(op, in, n_in, params, s);
  r.dtype = p->dtype;
  r.ndim = ndim;
  r.shape = shape;
  return wr_ops_record(out, &r);
}

static struct wr_node *record(struct wr_compose *c, enum wr_op op, struct wr_node *const *in,
                              int n_in, const struct product *p, const void *params) {
  if (c->error) return NULL;
  return wr_compose_step(c, record_of(wr_compose_slot(c), op, in, n_in, p, params, c->stream));
}

/* Whether both are what a recorded node has, as they are. */
static bool is_plain(const struct wr_node *a, const struct wr_node *b, const struct product *p) {
  const int ndim = p->batch_ndim + 2;
  return wr_node_dtype(a) == p->dtype && wr_node_dtype(b) == p->dtype && wr_node_ndim(a) == ndim &&
         wr_node_ndim(b) == ndim &&
         wr_shape_equal(wr_node_shape(a), ndim - 2, p->batch, p->batch_ndim) &&
         wr_shape_equal(wr_node_shape(b), ndim - 2, p->batch, p->batch_ndim);
}

/* Many dense matrices times one are one tall matrix times it: a single large product. */
static bool is_tall(const struct wr_node *a, const struct wr_node *b, const struct product *p) {
  return wr_node_ndim(a) > 2 && wr_node_ndim(b) <= 2 && wr_node_is_row_contiguous(a) &&
         p->inner > 0 && wr_node_size(a) / p->inner <= INT32_MAX;
}

static struct wr_error *matmul(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                               struct wr_matmul_params params, struct wr_stream *s);

static struct wr_error *tall_matmul(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                    const struct product *p, struct wr_matmul_params params,
                                    struct wr_stream *s) {
  int32_t shape[WR_MAX_NDIM];
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node **slot = wr_compose_slot(&c);
  struct wr_node *tall = wr_compose_step(&c, wr_ops_flatten(slot, a, 0, -2, s));
  struct wr_node *r = NULL;
  if (!c.error) r = wr_compose_step(&c, matmul(wr_compose_slot(&c), tall, b, params, s));
  if (!c.error) {
    int ndim = result_shape(p, shape);
    r = wr_compose_reshape(&c, r, ndim, shape);
  }
  return wr_compose_end(&c, out, r);
}

static struct wr_error *matmul(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                               struct wr_matmul_params params, struct wr_stream *s) {
  struct product p;
  enum wr_dtype dtype = wr_dtype_promote(wr_node_dtype(a), wr_node_dtype(b));
  struct wr_error *error = product_of(a, b, dtype, &p);
  if (error) return error;
  if (is_tall(a, b, &p)) return tall_matmul(out, a, b, &p, params, s);
  if (is_plain(a, b, &p)) {
    return record_of(out, WR_OP_MATMUL, (struct wr_node *const[]){a, b}, 2, &p, &params, s);
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *in[2] = {matrix(&c, a, &p, 0, p.rows, p.inner),
                           matrix(&c, b, &p, 1, p.inner, p.columns)};
  struct wr_node *r = record(&c, WR_OP_MATMUL, in, 2, &p, &params);
  return wr_compose_end(&c, out, drop_vector_axes(&c, r, &p));
}

struct wr_error *wr_ops_matmul(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                               struct wr_stream *s) {
  const struct wr_matmul_params params = {.precision = (int32_t)wr_ops_precision()};
  return matmul(out, a, b, params, s);
}

/* Whether c broadcasts to the product's shape without making it larger. */
static bool addend_fits(const struct wr_node *c, const struct product *p) {
  int32_t shape[WR_MAX_NDIM + 2];
  int ndim = result_shape(p, shape);
  return ndim <= WR_MAX_NDIM &&
         wr_shape_broadcasts_to(wr_node_shape(c), wr_node_ndim(c), shape, ndim);
}

static struct wr_error *addend_misfit(const struct wr_node *c, const struct product *p) {
  int32_t shape[WR_MAX_NDIM + 2];
  int ndim = result_shape(p, shape);
  return wr_ops_broadcast_to_error(c, shape, ndim, "c and the product");
}

/* c in the shape that the kernel sees: the result's, with the axes that vectors do not have. */
static struct wr_node *addend(struct wr_compose *k, struct wr_node *c, const struct product *p) {
  int32_t shape[WR_MAX_NDIM + 2];
  struct product full = *p;
  full.a_is_vector = full.b_is_vector = false;
  struct wr_node *x = wr_compose_astype(k, c, p->dtype);
  int ndim = result_shape(p, shape);
  x = wr_compose_broadcast(k, x, ndim, shape);
  if (k->error || (!p->a_is_vector && !p->b_is_vector)) return x;
  ndim = result_shape(&full, shape);
  return wr_compose_reshape(k, x, ndim, shape);
}

/* Zeros that have x's shape and say nothing of its elements, if `factor` is 0; otherwise factor x.
 */
static struct wr_node *scaled(struct wr_compose *k, float factor, struct wr_node *x) {
  if (factor != 0) {
    return wr_compose_binary(k, WR_OP_MULTIPLY, wr_compose_scalar(k, factor, WR_COMPLEX64), x);
  }
  struct wr_node *zero = wr_compose_scalar(k, 0, WR_COMPLEX64);
  if (k->error) return NULL;
  return wr_compose_broadcast(k, zero, wr_node_ndim(x), wr_node_shape(x));
}

/* Step by step, so that c may make the result larger: MLX lets it for complex numbers alone. */
static struct wr_error *complex_addmm(struct wr_node **out, struct wr_node *c, struct wr_node *a,
                                      struct wr_node *b, float alpha, float beta,
                                      struct wr_stream *s) {
  struct wr_compose k = wr_compose_begin(s);
  struct wr_node **slot = wr_compose_slot(&k);
  struct wr_node *x = wr_compose_step(&k, wr_ops_matmul(slot, a, b, s));
  x = scaled(&k, alpha, x);
  struct wr_node *y = scaled(&k, beta, c);
  return wr_compose_end(&k, out, wr_compose_binary(&k, WR_OP_ADD, x, y));
}

/* beta c in the product's shape, when a and b do not count; rounded once. */
static struct wr_error *addend_alone(struct wr_node **out, struct wr_node *c,
                                     const struct product *p, float beta, struct wr_stream *s) {
  int32_t shape[WR_MAX_NDIM + 2];
  int ndim = result_shape(p, shape);
  if (beta == 0) return wr_ops_fill(out, shape, ndim, 0, p->dtype, s);
  bool narrow = p->dtype == WR_FLOAT16 || p->dtype == WR_BFLOAT16;
  enum wr_dtype t = narrow ? WR_FLOAT32 : p->dtype;
  struct wr_compose k = wr_compose_begin(s);
  struct wr_node *x = wr_compose_astype(&k, c, t);
  if (beta != 1) x = wr_compose_binary(&k, WR_OP_MULTIPLY, wr_compose_scalar(&k, beta, t), x);
  x = wr_compose_broadcast(&k, wr_compose_astype(&k, x, p->dtype), ndim, shape);
  if (!k.error) x = wr_compose_step(&k, wr_ops_contiguous(wr_compose_slot(&k), x, false, s));
  return wr_compose_end(&k, out, x);
}

static struct wr_error *real_addmm(struct wr_node **out, struct wr_node *c, struct wr_node *a,
                                   struct wr_node *b, const struct product *p,
                                   struct wr_addmm_params params, struct wr_stream *s) {
  struct wr_compose k = wr_compose_begin(s);
  struct wr_node *in[3] = {addend(&k, c, p), matrix(&k, a, p, 0, p->rows, p->inner),
                           matrix(&k, b, p, 1, p->inner, p->columns)};
  struct wr_node *r = record(&k, WR_OP_ADDMM, in, 3, p, &params);
  return wr_compose_end(&k, out, drop_vector_axes(&k, r, p));
}

/* A factor of 0 makes 0 of all that it stands before, NaN and infinities too: that is not looked
   at, as in BLAS. The others have their node, so that no kernel has to know. */
static struct wr_error *addmm(struct wr_node **out, struct wr_node *c, struct wr_node *a,
                              struct wr_node *b, struct wr_addmm_params params,
                              struct wr_stream *s) {
  struct product p;
  enum wr_dtype dtype = wr_dtype_promote(wr_node_dtype(a), wr_node_dtype(b));
  dtype = wr_dtype_promote(dtype, wr_node_dtype(c));
  struct wr_error *error = product_of(a, b, dtype, &p);
  if (error) return error;
  if (!addend_fits(c, &p)) {
    if (dtype == WR_COMPLEX64) {
      return complex_addmm(out, c, a, b, params.alpha, params.beta, s);
    }
    return addend_misfit(c, &p);
  }
  if (params.alpha == 0 || p.inner == 0) return addend_alone(out, c, &p, params.beta, s);
  if (params.beta != 0) return real_addmm(out, c, a, b, &p, params, s);
  struct wr_node *none;
  error = wr_ops_scalar(&none, 0, dtype);
  if (error) return error;
  return wr_ops_and_release(none, real_addmm(out, none, a, b, &p, params, s));
}

struct wr_error *wr_ops_addmm(struct wr_node **out, struct wr_node *c, struct wr_node *a,
                              struct wr_node *b, float alpha, float beta, struct wr_stream *s) {
  const struct wr_addmm_params params = {
      .alpha = alpha, .beta = beta, .precision = (int32_t)wr_ops_precision()};
  return addmm(out, c, a, b, params, s);
}

struct wr_error *wr_again_matmul(struct wr_node **out, const struct wr_record *like) {
  struct wr_node *const *in = like->in;
  if (like->op == WR_OP_MATMUL) {
    const struct wr_matmul_params *p = like->params;
    return matmul(out, in[0], in[1], *p, like->stream);
  }
  const struct wr_addmm_params *p = like->params;
  return addmm(out, in[0], in[1], in[2], *p, like->stream);
}
