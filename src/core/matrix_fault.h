#ifndef WR_CORE_MATRIX_FAULT_H
#define WR_CORE_MATRIX_FAULT_H

/* What linear algebra finds wrong with a matrix, in the same words on all devices. */

#include <stdint.h>

#include "core/error.h"

enum wr_matrix_fault {
  WR_MATRIX_NOT_POSITIVE,  /* at: how many of its first rows and columns are not */
  WR_MATRIX_SINGULAR,      /* at is not told */
  WR_MATRIX_ZERO_DIAGONAL, /* at: which element, from 1 */
  WR_MATRIX_NOT_FINITE,
  WR_MATRIX_NO_CONVERGENCE /* of the routine */
};

/* Of matrix i of `count`; `routine` is used where the fault says so. */
struct wr_error *wr_matrix_fault_error(enum wr_matrix_fault fault, int64_t i, int64_t count, int at,
                                       const char *routine);

#endif
