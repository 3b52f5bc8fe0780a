#ifndef WR_BACKEND_CPU_FFT_LINE_H
#define WR_BACKEND_CPU_FFT_LINE_H

/* Where the elements of lines lie in memory, and the transform of one long line. No locks. */

#include "backend/cpu/fft_plan.h"

#define WR_FFT_NONE INT64_MIN

/* Elements that are `step` floats apart; where the parts of each lie from there. A part that lies
   nowhere (WR_FFT_NONE) reads as 0 and is not written. */
struct wr_fft_side {
  float *data;
  int64_t step;
  int64_t re, im;
};

static inline struct wr_fft_side wr_fft_exchanged(struct wr_fft_side side) {
  return (struct wr_fft_side){side.data, side.step, side.im, side.re};
}
/* A dense line of complex numbers. */
static inline struct wr_fft_side wr_fft_dense(float *line) {
  return (struct wr_fft_side){line, 2, 0, 1};
}

/* n elements of each of the lines that begin so many floats behind `data`, side by side, and back,
   of the first `count` of them. */
void wr_fft_load(struct wr_fft_lanes *to, int64_t n, const struct wr_fft_side *from,
                 const int64_t *offsets);
void wr_fft_store(const struct wr_fft_lanes *from, int64_t n, const struct wr_fft_side *to,
                  const int64_t *offsets, int count, float scale);

/* to = scale times the transform of the plan->n elements of `from`, spread over the pool; false
   when memory is refused. Of a plan with rows. `to` may be `from`. */
bool wr_fft_line(const struct wr_fft_plan *plan, const struct wr_fft_side *from,
                 const struct wr_fft_side *to, float scale);

#endif
