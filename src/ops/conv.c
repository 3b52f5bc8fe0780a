/* Convolutions: checks, in MLX's order and words, and one node, whose weight is turned by a view
   where it is to be flipped, and whose input is cut by one where padding is negative. A kernel of
   one element is a matrix product. Everything is counted in 64 bits. No locks. */

#include "ops/internal.h"

enum { AXES = WR_CONV_AXES };

/* What is asked for, an entry for each spatial axis. */
struct asked {
  int axes;
  int stride[AXES], low[AXES], high[AXES], kernel_dilation[AXES], input_dilation[AXES];
  int32_t precision; /* enum wr_precision */
};

#define INVALID(...) wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, __VA_ARGS__)

static struct wr_error *check_array(const char *what, const struct wr_node *a, int axes,
                                    const char *format) {
  if (wr_node_ndim(a) == axes + 2) return NULL;
  return INVALID(
      "[conv] Invalid %s array with %d dimensions for %dD convolution. Expected an array with %d "
      "dimensions following the format [%s, ..., C_in].",
      what, wr_node_ndim(a), axes, axes + 2, format);
}

static struct wr_error *check_channels(const struct wr_node *input, const struct wr_node *weight,
                                       int groups) {
  const int32_t channels = wr_node_shape(input)[wr_node_ndim(input) - 1];
  const int32_t out = wr_node_shape(weight)[0];
  const int32_t each = wr_node_shape(weight)[wr_node_ndim(weight) - 1];
  if (groups <= 0) return INVALID("[conv] The number of groups must be positive. Got %d.", groups);
  if (channels % groups != 0) {
    return INVALID(
        "[conv] The input channels must be divisible by the number of groups. Got input with shape "
        "%s and %d groups.",
        wr_ops_shape_text(input).s, groups);
  }
  if (groups > 1 && out % groups != 0) {
    return INVALID(
        "[conv] If groups > 1, the output channels must be divisible by the number of groups. Got "
        "%d output channels and %d groups.",
        out, groups);
  }
  if (each == channels / groups) return NULL;
  if (groups == 1) {
    return INVALID(
        "[conv] Expect the input channels in the input and weight array to match but got shapes - "
        "input: %s and weight: %s",
        wr_ops_shape_text(input).s, wr_ops_shape_text(weight).s);
  }
  return INVALID(
      "[conv] Given groups=%d and weights of shape %s, expected to have %lld input channels but "
      "got %d input channels instead.",
      groups, wr_ops_shape_text(weight).s, (long long)each * groups, channels);
}

static struct wr_error *check_arrays(const struct wr_node *input, const struct wr_node *weight,
                                     int groups, bool volumes) {
  const int axes = wr_node_ndim(input) - 2;
  if (groups != 1 && axes != 1 && axes != 2 && !volumes) {
    return INVALID("[conv] Can only handle groups != 1 in 1D or 2D convolutions.");
  }
  if (axes < 1 || axes > AXES) {
    return INVALID(
        "[conv] Only works for inputs with 1-3 spatial dimensions. The inputs must be in the "
        "format [N, ..., C_in]");
  }
  const enum wr_dtype common = wr_dtype_promote(wr_node_dtype(input), wr_node_dtype(weight));
  if (!wr_dtype_is_floating(wr_node_dtype(input)) || !wr_dtype_is_floating(common)) {
    const bool first = !wr_dtype_is_floating(wr_node_dtype(input));
    return INVALID(
        "[conv] Invalid %s array with type %s. Convolution currently only supports floating point "
        "types",
        first ? "input" : "weight", wr_dtype_name(wr_node_dtype(first ? input : weight)));
  }
  struct wr_error *error = check_array("input", input, axes, "N");
  if (!error) error = check_array("weight", weight, axes, "C_out");
  return error ? error : check_channels(input, weight, groups);
}

/* ---- lists ---- */

/* None is the default for each axis, one is that for each. False where there are others. */
static bool spread_list(int *to, int axes, struct wr_ops_ints list, int otherwise) {
  if (list.n > 1 && list.n != axes) return false;
  for (int i = 0; i < axes; i++) to[i] = list.n == 0 ? otherwise : list.at[list.n == 1 ? 0 : i];
  return true;
}

static struct wr_error *bad_list(const char *what, struct wr_ops_ints list, int axes) {
  return INVALID("[conv] Invalid %s %s for %dD convolution.", what,
                 wr_ops_dims_text(list.at, list.n).s, axes);
}

/* The text of a list as it was spread, or as it was given where it could not be. */
static struct wr_ops_text list_text(const int *spread, int axes, struct wr_ops_ints list) {
  return list.n > 1 ? wr_ops_dims_text(list.at, list.n) : wr_ops_dims_text(spread, axes);
}

static struct wr_error *read_lists(struct asked *a, const struct wr_ops_conv *c) {
  const int n = a->axes;
  if (!spread_list(a->stride, n, c->stride, 1)) return bad_list("strides", c->stride, n);
  const bool low = spread_list(a->low, n, c->low, 0);
  const bool high = spread_list(a->high, n, c->high, 0);
  if (!low || !high) {
    return INVALID("[conv] Invalid padding %s | %s for %dD convolution.",
                   list_text(a->low, n, c->low).s, list_text(a->high, n, c->high).s, n);
  }
  if (!spread_list(a->kernel_dilation, n, c->kernel_dilation, 1)) {
    return bad_list("kernel dilation", c->kernel_dilation, n);
  }
  if (!spread_list(a->input_dilation, n, c->input_dilation, 1)) {
    return bad_list("input dilation", c->input_dilation, n);
  }
  return NULL;
}

static bool all_positive(const int *list, int n) {
  for (int i = 0; i < n; i++) {
    if (list[i] <= 0) return false;
  }
  return true;
}

static struct wr_error *check_lists(const struct asked *a) {
  const int n = a->axes;
  if (!all_positive(a->kernel_dilation, n)) {
    return INVALID("[conv] Kernel dilation sizes must be positive. Got kernel dilation %s.",
                   wr_ops_dims_text(a->kernel_dilation, n).s);
  }
  if (!all_positive(a->input_dilation, n)) {
    return INVALID("[conv] Input dilation sizes must be positive. Got input dilation %s.",
                   wr_ops_dims_text(a->input_dilation, n).s);
  }
  if (!all_positive(a->stride, n)) {
    return INVALID("[conv] Stride sizes must be positive. Got strides %s.",
                   wr_ops_dims_text(a->stride, n).s);
  }
  return NULL;
}

/* ---- the node ---- */

/* Negative padding cuts the input, and is none then. */
static struct wr_node *cut(struct wr_compose *c, struct wr_node *input, struct asked *a) {
  for (int i = 0; i < a->axes && !c->error; i++) {
    const int64_t extent = wr_node_shape(input)[i + 1];
    int64_t start = a->low[i] < 0 ? -(int64_t)a->low[i] : 0;
    int64_t stop = extent + (a->high[i] < 0 ? a->high[i] : 0);
    if (a->low[i] < 0) a->low[i] = 0;
    if (a->high[i] < 0) a->high[i] = 0;
    if (start == 0 && stop == extent) continue;
    if (stop < 0) stop = 0;
    if (start > stop) start = stop;
    input = wr_compose_slice_axis(c, input, i + 1, (int32_t)start, (int32_t)stop);
  }
  return input;
}

static struct wr_error *out_shape(const struct wr_node *input, const struct wr_node *weight,
                                  const struct asked *a, int32_t *shape) {
  const int32_t *in = wr_node_shape(input), *kernel = wr_node_shape(weight);
  shape[0] = in[0];
  shape[a->axes + 1] = kernel[0];
  for (int i = 0; i < a->axes; i++) {
    const int64_t filled =
        1 + (int64_t)a->input_dilation[i] * (in[i + 1] - 1) + a->low[i] + (int64_t)a->high[i];
    const int64_t covered = 1 + (int64_t)a->kernel_dilation[i] * (kernel[i + 1] - 1);
    /* NOLINTNEXTLINE(*-core.DivideZero): strides were looked at before. */
    const int64_t extent = (filled - covered) / a->stride[i] + 1;
    if (filled < covered || extent > INT32_MAX) {
      return INVALID(
          "[conv] Spatial dimensions of input after padding cannot be %s than weight spatial "
          "dimensions. Got error at axis %d for input with shape %s, padding low %s, padding high "
          "%s, and weight of shape %s.",
          filled < covered ? "smaller" : "so much larger", i + 1, wr_ops_shape_text(input).s,
          wr_ops_dims_text(a->low, a->axes).s, wr_ops_dims_text(a->high, a->axes).s,
          wr_ops_shape_text(weight).s);
    }
    shape[i + 1] = (int32_t)extent;
  }
  return NULL;
}

static struct wr_node *sliced(struct wr_compose *c, struct wr_node *a, const int *start,
                              const int *stop, const int *step) {
  const int n = wr_node_ndim(a);
  const struct wr_ops_range range = {start, stop, step, n, n, n};
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_slice(wr_compose_slot(c), a, &range, c->stream));
}

/* Backwards along the spatial axes. */
static struct wr_node *flipped(struct wr_compose *c, struct wr_node *weight) {
  int start[AXES + 2], stop[AXES + 2], step[AXES + 2];
  if (c->error) return NULL;
  const int ndim = wr_node_ndim(weight);
  for (int i = 0; i < ndim; i++) {
    const int extent = wr_node_shape(weight)[i];
    const bool turns = i > 0 && i < ndim - 1;
    start[i] = turns ? extent - 1 : 0;
    stop[i] = turns ? -extent - 1 : extent;
    step[i] = turns ? -1 : 1;
  }
  return sliced(c, weight, start, stop, step);
}

/* Whether each result is a product of one element's channels. */
static bool is_product(const struct wr_node *weight, const struct asked *a, int groups) {
  if (groups != 1) return false;
  for (int i = 0; i < a->axes; i++) {
    if (wr_node_shape(weight)[i + 1] != 1 || a->low[i] || a->high[i] || a->input_dilation[i] != 1) {
      return false;
    }
  }
  return true;
}

static struct wr_node *product(struct wr_compose *c, struct wr_node *input, struct wr_node *weight,
                               const struct asked *a) {
  int start[AXES + 2] = {0}, step[AXES + 2] = {1, 1, 1, 1, 1};
  if (c->error) return NULL;
  const int32_t *w = wr_node_shape(weight);
  bool skips = false;
  for (int i = 0; i < a->axes; i++) {
    step[i + 1] = a->stride[i];
    skips = skips || a->stride[i] != 1;
  }
  struct wr_node *x = skips ? sliced(c, input, start, wr_node_shape(input), step) : input;
  const int32_t matrix[2] = {w[0], w[a->axes + 1]};
  struct wr_node *y = wr_compose_reshape(c, weight, 2, matrix);
  return wr_compose_matmul(c, x, wr_compose_transpose(c, y, (const int[]){1, 0}));
}

static struct wr_node *convolution(struct wr_compose *c, struct wr_node *input,
                                   struct wr_node *weight, const struct asked *a, int groups,
                                   const int32_t *shape) {
  struct wr_conv_params params = {.axes = a->axes, .groups = groups, .precision = a->precision};
  if (c->error) return NULL;
  for (int i = 0; i < AXES; i++) {
    const bool there = i < a->axes;
    params.stride[i] = there ? a->stride[i] : 1;
    params.padding[i] = there ? a->low[i] : 0;
    params.behind[i] = there ? a->high[i] : 0;
    params.kernel_dilation[i] = there ? a->kernel_dilation[i] : 1;
    params.input_dilation[i] = there ? a->input_dilation[i] : 1;
  }
  struct wr_node *in[2] = {input, weight};
  struct wr_record record = wr_ops_command_like(WR_OP_CONV, in, 2, &params, c->stream);
  record.ndim = a->axes + 2;
  record.shape = shape;
  return wr_compose_record(c, &record);
}

static struct wr_error *conv(struct wr_node **out, struct wr_node *input, struct wr_node *weight,
                             const struct wr_ops_conv *how, int32_t precision,
                             struct wr_stream *s) {
  int32_t shape[AXES + 2];
  struct asked a = {.axes = wr_node_ndim(input) - 2, .precision = precision};
  struct wr_error *error = check_arrays(input, weight, how->groups, how->volumes);
  if (!error) error = read_lists(&a, how);
  if (!error) error = check_lists(&a);
  if (error) return error;
  const enum wr_dtype t = wr_dtype_promote(wr_node_dtype(input), wr_node_dtype(weight));
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_astype(&c, cut(&c, input, &a), t);
  struct wr_node *w = wr_compose_astype(&c, weight, t);
  if (!c.error) c.error = out_shape(x, w, &a, shape);
  if (how->flip) w = flipped(&c, w);
  struct wr_node *r = NULL;
  if (!c.error) {
    r = is_product(w, &a, how->groups) ? product(&c, x, w, &a)
                                       : convolution(&c, x, w, &a, how->groups, shape);
  }
  return wr_compose_end(&c, out, r);
}

struct wr_error *wr_ops_conv(struct wr_node **out, struct wr_node *input, struct wr_node *weight,
                             const struct wr_ops_conv *how, struct wr_stream *s) {
  return conv(out, input, weight, how, (int32_t)wr_ops_precision(), s);
}

struct wr_error *wr_ops_conv_plain(struct wr_node **out, struct wr_node *input,
                                   struct wr_node *weight, const int *stride, const int *padding,
                                   const int *dilation, int n, int groups, struct wr_stream *s) {
  const struct wr_ops_conv how = {.stride = {stride, n},
                                  .low = {padding, n},
                                  .high = {padding, n},
                                  .kernel_dilation = {dilation, n},
                                  .groups = groups};
  return wr_ops_conv(out, input, weight, &how, s);
}

/* The values wrap around as MLX's do, and are refused then. */
static int padding_of(int64_t padding) {
  return padding > INT32_MAX ? INT32_MAX : padding < -INT32_MAX ? -INT32_MAX : (int)padding;
}

struct wr_error *wr_ops_conv_transpose(struct wr_node **out, struct wr_node *input,
                                       struct wr_node *weight, const int *stride,
                                       const int *padding, const int *dilation,
                                       const int *output_padding, int n, int groups,
                                       struct wr_stream *s) {
  int low[AXES] = {0}, high[AXES] = {0};
  struct wr_error *error = check_array("weight", weight, n, "C_out");
  if (error) return error;
  for (int i = 0; i < n; i++) {
    const int64_t reach = (int64_t)dilation[i] * (wr_node_shape(weight)[i + 1] - 1);
    low[i] = padding_of(reach - padding[i]);
    high[i] = padding_of(reach - padding[i] + output_padding[i]);
  }
  const struct wr_ops_conv how = {.low = {low, n},
                                  .high = {high, n},
                                  .kernel_dilation = {dilation, n},
                                  .input_dilation = {stride, n},
                                  .groups = groups,
                                  .flip = true};
  return wr_ops_conv(out, input, weight, &how, s);
}

struct wr_error *wr_again_conv(struct wr_node **out, const struct wr_record *like) {
  const struct wr_conv_params *p = like->params;
  const struct wr_ops_conv how = {.stride = {p->stride, p->axes},
                                  .low = {p->padding, p->axes},
                                  .high = {p->behind, p->axes},
                                  .kernel_dilation = {p->kernel_dilation, p->axes},
                                  .input_dilation = {p->input_dilation, p->axes},
                                  .groups = p->groups,
                                  .volumes = true};
  return conv(out, like->in[0], like->in[1], &how, p->precision, like->stream);
}
