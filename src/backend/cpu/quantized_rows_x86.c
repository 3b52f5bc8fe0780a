/* A few rows by a quantised matrix with AVX2, and with AVX-512 and its products of integers. */

#include "backend/cpu/quantized_rows_inside.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Codes of 3, 5 or 6 bits, of which some lie across two bytes: sixteen codes in each quarter of a
   block, even ones in plane 0, odd ones in plane 1. Which two bytes of a quarter each is in, where
   the quarter begins with its first byte, or with the word of 32 bits that this lies in; and the
   power of two that moves it to the top of 16 bits. */
struct across {
  uint8_t bytes[2][2][64];
  uint16_t up[2][8];
};
#define PAIR(bits, code, skip) (code) * (bits) / 8 + (skip), (code) * (bits) / 8 + (skip) + 1
#define QUARTER(bits, p, skip)                                                                    \
  PAIR(bits, p, skip), PAIR(bits, p + 2, skip), PAIR(bits, p + 4, skip), PAIR(bits, p + 6, skip), \
      PAIR(bits, p + 8, skip), PAIR(bits, p + 10, skip), PAIR(bits, p + 12, skip),                \
      PAIR(bits, p + 14, skip)
#define BLOCK(bits, p, odd) \
  { QUARTER(bits, p, 0), QUARTER(bits, p, odd), QUARTER(bits, p, 0), QUARTER(bits, p, odd) }
#define UP(bits, code) 1 << (16 - (bits) - (code) * (bits) % 8)
#define UPS(bits, p)                                                                 \
  {                                                                                  \
    UP(bits, p), UP(bits, p + 2), UP(bits, p + 4), UP(bits, p + 6), UP(bits, p + 8), \
        UP(bits, p + 10), UP(bits, p + 12), UP(bits, p + 14)                         \
  }
#define ACROSS(bits)                                                            \
  {                                                                             \
    .bytes = {{BLOCK(bits, 0, 2 * (bits) % 4), BLOCK(bits, 1, 2 * (bits) % 4)}, \
              {BLOCK(bits, 0, 0), BLOCK(bits, 1, 0)}},                          \
    .up = {UPS(bits, 0), UPS(bits, 1)},                                         \
  }
static const struct across across[7] = {[3] = ACROSS(3), [5] = ACROSS(5), [6] = ACROSS(6)};

#define WITH_AVX2 __attribute__((target("avx2,fma")))
#define WITH_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")))
#define INLINE static inline __attribute__((always_inline))

/* ---- AVX2 ---- */

WITH_AVX2 INLINE __m256i avx2_load(const void *from) { return _mm256_loadu_si256(from); }
WITH_AVX2 INLINE __m256i avx2_beside(const void *from) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)from));
}
WITH_AVX2 INLINE __m256i avx2_madd(__m256i sums, __m256i a, __m256i b) {
  return _mm256_add_epi32(sums, _mm256_madd_epi16(a, b));
}
WITH_AVX2 INLINE __m256 avx2_chosen(__m256 of, __m256i numbers) {
  return _mm256_permutevar8x32_ps(of, numbers);
}
/* Both quarters, each from its first byte on. */
WITH_AVX2 INLINE __m256i avx2_spread_bytes(const uint8_t *in, int part, int bits) {
  const uint8_t *first = in + 4 * bits * part;
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)first)),
                                 _mm_loadu_si128((const void *)(first + 2 * bits)), 1);
}

#define BYTES 32
#define WITH WITH_AVX2
#define NAME(x) avx2_##x
#define NUMBERS __m256
#define INTEGERS __m256i
#define OP(x) _mm256_##x
#define LOAD avx2_load
#define AND _mm256_and_si256
#define MADD avx2_madd
#define BESIDE avx2_beside
#define KERNELS wr_rows_avx2
#define INSTRUCTIONS "AVX2"
#include "backend/cpu/quantized_rows.inc"

/* ---- AVX-512 ---- */

WITH_AVX512 INLINE __m512i avx512_load(const void *from) { return _mm512_loadu_si512(from); }
WITH_AVX512 INLINE __m512i avx512_beside(const void *from) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)from));
}
WITH_AVX512 INLINE __m512i avx512_madd(__m512i sums, __m512i a, __m512i b) {
  return _mm512_dpwssd_epi32(sums, a, b);
}
WITH_AVX512 INLINE __m512 avx512_chosen(__m512 of, __m512i numbers) {
  return _mm512_permutexvar_ps(numbers, of);
}
/* Four quarters, each from the word on in which its first byte is. */
WITH_AVX512 INLINE __m512i avx512_spread_bytes(const uint8_t *in, int part, int bits) {
  const __m512i words = _mm512_add_epi32(
      _mm512_setr_epi32(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3),
      _mm512_srli_epi32(
          _mm512_mullo_epi32(_mm512_set1_epi32(2 * bits),
                             _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3)),
          2));
  return _mm512_permutexvar_epi32(words, _mm512_loadu_si512(in + part));
}

#define BYTES 64
#define WITH WITH_AVX512
#define NAME(x) avx512_##x
#define NUMBERS __m512
#define INTEGERS __m512i
#define OP(x) _mm512_##x
#define LOAD avx512_load
#define AND _mm512_and_si512
#define MADD avx512_madd
#define BESIDE avx512_beside
#define KERNELS wr_rows_avx512
#define INSTRUCTIONS "AVX-512"
#include "backend/cpu/quantized_rows.inc"
#endif
