#ifndef WR_BACKEND_CPU_SCALAR_VECTOR_LOG_H
#define WR_BACKEND_CPU_SCALAR_VECTOR_LOG_H

/* Functions of float32 that are made of logarithms, as vector_exp.h has those of e^x: no calls, no
   branches, float32 throughout, within 2 ulp. A logarithm is that of the exponent, in two parts of
   which the first has so few bits that its multiples are exact, and a polynomial of the mantissa
   less 1; no division. */

#include <math.h>

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/scalar/vector_exp.h"

/* x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2). */
struct wr_log32 {
  float f;
  int32_t k;
};

/* For x that is not positive, normal and finite: anything. */
WR_INLINE struct wr_log32 wr_log32_normal(float x) {
  const uint32_t bits = wr_f32_bits(x);
  const int32_t k = (int32_t)(bits - 0x3f3504f3u) >> 23;
  return (struct wr_log32){wr_f32_from_bits(bits - ((uint32_t)k << 23)) - 1.0f, k};
}

/* A subnormal x counts as 2^24 x. */
WR_INLINE struct wr_log32 wr_log32_parts(float x, float *k) {
  const bool is_small = x < 0x1p-126f;
  const uint32_t more = (uint32_t)is_small * 24u;
  const struct wr_log32 l = wr_log32_normal(x * wr_power_of_2(more));
  *k = (float)(l.k - (int32_t)more);
  return l;
}

/* k ln 2 + log(1 + f) + more, where `more` is small. */
WR_INLINE float wr_log32_sum(float f, float k, float more) {
  float p = -0x1.3830c2p-4f;
  p = wr_horner3f(p, f, 0x1.0848a4p-3f, -0x1.0f3762p-3f, 0x1.227192p-3f);
  p = wr_horner3f(p, f, -0x1.54276cp-3f, 0x1.99a3f4p-3f, -0x1.000426p-2f);
  p = wr_mul_addf(p, f, 0x1.55555p-2f);
  p = wr_mul_addf(p, f, -0x1.fffff8p-2f);
  const float low = wr_mul_addf(k, 0x1.7f7d1cp-20f, more);
  return wr_mul_addf(k, 0x1.62e4p-1f, f + wr_mul_addf(p, f * f, low));
}

/* What the logarithms of all other numbers are, and of a positive one `finite`. */
WR_INLINE float wr_log_result(float x, float finite) {
  const float outside = x == 0.0f ? -INFINITY : NAN;
  const float y = x > 0.0f ? finite : outside;
  return x < INFINITY ? y : x;
}

/* Whether x is positive, normal and finite: of these the functions f32_usual_* are the same. */
WR_INLINE bool f32_is_usual(float x) { return wr_f32_bits(x) - 0x00800000u < 0x7f000000u; }

WR_INLINE float f32_usual_log(float x) {
  const struct wr_log32 l = wr_log32_normal(x);
  return wr_log32_sum(l.f, (float)l.k, 0.0f);
}

WR_INLINE float f32_log(float x) {
  float k;
  const struct wr_log32 l = wr_log32_parts(x, &k);
  return wr_log_result(x, wr_log32_sum(l.f, k, 0.0f));
}

/* f, whose product with 1 is exact, and the rest. */
WR_INLINE float wr_log2_sum(float f, float k) {
  float p = -0x1.c25b2ep-4f;
  p = wr_horner3f(p, f, 0x1.7d499ep-3f, -0x1.874becp-3f, 0x1.a3059ap-3f);
  p = wr_horner3f(p, f, -0x1.eabc86p-3f, 0x1.277e38p-2f, -0x1.715a76p-2f);
  p = wr_horner3f(p, f, 0x1.ec7096p-2f, -0x1.71547p-1f, 0x1.c551dap-2f);
  return k + wr_mul_addf(p, f, f);
}

WR_INLINE float f32_usual_log2(float x) {
  const struct wr_log32 l = wr_log32_normal(x);
  return wr_log2_sum(l.f, (float)l.k);
}

WR_INLINE float f32_log2(float x) {
  float k;
  const float f = wr_log32_parts(x, &k).f;
  return wr_log_result(x, wr_log2_sum(f, k));
}

/* f / 2, and the rest. */
WR_INLINE float wr_log10_sum(float f, float k) {
  float p = -0x1.0f2436p-5f;
  p = wr_horner3f(p, f, 0x1.cb1dbp-5f, -0x1.d72b04p-5f, 0x1.f88d78p-5f);
  p = wr_horner3f(p, f, -0x1.2773e8p-4f, 0x1.63cf1ep-4f, -0x1.bcbeeap-4f);
  p = wr_horner3f(p, f, 0x1.287a72p-3f, -0x1.bcb7aap-3f, -0x1.0d213ap-4f);
  const float rest = wr_mul_addf(p, f, k * 0x1.3509f8p-18f);
  return wr_mul_addf(k, 0x1.344p-2f, wr_mul_addf(0.5f, f, rest));
}

WR_INLINE float f32_usual_log10(float x) {
  const struct wr_log32 l = wr_log32_normal(x);
  return wr_log10_sum(l.f, (float)l.k);
}

WR_INLINE float f32_log10(float x) {
  float k;
  const float f = wr_log32_parts(x, &k).f;
  return wr_log_result(x, wr_log10_sum(f, k));
}

/* log(1 + x + low) for x > -1, low far smaller than 1 + x, and 2^`more` of that. What 1 + x is
   rounded by goes into the sum, over 1 + f; where the logarithm needs no k, f is x itself. */
WR_INLINE float wr_log1p32(float x, float low, int32_t more) {
  const float u = 1.0f + x;
  const float lost = x < 1.0f ? x - (u - 1.0f) : 1.0f - (u - x);
  const struct wr_log32 l = wr_log32_normal(u);
  const int32_t down = l.k < 126 ? -l.k : -126;
  const bool is_near = l.k == 0;
  const float f = is_near ? x : l.f;
  const float rest = is_near ? low : (lost + low) * wr_power_of_2((uint32_t)down);
  return wr_log32_sum(f, (float)(l.k + more), wr_mul_addf(-rest, f, rest));
}

WR_INLINE float f32_log1p(float x) {
  const float y = wr_log1p32(x, 0.0f, 0);
  const float outside = x == -1.0f ? -INFINITY : NAN;
  const float number = x > -1.0f ? copysignf(y, x) : outside; /* keeps the sign of 0 */
  return x < INFINITY ? number : x;
}

/* Below 3/4 an odd polynomial, off by 2^-30; then log(a + sqrt(1 + a^2)), with what the sum is
   rounded by over 2^k (1 + f), and from 2^30 on log 2a. A form for all numbers, log(1 + a + a^2 /
   (1 + sqrt(1 + a^2))), would wait for a quotient behind the root. */
WR_INLINE float f32_arcsinh(float x) {
  const float a = fabsf(x);
  const float z = a * a;
  float p = -0x1.88043ap-9f;
  p = wr_horner3f(p, z, 0x1.5707f6p-7f, -0x1.42fcecp-6f, 0x1.e7d34p-6f);
  p = wr_horner3f(p, z, -0x1.6d157cp-5f, 0x1.332e44p-4f, -0x1.555548p-3f);
  const float small = wr_mul_addf(p, z * a, a);
  const bool is_large = a > 0x1p30f;
  const float root = is_large ? 0.0f : sqrtf(wr_mul_addf(a, a, 1.0f));
  const float sum = a + root;
  const float low = a - (sum - root);
  const struct wr_log32 l = wr_log32_normal(sum);
  const int32_t down = l.k < 126 ? -l.k : -126;
  const float rest = low * wr_power_of_2((uint32_t)down);
  const float k = (float)(l.k + (is_large ? 1 : 0));
  const float large = wr_log32_sum(l.f, k, wr_mul_addf(-rest, l.f, rest));
  const float inside = a < 0.75f ? small : large;
  return copysignf(a < INFINITY ? inside : a, x);
}

/* log(1 + t + sqrt(2 t + t^2)) for t = x - 1, and from 2^30 on log 2x. */
WR_INLINE float f32_arccosh(float x) {
  const bool is_large = x > 0x1p30f;
  const float t = x - 1.0f;
  const float root = is_large ? 0.0f : sqrtf(wr_mul_addf(t, t, 2.0f * t));
  const float sum = root + t;
  const float low = is_large ? 0.0f : t - (sum - root);
  const float y = wr_log1p32(sum, low, is_large ? 1 : 0);
  const float outside = x < 1.0f ? NAN : x;
  const bool is_inside = (x >= 1.0f) & (x < INFINITY);
  return is_inside ? y : outside;
}

/* Below 1/2 an odd polynomial, off by 2^-29; then log((1 + a) / (1 - a)) / 2. */
WR_INLINE float f32_arctanh(float x) {
  const float a = fabsf(x);
  const float z = a * a;
  float p = 0x1.6947dep-3f;
  p = wr_horner3f(p, z, 0x1.a6975ep-5f, 0x1.e4045ep-4f, 0x1.234d6p-3f);
  p = wr_mul_addf(p, z, 0x1.99a678p-3f);
  p = wr_mul_addf(p, z, 0x1.55554p-2f);
  const float small = wr_mul_addf(p, z * a, a);
  const struct wr_log32 l = wr_log32_normal((1.0f + a) / (1.0f - a));
  const float large = 0.5f * wr_log32_sum(l.f, (float)l.k, 0.0f);
  const float outside = a == 1.0f ? INFINITY : NAN;
  const float inside = a < 0.5f ? small : large;
  return copysignf(a < 1.0f ? inside : outside, x);
}

#endif
