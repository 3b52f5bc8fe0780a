#ifndef WR_CORE_HALF_H
#define WR_CORE_HALF_H

/* IEEE binary16 and bfloat16 to and from float32, rounding to nearest even, NaN kept quiet; and of
   wider numbers, which are rounded once as well. Storage is uint16_t on every compiler, so that no
   public type leaks inwards. Compilers vectorise the loops around it. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t wr_f32_bits(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

static inline float wr_f32_from_bits(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

static inline float wr_bf16_to_f32(uint16_t h) { return wr_f32_from_bits((uint32_t)h << 16); }

static inline uint16_t wr_f32_to_bf16(float f) {
  uint32_t u = wr_f32_bits(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((u >> 16) | 0x40u);
  return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

#if defined(__aarch64__)
/* The processor's own, which compilers use for eight values at once; GCC does not the other way. */
static inline float wr_f16_to_f32(uint16_t h) {
  __fp16 x;
  memcpy(&x, &h, sizeof x);
  return (float)x;
}
#else
static inline float wr_f16_to_f32(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
  uint32_t exp = (h >> 10) & 0x1fu;
  uint32_t man = h & 0x3ffu;
  if (exp == 0x1fu) return wr_f32_from_bits(sign | 0x7f800000u | (man << 13));
  if (exp != 0) return wr_f32_from_bits(sign | ((exp + 112u) << 23) | (man << 13));
  /* Subnormal: the mantissa counts units of 2^-24, exact in float32. */
  float magnitude = (float)man * 0x1p-24f;
  return wr_f32_from_bits(sign | wr_f32_bits(magnitude));
}
#endif

static inline uint16_t wr_f32_to_f16(float f) {
  uint32_t u = wr_f32_bits(f);
  uint32_t sign = (u >> 16) & 0x8000u;
  u &= 0x7fffffffu;
  if (u > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
  if (u >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* rounds to 65536 or more */
  if (u < 0x38800000u) {
    /* Below 2^-14 the result is subnormal: adding 0.5 makes the float unit round it at 2^-24. */
    float shifted = wr_f32_from_bits(u) + 0.5f;
    return (uint16_t)(sign | (wr_f32_bits(shifted) - 0x3f000000u));
  }
  uint32_t odd = (u >> 13) & 1u;
  u += 0xc8000fffu + odd; /* rebias the exponent by -112, add half an ulp less one */
  return (uint16_t)(sign | (u >> 13));
}

/* A float32 that rounds to the 16-bit floats as x itself does: x cut towards zero, and its last bit
   set where that is not all of x ("rounding to odd"). The nearest float32 may be half way between
   two 16-bit floats where x is not. */
static inline float wr_f64_to_odd_f32(double x) {
  float nearest = (float)x;
  double back = (double)nearest;
  uint32_t u = wr_f32_bits(nearest);
  uint32_t away = (back < 0 ? -back : back) > (x < 0 ? -x : x) ? 1u : 0u;
  uint32_t odd = (u - away) | 1u;
  return wr_f32_from_bits(back == x || x != x ? u : odd);
}

/* The same for whole numbers. Far from 0 the low bits go first, and 1 stays for them. */
static inline float wr_i32_to_odd_f32(int32_t x) {
  int32_t cut = (x & ~0xff) | ((x & 0xff) != 0 ? 0x100 : 0);
  bool near = x >= -(1 << 24) && x <= 1 << 24;
  return (float)(near ? x : cut);
}

static inline float wr_i64_to_odd_f32(int64_t x) {
  int64_t cut = (x & ~INT64_C(0x7ff)) | ((x & 0x7ff) != 0 ? 0x800 : 0);
  bool near = x >= -(INT64_C(1) << 53) && x <= INT64_C(1) << 53;
  return wr_f64_to_odd_f32((double)(near ? x : cut));
}

static inline float wr_u64_to_odd_f32(uint64_t x) {
  uint64_t cut = (x & ~UINT64_C(0x7ff)) | ((x & 0x7ff) != 0 ? 0x800u : 0u);
  return wr_f64_to_odd_f32((double)(x <= UINT64_C(1) << 53 ? x : cut));
}

static inline uint16_t wr_f64_to_f16(double x) { return wr_f32_to_f16(wr_f64_to_odd_f32(x)); }
static inline uint16_t wr_f64_to_bf16(double x) { return wr_f32_to_bf16(wr_f64_to_odd_f32(x)); }

#endif
