#ifndef WR_BACKEND_CPU_FFT_PLAN_H
#define WR_BACKEND_CPU_FFT_PLAN_H

/* What transforms of one length need, made once and kept for the next. A plan is immutable and
   counted; the latest few are kept, up to a number of bytes. Any thread; one lock of rank BACKEND,
   not held while a plan is made. */

#include "backend/cpu/fft_passes.h"

/* exp(-2 pi i t / n), as a product of two entries of tables of some sqrt(n) in double. */
struct wr_fft_turns {
  int64_t n;
  int shift;
  const double *low;  /* complex, by the lowest `shift` bits of t */
  const double *high; /* by the others */
};

struct wr_fft_turn {
  double re, im;
};

static inline struct wr_fft_turn wr_fft_turn_of(const struct wr_fft_turns *turns, int64_t t) {
  const double *a = turns->low + 2 * (t & ((INT64_C(1) << turns->shift) - 1));
  const double *b = turns->high + 2 * (t >> turns->shift);
  return (struct wr_fft_turn){a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]};
}

/* A transform of n complex numbers. Where n has a large prime factor it is a convolution of
   `length` elements (Bluestein: A linear filtering approach to the computation of discrete Fourier
   transform, 1970), else length is n. */
struct wr_fft_plan {
  int64_t n;
  int64_t length;
  struct wr_fft_passes *whole; /* of `length`, for lines side by side; NULL: too long for that */

  /* A single line of `length` as a matrix of rows x columns (Bailey: FFTs in external or
     hierarchical memory, 1990); rows is 0 where it is too short for that. */
  int64_t rows, columns;
  struct wr_fft_passes *down;        /* of length rows */
  struct wr_fft_passes *along;       /* of length columns */
  struct wr_fft_lanes *column_turns; /* lane l of row k: turn l k of `length` */
  struct wr_fft_turns turns;         /* of `length`; with rows */

  float *chirp;  /* n complex numbers; NULL where length is n */
  float *kernel; /* `length` of them: the transform of the convolution's other side, / length */
  struct wr_fft_turns double_turns; /* of 2 n, for real lines */
};

/* The plan, with one reference; NULL when memory is refused. */
const struct wr_fft_plan *wr_fft_plan_get(int64_t n);
void wr_fft_plan_release(const struct wr_fft_plan *plan);

/* fft_line.c: transforms the line of plan->length complex numbers at `line` in place, spread over
   the pool; false when memory is refused. Of a plan with rows. For the other direction real and
   imaginary parts are exchanged. */
bool wr_fft_line_in_place(const struct wr_fft_plan *plan, float *line, bool exchanged);

#endif
