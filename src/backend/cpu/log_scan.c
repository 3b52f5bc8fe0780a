/* Running logarithms of sums of exponentials. Exponentials beside that of what comes before are
   summed, and each result is the logarithm of a sum: one exponential and one logarithm for each
   element, of many at once, where joining logarithms takes several of both, one after the other.
   Doubles of a sum have room for elements within REACH of what comes before; others are joined one
   by one. So are those one of whose results is near 0: of one element that outweighs the others
   such a result has to keep its digits, which a sum near 1 has not. No locks, no allocation. */

#include "backend/cpu/log_scan.h"

#include "backend/cpu/scalar/scalar.h"

#define REACH 600.0
#define SMALL 0x1p-8

/* Sums go in so many runs at a time, as none has to wait for another's. */
enum { RUNS = 4 };

/* e^x for |x| <= REACH. */
WR_INLINE double near_exp(double x) {
  uint64_t n;
  const double p = wr_exp64_parts(x, &n);
  return wr_f64_from_bits(wr_f64_bits(1.0 + p) + (n << 52));
}

/* e^(x - middle); returns whether all are in reach. */
WR_WIDE static bool exponentials(const float *restrict x, double *restrict e, int n,
                                 double middle) {
  int64_t far = 0;
  for (int i = 0; i < n; i++) {
    const double away = (double)x[i] - middle;
    const bool is_none = x[i] == -INFINITY;
    far |= !(is_none | (fabs(away) <= REACH));
    const double y = near_exp(away);
    e[i] = is_none ? 0.0 : y;
  }
  return far == 0;
}

/* The sums of each run, which are all of the same length. */
static void sum_runs(double *e, int n) {
  const int length = n / RUNS;
  double sum[RUNS] = {0};
  for (int i = 0; i < length; i++) {
    for (int r = 0; r < RUNS; r++) e[r * length + i] = sum[r] += e[r * length + i];
  }
}

/* middle + log(before + e); returns whether all but those of nothing are far enough from 0. */
WR_WIDE static bool logarithms(double *e, int n, double middle, double before) {
  int64_t near = 0;
  for (int i = 0; i < n; i++) {
    const double sum = before + e[i], y = middle + f64_usual_log(sum);
    near |= (sum > 0.0) & (fabs(y) < SMALL);
    e[i] = sum > 0.0 ? y : -(double)INFINITY;
  }
  return near == 0;
}

/* Returns false where elements have to be joined one by one; y is of no use then. */
static bool scan_quickly(const float *x, double *y, int n, double carry) {
  float padded[WR_LOG_SCAN];
  const int whole = (n + RUNS - 1) / RUNS * RUNS, length = whole / RUNS;
  const bool any = carry != -(double)INFINITY;
  const double middle = any ? carry : (double)x[0];
  if (!(fabs(middle) < (double)INFINITY)) return false;
  for (int i = 0; i < whole; i++) padded[i] = i < n ? x[i] : -INFINITY;
  double e[WR_LOG_SCAN];
  if (!exponentials(padded, e, whole, middle)) return false;
  sum_runs(e, whole);
  double before = any ? 1.0 : 0.0;
  for (int r = 0; r < RUNS; r++) {
    const double all = before + e[r * length + length - 1];
    if (!logarithms(e + r * length, length, middle, before)) return false;
    before = all;
  }
  memcpy(y, e, (size_t)n * sizeof *y);
  return true;
}

void wr_log_scan(const float *x, double *y, int n, double *carry) {
  if (!scan_quickly(x, y, n, *carry)) {
    double sum = *carry;
    for (int i = 0; i < n; i++) y[i] = sum = f64_logaddexp(sum, (double)x[i]);
  }
  *carry = y[n - 1];
}
