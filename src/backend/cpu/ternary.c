/* where(condition, x, y): moves elements by their size alone, whatever their dtype. The condition
   is bool by the operation's dtype rule. No locks, no allocation. */

#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"

#define EL u8
#include "backend/cpu/where_row.h"
#define EL u16
#include "backend/cpu/where_row.h"
#define EL u32
#include "backend/cpu/where_row.h"
#define EL u64
#include "backend/cpu/where_row.h"
#define EL c64
#include "backend/cpu/where_row.h"

wr_row_fn wr_cpu_where_row(enum wr_dtype dtype) {
  static const wr_row_fn rows[] = {
      [1] = u8_where, [2] = u16_where, [4] = u32_where, [8] = u64_where};
  /* complex64 is aligned to 4 bytes only. */
  return dtype == WR_COMPLEX64 ? c64_where : rows[wr_dtype_size(dtype)];
}

struct wr_error *wr_cpu_where(const struct wr_call *call) {
  wr_loop_run(call, wr_cpu_where_row(call->out.dtype));
  return NULL;
}
