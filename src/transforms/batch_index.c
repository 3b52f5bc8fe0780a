/* Rules of vmap of reading and writing by index: where the indices are mapped, each call's own
   array is found by one index more, the call's number. No locks. */

#include "transforms/batch.h"

#include <string.h>

/* 0 to n - 1 along the first of the index arrays' axes, of which each call has `ndim`; in a type
   that holds it and goes with theirs, where there are some. */
static struct wr_node *numbers(const struct wr_batch *b, const struct wr_node *index, int ndim) {
  int32_t shape[WR_MAX_NDIM];
  if (ndim >= WR_MAX_NDIM) return wr_compose_fail(b->c, "[vmap] Index arrays of %d axes.", ndim);
  const bool wide = index && wr_dtype_size(wr_node_dtype(index)) >= 4;
  shape[0] = b->n;
  for (int i = 0; i < ndim; i++) shape[i + 1] = 1;
  struct wr_node *count = wr_compose_count(b->c, 0, b->n, wide ? wr_node_dtype(index) : WR_INT32);
  return wr_compose_reshape(b->c, count, ndim + 1, shape);
}

static bool any_mapped(const struct wr_batch *b, int first) {
  bool any = false;
  for (int k = first; k < b->like.n_in; k++) any = any || b->mapped[k];
  return any;
}

/* Axes of the result that stand in front of the index arrays'. */
static int in_front_of(const struct wr_gather_params *p) {
  uint32_t indexed = 0;
  int n = 0;
  for (int k = 0; k < p->n_axes; k++) indexed |= UINT32_C(1) << p->axes[k];
  for (int k = 0; k < p->before; k++) n += !(p->dropped && (indexed >> k & 1u) != 0);
  return n;
}

/* The result's axes but the first as (index arrays, slices): those slices to the front again that
   were there. */
static struct wr_node *put_in_front(const struct wr_batch *b, struct wr_node *y, int n_index,
                                    int front) {
  int order[WR_MAX_NDIM] = {0};
  for (int i = 0; i < b->like.ndim; i++) {
    const int from = i < front ? n_index + i : i < front + n_index ? i - front : i;
    order[i + 1] = from + 1;
  }
  return wr_compose_transpose(b->c, y, order);
}

/* Each call has its own array and its own indices; these go in front of all slices, since a dropped
   axis is none that may lie in front of them. */
static struct wr_node *gather_both(const struct wr_batch *b, const struct wr_gather_params *p) {
  struct wr_gather_params with = {.n_axes = (uint8_t)(p->n_axes + 1), .dropped = p->dropped};
  int32_t shape[WR_MAX_NDIM];
  const int n_index = wr_batch_ndim(b, 1), ndim = b->like.ndim;
  if (p->n_axes == WR_MAX_NDIM || ndim + 2 > WR_MAX_NDIM || (!p->dropped && p->before > 0)) {
    return wr_vmap_none(b);
  }
  for (int k = 0; k < p->n_axes; k++) with.axes[k + 1] = (uint8_t)(p->axes[k] + 1);
  b->room[0] = b->like.in[0];
  b->room[1] = numbers(b, b->like.in[1], n_index);
  for (int k = 1; k < b->like.n_in; k++) b->room[k + 1] = b->like.in[k];
  if (p->dropped) {
    struct wr_node *y = wr_batch_again(b, b->like.n_in + 1, &with, sizeof with);
    return put_in_front(b, y, n_index, in_front_of(p));
  }
  shape[0] = b->n;
  for (int i = 0; i < ndim; i++) shape[i < n_index ? i + 1 : i + 2] = b->like.shape[i];
  shape[n_index + 1] = 1; /* the slices' extent along the axis of the calls */
  return wr_batch_reshaped(
      b, wr_batch_again_as(b, b->like.n_in + 1, &with, sizeof with, ndim + 2, shape));
}

struct wr_node *wr_vmap_gather(const struct wr_batch *b) {
  const struct wr_gather_params *p = b->like.params;
  struct wr_gather_params with = *p;
  const bool indices = any_mapped(b, 1);
  if (indices && b->mapped[0]) return gather_both(b, p);
  memcpy(b->room, b->like.in, (size_t)b->like.n_in * sizeof *b->room);
  if (!indices) {
    with.before++;
    for (int k = 0; k < p->n_axes; k++) with.axes[k]++;
  }
  struct wr_node *y = wr_batch_again(b, b->like.n_in, &with, sizeof with);
  return indices ? wr_batch_moved(b, y, in_front_of(p), 0) : y;
}

/* Updates have the index arrays' axes in front, then those of the array. Without index arrays they
   go to the array's beginning, as a part of it does that is whole along each axis with a start. */
struct wr_node *wr_vmap_scatter(const struct wr_batch *b) {
  const struct wr_scatter_params *p = b->like.params;
  struct wr_scatter_params with = {.by = p->by, .n_axes = (uint8_t)(p->n_axes + 1)};
  int32_t shape[WR_MAX_NDIM];
  const int n_index = wr_batch_ndim(b, 1) - wr_batch_ndim(b, 0), ndim = wr_batch_ndim(b, 1);
  if (p->n_axes == WR_MAX_NDIM || ndim + 2 > WR_MAX_NDIM) return wr_vmap_none(b);
  for (int k = 0; k < p->n_axes; k++) with.axes[k + 1] = (uint8_t)(p->axes[k] + 1);
  shape[0] = b->n;
  for (int i = 0; i < ndim; i++) shape[i < n_index ? i + 1 : i + 2] = wr_batch_shape(b, 1)[i];
  shape[n_index + 1] = 1;
  b->room[0] = wr_batch_full(b, 0);
  b->room[1] = wr_compose_reshape(b->c, wr_batch_full(b, 1), ndim + 2, shape);
  b->room[2] = numbers(b, p->n_axes > 0 ? b->like.in[2] : NULL, n_index);
  for (int k = 2; k < b->like.n_in; k++) b->room[k + 1] = b->like.in[k];
  return wr_batch_again(b, b->like.n_in + 1, &with, sizeof with);
}
