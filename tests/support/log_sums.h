#ifndef WR_TESTS_SUPPORT_LOG_SUMS_H
#define WR_TESTS_SUPPORT_LOG_SUMS_H

/* Lines at whose running logarithms of sums of exponentials a scan may go wrong: far apart, far
   from 0, of nothing, with results near 0 that have to keep their digits; and whether results are
   those. */

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

enum { LOG_SUMS_KINDS = 15 };

/* From -1 to 1. */
static inline float log_sums_any(uint32_t *seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return (float)((int32_t)(*seed >> 8) - (1 << 23)) / (float)(1 << 23);
}

/* Element i of a line of n. */
static inline float log_sums_element(int kind, int64_t i, int64_t n, uint32_t *seed) {
  const float any = log_sums_any(seed), wave = 2 * (any + log_sums_any(seed));
  const bool even = *seed >> 16 & 1;
  switch (kind) {
    case 1:
      return 100 * wave;
    case 2: /* out of reach of each other */
      return 1000 * wave;
    case 3:
      return even ? wave : -INFINITY;
    case 4:
      return -3000 + 30 * wave;
    case 5:
      return even ? 0.0f : -0.0f;
    case 6:
      return 1e-10f * wave;
    case 7: /* one near 0, the others far below */
      return i == n / 7 ? 1e-10f : -40 + 5 * any;
    case 8: /* one near 0 alone */
      return i == 3 % n ? -1e-12f : -INFINITY;
    case 9: /* probabilities that add up to 1 */
      return (float)log(1.0 / (double)n);
    case 10:
      return i == 250 ? NAN : i == 40 ? 1000 : wave;
    case 11:
      return i == 200 ? INFINITY : wave;
    case 12:
      return -INFINITY;
    case 13:
      return i < 20 ? -INFINITY : -2000 + wave;
    case 14:
      return (float)((int)(*seed >> 16 & 3) * 400 - 800);
    default:
      return wave;
  }
}

/* The logarithm of the sum so far: of e^most (1 + rest). */
struct log_sum {
  long double most, rest;
};

static inline long double log_sum_value(const struct log_sum *s) {
  return isinf(s->most) || isnan(s->most) ? s->most : s->most + log1pl(s->rest);
}

static inline void log_sum_add(struct log_sum *s, long double x) {
  if (isnan(s->most) || x == -INFINITY) return;
  if (isnan(x) || isinf(x) || isinf(s->most)) {
    const bool is_less = x < s->most;
    *s = (struct log_sum){is_less ? s->most : x, 0};
  } else if (x <= s->most) {
    s->rest += expl(x - s->most);
  } else {
    *s = (struct log_sum){x, (1 + s->rest) * expl(s->most - x)};
  }
}

/* Whether y is x rounded to so many bits, or what is next to it where x is nearly between both.
   Numbers that leave the type's range may be infinite. */
static inline bool log_sums_is(float y, long double x, int bits, long double most,
                               long double lost) {
  if (isnan(x) || isnan(y)) return isnan(x) && isnan(y);
  if (isinf(x) || isinf(y)) return y == x || (fabsl(x) >= most && signbit(y) == signbit(x));
  int exponent;
  frexpl(x, &exponent);
  const int least = bits == 11 ? -13 : -125;
  return fabsl(y - x) <= ldexpl(0.501L, (exponent > least ? exponent : least) - bits) + lost;
}

/* One line of n elements, `step` apart in x and y. Returns the first wrong one, or -1. */
static inline int64_t log_sums_wrong(const float *x, const float *y, int64_t n, int64_t step,
                                     bool reverse, bool inclusive, int bits, int kind) {
  const long double most = bits == 11 ? 65504 : FLT_MAX;
  const long double lost = kind == 9 ? 1e-13L : 0; /* what cancels leaves the error of sums */
  struct log_sum sum = {-INFINITY, 0};
  for (int64_t i = 0; i < n; i++) {
    const int64_t at = (reverse ? n - 1 - i : i) * step;
    const long double before = log_sum_value(&sum);
    log_sum_add(&sum, x[at]);
    if (!log_sums_is(y[at], inclusive ? log_sum_value(&sum) : before, bits, most, lost)) {
      return at;
    }
  }
  return -1;
}

#endif
