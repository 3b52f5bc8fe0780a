#ifndef WR_TESTS_SUPPORT_MEDIAN_H
#define WR_TESTS_SUPPORT_MEDIAN_H

/* Limits of time on a machine that others use too: the system gives a thread a processor when it
   likes, so that any single run may be late, whoever runs. What a call takes by itself it takes in
   most runs, so the median is what a limit is for. */

#include <stdlib.h>

static inline int median_compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorts them. */
static inline double median(double *of, size_t n) {
  qsort(of, n, sizeof of[0], median_compare);
  return of[n / 2];
}

#endif
