/* The Hadamard transform along the last axis: the rows are copied into the result and transformed
   there, in passes over all of it. */

#include "core/hadamard.h"
#include "backend/cuda/ops/internal.h"

/* The kernel's struct matrix. */
struct matrix {
  uint32_t rows[WR_HADAMARD_MOST];
};

static void pass_start(struct wr_launch *l, const struct wr_tensor *out, int entry) {
  const struct wr_module_id id = {WR_SOURCE_HADAMARD,  WR_OP_HADAMARD, (uint8_t)out->dtype,
                                  (uint8_t)out->dtype, true,           0};
  wr_launch_start(l, id, entry);
  wr_launch_pointer(l, out->data);
  wr_launch_i64(l, out->size);
}

static struct wr_error *across(struct wr_run *run, const struct wr_tensor *out, int m,
                               int64_t segment, double scale) {
  struct wr_launch l;
  struct matrix matrix = {{0}};
  wr_hadamard_rows(m, matrix.rows);
  pass_start(&l, out, WR_ENTRY_HADAMARD_ACROSS);
  wr_launch_i64(&l, segment);
  wr_launch_i64(&l, m);
  wr_launch_struct(&l, &matrix, sizeof matrix);
  wr_launch_f64(&l, scale);
  wr_launch_threads(&l, run, out->size / m, 128);
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_hadamard(struct wr_run *run, const struct wr_call *call) {
  const struct wr_hadamard_params *params = call->params;
  const struct wr_tensor *out = &call->out;
  if (out->size == 0) return NULL;
  const int64_t n = out->shape[out->ndim - 1];
  const int m = wr_hadamard_factor(n);
  const int64_t segment = n / m; /* NOLINT(*-core.DivideZero): the rule has refused others */
  struct wr_error *error = wr_gpu_convert(run, &call->in[0], out->dtype, out->data);
  for (int64_t h = 1, step; h < segment && !error; h *= step) {
    struct wr_launch l;
    step = h * 8 <= segment ? 8 : 2;
    pass_start(&l, out, step == 8 ? WR_ENTRY_HADAMARD_BY_8 : WR_ENTRY_HADAMARD_BY_2);
    wr_launch_i64(&l, h);
    wr_launch_f64(&l, m == 1 && h * step == segment ? params->scale : 1.0);
    wr_launch_threads(&l, run, out->size / step, 256);
    error = wr_launch(&l, run);
  }
  /* With m = 1 the passes above have done it all, unless a row has one element, for which there was
   none. */
  if (error || (m == 1 && segment > 1)) return error;
  return across(run, out, m, segment, params->scale);
}
