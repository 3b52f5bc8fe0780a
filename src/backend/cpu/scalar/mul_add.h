#ifndef WR_BACKEND_CPU_SCALAR_MUL_ADD_H
#define WR_BACKEND_CPU_SCALAR_MUL_ADD_H

/* a b + c as one step of the mathematical functions, rounded once where the instructions that a
   file is compiled for have that, else twice. Each fused step is asked for by name and no other
   product is fused (-ffp-contract=off): a compiler that is left to choose fuses or not by what
   stands around a product, a loop over dense elements or one over strided ones, a value that is
   used again, and an element would have other bits in each. Nor does a function's own name for it
   do, fma(), where the instructions lack it: a call for each element. So files are compiled once
   for each level (loop/level.h), and on one processor all of them are at one level. */

#include "backend/cpu/loop/loop.h"

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__FP_FAST_FMAF)
#define WR_HAS_FMA 1
WR_INLINE float wr_mul_addf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
WR_INLINE double wr_mul_add(double a, double b, double c) { return __builtin_fma(a, b, c); }
#else
#define WR_HAS_FMA 0
WR_INLINE float wr_mul_addf(float a, float b, float c) { return a * b + c; }
WR_INLINE double wr_mul_add(double a, double b, double c) { return a * b + c; }
#endif

/* Three steps of Horner's rule for a polynomial in x. */
WR_INLINE float wr_horner3f(float p, float x, float a, float b, float c) {
  p = wr_mul_addf(p, x, a);
  p = wr_mul_addf(p, x, b);
  return wr_mul_addf(p, x, c);
}

WR_INLINE double wr_horner3(double p, double x, double a, double b, double c) {
  p = wr_mul_add(p, x, a);
  p = wr_mul_add(p, x, b);
  return wr_mul_add(p, x, c);
}

#endif
