/* The CUDA source around a user's kernel, as MLX writes it: a prelude that the GPU's backend has,
   the user's header, then a function whose parameters follow from the names, and in it the
   constants and the user's source. An input's extents, strides and number of axes are parameters
   where the source has their names, and the input has axes. The function has C's linkage, so that
   its name in the machine code is its name here. No locks. */

#include "ops/kernel_source.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/bytes.h"

static const char *const types[WR_DTYPE_COUNT] = {
    [WR_BOOL] = "bool",
    [WR_UINT8] = "uint8_t",
    [WR_UINT16] = "uint16_t",
    [WR_UINT32] = "uint32_t",
    [WR_UINT64] = "uint64_t",
    [WR_INT8] = "int8_t",
    [WR_INT16] = "int16_t",
    [WR_INT32] = "int32_t",
    [WR_INT64] = "int64_t",
    [WR_FLOAT16] = "__half",
    [WR_FLOAT32] = "float",
    [WR_FLOAT64] = "double",
    [WR_BFLOAT16] = "__nv_bfloat16",
    [WR_COMPLEX64] = "mlx::core::cu::complex64_t",
};

static void add_name(struct wr_bytes *b, const struct wr_ops_kernel *kernel,
                     const struct wr_ops_kernel_call *call) {
  wr_bytes_add_text(b, "custom_kernel_");
  wr_bytes_add_text(b, kernel->name);
  for (int i = 0; i < call->n_constants; i++) {
    const struct wr_ops_kernel_constant *c = &call->constants[i];
    if (c->kind == WR_KERNEL_TYPE) {
      wr_bytes_format(b, "_%s", wr_dtype_name((enum wr_dtype)c->value));
    } else if (c->kind == WR_KERNEL_BOOL) {
      wr_bytes_add_text(b, c->value ? "_t" : "_f");
    } else { /* names have no minus */
      wr_bytes_format(b, c->value < 0 ? "_m%u" : "_%u",
                      c->value < 0 ? 0u - (unsigned)c->value : (unsigned)c->value);
    }
  }
}

/* Whether the source has the input's name with that ending; also inside a longer one. */
static bool mentions(const char *source, const char *name, const char *ending) {
  const size_t length = strlen(name);
  for (const char *at = source; (at = strstr(at, name)); at++) {
    if (!strncmp(at + length, ending, strlen(ending))) return true;
  }
  return false;
}

static void add_fact(struct wr_bytes *b, const char *source, const char *type, const char *name,
                     const char *ending, uint64_t *bits, int i) {
  if (!mentions(source, name, ending)) return;
  *bits |= UINT64_C(1) << i;
  wr_bytes_add_text(b, "    const __grid_constant__ ");
  wr_bytes_add_text(b, type);
  wr_bytes_add_text(b, name);
  wr_bytes_add_text(b, ending);
  wr_bytes_add_text(b, ",\n");
}

static void add_parameters(struct wr_bytes *b, struct wr_kernel_params *params,
                           const struct wr_ops_kernel *kernel,
                           const struct wr_ops_kernel_call *call, struct wr_node *const *in) {
  for (int i = 0; i < kernel->n_in; i++) {
    wr_bytes_format(b, "    const %s* ", types[wr_node_dtype(in[i])]);
    wr_bytes_add_text(b, kernel->in[i]);
    wr_bytes_add_text(b, ",\n");
    if (wr_node_ndim(in[i]) == 0) continue;
    add_fact(b, kernel->source, "Shape ", kernel->in[i], "_shape", &params->shapes, i);
    add_fact(b, kernel->source, "Strides ", kernel->in[i], "_strides", &params->strides, i);
    add_fact(b, kernel->source, "int ", kernel->in[i], "_ndim", &params->ndims, i);
  }
  for (int i = 0; i < kernel->n_out; i++) {
    wr_bytes_format(b, "    %s* ", types[call->results[i].dtype]);
    wr_bytes_add_text(b, kernel->out[i]);
    wr_bytes_add_text(b, i + 1 < kernel->n_out ? ",\n" : ") {\n");
  }
}

static void add_constants(struct wr_bytes *b, const struct wr_ops_kernel_call *call) {
  for (int i = 0; i < call->n_constants; i++) {
    const struct wr_ops_kernel_constant *c = &call->constants[i];
    static const char *const kinds[] = {[WR_KERNEL_TYPE] = "  using ",
                                        [WR_KERNEL_INT] = "  constexpr int ",
                                        [WR_KERNEL_BOOL] = "  constexpr bool "};
    wr_bytes_add_text(b, kinds[c->kind]);
    wr_bytes_add_text(b, c->name);
    if (c->kind == WR_KERNEL_TYPE) {
      wr_bytes_format(b, " = %s;\n", types[c->value]);
    } else if (c->kind == WR_KERNEL_BOOL) {
      wr_bytes_add_text(b, c->value ? " = true;\n" : " = false;\n");
    } else {
      wr_bytes_format(b, " = %d;\n", c->value);
    }
  }
  if (call->n_constants > 0) wr_bytes_add_text(b, "\n");
}

static void add_source(struct wr_bytes *b, struct wr_kernel_params *params, const char *name,
                       const struct wr_ops_kernel *kernel, const struct wr_ops_kernel_call *call,
                       struct wr_node *const *in) {
  wr_bytes_add_text(b,
                    "#include \"mlx/backend/cuda/device/utils.cuh\"\n"
                    "#include <cooperative_groups.h>\n"
                    "#define inf cuda::std::numeric_limits<float>::infinity()\n\n");
  wr_bytes_add_text(b, kernel->header);
  wr_bytes_add_text(b,
                    "\nnamespace mlx::core::cu {\n\n"
                    "namespace cg = cooperative_groups;\n\n" WR_KERNEL_LINKAGE WR_KERNEL_BEGINNING);
  wr_bytes_add_text(b, name);
  wr_bytes_add_text(b, "(\n");
  add_parameters(b, params, kernel, call, in);
  add_constants(b, call);
  wr_bytes_add_text(b, kernel->source);
  wr_bytes_add_text(b, "\n}\n\n} // namespace mlx::core::cu\n");
  wr_bytes_add(b, "", 1);
}

struct wr_error *wr_ops_kernel_source(struct wr_kernel_params *params,
                                      const struct wr_ops_kernel *kernel,
                                      const struct wr_ops_kernel_call *call,
                                      struct wr_node *const *in) {
  struct wr_bytes name = {0}, text = {0};
  struct wr_error *error = NULL;
  add_name(&name, kernel, call);
  wr_bytes_add(&name, "", 1);
  if (!name.refused) add_source(&text, params, name.data, kernel, call, in);
  if (name.refused || text.refused) {
    error = wr_error_out_of_memory();
  } else {
    if (call->verbose) {
      printf("Generated source code for `%s`:\n```\n%s\n```\n", name.data, text.data);
      fflush(stdout);
    }
    error = wr_kernel_text_of(&params->text, name.data, text.data);
  }
  wr_free(name.data);
  wr_free(text.data);
  return error;
}
