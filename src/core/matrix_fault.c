/* Messages about matrices; see matrix_fault.h. No locks. */

#include "core/matrix_fault.h"

#include <stdio.h>

struct wr_error *wr_matrix_fault_error(enum wr_matrix_fault fault, int64_t i, int64_t count, int at,
                                       const char *routine) {
  char what[160] = "is singular";
  switch (fault) {
    case WR_MATRIX_SINGULAR:
      break;
    case WR_MATRIX_NOT_POSITIVE:
      snprintf(what, sizeof what, "is not positive definite: its first %d rows and columns are not",
               at);
      break;
    case WR_MATRIX_ZERO_DIAGONAL:
      snprintf(what, sizeof what, "is singular: element %d of its diagonal is 0", at - 1);
      break;
    case WR_MATRIX_NOT_FINITE:
      snprintf(what, sizeof what, "has a NaN or an infinity");
      break;
    case WR_MATRIX_NO_CONVERGENCE:
      snprintf(what, sizeof what, "is one for which %s does not converge", routine);
      break;
  }
  if (count == 1) return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "the matrix %s", what);
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "matrix %lld of the batch %s", (long long)i,
                      what);
}
