#ifndef WR_TESTS_MODULES_COUNTING_BLAS_H
#define WR_TESTS_MODULES_COUNTING_BLAS_H

/* What the OpenBLAS of counting_blas.c would have computed. */
struct counted {
  double flops;      /* operations on real numbers, of all calls */
  double most_flops; /* of one call */
  double most_bytes; /* of the operands of one call */
};

/* Since the last time. */
struct counted counting_blas_take(void);

#endif
