#ifndef WR_BACKEND_CPU_LOOP_TYPES_H
#define WR_BACKEND_CPU_LOOP_TYPES_H

/* Element types as the kernel templates name them: wr_el_<t> is what lies in memory, wr_ct_<t> what
   is computed in (float for the 16-bit floats), and wr_load_<t> / wr_store_<t> go between them,
   rounding once. Templates are files included once per type with EL defined as one of these names.
 */

#include <stdint.h>

#include "backend/cpu/loop/loop.h"
#include "core/dtype.h"
#include "core/half.h"

#define WR_PASTE2(a, b) a##b
#define WR_PASTE(a, b) WR_PASTE2(a, b)

typedef uint8_t wr_el_b8, wr_ct_b8;
typedef uint8_t wr_el_u8, wr_ct_u8;
typedef uint16_t wr_el_u16, wr_ct_u16;
typedef uint32_t wr_el_u32, wr_ct_u32;
typedef uint64_t wr_el_u64, wr_ct_u64;
typedef int8_t wr_el_i8, wr_ct_i8;
typedef int16_t wr_el_i16, wr_ct_i16;
typedef int32_t wr_el_i32, wr_ct_i32;
typedef int64_t wr_el_i64, wr_ct_i64;
typedef uint16_t wr_el_f16, wr_el_bf16;
typedef float wr_el_f32, wr_ct_f32, wr_ct_f16, wr_ct_bf16;
typedef double wr_el_f64, wr_ct_f64;
typedef wr_complex64 wr_el_c64, wr_ct_c64;

/* What is computed in the type that lies in memory is neither widened nor rounded. */
#define AS_IT_IS(t)                                          \
  WR_INLINE wr_ct_##t wr_load_##t(wr_el_##t x) { return x; } \
  WR_INLINE wr_el_##t wr_store_##t(wr_ct_##t x) { return x; }
AS_IT_IS(u8)
AS_IT_IS(u16)
AS_IT_IS(u32)
AS_IT_IS(u64)
AS_IT_IS(i8)
AS_IT_IS(i16)
AS_IT_IS(i32)
AS_IT_IS(i64)
AS_IT_IS(f32)
AS_IT_IS(f64)
AS_IT_IS(c64)
#undef AS_IT_IS

WR_INLINE float wr_load_f16(uint16_t x) { return wr_f16_to_f32(x); }
WR_INLINE float wr_load_bf16(uint16_t x) { return wr_bf16_to_f32(x); }
WR_INLINE uint16_t wr_store_f16(float x) { return wr_f32_to_f16(x); }
WR_INLINE uint16_t wr_store_bf16(float x) { return wr_f32_to_bf16(x); }

/* Bool arithmetic is that of C's bool: any result that is not zero is 1. */
WR_INLINE uint8_t wr_load_b8(uint8_t x) { return x; }
WR_INLINE uint8_t wr_store_b8(uint8_t x) { return x != 0; }

#endif
