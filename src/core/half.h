#ifndef WR_CORE_HALF_H
#define WR_CORE_HALF_H

/* IEEE binary16 and bfloat16 to and from float32, rounding to nearest even, NaN kept quiet.
   Storage is uint16_t on every compiler, so that no public type leaks inwards. Compilers vectorise
   the loops around it. */

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

#endif
