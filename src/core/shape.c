/* Shapes and strides. Pure functions of the caller's arrays; no allocation, no locks. */

#include "core/shape.h"

#include <stdio.h>
#include <string.h>

/* Elements are at most 16 bytes, so that bytes fit wherever elements do. */
static const int64_t max_size = INT64_MAX / 16;

bool wr_shape_size(const int32_t *shape, int ndim, int64_t *size) {
  int64_t product = 1;
  bool fits = true;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] == 0) {
      *size = 0;
      return true;
    }
    fits = fits && !__builtin_mul_overflow(product, (int64_t)shape[i], &product) &&
           product <= max_size;
  }
  *size = product;
  return fits;
}

/* Strides of an empty array are never used to reach an element; extents of 0 count as 1 in them so
   that they stay distinct and do not overflow early. */
void wr_shape_row_strides(const int32_t *shape, int ndim, int64_t *strides) {
  int64_t stride = 1;
  for (int i = ndim - 1; i >= 0; i--) {
    strides[i] = stride;
    if (shape[i] > 1 && __builtin_mul_overflow(stride, (int64_t)shape[i], &stride)) stride = 1;
  }
}

static bool is_empty(const int32_t *shape, int ndim) {
  for (int i = 0; i < ndim; i++) {
    if (shape[i] == 0) return true;
  }
  return false;
}

bool wr_shape_is_row_contiguous(const int32_t *shape, const int64_t *strides, int ndim) {
  if (is_empty(shape, ndim)) return true;
  int64_t expected = 1;
  for (int i = ndim - 1; i >= 0; i--) {
    if (shape[i] == 1) continue;
    if (strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

bool wr_shape_is_col_contiguous(const int32_t *shape, const int64_t *strides, int ndim) {
  if (is_empty(shape, ndim)) return true;
  int64_t expected = 1;
  for (int i = 0; i < ndim; i++) {
    if (shape[i] == 1) continue;
    if (strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

/* A few integers: less than a call of memcmp. */
bool wr_shape_equal(const int32_t *a, int a_ndim, const int32_t *b, int b_ndim) {
  if (a_ndim != b_ndim) return false;
  int i = 0;
  while (i < a_ndim && a[i] == b[i]) i++;
  return i == a_ndim;
}

/* The extent of axis `i` when the shape is seen with `ndim` axes: missing ones in front are 1. */
static int32_t extent_of(const int32_t *shape, int own_ndim, int ndim, int i) {
  int at = i - (ndim - own_ndim);
  return at < 0 ? 1 : shape[at];
}

bool wr_shape_broadcast(const int32_t *a, int a_ndim, const int32_t *b, int b_ndim, int32_t *out,
                        int *out_ndim) {
  int ndim = a_ndim > b_ndim ? a_ndim : b_ndim;
  for (int i = 0; i < ndim; i++) {
    int32_t x = extent_of(a, a_ndim, ndim, i);
    int32_t y = extent_of(b, b_ndim, ndim, i);
    if (x != y && x != 1 && y != 1) return false;
    out[i] = x == 1 ? y : x;
  }
  *out_ndim = ndim;
  return true;
}

bool wr_shape_broadcasts_to(const int32_t *a, int a_ndim, const int32_t *to, int to_ndim) {
  if (a_ndim > to_ndim) return false;
  for (int i = 0; i < to_ndim; i++) {
    int32_t extent = extent_of(a, a_ndim, to_ndim, i);
    if (extent != 1 && extent != to[i]) return false;
  }
  return true;
}

/* Appends at `at` of a buffer of `n`; returns the length that the whole would have. */
static int append(char *buf, int n, int at, const char *text) {
  size_t room = at < n ? (size_t)(n - at) : 0;
  return at + snprintf(room ? buf + at : NULL, room, "%s", text);
}

char *wr_shape_format(const int32_t *shape, int ndim, char *buf, int n) {
  int at = append(buf, n, 0, "(");
  for (int i = 0; i < ndim; i++) {
    char number[16];
    snprintf(number, sizeof number, "%s%d", i ? "," : "", shape[i]);
    at = append(buf, n, at, number);
  }
  append(buf, n, at, ")");
  return buf;
}
