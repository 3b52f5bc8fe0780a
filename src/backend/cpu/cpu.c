/* The CPU as a backend. Kernels run inside encode, on the thread that drains the stream, so an
   encoder has no state of its own and every stream shares one. Reading and writing are copies: the
   CPU's memory is the host's. No locks. */

#include <string.h>

#include "backend/cpu/fused.h"
#include "backend/cpu/kernels.h"

/* Views have no kernel; the rows of ops.def say `view` in the kernel's place, and `none` of what is
   another device's. */
#define wr_cpu_view NULL
#define wr_cpu_none NULL
static const wr_cpu_kernel kernels[WR_OP_COUNT] = {
#define WR_OP(ID, name, family, arity, rule, types, params, fusable, cpu, cuda) \
  [WR_OP_##ID] = wr_cpu_##cpu,
#include "core/ops.def"
#undef WR_OP
};
#undef wr_cpu_view
#undef wr_cpu_none

struct wr_encoder {
  char unused; /* C has no empty struct */
};

static int device_count(void) { return 1; }

static const char *absent_reason(void) { return NULL; }

static struct wr_error *encoder_new(int index, struct wr_encoder **out) {
  static struct wr_encoder shared;
  (void)index;
  *out = &shared;
  return NULL;
}

static void encoder_free(struct wr_encoder *encoder) { (void)encoder; }

struct wr_error *wr_cpu_call(const struct wr_call *call) {
  const struct wr_call_params *params = call->params;
  return params->callee->run(call);
}

static enum wr_encode_status begin_call(const struct wr_call *call, struct wr_completion_hook *hook,
                                        struct wr_error **error) {
  const struct wr_call_params *params = call->params;
  return params->callee->begin(call, hook, error);
}

static enum wr_encode_status encode(struct wr_encoder *encoder, const struct wr_call *call,
                                    struct wr_completion_hook *hook, struct wr_error **error) {
  (void)encoder;
  wr_cpu_kernel kernel = kernels[call->op];
  if (wr_op_may_stay(call->op, call->params)) return begin_call(call, hook, error);
  struct wr_error *failure = kernel ? kernel(call)
                                    : wr_error_new(WEIR_ERROR_INTERNAL, "%s has no CPU kernel",
                                                   wr_op_info(call->op)->name);
  if (failure) *error = failure;
  return WR_ENCODE_DONE;
}

static enum wr_encode_status encode_group(struct wr_encoder *encoder, const struct wr_group *group,
                                          struct wr_completion_hook *hook,
                                          struct wr_error **error) {
  (void)encoder;
  (void)hook;
  struct wr_error *failure = wr_cpu_fused(group);
  if (failure) *error = failure;
  return WR_ENCODE_DONE;
}

static enum wr_encode_status encode_marker(struct wr_encoder *encoder,
                                           struct wr_completion_hook *hook,
                                           struct wr_error **error) {
  (void)encoder;
  (void)hook;
  (void)error;
  return WR_ENCODE_DONE;
}

static struct wr_memory *memory(int index) {
  (void)index;
  return wr_memory_host();
}

static struct wr_error *copy(int index, void *to, const void *from, size_t bytes) {
  (void)index;
  if (bytes > 0) memcpy(to, from, bytes);
  return NULL;
}

static bool supports(enum wr_op op, enum wr_dtype dtype) { return wr_op_takes(op, dtype); }

const struct wr_backend wr_backend_cpu = {
    .name = "cpu",
    .type = WR_DEVICE_CPU,
    .device_count = device_count,
    .absent_reason = absent_reason,
    .encoder_new = encoder_new,
    .encoder_free = encoder_free,
    .encode = encode,
    .encode_group = encode_group,
    .encode_marker = encode_marker,
    .memory = memory,
    .read = copy,
    .write = copy,
    .supports = supports,
};
