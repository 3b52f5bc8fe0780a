#ifndef WR_BACKEND_CPU_FFT_PASSES_H
#define WR_BACKEND_CPU_FFT_PASSES_H

/* Discrete Fourier transforms of several lines side by side: lane l of each element belongs to line
   l, so that every step is the same for all lanes and needs no shuffles. Lengths are products of
   primes up to WR_FFT_LARGEST; y_k = sum over j of x_j exp(-2 pi i j k / n). The other direction is
   this one with real and imaginary parts exchanged, before and after. No locks. */

#include <stdbool.h>
#include <stdint.h>

#include "backend/cpu/loop/loop.h"

enum { WR_FFT_LANES = 16, WR_FFT_LARGEST = 61, WR_FFT_PASSES = 32 };

struct wr_fft_lanes {
  float re[WR_FFT_LANES];
  float im[WR_FFT_LANES];
};

/* Immutable once made. */
struct wr_fft_passes {
  int64_t n;
  int64_t bytes; /* of this and all that belongs to it */
  int count;
  struct wr_fft_pass {
    int radix;
    int64_t done;       /* the product of the radices before */
    int64_t left;       /* of those after */
    const float *turns; /* by place in `left`, then radix - 1 complex numbers */
    const float *roots; /* the radix-th roots of one, complex; of radices above 5 */
  } pass[WR_FFT_PASSES];
};

/* True when the length is one for passes. */
bool wr_fft_is_smooth(int64_t n);
/* In one piece of memory, for wr_free; NULL when memory is refused. */
struct wr_fft_passes *wr_fft_passes_new(int64_t n);
/* Transforms the n elements at `a`, with `b` as room for as many; the result is in the one that it
   returns. */
struct wr_fft_lanes *wr_fft_passes_run(const struct wr_fft_passes *p, struct wr_fft_lanes *a,
                                       struct wr_fft_lanes *b);

#endif
