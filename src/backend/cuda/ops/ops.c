/* The table of kernels, what each dtype has, and how an operation or a group becomes a command. No
   locks. */

#include "backend/cuda/ops/internal.h"

/* Views share their input's buffer: wr_gpu_view is declared by their rows and never defined, and so
   is wr_gpu_none, of operations without a body. */
#define wr_gpu_view NULL
#define wr_gpu_none NULL
static const wr_gpu_kernel kernels[WR_OP_COUNT] = {
#define WR_OP(ID, name, family, arity, rule, types, params, fusable, cpu, cuda) \
  [WR_OP_##ID] = wr_gpu_##cuda,
#include "core/ops.def"
#undef WR_OP
};
#undef wr_gpu_view
#undef wr_gpu_none

wr_gpu_kernel wr_gpu_kernel_for(enum wr_op op) { return kernels[op]; }

bool wr_gpu_supports(enum wr_op op, enum wr_dtype dtype) {
  if (dtype == WR_COMPLEX64 && (op == WR_OP_EIGH || op == WR_OP_SVD)) return false;
  return (kernels[op] || wr_op_info(op)->view) && wr_op_takes(op, dtype);
}

static struct wr_error *work_of_call(struct wr_run *run, const void *what) {
  const struct wr_call *call = what;
  wr_gpu_kernel kernel = wr_gpu_kernel_for(call->op);
  if (kernel) return kernel(run, call);
  return wr_error_new(WEIR_ERROR_UNSUPPORTED, "%s has no GPU kernel", wr_op_info(call->op)->name);
}

/* What comes to its inputs by commands that were held back is with the driver when it is begun. */
static enum wr_encode_status begin_call(struct wr_encoder *e, const struct wr_call *call,
                                        struct wr_completion_hook *hook, struct wr_error **error) {
  const struct wr_call_params *params = call->params;
  wr_gpu_flush(e);
  return params->callee->begin(call, hook, error);
}

enum wr_encode_status wr_gpu_encode(struct wr_encoder *e, const struct wr_call *call,
                                    struct wr_completion_hook *hook, struct wr_error **error) {
  if (wr_op_may_stay(call->op, call->params)) return begin_call(e, call, hook, error);
  return wr_encode_work(e, work_of_call, call, hook, error);
}

static struct wr_error *work_of_group(struct wr_run *run, const void *what) {
  return wr_gpu_group(run, what);
}

enum wr_encode_status wr_gpu_encode_group(struct wr_encoder *e, const struct wr_group *group,
                                          struct wr_completion_hook *hook,
                                          struct wr_error **error) {
  return wr_encode_work(e, work_of_group, group, hook, error);
}
