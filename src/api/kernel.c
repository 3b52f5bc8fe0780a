/* Kernels of the caller's, for CUDA and for Metal: handles to copies of what they were made of, and
   configurations. Both families share all but what applying one does. No locks. */

#include <limits.h>
#include <string.h>

#include "api/api.h"
#include "backend/backend.h"
#include "base/base.h"
#include "base/text.h"
#include "mlx/c/fast.h"
#include "ops/kernel.h"

static const struct family {
  enum wr_kind kernels, configs;
  const char *kernel_if_empty, *config_if_empty;
  const char *no_output;
} cuda = {WR_KIND_CUDA_KERNEL, WR_KIND_CUDA_KERNEL_CONFIG,
          "is empty: expected a non-empty mlx_fast_cuda_kernel",
          "is empty: expected a non-empty mlx_fast_cuda_kernel_config",
          "[custom_kernel] Must specify at least one output."},
  metal = {WR_KIND_METAL_KERNEL, WR_KIND_METAL_KERNEL_CONFIG,
           "is empty: expected a non-empty mlx_fast_metal_kernel",
           "is empty: expected a non-empty mlx_fast_metal_kernel_config",
           "[metal_kernel] Must specify at least one output."};

/* ---- configurations ---- */

struct config {
  struct wr_kind_word kind;
  struct wr_ops_kernel_call call;
  struct wr_ops_kernel_result *results;     /* the call's */
  struct wr_ops_kernel_constant *constants; /* the same; names are copies */
};

static void config_end(void *object) {
  struct config *c = object;
  for (int i = 0; i < c->call.n_constants; i++) wr_free((void *)c->constants[i].name);
  wr_free(c->constants);
  wr_free(c->results);
  wr_free(c);
}

static void *config_new(const char *function, const struct family *family) {
  struct config *c = wr_calloc(sizeof *c);
  if (c) {
    wr_kind_begin(&c->kind, family->configs);
    for (int i = 0; i < 3; i++) c->call.grid[i] = c->call.group[i] = 1;
  }
  void *ctx = wr_api_give(function, c, family->configs, NULL);
  if (!ctx) wr_free(c);
  return ctx;
}

static void config_free(const char *function, const struct family *family, void *ctx) {
  (void)wr_api_free(function, ctx, family->configs, "cls", config_end);
}

static struct config *config_of(const struct family *family, void *ctx, const char *param,
                                struct wr_error **error) {
  return wr_api_object(ctx, family->configs, param, family->config_if_empty, error);
}

/* Room for one more of n items; false when memory is refused. */
static bool grow(void *items, int n, size_t item) {
  void *old, *more = NULL;
  size_t bytes;
  memcpy(&old, items, sizeof old);
  if (n < INT_MAX && wr_mul_size((size_t)n + 1, item, &bytes)) more = wr_realloc(old, bytes);
  if (more) memcpy(items, &more, sizeof more);
  return more != NULL;
}

static int add_result(const char *function, const struct family *family, void *ctx,
                      const int *shape, size_t size, mlx_dtype dtype) {
  struct wr_error *error = NULL;
  struct config *c = config_of(family, ctx, "cls", &error);
  const int32_t *extents = wr_api_shape(shape, size, "shape", &error);
  const enum wr_dtype t = wr_api_dtype(dtype, "dtype", &error);
  if (!error && !grow(&c->results, c->call.n_results, sizeof *c->results)) {
    error = wr_error_out_of_memory();
  }
  if (!error) {
    struct wr_ops_kernel_result *r = &c->results[c->call.n_results++];
    *r = (struct wr_ops_kernel_result){.dtype = t, .ndim = (int)size};
    if (size) memcpy(r->shape, extents, size * sizeof *extents);
    c->call.results = c->results;
  }
  return wr_api_return(function, error);
}

static int add_constant(const char *function, const struct family *family, void *ctx,
                        const char *name, enum wr_ops_kernel_constant_kind kind, int value) {
  struct wr_error *error = NULL;
  struct config *c = config_of(family, ctx, "cls", &error);
  wr_api_result(name, "name", &error);
  if (kind == WR_KERNEL_TYPE) value = (int)wr_api_dtype((mlx_dtype)value, "dtype", &error);
  if (error) return wr_api_fail(function, error);
  char *copy = wr_text_copy(name);
  if (!copy || !grow(&c->constants, c->call.n_constants, sizeof *c->constants)) {
    wr_free(copy);
    return wr_api_fail(function, wr_error_out_of_memory());
  }
  c->constants[c->call.n_constants++] =
      (struct wr_ops_kernel_constant){.name = copy, .kind = kind, .value = value};
  c->call.constants = c->constants;
  return 0;
}

static int set_threads(const char *function, const struct family *family, void *ctx, bool group,
                       int x, int y, int z) {
  struct wr_error *error = NULL;
  struct config *c = config_of(family, ctx, "cls", &error);
  if (!error) memcpy(group ? c->call.group : c->call.grid, (const int[]){x, y, z}, 3 * sizeof x);
  return wr_api_return(function, error);
}

static int set_value(const char *function, const struct family *family, void *ctx, float value) {
  struct wr_error *error = NULL;
  struct config *c = config_of(family, ctx, "cls", &error);
  if (!error) {
    c->call.begins = true;
    c->call.value = value;
  }
  return wr_api_return(function, error);
}

static int set_verbose(const char *function, const struct family *family, void *ctx, bool verbose) {
  struct wr_error *error = NULL;
  struct config *c = config_of(family, ctx, "cls", &error);
  if (!error) c->call.verbose = verbose;
  return wr_api_return(function, error);
}

/* ---- kernels ---- */

struct kernel {
  struct wr_kind_word kind;
  struct wr_ops_kernel is;
  struct wr_ptrs texts; /* all that `is` points to, copies; the names of inputs and outputs first */
};

static void kernel_end(void *object) {
  struct kernel *k = object;
  for (size_t i = 0; i < k->texts.count; i++) wr_free(k->texts.items[i]);
  wr_ptrs_free(&k->texts);
  wr_free(k);
}

static bool keep(struct kernel *k, const char *text) {
  char *copy = wr_text_copy(text);
  if (copy && wr_ptrs_push(&k->texts, copy)) return true;
  wr_free(copy);
  return false;
}

/* What a kernel is made of. */
struct made_of {
  const char *name, *source, *header;
  mlx_vector_string inputs, outputs;
  bool contiguous;
  int shared_bytes;
};

static const char *const *check_names(mlx_vector_string names, const char *param, size_t *n,
                                      struct wr_error **error) {
  const char *const *items = wr_api_strings(names, param, n, error);
  if (!*error && *n > INT_MAX) wr_api_reject(error, param, "has %zu names", *n);
  for (size_t i = 0; !*error && i < *n; i++) {
    if (!*items[i]) wr_api_reject(error, param, "has an empty name, %zu", i);
  }
  return items;
}

static bool kernel_fill(struct kernel *k, const struct made_of *m, const char *const *in,
                        size_t n_in, const char *const *out, size_t n_out) {
  bool kept = true;
  for (size_t i = 0; i < n_in && kept; i++) kept = keep(k, in[i]);
  for (size_t i = 0; i < n_out && kept; i++) kept = keep(k, out[i]);
  if (!kept || !keep(k, m->name) || !keep(k, m->source) || !keep(k, m->header)) return false;
  const char *const *texts = (const char *const *)k->texts.items;
  const char *const *last = texts + n_in + n_out;
  k->is = (struct wr_ops_kernel){.name = last[0],
                                 .source = last[1],
                                 .header = last[2],
                                 .n_in = (int)n_in,
                                 .n_out = (int)n_out,
                                 .in = texts,
                                 .out = texts + n_in,
                                 .contiguous = m->contiguous,
                                 .shared_bytes = m->shared_bytes};
  return true;
}

static struct kernel *kernel_make(const struct family *family, const struct made_of *m,
                                  struct wr_error **error) {
  size_t n_in = 0, n_out = 0;
  wr_api_result(m->name, "name", error);
  const char *const *in = check_names(m->inputs, "input_names", &n_in, error);
  const char *const *out = check_names(m->outputs, "output_names", &n_out, error);
  wr_api_result(m->source, "source", error);
  wr_api_result(m->header, "header", error);
  if (m->shared_bytes < 0) {
    wr_api_reject(error, "shared_memory", "%d is negative", m->shared_bytes);
  }
  if (!*error && family == &cuda && wr_backend_for(WR_DEVICE_GPU)->device_count() == 0) {
    *error = wr_error_new(WEIR_ERROR_UNSUPPORTED, "[cuda_kernel] No CUDA back-end. (%s)",
                          wr_backend_for(WR_DEVICE_GPU)->absent_reason());
  }
  if (!*error && n_out == 0) {
    *error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "%s", family->no_output);
  }
  if (*error) return NULL;
  struct kernel *k = wr_calloc(sizeof *k);
  if (k && kernel_fill(k, m, in, n_in, out, n_out)) return k;
  if (k) kernel_end(k);
  *error = wr_error_out_of_memory();
  return NULL;
}

static void *kernel_new(const char *function, const struct family *family,
                        const struct made_of *m) {
  struct wr_error *error = NULL;
  struct kernel *k = kernel_make(family, m, &error);
  if (k) wr_kind_begin(&k->kind, family->kernels);
  return wr_api_give_or_end(function, k, family->kernels, error, kernel_end);
}

static void kernel_free(const char *function, const struct family *family, void *ctx) {
  (void)wr_api_free(function, ctx, family->kernels, "cls", kernel_end);
}

static struct wr_error *run(struct wr_node ***out, const struct kernel *k, const struct config *c,
                            struct wr_node *const *in, size_t n_in, struct wr_stream *s) {
  *out = wr_alloc((size_t)k->is.n_out * sizeof **out);
  if (!*out) return wr_error_out_of_memory();
  return wr_ops_kernel(*out, &k->is, &c->call, in, n_in > INT_MAX ? INT_MAX : (int)n_in, s);
}

static int apply(const char *function, const struct family *family, mlx_vector_array *outputs,
                 void *cls, mlx_vector_array inputs, void *config, mlx_stream stream) {
  struct wr_error *error = NULL;
  struct wr_node **out = NULL;
  size_t n = 0;
  wr_api_result_handle(outputs, WR_KIND_VECTOR_ARRAY, "outputs", &error);
  const struct kernel *k =
      wr_api_object(cls, family->kernels, "cls", family->kernel_if_empty, &error);
  struct wr_node *const *in = wr_api_vector(inputs, "inputs", &n, &error);
  const struct config *c = config_of(family, config, "config", &error);
  if (stream.ctx) wr_api_some_stream(stream, "stream", &error); /* by its name here */
  struct wr_stream *s = wr_api_stream(stream, &error);
  if (!error && family == &metal) {
    error = wr_error_new(WEIR_ERROR_UNSUPPORTED, "[metal_kernel] No Metal back-end.");
  }
  if (!error) error = run(&out, k, c, in, n, s);
  return wr_api_return_vector(function, error, outputs, out, error ? 0 : (size_t)k->is.n_out);
}

/* ---- the functions of both families ---- */

#define FAMILY cuda
#include "api/kernel_calls.h"
#undef FAMILY

#define FAMILY metal
#include "api/kernel_calls.h"
#undef FAMILY

mlx_fast_cuda_kernel mlx_fast_cuda_kernel_new(const char *name, const mlx_vector_string input_names,
                                              const mlx_vector_string output_names,
                                              const char *source, const char *header,
                                              bool ensure_row_contiguous, int shared_memory) {
  const struct made_of m = {
      name, source, header, input_names, output_names, ensure_row_contiguous, shared_memory};
  return (mlx_fast_cuda_kernel){kernel_new("mlx_fast_cuda_kernel", &cuda, &m)};
}

mlx_fast_metal_kernel mlx_fast_metal_kernel_new(const char *name,
                                                const mlx_vector_string input_names,
                                                const mlx_vector_string output_names,
                                                const char *source, const char *header,
                                                bool ensure_row_contiguous, bool atomic_outputs) {
  (void)atomic_outputs;
  const struct made_of m = {name, source, header, input_names, output_names, ensure_row_contiguous,
                            0};
  return (mlx_fast_metal_kernel){kernel_new("mlx_fast_metal_kernel", &metal, &m)};
}
