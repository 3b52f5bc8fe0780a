// The loops by hand that bounds.c measures Weir against; each file is compiled for this machine.
#ifndef WR_BENCH_LOOPS_H
#define WR_BENCH_LOOPS_H

#include <stddef.h>

// out = sqrt(abs(a*b+c))*exp(-a)
void bench_group_fast(const float *a, const float *b, const float *c, float *out, size_t n);
void bench_group_same(const float *a, const float *b, const float *c, float *out, size_t n);
// out = a + by
void bench_plus(const float *a, float by, float *out, size_t n);

#endif
