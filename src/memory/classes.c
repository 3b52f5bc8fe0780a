/* Size classes. Pure functions; no locks. */

#include "memory/internal.h"

/* For 2^k < bytes <= 2^(k+1), k >= 9, the step is 2^(k-3), never below the alignment. */
uint32_t wr_class_of(size_t bytes) {
  if (bytes <= WR_CLASS_LINEAR * WR_CLASS_SMALLEST) {
    return bytes ? (uint32_t)((bytes - 1) / WR_CLASS_SMALLEST) : 0;
  }
  uint32_t k = 63u - (uint32_t)__builtin_clzll(bytes - 1);
  uint32_t step = (uint32_t)((bytes - 1) >> (k - 3)) & (WR_CLASS_STEPS - 1);
  uint32_t found = WR_CLASS_LINEAR + (k - 9) * WR_CLASS_STEPS + step;
  return found < WR_CLASS_COUNT ? found : WR_CLASS_NONE;
}

size_t wr_class_bytes(uint32_t size_class) {
  if (size_class < WR_CLASS_LINEAR) return (size_class + (size_t)1) * WR_CLASS_SMALLEST;
  uint32_t above = size_class - WR_CLASS_LINEAR;
  uint32_t k = 9 + above / WR_CLASS_STEPS;
  return ((size_t)1 << k) + ((size_t)(above % WR_CLASS_STEPS + 1) << (k - 3));
}
