#ifndef WR_BACKEND_CPU_ELEMENTWISE_TABLES_H
#define WR_BACKEND_CPU_ELEMENTWISE_TABLES_H

/* The row functions of the operations of one and of two inputs: a table for each element type, by
   the operation; of floats one for each level (loop/level.h), which the file that includes this
   names as WR_LEVEL. They are compiled in several files of like size (unary_*.c, binary_*.c,
   rows_*.c): as one they would take longer than all the rest of the library. */

#include "backend/cpu/elementwise_sets.h"
#include "backend/cpu/kernels.h"

#ifndef WR_LEVEL
#define WR_LEVEL
#endif
#define WR_ROW_TABLE(arity, el) WR_PASTE(WR_PASTE(wr_cpu_##arity##_, el), WR_LEVEL)

#define WR_ROW_TABLES(name)                                \
  extern const wr_row_fn wr_cpu_unary_##name[WR_OP_COUNT]; \
  extern const wr_row_fn wr_cpu_binary_##name[WR_OP_COUNT];
#define WR_OF_boolean(el) WR_ROW_TABLES(el)
#define WR_OF_integer(el) WR_ROW_TABLES(el)
#define WR_OF_complex64(el) WR_ROW_TABLES(el)
#define WR_OF_floating(el) \
  WR_ROW_TABLES(el##_base) WR_ROW_TABLES(el##_avx2) WR_ROW_TABLES(el##_avx512)
#define WR_EL(ID, el) WR_PASTE(WR_OF_, WR_CLASS_##el)(el)
#include "backend/cpu/types.def"
#undef WR_EL
#undef WR_OF_boolean
#undef WR_OF_integer
#undef WR_OF_complex64
#undef WR_OF_floating
#undef WR_ROW_TABLES

#endif
