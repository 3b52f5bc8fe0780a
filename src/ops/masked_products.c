/* Products of chosen matrices, of parts along the summed axis, and by blocks: gather_mm,
   segmented_mm and block_masked_mm, composed. What a mask leaves out becomes 0 in both factors, so
   that nothing in it counts, NaN and infinities neither. Messages are MLX's. No locks. */

#include <string.h>

#include "ops/internal.h"

static int32_t last_of(const struct wr_node *a, int i) {
  return wr_node_shape(a)[wr_node_ndim(a) - 1 - i];
}

static struct wr_error *check_factors(const struct wr_node *a, const struct wr_node *b) {
  const enum wr_dtype t = wr_dtype_promote(wr_node_dtype(a), wr_node_dtype(b));
  if (wr_node_ndim(a) == 0 || wr_node_ndim(b) == 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Got 0 dimension input. Inputs must have at least one dimension.");
  }
  if (!wr_dtype_is_floating(t)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Only real floating point types are supported but %s and %s were provided "
                        "which results in %s, which is not a real floating point type.",
                        wr_dtype_name(wr_node_dtype(a)), wr_dtype_name(wr_node_dtype(b)),
                        wr_dtype_name(t));
  }
  if (last_of(a, 0) == last_of(b, wr_node_ndim(b) > 1 ? 1 : 0)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "Last dimension of first input with shape %s must match second to last "
                      "dimension of second input with shape %s.",
                      wr_ops_shape_text(a).s, wr_ops_shape_text(b).s);
}

/* Two factors of at least two axes, and which of them got one that the result is not to have. */
struct factors {
  struct wr_node *a, *b;
  bool row, column;
};

static struct factors matrices_of(struct wr_compose *c, struct wr_node *a, struct wr_node *b) {
  const enum wr_dtype t = wr_dtype_promote(wr_node_dtype(a), wr_node_dtype(b));
  struct factors f = {.row = wr_node_ndim(a) == 1, .column = wr_node_ndim(b) == 1};
  f.a = wr_compose_astype(c, a, t);
  f.b = wr_compose_astype(c, b, t);
  if (f.row) f.a = wr_compose_expand(c, f.a, 0);
  if (f.column) f.b = wr_compose_expand(c, f.b, 1);
  return f;
}

static struct wr_node *drop_axes(struct wr_compose *c, struct wr_node *r, const struct factors *f) {
  int axes[2], n = 0;
  if (f->row) axes[n++] = -2;
  if (f->column) axes[n++] = -1;
  if (c->error || n == 0) return r;
  return wr_compose_step(c, wr_ops_squeeze(wr_compose_slot(c), r, axes, n, c->stream));
}

/* ---- gather_mm ---- */

/* 0, 1, .. over the leading axes. */
static struct wr_node *numbers(struct wr_compose *c, const struct wr_node *matrices) {
  if (c->error) return NULL;
  const int n = wr_node_ndim(matrices) - 2;
  double count = 1;
  for (int i = 0; i < n; i++) count *= wr_node_shape(matrices)[i];
  return wr_compose_reshape(c, wr_compose_count(c, 0, count, WR_INT64), n, wr_node_shape(matrices));
}

static struct wr_node *chosen(struct wr_compose *c, struct wr_node *matrices,
                              struct wr_node *indices, int n, const int32_t *batch) {
  if (c->error) return NULL;
  int64_t count = 1;
  for (int i = 0; i < wr_node_ndim(matrices) - 2; i++) count *= wr_node_shape(matrices)[i];
  if (count > INT32_MAX) {
    (void)wr_compose_slot(c);
    return wr_compose_step(
        c, wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "shape %s has more matrices than int32 counts",
                        wr_ops_shape_text(matrices).s));
  }
  const int32_t flat[3] = {(int32_t)count, last_of(matrices, 1), last_of(matrices, 0)};
  struct wr_node *all = wr_compose_reshape(c, matrices, 3, flat);
  return wr_compose_take(c, all, wr_compose_broadcast(c, indices, n, batch), 0);
}

struct wr_error *wr_ops_gather_mm(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                  struct wr_node *lhs, struct wr_node *rhs, bool sorted,
                                  struct wr_stream *s) {
  int32_t batch[WR_MAX_NDIM];
  int n = 0;
  (void)sorted; /* nothing depends on the order */
  struct wr_error *error = check_factors(a, b);
  if (!error && !lhs && !rhs) return wr_ops_matmul(out, a, b, s);
  if (!error) error = wr_ops_check_chosen(lhs, rhs);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct factors f = matrices_of(&c, a, b);
  if (!lhs) lhs = numbers(&c, f.a);
  if (!rhs) rhs = numbers(&c, f.b);
  if (!c.error && !wr_shape_broadcast(wr_node_shape(lhs), wr_node_ndim(lhs), wr_node_shape(rhs),
                                      wr_node_ndim(rhs), batch, &n)) {
    (void)wr_compose_slot(&c);
    (void)wr_compose_step(&c, wr_ops_broadcast_to_error(lhs, wr_node_shape(rhs), wr_node_ndim(rhs),
                                                        "lhs_indices and rhs_indices"));
  }
  struct wr_node *x = chosen(&c, f.a, lhs, n, batch), *y = chosen(&c, f.b, rhs, n, batch);
  return wr_compose_end(&c, out, drop_axes(&c, wr_compose_matmul(&c, x, y), &f));
}

/* ---- segmented_mm ---- */

static struct wr_error *check_segments(const struct wr_node *a, const struct wr_node *b,
                                       const struct wr_node *segments) {
  if (wr_node_ndim(a) != 2 || wr_node_ndim(b) != 2) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Batched matmul not supported");
  }
  struct wr_error *error = check_factors(a, b);
  if (error) return error;
  if (wr_node_ndim(segments) < 1 || last_of(segments, 0) != 2) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "The segments should have shape (..., 2) but %s was provided.",
                        wr_ops_shape_text(segments).s);
  }
  if (wr_dtype_is_integer(wr_node_dtype(segments))) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "Got segments with invalid dtype. Segments must be integral.");
}

/* Which positions along the summed axis are in each segment: its extents, then K. */
static struct wr_node *inside(struct wr_compose *c, struct wr_node *segments, int32_t k) {
  if (c->error) return NULL;
  const int last = wr_node_ndim(segments) - 1;
  struct wr_node *ends = wr_compose_places(c, segments);
  struct wr_node *first = wr_compose_slice_axis(c, ends, last, 0, 1);
  struct wr_node *end = wr_compose_slice_axis(c, ends, last, 1, 2);
  struct wr_node *at = wr_compose_count(c, 0, k, WR_INT64);
  return wr_compose_binary(c, WR_OP_LOGICAL_AND,
                           wr_compose_binary(c, WR_OP_GREATER_EQUAL, at, first),
                           wr_compose_binary(c, WR_OP_LESS, at, end));
}

static struct wr_node *products_of(struct wr_compose *c, const struct factors *f,
                                   struct wr_node *segments) {
  if (c->error) return NULL;
  struct wr_node *mask = inside(c, segments, last_of(f->a, 0));
  struct wr_node *zero = wr_compose_scalar(c, 0, wr_node_dtype(f->a));
  struct wr_node *x = wr_compose_where(c, wr_compose_expand(c, mask, -2), f->a, zero);
  struct wr_node *y = wr_compose_where(c, wr_compose_expand(c, mask, -1), f->b, zero);
  return wr_compose_matmul(c, x, y);
}

/* How many segments at a time, as the copies of both factors that each has are large. */
static int64_t segments_at_a_time(const struct factors *f) {
  enum { COPIES_BYTES = 1 << 26 };
  const int64_t size = (int64_t)wr_dtype_size(wr_node_dtype(f->a));
  const int64_t bytes = (wr_node_size(f->a) + wr_node_size(f->b)) * size;
  return bytes < COPIES_BYTES ? COPIES_BYTES / (bytes + 1) : 1;
}

/* `n` at a time of `count` segments (count, 2), one behind the other. */
static struct wr_node *products_in_turn(struct wr_compose *c, const struct factors *f,
                                        struct wr_node *segments, int32_t count, int32_t n) {
  const int parts = count / n + (count % n != 0);
  struct wr_node **all = wr_alloc((size_t)parts * sizeof(struct wr_node *));
  if (!all) {
    if (!c->error) c->error = wr_error_out_of_memory();
    return NULL;
  }
  for (int i = 0; i < parts; i++) {
    const int32_t first = i * n, end = count - first < n ? count : first + n;
    all[i] = products_of(c, f, wr_compose_slice_axis(c, segments, 0, first, end));
  }
  struct wr_node *r = wr_compose_join(c, all, parts, 0);
  wr_free(all);
  return r;
}

struct wr_error *wr_ops_segmented_mm(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                     struct wr_node *segments, struct wr_stream *s) {
  struct wr_error *error = check_segments(a, b, segments);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  const struct factors f = matrices_of(&c, a, b);
  const int64_t count = wr_node_size(segments) / 2, n = c.error ? count : segments_at_a_time(&f);
  if (count <= n || count > INT32_MAX) { /* of more the result is refused there */
    return wr_compose_end(&c, out, products_of(&c, &f, segments));
  }
  int32_t shape[WR_MAX_NDIM + 1];
  const int batch = wr_node_ndim(segments) - 1;
  memcpy(shape, wr_node_shape(segments), (size_t)batch * sizeof *shape);
  shape[batch] = last_of(a, 1);
  shape[batch + 1] = last_of(b, 0);
  struct wr_node *flat = wr_compose_reshape(&c, segments, 2, (const int32_t[]){(int32_t)count, 2});
  struct wr_node *r = products_in_turn(&c, &f, flat, (int32_t)count, (int32_t)n);
  return wr_compose_end(&c, out, wr_compose_reshape(&c, r, batch + 2, shape));
}

/* ---- block_masked_mm ---- */

/* Without a sum, which the largest extents would overflow. */
static int32_t blocks_of(int32_t extent, int block) {
  return extent / block + (extent % block != 0);
}

/* The mask of blocks for each element of a matrix, with the leading axes that masks may have. */
static struct wr_node *by_element(struct wr_compose *c, struct wr_node *mask, int32_t rows,
                                  int32_t columns, int block) {
  if (c->error) return NULL;
  struct wr_node *m = mask;
  const int32_t extents[2] = {rows, columns};
  for (int i = 0; i < 2 && !c->error; i++) {
    const int axis = wr_node_ndim(mask) - 2 + i;
    const int32_t blocks = blocks_of(extents[i], block);
    if (wr_node_shape(mask)[axis] == 1 && blocks != 1) continue; /* broadcasts */
    m = wr_compose_step(c, wr_ops_repeat(wr_compose_slot(c), m, block, axis, c->stream));
    m = wr_compose_slice_axis(c, m, axis, 0, extents[i]);
  }
  return m;
}

/* A mask of a matrix in the batch: at least two axes, extents of 1 or of the blocks. */
static struct wr_error *check_mask(const struct wr_node *mask, const struct wr_node *matrix,
                                   int block, const int32_t *batch, int n) {
  int32_t shape[WR_MAX_NDIM + 2];
  memcpy(shape, batch, (size_t)n * sizeof *shape);
  shape[n] = blocks_of(last_of(matrix, 1), block);
  shape[n + 1] = blocks_of(last_of(matrix, 0), block);
  if (wr_shape_broadcasts_to(wr_node_shape(mask), wr_node_ndim(mask), shape, n + 2)) return NULL;
  return wr_ops_broadcast_to_error(mask, shape, n + 2, "a mask and the blocks");
}

/* x where the mask says so, or times it. */
static struct wr_node *masked(struct wr_compose *c, struct wr_node *x, struct wr_node *mask,
                              int block, const int32_t *batch, int n) {
  if (c->error || !mask) return x;
  struct wr_error *error = check_mask(mask, x, block, batch, n);
  if (error) {
    (void)wr_compose_slot(c);
    return wr_compose_step(c, error);
  }
  struct wr_node *m = by_element(c, mask, last_of(x, 1), last_of(x, 0), block);
  if (c->error) return NULL;
  const enum wr_dtype t = wr_node_dtype(x);
  if (wr_node_dtype(mask) == WR_BOOL) return wr_compose_where(c, m, x, wr_compose_scalar(c, 0, t));
  return wr_compose_binary(c, WR_OP_MULTIPLY, x, wr_compose_astype(c, m, t));
}

/* With the axes that a vector's matrix has and it has not, and at least two. */
static struct wr_node *mask_of(struct wr_compose *c, struct wr_node *mask, bool row, bool column) {
  if (!mask) return NULL;
  if (row) mask = wr_compose_expand(c, mask, column ? -1 : -2);
  if (column) mask = wr_compose_expand(c, mask, -1);
  while (!c->error && wr_node_ndim(mask) < 2) mask = wr_compose_expand(c, mask, 0);
  return mask;
}

struct wr_error *wr_ops_block_masked_mm(struct wr_node **out, struct wr_node *a, struct wr_node *b,
                                        int block, struct wr_node *mask_out,
                                        struct wr_node *mask_lhs, struct wr_node *mask_rhs,
                                        struct wr_stream *s) {
  int32_t batch[WR_MAX_NDIM];
  int n = 0;
  if (!mask_out && !mask_lhs && !mask_rhs) return wr_ops_matmul(out, a, b, s);
  if (block != 32 && block != 64) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Only block_sizes 32, 64 are supported.Got block size %d.", block);
  }
  struct wr_error *error = check_factors(a, b);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  const struct factors f = matrices_of(&c, a, b);
  mask_out = mask_of(&c, mask_out, f.row, f.column);
  mask_lhs = mask_of(&c, mask_lhs, f.row, false);
  mask_rhs = mask_of(&c, mask_rhs, false, f.column);
  const bool numeric = !c.error && ((mask_lhs && wr_node_dtype(mask_lhs) != WR_BOOL) ||
                                    (mask_rhs && wr_node_dtype(mask_rhs) != WR_BOOL));
  if (numeric) {
    if (mask_lhs) mask_lhs = wr_compose_astype(&c, mask_lhs, wr_node_dtype(f.a));
    if (mask_rhs) mask_rhs = wr_compose_astype(&c, mask_rhs, wr_node_dtype(f.a));
  }
  if (!c.error && !wr_shape_broadcast(wr_node_shape(f.a), wr_node_ndim(f.a) - 2, wr_node_shape(f.b),
                                      wr_node_ndim(f.b) - 2, batch, &n)) {
    (void)wr_compose_slot(&c);
    (void)wr_compose_step(
        &c, wr_ops_broadcast_error(wr_node_shape(f.a), wr_node_ndim(f.a) - 2, wr_node_shape(f.b),
                                   wr_node_ndim(f.b) - 2, "the leading axes of a and b"));
  }
  struct wr_node *x = masked(&c, f.a, mask_lhs, block, batch, n);
  struct wr_node *y = masked(&c, f.b, mask_rhs, block, batch, n);
  struct wr_node *r = masked(&c, wr_compose_matmul(&c, x, y), mask_out, block, batch, n);
  return wr_compose_end(&c, out, drop_axes(&c, r, &f));
}
