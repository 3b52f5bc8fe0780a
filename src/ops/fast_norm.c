/* Normalisation of rows, rms_norm and layer_norm: a command of its own where the device has a
   kernel, else composed. Statistics are made in float32, of float64 in float64; then the row is
   rounded to the result's type, in which weight and bias come to it. No locks. */

#include "backend/backend.h"
#include "graph/trace.h"
#include "ops/internal.h"
#include "stream/stream.h"

struct norm {
  struct wr_node *x;
  struct wr_node *weight, *bias; /* NULL: none */
  float eps;
  bool centred;
};

/* `name` is the argument's, as MLX writes it. */
static struct wr_error *check_factor(const struct wr_node *factor, const struct wr_node *x,
                                     const char *name) {
  if (!factor) return NULL;
  if (wr_node_ndim(factor) != 1) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "%s must have 1 dimension but has %d dimensions.", name,
                        wr_node_ndim(factor));
  }
  if (wr_node_shape(factor)[0] == wr_node_shape(x)[wr_node_ndim(x) - 1]) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "%s must have the same size as the last dimension of x but has %d elements.",
                      name, wr_node_shape(factor)[0]);
}

static struct wr_error *check_input(const struct wr_node *x) {
  if (wr_node_ndim(x) > 0) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "Input must have at least 1 dimension but got input with 0 dimensions.");
}

static struct wr_error *check_type(enum wr_dtype t) {
  if (wr_dtype_is_floating(t)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Received unsupported type %s.",
                      wr_dtype_name(t));
}

static enum wr_dtype compute_type(enum wr_dtype t) {
  return t == WR_FLOAT64 ? WR_FLOAT64 : WR_FLOAT32;
}

/* The mean along the last axis, which stays. */
static struct wr_node *row_mean(struct wr_compose *c, struct wr_node *x) {
  if (c->error) return NULL;
  const int last = wr_node_ndim(x) - 1;
  wr_trace_pin(WR_PIN_EXTENTS);
  struct wr_node *count = wr_compose_scalar(c, wr_node_shape(x)[last], wr_node_dtype(x));
  struct wr_node *sum = wr_compose_reduce(c, WR_OP_SUM, x, &last, 1, true);
  return wr_compose_binary(c, WR_OP_DIVIDE, sum, count);
}

/* x / sqrt(mean(x^2) + eps). What is under the mean is made of `again`, the same values as x, so
   that neither has to be kept for the other. */
static struct wr_node *by_root(struct wr_compose *c, struct wr_node *x, struct wr_node *again,
                               float eps) {
  struct wr_node *square = row_mean(c, wr_compose_unary(c, WR_OP_SQUARE, again));
  if (c->error) return NULL;
  struct wr_node *least = wr_compose_scalar(c, (double)eps, wr_node_dtype(x));
  struct wr_node *root =
      wr_compose_unary(c, WR_OP_RSQRT, wr_compose_binary(c, WR_OP_ADD, square, least));
  return wr_compose_binary(c, WR_OP_MULTIPLY, x, root);
}

static struct wr_node *with(struct wr_compose *c, enum wr_op op, struct wr_node *x,
                            struct wr_node *factor, enum wr_dtype t) {
  if (!factor) return x;
  return wr_compose_binary(c, op, x, wr_compose_astype(c, factor, t));
}

static struct wr_node *centred(struct wr_compose *c, struct wr_node *x, struct wr_node *mean,
                               enum wr_dtype t) {
  return wr_compose_binary(c, WR_OP_SUBTRACT, wr_compose_astype(c, x, t), mean);
}

static struct wr_error *compose(struct wr_node **out, const struct norm *n, enum wr_dtype t,
                                struct wr_stream *s) {
  const enum wr_dtype wide = compute_type(t);
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_astype(&c, n->x, wide), *again = NULL;
  if (n->centred) {
    struct wr_node *mean = row_mean(&c, x);
    x = centred(&c, n->x, mean, wide);
    again = centred(&c, n->x, mean, wide);
  } else {
    again = wr_compose_astype(&c, n->x, wide);
  }
  struct wr_node *r = wr_compose_astype(&c, by_root(&c, x, again, n->eps), t);
  r = with(&c, WR_OP_MULTIPLY, r, n->weight, t);
  return wr_compose_end(&c, out, with(&c, WR_OP_ADD, r, n->bias, t));
}

static struct wr_error *record(struct wr_node **out, const struct norm *n, enum wr_dtype t,
                               struct wr_stream *s) {
  const struct wr_row_norm_params params = {.eps = n->eps,
                                            .centred = n->centred,
                                            .has_weight = n->weight != NULL,
                                            .has_bias = n->bias != NULL};
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *in[3] = {wr_compose_astype(&c, n->x, t)};
  int count = 1;
  if (n->weight) in[count++] = wr_compose_astype(&c, n->weight, t);
  if (n->bias) in[count++] = wr_compose_astype(&c, n->bias, t);
  struct wr_record command = wr_ops_command(WR_OP_ROW_NORM, in, count, &params, s);
  command.dtype = t;
  command.ndim = wr_node_ndim(n->x);
  command.shape = wr_node_shape(n->x);
  return wr_compose_end(&c, out, wr_compose_record(&c, &command));
}

/* While it may be differentiated it is composed, since the steps are what has derivatives. Integers
   would come to the kernel in the result's type, which may not hold them. MLX has one for GPUs
   alone, and what becomes a file is for MLX too. */
static bool has_kernel(const struct norm *n, enum wr_dtype t, const struct wr_stream *s) {
  const bool exact = wr_dtype_is_floating(wr_node_dtype(n->x)) && wr_node_size(n->x) > 0;
  const bool stored = wr_stream_backend(s)->type == WR_DEVICE_CPU && wr_trace_stores();
  return exact && !stored && !wr_trace_derives() &&
         wr_stream_backend(s)->supports(WR_OP_ROW_NORM, t);
}

static struct wr_error *norm_of(struct wr_node **out, const struct norm *n, enum wr_dtype t,
                                struct wr_stream *s) {
  return (has_kernel(n, t, s) ? record : compose)(out, n, t, s);
}

struct wr_error *wr_ops_rms_norm(struct wr_node **out, struct wr_node *x, struct wr_node *weight,
                                 float eps, struct wr_stream *s) {
  const struct norm n = {.x = x, .weight = weight, .eps = eps};
  enum wr_dtype t = wr_node_dtype(x);
  if (weight) t = wr_dtype_promote(t, wr_node_dtype(weight));
  struct wr_error *error = check_input(x);
  if (!error) error = check_factor(weight, x, "(*weight)");
  if (!error) error = check_type(t);
  return error ? error : norm_of(out, &n, t, s);
}

/* As in MLX, bias counts for the type only beside a weight. */
static enum wr_dtype layer_type(const struct wr_node *x, const struct wr_node *weight,
                                const struct wr_node *bias) {
  enum wr_dtype t = wr_node_dtype(x);
  if (!weight) return t;
  t = wr_dtype_promote(t, wr_node_dtype(weight));
  return bias ? wr_dtype_promote(t, wr_node_dtype(bias)) : t;
}

struct wr_error *wr_ops_layer_norm(struct wr_node **out, struct wr_node *x, struct wr_node *weight,
                                   struct wr_node *bias, float eps, struct wr_stream *s) {
  const struct norm n = {.x = x, .weight = weight, .bias = bias, .eps = eps, .centred = true};
  const enum wr_dtype t = layer_type(x, weight, bias);
  struct wr_error *error = check_input(x);
  if (!error) error = check_factor(weight, x, "weight");
  if (!error) error = check_factor(bias, x, "bias");
  if (!error) error = check_type(t);
  return error ? error : norm_of(out, &n, t, s);
}

struct wr_error *wr_again_row_norm(struct wr_node **out, const struct wr_record *like) {
  const struct wr_row_norm_params *p = like->params;
  struct wr_node *weight = p->has_weight ? like->in[1] : NULL;
  struct wr_node *bias = p->has_bias ? like->in[like->n_in - 1] : NULL;
  return p->centred ? wr_ops_layer_norm(out, like->in[0], weight, bias, p->eps, like->stream)
                    : wr_ops_rms_norm(out, like->in[0], weight, p->eps, like->stream);
}
