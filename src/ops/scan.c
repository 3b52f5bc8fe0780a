/* Scans along one axis. No locks. */

#include "ops/internal.h"

struct wr_error *wr_ops_cumsum(struct wr_node **out, struct wr_node *a, int axis, bool reverse,
                               bool inclusive, struct wr_stream *s) {
  struct wr_scan_params params = {.reverse = reverse, .inclusive = inclusive};
  int normal;
  struct wr_error *error = wr_ops_axis("axis", axis, wr_node_ndim(a), &normal);
  if (error) return error;
  params.axis = normal;
  enum wr_dtype t = wr_node_dtype(a) == WR_BOOL ? WR_INT32 : wr_node_dtype(a);
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_astype(&c, a, t);
  struct wr_node *result = NULL;
  if (!c.error) {
    struct wr_record record = {.op = WR_OP_CUMSUM,
                               .dtype = t,
                               .ndim = wr_node_ndim(x),
                               .shape = wr_node_shape(x),
                               .n_in = 1,
                               .in = &x,
                               .params = &params,
                               .params_bytes = sizeof params,
                               .stream = s};
    result = wr_compose_step(&c, wr_ops_record(wr_compose_slot(&c), &record));
  }
  return wr_compose_end(&c, out, result);
}
