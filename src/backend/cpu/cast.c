/* Every dtype to every other: a row function per pair, from templates. A type is first loaded as
   one of six that stand for all (i32, i64, u64, f32, f64, c64), then made into the other. To a
   16-bit float the way is a float32 that rounds as the value itself does (core/half.h). complex64
   gives its real part; bool is true for what is not zero, NaN included. kernels.h has the rule for
   floating values that no integer of the type can hold. No locks, no allocation. */

#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"

/* Cut towards zero; the smallest where the type has no such value, NaN included. */
WR_INLINE int32_t narrow_of_f32(float x) {
  return x >= -0x1p31f && x < 0x1p31f ? (int32_t)x : INT32_MIN;
}

WR_INLINE int32_t narrow_of_f64(double x) {
  return x > -0x1p31 - 1 && x < 0x1p31 ? (int32_t)x : INT32_MIN;
}

WR_INLINE int64_t signed_of_f64(double x) {
  return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN;
}

/* Nearly all values are in the range of int32_t and take the short way. */
WR_INLINE int64_t signed_of_f32(float x) {
  if (x >= -0x1p31f && x < 0x1p31f) return (int32_t)x;
  return signed_of_f64((double)x);
}

/* The same below 2^63, where negative values wrap; 0 from 2^64 on. */
WR_INLINE uint64_t unsigned_of_f64(double x) {
  if (x >= 0x1p63) return x < 0x1p64 ? (uint64_t)x : 0;
  return (uint64_t)signed_of_f64(x);
}

WR_INLINE uint64_t unsigned_of_f32(float x) {
  if (x >= -0x1p31f && x < 0x1p31f) return (uint64_t)(int64_t)(int32_t)x;
  return unsigned_of_f64((double)x);
}

#define TO u8
#define CUT(from) WR_PASTE(narrow_of_, from)
#include "backend/cpu/cast_int.h"
#define TO u16
#define CUT(from) WR_PASTE(narrow_of_, from)
#include "backend/cpu/cast_int.h"
#define TO u32
#define CUT(from) WR_PASTE(signed_of_, from)
#include "backend/cpu/cast_int.h"
#define TO u64
#define CUT(from) WR_PASTE(unsigned_of_, from)
#include "backend/cpu/cast_int.h"
#define TO i8
#define CUT(from) WR_PASTE(narrow_of_, from)
#include "backend/cpu/cast_int.h"
#define TO i16
#define CUT(from) WR_PASTE(narrow_of_, from)
#include "backend/cpu/cast_int.h"
#define TO i32
#define CUT(from) WR_PASTE(narrow_of_, from)
#include "backend/cpu/cast_int.h"
#define TO i64
#define CUT(from) WR_PASTE(signed_of_, from)
#include "backend/cpu/cast_int.h"

/* The three whole types as another: `value`, in x. */
#define OF_WHOLE(to, t, value)                         \
  WR_INLINE t to##_of_i32(int32_t x) { return value; } \
  WR_INLINE t to##_of_i64(int64_t x) { return value; } \
  WR_INLINE t to##_of_u64(uint64_t x) { return value; }

OF_WHOLE(b8, uint8_t, x != 0)
WR_INLINE uint8_t b8_of_f32(float x) { return x != 0; }
WR_INLINE uint8_t b8_of_f64(double x) { return x != 0; }
WR_INLINE uint8_t b8_of_c64(wr_complex64 x) { return x.re != 0 || x.im != 0; }
#define TO b8
#include "backend/cpu/cast_to.h"

OF_WHOLE(f32, float, (float)x)
WR_INLINE float f32_of_f32(float x) { return x; }
WR_INLINE float f32_of_f64(double x) { return (float)x; }
WR_INLINE float f32_of_c64(wr_complex64 x) { return x.re; }
#define TO f32
#include "backend/cpu/cast_to.h"

OF_WHOLE(f64, double, (double)x)
WR_INLINE double f64_of_f32(float x) { return (double)x; }
WR_INLINE double f64_of_f64(double x) { return x; }
WR_INLINE double f64_of_c64(wr_complex64 x) { return (double)x.re; }
#define TO f64
#include "backend/cpu/cast_to.h"

/* Whole numbers that float32 rounds are infinite in float16. */
OF_WHOLE(f16, uint16_t, wr_f32_to_f16((float)x))
WR_INLINE uint16_t f16_of_f32(float x) { return wr_f32_to_f16(f32_of_f32(x)); }
WR_INLINE uint16_t f16_of_f64(double x) { return wr_f64_to_f16(x); }
WR_INLINE uint16_t f16_of_c64(wr_complex64 x) { return wr_f32_to_f16(f32_of_c64(x)); }
#define TO f16
#include "backend/cpu/cast_to.h"

WR_INLINE uint16_t bf16_of_i32(int32_t x) { return wr_f32_to_bf16(wr_i32_to_odd_f32(x)); }
WR_INLINE uint16_t bf16_of_i64(int64_t x) { return wr_f32_to_bf16(wr_i64_to_odd_f32(x)); }
WR_INLINE uint16_t bf16_of_u64(uint64_t x) { return wr_f32_to_bf16(wr_u64_to_odd_f32(x)); }
WR_INLINE uint16_t bf16_of_f32(float x) { return wr_f32_to_bf16(f32_of_f32(x)); }
WR_INLINE uint16_t bf16_of_f64(double x) { return wr_f64_to_bf16(x); }
WR_INLINE uint16_t bf16_of_c64(wr_complex64 x) { return wr_f32_to_bf16(f32_of_c64(x)); }
#define TO bf16
#include "backend/cpu/cast_to.h"

OF_WHOLE(c64, wr_complex64, ((wr_complex64){(float)x, 0}))
WR_INLINE wr_complex64 c64_of_f32(float x) { return (wr_complex64){f32_of_f32(x), 0}; }
WR_INLINE wr_complex64 c64_of_f64(double x) { return (wr_complex64){f32_of_f64(x), 0}; }
WR_INLINE wr_complex64 c64_of_c64(wr_complex64 x) { return x; }
#define TO c64
#include "backend/cpu/cast_to.h"

static const wr_row_fn *const to[WR_DTYPE_COUNT] = {
#define WR_EL(ID, el) [ID] = to_##el,
#include "backend/cpu/types.def"
#undef WR_EL
};

wr_row_fn wr_cpu_cast_row(enum wr_dtype dtype, enum wr_dtype from) { return to[dtype][from]; }

void wr_cpu_cast(const struct wr_tensor *in, enum wr_dtype dtype, void *out,
                 const int64_t *strides) {
  const struct wr_call call = {.op = WR_OP_ASTYPE,
                               .n_in = 1,
                               .in = in,
                               .out = {.data = out,
                                       .shape = in->shape,
                                       .strides = strides,
                                       .size = in->size,
                                       .dtype = dtype,
                                       .ndim = in->ndim,
                                       .dense = true}};
  wr_loop_run(&call, wr_cpu_cast_row(dtype, in->dtype));
}
