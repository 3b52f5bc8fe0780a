#ifndef WR_BACKEND_CPU_LINALG_H
#define WR_BACKEND_CPU_LINALG_H

/* What the kernels of linear algebra share: one body for each matrix of a batch, spread over the
   pool, and copies of matrices. A matrix of ours lies row by row, one of LAPACK's column by column:
   the same memory is the transposed matrix there. No locks. */

#include "backend/cpu/blas/blas.h"
#include "backend/cpu/kernels.h"
#include "base/atomic.h"
#include "core/matrix_fault.h"

struct wr_linalg {
  const struct wr_call *call;
  int m, n;            /* rows and columns of the first input */
  int k;               /* the lesser of them */
  int columns;         /* of the second input, where there is one */
  int64_t count;       /* matrices */
  int64_t element;     /* bytes of an element of the first input */
  int type;            /* in struct wr_lapack: 0 float, 1 double, 2 complex */
  int lwork;           /* the workspace, in elements */
  wr_atomic_ptr error; /* atomic ACQ_REL: struct wr_error *, the first one; a reference */
};

/* For matrix i; scratch is what was asked for, for this thread alone. */
typedef struct wr_error *(*wr_linalg_body)(const struct wr_linalg *g, int64_t i, char *scratch);

struct wr_linalg wr_linalg_of(const struct wr_call *call);
/* One matrix takes `operations`; those that fail do not keep the others from being computed, and
   the error is one of theirs. */
struct wr_error *wr_linalg_run(struct wr_linalg *g, size_t scratch, double operations,
                               wr_linalg_body body);

/* Matrix i of input `which` at `to`, row by row or, `turned`, column by column. */
void wr_linalg_gather(const struct wr_linalg *g, int which, int64_t i, void *to, bool turned);
/* to = from turned, of `rows` x `columns` elements that lie row by row in `to`. */
void wr_linalg_turn(void *to, const void *from, int rows, int columns, int64_t element);
/* Row i of the n x n matrix is left alone in the columns up to i, or from i on; zeros elsewhere. */
void wr_linalg_keep_triangle(void *matrix, int n, int64_t element, bool upper);
/* What was found wrong with matrix i. */
static inline struct wr_error *wr_linalg_fault(const struct wr_linalg *g, int64_t i,
                                               enum wr_matrix_fault fault, int at) {
  return wr_matrix_fault_error(fault, i, g->count, at, NULL);
}
/* What an argument of a routine was found to be wrong, which none ever is. */
struct wr_error *wr_linalg_misuse(const char *routine, int info);
/* A workspace as a routine asks for it: `first` is what it wrote as its first element. */
struct wr_error *wr_linalg_workspace(struct wr_linalg *g, const void *first);
/* Where what comes behind so many bytes at `at` in a body's scratch begins. */
static inline int64_t wr_linalg_behind(int64_t at, int64_t bytes) {
  return (at + bytes + 63) / 64 * 64;
}
/* At least 1, as LAPACK wants leading dimensions. */
static inline int wr_linalg_leading(int n) { return n > 0 ? n : 1; }

#endif
