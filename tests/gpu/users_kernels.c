/* Kernels of the caller's on a GPU: their values, what they see of their inputs, several results,
   values at the start, dynamic memory, and a mistake that harms nobody else. */

#include "programs.h"
#include "users_kernel.h"

static const char *const one_in[] = {"x", NULL}, *const one_out[] = {"y", NULL};
static const char *const two_in[] = {"x", "w", NULL}, *const two_out[] = {"y", "z", NULL};
static mlx_stream gpu;

enum { N = 1000 };

static mlx_array counted(void) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_arange(&a, 0, N, 1, MLX_FLOAT32, gpu) == 0);
  return a;
}

static mlx_array applied(mlx_fast_cuda_kernel k, mlx_fast_cuda_kernel_config c, const mlx_array *in,
                         size_t n, size_t result) {
  mlx_vector_array out = mlx_vector_array_new();
  CHECK(k.ctx && users_apply(&out, k, c, in, n, gpu) == 0);
  mlx_array y = users_result(out, result);
  mlx_vector_array_free(out);
  return y;
}

static void expect(mlx_array y, float (*value)(int)) {
  const float *data = mlx_array_data_float32(y);
  if (!data) fprintf(stderr, "%s\n", weir_last_error());
  CHECK(data != NULL);
  for (int i = 0; i < (int)mlx_array_size(y); i++) CHECK(data[i] == value(i));
  mlx_array_free(y);
}

static float squared(int i) { return (float)i * (float)i + 7; }

static void elementwise(void) {
  mlx_fast_cuda_kernel k = users_kernel("square", one_in, one_out,
                                        "  auto i = cg::this_grid().thread_rank();\n  if (i < "
                                        "LENGTH) y[i] = T(x[i] * x[i] + PLUS);\n",
                                        "constexpr float PLUS = 7;\n", true, 0);
  mlx_fast_cuda_kernel_config c = users_config(N);
  mlx_array x = counted();
  CHECK(mlx_fast_cuda_kernel_config_add_output_arg(c, (const int[]){N}, 1, MLX_FLOAT32) == 0);
  CHECK(mlx_fast_cuda_kernel_config_add_template_arg_int(c, "LENGTH", N) == 0);
  CHECK(mlx_fast_cuda_kernel_config_add_template_arg_dtype(c, "T", MLX_FLOAT32) == 0);
  for (int i = 0; i < 20; i++) expect(applied(k, c, &x, 1, 0), squared);
  mlx_array_free(x);
  mlx_fast_cuda_kernel_config_free(c);
  mlx_fast_cuda_kernel_free(k);
}

/* Of 25 rows of 40: element i of the transposed array. */
static float turned(int i) { return (float)(i % 25 * 40 + i / 25); }

static void strides(void) {
  for (int contiguous = 0; contiguous < 2; contiguous++) {
    mlx_fast_cuda_kernel k =
        users_kernel("strides", one_in, one_out,
                     "  int64_t i = blockIdx.x * blockDim.x + threadIdx.x;\n"
                     "  if (i < x_shape[0] * x_shape[1])\n"
                     "    y[i] = x[elem_to_loc(i, x_shape.data(), x_strides.data(), x_ndim)];\n",
                     "", contiguous != 0, 0);
    mlx_fast_cuda_kernel_config c = users_config(N);
    mlx_array x = counted();
    CHECK(mlx_reshape(&x, x, (const int[]){25, 40}, 2, gpu) == 0 && mlx_transpose(&x, x, gpu) == 0);
    CHECK(mlx_fast_cuda_kernel_config_add_output_arg(c, (const int[]){N}, 1, MLX_FLOAT32) == 0);
    expect(applied(k, c, &x, 1, 0), turned);
    mlx_array_free(x);
    mlx_fast_cuda_kernel_config_free(c);
    mlx_fast_cuda_kernel_free(k);
  }
}

static float doubled(int i) { return i % 2 ? -1 : 2 * (float)i; }
static float total(int i) { return i ? -1 : (float)N * (float)(N - 1) / 2; }

/* What is not written keeps the value; sums go through dynamic memory. */
static void several(void) {
  mlx_fast_cuda_kernel k = users_kernel(
      "several", two_in, two_out,
      "  extern __shared__ float part[];\n"
      "  int i = blockIdx.x * blockDim.x + threadIdx.x;\n"
      "  if (i < N && i % 2 == 0) y[i] = x[i] * __half2float(w[0]);\n"
      "  part[threadIdx.x + 14000] = i < N ? x[i] : 0;\n"
      "  __syncthreads();\n"
      "  for (int k = 0; i == 0 && k < 1; k++) z[0] = 0;\n"
      "  if (blockIdx.x == 0 && threadIdx.x == 0) {\n"
      "    float sum = 0;\n    for (int k = 0; k < N; k++) sum += x[k];\n    z[0] = sum;\n  }\n",
      "", true, 64 << 10);
  mlx_fast_cuda_kernel_config c = users_config(N);
  mlx_array in[] = {counted(), mlx_array_new_float(2)};
  CHECK(mlx_astype(&in[1], in[1], MLX_FLOAT16, gpu) == 0);
  CHECK(mlx_fast_cuda_kernel_config_add_output_arg(c, (const int[]){N}, 1, MLX_FLOAT32) == 0);
  CHECK(mlx_fast_cuda_kernel_config_add_output_arg(c, (const int[]){1, 2}, 2, MLX_FLOAT32) == 0);
  CHECK(mlx_fast_cuda_kernel_config_add_template_arg_int(c, "N", N) == 0);
  CHECK(mlx_fast_cuda_kernel_config_set_init_value(c, -1) == 0);
  expect(applied(k, c, in, 2, 0), doubled);
  expect(applied(k, c, in, 2, 1), total);
  for (int i = 0; i < 2; i++) mlx_array_free(in[i]);
  mlx_fast_cuda_kernel_config_free(c);
  mlx_fast_cuda_kernel_free(k);
}

/* A compiled function copies what does not lie row by row, which what it was traced for did. */
static mlx_fast_cuda_kernel raw;

static int copied(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_fast_cuda_kernel_config c = users_config(N);
  mlx_array x = users_result(in, 0);
  const int rc = mlx_fast_cuda_kernel_config_add_output_arg(c, (const int[]){N}, 1, MLX_FLOAT32) ||
                 users_apply(res, raw, c, &x, 1, gpu);
  mlx_array_free(x);
  mlx_fast_cuda_kernel_config_free(c);
  return rc;
}

static float same(int i) { return (float)i; }

static void compiled(void) {
  raw = users_kernel(
      "raw", one_in, one_out,
      "  int i = blockIdx.x * blockDim.x + threadIdx.x;\n  if (i < 1000) y[i] = x[i];\n", "", true,
      0);
  mlx_closure plain = mlx_closure_new_func(copied), f = mlx_closure_new();
  CHECK(mlx_compile(&f, plain, false) == 0);
  for (int turn = 0; turn < 2; turn++) {
    mlx_array x = counted();
    const int shape[2] = {turn ? 25 : 40, turn ? 40 : 25};
    CHECK(mlx_reshape(&x, x, shape, 2, gpu) == 0);
    if (turn) CHECK(mlx_transpose(&x, x, gpu) == 0);
    mlx_vector_array in = mlx_vector_array_new_value(x), out = mlx_vector_array_new();
    CHECK(mlx_closure_apply(&out, f, in) == 0);
    expect(users_result(out, 0), turn ? turned : same);
    mlx_vector_array_free(in);
    mlx_vector_array_free(out);
    mlx_array_free(x);
  }
  mlx_closure_free(plain);
  mlx_closure_free(f);
  mlx_fast_cuda_kernel_free(raw);
}

/* The compiler's words are the error of the result, and the stream goes on. */
static void mistake(void) {
  mlx_fast_cuda_kernel k =
      users_kernel("mistake", one_in, one_out, "  y[0] = no_such_name;", "", true, 0);
  mlx_fast_cuda_kernel_config c = users_config(1);
  mlx_array x = counted();
  CHECK(mlx_fast_cuda_kernel_config_add_output_arg(c, (const int[]){1}, 1, MLX_FLOAT32) == 0);
  mlx_array y = applied(k, c, &x, 1, 0);
  CHECK(mlx_array_eval(y) == 1 && strstr(weir_last_error(), "no_such_name"));
  CHECK(mlx_array_eval(x) == 0);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_fast_cuda_kernel_config_free(c);
  mlx_fast_cuda_kernel_free(k);
}

int main(void) {
  bool available = false;
  CHECK(mlx_cuda_is_available(&available) == 0);
  if (!available) {
    printf("skipped: no GPU\n");
    return 77;
  }
  mlx_set_error_handler(quiet, NULL, NULL);
  gpu = new_gpu_stream();
  elementwise();
  strides();
  several();
  compiled();
  mistake();
  mlx_stream_free(gpu);
  return 0;
}
