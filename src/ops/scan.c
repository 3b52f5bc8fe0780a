/* Scans along one axis: one operation, whose parameters say by which operation of two values totals
   are joined. No locks. */

#include "ops/internal.h"

/* Sums of bools count, and logarithms of sums are inexact; all else keeps its type. */
static enum wr_dtype scanned_dtype(enum wr_op by, enum wr_dtype t) {
  if (by == WR_OP_ADD && t == WR_BOOL) return WR_INT32;
  return by == WR_OP_LOGADDEXP ? wr_dtype_to_inexact(t) : t;
}

struct wr_error *wr_ops_scan(struct wr_node **out, enum wr_op by, struct wr_node *a, int axis,
                             bool reverse, bool inclusive, struct wr_stream *s) {
  struct wr_scan_params params = {.by = by, .reverse = reverse, .inclusive = inclusive};
  int normal;
  struct wr_error *error = wr_ops_axis("axis", axis, wr_node_ndim(a), &normal);
  if (error) return error;
  params.axis = normal;
  enum wr_dtype t = scanned_dtype(by, wr_node_dtype(a));
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = by == WR_OP_ADD ? wr_compose_widen(&c, a, t) : wr_compose_astype(&c, a, t);
  struct wr_node *result = wr_compose_alike(&c, WR_OP_SCAN, x, &params);
  return wr_compose_end(&c, out, result);
}

struct wr_error *wr_again_scan(struct wr_node **out, const struct wr_record *like) {
  const struct wr_scan_params *p = like->params;
  return wr_ops_scan(out, p->by, like->in[0], p->axis, p->reverse, p->inclusive, like->stream);
}
