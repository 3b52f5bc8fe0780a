#ifndef WR_BACKEND_CPU_ELEMENTS_H
#define WR_BACKEND_CPU_ELEMENTS_H

/* The order of single elements, for the kernels that are instantiated by elements.inc.
   In the order NaN comes after every number and equals itself, and -0 equals 0; complex numbers
   compare by real part, then by imaginary part, and those with a NaN in either come last. */

#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"
#include "core/half.h"

static inline bool less_b8(uint8_t a, uint8_t b) { return a < b; }
static inline bool less_u8(uint8_t a, uint8_t b) { return a < b; }
static inline bool less_u16(uint16_t a, uint16_t b) { return a < b; }
static inline bool less_u32(uint32_t a, uint32_t b) { return a < b; }
static inline bool less_u64(uint64_t a, uint64_t b) { return a < b; }
static inline bool less_i8(int8_t a, int8_t b) { return a < b; }
static inline bool less_i16(int16_t a, int16_t b) { return a < b; }
static inline bool less_i32(int32_t a, int32_t b) { return a < b; }
static inline bool less_i64(int64_t a, int64_t b) { return a < b; }
static inline bool less_f32(float a, float b) { return a < b || (a == a && b != b); }
static inline bool less_f64(double a, double b) { return a < b || (a == a && b != b); }
static inline bool less_c64(wr_complex64 a, wr_complex64 b) {
  bool a_nan = a.re != a.re || a.im != a.im;
  bool b_nan = b.re != b.re || b.im != b.im;
  if (a_nan || b_nan) return !a_nan;
  return a.re < b.re || (a.re == b.re && a.im < b.im);
}
static inline bool less_f16(uint16_t a, uint16_t b) {
  return less_f32(wr_f16_to_f32(a), wr_f16_to_f32(b));
}
static inline bool less_bf16(uint16_t a, uint16_t b) {
  return less_f32(wr_bf16_to_f32(a), wr_bf16_to_f32(b));
}

static inline bool is_number_f16(uint16_t x) { return (x & 0x7fffu) <= 0x7c00u; }
static inline bool is_number_bf16(uint16_t x) { return (x & 0x7fffu) <= 0x7f80u; }
static inline bool is_number_f32(float x) { return x == x; }
static inline bool is_number_f64(double x) { return x == x; }
static inline bool is_number_c64(wr_complex64 x) { return x.re == x.re && x.im == x.im; }
static inline bool is_number_b8(uint8_t x) { return (void)x, true; }
static inline bool is_number_u8(uint8_t x) { return (void)x, true; }
static inline bool is_number_u16(uint16_t x) { return (void)x, true; }
static inline bool is_number_u32(uint32_t x) { return (void)x, true; }
static inline bool is_number_u64(uint64_t x) { return (void)x, true; }
static inline bool is_number_i8(int8_t x) { return (void)x, true; }
static inline bool is_number_i16(int16_t x) { return (void)x, true; }
static inline bool is_number_i32(int32_t x) { return (void)x, true; }
static inline bool is_number_i64(int64_t x) { return (void)x, true; }

#endif
