#ifndef WR_BACKEND_CPU_ELEMENTWISE_SETS_H
#define WR_BACKEND_CPU_ELEMENTWISE_SETS_H

/* Which types the sets in the rows of ops.def hold (WR_TYPES_<set> of core/op.h), for templates:
   WR_TAKES(EL, set, ..) is what follows where the element type EL is in the set, else nothing. */

#include "backend/cpu/loop/loop.h"

#define WR_CLASS_b8 boolean
#define WR_CLASS_u8 integer
#define WR_CLASS_u16 integer
#define WR_CLASS_u32 integer
#define WR_CLASS_u64 integer
#define WR_CLASS_i8 integer
#define WR_CLASS_i16 integer
#define WR_CLASS_i32 integer
#define WR_CLASS_i64 integer
#define WR_CLASS_f16 floating
#define WR_CLASS_f32 floating
#define WR_CLASS_f64 floating
#define WR_CLASS_bf16 floating
#define WR_CLASS_c64 complex64

#define WR_HAS_any_boolean(...) __VA_ARGS__
#define WR_HAS_any_integer(...) __VA_ARGS__
#define WR_HAS_any_floating(...) __VA_ARGS__
#define WR_HAS_any_complex64(...) __VA_ARGS__
#define WR_HAS_boolean_boolean(...) __VA_ARGS__
#define WR_HAS_boolean_integer(...)
#define WR_HAS_boolean_floating(...)
#define WR_HAS_boolean_complex64(...)
#define WR_HAS_integer_boolean(...)
#define WR_HAS_integer_integer(...) __VA_ARGS__
#define WR_HAS_integer_floating(...)
#define WR_HAS_integer_complex64(...)
#define WR_HAS_whole_boolean(...) __VA_ARGS__
#define WR_HAS_whole_integer(...) __VA_ARGS__
#define WR_HAS_whole_floating(...)
#define WR_HAS_whole_complex64(...)
#define WR_HAS_number_boolean(...)
#define WR_HAS_number_integer(...) __VA_ARGS__
#define WR_HAS_number_floating(...) __VA_ARGS__
#define WR_HAS_number_complex64(...) __VA_ARGS__
#define WR_HAS_real_boolean(...) __VA_ARGS__
#define WR_HAS_real_integer(...) __VA_ARGS__
#define WR_HAS_real_floating(...) __VA_ARGS__
#define WR_HAS_real_complex64(...)
#define WR_HAS_floating_boolean(...)
#define WR_HAS_floating_integer(...)
#define WR_HAS_floating_floating(...) __VA_ARGS__
#define WR_HAS_floating_complex64(...)
#define WR_HAS_inexact_boolean(...)
#define WR_HAS_inexact_integer(...)
#define WR_HAS_inexact_floating(...) __VA_ARGS__
#define WR_HAS_inexact_complex64(...) __VA_ARGS__
#define WR_HAS_complex64_boolean(...)
#define WR_HAS_complex64_integer(...)
#define WR_HAS_complex64_floating(...)
#define WR_HAS_complex64_complex64(...) __VA_ARGS__

#define WR_TAKES(el, set, ...) WR_PASTE(WR_HAS_##set##_, WR_CLASS(el))(__VA_ARGS__)
#define WR_CLASS(el) WR_PASTE(WR_CLASS_, el)

#endif
