/* Each operation here as what MLX has for it: mostly one of its own, else a few. MLX's reductions
   keep their axes, its indexed reads put the indices first, and its elementwise operations are on
   arrays of one shape and type, as they are here. What it cannot store, or not as one thing, is an
   error that names the operation. No locks. */

#include <string.h>

#include "backend/backend.h"
#include "io/mlxfn_step.h"
#include "ops/primitive.h"

static void f32(struct wr_fn_step *s, float x) { wr_bytes_add(&s->state, &x, sizeof x); }
static void f64(struct wr_fn_step *s, double x) { wr_bytes_add(&s->state, &x, sizeof x); }
static void u64(struct wr_fn_step *s, uint64_t x) { wr_fn_put_u64(&s->state, x); }
static void shape(struct wr_fn_step *s, const int32_t *x, int n) {
  wr_fn_put_shape(&s->state, x, n);
}

static void axes_of(struct wr_fn_step *s, uint32_t mask) {
  u64(s, (uint64_t)__builtin_popcount(mask));
  for (int d = 0; d < WR_MAX_NDIM; d++) {
    if (mask >> d & 1) wr_fn_step_i32(s, d);
  }
}

uint64_t wr_fn_step_put(struct wr_fn_step *s, enum wr_fn_kind kind, const uint64_t *in, size_t n,
                        const struct wr_fn_value *out) {
  const uint64_t id = wr_fn_put_entry(s->w, kind, in, n, &s->state, out, 1);
  s->state = (struct wr_bytes){0};
  return id;
}

void wr_fn_step_whole(struct wr_fn_step *s, enum wr_fn_kind kind) {
  s->id = wr_fn_step_put(s, kind, s->in, s->n, &s->out);
}

void wr_fn_step_unable(struct wr_fn_step *s) {
  if (s->w->error) return;
  s->w->error =
      wr_error_new(WEIR_ERROR_UNSUPPORTED, "[export_function] Unable to serialize primitive %s",
                   wr_ops_primitive(s->op, s->params));
}

/* ---- helpers ---- */

static uint64_t reshaped(struct wr_fn_step *s, uint64_t in, const struct wr_fn_value *to) {
  shape(s, to->shape, to->ndim);
  return wr_fn_step_put(s, WR_FN_Reshape, &in, 1, to);
}

static uint64_t broadcast(struct wr_fn_step *s, uint64_t in, const struct wr_fn_value *to) {
  shape(s, to->shape, to->ndim);
  return wr_fn_step_put(s, WR_FN_Broadcast, &in, 1, to);
}

/* In a shapeless file the value is an input of what makes the shape, which follows it then. */
uint64_t wr_fn_step_number(struct wr_fn_step *s, double x, const struct wr_fn_value *like,
                           uint64_t shaped) {
  const uint64_t in[] = {wr_fn_put_scalar(s->w, x, like->dtype), shaped};
  shape(s, like->shape, like->ndim);
  return wr_fn_step_put(s, WR_FN_Broadcast, in, s->w->shapeless ? 2 : 1, like);
}

uint64_t wr_fn_step_two(struct wr_fn_step *s, enum wr_fn_kind kind, uint64_t a, uint64_t b,
                        const struct wr_fn_value *out) {
  const uint64_t in[] = {a, b};
  if (kind == WR_FN_Equal) wr_fn_step_flag(s, false);
  return wr_fn_step_put(s, kind, in, 2, out);
}

/* ---- along axes ---- */

/* A result that keeps axes of extent 1, brought to the result's shape. */
static void put_kept(struct wr_fn_step *s, enum wr_fn_kind kind, uint64_t in, uint32_t axes,
                     const struct wr_fn_value *from) {
  int32_t kept[WR_MAX_NDIM];
  for (int d = 0; d < from->ndim; d++) kept[d] = axes >> d & 1 ? 1 : from->shape[d];
  const struct wr_fn_value out = {s->out.dtype, from->ndim, kept};
  s->id = wr_fn_step_put(s, kind, &in, 1, &out);
  if (from->ndim == s->out.ndim) return;
  axes_of(s, axes);
  s->id = wr_fn_step_put(s, WR_FN_Squeeze, &s->id, 1, &s->out);
}

static void put_reduce(struct wr_fn_step *s) {
  static const struct {
    enum wr_op op;
    int which;
  } rows[] = {{WR_OP_ALL, 0},  {WR_OP_ANY, 1}, {WR_OP_SUM, 2},
              {WR_OP_PROD, 3}, {WR_OP_MIN, 4}, {WR_OP_MAX, 5}};
  const struct wr_reduce_params *p = s->params;
  const struct wr_fn_value from = wr_fn_value_of(s->from[0]);
  int i = 0;
  while (rows[i].op != s->op) i++;
  wr_fn_step_i32(s, rows[i].which);
  axes_of(s, p->axes);
  put_kept(s, WR_FN_Reduce, s->in[0], p->axes, &from);
}

static void put_arg_reduce(struct wr_fn_step *s) {
  const struct wr_axis_params *p = s->params;
  struct wr_fn_value from = wr_fn_value_of(s->from[0]);
  const int32_t all = (int32_t)wr_node_size(s->from[0]);
  uint64_t in = s->in[0];
  int axis = p->axis;
  if (axis < 0) {
    from = (struct wr_fn_value){from.dtype, 1, &all};
    in = reshaped(s, in, &from);
    axis = 0;
  }
  wr_fn_step_i32(s, s->op == WR_OP_ARGMAX);
  wr_fn_step_i32(s, axis);
  int32_t kept[WR_MAX_NDIM];
  for (int d = 0; d < from.ndim; d++) kept[d] = d == axis ? 1 : from.shape[d];
  const struct wr_fn_value out = {s->out.dtype, from.ndim, kept};
  s->id = wr_fn_step_put(s, WR_FN_ArgReduce, &in, 1, &out);
  if (out.ndim != s->out.ndim || memcmp(kept, s->out.shape, (size_t)out.ndim * sizeof *kept) != 0) {
    s->id = reshaped(s, s->id, &s->out);
  }
}

static void put_scan(struct wr_fn_step *s) {
  const struct wr_scan_params *p = s->params;
  wr_fn_step_i32(s, p->by == WR_OP_MAXIMUM    ? 0
                    : p->by == WR_OP_MINIMUM  ? 1
                    : p->by == WR_OP_ADD      ? 2
                    : p->by == WR_OP_MULTIPLY ? 3
                                              : 4);
  wr_fn_step_i32(s, p->axis);
  wr_fn_step_flag(s, p->reverse);
  wr_fn_step_flag(s, p->inclusive);
  wr_fn_step_whole(s, WR_FN_Scan);
}

/* Over as many of the last axes as the result lacks; of one that lacks none, the last. */
static void put_logsumexp(struct wr_fn_step *s) {
  struct wr_fn_value from = wr_fn_value_of(s->from[0]);
  int32_t flat[WR_MAX_NDIM];
  const int over = from.ndim > s->out.ndim ? from.ndim - s->out.ndim : 1;
  uint64_t in = s->in[0];
  if (over > 1) {
    const int left = from.ndim - over;
    memcpy(flat, from.shape, (size_t)left * sizeof *flat);
    flat[left] = 1;
    for (int d = left; d < from.ndim; d++) flat[left] *= from.shape[d];
    from = (struct wr_fn_value){from.dtype, left + 1, flat};
    in = reshaped(s, in, &from);
  }
  put_kept(s, WR_FN_LogSumExp, in, UINT32_C(1) << (from.ndim - 1), &from);
}

static void put_fft(struct wr_fn_step *s) {
  const struct wr_fft_params *p = s->params;
  const bool inverse = p->kind == WR_FFT_INVERSE || p->kind == WR_FFT_REAL_INVERSE;
  const bool real = p->kind == WR_FFT_REAL || p->kind == WR_FFT_REAL_INVERSE;
  u64(s, 1);
  u64(s, (uint64_t)p->axis);
  wr_fn_step_flag(s, inverse);
  wr_fn_step_flag(s, real);
  wr_fn_step_flag(s, p->kind == WR_FFT_REAL_INVERSE && p->n % 2 == 1); /* since 0.32.4 */
  wr_fn_step_whole(s, WR_FN_FFT);
  const double factor = inverse ? p->scale * (double)p->n : p->scale;
  if (factor == 1) return;
  s->id = wr_fn_step_two(s, WR_FN_Multiply, s->id, wr_fn_step_number(s, factor, &s->out, s->id),
                         &s->out);
}

static void put_sort(struct wr_fn_step *s) {
  wr_fn_step_i32(s, ((const struct wr_axis_params *)s->params)->axis);
  wr_fn_step_whole(s, s->op == WR_OP_SORT ? WR_FN_Sort : WR_FN_ArgSort);
}

static void put_partition(struct wr_fn_step *s) {
  const struct wr_partition_params *p = s->params;
  wr_fn_step_i32(s, p->kth);
  wr_fn_step_i32(s, p->axis);
  wr_fn_step_whole(s, WR_FN_Partition);
}

static void put_softmax(struct wr_fn_step *s) {
  wr_fn_step_flag(s, ((const struct wr_softmax_params *)s->params)->precise);
  wr_fn_step_whole(s, WR_FN_Softmax);
}

typedef void put_fn(struct wr_fn_step *s);

static void put_along_axis(struct wr_fn_step *s) {
  static put_fn *const rows[WR_OP_COUNT] = {
      [WR_OP_ARGMAX] = put_arg_reduce, [WR_OP_ARGMIN] = put_arg_reduce,
      [WR_OP_SCAN] = put_scan,         [WR_OP_SORT] = put_sort,
      [WR_OP_ARGSORT] = put_sort,      [WR_OP_PARTITION] = put_partition,
      [WR_OP_SOFTMAX] = put_softmax,   [WR_OP_LOGSUMEXP] = put_logsumexp,
      [WR_OP_FFT] = put_fft,           [WR_OP_VARIANCE] = wr_fn_step_unable, /* stats.c */
  };
  put_fn *put = rows[s->op];
  (put ? put : put_reduce)(s);
}

/* ---- views ---- */

static void put_slice_range(struct wr_fn_step *s, const struct wr_slice_params *p,
                            const struct wr_fn_value *part) {
  int32_t start[WR_MAX_NDIM], stop[WR_MAX_NDIM], step[WR_MAX_NDIM];
  for (int d = 0; d < part->ndim; d++) {
    const int64_t end = p->axis[d].start + (int64_t)part->shape[d] * p->axis[d].step;
    start[d] = p->axis[d].start;
    step[d] = p->axis[d].step;
    /* The last element and one more, so that no end is out of bounds; in front of the first element
       that is counted from the end, where -1 would be the last one. */
    const int64_t last = end - p->axis[d].step;
    stop[d] = (int32_t)(part->shape[d] == 0 ? start[d] : p->axis[d].step > 0 ? last + 1 : last - 1);
    if (stop[d] < 0) stop[d] = -wr_node_shape(s->from[0])[d] - 1;
  }
  shape(s, start, part->ndim);
  shape(s, stop, part->ndim);
  shape(s, step, part->ndim);
}

/* MLX reads by strides what stands row by row alone, and stores no copy that makes it so: joined to
   nothing it does. */
static void put_by_strides(struct wr_fn_step *s, const int64_t *strides, int64_t offset) {
  const int32_t all = (int32_t)wr_node_size(s->from[0]);
  const struct wr_fn_value flat = {s->out.dtype, 1, &all};
  uint64_t in = reshaped(s, s->in[0], &flat);
  wr_fn_step_i32(s, 0);
  in = wr_fn_step_put(s, WR_FN_Concatenate, &in, 1, &flat);
  shape(s, s->out.shape, s->out.ndim);
  u64(s, (uint64_t)s->out.ndim);
  for (int d = 0; d < s->out.ndim; d++) u64(s, (uint64_t)strides[d]);
  u64(s, (uint64_t)offset);
  s->id = wr_fn_step_put(s, WR_FN_AsStrided, &in, 1, &s->out);
}

static void put_as_strided(struct wr_fn_step *s) {
  const struct wr_as_strided_params *p = s->params;
  put_by_strides(s, p->strides, p->offset);
}

static void put_diagonal(struct wr_fn_step *s) {
  const struct wr_diagonal_params *p = s->params;
  const struct wr_fn_value from = wr_fn_value_of(s->from[0]);
  int64_t rows[WR_MAX_NDIM], strides[WR_MAX_NDIM] = {0}, offset = 0;
  wr_shape_row_strides(from.shape, from.ndim, rows);
  for (int d = 0; d < from.ndim; d++) {
    offset += p->axis[d].start * rows[d];
    strides[p->axis[d].with] += rows[d];
  }
  put_by_strides(s, strides, offset);
}

/* The result of a call, which stands beside it; an order, and no value. */
static void put_none(struct wr_fn_step *s) { s->id = s->in[0]; }

static void put_broadcast(struct wr_fn_step *s) { s->id = broadcast(s, s->in[0], &s->out); }
static void put_reshaped(struct wr_fn_step *s) { s->id = reshaped(s, s->in[0], &s->out); }
static void put_stop_gradient(struct wr_fn_step *s) { wr_fn_step_whole(s, WR_FN_StopGradient); }

static void put_axes_of_one(struct wr_fn_step *s) {
  axes_of(s, ((const struct wr_axis_set_params *)s->params)->axes);
  wr_fn_step_whole(s, s->op == WR_OP_SQUEEZE ? WR_FN_Squeeze : WR_FN_ExpandDims);
}

static void put_slice(struct wr_fn_step *s) {
  put_slice_range(s, s->params, &s->out);
  wr_fn_step_whole(s, WR_FN_Slice);
}

static void put_transpose(struct wr_fn_step *s) {
  const struct wr_axes_params *p = s->params;
  u64(s, (uint64_t)s->out.ndim);
  for (int d = 0; d < s->out.ndim; d++) wr_fn_step_i32(s, p->axes[d]);
  wr_fn_step_whole(s, WR_FN_Transpose);
}

static void put_bytes_as(struct wr_fn_step *s) {
  if (((const struct wr_view_params *)s->params)->at >= 0) {
    wr_fn_step_quantized(s);
    return;
  }
  wr_fn_put_dtype(&s->state, s->out.dtype);
  wr_fn_step_whole(s, WR_FN_View);
}

static void put_view(struct wr_fn_step *s) {
  static put_fn *const rows[WR_OP_COUNT] = {
      [WR_OP_CUSTOM] = put_none,
      [WR_OP_DEPENDS] = put_none,
      [WR_OP_AS_STRIDED] = put_as_strided,
      [WR_OP_DIAGONAL] = put_diagonal,
      [WR_OP_BROADCAST_TO] = put_broadcast,
      [WR_OP_EXPAND_DIMS] = put_axes_of_one,
      [WR_OP_SQUEEZE] = put_axes_of_one,
      [WR_OP_FLATTEN] = put_reshaped,
      [WR_OP_RESHAPE] = put_reshaped,
      [WR_OP_SLICE] = put_slice,
      [WR_OP_SPLIT] = put_slice,
      [WR_OP_STOP_GRADIENT] = put_stop_gradient,
      [WR_OP_TRANSPOSE] = put_transpose,
      [WR_OP_VIEW] = put_bytes_as,
  };
  put_fn *put = rows[s->op];
  (put ? put : wr_fn_step_unable)(s);
}

/* ---- by index, and copies ---- */

static int mode_of(enum wr_op by) {
  return by == WR_OP_MAXIMUM    ? 0
         : by == WR_OP_MINIMUM  ? 1
         : by == WR_OP_ADD      ? 2
         : by == WR_OP_MULTIPLY ? 3
                                : 4;
}

static void put_axes(struct wr_fn_step *s, const uint8_t *axes, int n) {
  u64(s, (uint64_t)n);
  for (int i = 0; i < n; i++) wr_fn_step_i32(s, axes[i]);
}

/* MLX's result has the indices' axes first, then all of a slice. */
static void put_gather(struct wr_fn_step *s) {
  const struct wr_gather_params *p = s->params;
  const struct wr_fn_value from = wr_fn_value_of(s->from[0]);
  int32_t sizes[WR_MAX_NDIM], all[2 * WR_MAX_NDIM], turned[2 * WR_MAX_NDIM];
  const int n_index = wr_gather_sizes(p, from.ndim, s->out.ndim, s->out.shape, sizes);
  const int32_t *index = s->n > 1 ? wr_node_shape(s->from[1]) : NULL;
  const int n = n_index + from.ndim;
  if (n > WR_MAX_NDIM) {
    wr_fn_step_unable(s);
    return;
  }
  for (int d = 0; d < n; d++) all[d] = d < n_index ? index[d] : sizes[d - n_index];
  const struct wr_fn_value out = {s->out.dtype, n, all};
  put_axes(s, p->axes, p->n_axes);
  shape(s, sizes, from.ndim);
  s->id = wr_fn_step_put(s, WR_FN_Gather, s->in, s->n, &out);
  if (p->before > 0 && n_index > 0) {
    u64(s, (uint64_t)n);
    for (int d = 0; d < n; d++) {
      const int at = d < p->before ? n_index + d : d < p->before + n_index ? d - p->before : d;
      wr_fn_step_i32(s, at);
      turned[d] = all[at];
    }
    const struct wr_fn_value moved = {s->out.dtype, n, turned};
    s->id = wr_fn_step_put(s, WR_FN_Transpose, &s->id, 1, &moved);
  }
  if (n != s->out.ndim) s->id = reshaped(s, s->id, &s->out);
}

static void put_scatter(struct wr_fn_step *s) {
  const struct wr_scatter_params *p = s->params;
  const uint64_t updates = s->in[1];
  for (size_t i = 1; i + 1 < s->n; i++) s->in[i] = s->in[i + 1];
  s->in[s->n - 1] = updates;
  wr_fn_step_i32(s, mode_of(p->by));
  put_axes(s, p->axes, p->n_axes);
  wr_fn_step_whole(s, WR_FN_Scatter);
}

static void put_arange(struct wr_fn_step *s) {
  const struct wr_arange_params *p = s->params;
  f64(s, p->start);
  f64(s, p->start + (double)wr_node_size(s->like) * p->step);
  f64(s, p->step);
  wr_fn_step_whole(s, WR_FN_Arange);
}

static void put_copy(struct wr_fn_step *s) {
  const struct wr_slice_update_params *update = s->params;
  struct wr_fn_value part;
  switch ((int)s->op) {
    case WR_OP_ASTYPE:
      wr_fn_put_dtype(&s->state, s->out.dtype);
      wr_fn_step_whole(s, WR_FN_AsType);
      return;
    case WR_OP_COPY:
      wr_fn_step_whole(s, WR_FN_Copy);
      return;
    case WR_OP_CONCATENATE:
      wr_fn_step_i32(s, ((const struct wr_axis_params *)s->params)->axis);
      wr_fn_step_whole(s, WR_FN_Concatenate);
      return;
    case WR_OP_SLICE_UPDATE:
      part = wr_fn_value_of(s->from[1]);
      wr_fn_step_i32(s, mode_of(update->by));
      put_slice_range(s, &update->at, &part);
      wr_fn_step_whole(s, WR_FN_SliceUpdate);
      return;
    case WR_OP_ARANGE:
      put_arange(s);
      return;
    case WR_OP_GATHER:
      put_gather(s);
      return;
    case WR_OP_GATHER_AXIS:
      wr_fn_step_i32(s, ((const struct wr_axis_params *)s->params)->axis);
      wr_fn_step_whole(s, WR_FN_GatherAxis);
      return;
    default:
      put_scatter(s);
  }
}

/* ---- products, and the rest ---- */

static void put_conv(struct wr_fn_step *s) {
  const struct wr_conv_params *p = s->params;
  const int32_t *x = wr_node_shape(s->from[0]), *w = wr_node_shape(s->from[1]);
  int32_t high[WR_CONV_AXES];
  for (int i = 0; i < p->axes; i++) {
    const int32_t kernel = (w[i + 1] - 1) * p->kernel_dilation[i] + 1;
    const int32_t input = (x[i + 1] - 1) * p->input_dilation[i] + 1;
    high[i] = (s->out.shape[i + 1] - 1) * p->stride[i] + kernel - input - p->padding[i];
    if (x[i + 1] == 0 || high[i] < 0) high[i] = 0;
  }
  shape(s, p->stride, p->axes);
  shape(s, p->padding, p->axes);
  shape(s, high, p->axes);
  shape(s, p->kernel_dilation, p->axes);
  shape(s, p->input_dilation, p->axes);
  wr_fn_step_i32(s, p->groups);
  wr_fn_step_flag(s, false);
  wr_fn_step_whole(s, WR_FN_Convolution);
}

/* In the place of a factor that is not there MLX has a number. */
static void put_row_norm(struct wr_fn_step *s) {
  const struct wr_row_norm_params *p = s->params;
  const uint64_t bias = p->has_bias ? s->in[p->has_weight ? 2 : 1] : 0;
  if (!p->has_weight) s->in[1] = wr_fn_put_scalar(s->w, 1, s->out.dtype);
  s->n = 2;
  if (p->centred) {
    s->in[s->n++] = p->has_bias ? bias : wr_fn_put_scalar(s->w, 0, s->out.dtype);
  }
  f32(s, p->eps);
  wr_fn_step_whole(s, p->centred ? WR_FN_LayerNorm : WR_FN_RMSNorm);
}

static void put_other(struct wr_fn_step *s) {
  const struct wr_addmm_params *addmm = s->params;
  const struct wr_attention_params *attention = s->params;
  uint64_t c;
  switch ((int)s->op) {
    case WR_OP_MATMUL:
      wr_fn_step_whole(s, WR_FN_Matmul);
      return;
    case WR_OP_ADDMM:
      c = s->in[0];
      s->in[0] = s->in[1];
      s->in[1] = s->in[2];
      s->in[2] = c;
      f32(s, addmm->alpha);
      f32(s, addmm->beta);
      wr_fn_step_whole(s, WR_FN_AddMM);
      return;
    case WR_OP_CONV:
      put_conv(s);
      return;
    case WR_OP_HADAMARD:
      /* Of one element MLX does not look at the factor. */
      if (s->out.shape[s->out.ndim - 1] == 1) {
        const double scale = ((const struct wr_hadamard_params *)s->params)->scale;
        s->id = wr_fn_step_two(s, WR_FN_Multiply, s->in[0],
                               wr_fn_step_number(s, scale, &s->out, s->in[0]), &s->out);
        return;
      }
      f32(s, (float)((const struct wr_hadamard_params *)s->params)->scale);
      wr_fn_step_whole(s, WR_FN_Hadamard);
      return;
    case WR_OP_RANDOM_BITS:
      shape(s, s->out.shape, s->out.ndim);
      wr_fn_step_i32(s, ((const struct wr_bits_params *)s->params)->width);
      wr_fn_step_whole(s, WR_FN_RandomBits);
      return;
    case WR_OP_ROW_NORM:
      put_row_norm(s);
      return;
    case WR_OP_ATTENTION:
      f32(s, attention->scale);
      wr_fn_step_flag(s, attention->causal);
      wr_fn_step_flag(s, attention->has_sinks);
      wr_fn_step_flag(s, false); /* the logarithms of sums are no results */
      wr_fn_step_flag(s, false); /* since 0.32.4: it may be composed */
      wr_fn_step_whole(s, WR_FN_ScaledDotProductAttention);
      return;
    default:
      wr_fn_step_unable(s);
  }
}

/* ---- by family ---- */

#define OF(family, how) \
  static void of_##family(struct wr_fn_step *s) { how(s); }
OF(attention, put_other)
OF(binary, wr_fn_step_elementwise)
OF(call, wr_fn_step_unable)
OF(conv, put_other)
OF(copy, put_copy)
OF(fft, put_along_axis)
OF(hadamard, put_other)
OF(index, put_copy)
OF(kernel, wr_fn_step_kernel)
OF(linalg, wr_fn_step_linalg)
OF(matmul, put_other)
OF(quantized, wr_fn_step_quantized)
OF(random, put_other)
OF(reduce, put_along_axis)
OF(row_norm, put_other)
OF(scan, put_along_axis)
OF(shape, put_view)
OF(softmax, put_along_axis)
OF(sort, put_along_axis)
OF(ternary, wr_fn_step_elementwise)
OF(unary, wr_fn_step_elementwise)
#undef OF

static void (*const families[WR_OP_COUNT])(struct wr_fn_step *) = {
#define WR_OP(ID, name, family, ...) [WR_OP_##ID] = of_##family,
#include "core/ops.def"
#undef WR_OP
};

/* That MLX's operation may have: the factors of a norm. */
enum { MORE_IN = 2 };

static void put_known(struct wr_fn_put *w, struct wr_fn_step *s, uint64_t *id) {
  const struct wr_capture *c = w->capture;
  for (uint32_t k = 0; k < s->n; k++) {
    const uint32_t value = c->in[s->is->first_in + k];
    s->in[k] = w->ids[value];
    s->from[k] = wr_capture_value(c, value);
  }
  /* A result of several is one of the ids that its command gave. */
  if (s->op == WR_OP_PART) {
    *id = s->in[0] + (uint64_t)((const struct wr_part_params *)s->params)->index;
    return;
  }
  families[s->op](s);
  *id = s->id;
}

void wr_fn_put_step(struct wr_fn_put *w, uint32_t i) {
  const struct wr_capture *c = w->capture;
  const struct wr_capture_step *is = &c->steps[i];
  struct wr_fn_step s = {.w = w,
                         .is = is,
                         .like = is->like,
                         .op = wr_node_op(is->like),
                         .params = wr_node_params(is->like),
                         .in = wr_alloc((is->n_in + (size_t)MORE_IN) * sizeof *s.in),
                         .from = wr_alloc((is->n_in + (size_t)MORE_IN) * sizeof *s.from),
                         .n = is->n_in,
                         .out = wr_fn_value_of(is->like)};
  if (s.in && s.from) {
    put_known(w, &s, &w->ids[wr_capture_first_step(c) + i]);
  } else if (!w->error) {
    w->error = wr_error_out_of_memory();
  }
  wr_free(s.in);
  wr_free(s.from);
}
