/* Fourier transforms over chosen axes: one node for each, of complex64, where the real side of the
   last axis listed is float32. An axis is cropped by a view, or filled up with zeros, to the length
   that it is transformed at. The last transform has the factor of them all. Messages are MLX's. No
   locks. */

#include <math.h>

#include "graph/trace.h"
#include "ops/internal.h"

/* What is to be done; axes[i] is transformed at the length n[i]. */
struct transforms {
  enum wr_fft_kind kind;
  int count;
  int axes[WR_MAX_NDIM];
  const int *n;
  double scale; /* of all together */
};

static struct wr_error *duplicated(const int *axes, int n_axes) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[fftn] Duplicated axis received %s",
                      wr_ops_dims_text(axes, n_axes).s);
}

static struct wr_error *out_of_range(int ndim) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[fftn] Invalid axis received for array with %d dimensions.", ndim);
}

static int counted_from_0(int axis, int ndim) { return axis < 0 ? axis + ndim : axis; }

/* As in MLX, an axis that is given twice is refused as that where there is none such, too. */
static struct wr_error *check_axes(struct transforms *t, const int *axes, int ndim) {
  bool inside = true;
  for (int i = 0; i < t->count; i++) {
    const int axis = counted_from_0(axes[i], ndim);
    for (int k = 0; k < i; k++) {
      if (counted_from_0(axes[k], ndim) == axis) return duplicated(axes, t->count);
    }
    inside = inside && axis >= 0 && axis < ndim;
    if (inside) t->axes[i] = axis;
  }
  return inside ? NULL : out_of_range(ndim);
}

static struct wr_error *check(struct transforms *t, const struct wr_node *a, int n_num,
                              const int *axes) {
  const int ndim = wr_node_ndim(a);
  if (ndim < 1) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "[fftn] Requires array with at least one dimension.");
  }
  if (n_num != t->count) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[fftn] Shape and axes have different sizes.");
  }
  struct wr_error *error = check_axes(t, axes, ndim);
  for (int i = 0; i < t->count && !error; i++) {
    if (t->n[i] > 0) continue;
    error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[fftn] Invalid FFT output size requested %s",
                         wr_ops_dims_text(t->n, n_num).s);
  }
  return error;
}

/* What MLX calls them: backward, orthonormal, forward. */
static struct wr_error *set_scale(struct transforms *t, int norm) {
  enum { BACKWARD, ORTHO, FORWARD };
  const bool inverse = t->kind == WR_FFT_INVERSE || t->kind == WR_FFT_REAL_INVERSE;
  double n = 1;
  for (int i = 0; i < t->count; i++) n *= t->n[i];
  if (norm != BACKWARD && norm != ORTHO && norm != FORWARD) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[fftn] norm is %d, no mlx_fft_norm", norm);
  }
  t->scale = norm == ORTHO ? 1 / sqrt(n) : inverse == (norm == BACKWARD) ? 1 / n : 1;
  return NULL;
}

/* The first m elements along the axis, zeros behind where there are fewer. */
static struct wr_node *fitted(struct wr_compose *c, struct wr_node *x, int axis, int32_t m) {
  if (c->error) return NULL;
  const int32_t extent = wr_node_shape(x)[axis];
  const int high = m - extent, low = 0;
  if (extent == m) return x;
  if (extent > m) return wr_compose_slice_axis(c, x, axis, 0, m);
  struct wr_node *zero = wr_compose_scalar(c, 0, wr_node_dtype(x));
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_pad(wr_compose_slot(c), x, &axis, 1, &low, 1, &high, 1, zero,
                                       "constant", c->stream));
}

static struct wr_node *transformed(struct wr_compose *c, struct wr_node *x, enum wr_fft_kind kind,
                                   int axis, int32_t n, double scale) {
  const bool back = kind == WR_FFT_REAL_INVERSE;
  int32_t shape[WR_MAX_NDIM];
  x = fitted(c, x, axis, back ? n / 2 + 1 : n);
  if (c->error) return NULL;
  const struct wr_fft_params params = {.axis = axis, .n = n, .kind = (int32_t)kind, .scale = scale};
  const int ndim = wr_node_ndim(x);
  for (int i = 0; i < ndim; i++) shape[i] = wr_node_shape(x)[i];
  shape[axis] = kind == WR_FFT_REAL ? n / 2 + 1 : n;
  struct wr_record record = wr_ops_command(WR_OP_FFT, &x, 1, &params, c->stream);
  record.dtype = back ? WR_FLOAT32 : WR_COMPLEX64;
  record.ndim = ndim;
  record.shape = shape;
  return wr_compose_record(c, &record);
}

/* The real side of the last axis listed is where the complex ones are not yet, or no more. */
static struct wr_node *run(struct wr_compose *c, struct wr_node *x, const struct transforms *t) {
  const int last = t->count - 1;
  const bool real = t->kind == WR_FFT_REAL, back = t->kind == WR_FFT_REAL_INVERSE;
  const enum wr_fft_kind others = real ? WR_FFT_FORWARD : back ? WR_FFT_INVERSE : t->kind;
  for (int i = 0; i <= last && !c->error; i++) {
    const int32_t most = back && i == last ? t->n[i] / 2 + 1 : t->n[i];
    if (wr_node_shape(x)[t->axes[i]] > most) x = fitted(c, x, t->axes[i], most);
  }
  x = wr_compose_astype(c, x, real ? WR_FLOAT32 : WR_COMPLEX64);
  const double ends = last == 0 ? t->scale : 1;
  if (real) x = transformed(c, x, t->kind, t->axes[last], t->n[last], ends);
  for (int i = real ? last - 1 : back ? last - 1 : last; i >= 0; i--) {
    x = transformed(c, x, others, t->axes[i], t->n[i], i == 0 && !back ? t->scale : 1);
  }
  if (back) x = transformed(c, x, t->kind, t->axes[last], t->n[last], t->scale);
  return x;
}

struct wr_error *wr_ops_fftn(struct wr_node **out, enum wr_fft_kind kind, struct wr_node *a,
                             const int *n, int n_num, const int *axes, int n_axes, int norm,
                             struct wr_stream *s) {
  struct transforms t = {.kind = kind, .count = n_axes, .n = n};
  struct wr_error *error = check(&t, a, n_num, axes);
  if (!error) error = set_scale(&t, norm);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  return wr_compose_end(&c, out, n_axes == 0 ? a : run(&c, a, &t));
}

/* ---- shifts and frequencies ---- */

struct wr_error *wr_ops_fftshift(struct wr_node **out, struct wr_node *a, const int *axes,
                                 int n_axes, bool inverse, struct wr_stream *s) {
  const int ndim = wr_node_ndim(a);
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = a;
  for (int i = 0; i < n_axes && !c.error; i++) {
    const int axis = axes[i] < 0 ? axes[i] + ndim : axes[i];
    if (axis < 0 || axis >= ndim) {
      c.error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                             "Invalid axis %d for array with %d dimensions.", axes[i], ndim);
      break;
    }
    const int half = wr_node_shape(a)[axis] / 2, shift = inverse ? -half : half;
    if (half == 0) wr_trace_pin(WR_PIN_EXTENTS);
    x = wr_compose_step(&c, wr_ops_roll_axes(wr_compose_slot(&c), x, &shift, 1, &axis, 1, s));
  }
  return wr_compose_end(&c, out, x);
}

struct wr_error *wr_ops_fftfreq(struct wr_node **out, int n, double d, bool real,
                                struct wr_stream *s) {
  if (n <= 0) return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "`n` must be greater than 0.");
  if (d == 0) return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "`d` must be non-zero.");
  struct wr_compose c = wr_compose_begin(s);
  const double step = 1 / (n * d);
  const int half = n / 2;
  struct wr_node *parts[2] = {
      wr_compose_count(&c, 0, real ? half + 1 : n - half, WR_INT32),
      real ? NULL : wr_compose_count(&c, -half, 0, WR_INT32),
  };
  struct wr_node *x = real || n == 1 ? parts[0] : wr_compose_join(&c, parts, 2, 0);
  x = wr_compose_astype(&c, x, WR_FLOAT32);
  x = wr_compose_binary(&c, WR_OP_MULTIPLY, x, wr_compose_scalar(&c, step, WR_FLOAT32));
  return wr_compose_end(&c, out, x);
}

struct wr_error *wr_again_fft(struct wr_node **out, const struct wr_record *like) {
  const struct wr_fft_params *p = like->params;
  struct wr_compose c = wr_compose_begin(like->stream);
  struct wr_node *x =
      transformed(&c, like->in[0], (enum wr_fft_kind)p->kind, p->axis, p->n, p->scale);
  return wr_compose_end(&c, out, x);
}
