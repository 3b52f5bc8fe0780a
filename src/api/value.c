/* Elements of arrays as values. No locks. */

#include "api/value.h"

#include <string.h>

#include "core/half.h"

static struct wr_api_value of_signed(int64_t i) {
  return (struct wr_api_value){.form = WR_FORM_SIGNED, .i = i};
}
static struct wr_api_value of_unsigned(uint64_t u) {
  return (struct wr_api_value){.form = WR_FORM_UNSIGNED, .u = u};
}

static struct wr_api_value of_real(double re, double im) {
  return (struct wr_api_value){.form = WR_FORM_REAL, .re = re, .im = im};
}

struct wr_api_value wr_api_load(enum wr_dtype dtype, const void *at) {
  union {
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    float f32;
    double f64;
    wr_complex64 c64;
  } v;
  memcpy(&v, at, wr_dtype_size(dtype));
  switch (dtype) {
#define ROW(dtype, value) \
  case dtype:             \
    return value;
    ROW(WR_BOOL, of_unsigned(v.u8))
    ROW(WR_UINT8, of_unsigned(v.u8))
    ROW(WR_UINT16, of_unsigned(v.u16))
    ROW(WR_UINT32, of_unsigned(v.u32))
    ROW(WR_UINT64, of_unsigned(v.u64))
    ROW(WR_INT8, of_signed(v.i8))
    ROW(WR_INT16, of_signed(v.i16))
    ROW(WR_INT32, of_signed(v.i32))
    ROW(WR_INT64, of_signed(v.i64))
    ROW(WR_FLOAT16, of_real((double)wr_f16_to_f32(v.u16), 0))
    ROW(WR_BFLOAT16, of_real((double)wr_bf16_to_f32(v.u16), 0))
    ROW(WR_FLOAT32, of_real((double)v.f32, 0))
    ROW(WR_FLOAT64, of_real(v.f64, 0))
#undef ROW
    default:
      return of_real((double)v.c64.re, (double)v.c64.im);
  }
}
