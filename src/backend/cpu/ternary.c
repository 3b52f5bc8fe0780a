/* where(condition, x, y): moves elements by their size alone, whatever their dtype. The condition
   is bool by the operation's dtype rule. No locks, no allocation. */

#include "backend/cpu/kernels.h"
#include "backend/cpu/types.h"

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

struct wr_error *wr_cpu_where(const struct wr_call *call) {
  static const wr_row_fn rows[] = {
      [1] = u8_where, [2] = u16_where, [4] = u32_where, [8] = u64_where};
  const enum wr_dtype dtype = call->out.dtype;
  /* complex64 is aligned to 4 bytes only. */
  wr_loop_run(call, dtype == WR_COMPLEX64 ? c64_where : rows[wr_dtype_size(dtype)]);
  return NULL;
}
