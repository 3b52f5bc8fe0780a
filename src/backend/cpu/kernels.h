#ifndef WR_BACKEND_CPU_KERNELS_H
#define WR_BACKEND_CPU_KERNELS_H

/* The CPU kernels: one function per kernel that a row of ops.def names. Each runs its call before
   it returns, may spread it over the pool, never blocks on other work, and never reads outside an
   operand. NULL is success; errors are refused scratch memory and dtypes without a body.

   Values never kill. Where C leaves a result undefined, it is defined here:
   - signed overflow wraps around;
   - integer remainder by 0 is 0, and so is INT_MIN remainder -1;
   - an integer to a negative power is 1 / x^n cut to an integer: 1, -1 or 0, and 0 for x = 0;
   - floating to integer is cut towards zero, to int32 for types up to 16 bits and int32, to int64
     for the others, then wrapped to the type's width; what that integer cannot hold, NaN included,
     is its smallest value. uint64 is right up to 2^64, and 0 from there on. So do x86 processors,
     and so MLX on them.

   16-bit floats compute in float32 and round once. maximum and minimum give NaN when either input
   is. complex64 compares by real, then imaginary part. */

#include "backend/backend.h"
#include "backend/cpu/loop/loop.h"

typedef struct wr_error *(*wr_cpu_kernel)(const struct wr_call *call);

/* The forms of elementwise loops are one kernel each for one input and for two. Views share their
   input's buffer: wr_cpu_view is declared by their rows and never defined, and so is wr_cpu_none.
 */
#define wr_cpu_unary_magnitude wr_cpu_unary
#define wr_cpu_unary_test wr_cpu_unary
#define wr_cpu_unary_turn wr_cpu_unary
#define wr_cpu_unary_usual wr_cpu_unary
#define wr_cpu_binary_far wr_cpu_binary
#define wr_cpu_binary_product wr_cpu_binary
#define wr_cpu_binary_test wr_cpu_binary
#define WR_OP(ID, name, family, arity, rule, types, params, fusable, cpu, cuda) \
  struct wr_error *wr_cpu_##cpu(const struct wr_call *call);
#include "core/ops.def"
#undef WR_OP

/* The row function of an elementwise operation on inputs of `dtype`; NULL when it has none. */
wr_row_fn wr_cpu_unary_row(enum wr_op op, enum wr_dtype dtype);
wr_row_fn wr_cpu_binary_row(enum wr_op op, enum wr_dtype dtype);
/* At this level, which the processor must have. */
wr_row_fn wr_cpu_unary_row_of(enum wr_level level, enum wr_op op, enum wr_dtype dtype);
wr_row_fn wr_cpu_binary_row_of(enum wr_level level, enum wr_op op, enum wr_dtype dtype);
/* `count` elements of one type to another; every pair has one. */
wr_row_fn wr_cpu_cast_row(enum wr_dtype to, enum wr_dtype from);
/* All of `in` as another type, to `out`, whose strides these are. */
void wr_cpu_cast(const struct wr_tensor *in, enum wr_dtype to, void *out, const int64_t *strides);
/* Elements of `dtype`, chosen by a bool. */
wr_row_fn wr_cpu_where_row(enum wr_dtype dtype);

#endif
