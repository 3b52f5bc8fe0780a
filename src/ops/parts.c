/* Operations with several results: one command, which writes all of them into one block of bytes,
   and a view of each. Invariant: parts stand in their order, none overlaps another, and each begins
   where any type may and a GPU reads and writes well. No locks. */

#include "base/base.h"
#include "ops/internal.h"

/* Bytes are recorded in rows of this many, so that extents stay small. */
enum { ROW = WR_PART_ALIGNMENT };

/* Says where each begins, and how many rows they are. */
static struct wr_error *place(struct wr_part *parts, int n, int32_t *rows) {
  int64_t at = 0;
  for (int i = 0; i < n; i++) {
    int64_t size = 0;
    struct wr_error *error = wr_ops_check_shape("a result's shape", parts[i].shape, parts[i].ndim);
    if (error) return error;
    wr_shape_size(parts[i].shape, parts[i].ndim, &size); /* in range: just checked */
    parts[i].at = at * ROW;
    at += (size * (int64_t)wr_dtype_size(parts[i].dtype) + ROW - 1) / ROW;
    if (at > INT32_MAX) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "the results are too large together");
    }
  }
  *rows = (int32_t)at;
  return NULL;
}

struct wr_error *wr_ops_part(struct wr_node **out, struct wr_node *packed, int i,
                             struct wr_stream *s) {
  int n;
  const struct wr_part *part = &wr_node_parts(packed, &n)[i];
  const struct wr_part_params params = {.index = i};
  struct wr_record record = wr_ops_command(WR_OP_PART, &packed, 1, &params, s);
  record.dtype = part->dtype;
  record.ndim = part->ndim;
  record.shape = part->shape;
  int64_t strides[WR_MAX_NDIM];
  wr_shape_row_strides(part->shape, part->ndim, strides);
  return wr_node_view(out, &record, strides, part->at / (int64_t)wr_dtype_size(part->dtype));
}

struct wr_error *wr_ops_record_packed(struct wr_node **out, struct wr_part *parts, int n,
                                      const struct wr_record *record) {
  int32_t shape[2] = {0, ROW};
  struct wr_error *error = place(parts, n, &shape[0]);
  if (error) return error;
  struct wr_record all = *record;
  all.dtype = WR_UINT8;
  all.ndim = 2;
  all.shape = shape;
  all.parts = parts;
  all.n_parts = n;
  return wr_node_record(out, &all);
}

struct wr_error *wr_ops_record_parts(struct wr_node **out, struct wr_part *parts, int n,
                                     const struct wr_record *record) {
  struct wr_node *packed = NULL;
  struct wr_error *error = wr_ops_record_packed(&packed, parts, n, record);
  if (error) return error;
  int made = 0;
  while (made < n && !error) {
    error = wr_ops_part(&out[made], packed, made, record->stream);
    if (!error) made++;
  }
  while (error && made > 0) wr_node_release(out[--made]);
  wr_node_release(packed);
  return error;
}

struct wr_error *wr_again_part(struct wr_node **out, const struct wr_record *like) {
  const int i = ((const struct wr_part_params *)like->params)->index;
  int n;
  (void)wr_node_parts(like->in[0], &n);
  if (i < n) return wr_ops_part(out, like->in[0], i, like->stream);
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "a command with %d results has no number %d", n,
                      i);
}
