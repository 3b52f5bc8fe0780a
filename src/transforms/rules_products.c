/* Rules of matrix products, of the Hadamard transform, and of products with quantised matrices,
   which are functions of x, the scales and the biases. No locks. */

#include "core/hadamard.h"
#include "core/quantized.h"
#include "transforms/rules.h"

static struct wr_node *by(const struct wr_rule *r, struct wr_node *a, struct wr_node *b) {
  return wr_compose_matmul(r->c, a, b);
}

void wr_vjp_matmul(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  if (r->wanted[0]) grads[0] = by(r, d, wr_rule_adjoint(r, r->in[1]));
  if (r->wanted[1]) grads[1] = by(r, wr_rule_adjoint(r, r->in[0]), d);
}

static struct wr_node *product_tangent(const struct wr_rule *r, struct wr_node *const *in,
                                       struct wr_node *const *t) {
  struct wr_node *first = t[0] ? by(r, t[0], in[1]) : NULL;
  return wr_rule_sum(r, first, t[1] ? by(r, in[0], t[1]) : NULL);
}

struct wr_node *wr_jvp_matmul(const struct wr_rule *r, struct wr_node *const *t) {
  return product_tangent(r, r->in, t);
}

void wr_vjp_addmm(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  const struct wr_addmm_params *p = r->params;
  struct wr_node *e = wr_rule_scale(r, d, (double)p->alpha);
  if (r->wanted[0]) grads[0] = wr_rule_scale(r, d, (double)p->beta);
  if (r->wanted[1]) grads[1] = by(r, e, wr_rule_adjoint(r, r->in[2]));
  if (r->wanted[2]) grads[2] = by(r, wr_rule_adjoint(r, r->in[1]), e);
}

struct wr_node *wr_jvp_addmm(const struct wr_rule *r, struct wr_node *const *t) {
  const struct wr_addmm_params *p = r->params;
  struct wr_node *product = product_tangent(r, r->in + 1, t + 1);
  if (product) product = wr_rule_scale(r, product, (double)p->alpha);
  return wr_rule_sum(r, product, t[0] ? wr_rule_scale(r, t[0], (double)p->beta) : NULL);
}

/* ---- hadamard ---- */

/* Of m 2^k places: the transform of 2^k, which is its own transpose, then the rows of order m as
   columns. The matrix of order m is what the transform makes of the identity. */
void wr_vjp_hadamard(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  const struct wr_hadamard_params *p = r->params;
  struct wr_compose *c = r->c;
  const int ndim = wr_node_ndim(d);
  const int32_t n = wr_node_shape(d)[ndim - 1];
  const int m = wr_hadamard_factor(n);
  d = wr_rule_typed(r, d, r->y);
  if (c->error) return;
  if (m <= 12) {
    grads[0] = wr_rule_again(r, &d);
    return;
  }
  const int32_t tall[3] = {(int32_t)(wr_node_size(d) / n), m, n / m};
  const struct wr_hadamard_params plain = {.scale = 1};
  struct wr_node *x = wr_compose_reshape(c, d, 3, tall);
  x = wr_compose_alike(c, WR_OP_HADAMARD, x, p);
  if (c->error) return;
  struct wr_node *eye =
      wr_compose_step(c, wr_ops_eye(wr_compose_slot(c), m, m, 0, wr_node_dtype(d), c->stream));
  struct wr_node *matrix = wr_compose_alike(c, WR_OP_HADAMARD, eye, &plain);
  grads[0] = wr_rule_reshape_like(r, by(r, matrix, x), d);
}

struct wr_node *wr_jvp_hadamard(const struct wr_rule *r, struct wr_node *const *t) {
  struct wr_node *typed = wr_rule_typed(r, t[0], r->in[0]);
  return wr_rule_again(r, &typed);
}

/* ---- quantised matrices ---- */

static const char *const modes[] = {
    [WR_AFFINE] = "affine", [WR_MXFP4] = "mxfp4", [WR_MXFP8] = "mxfp8", [WR_NVFP4] = "nvfp4"};

static const struct wr_quantized_params *how(const struct wr_rule *r) { return r->params; }

/* The numbers that the codes stand for before scales and biases, as a matrix. */
static struct wr_node *codes(const struct wr_rule *r, struct wr_node *w, struct wr_node *scales) {
  const int group = how(r)->group, bits = how(r)->bits;
  const struct wr_ops_how given = {&group, &bits, modes[WR_AFFINE]};
  struct wr_node *zeros = wr_rule_zeros(r, scales);
  if (r->c->error) return NULL;
  struct wr_node *one = wr_compose_scalar(r->c, 1, wr_node_dtype(scales));
  struct wr_node *ones =
      wr_compose_broadcast(r->c, one, wr_node_ndim(scales), wr_node_shape(scales));
  if (r->c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(r->c);
  return wr_compose_step(r->c,
                         wr_ops_dequantize(slot, w, ones, zeros, &given, NULL, NULL, r->c->stream));
}

/* Sums over groups along the last axis, in the shape of the scales. */
static struct wr_node *by_group(const struct wr_rule *r, struct wr_node *dw,
                                struct wr_node *scales) {
  static const int last = -1;
  const int ndim = wr_node_ndim(scales);
  int32_t shape[WR_MAX_NDIM + 1];
  if (r->c->error) return NULL;
  if (ndim == WR_MAX_NDIM) return wr_compose_fail(r->c, "[dequantize] Too many dimensions.");
  for (int i = 0; i < ndim; i++) shape[i] = wr_node_shape(scales)[i];
  shape[ndim] = how(r)->group;
  struct wr_node *groups = wr_compose_reshape(r->c, dw, ndim + 1, shape);
  struct wr_node *sums = wr_compose_reduce(r->c, WR_OP_SUM, groups, &last, 1, false);
  return wr_compose_astype(r->c, sums, r->c->error ? WR_FLOAT32 : wr_node_dtype(scales));
}

/* Of inputs w, scales, biases from `first` on, what the cotangent of the matrix gives. */
static void from_matrix(const struct wr_rule *r, struct wr_node *dw, int first,
                        struct wr_node **grads) {
  struct wr_node *const *w = r->in + first;
  if (r->wanted[first + 1]) {
    grads[first + 1] = by_group(r, wr_rule_mul(r, dw, codes(r, w[0], w[1])), w[1]);
  }
  if (r->wanted[first + 2]) grads[first + 2] = by_group(r, dw, w[2]);
}

static bool refuses(const struct wr_rule *r, const char *name, int first) {
  if (r->wanted[first]) {
    wr_compose_fail(r->c, "[%s::vjp] no gradient wrt the quantized weights.", name);
  } else if (how(r)->mode != WR_AFFINE && r->n_in > first + 1 && r->wanted[first + 1]) {
    wr_compose_fail(r->c, "[%s::vjp] no gradient wrt scales in %s quantization.", name,
                    modes[how(r)->mode]);
  }
  return r->c->error != NULL;
}

void wr_vjp_dequantize(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  if (refuses(r, "Dequantize", 0)) return;
  if (how(r)->mode != WR_AFFINE) {
    wr_vjp_none(r, d, grads);
    return;
  }
  from_matrix(r, d, 0, grads);
}

/* A tangent as its input is given to kernels: dense, in its type. */
static struct wr_node *dense(const struct wr_rule *r, struct wr_node *t, struct wr_node *like) {
  t = wr_rule_typed(r, t, like);
  if (r->c->error) return NULL;
  return wr_compose_step(r->c, wr_ops_contiguous(wr_compose_slot(r->c), t, false, r->c->stream));
}

/* Linear in scales and biases together. */
static struct wr_node *with_scales(const struct wr_rule *r, struct wr_node *const *t, int first) {
  struct wr_node *in[8];
  if (!t[first + 1] && !t[first + 2]) return NULL;
  for (int k = 0; k < r->n_in; k++) in[k] = r->in[k];
  for (int k = first + 1; k <= first + 2; k++) {
    in[k] = dense(r, t[k] ? t[k] : wr_rule_zeros(r, r->in[k]), r->in[k]);
  }
  return wr_rule_again(r, in);
}

struct wr_node *wr_jvp_dequantize(const struct wr_rule *r, struct wr_node *const *t) {
  if (how(r)->mode != WR_AFFINE || t[0]) return wr_jvp_none(r, t);
  return with_scales(r, t, 0);
}

/* Inputs: x, w, scales, biases of affine ones, then numbers of matrices where it gathers. */
static int first_number(const struct wr_rule *r) { return how(r)->mode == WR_AFFINE ? 4 : 3; }

static int32_t last_of(const struct wr_node *a, int i) {
  return wr_node_shape(a)[wr_node_ndim(a) - 1 - i];
}

/* The matrices of a, one behind the other. */
static struct wr_node *in_a_row(const struct wr_rule *r, struct wr_node *a) {
  if (r->c->error) return NULL;
  const int32_t shape[3] = {-1, last_of(a, 1), last_of(a, 0)};
  return wr_compose_reshape(r->c, a, 3, shape);
}

/* Adds each of the matrices to the one of its number, of `like`'s. */
static struct wr_node *add_by_number(const struct wr_rule *r, struct wr_node *matrices,
                                     struct wr_node *number, int64_t n) {
  static const int axis = 0;
  struct wr_compose *c = r->c;
  struct wr_node *parts = in_a_row(r, matrices), *at = wr_compose_flatten(c, number);
  if (c->error) return NULL;
  const int32_t rows = last_of(parts, 1), columns = last_of(parts, 0);
  const int32_t whole[3] = {(int32_t)n, rows, columns};
  const int32_t each[4] = {wr_node_shape(parts)[0], 1, rows, columns};
  struct wr_node *sum = wr_compose_zeros(c, 3, whole, wr_node_dtype(parts));
  parts = wr_compose_reshape(c, parts, 4, each);
  if (c->error) return NULL;
  return wr_compose_step(
      c, wr_ops_scatter(wr_compose_slot(c), WR_OP_ADD, sum, &at, 1, parts, &axis, 1, c->stream));
}

static int64_t matrices_of(const struct wr_node *a) {
  int64_t n = 1;
  for (int i = 0; i < wr_node_ndim(a) - 2; i++) n *= wr_node_shape(a)[i];
  return n;
}

static struct wr_node *from_x(const struct wr_rule *r, struct wr_node *d) {
  const int group = how(r)->group, bits = how(r)->bits, n = first_number(r);
  const char *mode = modes[how(r)->mode];
  const bool transpose = !how(r)->transpose;
  struct wr_compose *c = r->c;
  struct wr_node *biases = n == 4 ? r->in[3] : NULL;
  if (c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(c);
  if (!how(r)->gathers) {
    return wr_compose_step(c, wr_ops_quantized_matmul(slot, d, r->in[1], r->in[2], biases,
                                                      transpose, &group, &bits, mode, c->stream));
  }
  struct wr_node *each =
      wr_compose_step(c, wr_ops_gather_qmm(slot, d, r->in[1], r->in[2], biases, NULL, r->in[n + 1],
                                           transpose, &group, &bits, mode, false, c->stream));
  each = add_by_number(r, each, r->in[n], matrices_of(r->in[0]));
  return wr_rule_reshape_like(r, each, r->in[0]);
}

static struct wr_node *matrix_cotangent(const struct wr_rule *r, struct wr_node *d) {
  struct wr_node *x = r->in[0];
  const int n = first_number(r);
  if (how(r)->gathers) {
    x = wr_compose_take(r->c, in_a_row(r, x), wr_compose_flatten(r->c, r->in[n]), 0);
    d = in_a_row(r, d);
  }
  struct wr_node *dw =
      how(r)->transpose ? by(r, wr_rule_adjoint(r, d), x) : by(r, wr_rule_adjoint(r, x), d);
  if (!how(r)->gathers) return dw;
  dw = add_by_number(r, dw, r->in[n + 1], matrices_of(r->in[1]));
  int32_t shape[WR_MAX_NDIM];
  if (r->c->error) return NULL;
  const int ndim = wr_node_ndim(r->in[1]);
  for (int i = 0; i < ndim - 1; i++) shape[i] = wr_node_shape(r->in[1])[i];
  shape[ndim - 1] = last_of(dw, 0);
  return wr_compose_reshape(r->c, dw, ndim, shape);
}

void wr_vjp_quantized_matmul(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  const char *name = how(r)->gathers ? "GatherQMM" : "QuantizedMatmul";
  if (refuses(r, name, 1)) return;
  if (r->wanted[0]) grads[0] = from_x(r, d);
  if (how(r)->mode == WR_AFFINE && (r->wanted[2] || r->wanted[3])) {
    from_matrix(r, matrix_cotangent(r, d), 1, grads);
  }
}

struct wr_node *wr_jvp_quantized_matmul(const struct wr_rule *r, struct wr_node *const *t) {
  struct wr_node *in[8], *y = NULL;
  const bool affine = how(r)->mode == WR_AFFINE;
  if (t[1] || (!affine && t[2])) return wr_jvp_none(r, t);
  for (int k = 0; k < r->n_in; k++) in[k] = r->in[k];
  if (t[0]) {
    in[0] = dense(r, t[0], r->in[0]);
    y = wr_rule_again(r, in);
  }
  if (affine) y = wr_rule_sum(r, y, with_scales(r, t, 1));
  return y;
}
