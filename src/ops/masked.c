/* Writing where a mask says, composed: the trues are counted by a scan, rows of the source are
   taken by that count, and chosen by the mask. No locks. */

#include "ops/internal.h"

/* The mask is a bool, of a's shape or the beginning of it. */
static struct wr_error *check_mask(const struct wr_node *a, const struct wr_node *mask) {
  const int n = wr_node_ndim(mask);
  if (wr_node_dtype(mask) != WR_BOOL) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "The mask has to be boolean.");
  }
  if (n > wr_node_ndim(a)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "The mask cannot have more dimensions than the target.");
  }
  if (wr_shape_equal(wr_node_shape(mask), n, wr_node_shape(a), n)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "The boolean mask should have the same shape as the beginning of the indexed "
                      "array but the mask has shape %s and the array has shape %s",
                      wr_ops_shape_text(mask).s, wr_ops_shape_text(a).s);
}

/* The mask with an axis of 1 for each further axis of a. */
static struct wr_node *over_all(struct wr_compose *c, const struct wr_node *a,
                                struct wr_node *mask) {
  int32_t shape[WR_MAX_NDIM];
  for (int d = 0; d < wr_node_ndim(a); d++) {
    shape[d] = d < wr_node_ndim(mask) ? wr_node_shape(mask)[d] : 1;
  }
  return wr_compose_reshape(c, mask, wr_node_ndim(a), shape);
}

/* How many trues come before each position of the mask, in its shape. */
static struct wr_node *counted(struct wr_compose *c, struct wr_node *mask) {
  const enum wr_dtype t = wr_node_size(mask) > INT32_MAX ? WR_INT64 : WR_INT32;
  struct wr_node *x = wr_compose_flatten(c, wr_compose_astype(c, mask, t));
  if (c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(c);
  x = wr_compose_step(c, wr_ops_scan(slot, WR_OP_ADD, x, 0, false, false, c->stream));
  return wr_compose_reshape(c, x, wr_node_ndim(mask), wr_node_shape(mask));
}

/* For each position of the mask the row of `src` that it would get: src is (rows, ...), and the
   other extents broadcast to a's that the mask does not have. */
static struct wr_node *rows_of(struct wr_compose *c, const struct wr_node *a, struct wr_node *mask,
                               struct wr_node *src) {
  int32_t shape[WR_MAX_NDIM + 1] = {wr_node_shape(src)[0]};
  const int n = wr_node_ndim(src);
  for (int d = 1; d < n; d++) shape[d] = wr_node_shape(a)[wr_node_ndim(mask) + d - 1];
  struct wr_node *rows = wr_compose_broadcast(c, src, n, shape);
  struct wr_node *at = counted(c, mask);
  if (c->error) return NULL;
  return wr_compose_step(c, wr_ops_take(wr_compose_slot(c), rows, at, 0, c->stream));
}

struct wr_error *wr_ops_masked_scatter(struct wr_node **out, struct wr_node *a,
                                       struct wr_node *mask, struct wr_node *src,
                                       struct wr_stream *s) {
  const int rest = wr_node_ndim(a) - wr_node_ndim(mask);
  struct wr_error *error = check_mask(a, mask);
  if (error) return error;
  if (wr_node_ndim(src) > rest + 1) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Value array shape must be broadcastable with the last %d dimensions of "
                        "the input.",
                        rest);
  }
  const bool by_rows = wr_node_ndim(src) == rest + 1;
  if (by_rows && wr_node_shape(src)[0] == 0 && wr_node_size(a) > 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "src with shape %s has no rows",
                        wr_ops_shape_text(src).s);
  }
  if (wr_node_size(a) == 0) {
    *out = wr_node_retain(a);
    return NULL;
  }
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_astype(&c, src, wr_node_dtype(a));
  if (by_rows && !c.error) x = rows_of(&c, a, mask, x);
  x = wr_compose_broadcast(&c, x, wr_node_ndim(a), wr_node_shape(a));
  return wr_compose_end(&c, out, wr_compose_where(&c, over_all(&c, a, mask), x, a));
}
