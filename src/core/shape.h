#ifndef WR_CORE_SHAPE_H
#define WR_CORE_SHAPE_H

/* Shapes and strides: plain arrays of int32_t extents and int64_t strides in elements (0 for
   broadcast, negative for reversed). Pure functions; no allocation. */

#include <stdbool.h>
#include <stdint.h>

#define WR_MAX_NDIM 32 /* reductions keep their axes in a 32-bit mask */

/* The product of the extents; false when it does not fit in int64_t / 16 (bytes must fit too). */
bool wr_shape_size(const int32_t *shape, int ndim, int64_t *size);
void wr_shape_row_strides(const int32_t *shape, int ndim, int64_t *strides);
/* Dense in row-major (col-major) order; extents of 1 do not count; empty arrays are both. */
bool wr_shape_is_row_contiguous(const int32_t *shape, const int64_t *strides, int ndim);
bool wr_shape_is_col_contiguous(const int32_t *shape, const int64_t *strides, int ndim);
bool wr_shape_equal(const int32_t *a, int a_ndim, const int32_t *b, int b_ndim);
/* NumPy broadcasting; out must hold WR_MAX_NDIM extents; false when they do not fit together. */
bool wr_shape_broadcast(const int32_t *a, int a_ndim, const int32_t *b, int b_ndim, int32_t *out,
                        int *out_ndim);
/* True when `a` broadcasts to exactly `to`, without making it larger. */
bool wr_shape_broadcasts_to(const int32_t *a, int a_ndim, const int32_t *to, int to_ndim);
/* Writes "(2,3)", as MLX does, truncated to n. Returns buf. */
char *wr_shape_format(const int32_t *shape, int ndim, char *buf, int n);

#endif
