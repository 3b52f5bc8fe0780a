#ifndef WR_BACKEND_CPU_TOTALS_H
#define WR_BACKEND_CPU_TOTALS_H

/* Running totals and what joins two of them, for reductions and scans. Totals are wider than the
   elements: u (uint64_t, of bool too) and i (int64_t) wrap in 64 bits, of which a result keeps the
   low ones, f is float, of maxima and minima alone, d is double, and w a complex number of two
   doubles. Names end in the kind: sum_u, max_w. A NaN that max or min meets stays, on either side;
   complex numbers compare by real part, then by imaginary part. */

#include <math.h>
#include <stdint.h>

struct wr_complex_total {
  double re, im;
};

/* Signed operations go through unsigned ones, which wrap. */
static inline uint64_t sum_u(uint64_t a, uint64_t b) { return a + b; }
static inline int64_t sum_i(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static inline double sum_d(double a, double b) { return a + b; }
static inline struct wr_complex_total sum_w(struct wr_complex_total a, struct wr_complex_total b) {
  return (struct wr_complex_total){a.re + b.re, a.im + b.im};
}

static inline uint64_t prod_u(uint64_t a, uint64_t b) { return a * b; }
static inline int64_t prod_i(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }
static inline double prod_d(double a, double b) { return a * b; }
static inline struct wr_complex_total prod_w(struct wr_complex_total a, struct wr_complex_total b) {
  return (struct wr_complex_total){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* A NaN in b is taken; a NaN in a stays, since nothing compares greater or less. */
static inline uint64_t max_u(uint64_t a, uint64_t b) { return b > a ? b : a; }
static inline int64_t max_i(int64_t a, int64_t b) { return b > a ? b : a; }
static inline float max_f(float a, float b) {
  float m = b > a ? b : a;
  return b != b ? b : m;
}
static inline double max_d(double a, double b) {
  double m = b > a ? b : a;
  return b != b ? b : m;
}
static inline struct wr_complex_total max_w(struct wr_complex_total a, struct wr_complex_total b) {
  if (a.re != a.re || a.im != a.im) return a;
  if (b.re != b.re || b.im != b.im) return b;
  return b.re > a.re || (b.re == a.re && b.im > a.im) ? b : a;
}

static inline uint64_t min_u(uint64_t a, uint64_t b) { return b < a ? b : a; }
static inline int64_t min_i(int64_t a, int64_t b) { return b < a ? b : a; }
static inline float min_f(float a, float b) {
  float m = b < a ? b : a;
  return b != b ? b : m;
}
static inline double min_d(double a, double b) {
  double m = b < a ? b : a;
  return b != b ? b : m;
}
static inline struct wr_complex_total min_w(struct wr_complex_total a, struct wr_complex_total b) {
  if (a.re != a.re || a.im != a.im) return a;
  if (b.re != b.re || b.im != b.im) return b;
  return b.re < a.re || (b.re == a.re && b.im < a.im) ? b : a;
}

#endif
