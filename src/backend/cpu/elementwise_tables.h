#ifndef WR_BACKEND_CPU_ELEMENTWISE_TABLES_H
#define WR_BACKEND_CPU_ELEMENTWISE_TABLES_H

/* The row functions of the operations of one and of two inputs: a table for each element type, by
   the operation. They are compiled in several files of like size (unary_*.c, binary_*.c): as one
   they would take longer than all the rest of the library. */

#include "backend/cpu/elementwise_sets.h"
#include "backend/cpu/kernels.h"

#define WR_EL(ID, el)                                    \
  extern const wr_row_fn wr_cpu_unary_##el[WR_OP_COUNT]; \
  extern const wr_row_fn wr_cpu_binary_##el[WR_OP_COUNT];
#include "backend/cpu/types.def"
#undef WR_EL

#endif
