#ifndef WR_BACKEND_CPU_SORT_BITS_H
#define WR_BACKEND_CPU_SORT_BITS_H

/* Keys of floats: unsigned numbers in the order of the elements, made of their bits. Numbers below
   0 are turned round, those above them behind, zeros are the same, and NaN come last and are the
   same. Without branches, which signs would mislead. */

#include <stdint.h>

static inline uint16_t wr_sort_key_16(uint16_t bits, uint16_t infinity) {
  const uint16_t size = bits & 0x7fffu, below = (uint16_t)(0u - (bits >> 15));
  const uint16_t key = bits ^ (below | 0x8000u), nan = (uint16_t)(0u - (size > infinity));
  return (uint16_t)((key | nan) + (bits == 0x8000u));
}

static inline uint16_t wr_sort_key_f16(uint16_t bits) { return wr_sort_key_16(bits, 0x7c00u); }
static inline uint16_t wr_sort_key_bf16(uint16_t bits) { return wr_sort_key_16(bits, 0x7f80u); }

static inline uint32_t wr_sort_key_f32(uint32_t bits) {
  const uint32_t sign = UINT32_C(1) << 31, nan = 0u - ((bits & ~sign) > UINT32_C(0x7f800000));
  return ((bits ^ ((0u - (bits >> 31)) | sign)) | nan) + (bits == sign);
}

static inline uint64_t wr_sort_key_f64(uint64_t bits) {
  const uint64_t sign = UINT64_C(1) << 63, infinity = UINT64_C(0x7ff0000000000000);
  const uint64_t nan = UINT64_C(0) - ((bits & ~sign) > infinity);
  return ((bits ^ ((UINT64_C(0) - (bits >> 63)) | sign)) | nan) + (bits == sign);
}

/* The bits of a key; the only zero's are those of 0, and NaN's are not those it had. */
static inline uint16_t wr_sort_bits_16(uint16_t key) {
  return key ^ ((uint16_t)((key >> 15) - 1u) | 0x8000u);
}
static inline uint32_t wr_sort_bits_32(uint32_t key) {
  return key ^ (((key >> 31) - 1u) | UINT32_C(1) << 31);
}
static inline uint64_t wr_sort_bits_64(uint64_t key) {
  return key ^ (((key >> 63) - UINT64_C(1)) | UINT64_C(1) << 63);
}

#endif
