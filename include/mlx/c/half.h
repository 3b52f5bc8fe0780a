#ifndef MLX_HALF_H
#define MLX_HALF_H

/* 16-bit floating types where the compiler has them for the target, as mlx-c defines them:
   arm_neon.h uses the same names. Elsewhere their bits, so that every function has a prototype on
   every machine. */

#include <stdint.h>

#if defined(__ARM_FEATURE_FP16_SCALAR_ARITHMETIC) || defined(__aarch64__)
#define HAS_FLOAT16
#include <arm_fp16.h>
typedef __fp16 float16_t;
#elif defined(__FLT16_MANT_DIG__) && \
    (!defined(__cplusplus) || defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 13))
#define HAS_FLOAT16 /* GCC 12 has the type in C alone */
__extension__ typedef _Float16 float16_t;
#else
typedef uint16_t float16_t;
#endif

/* Clang before 16 has the type only where the target has its instructions. */
#if defined(__ARM_FEATURE_BF16) || \
    (defined(__aarch64__) && (!defined(__clang__) || __clang_major__ >= 16))
#define HAS_BFLOAT16
#include <arm_bf16.h>
typedef __bf16 bfloat16_t;
#else
typedef uint16_t bfloat16_t;
#endif

#endif
