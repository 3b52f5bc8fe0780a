/* How products of float32 are computed on GPUs: one setting for the process, which a product takes
   with it when it is recorded. So it does not matter when and on which thread that is forced. No
   locks. */

#include "base/atomic.h"
#include "base/base.h"
#include "ops/internal.h"

/* The setting and 1; 0: as the environment says. Atomic RELAXED: a plain value, nothing is
   published by it. */
static wr_atomic_u32 setting;

void wr_ops_set_precision(enum wr_precision precision) {
  wr_store_relaxed(&setting, (uint32_t)precision + 1u); /* relaxed: see the word */
}

enum wr_precision wr_ops_precision(void) {
  const uint32_t set = wr_load_relaxed(&setting); /* relaxed: see the word */
  if (set) return (enum wr_precision)(set - 1u);
  return wr_env_get()->tf32 ? WR_PRECISION_TF32 : WR_PRECISION_FLOAT32;
}
