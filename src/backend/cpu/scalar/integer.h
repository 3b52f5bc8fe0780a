#ifndef WR_BACKEND_CPU_SCALAR_INTEGER_H
#define WR_BACKEND_CPU_SCALAR_INTEGER_H

/* Functions of integers for which one width stands for all. */

#include <stdint.h>

/* By squaring, modulo 2^64: the low bits are right for every narrower type, signed or not. */
static inline uint64_t wr_integer_power(uint64_t base, uint64_t exponent) {
  uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if (exponent & 1u) result *= base;
    base *= base;
  }
  return result;
}

#endif
