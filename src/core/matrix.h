#ifndef WR_CORE_MATRIX_H
#define WR_CORE_MATRIX_H

/* How products read matrices. Plain functions. */

#include <stdbool.h>
#include <stdint.h>

/* True when a product can read a matrix where it lies, and then how: by rows or, *transposed, by
   columns that are dense and *ld elements apart. The strides are of rows and of columns; that of an
   axis of extent 1 does not matter. */
static inline bool wr_matrix_in_place(int64_t rows, int64_t cols, int64_t row_stride,
                                      int64_t col_stride, bool *transposed, int64_t *ld) {
  const bool one_row = rows == 1, one_col = cols == 1;
  const bool by_rows = (col_stride == 1 || one_col) && (one_row || row_stride >= cols);
  const bool by_cols = (row_stride == 1 || one_row) && (one_col || col_stride >= rows);
  *transposed = !by_rows;
  *ld = by_rows ? (one_row ? cols : row_stride) : one_col ? rows : col_stride;
  return by_rows || by_cols;
}

#endif
