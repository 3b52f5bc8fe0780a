/* Totals of running logarithms of sums (log_scan.cu, whose head says what is kept of them): a sum of
   exponentials with its unit, or the logarithm of one; how two of them are joined, and those of a warp. */

/* ---- exponentials and logarithms ---- */

#define LOG2_E 1.4426950408889634
#define LN_2 0.6931471805599453
/* What is added to a double whose low bits are to be a whole number. */
#define WHOLE 6755399441055744.0

INLINE double infinity() { return infinity_like(0.0); }
INLINE int high_of(double x) { return __double2hiint(x); }
/* x times 2^k, where neither it nor the result is 0, subnormal or infinite. */
INLINE double scaled(double x, int k) {
  return __hiloint2double(high_of(x) + (int)((u32)k << 20), __double2loint(x));
}

/* e^x for |x| <= log(2) / 2, to 50 bits. */
INLINE double near_exponential(double x) {
  double y = 2.7557300089152484e-07;
  y = fma(y, x, 2.7632679212099353e-06);
  y = fma(y, x, 2.480169125345537e-05);
  y = fma(y, x, 0.00019841190600521322);
  y = fma(y, x, 0.0013888888763907035);
  y = fma(y, x, 0.008333333367312682);
  y = fma(y, x, 0.04166666666713608);
  y = fma(y, x, 0.16666666666615726);
  y = fma(y, x, 0.4999999999999955);
  y = fma(y, x, 1.0);
  return fma(y, x, 1.0);
}

/* The whole number nearest to x / log(2), in the low bits. */
INLINE double turns(double x) { return fma(x, LOG2_E, WHOLE); }
/* e^x / 2^unit, in the range of doubles. */
INLINE double exponential(double x, int unit) {
  const double n = turns(x), rest = fma(n - WHOLE, -LN_2, x);
  return scaled(near_exponential(rest), __double2loint(n) - unit);
}

/* The logarithm of x times 2^unit, x positive and neither subnormal nor infinite: of a number between
   the square roots of 1/2 and 2 by the series of artanh((x - 1) / (x + 1)). */
INLINE double logarithm(double x, int unit) {
  const int n = (high_of(x) - 0x3fe6a09e) >> 20;
  const double near = scaled(x, -n), up = near - 1, down = near + 1;
  double r;
  asm("rcp.approx.ftz.f64 %0, %1;" : "=d"(r) : "d"(down));
  const double guess = up * r, ratio = fma(r, fma(-down, guess, up), guess), z = ratio * ratio;
  double y = 0.23584929893391982;
  y = fma(y, z, 0.2853717148820353);
  y = fma(y, z, 0.4000033718411581);
  y = fma(y, z, 0.6666666563749267);
  y = fma(y, z, 2.0);
  return fma((double)(n + unit), LN_2, ratio * y);
}

/* ---- totals ---- */

/* SUM: `x` is a sum of exponentials, its unit 2^unit. LOGARITHM: x is the logarithm of one. */
enum { SUM, LOGARITHM };
struct total_t {
  double x;
  int unit; /* of all sums of a line but the sum of nothing */
  int kind;
};

INLINE total_t make_total(double x, int unit, int kind) {
  total_t t;
  t.x = x;
  t.unit = unit;
  t.kind = kind;
  return t;
}

INLINE total_t nothing() { return make_total(0, 0, SUM); }

/* How far elements may be from the middle of a line's, and results from 0 where they are near it. */
#define REACH 550
#define SMALL 0.00390625

INLINE double value_of(const total_t &t) {
  return t.kind == LOGARITHM ? t.x : fma((double)t.unit, LN_2, log(t.x));
}

/* A sum again, where that can be: what is out of reach would leave the range of doubles. */
INLINE total_t as_total(double x, int unit) {
  const double away = x - unit * LN_2;
  if (!(fabs(away) < REACH && fabs(x) >= SMALL)) return make_total(x, unit, LOGARITHM);
  return make_total(exp(away), unit, SUM);
}

__device__ __noinline__ double join_logarithms(double a, double b) { return op_logaddexp(a, b); }

__device__ __noinline__ total_t joined_slowly(total_t a, total_t b) {
  return as_total(join_logarithms(value_of(a), value_of(b)), a.unit | b.unit);
}

/* A sum of nothing has no unit. */
INLINE total_t join(const total_t &a, const total_t &b) {
  if ((a.kind | b.kind) == SUM) return make_total(a.x + b.x, a.unit | b.unit, SUM);
  return joined_slowly(a, b);
}

/* What the lanes up to this one come to. */
INLINE double sum_lanes(double mine) {
#pragma unroll
  for (int by = 1; by < 32; by *= 2) {
    const double lower = __shfl_up_sync(~0u, mine, by);
    if (threadIdx.x % 32 >= by) mine += lower;
  }
  return mine;
}

/* The same of logarithms. */
INLINE double join_logarithms_of_lanes(double mine) {
#pragma unroll 1
  for (int by = 1; by < 32; by *= 2) {
    const double lower = __shfl_up_sync(~0u, mine, by);
    if (threadIdx.x % 32 >= by) mine = join_logarithms(lower, mine);
  }
  return mine;
}

/* Of all lanes, whose units are the same or 0. The warp has an instruction for it from 8.0 on. */
INLINE int unit_of_lanes(int unit) {
#pragma unroll
  for (int by = 1; by < 32; by *= 2) unit |= __shfl_xor_sync(~0u, unit, by);
  return unit;
}

INLINE total_t join_lanes(total_t mine) {
#if __CUDA_ARCH__ >= 800
  const int unit = (int)__reduce_or_sync(~0u, (u32)mine.unit);
#else
  const int unit = unit_of_lanes(mine.unit);
#endif
  if (!__any_sync(~0u, mine.kind != SUM)) return make_total(sum_lanes(mine.x), unit, SUM);
  return as_total(join_logarithms_of_lanes(value_of(mine)), unit);
}
