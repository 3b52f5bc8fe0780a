#ifndef MLX_HALF_H
#define MLX_HALF_H

/* 16-bit floating types where the compiler has them for the target's vector unit, as mlx-c defines
   them; elsewhere their bits, so that every function has a prototype on every machine. */

#include <stdint.h>

#ifdef __ARM_FEATURE_FP16_SCALAR_ARITHMETIC
#define HAS_FLOAT16
#include <arm_fp16.h>
typedef __fp16 float16_t;
#else
typedef uint16_t float16_t;
#endif

#ifdef __ARM_FEATURE_BF16
#define HAS_BFLOAT16
#include <arm_bf16.h>
typedef __bf16 bfloat16_t;
#else
typedef uint16_t bfloat16_t;
#endif

#endif
