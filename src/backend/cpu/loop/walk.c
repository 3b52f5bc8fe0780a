/* Walks over axes of strided operands; see walk.h. Nothing here allocates or takes a lock. Offsets
   are computed from indices inside the extents only, so no address outside an operand is formed. */

#include "backend/cpu/loop/walk.h"

#include <string.h>

enum { FILLED = 32 }; /* as many of one element are not stored one by one */

void wr_walk_start(struct wr_walk *walk) {
  walk->ndim = 0;
  walk->size = 1;
}

void wr_walk_push(struct wr_walk *walk, int64_t extent, int64_t stride0, int64_t stride1) {
  walk->size *= extent;
  if (extent == 1) return;
  int d = walk->ndim - 1;
  if (d >= 0 && walk->strides[0][d] == stride0 * extent &&
      walk->strides[1][d] == stride1 * extent) {
    walk->shape[d] *= extent;
  } else {
    d = walk->ndim++;
    walk->shape[d] = extent;
  }
  walk->strides[0][d] = stride0;
  walk->strides[1][d] = stride1;
}

void wr_walk_end(struct wr_walk *walk) {
  if (walk->ndim > 0) return;
  walk->ndim = 1;
  walk->shape[0] = 1;
  walk->strides[0][0] = 1;
  walk->strides[1][0] = 1;
}

void wr_walk_axes(struct wr_walk *walk, const struct wr_tensor *t, uint32_t axes) {
  wr_walk_start(walk);
  for (int d = 0; d < t->ndim; d++) {
    if (axes >> d & 1u) wr_walk_push(walk, t->shape[d], t->strides[d], 0);
  }
  wr_walk_end(walk);
}

void wr_cursor_start(struct wr_cursor *c, const struct wr_walk *walk, int64_t begin, int64_t end) {
  c->walk = walk;
  c->left = end > begin ? end - begin : 0;
  c->offset[0] = 0;
  c->offset[1] = 0;
  if (c->left == 0) return;
  for (int d = walk->ndim - 1; d >= 0; d--) {
    int64_t i = begin % walk->shape[d];
    begin /= walk->shape[d];
    c->index[d] = i;
    c->offset[0] += i * walk->strides[0][d];
    c->offset[1] += i * walk->strides[1][d];
  }
}

/* Moves axis d by n places, both operands with it. */
static void cursor_move(struct wr_cursor *c, int d, int64_t n) {
  c->index[d] += n;
  c->offset[0] += n * c->walk->strides[0][d];
  c->offset[1] += n * c->walk->strides[1][d];
}

int64_t wr_cursor_next(struct wr_cursor *c, int64_t at[WR_WALK_OPERANDS]) {
  if (c->left == 0) return 0;
  int d = c->walk->ndim - 1;
  int64_t run = c->walk->shape[d] - c->index[d];
  if (run > c->left) run = c->left;
  at[0] = c->offset[0];
  at[1] = c->offset[1];
  c->left -= run;
  cursor_move(c, d, run);
  while (d > 0 && c->index[d] == c->walk->shape[d]) {
    cursor_move(c, d, -c->walk->shape[d]);
    cursor_move(c, --d, 1);
  }
  return run;
}

void wr_lines_of(struct wr_lines *lines, const struct wr_tensor *in, int axis) {
  wr_walk_axes(&lines->walk, in, wr_axes_all(in) & ~(in->ndim ? 1u << axis : 0u));
  lines->n = in->ndim ? in->shape[axis] : 1;
  lines->stride = in->ndim ? in->strides[axis] : 1;
  lines->inner = 1;
  for (int d = axis + 1; d < in->ndim; d++) lines->inner *= in->shape[d];
  /* An empty inner part has no lines at all; 1 keeps the division in wr_lines_out defined. */
  if (lines->inner == 0) lines->inner = 1;
}

/* By memcpy of a constant size: the elements are of any type, and complex64 is aligned to 4 only.
 */
static inline void copy_fixed(char *d, int64_t ds, const char *s, int64_t ss, int64_t n,
                              size_t size) {
  for (int64_t i = 0; i < n; i++) memcpy(d + i * ds, s + i * ss, size);
}

/* One element, n times: of equal bytes by memset, others by copies of what is there already. */
static void fill(char *dst, const char *src, int64_t n, size_t size) {
  enum { NEAR = 16384 }; /* in the first-level cache; copies of 4 KB took a tenth longer */
  const size_t bytes = (size_t)n * size;
  size_t done = size;
  if (memcmp(src, src + 1, size - 1) == 0) {
    memset(dst, (unsigned char)src[0], bytes);
    return;
  }
  memcpy(dst, src, size);
  while (done < bytes) {
    size_t more = done < NEAR ? done : NEAR;
    if (more > bytes - done) more = bytes - done;
    memcpy(dst + done, dst, more);
    done += more;
  }
}

void wr_copy_run(void *dst, int64_t dst_stride, const void *src, int64_t src_stride, int64_t n,
                 int size) {
  if (dst_stride == 1 && src_stride == 1) {
    if (n > 0) memcpy(dst, src, (size_t)n * (size_t)size);
    return;
  }
  if (dst_stride == 1 && src_stride == 0 && n >= FILLED) {
    fill(dst, src, n, (size_t)size);
    return;
  }
  int64_t ds = dst_stride * size;
  int64_t ss = src_stride * size;
  switch (size) {
    case 1:
      copy_fixed(dst, ds, src, ss, n, 1);
      break;
    case 2:
      copy_fixed(dst, ds, src, ss, n, 2);
      break;
    case 4:
      copy_fixed(dst, ds, src, ss, n, 4);
      break;
    default:
      copy_fixed(dst, ds, src, ss, n, 8);
      break;
  }
}

int64_t wr_matrix_offset(const struct wr_tensor *t, int64_t i) {
  int64_t offset = 0;
  for (int d = t->ndim - 3; d >= 0; d--) {
    offset += i % t->shape[d] * t->strides[d];
    i /= t->shape[d];
  }
  return offset;
}
