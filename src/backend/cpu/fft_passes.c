/* The passes of a transform, one for each factor of its length, which read one buffer and write the
   other so that the result comes in order (Stockham's autosort; Cochran et al.: What is the fast
   Fourier transform?, 1967; Swarztrauber: Vectorizing the FFTs, 1982). Factors of its own code are
   4, 2, 3 and 5; a larger prime goes by sums over pairs of inputs. Twiddle factors are computed in
   double. Plain functions, no locks. */

#include "backend/cpu/fft_passes.h"

#include <math.h>
#include <string.h>

#include "base/base.h"

enum { LANES = WR_FFT_LANES, PAIRS = WR_FFT_LARGEST / 2 };

static const double turn = -6.28318530717958647692528676655900577;

struct number {
  float re, im;
};

WR_INLINE struct number at(const struct wr_fft_lanes *x, int l) {
  return (struct number){x->re[l], x->im[l]};
}
WR_INLINE void put(struct wr_fft_lanes *x, int l, struct number v) {
  x->re[l] = v.re;
  x->im[l] = v.im;
}
WR_INLINE struct number add(struct number a, struct number b) {
  return (struct number){a.re + b.re, a.im + b.im};
}
WR_INLINE struct number subtract(struct number a, struct number b) {
  return (struct number){a.re - b.re, a.im - b.im};
}
WR_INLINE struct number scaled(float f, struct number a) {
  return (struct number){f * a.re, f * a.im};
}
/* a - i b and a + i b. */
WR_INLINE struct number less_turned(struct number a, struct number b) {
  return (struct number){a.re + b.im, a.im - b.re};
}
WR_INLINE struct number plus_turned(struct number a, struct number b) {
  return (struct number){a.re - b.im, a.im + b.re};
}
/* Times entry j of a table of complex numbers. */
WR_INLINE struct number turned(struct number a, const float *table, int j) {
  const float re = table[2 * j], im = table[2 * j + 1];
  return (struct number){a.re * re - a.im * im, a.re * im + a.im * re};
}

/* Each pass: element j of a group is `left` away from the one before, and its result `done * left`;
   w is what the results but the first are multiplied by. */
#define WR_FFT_PASS(name)                                                                         \
  WR_WIDE static void name(const struct wr_fft_pass *p, const struct wr_fft_lanes *restrict from, \
                           struct wr_fft_lanes *restrict to)

WR_INLINE void group_2(const struct wr_fft_lanes *restrict x, int64_t s,
                       struct wr_fft_lanes *restrict y, int64_t t, const float *w) {
  WR_INDEPENDENT
  for (int l = 0; l < LANES; l++) {
    const struct number a = at(x, l), b = at(x + s, l);
    put(y, l, add(a, b));
    put(y + t, l, turned(subtract(a, b), w, 0));
  }
}

WR_INLINE void group_3(const struct wr_fft_lanes *restrict x, int64_t s,
                       struct wr_fft_lanes *restrict y, int64_t t, const float *w) {
  const float sine = 0.866025403784438646763723170752936183f;
  WR_INDEPENDENT
  for (int l = 0; l < LANES; l++) {
    const struct number a = at(x, l), b = at(x + s, l), c = at(x + 2 * s, l);
    const struct number sum = add(b, c), rest = scaled(sine, subtract(b, c));
    const struct number middle = subtract(a, scaled(0.5f, sum));
    put(y, l, add(a, sum));
    put(y + t, l, turned(less_turned(middle, rest), w, 0));
    put(y + 2 * t, l, turned(plus_turned(middle, rest), w, 1));
  }
}

WR_INLINE void group_4(const struct wr_fft_lanes *restrict x, int64_t s,
                       struct wr_fft_lanes *restrict y, int64_t t, const float *w) {
  WR_INDEPENDENT
  for (int l = 0; l < LANES; l++) {
    const struct number a = at(x, l), b = at(x + s, l), c = at(x + 2 * s, l), d = at(x + 3 * s, l);
    const struct number even = add(a, c), odd = add(b, d);
    const struct number even_less = subtract(a, c), odd_less = subtract(b, d);
    put(y, l, add(even, odd));
    put(y + t, l, turned(less_turned(even_less, odd_less), w, 0));
    put(y + 2 * t, l, turned(subtract(even, odd), w, 1));
    put(y + 3 * t, l, turned(plus_turned(even_less, odd_less), w, 2));
  }
}

WR_INLINE void group_5(const struct wr_fft_lanes *restrict x, int64_t s,
                       struct wr_fft_lanes *restrict y, int64_t t, const float *w) {
  const float cos1 = 0.309016994374947424102293417182819059f;
  const float cos2 = -0.809016994374947424102293417182819059f;
  const float sin1 = 0.951056516295153572116439333379382143f;
  const float sin2 = 0.587785252292473129168705954639072769f;
  WR_INDEPENDENT
  for (int l = 0; l < LANES; l++) {
    const struct number a = at(x, l), b = at(x + s, l), c = at(x + 2 * s, l);
    const struct number d = at(x + 3 * s, l), e = at(x + 4 * s, l);
    const struct number sum1 = add(b, e), sum2 = add(c, d);
    const struct number less1 = subtract(b, e), less2 = subtract(c, d);
    const struct number m1 = add(a, add(scaled(cos1, sum1), scaled(cos2, sum2)));
    const struct number m2 = add(a, add(scaled(cos2, sum1), scaled(cos1, sum2)));
    const struct number r1 = add(scaled(sin1, less1), scaled(sin2, less2));
    const struct number r2 = subtract(scaled(sin2, less1), scaled(sin1, less2));
    put(y, l, add(a, add(sum1, sum2)));
    put(y + t, l, turned(less_turned(m1, r1), w, 0));
    put(y + 2 * t, l, turned(less_turned(m2, r2), w, 1));
    put(y + 3 * t, l, turned(plus_turned(m2, r2), w, 2));
    put(y + 4 * t, l, turned(plus_turned(m1, r1), w, 3));
  }
}

/* to += f from, in all lanes. */
WR_INLINE void accumulate(struct wr_fft_lanes *restrict to, float f,
                          const struct wr_fft_lanes *restrict from) {
  WR_INDEPENDENT
  for (int l = 0; l < LANES; l++) put(to, l, add(at(to, l), scaled(f, at(from, l))));
}

/* An odd prime: results j and radix - j are a sum over cosines less and plus i times one over
   sines, of the sums and the differences of inputs i and radix - i. */
WR_INLINE void group_odd(const struct wr_fft_lanes *restrict x, int64_t s,
                         struct wr_fft_lanes *restrict y, int64_t t, const float *w, int radix,
                         const float *roots) {
  struct wr_fft_lanes sums[PAIRS], rests[PAIRS], even, odd;
  const int pairs = radix / 2;
  even = *x;
  for (int i = 0; i < pairs; i++) {
    const struct wr_fft_lanes *a = x + (i + 1) * s, *b = x + (radix - 1 - i) * s;
    WR_INDEPENDENT
    for (int l = 0; l < LANES; l++) {
      put(&sums[i], l, add(at(a, l), at(b, l)));
      put(&rests[i], l, subtract(at(a, l), at(b, l)));
    }
    accumulate(&even, 1.0f, &sums[i]);
  }
  *y = even;
  for (int j = 1; j <= pairs; j++) {
    even = *x;
    memset(&odd, 0, sizeof odd);
    for (int i = 0; i < pairs; i++) {
      const float *root = roots + 2 * ((i + 1) * j % radix);
      accumulate(&even, root[0], &sums[i]);
      accumulate(&odd, -root[1], &rests[i]);
    }
    struct wr_fft_lanes *a = y + j * t, *b = y + (radix - j) * t;
    WR_INDEPENDENT
    for (int l = 0; l < LANES; l++) {
      put(a, l, turned(less_turned(at(&even, l), at(&odd, l)), w, j - 1));
      put(b, l, turned(plus_turned(at(&even, l), at(&odd, l)), w, radix - j - 1));
    }
  }
}

WR_INLINE void group(int radix, const struct wr_fft_pass *p,
                     const struct wr_fft_lanes *restrict from, struct wr_fft_lanes *restrict to) {
  const int64_t left = p->left, across = p->done * left;
  for (int64_t k = 0; k < p->done; k++) {
    for (int64_t i = 0; i < left; i++) {
      const struct wr_fft_lanes *x = from + i + left * radix * k;
      struct wr_fft_lanes *y = to + i + left * k;
      const float *w = p->turns + 2 * (radix - 1) * i;
      switch (radix) {
#define GROUP(radix)                      \
  case radix:                             \
    group_##radix(x, left, y, across, w); \
    break;
        GROUP(2)
        GROUP(3)
        GROUP(4)
        GROUP(5)
#undef GROUP
        default:
          group_odd(x, left, y, across, w, radix, p->roots);
      }
    }
  }
}

WR_FFT_PASS(pass_2) { group(2, p, from, to); }
WR_FFT_PASS(pass_3) { group(3, p, from, to); }
WR_FFT_PASS(pass_4) { group(4, p, from, to); }
WR_FFT_PASS(pass_5) { group(5, p, from, to); }
WR_FFT_PASS(pass_odd) { group(p->radix, p, from, to); }

struct wr_fft_lanes *wr_fft_passes_run(const struct wr_fft_passes *p, struct wr_fft_lanes *a,
                                       struct wr_fft_lanes *b) {
  for (int i = 0; i < p->count; i++) {
    const struct wr_fft_pass *pass = &p->pass[i];
    if (pass->radix == 4) {
      pass_4(pass, a, b);
    } else if (pass->radix == 2) {
      pass_2(pass, a, b);
    } else if (pass->radix == 3) {
      pass_3(pass, a, b);
    } else if (pass->radix == 5) {
      pass_5(pass, a, b);
    } else {
      pass_odd(pass, a, b);
    }
    struct wr_fft_lanes *result = b;
    b = a;
    a = result;
  }
  return a;
}

/* ---- making them ---- */

/* The next factor of n, which is above 1; 0 when it has none that a pass can be made of. */
static int factor_of(int64_t n) {
  if (n % 4 == 0) return 4;
  for (int f = 2; f <= WR_FFT_LARGEST; f++) {
    if (n % f == 0) return f;
  }
  return 0;
}

bool wr_fft_is_smooth(int64_t n) {
  while (n > 1) {
    const int f = factor_of(n);
    if (f == 0) return false;
    n /= f;
  }
  return true;
}

static float *write_turns(float *out, const struct wr_fft_pass *p, int64_t n) {
  for (int64_t i = 0; i < p->left; i++) {
    for (int64_t j = 1; j < p->radix; j++) {
      const double angle = turn * (double)(j * i * p->done) / (double)n;
      *out++ = (float)cos(angle);
      *out++ = (float)sin(angle);
    }
  }
  return out;
}

static float *write_roots(float *out, int radix) {
  for (int j = 0; j < radix; j++) {
    *out++ = (float)cos(turn * j / radix);
    *out++ = (float)sin(turn * j / radix);
  }
  return out;
}

struct wr_fft_passes *wr_fft_passes_new(int64_t n) {
  struct wr_fft_passes p = {.n = n};
  int64_t floats = 0;
  for (int64_t done = 1; done < n; p.count++) {
    struct wr_fft_pass *pass = &p.pass[p.count];
    pass->radix = factor_of(n / done);
    pass->done = done;
    done *= pass->radix;
    pass->left = n / done;
    floats += 2 * (pass->left * (pass->radix - 1) + pass->radix);
  }
  p.bytes = (int64_t)sizeof p + floats * (int64_t)sizeof(float);
  struct wr_fft_passes *made = wr_alloc((size_t)p.bytes);
  if (!made) return NULL;
  float *at_turns = (float *)(made + 1);
  for (int i = 0; i < p.count; i++) {
    p.pass[i].turns = at_turns;
    at_turns = write_turns(at_turns, &p.pass[i], n);
    p.pass[i].roots = at_turns;
    at_turns = write_roots(at_turns, p.pass[i].radix);
  }
  *made = p;
  return made;
}
