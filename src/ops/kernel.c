/* Kernels that users bring: what is asked for is checked, the source is made, and one command is
   recorded whose results stand in one block of bytes. No locks. */

#include "ops/kernel.h"

#include <string.h>

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

static struct wr_error *check_threads(const int *grid, const int *group) {
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

/* `names` of the inputs, or NULL. */
static struct wr_error *check_inputs(const struct wr_kernel_params *params,
                                     const char *const *names, struct wr_node *const *in, int n_in,
                                     int n_out) {
  const uint64_t facts = params->shapes | params->strides;
  const int n = n_in + n_out + __builtin_popcountll(params->shapes) +
                __builtin_popcountll(params->strides) + __builtin_popcountll(params->ndims);
  if (n > WR_KERNEL_ARGUMENTS) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                        "[custom_kernel] The kernel has %d parameters; at most %d are possible.", n,
                        WR_KERNEL_ARGUMENTS);
  }
  for (int i = 0; i < n_in; i++) {
    if ((facts >> i & 1) == 0 || wr_node_ndim(in[i]) <= WR_KERNEL_NDIM) continue;
    return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                        "[custom_kernel] Input %s has %d dimensions; the shape and strides of at "
                        "most %d can be parameters.",
                        names ? names[i] : "of the kernel", wr_node_ndim(in[i]), WR_KERNEL_NDIM);
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

static struct wr_error *record(struct wr_node **out, const struct wr_kernel_params *params,
                               const struct wr_ops_kernel_result *results, int n_out,
                               struct wr_node *const *in, int n_in, struct wr_stream *s) {
  struct wr_node *inputs[WR_KERNEL_ARGUMENTS];
  struct wr_part parts[WR_KERNEL_ARGUMENTS];
  struct wr_compose c = prepare(inputs, params->contiguous, in, n_in, s);
  for (int i = 0; i < n_out; i++) {
    const struct wr_ops_kernel_result *r = &results[i];
    parts[i] = (struct wr_part){.dtype = r->dtype, .ndim = r->ndim, .shape = r->shape};
  }
  const struct wr_record command = {.op = WR_OP_KERNEL,
                                    .n_in = n_in,
                                    .in = inputs,
                                    .params = params,
                                    .params_bytes = sizeof *params,
                                    .stream = s};
  if (!c.error) c.error = wr_ops_record_parts(out, parts, n_out, &command);
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
  struct wr_kernel_params params = {.shared_bytes = (uint32_t)kernel->shared_bytes,
                                    .contiguous = kernel->contiguous,
                                    .begins = call->begins,
                                    .value = call->value};
  for (int i = 0; i < 3; i++) {
    params.grid[i] = (uint32_t)call->grid[i];
    params.block[i] = (uint32_t)call->group[i];
  }
  return params;
}

static struct wr_error *check_place(int n_in, int n_out, struct wr_stream *s) {
  if (wr_stream_device(s).type != WR_DEVICE_GPU) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "[custom_kernel] Only supports the GPU.");
  }
  if (n_in + n_out <= WR_KERNEL_ARGUMENTS) return NULL;
  return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                      "[custom_kernel] The kernel has %d inputs and outputs; at most %d are "
                      "possible.",
                      n_in + n_out, WR_KERNEL_ARGUMENTS);
}

struct wr_error *wr_ops_kernel(struct wr_node **out, const struct wr_ops_kernel *kernel,
                               const struct wr_ops_kernel_call *call, struct wr_node *const *in,
                               int n_in, struct wr_stream *s) {
  struct wr_error *error = check_count("inputs", n_in, kernel->n_in);
  if (!error) error = check_count("output_shapes", call->n_results, kernel->n_out);
  if (!error) error = check_place(n_in, kernel->n_out, s);
  if (!error) error = check_threads(call->grid, call->group);
  if (error) return error;
  struct wr_kernel_params params = params_of(kernel, call);
  error = wr_ops_kernel_source(&params, kernel, call, in);
  if (!error) error = check_inputs(&params, kernel->in, in, n_in, kernel->n_out);
  return error ? error : record(out, &params, call->results, kernel->n_out, in, n_in, s);
}

/* The text of a stored kernel, with the linkage that it has here. */
static struct wr_error *text_of(struct wr_kernel_params *params, const char *entry,
                                const char *source) {
  bool is_there;
  char *linked = wr_kernel_text_linked(entry, source, &is_there);
  if (!is_there) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                        "[custom_kernel] The source of %.100s has no CUDA kernel of that name.",
                        entry);
  }
  if (!linked) return wr_error_out_of_memory();
  struct wr_error *error = wr_kernel_text_of(&params->text, entry, linked);
  wr_free(linked);
  if (!error && strcmp(params->text->entry, entry) != 0) {
    error = wr_error_new(WEIR_ERROR_UNSUPPORTED,
                         "[custom_kernel] The source of %.100s is that of another kernel.", entry);
  }
  return error;
}

struct wr_error *wr_ops_kernel_stored(struct wr_node **out, const char *entry, const char *source,
                                      struct wr_kernel_params *params,
                                      const struct wr_ops_kernel_result *results, int n_results,
                                      struct wr_node *const *in, int n_in, struct wr_stream *s) {
  const int grid[3] = {(int)params->grid[0], (int)params->grid[1], (int)params->grid[2]};
  const int block[3] = {(int)params->block[0], (int)params->block[1], (int)params->block[2]};
  struct wr_error *error = check_place(n_in, n_results, s);
  if (!error) error = check_threads(grid, block);
  if (!error) error = check_inputs(params, NULL, in, n_in, n_results);
  if (!error) error = text_of(params, entry, source);
  return error ? error : record(out, params, results, n_results, in, n_in, s);
}
