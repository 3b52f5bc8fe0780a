/* Rules of convolutions, which are linear in input and weight. Both cotangents are convolutions:
   the input's of the result's with the weight turned round, where stride and dilation of the input
   change places; the weight's of the input with the result's as the kernel, where batch and
   channels do, and stride and dilation of the kernel. No locks. */

#include "transforms/rules.h"

enum { AXES = WR_CONV_AXES };

static const struct wr_conv_params *how(const struct wr_rule *r) { return r->params; }

/* A convolution whose padding may be negative on either side: it then cuts what lies there once the
   input is spread, elements and the zeros between them. */
struct conv {
  int stride[AXES], kernel_dilation[AXES], input_dilation[AXES];
  int64_t low[AXES], high[AXES];
  bool flip;
};

/* How far n elements reach that are `apart`. */
static int64_t reach(int32_t n, int apart) { return 1 + (int64_t)apart * (n - 1); }

/* The elements of an axis of n, `apart`, that padding leaves; what is left of the padding is not
   negative. False where it leaves none. */
static bool keep(int32_t n, int apart, int64_t *low, int64_t *high, int32_t *start, int32_t *stop) {
  const int64_t end = reach(n, apart) + (*high < 0 ? *high : 0); /* first place behind */
  const int64_t first = *low < 0 ? (-*low + apart - 1) / apart : 0;
  if (n == 0 || end <= first * apart) return false;
  const int64_t last = (end - 1) / apart;
  if (*low < 0) *low = first * apart + *low;
  if (*high < 0) *high = end - 1 - last * apart;
  *start = (int32_t)first;
  *stop = (int32_t)last + 1;
  return true;
}

/* The convolution, of the shape given by `low`, `high` and the rest; zeros where nothing of the
   input is left. */
static struct wr_node *convolve(const struct wr_rule *r, struct wr_node *x, struct wr_node *w,
                                struct conv *v, int ndim, const int32_t *shape) {
  const int n = how(r)->axes;
  int low[AXES], high[AXES];
  struct wr_compose *c = r->c;
  for (int i = 0; i < n && !c->error; i++) {
    int32_t start, stop;
    const int32_t extent = wr_node_shape(x)[i + 1];
    if (!keep(extent, v->input_dilation[i], &v->low[i], &v->high[i], &start, &stop)) {
      return wr_compose_zeros(c, ndim, shape, wr_node_dtype(x));
    }
    if (v->low[i] > INT32_MAX || v->high[i] > INT32_MAX) {
      return wr_compose_fail(r->c, "[conv] The gradient's padding is beyond the range of int32.");
    }
    low[i] = (int)v->low[i];
    high[i] = (int)v->high[i];
    if (stop - start < extent) x = wr_compose_slice_axis(c, x, i + 1, start, stop);
  }
  const struct wr_ops_conv asked = {.stride = {v->stride, n},
                                    .low = {low, n},
                                    .high = {high, n},
                                    .kernel_dilation = {v->kernel_dilation, n},
                                    .input_dilation = {v->input_dilation, n},
                                    .groups = how(r)->groups,
                                    .flip = v->flip,
                                    .volumes = true};
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_conv(wr_compose_slot(c), x, w, &asked, c->stream));
}

/* Makes the channels on axis `split` two axes, groups and what is in each; puts these n + 1 axes
   in the order given; and joins axis `joined` with the one behind it. */
static struct wr_node *regroup(const struct wr_rule *r, struct wr_node *a, int split,
                               const int *order, int joined) {
  int32_t shape[AXES + 3] = {0};
  struct wr_compose *c = r->c;
  const int n = how(r)->axes + 2, groups = how(r)->groups;
  if (c->error) return NULL;
  for (int i = 0, k = 0; i < n; i++) {
    if (i == split) shape[k++] = groups;
    shape[k++] = i == split ? wr_node_shape(a)[i] / groups : wr_node_shape(a)[i];
  }
  a = wr_compose_transpose(c, wr_compose_reshape(c, a, n + 1, shape), order);
  if (c->error) return NULL;
  for (int i = 0, k = 0; i < n; i++, k++) {
    shape[i] = wr_node_shape(a)[k];
    if (i == joined) shape[i] *= wr_node_shape(a)[++k];
  }
  return wr_compose_reshape(c, a, n, shape);
}

/* (O, .., C / g) as (C, .., O / g). */
static struct wr_node *channels_first(const struct wr_rule *r, struct wr_node *w) {
  const int n = how(r)->axes;
  int order[AXES + 3] = {0, n + 2};
  for (int i = 0; i < n; i++) order[i + 2] = i + 2;
  order[n + 2] = 1;
  return regroup(r, w, 0, order, 0);
}

/* (N, .., C) as (C / g, .., g N). */
static struct wr_node *channels_as_batch(const struct wr_rule *r, struct wr_node *x) {
  const int n = how(r)->axes;
  int order[AXES + 3] = {n + 2};
  for (int i = 0; i < n; i++) order[i + 1] = i + 1;
  order[n + 1] = n + 1;
  order[n + 2] = 0;
  return regroup(r, x, n + 1, order, n + 1);
}

/* The first and the last axis change places. */
static struct wr_node *ends_swapped(const struct wr_rule *r, struct wr_node *a) {
  if (r->c->error) return NULL;
  return wr_compose_step(r->c, wr_ops_swapaxes(wr_compose_slot(r->c), a, 0, -1, r->c->stream));
}

static struct wr_node *to_input(const struct wr_rule *r, struct wr_node *d) {
  const struct wr_conv_params *p = how(r);
  const int32_t *in = wr_node_shape(r->in[0]), *kernel = wr_node_shape(r->in[1]);
  const int32_t *out = wr_node_shape(r->y);
  struct conv v = {.flip = true};
  for (int i = 0; i < p->axes; i++) {
    const int64_t covered = reach(kernel[i + 1], p->kernel_dilation[i]);
    v.stride[i] = p->input_dilation[i];
    v.input_dilation[i] = p->stride[i];
    v.kernel_dilation[i] = p->kernel_dilation[i];
    v.low[i] = covered - 1 - p->padding[i];
    v.high[i] = reach(in[i + 1], p->input_dilation[i]) - 1 + covered -
                reach(out[i + 1], p->stride[i]) - v.low[i];
  }
  return convolve(r, d, channels_first(r, r->in[1]), &v, p->axes + 2, in);
}

static struct wr_node *to_weight(const struct wr_rule *r, struct wr_node *d) {
  const struct wr_conv_params *p = how(r);
  const int32_t *in = wr_node_shape(r->in[0]), *kernel = wr_node_shape(r->in[1]);
  const int32_t *out = wr_node_shape(r->y);
  struct conv v = {.flip = false};
  int32_t shape[AXES + 2] = {kernel[p->axes + 1]};
  shape[p->axes + 1] = kernel[0];
  for (int i = 0; i < p->axes; i++) {
    v.stride[i] = p->kernel_dilation[i];
    v.input_dilation[i] = p->input_dilation[i];
    v.kernel_dilation[i] = p->stride[i];
    v.low[i] = p->padding[i];
    v.high[i] = reach(kernel[i + 1], p->kernel_dilation[i]) - 1 + reach(out[i + 1], p->stride[i]) -
                reach(in[i + 1], p->input_dilation[i]) - v.low[i];
    shape[i + 1] = kernel[i + 1];
  }
  struct wr_node *x = channels_as_batch(r, r->in[0]);
  x = ends_swapped(r, convolve(r, x, ends_swapped(r, d), &v, p->axes + 2, shape));
  return wr_compose_dense(r->c, x);
}

/* Nothing is read, or nothing is there. */
static bool is_empty(const struct wr_rule *r) {
  return wr_node_size(r->y) == 0 || wr_node_size(r->in[0]) == 0 || wr_node_size(r->in[1]) == 0;
}

void wr_vjp_conv(const struct wr_rule *r, struct wr_node *d, struct wr_node **grads) {
  if (is_empty(r)) return;
  d = wr_rule_typed(r, d, r->y);
  if (r->wanted[0]) grads[0] = to_input(r, d);
  if (r->wanted[1]) grads[1] = to_weight(r, d);
}

struct wr_node *wr_jvp_conv(const struct wr_rule *r, struct wr_node *const *t) {
  struct wr_node *sum = NULL;
  for (int k = 0; k < 2; k++) {
    struct wr_node *in[2] = {r->in[0], r->in[1]};
    if (!t[k]) continue;
    in[k] = wr_rule_typed(r, t[k], r->in[k]);
    sum = wr_rule_sum(r, sum, wr_rule_again(r, in));
  }
  return sum;
}
