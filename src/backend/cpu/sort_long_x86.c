/* Parting keys by AVX-512, which brings those of a mask together. */

#include "backend/cpu/sort_long.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define WITH_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,popcnt")))

/* Between both parts there is always room for what is not read yet, so the front is stored whole.
 */
WITH_AVX512 int64_t wr_sort_part_u32_avx512(const void *from, void *to, int64_t n, const void *by,
                                            bool *above) {
  const uint32_t *x = from, pivot = *(const uint32_t *)by;
  uint32_t *y = to;
  const __m512i pivots = _mm512_set1_epi32((int)pivot);
  uint32_t over = 0;
  int64_t low = 0, high = n, i = 0;
  for (; n - i >= 16; i += 16) {
    const __m512i v = _mm512_loadu_si512(x + i);
    const __mmask16 less = _mm512_cmplt_epu32_mask(v, pivots), rest = (__mmask16)~less;
    const int lesses = __builtin_popcount(less), rests = 16 - lesses;
    over |= _mm512_cmpgt_epu32_mask(v, pivots);
    _mm512_storeu_si512(y + low, _mm512_maskz_compress_epi32(less, v));
    low += lesses;
    high -= rests;
    _mm512_mask_storeu_epi32(y + high, (__mmask16)((1u << rests) - 1u),
                             _mm512_maskz_compress_epi32(rest, v));
  }
  *above = over != 0;
  if (i < n) {
    bool more;
    low += wr_sort_part_u32(x + i, y + low, n - i, by, &more);
    *above |= more;
  }
  return low;
}

WITH_AVX512 int64_t wr_sort_part_u64_avx512(const void *from, void *to, int64_t n, const void *by,
                                            bool *above) {
  const uint64_t *x = from, pivot = *(const uint64_t *)by;
  uint64_t *y = to;
  const __m512i pivots = _mm512_set1_epi64((long long)pivot);
  uint32_t over = 0;
  int64_t low = 0, high = n, i = 0;
  for (; n - i >= 8; i += 8) {
    const __m512i v = _mm512_loadu_si512(x + i);
    const __mmask8 less = _mm512_cmplt_epu64_mask(v, pivots), rest = (__mmask8)~less;
    const int lesses = __builtin_popcount(less), rests = 8 - lesses;
    over |= _mm512_cmpgt_epu64_mask(v, pivots);
    _mm512_storeu_si512(y + low, _mm512_maskz_compress_epi64(less, v));
    low += lesses;
    high -= rests;
    _mm512_mask_storeu_epi64(y + high, (__mmask8)((1u << rests) - 1u),
                             _mm512_maskz_compress_epi64(rest, v));
  }
  *above = over != 0;
  if (i < n) {
    bool more;
    low += wr_sort_part_u64(x + i, y + low, n - i, by, &more);
    *above |= more;
  }
  return low;
}

#endif
