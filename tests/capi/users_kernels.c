/* Users' kernels where there is no GPU: a CUDA kernel cannot be made, and says why; a Metal kernel
   can, and its application is an error. */

#include <string.h>

#include "check.h"
#include "mean_cpu.h"
#include "users_kernel.h"
#include "weir/weir.h"

static const char *const in[] = {"x", NULL}, *const out[] = {"y", NULL}, *const none[] = {NULL};

static bool said(const char *part) { return strstr(weir_last_error(), part) != NULL; }

static void quiet(const char *message, void *data) {
  (void)message;
  (void)data;
}

static void no_cuda(void) {
  bool available = true;
  CHECK(mlx_cuda_is_available(&available) == 0);
  if (available) return;
  mlx_fast_cuda_kernel k = users_kernel("k", in, out, "", "", true, 0);
  CHECK(!k.ctx && said("[cuda_kernel] No CUDA back-end."));
  CHECK(weir_last_status() == WEIR_ERROR_UNSUPPORTED);
  mlx_fast_cuda_kernel_config c = users_config(8);
  mlx_array x = mlx_array_new_float(1);
  mlx_vector_array results = mlx_vector_array_new();
  CHECK(users_apply(&results, k, c, &x, 1, (mlx_stream){NULL}) == 1);
  CHECK(said("expected a non-empty mlx_fast_cuda_kernel") && mlx_vector_array_size(results) == 0);
  mlx_fast_cuda_kernel_free(k);
  mlx_fast_cuda_kernel_config_free(c);
  mlx_vector_array_free(results);
  mlx_array_free(x);
}

static void no_metal(void) {
  mlx_vector_string inputs = users_names(in), outputs = users_names(out),
                    nothing = users_names(none);
  mlx_fast_metal_kernel k =
      mlx_fast_metal_kernel_new("k", inputs, outputs, "y[0] = x[0];", "", true, false);
  mlx_fast_metal_kernel_config c = mlx_fast_metal_kernel_config_new();
  const int shape[1] = {4};
  CHECK(k.ctx && c.ctx);
  CHECK(mlx_fast_metal_kernel_config_add_output_arg(c, shape, 1, MLX_FLOAT32) == 0);
  CHECK(mlx_fast_metal_kernel_config_set_grid(c, 4, 1, 1) == 0);
  CHECK(mlx_fast_metal_kernel_config_set_thread_group(c, 4, 1, 1) == 0);
  CHECK(mlx_fast_metal_kernel_config_set_init_value(c, 0) == 0);
  CHECK(mlx_fast_metal_kernel_config_set_verbose(c, false) == 0);
  CHECK(mlx_fast_metal_kernel_config_add_template_arg_dtype(c, "T", MLX_FLOAT16) == 0);
  CHECK(mlx_fast_metal_kernel_config_add_template_arg_dtype(c, "T", (mlx_dtype)99) == 1);
  CHECK(mlx_fast_metal_kernel_config_add_template_arg_int(c, "N", 4) == 0);
  CHECK(mlx_fast_metal_kernel_config_add_template_arg_bool(c, "B", true) == 0);
  mlx_array x = mlx_array_new_float(1);
  mlx_vector_array given = mlx_vector_array_new_value(x), results = mlx_vector_array_new();
  CHECK(mlx_fast_metal_kernel_apply(&results, k, given, c, (mlx_stream){NULL}) == 1);
  CHECK(said("[metal_kernel] No Metal back-end.") && mlx_vector_array_size(results) == 0);
  CHECK(!mlx_fast_metal_kernel_new("k", inputs, nothing, "", "", true, false).ctx);
  CHECK(said("[metal_kernel] Must specify at least one output."));
  mlx_fast_metal_kernel_free(k);
  mlx_fast_metal_kernel_config_free(c);
  mlx_vector_array_free(given);
  mlx_vector_array_free(results);
  mlx_vector_string_free(inputs);
  mlx_vector_string_free(outputs);
  mlx_vector_string_free(nothing);
  mlx_array_free(x);
}

int main(void) {
  mlx_set_error_handler(quiet, NULL, NULL);
  no_cuda();
  no_metal();
  return 0;
}
