/* Kernels that users bring: what is asked for is checked, the source is made, and one command is
   recorded whose results stand in one block of bytes. No locks. */

#include "ops/kernel.h"

#include "backend/backend.h"
#include "base/base.h"
#include "ops/internal.h"
#include "ops/kernel_source.h"

enum { BLOCK_THREADS = 1024, BLOCK_Z = 64 };

static struct wr_error *check_count(const char *what, int given, int expected) {
  if (given == expected) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[custom_kernel] Expected `%s` to have size %d but got size %d.", what,
                      expected, given);
}

static struct wr_error *check_threads(const struct wr_ops_kernel_call *c) {
  const int *group = c->group, *grid = c->grid;
  for (int i = 0; i < 3; i++) {
    if (grid[i] < 0 || group[i] < 1) {
      return wr_error_new(
          WEIR_ERROR_INVALID_ARGUMENT,
          "[custom_kernel] A grid of (%d, %d, %d) threads in groups of (%d, %d, %d) "
          "is none.",
          grid[0], grid[1], grid[2], group[0], group[1], group[2]);
    }
  }
  const int64_t x = group[0] < grid[0] ? group[0] : grid[0];
  const int64_t y = group[1] < grid[1] ? group[1] : grid[1];
  const int64_t z = group[2] < grid[2] ? group[2] : grid[2];
  if (x <= BLOCK_THREADS && y <= BLOCK_THREADS && z <= BLOCK_Z && x * y * z <= BLOCK_THREADS) {
    return NULL;
  }
  return wr_error_new(
      WEIR_ERROR_INVALID_ARGUMENT,
      "[custom_kernel] A thread group of (%d, %d, %d) threads is too large; at most "
      "%d are possible, and %d along the last axis.",
      group[0], group[1], group[2], BLOCK_THREADS, BLOCK_Z);
}

static struct wr_error *check_inputs(const struct wr_kernel_params *params,
                                     const struct wr_ops_kernel *kernel,
                                     struct wr_node *const *in) {
  const uint64_t facts = params->shapes | params->strides;
  const int n = kernel->n_in + kernel->n_out + __builtin_popcountll(params->shapes) +
                __builtin_popcountll(params->strides) + __builtin_popcountll(params->ndims);
  if (n > WR_KERNEL_ARGUMENTS) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                        "[custom_kernel] The kernel has %d parameters; at most %d are possible.", n,
                        WR_KERNEL_ARGUMENTS);
  }
  for (int i = 0; i < kernel->n_in; i++) {
    if ((facts >> i & 1) == 0 || wr_node_ndim(in[i]) <= WR_KERNEL_NDIM) continue;
    return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                        "[custom_kernel] Input %s has %d dimensions; the shape and strides of at "
                        "most %d can be parameters.",
                        kernel->in[i], wr_node_ndim(in[i]), WR_KERNEL_NDIM);
  }
  return NULL;
}

/* Inputs as the kernel wants them; the caller drops what was made. */
static struct wr_compose prepare(struct wr_node **inputs, bool contiguous,
                                 struct wr_node *const *in, int n_in, struct wr_stream *s) {
  struct wr_compose c = wr_compose_begin(s);
  for (int i = 0; i < n_in; i++) {
    inputs[i] = in[i];
    if (!contiguous || c.error) continue;
    inputs[i] = wr_compose_step(&c, wr_ops_contiguous(wr_compose_slot(&c), in[i], false, s));
  }
  return c;
}

static struct wr_error *record(struct wr_node **out, struct wr_kernel_params *params,
                               const struct wr_ops_kernel *kernel,
                               const struct wr_ops_kernel_call *call, struct wr_node *const *in,
                               struct wr_stream *s) {
  struct wr_node *inputs[WR_KERNEL_ARGUMENTS];
  struct wr_part parts[WR_KERNEL_ARGUMENTS];
  struct wr_compose c = prepare(inputs, kernel->contiguous, in, kernel->n_in, s);
  for (int i = 0; i < kernel->n_out; i++) {
    const struct wr_ops_kernel_result *r = &call->results[i];
    parts[i] = (struct wr_part){.dtype = r->dtype, .ndim = r->ndim, .shape = r->shape};
  }
  const struct wr_record command = {.op = WR_OP_KERNEL,
                                    .n_in = kernel->n_in,
                                    .in = inputs,
                                    .params = params,
                                    .params_bytes = sizeof *params,
                                    .stream = s};
  if (!c.error) c.error = wr_ops_record_parts(out, parts, kernel->n_out, &command);
  return wr_compose_drop(&c);
}

/* The user alone knows what other extents would make of its results. */
struct wr_error *wr_again_kernel(struct wr_node **out, const struct wr_record *like) {
  const struct wr_kernel_params *params = like->params;
  struct wr_node *inputs[WR_KERNEL_ARGUMENTS];
  struct wr_compose c = prepare(inputs, params->contiguous, like->in, like->n_in, like->stream);
  struct wr_record command = *like;
  command.in = inputs;
  if (!c.error) c.error = wr_node_record(out, &command);
  return wr_compose_drop(&c);
}

static struct wr_kernel_params params_of(const struct wr_ops_kernel *kernel,
                                         const struct wr_ops_kernel_call *call) {
  struct wr_kernel_params params = {
      .shared_bytes = (uint32_t)kernel->shared_bytes, .begins = call->begins, .value = call->value};
  for (int i = 0; i < 3; i++) {
    params.grid[i] = (uint32_t)call->grid[i];
    params.block[i] = (uint32_t)call->group[i];
  }
  return params;
}

struct wr_error *wr_ops_kernel(struct wr_node **out, const struct wr_ops_kernel *kernel,
                               const struct wr_ops_kernel_call *call, struct wr_node *const *in,
                               int n_in, struct wr_stream *s) {
  struct wr_error *error = check_count("inputs", n_in, kernel->n_in);
  if (!error) error = check_count("output_shapes", call->n_results, kernel->n_out);
  if (error) return error;
  if (wr_stream_device(s).type != WR_DEVICE_GPU) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "[custom_kernel] Only supports the GPU.");
  }
  error = check_threads(call);
  if (!error && kernel->n_in + kernel->n_out > WR_KERNEL_ARGUMENTS) {
    error = wr_error_new(WEIR_ERROR_UNSUPPORTED,
                         "[custom_kernel] The kernel has %d inputs and outputs; at most %d are "
                         "possible.",
                         kernel->n_in + kernel->n_out, WR_KERNEL_ARGUMENTS);
  }
  if (error) return error;
  struct wr_kernel_params params = params_of(kernel, call);
  error = wr_ops_kernel_source(&params, kernel, call, in);
  if (!error) error = check_inputs(&params, kernel, in);
  return error ? error : record(out, &params, kernel, call, in, s);
}
