#ifndef WR_BACKEND_CPU_ELEMENTWISE_TABLES_H
#define WR_BACKEND_CPU_ELEMENTWISE_TABLES_H

/* The row functions of the operations of one and of two inputs: a table for each element type, by
   the operation. They are compiled in several files of like size (unary_*.c, binary_*.c): as one
   they would take longer than all the rest of the library. */

#include "backend/cpu/elementwise_sets.h"
#include "backend/cpu/kernels.h"

#define TABLES(EL)                                       \
  extern const wr_row_fn wr_cpu_unary_##EL[WR_OP_COUNT]; \
  extern const wr_row_fn wr_cpu_binary_##EL[WR_OP_COUNT];
TABLES(b8)
TABLES(u8)
TABLES(u16)
TABLES(u32)
TABLES(u64)
TABLES(i8)
TABLES(i16)
TABLES(i32)
TABLES(i64)
TABLES(f16)
TABLES(f32)
TABLES(f64)
TABLES(bf16)
TABLES(c64)
#undef TABLES

#endif
