/* In which type the GPU is asked to compute products, over the stand-in for cuBLASLt, which counts
   it: TF32 unless the environment or weir_set_matmul_precision say otherwise, as the setting was
   when the product was recorded, whichever thread forces it; and other types, and products with a
   vector, never depend on it. */

#include "anew.h"
#include "backend/cuda/driver/library.h"
#include "stand_in_case.h"

static mlx_stream gpu;
static stand_in_lt_products products_of;
static stand_in_lt_launched products_launched;

static void find(const char *symbol, void *function) {
  void *library = dlopen("libcublasLt.so.13", RTLD_NOW | RTLD_LOCAL);
  void *address = library ? dlsym(library, symbol) : NULL;
  CHECK(address != NULL);
  memcpy(function, &address, sizeof address);
}

static void find_products(void) {
  find(STAND_IN_LT_SYMBOL, &products_of);
  find(STAND_IN_LT_LAUNCHED_SYMBOL, &products_launched);
}

static mlx_array matrix(int rows, int columns, mlx_dtype dtype) {
  const int shape[] = {rows, columns};
  mlx_array out = mlx_array_new();
  CHECK(mlx_ones(&out, shape, 2, dtype, gpu) == 0);
  return out;
}

static mlx_array recorded(int rows, int inner, int columns, mlx_dtype dtype) {
  mlx_array a = matrix(rows, inner, dtype), b = matrix(inner, columns, dtype);
  mlx_array out = mlx_array_new();
  CHECK(mlx_matmul(&out, a, b, gpu) == 0);
  mlx_array_free(a);
  mlx_array_free(b);
  return out;
}

static mlx_array recorded_sum(int side) {
  mlx_array a = matrix(side, side, MLX_FLOAT32), out = mlx_array_new();
  CHECK(mlx_addmm(&out, a, a, a, 2, 3, gpu) == 0);
  mlx_array_free(a);
  return out;
}

/* Forces c, which asks for so many products of that type, and none of others. */
static void expect(mlx_array c, int compute_type, uint64_t n) {
  const uint64_t all = products_of(0), those = products_of(compute_type);
  CHECK(mlx_array_eval(c) == 0);
  CHECK(products_of(compute_type) == those + n && products_of(0) == all + n);
  mlx_array_free(c);
}

static void set(weir_matmul_precision how) {
  CHECK(weir_set_matmul_precision(how) == 0 && weir_get_matmul_precision() == how);
}

static void settings(void) {
  enum { SIDE = 4096, SLICES = 8 }; /* 512 terms each */
  set(WEIR_MATMUL_FLOAT32);
  expect(recorded(64, 64, 64, MLX_FLOAT32), WR_LT_COMPUTE_F32, 1);
  expect(recorded_sum(64), WR_LT_COMPUTE_F32, 1);
  set(WEIR_MATMUL_TF32X3);
  expect(recorded(SIDE, SIDE, SIDE, MLX_FLOAT32), WR_LT_COMPUTE_F32_BY_TF32, 2 + SLICES);
  expect(recorded_sum(SIDE), WR_LT_COMPUTE_F32_BY_TF32, 2 + SLICES);
  expect(recorded(64, 64, 64, MLX_FLOAT32), WR_LT_COMPUTE_F32, 1);
  set(WEIR_MATMUL_TF32);
  expect(recorded(64, 64, 64, MLX_FLOAT32), WR_LT_COMPUTE_F32_BY_TF32, 1);
  expect(recorded_sum(64), WR_LT_COMPUTE_F32_BY_TF32, 1);
  CHECK(weir_set_matmul_precision((weir_matmul_precision)3) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT);
  CHECK(weir_get_matmul_precision() == WEIR_MATMUL_TF32);
}

static void others(void) {
  set(WEIR_MATMUL_TF32);
  expect(recorded(64, 64, 64, MLX_FLOAT64), WR_LT_COMPUTE_F64, 1);
  expect(recorded(64, 64, 64, MLX_FLOAT16), WR_LT_COMPUTE_F32, 1);
  expect(recorded(64, 64, 64, MLX_BFLOAT16), WR_LT_COMPUTE_F32, 1);
  expect(recorded(64, 64, 64, MLX_COMPLEX64), WR_LT_COMPUTE_F32, 1);
  expect(recorded(1, 64, 64, MLX_FLOAT32), WR_LT_COMPUTE_F32, 1);
  expect(recorded(64, 64, 1, MLX_FLOAT32), WR_LT_COMPUTE_F32, 1);
}

/* Of a command of which a launch is refused nothing is launched after it: here what makes parts of
   the operands, and their products, and what mends these. On a stream of its own, where nothing
   goes as a graph. */
static void nothing_after_a_refusal(void) {
  enum { SIDE = 4096, REFUSED = 701 };
  const mlx_stream other = gpu;
  gpu = new_gpu_stream();
  set(WEIR_MATMUL_TF32X3);
  mlx_array a = matrix(SIDE, SIDE, MLX_FLOAT32), c = mlx_array_new();
  CHECK(mlx_array_eval(a) == 0 && mlx_matmul(&c, a, a, gpu) == 0);
  const uint64_t before = cuda->calls("cuLaunchKernel"), graphs = cuda->calls("cuGraphLaunch");
  const uint64_t products = products_launched();
  cuda->fail("cuLaunchKernel", 1, REFUSED);
  CHECK(mlx_array_eval(c) == 1 && strstr(weir_last_error(), "cuLaunchKernel"));
  CHECK(mlx_synchronize(gpu) == 0);
  CHECK(cuda->calls("cuLaunchKernel") == before + 1 && cuda->calls("cuGraphLaunch") == graphs);
  cuda->fail("cuLaunchKernel", 0, 0);
  CHECK(products_launched() == products);
  mlx_array_free(c);
  mlx_array_free(a);
  mlx_stream_free(gpu);
  gpu = other;
}

/* Nor does a product read what a command before it was to make. */
static void nothing_behind_a_refusal(void) {
  enum { SIDE = 64, REFUSED = 701 };
  const mlx_stream other = gpu;
  gpu = new_gpu_stream();
  set(WEIR_MATMUL_TF32);
  mlx_array c = recorded(SIDE, SIDE, SIDE, MLX_FLOAT32);
  const uint64_t products = products_launched();
  cuda->fail("cuLaunchKernel", 1, REFUSED);
  CHECK(mlx_array_eval(c) == 1 && strstr(weir_last_error(), "cuLaunchKernel"));
  CHECK(cuda->has_failed() && products_launched() == products);
  cuda->fail("cuLaunchKernel", 0, 0);
  expect(recorded(SIDE, SIDE, SIDE, MLX_FLOAT32), WR_LT_COMPUTE_F32_BY_TF32, 1);
  CHECK(products_launched() == products + 1);
  mlx_array_free(c);
  mlx_stream_free(gpu);
  gpu = other;
}

static mlx_array kept;

static void force_kept(int i) {
  (void)i;
  expect(kept, WR_LT_COMPUTE_F32_BY_TF32, 1);
}

/* The setting of the moment when it is recorded, not of that when it is forced. */
static void recording(void) {
  set(WEIR_MATMUL_TF32);
  kept = recorded(64, 64, 64, MLX_FLOAT32);
  set(WEIR_MATMUL_FLOAT32);
  mlx_array full = recorded(64, 64, 64, MLX_FLOAT32);
  run_threads(1, force_kept);
  set(WEIR_MATMUL_TF32);
  expect(full, WR_LT_COMPUTE_F32, 1);
}

/* MLX_ENABLE_TF32 as this process has it. */
static void variable(void) {
  const char *text = getenv("MLX_ENABLE_TF32");
  const bool tf32 = !text || atoi(text) != 0;
  CHECK(weir_get_matmul_precision() == (tf32 ? WEIR_MATMUL_TF32 : WEIR_MATMUL_FLOAT32));
  expect(recorded(64, 64, 64, MLX_FLOAT32), tf32 ? WR_LT_COMPUTE_F32_BY_TF32 : WR_LT_COMPUTE_F32,
         1);
}

static void start(void) {
  mlx_set_error_handler(quiet, NULL, NULL);
  gpu = new_gpu_stream();
  find_products();
}

static void without(void) {
  setenv("MLX_ENABLE_TF32", "0", 1);
  run_anew("variable");
}

static void with(void) {
  setenv("MLX_ENABLE_TF32", "1", 1);
  run_anew("variable");
}

int main(int argc, char **argv) {
  if (argc == 1) {
    unsetenv("MLX_ENABLE_TF32");
    stand_in_start();
    CHECK(in_child(without, 60) == 0 && in_child(with, 60) == 0);
    run_anew("all"); /* the variable may have been there */
  }
  stand_in_start();
  start();
  variable();
  if (strcmp(argv[1], "variable") != 0) {
    settings();
    others();
    recording();
    nothing_after_a_refusal();
    nothing_behind_a_refusal();
  }
  mlx_stream_free(gpu);
  return 0;
}
