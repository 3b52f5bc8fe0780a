#ifndef WR_TESTS_MODULES_COUNTING_BLAS_H
#define WR_TESTS_MODULES_COUNTING_BLAS_H

#include <pthread.h>

/* What the OpenBLAS of counting_blas.c would have computed. */
struct counted {
  double flops;      /* operations on real numbers, of all calls */
  double most_flops; /* of one call */
  double most_bytes; /* of the operands of one call */
};

/* In the program's memory: Weir opens a copy of the library of which the program has no other.
   COUNTING_BLAS_AT in the environment is its address, as %p writes it. */
struct counting {
  pthread_mutex_t lock;
  struct counted counted; /* under LOCK */
};

#define COUNTING_BLAS_AT "WEIR_TEST_COUNTING_AT"

#endif
