#ifndef WR_BACKEND_CPU_BLAS_OPENBLAS_H
#define WR_BACKEND_CPU_BLAS_OPENBLAS_H

/* OpenBLAS, opened at run time: the few functions that Weir calls, as cblas.h declares them. The
   constants are CBLAS's own. */

#include <stdbool.h>

#include "backend/cpu/blas/blas.h"
#include "core/error.h"

enum { WR_BLAS_ROW_MAJOR = 101, WR_BLAS_NO_TRANS = 111, WR_BLAS_TRANS = 112 };

struct wr_openblas {
  void (*cgemm)(int order, int ta, int tb, int m, int n, int k, const void *alpha, const void *a,
                int lda, const void *b, int ldb, const void *beta, void *c, int ldc);
  struct wr_lapack lapack;
  const char *lapack_lacks; /* a routine that this build does not have; NULL: it has all */
  bool one_at_a_time;       /* this build's calls are not safe side by side */
};

/* Opens the library, never to be closed, and takes its own threads from it. On an
   error, *absent says that there is none to be opened; else the system refused something for the
   moment. Once at a time, and not again after a success. */
struct wr_error *wr_openblas_open(struct wr_openblas *blas, bool *absent);

#endif
