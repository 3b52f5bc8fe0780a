/* Sorting, partitions, and the k greatest elements: a partition and a view of its end, so that
   their order is that of the partition, as in MLX. No locks. */

#include "ops/internal.h"

static struct wr_error *record(struct wr_node **out, enum wr_op op, struct wr_node *a,
                               const void *params, struct wr_stream *s) {
  struct wr_record command = wr_ops_command_like(op, &a, 1, params, s);
  command.dtype = wr_ops_types_of(op, wr_node_dtype(a)).result;
  return wr_ops_record(out, &command);
}

struct wr_error *wr_ops_sort(struct wr_node **out, enum wr_op op, struct wr_node *a, int axis,
                             struct wr_stream *s) {
  int normal;
  struct wr_error *error = wr_ops_axis("axis", axis, wr_node_ndim(a), &normal);
  if (error) return error;
  struct wr_axis_params params = {.axis = normal};
  return record(out, op, a, &params, s);
}

struct wr_error *wr_ops_sort_all(struct wr_node **out, enum wr_op op, struct wr_node *a,
                                 struct wr_stream *s) {
  struct wr_node *x;
  struct wr_error *error = wr_ops_flatten(&x, a, 0, -1, s);
  return error ? error : wr_ops_and_release(x, wr_ops_sort(out, op, x, 0, s));
}

/* The place that kth means: from the end when it is negative. */
static struct wr_error *kth_of(const struct wr_node *a, int kth, int axis, int32_t *place) {
  const int32_t extent = wr_node_shape(a)[axis];
  if (kth < -extent || kth >= extent) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "kth %d is out of bounds for axis %d of a with shape %s", kth, axis,
                        wr_ops_shape_text(a).s);
  }
  *place = kth < 0 ? kth + extent : kth;
  return NULL;
}

/* Indices are those that sort: they stand where a partition may have them. */
struct wr_error *wr_ops_partition(struct wr_node **out, enum wr_op op, struct wr_node *a, int kth,
                                  int axis, struct wr_stream *s) {
  struct wr_partition_params params = {0};
  int normal;
  struct wr_error *error = wr_ops_axis("axis", axis, wr_node_ndim(a), &normal);
  if (!error) error = kth_of(a, kth, normal, &params.kth);
  if (error) return error;
  if (op == WR_OP_ARGSORT) return wr_ops_sort(out, op, a, normal, s);
  params.axis = normal;
  return record(out, op, a, &params, s);
}

struct wr_error *wr_ops_partition_all(struct wr_node **out, enum wr_op op, struct wr_node *a,
                                      int kth, struct wr_stream *s) {
  struct wr_node *x;
  struct wr_error *error = wr_ops_flatten(&x, a, 0, -1, s);
  return error ? error : wr_ops_and_release(x, wr_ops_partition(out, op, x, kth, 0, s));
}

/* The last k along the axis of a partition at extent - k. */
static struct wr_error *partition_end(struct wr_node **out, struct wr_node *a, int k, int axis,
                                      struct wr_stream *s) {
  int32_t extent = wr_node_shape(a)[axis];
  struct wr_partition_params params = {.axis = axis, .kth = extent - k};
  struct wr_node *partitioned;
  struct wr_error *error = record(&partitioned, WR_OP_PARTITION, a, &params, s);
  if (error) return error;
  return wr_ops_and_release(
      partitioned, wr_ops_slice_axis(out, WR_OP_SLICE, partitioned, axis, extent - k, extent, s));
}

struct wr_error *wr_ops_topk(struct wr_node **out, struct wr_node *a, int k, int axis,
                             struct wr_stream *s) {
  int normal;
  struct wr_error *error = wr_ops_axis("axis", axis, wr_node_ndim(a), &normal);
  if (error) return error;
  int32_t extent = wr_node_shape(a)[normal];
  if (k < 0 || k > extent) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "k is %d, not within 0 and %d, the extent of axis %d of a with shape %s", k,
                        extent, normal, wr_ops_shape_text(a).s);
  }
  if (k == extent) {
    *out = wr_node_retain(a);
    return NULL;
  }
  if (k == 0) return wr_ops_slice_axis(out, WR_OP_SLICE, a, normal, extent, extent, s);
  return partition_end(out, a, k, normal, s);
}

struct wr_error *wr_ops_topk_all(struct wr_node **out, struct wr_node *a, int k,
                                 struct wr_stream *s) {
  struct wr_node *x;
  struct wr_error *error = wr_ops_flatten(&x, a, 0, -1, s);
  return error ? error : wr_ops_and_release(x, wr_ops_topk(out, x, k, 0, s));
}

struct wr_error *wr_again_sort(struct wr_node **out, const struct wr_record *like) {
  if (like->op == WR_OP_PARTITION) {
    const struct wr_partition_params *p = like->params;
    return wr_ops_partition(out, like->op, like->in[0], p->kth, p->axis, like->stream);
  }
  const struct wr_axis_params *p = like->params;
  return wr_ops_sort(out, like->op, like->in[0], p->axis, like->stream);
}
