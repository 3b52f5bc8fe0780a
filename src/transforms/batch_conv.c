/* The rule of vmap of convolutions: calls stand behind one another in the batch where the input
   alone is mapped, among the output channels of each group where the weight alone is, and are
   groups where both are. No locks. */

#include "transforms/batch.h"

static const struct wr_conv_params *how(const struct wr_batch *b) { return b->like.params; }

/* Axis `axis` and the one behind it as one. */
static struct wr_node *joined(const struct wr_batch *b, struct wr_node *a, int axis) {
  int32_t shape[WR_CONV_AXES + 3];
  if (b->c->error) return NULL;
  const int ndim = wr_node_ndim(a);
  const int64_t both = (int64_t)wr_node_shape(a)[axis] * wr_node_shape(a)[axis + 1];
  if (both > INT32_MAX) {
    return wr_compose_fail(b->c, "[vmap] A convolution with an extent of %lld.", (long long)both);
  }
  for (int i = 0; i < ndim - 1; i++) shape[i] = wr_node_shape(a)[i < axis ? i : i + 1];
  shape[axis] = (int32_t)both;
  return wr_compose_reshape(b->c, a, ndim - 1, shape);
}

/* One axis as two, of which the first has m. */
static struct wr_node *parted(const struct wr_batch *b, struct wr_node *a, int axis, int32_t m) {
  int32_t shape[WR_CONV_AXES + 4];
  if (b->c->error) return NULL;
  const int ndim = wr_node_ndim(a);
  for (int i = 0; i <= ndim; i++) shape[i] = wr_node_shape(a)[i <= axis ? i : i - 1];
  shape[axis + 1] = m ? shape[axis] / m : 0;
  shape[axis] = m;
  return wr_compose_reshape(b->c, a, ndim + 1, shape);
}

/* Of the batch and channels that the inputs have. */
static struct wr_node *convolution(const struct wr_batch *b, struct wr_node *x, struct wr_node *w,
                                   int groups) {
  struct wr_conv_params params = *how(b);
  params.groups = groups;
  b->room[0] = x;
  b->room[1] = w;
  return wr_batch_again(b, 2, &params, sizeof params);
}

struct wr_node *wr_vmap_conv(const struct wr_batch *b) {
  struct wr_node *x = b->like.in[0], *w = b->like.in[1];
  const int last = b->like.ndim - 1, groups = how(b)->groups;
  if (!b->mapped[1]) return wr_batch_reshaped(b, convolution(b, joined(b, x, 0), w, groups));
  if (!b->mapped[0]) { /* groups, calls, channels of one group */
    w = wr_batch_moved(b, parted(b, w, 1, groups), 1, 0);
    struct wr_node *y = convolution(b, x, joined(b, joined(b, w, 0), 0), groups);
    y = parted(b, parted(b, y, last, groups), last + 1, b->n);
    return wr_batch_reshaped(b, wr_batch_moved(b, y, last + 1, 0));
  }
  if (b->n != 0 && groups > INT32_MAX / b->n) {
    return wr_compose_fail(b->c, "[vmap] A convolution with %d times %d groups.", b->n, groups);
  }
  x = joined(b, wr_batch_moved(b, x, 0, last), last);
  struct wr_node *y = convolution(b, x, joined(b, w, 0), groups * b->n);
  return wr_batch_moved(b, parted(b, y, last, b->n), last, 0);
}
