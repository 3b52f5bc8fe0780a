/* Elementwise operations of one input, and casts, on the GPU against the CPU: every operation that
   has a body, every dtype, every form of input. */

#include "gpu_case.h"

static enum wr_dtype result_of(enum wr_op op, enum wr_dtype t) {
  bool predicate = wr_op_info(op)->rule == WR_RULE_PREDICATE || op == WR_OP_LOGICAL_NOT;
  if (predicate) return WR_BOOL;
  return wr_op_info(op)->rule == WR_RULE_ABS && t == WR_COMPLEX64 ? WR_FLOAT32 : t;
}

/* Arguments far out lose their digits in any library. */
static bool is_periodic(enum wr_op op) {
  return op == WR_OP_SIN || op == WR_OP_COS || op == WR_OP_TAN;
}

static void one(enum wr_op op, enum wr_dtype t, enum wr_dtype to, enum gpu_case_form form) {
  char what[128];
  struct wr_node *in = gpu_case_form_array(form, t, 1u + (uint32_t)t, !is_periodic(op));
  snprintf(what, sizeof what, "%s of %s to %s, form %d", wr_op_info(op)->name, wr_dtype_name(t),
           wr_dtype_name(to), (int)form);
  const struct gpu_case c = {.op = op,
                             .dtype = to,
                             .ndim = wr_node_ndim(in),
                             .shape = wr_node_shape(in),
                             .n_in = 1,
                             .in = &in,
                             .tolerance = t == WR_COMPLEX64 ? 2e-5 : 0};
  gpu_case_run(&c, what);
  wr_node_release(in);
}

/* Float to whole numbers: both sides give the same for what does not fit, so odd values are in. */
static void casts(enum wr_dtype t) {
  for (int to = 0; to < WR_DTYPE_COUNT; to++) {
    for (int form = 0; form < GPU_FORMS; form++) {
      one(to == (int)t ? WR_OP_COPY : WR_OP_ASTYPE, t, (enum wr_dtype)to, (enum gpu_case_form)form);
    }
  }
}

int main(void) {
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  const struct wr_backend *gpu = wr_backend_for(WR_DEVICE_GPU);
  for (int i = 0; i < WR_DTYPE_COUNT; i++) {
    enum wr_dtype t = (enum wr_dtype)i;
    for (int op = WR_OP_ABS; op <= WR_OP_TANH; op++) {
      if (!gpu->supports((enum wr_op)op, t)) continue;
      for (int form = 0; form < GPU_FORMS; form++) {
        one((enum wr_op)op, t, result_of((enum wr_op)op, t), (enum gpu_case_form)form);
      }
    }
    casts(t);
  }
  return gpu_case_end();
}
