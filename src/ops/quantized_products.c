/* Products with quantised matrices: quantized_matmul, gather_qmm, qqmm. One command multiplies the
   matrices of x, one after the other, by those of w: all by one, each by its own, or by numbers in
   two index arrays, which are also how batches of different extents come together. No locks. */

#include <string.h>

#include "ops/quantized.h"

/* The extents of a product. */
struct extents {
  int32_t rows;  /* M, of each matrix of x */
  int32_t inner; /* K */
  int32_t outer; /* N */
  enum wr_dtype t;
};

static int32_t last_of(const struct wr_node *a, int i) {
  return wr_node_shape(a)[wr_node_ndim(a) - 1 - i];
}

static struct wr_error *incompatible(const struct wr_packed *p) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "The shapes of the weight and scales are incompatible based on bits and "
                      "group_size. w.shape() == %s and scales.shape() == %s with group_size=%d and "
                      "bits=%d",
                      wr_ops_shape_text(p->w).s, wr_ops_shape_text(p->scales).s, p->how.group,
                      p->how.bits);
}

static struct wr_error *check_parts(const struct wr_packed *p) {
  const struct wr_node *w = p->w, *s = p->scales, *b = p->biases;
  const int ndim = wr_node_ndim(w);
  if (wr_node_dtype(w) != WR_UINT32) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "The weight matrix should be uint32 but received %s",
                        wr_dtype_name(wr_node_dtype(w)));
  }
  struct wr_error *error = wr_ops_quantized_check_scales(p);
  if (error) return error;
  if (b && !wr_shape_equal(wr_node_shape(s), wr_node_ndim(s), wr_node_shape(b), wr_node_ndim(b))) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Scales and biases should have the same shape. Received scales with shape "
                        "%s and biases with %s",
                        wr_ops_shape_text(s).s, wr_ops_shape_text(b).s);
  }
  if (ndim < 2 || wr_node_ndim(s) != ndim ||
      !wr_shape_equal(wr_node_shape(w), ndim - 2, wr_node_shape(s), ndim - 2)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Weight and scales should have the same batch shape. Received weight with "
                        "shape %s, scales with %s.",
                        wr_ops_shape_text(w).s, wr_ops_shape_text(s).s);
  }
  const int64_t k = wr_ops_packed_elements(p);
  const bool fits = k <= INT32_MAX && last_of(w, 1) == last_of(s, 1) &&
                    k == (int64_t)last_of(s, 0) * p->how.group;
  if (!fits) return incompatible(p);
  return wr_ops_quantized_check_how(&p->how);
}

static struct wr_error *check_type(const struct wr_node *x, const struct wr_packed *p,
                                   enum wr_dtype *t) {
  *t = wr_node_dtype(x);
  if (p->how.mode == WR_AFFINE) *t = wr_dtype_promote(*t, wr_ops_quantized_type(p));
  if (wr_dtype_is_floating(*t)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "Only real floating types are supported but x.dtype() == %s.",
                      wr_dtype_name(wr_node_dtype(x)));
}

static struct wr_error *extents_of(struct extents *e, const struct wr_node *x,
                                   const struct wr_packed *p) {
  struct wr_error *error = check_parts(p);
  if (error) return error;
  if (wr_node_ndim(x) < 1) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "x has no dimensions, at least one is needed");
  }
  const int32_t elements = (int32_t)wr_ops_packed_elements(p), others = last_of(p->w, 1);
  e->inner = p->how.transpose ? elements : others;
  e->outer = p->how.transpose ? others : elements;
  e->rows = wr_node_ndim(x) > 1 ? last_of(x, 1) : 1;
  if (last_of(x, 0) != e->inner) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Last dimension of first input with shape (..., %d) does not match the "
                        "expanded quantized matrix (%d, %d) computed from shape %s with "
                        "group_size=%d, bits=%d and transpose=%s",
                        last_of(x, 0), e->inner, e->outer, wr_ops_shape_text(p->w).s, p->how.group,
                        p->how.bits, p->how.transpose ? "true" : "false");
  }
  return check_type(x, p, &e->t);
}

/* ---- recording ---- */

/* With x of at least two axes, the batch's extents in front of M and N; lhs and rhs, index arrays
   of the batch's shape, both or neither. */
static struct wr_node *record(struct wr_compose *c, struct wr_node *x, const struct wr_packed *p,
                              const struct extents *e, struct wr_node *lhs, struct wr_node *rhs,
                              const int32_t *batch, int n_batch) {
  int32_t shape[WR_MAX_NDIM + 2];
  struct wr_quantized_params how = p->how;
  const bool affine = how.mode == WR_AFFINE;
  struct wr_node *in[6];
  int n = 0;
  how.gathers = lhs != NULL;
  in[n++] = wr_compose_dense(c, wr_compose_astype(c, x, e->t));
  in[n++] = wr_compose_dense(c, p->w);
  in[n++] = wr_compose_dense(c, affine ? wr_compose_astype(c, p->scales, e->t) : p->scales);
  if (affine) in[n++] = wr_compose_dense(c, wr_compose_astype(c, p->biases, e->t));
  if (lhs) in[n++] = wr_compose_dense(c, wr_compose_places(c, lhs));
  if (lhs) in[n++] = wr_compose_dense(c, wr_compose_places(c, rhs));
  if (c->error) return NULL;
  if (n_batch) memcpy(shape, batch, (size_t)n_batch * sizeof *shape);
  shape[n_batch] = e->rows;
  shape[n_batch + 1] = e->outer;
  struct wr_record r = wr_ops_command(WR_OP_QUANTIZED_MATMUL, in, n, &how, c->stream);
  r.dtype = e->t;
  r.ndim = n_batch + 2;
  r.shape = shape;
  return wr_compose_record(c, &r);
}

/* float64, for which there is no kernel: the matrix is written, and multiplied. */
static struct wr_node *by_double(struct wr_compose *c, struct wr_node *x,
                                 const struct wr_packed *p) {
  struct wr_node *w = NULL;
  const bool affine = p->how.mode == WR_AFFINE;
  if (!c->error) {
    struct wr_node **slot = wr_compose_slot(c);
    const enum wr_dtype t = affine ? WR_FLOAT64 : WR_FLOAT32;
    w = wr_compose_step(c, wr_ops_quantized_unpack(slot, p, NULL, t, c->stream));
  }
  if (!c->error && p->how.transpose) {
    w = wr_compose_step(c, wr_ops_swapaxes(wr_compose_slot(c), w, -1, -2, c->stream));
  }
  return wr_compose_matmul(c, x, w);
}

/* 0, 1, .. over the extents. */
static struct wr_node *numbers(struct wr_compose *c, const int32_t *shape, int ndim) {
  double count = 1;
  for (int i = 0; i < ndim; i++) count *= shape[i];
  return wr_compose_reshape(c, wr_compose_count(c, 0, count, WR_INT64), ndim, shape);
}

/* Matrices by number, whose index arrays broadcast together. */
static struct wr_node *gathered(struct wr_compose *c, struct wr_node *x, const struct wr_packed *p,
                                const struct extents *e, struct wr_node *lhs, struct wr_node *rhs) {
  int32_t batch[WR_MAX_NDIM];
  int n = 0;
  if (c->error) return NULL;
  if (!wr_shape_broadcast(wr_node_shape(lhs), wr_node_ndim(lhs), wr_node_shape(rhs),
                          wr_node_ndim(rhs), batch, &n)) {
    struct wr_error *error =
        wr_ops_broadcast_to_error(lhs, wr_node_shape(rhs), wr_node_ndim(rhs), "the index arrays");
    (void)wr_compose_slot(c);
    return wr_compose_step(c, error);
  }
  lhs = wr_compose_broadcast(c, lhs, n, batch);
  rhs = wr_compose_broadcast(c, rhs, n, batch);
  if (e->t != WR_FLOAT64) return record(c, x, p, e, lhs, rhs, batch, n);
  /* The matrices themselves, in their order. */
  struct wr_packed chosen = *p;
  struct wr_node **parts[3] = {&chosen.w, &chosen.scales, &chosen.biases};
  for (int i = 0; i < (p->biases ? 3 : 2); i++) {
    struct wr_node *flat = *parts[i];
    const int32_t shape[3] = {-1, last_of(flat, 1), last_of(flat, 0)};
    *parts[i] = wr_compose_take(c, wr_compose_reshape(c, flat, 3, shape), rhs, 0);
  }
  const int32_t shape[3] = {-1, e->rows, e->inner};
  return by_double(c, wr_compose_take(c, wr_compose_reshape(c, x, 3, shape), lhs, 0), &chosen);
}

/* All rows of x by one matrix. */
static struct wr_node *tall(struct wr_compose *c, struct wr_node *x, const struct wr_packed *p,
                            const struct extents *e) {
  const int ndim = wr_node_ndim(x);
  int32_t shape[WR_MAX_NDIM];
  struct extents all = *e;
  memcpy(shape, wr_node_shape(x), (size_t)ndim * sizeof *shape);
  shape[ndim - 1] = e->outer;
  int64_t rows = 1;
  for (int i = 0; i < ndim - 1; i++) rows *= shape[i];
  if (rows > INT32_MAX) return record(c, x, p, e, NULL, NULL, shape, ndim - 2);
  all.rows = (int32_t)rows;
  const int32_t flat[2] = {all.rows, e->inner};
  struct wr_node *r = record(c, wr_compose_reshape(c, x, 2, flat), p, &all, NULL, NULL, NULL, 0);
  return wr_compose_reshape(c, r, ndim, shape);
}

static struct wr_node *batched(struct wr_compose *c, struct wr_node *x, const struct wr_packed *p,
                               const struct extents *e) {
  const int32_t one[2] = {1, e->inner};
  struct wr_node *m = wr_node_ndim(x) == 1 ? wr_compose_reshape(c, x, 2, one) : x;
  if (c->error) return NULL;
  const int nx = wr_node_ndim(m) - 2, nw = wr_node_ndim(p->w) - 2;
  const int32_t *bx = wr_node_shape(m), *bw = wr_node_shape(p->w);
  struct wr_node *r;
  if (wr_shape_equal(bx, nx, bw, nw)) {
    r = record(c, m, p, e, NULL, NULL, bx, nx);
  } else {
    r = gathered(c, m, p, e, numbers(c, bx, nx), numbers(c, bw, nw));
  }
  if (c->error || wr_node_ndim(x) > 1) return r;
  const int axis = -2;
  return wr_compose_step(c, wr_ops_squeeze(wr_compose_slot(c), r, &axis, 1, c->stream));
}

static struct wr_error *multiply(struct wr_node **out, struct wr_node *x, const struct wr_packed *p,
                                 struct wr_stream *s) {
  struct extents e;
  struct wr_error *error = extents_of(&e, x, p);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *r;
  if (e.t == WR_FLOAT64) {
    r = by_double(&c, x, p);
  } else {
    r = wr_node_ndim(p->w) == 2 ? tall(&c, x, p, &e) : batched(&c, x, p, &e);
  }
  return wr_compose_end(&c, out, r);
}

struct wr_error *wr_ops_quantized_matmul(struct wr_node **out, struct wr_node *x, struct wr_node *w,
                                         struct wr_node *scales, struct wr_node *biases,
                                         bool transpose, const int *group_size, const int *bits,
                                         const char *mode, struct wr_stream *s) {
  struct wr_packed p = {.w = w, .scales = scales, .biases = biases};
  const struct wr_ops_how given = {group_size, bits, mode};
  struct wr_error *error = wr_ops_quantized_how(&p.how, &given);
  p.how.transpose = transpose;
  return error ? error : multiply(out, x, &p, s);
}

struct wr_error *wr_ops_gather_qmm(struct wr_node **out, struct wr_node *x, struct wr_node *w,
                                   struct wr_node *scales, struct wr_node *biases,
                                   struct wr_node *lhs, struct wr_node *rhs, bool transpose,
                                   const int *group_size, const int *bits, const char *mode,
                                   bool sorted, struct wr_stream *s) {
  struct wr_packed p = {.w = w, .scales = scales, .biases = biases};
  const struct wr_ops_how given = {group_size, bits, mode};
  struct extents e;
  (void)sorted; /* nothing depends on the order */
  struct wr_error *error = wr_ops_quantized_how(&p.how, &given);
  p.how.transpose = transpose;
  if (!error && !lhs && !rhs) return multiply(out, x, &p, s);
  if (!error) error = extents_of(&e, x, &p);
  if (!error && wr_node_ndim(x) < 2) {
    error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                         "Input must have at least two dimensions but got input with shape %s.",
                         wr_ops_shape_text(x).s);
  }
  if (!error) error = wr_ops_check_chosen(lhs, rhs);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  if (!lhs) lhs = numbers(&c, wr_node_shape(x), wr_node_ndim(x) - 2);
  if (!rhs) rhs = numbers(&c, wr_node_shape(w), wr_node_ndim(w) - 2);
  return wr_compose_end(&c, out, gathered(&c, x, &p, &e, lhs, rhs));
}

/* ---- qqmm ---- */

struct both {
  struct wr_packed w; /* w.w may be floating, and then has no scales */
  struct wr_node *global_x, *global_w;
};

static struct wr_error *check_second(const struct wr_node *x, const struct both *b) {
  const struct wr_node *w = b->w.w;
  const bool packed = wr_node_dtype(w) == WR_UINT32;
  if (wr_node_ndim(w) != 2 || wr_node_ndim(x) < 1) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Only 2D inputs are supported but x.ndim() == %d and w.ndim() == %d.",
                        wr_node_ndim(x), wr_node_ndim(w));
  }
  if (packed && !b->w.scales) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Scales must be provided if second argument is quantized.");
  }
  if (packed) return NULL;
  if (!wr_dtype_is_floating(wr_node_dtype(w)) || wr_node_dtype(w) == WR_FLOAT64) {
    return wr_error_new(
        WEIR_ERROR_INVALID_ARGUMENT,
        "Only real floating types except float64 are supported but second argument dtype == %s.",
        wr_dtype_name(wr_node_dtype(w)));
  }
  if (last_of(x, 0) == last_of(w, 0)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "Last dimension of first input with shape %s must match last dimension of "
                      "second input with shape %s.",
                      wr_ops_shape_text(x).s, wr_ops_shape_text(w).s);
}

static struct wr_error *check_both(const struct wr_node *x, const struct both *b) {
  const enum wr_quantized_mode mode = (enum wr_quantized_mode)b->w.how.mode;
  if (mode != WR_NVFP4 && mode != WR_MXFP8) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Only 'nvfp4' and 'mxfp8' quantization modes are supported but '%s' was "
                        "provided.",
                        wr_ops_quantized_name(mode));
  }
  if (!wr_dtype_is_floating(wr_node_dtype(x)) || wr_node_dtype(x) == WR_FLOAT64) {
    return wr_error_new(
        WEIR_ERROR_INVALID_ARGUMENT,
        "Only real floating types except float64 are supported but first argument dtype == %s.",
        wr_dtype_name(wr_node_dtype(x)));
  }
  struct wr_error *error = check_second(x, b);
  if (!error) error = wr_ops_quantized_check_global(b->global_x, mode);
  if (!error) error = wr_ops_quantized_check_global(b->global_w, mode);
  if (!error && !b->global_x != !b->global_w) {
    error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                         "For nvfp4 mode, either both global_scale_x and global_scale_w must be "
                         "provided, or neither.");
  }
  return error;
}

/* A matrix as it is quantised, and back, in float32. */
static struct wr_node *there_and_back(struct wr_compose *c, struct wr_node *x,
                                      struct wr_quantized_params how, struct wr_node *global) {
  struct wr_node *parts[3] = {NULL, NULL, NULL};
  if (c->error) return NULL;
  how.even = true;
  struct wr_error *error = wr_ops_quantized_parts(parts, x, how, global, c->stream);
  struct wr_node **slot = wr_compose_slot(c);
  if (error) return wr_compose_step(c, error);
  const struct wr_packed p = {.w = parts[0], .scales = parts[1], .how = how};
  struct wr_node *r =
      wr_compose_step(c, wr_ops_quantized_unpack(slot, &p, global, WR_FLOAT32, c->stream));
  wr_node_release(parts[0]);
  wr_node_release(parts[1]);
  return r;
}

/* w quantised here, or as it is given, which the kernel knows without its scale for all. */
static struct wr_node *by_second(struct wr_compose *c, struct wr_node *x, const struct both *b,
                                 const struct extents *e) {
  if (wr_node_dtype(b->w.w) != WR_UINT32) {
    const int turned[2] = {1, 0};
    struct wr_node *w = there_and_back(c, b->w.w, b->w.how, b->global_w);
    return wr_compose_matmul(c, x, wr_compose_transpose(c, w, turned));
  }
  struct wr_node *r = record(c, x, &b->w, e, NULL, NULL, NULL, 0);
  if (!b->global_w) return r;
  struct wr_node *most = wr_compose_scalar(c, (double)WR_NVFP4_MOST, WR_FLOAT32);
  struct wr_node *scale = wr_compose_reshape(c, b->global_w, 0, NULL);
  scale = wr_compose_binary(c, WR_OP_DIVIDE, scale, most);
  return wr_compose_binary(c, WR_OP_MULTIPLY, r, scale);
}

static struct wr_error *check_groups(const struct wr_node *x,
                                     const struct wr_quantized_params *how) {
  if (last_of(x, 0) % how->group == 0) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "The last dimension of first input with shape %s needs to be divisible by "
                      "the quantization group size %d.",
                      wr_ops_shape_text(x).s, how->group);
}

struct wr_error *wr_ops_qqmm(struct wr_node **out, struct wr_node *x, struct wr_node *w,
                             struct wr_node *w_scales, const int *group_size, const int *bits,
                             const char *mode, struct wr_node *global_scale_x,
                             struct wr_node *global_scale_w, struct wr_stream *s) {
  struct both b = {
      .w = {.w = w, .scales = w_scales}, .global_x = global_scale_x, .global_w = global_scale_w};
  const struct wr_ops_how given = {group_size, bits, mode};
  struct extents e = {.t = WR_FLOAT32};
  struct wr_error *error = wr_ops_quantized_how(&b.w.how, &given);
  b.w.how.transpose = true;
  if (!error) error = check_both(x, &b);
  const bool packed = !error && wr_node_dtype(w) == WR_UINT32;
  if (packed) error = extents_of(&e, x, &b.w);
  if (!error) error = wr_ops_quantized_check_how(&b.w.how);
  if (!error) error = check_groups(x, &b.w.how);
  if (error) return error;
  const int ndim = wr_node_ndim(x);
  int32_t shape[WR_MAX_NDIM];
  memcpy(shape, wr_node_shape(x), (size_t)ndim * sizeof *shape);
  shape[ndim - 1] = last_of(w, 1);
  int64_t rows = 1;
  for (int i = 0; i < ndim - 1; i++) rows *= shape[i];
  if (rows > INT32_MAX) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "x with shape %s has too many rows",
                        wr_ops_shape_text(x).s);
  }
  const int32_t flat[2] = {(int32_t)rows, last_of(x, 0)};
  e.rows = flat[0];
  e.t = WR_FLOAT32;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *r = wr_compose_reshape(&c, x, 2, flat);
  r = by_second(&c, there_and_back(&c, r, b.w.how, b.global_x), &b, &e);
  r = wr_compose_reshape(&c, wr_compose_astype(&c, r, wr_node_dtype(x)), ndim, shape);
  return wr_compose_end(&c, out, r);
}

struct wr_error *wr_again_quantized_matmul(struct wr_node **out, const struct wr_record *like) {
  struct wr_packed p = {.w = like->in[1], .scales = like->in[2]};
  struct wr_node *x = like->in[0], *lhs = NULL, *rhs = NULL;
  struct extents e;
  int n = 3;
  p.how = *(const struct wr_quantized_params *)like->params;
  if (p.how.mode == WR_AFFINE) p.biases = like->in[n++];
  if (p.how.gathers) {
    lhs = like->in[n];
    rhs = like->in[n + 1];
  }
  struct wr_error *error = extents_of(&e, x, &p);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(like->stream);
  return wr_compose_end(&c, out, lhs ? gathered(&c, x, &p, &e, lhs, rhs) : batched(&c, x, &p, &e));
}
