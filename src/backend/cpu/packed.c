/* Reading quantised matrices; see packed.h. */

#include "backend/cpu/packed.h"

#include <string.h>

#include "backend/cpu/float16_rows.h"
#include "backend/cpu/loop/loop.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { BLOCK = 8 }; /* elements that begin and end between bytes, whatever their bits */

void wr_packed_rows_of(struct wr_packed_rows *p, const struct wr_tensor *in,
                       const struct wr_quantized_params *how) {
  const enum wr_quantized_mode mode = (enum wr_quantized_mode)how->mode;
  *p = (struct wr_packed_rows){
      .codes = in[0].data,
      .scales = in[1].data,
      .biases = mode == WR_AFFINE ? in[2].data : NULL,
      .mode = mode,
      .dtype = in[1].dtype,
      .bits = how->bits,
      .group = how->group,
      .row_bytes = (int64_t)in[0].shape[in[0].ndim - 1] * 4,
      .groups = in[1].shape[in[1].ndim - 1],
      .all = 1,
  };
}

/* ---- codes ---- */

WR_WIDE static void codes_1(uint8_t *restrict out, const uint8_t *restrict in, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    for (int k = 0; k < 8; k++) out[8 * i + k] = in[i] >> k & 1u;
  }
}

WR_WIDE static void codes_2(uint8_t *restrict out, const uint8_t *restrict in, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    for (int k = 0; k < 4; k++) out[4 * i + k] = in[i] >> (2 * k) & 3u;
  }
}

WR_WIDE static void codes_4(uint8_t *restrict out, const uint8_t *restrict in, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    out[2 * i] = in[i] & 15u;
    out[2 * i + 1] = in[i] >> 4;
  }
}

/* Fields of 8 bits from fields of `bits`: both halves of the word apart, then both of each, and of
   those. */
WR_INLINE uint64_t spread_fields(uint64_t word, const int bits) {
  const uint64_t four = (UINT64_C(1) << 4 * bits) - 1, two = (UINT64_C(1) << 2 * bits) - 1;
  const uint64_t one = (UINT64_C(1) << bits) - 1;
  word = (word & four) | (word & four << 4 * bits) << (32 - 4 * bits);
  const uint64_t twos = two | two << 32, ones = (one | one << 16) * (1 | UINT64_C(1) << 32);
  word = (word & twos) | (word & twos << 2 * bits) << (16 - 2 * bits);
  return (word & ones) | (word & ones << bits) << (8 - bits);
}

/* Eight bytes at a time, but where fewer are left. Little-endian. */
WR_INLINE void blocks(uint8_t *restrict out, const uint8_t *restrict in, int64_t n,
                      const int bits) {
  const int64_t whole = n * bits < 8 ? 0 : (n * bits - 8) / bits + 1;
  for (int64_t i = 0; i < whole; i++) {
    uint64_t word;
    memcpy(&word, in + i * bits, sizeof word);
    word = spread_fields(word, bits);
    memcpy(out + i * BLOCK, &word, sizeof word);
  }
  for (int64_t i = whole; i < n; i++) {
    uint64_t word = 0;
    memcpy(&word, in + i * bits, (size_t)bits);
    word = spread_fields(word, bits);
    memcpy(out + i * BLOCK, &word, sizeof word);
  }
}

WR_WIDE static void codes_3(uint8_t *restrict out, const uint8_t *restrict in, int64_t n) {
  blocks(out, in, n, 3);
}
WR_WIDE static void codes_5(uint8_t *restrict out, const uint8_t *restrict in, int64_t n) {
  blocks(out, in, n, 5);
}
WR_WIDE static void codes_6(uint8_t *restrict out, const uint8_t *restrict in, int64_t n) {
  blocks(out, in, n, 6);
}
WR_WIDE static void codes_7(uint8_t *restrict out, const uint8_t *restrict in, int64_t n) {
  blocks(out, in, n, 7);
}

static void whole_blocks(uint8_t *out, const uint8_t *in, int64_t n, int bits) {
  switch (bits) {
#define CODES(bits, of)        \
  case bits:                   \
    codes_##bits(out, in, of); \
    break;
    CODES(1, n)
    CODES(2, 2 * n)
    CODES(3, n)
    CODES(4, 4 * n)
    CODES(5, n)
    CODES(6, n)
    CODES(7, n)
#undef CODES
    default:
      memcpy(out, in, (size_t)(n * BLOCK));
      break;
  }
}

void wr_packed_codes(uint8_t *out, const struct wr_packed_rows *p, int64_t row, int64_t first,
                     int64_t n) {
  const uint8_t *in = p->codes + row * p->row_bytes + first / BLOCK * p->bits;
  const int64_t whole = n / BLOCK, rest = n % BLOCK;
  whole_blocks(out, in, whole, p->bits);
  if (rest == 0) return;
  uint8_t last[BLOCK] = {0}, codes[BLOCK];
  memcpy(last, in + whole * p->bits, (size_t)((rest * p->bits + 7) / 8));
  whole_blocks(codes, last, 1, p->bits);
  memcpy(out + whole * BLOCK, codes, (size_t)rest);
}

/* ---- values ---- */

void wr_packed_load(float *out, const void *in, enum wr_dtype t, int64_t first, int64_t n) {
  const uint16_t *h = (const uint16_t *)in + first;
  switch (t) {
    case WR_FLOAT16:
      wr_f16_widen(out, h, 1, n);
      break;
    case WR_BFLOAT16:
      for (int64_t i = 0; i < n; i++) out[i] = wr_bf16_to_f32(h[i]);
      break;
    default:
      memcpy(out, (const float *)in + first, (size_t)n * sizeof *out);
      break;
  }
}

WR_WIDE static void e4m3_scales(float *restrict out, const uint8_t *restrict codes, int64_t n,
                                float scale) {
  for (int64_t i = 0; i < n; i++) out[i] = wr_e4m3_value(codes[i]) * scale;
}

WR_WIDE static void e8m0_scales(float *restrict out, const uint8_t *restrict codes, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = wr_e8m0_value(codes[i]);
}

void wr_packed_scales(float *out, const struct wr_packed_rows *p, int64_t row, int64_t first,
                      int64_t n) {
  const int64_t at = row * p->groups + first;
  const uint8_t *codes = (const uint8_t *)p->scales + at;
  if (p->mode == WR_AFFINE) {
    wr_packed_load(out, p->scales, p->dtype, at, n);
  } else if (p->mode == WR_NVFP4) {
    e4m3_scales(out, codes, n, p->all);
  } else {
    e8m0_scales(out, codes, n);
  }
}

void wr_packed_biases(float *out, const struct wr_packed_rows *p, int64_t row, int64_t first,
                      int64_t n) {
  if (p->mode == WR_AFFINE) {
    wr_packed_load(out, p->biases, p->dtype, row * p->groups + first, n);
  } else {
    memset(out, 0, (size_t)n * sizeof *out);
  }
}

/* Below, runs of PART elements, which compilers make whole vectors of: shorter ones they would
   first unroll. Of such groups is all that is unpacked to values, but those of nvfp4, which are
   half. Groups of products are powers of two: a shift finds a scale, where a division would take as
   long as a run of elements. */
enum { PART = 32 };

WR_WIDE static void affine(float *restrict out, const uint8_t *restrict codes, int64_t n,
                           const float *restrict scales, const float *restrict biases,
                           int64_t group) {
  const int shift = __builtin_ctz((unsigned)group);
  for (int64_t at = 0; at < n; at += PART) {
    const float scale = scales[at >> shift], bias = biases[at >> shift];
    for (int i = 0; i < PART; i++) out[at + i] = (float)codes[at + i] * scale + bias;
  }
}

/* 0, 1, 2, 3, 4, 6, 8, 12: without a table, which vectors would have to look up one by one. */
WR_INLINE uint8_t half_steps(uint8_t code) {
  const uint8_t m = code & 7u;
  const uint8_t five = m == 5 ? 1 : 0, six = m == 6 ? 2 : 0, seven = m == 7 ? 5 : 0;
  return (uint8_t)(m + (five | six | seven));
}

/* With the sign of zeros. */
WR_INLINE float e2m1_value(uint8_t code) {
  const uint32_t sign = (uint32_t)(code & 8u) << 28;
  return wr_f32_from_bits(wr_f32_bits((float)half_steps(code) * 0.5f) | sign);
}

WR_WIDE static void e2m1(float *restrict out, const uint8_t *restrict codes, int64_t n,
                         const float *restrict scales, int64_t group) {
  const int shift = __builtin_ctz((unsigned)group);
  int64_t at = 0;
  for (; at + PART <= n; at += PART) {
    const float first = scales[at >> shift], second = scales[(at + PART / 2) >> shift];
    for (int i = 0; i < PART; i++) {
      out[at + i] = e2m1_value(codes[at + i]) * (i < PART / 2 ? first : second);
    }
  }
  for (; at < n; at++) out[at] = e2m1_value(codes[at]) * scales[at >> shift];
}

WR_WIDE static void e4m3_plain(float *restrict out, const uint8_t *restrict codes, int64_t n,
                               const float *restrict scales) {
  for (int64_t at = 0; at < n; at += PART) {
    const float scale = scales[at / PART];
    for (int i = 0; i < PART; i++) out[at + i] = wr_e4m3_value(codes[at + i]) * scale;
  }
}

#if defined(__x86_64__)
/* Sixteen codes as float16, which has their bits and exponents from -8 on, those of NaN too, for
   which it has others. */
__attribute__((target("avx2"))) static inline __m256i e4m3_halves(const uint8_t *codes) {
  const __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)codes));
  const __m256i h = _mm256_and_si256(_mm256_slli_epi16(wide, 7), _mm256_set1_epi16(~0x4000));
  const __m256i size = _mm256_and_si256(h, _mm256_set1_epi16(0x7fff));
  const __m256i is_nan = _mm256_cmpeq_epi16(size, _mm256_set1_epi16(127 << 7));
  return _mm256_xor_si256(h, _mm256_and_si256(is_nan, _mm256_set1_epi16(127 << 7 ^ 0x7e00)));
}

/* The same bits: all products before the last are exact. */
__attribute__((target("avx2,f16c"))) static void e4m3_f16c(float *out, const uint8_t *codes,
                                                           int64_t n, const float *scales) {
  const __m256 up = _mm256_set1_ps(256);
  for (int64_t at = 0; at < n; at += 16) {
    const __m256 scale = _mm256_set1_ps(scales[at / PART]);
    const __m256i h = e4m3_halves(codes + at);
    const __m256 first = _mm256_cvtph_ps(_mm256_castsi256_si128(h));
    const __m256 second = _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1));
    _mm256_storeu_ps(out + at, _mm256_mul_ps(_mm256_mul_ps(first, up), scale));
    _mm256_storeu_ps(out + at + 8, _mm256_mul_ps(_mm256_mul_ps(second, up), scale));
  }
}
#endif

/* Groups of PART. */
static void e4m3(float *out, const uint8_t *codes, int64_t n, const float *scales) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) { /* those with AVX2 have F16C */
    e4m3_f16c(out, codes, n, scales);
    return;
  }
#endif
  e4m3_plain(out, codes, n, scales);
}

void wr_packed_values(float *out, const struct wr_packed_rows *p, int64_t row, int64_t first,
                      int64_t n) {
  enum { GROUPS_MOST = WR_PACKED_CHUNK / 16 };
  uint8_t own[WR_PACKED_CHUNK];
  float scales[GROUPS_MOST], biases[GROUPS_MOST];
  const int64_t group = p->group, groups = (n + group - 1) / group;
  const uint8_t *codes = own;
  if (p->bits == 8) {
    codes = p->codes + row * p->row_bytes + first;
  } else {
    wr_packed_codes(own, p, row, first, n);
  }
  wr_packed_scales(scales, p, row, first / group, groups);
  if (p->mode == WR_AFFINE) {
    wr_packed_biases(biases, p, row, first / group, groups);
    affine(out, codes, n, scales, biases, group);
  } else if (p->mode == WR_MXFP8) {
    e4m3(out, codes, n, scales);
  } else {
    e2m1(out, codes, n, scales, group);
  }
}
