/* Users' kernels compile: what is generated for each type and each form of parameters, and all
   names that the prelude promises. By the compiler library with the headers of a CUDA toolkit;
   where either is missing the test is skipped. */

#include <stdio.h>
#include <string.h>

#include "backend/cuda/codegen/internal.h"
#include "check.h"
#include "graph/node.h"
#include "ops/kernel_source.h"

enum { ARCH = 90 };

static struct wr_error *compile(const struct wr_ops_kernel *kernel,
                                const struct wr_ops_kernel_call *call, struct wr_node *const *in) {
  struct wr_kernel_params params = {0};
  void *image = NULL;
  size_t bytes;
  struct wr_error *error = wr_ops_kernel_source(&params, kernel, call, in);
  if (!error) error = wr_jit_compile_users(params.text, ARCH, &image, &bytes);
  if (!error) wr_free(image);
  return error;
}

static void compiles(const struct wr_ops_kernel *kernel, const struct wr_ops_kernel_call *call,
                     struct wr_node *const *in) {
  struct wr_error *error = compile(kernel, call, in);
  if (error) fprintf(stderr, "%s\n", wr_error_message(error));
  CHECK(!error);
}

static struct wr_node *zeros(enum wr_dtype t, int ndim) {
  static const double data[4];
  const int32_t shape[2] = {2, 2};
  struct wr_node *node = NULL;
  CHECK(!wr_node_from_data(&node, data, ndim, shape, t));
  return node;
}

/* Inputs and outputs of each type, and a constant that is one. */
static void types(void) {
  static const char *const in_names[] = {"a", "b"}, *const out_names[] = {"c"};
  const struct wr_ops_kernel kernel = {
      .name = "types",
      .source =
          "  auto at = elem_to_loc(threadIdx.x, a_shape, a_strides, a_ndim);\n"
          "  T limit = Limits<T>::max();\n"
          "  auto grid = cg::this_grid();\n"
          "  if (grid.thread_rank() < N && FLAG) c[threadIdx.x] = T(a[at]) + T(b[0]);\n"
          "  (void)limit;",
      .header = "#include \"mlx/backend/cuda/device/utils.cuh\"\n",
      .n_in = 2,
      .n_out = 1,
      .in = in_names,
      .out = out_names};
  for (int t = 0; t < WR_DTYPE_COUNT; t++) {
    struct wr_node *in[] = {zeros((enum wr_dtype)t, 2), zeros((enum wr_dtype)t, 0)};
    const struct wr_ops_kernel_result result = {.dtype = (enum wr_dtype)t, .ndim = 0};
    const struct wr_ops_kernel_constant constants[] = {
        {"T", WR_KERNEL_TYPE, t}, {"N", WR_KERNEL_INT, -3}, {"FLAG", WR_KERNEL_BOOL, 1}};
    const struct wr_ops_kernel_call call = {
        .n_results = 1, .results = &result, .n_constants = 3, .constants = constants};
    compiles(&kernel, &call, in);
    wr_node_release(in[0]);
    wr_node_release(in[1]);
  }
}

static void prelude(void) {
  static const char *const in_names[] = {"x"}, *const out_names[] = {"y"};
  static const char source[] =
      "  __shared__ float part[WARP_SIZE];\n"
      "  extern __shared__ float dynamic[];\n"
      "  AlignedVector<float, 4> v = load_vector<4>(x, 0);\n"
      "  v = load_vector<4>(x, 0, 10, 0.0f);\n"
      "  v = load_vector<4>(x, 0, int64_t(10), int64_t(2), inf);\n"
      "  if (is_aligned<4>(x)) v = unsafe_load_vector<4>(x, 1);\n"
      "  store_vector(y, 0, v); store_vector(y, 0, v, 10); store_vector(y, 0, v, 10, int64_t(2));\n"
      "  unsafe_store_vector(y, 0, v);\n"
      "  auto [a, b] = elem_to_loc(5, x_shape.data(), x_strides.data(), x_strides.data(), "
      "x_ndim);\n"
      "  auto at = elem_to_loc_nd<2>(5, x_shape.data(), x_strides.data());\n"
      "  complex64_t z{1.0f, 2.0f}, w = z * z;\n"
      "  if (z < w) y[0] = v[0] + z.real() + twice(part[0]) + dynamic[0] + float(a + b + at);\n"
      "  y[1] = __half2float(Limits<__half>::finite_max()) + MAX_NDIM + x_shape[0];\n"
      "  y[2] = __bfloat162float(Limits<__nv_bfloat16>::min());\n"
      "  int64_t i = Limits<int64_t>::min(); uint8_t j = Limits<uint8_t>::max(); (void)i; "
      "(void)j;\n";
  const struct wr_ops_kernel kernel = {
      .name = "prelude",
      .source = source,
      .header = "__device__ float twice(float x) { return 2 * x; }\n",
      .n_in = 1,
      .n_out = 1,
      .in = in_names,
      .out = out_names};
  const struct wr_ops_kernel_result result = {.dtype = WR_FLOAT32, .ndim = 1, .shape = {4}};
  const struct wr_ops_kernel_call call = {.n_results = 1, .results = &result};
  struct wr_node *in = zeros(WR_FLOAT32, 2);
  compiles(&kernel, &call, &in);
  struct wr_ops_kernel broken = kernel;
  broken.source = "  no_such_function(x_shape);";
  struct wr_error *error = compile(&broken, &call, &in);
  CHECK(error && strstr(wr_error_message(error), "custom_kernel_prelude was not compiled"));
  CHECK(strstr(wr_error_message(error), "no_such_function"));
  wr_error_release(error);
  wr_node_release(in);
}

int main(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 77; /* the compiler library is not ours to check */
#endif
  struct wr_absence why;
  char options[WR_TOOLKIT_FOLDERS][WR_TOOLKIT_OPTION];
  const struct wr_nvrtc *nvrtc = wr_cuda_nvrtc(&why);
  if (!nvrtc || !wr_toolkit_options(nvrtc, options)) {
    printf("skipped: %s\n", nvrtc ? "no headers of a CUDA toolkit" : why.reason);
    return 77;
  }
  types();
  prelude();
  return 0;
}
