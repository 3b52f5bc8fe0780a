#ifndef WR_BACKEND_CPU_BLAS_BLAS_H
#define WR_BACKEND_CPU_BLAS_BLAS_H

/* Products of matrices: by Weir's own code, or by OpenBLAS, in slices that the end of the process
   can wait for; and the routines of LAPACK that come with that. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/cpu/product/product.h"
#include "core/error.h"

/* Runs a product that takes a few milliseconds at most, on the calling thread alone: one of real
   numbers by Weir's own code, one of complex64 by OpenBLAS. An error when memory is refused; of
   OpenBLAS, when there is none, or when the process is ending (base/gate.h). */
struct wr_error *wr_cpu_gemm(const struct wr_gemm *g);
/* The same in slices along k of `step` elements, of `element` bytes each, one added to the other.
 */
struct wr_error *wr_cpu_gemm_slices(struct wr_gemm g, int64_t step, int64_t element);

/* ---- LAPACK ---- */

/* The routines that Weir calls, as LAPACK's reference declares them, but for the types of matrices:
   [0] is of float, [1] of double, [2] of complex float where there is one. Matrices lie column by
   column. The lengths of texts come last, as gfortran passes them. */
typedef void wr_lapack_square(const char *uplo, const int *n, void *a, const int *lda, int *info,
                              size_t uplo_length);
struct wr_lapack {
  wr_lapack_square *potrf[2];
  void (*trtri[2])(const char *uplo, const char *diag, const int *n, void *a, const int *lda,
                   int *info, size_t uplo_length, size_t diag_length);
  void (*trtrs[2])(const char *uplo, const char *trans, const char *diag, const int *n,
                   const int *nrhs, const void *a, const int *lda, void *b, const int *ldb,
                   int *info, size_t uplo_length, size_t trans_length, size_t diag_length);
  void (*getrf[2])(const int *m, const int *n, void *a, const int *lda, int *pivots, int *info);
  void (*getri[2])(const int *n, void *a, const int *lda, const int *pivots, void *work,
                   const int *lwork, int *info);
  void (*getrs[2])(const char *trans, const int *n, const int *nrhs, const void *a, const int *lda,
                   const int *pivots, void *b, const int *ldb, int *info, size_t trans_length);
  void (*geqrf[2])(const int *m, const int *n, void *a, const int *lda, void *tau, void *work,
                   const int *lwork, int *info);
  void (*orgqr[2])(const int *m, const int *n, const int *k, void *a, const int *lda,
                   const void *tau, void *work, const int *lwork, int *info);
  void (*gesdd[2])(const char *jobz, const int *m, const int *n, void *a, const int *lda, void *s,
                   void *u, const int *ldu, void *vt, const int *ldvt, void *work, const int *lwork,
                   int *iwork, int *info, size_t jobz_length);
  void (*cgesdd)(const char *jobz, const int *m, const int *n, void *a, const int *lda, float *s,
                 void *u, const int *ldu, void *vt, const int *ldvt, void *work, const int *lwork,
                 float *rwork, int *iwork, int *info, size_t jobz_length);
  void (*syevd[2])(const char *jobz, const char *uplo, const int *n, void *a, const int *lda,
                   void *w, void *work, const int *lwork, int *iwork, const int *liwork, int *info,
                   size_t jobz_length, size_t uplo_length);
  void (*cheevd)(const char *jobz, const char *uplo, const int *n, void *a, const int *lda,
                 float *w, void *work, const int *lwork, float *rwork, const int *lrwork,
                 int *iwork, const int *liwork, int *info, size_t jobz_length, size_t uplo_length);
  void (*geev[2])(const char *jobvl, const char *jobvr, const int *n, void *a, const int *lda,
                  void *wr, void *wi, void *vl, const int *ldvl, void *vr, const int *ldvr,
                  void *work, const int *lwork, int *info, size_t jobvl_length,
                  size_t jobvr_length);
  void (*cgeev)(const char *jobvl, const char *jobvr, const int *n, void *a, const int *lda,
                void *w, void *vl, const int *ldvl, void *vr, const int *ldvr, void *work,
                const int *lwork, float *rwork, int *info, size_t jobvl_length,
                size_t jobvr_length);
};

/* Before one call of a routine, and after it, on the same thread. These calls are not cut in
   slices: one that is long is left behind when the process ends (base/gate.h). An error when there
   is no OpenBLAS, when it has no LAPACK, or when the process is ending. */
struct wr_error *wr_cpu_lapack_enter(const struct wr_lapack **out);
void wr_cpu_lapack_leave(void);

#endif
