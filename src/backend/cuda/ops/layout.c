/* Layouts for kernels: axes merged where they lie in memory as one, and put into the form in which
   a kernel takes them. Plain values; no locks, no allocation. */

#include <string.h>

#include "backend/cuda/ops/internal.h"

void wr_layout_start(struct wr_layout *l, int operands) {
  l->operands = operands;
  l->ndim = 0;
  l->size = 1;
}

/* True when a step along the axis pushed last moves every operand as far as all of the new axis
   does: then the two are one axis. */
static bool continues(const struct wr_layout *l, int64_t extent, const int64_t *strides) {
  for (int k = 0; k < l->operands; k++) {
    if (l->strides[k][l->ndim - 1] != extent * strides[k]) return false;
  }
  return true;
}

void wr_layout_push(struct wr_layout *l, int64_t extent, const int64_t *strides) {
  l->size *= extent;
  if (extent == 1) return;
  bool merged = l->ndim > 0 && continues(l, extent, strides);
  int d = merged ? l->ndim - 1 : l->ndim++;
  l->shape[d] = merged ? l->shape[d] * extent : extent;
  for (int k = 0; k < l->operands; k++) l->strides[k][d] = strides[k];
}

void wr_layout_end(struct wr_layout *l) {
  if (l->ndim > 0) return;
  l->ndim = 1;
  l->shape[0] = 1;
  for (int k = 0; k < l->operands; k++) l->strides[k][0] = 1;
}

void wr_layout_of(struct wr_layout *l, const struct wr_tensor *t, uint32_t axes) {
  wr_layout_start(l, 1);
  for (int d = 0; d < t->ndim; d++) {
    if (axes >> d & 1u) wr_layout_push(l, t->shape[d], &t->strides[d]);
  }
  wr_layout_end(l);
}

bool wr_layout_is_aligned(const struct wr_layout *l, int operand, const void *data, size_t item,
                          size_t bytes) {
  bool aligned = wr_aligned(data, bytes);
  for (int d = 0; d < l->ndim && l->size > 1; d++) {
    aligned = aligned && l->strides[operand][d] * (int64_t)item % (int64_t)bytes == 0;
  }
  return aligned;
}

bool wr_pack_is_aligned(const void *p, size_t k, size_t item) {
  return wr_aligned(p, wr_pack_bytes(k, item));
}

bool wr_layout_has_packs(const struct wr_layout *l, int i, const void *data, size_t item,
                         size_t k) {
  const int last = l->ndim - 1;
  const int64_t bytes = (int64_t)wr_pack_bytes(k, item);
  bool whole = l->shape[last] % (int64_t)k == 0;
  if (l->strides[i][last] == 0) return whole;
  whole = whole && l->strides[i][last] == 1 && wr_aligned(data, (size_t)bytes);
  for (int d = 0; d < last; d++) whole = whole && l->strides[i][d] * (int64_t)item % bytes == 0;
  return whole;
}

void wr_layout_by_packs(struct wr_layout *l, size_t k) {
  const int last = l->ndim - 1;
  l->shape[last] /= (int64_t)k;
  l->size /= (int64_t)k;
  for (int i = 0; i < l->operands; i++) l->strides[i][last] *= (int64_t)k;
}

bool wr_layout_is_dense(const struct wr_layout *l) { return l->ndim == 1 && l->strides[0][0] == 1; }

/* The bound is half of what 32 bits hold: kernels add the width of the grid to an index, and the
   sum must not wrap around. */
bool wr_layout_is_big(const struct wr_layout *l) {
  return l->ndim > WR_AXES || l->size > INT32_MAX;
}

void wr_line_axis_of(struct wr_line_axis *l, const struct wr_tensor *t, int axis) {
  l->n = t->ndim > 0 ? t->shape[axis] : 1;
  l->stride = t->ndim > 0 ? t->strides[axis] : 1;
  l->inner = 1;
  for (int d = axis + 1; d < t->ndim; d++) l->inner *= t->shape[d];
  uint32_t all = wr_layout_all(t);
  wr_layout_of(&l->other, t, t->ndim > 0 ? all & ~(1u << axis) : all);
}

void wr_launch_layout(struct wr_launch *l, struct wr_layout *layout) {
  const int axes = l->id.big ? WR_AXES_BIG : WR_AXES;
  int64_t *at = layout->packed;
  *at++ = layout->ndim;
  /* The places of axes that are not there are 0, so that equal layouts have equal bytes. */
  memset(at, 0, (size_t)((1 + layout->operands) * axes) * sizeof *at);
  memcpy(at, layout->shape, (size_t)layout->ndim * sizeof *at);
  at += axes;
  for (int k = 0; k < layout->operands; k++, at += axes) {
    memcpy(at, layout->strides[k], (size_t)layout->ndim * sizeof *at);
  }
  wr_launch_struct(l, layout->packed, (size_t)((char *)at - (char *)layout->packed));
}

struct wr_error *wr_launch_elements(struct wr_launch *l, struct wr_run *run, int64_t size,
                                    size_t pack, struct wr_layout *layout) {
  wr_launch_index(l, size);
  if (pack > 0) {
    wr_launch_packs(l, size, pack);
  } else {
    wr_launch_layout(l, layout);
    wr_launch_threads(l, run, size, 256);
  }
  return wr_launch(l, run);
}

struct wr_error *wr_launch_rows_of_packs(struct wr_launch *l, struct wr_run *run,
                                         struct wr_layout *layout) {
  wr_launch_index(l, layout->size);
  wr_launch_layout(l, layout);
  wr_launch_packs(l, layout->size, 1);
  return wr_launch(l, run);
}

unsigned wr_lanes_of(int64_t pieces) {
  enum { WARP = 32 };
  unsigned lanes = 1;
  while (lanes < pieces && lanes < WARP) lanes *= 2;
  return lanes;
}

void wr_launch_lanes(struct wr_launch *l, int64_t rows, unsigned lanes) {
  enum { WARP = 32, THREADS = 256 };
  const unsigned each = lanes <= WARP ? THREADS / lanes : 1;
  wr_launch_blocks(l, (rows + each - 1) / each, 1, lanes);
  l->block[1] = each;
}

bool wr_aligned(const void *p, size_t bytes) { return (uintptr_t)p % bytes == 0; }

enum wr_dtype wr_dtype_of_size(enum wr_dtype t) {
  switch (wr_dtype_size(t)) {
    case 1:
      return WR_UINT8;
    case 2:
      return WR_UINT16;
    case 4:
      return WR_UINT32;
    default:
      return WR_UINT64;
  }
}
