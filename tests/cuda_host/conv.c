/* How convolutions are encoded, over the stand-in: which are products, in how many stretches, which
   are sums, what is copied first; and that what memory is refused for fails in words, gives all
   back and leaves the next one right. The values are none: the stand-in computes nothing. */

#include "stand_in_case.h"

enum { OUT_OF_MEMORY = 2, UNKNOWN = 999 };
enum { RESULT_AND_SCRATCH = 4 }; /* a dense input, rows, the products of groups */

static mlx_stream gpu;
static stand_in_lt_products products_of;

static void find_products(void) {
  void *library = dlopen("libcublasLt.so.13", RTLD_NOW | RTLD_LOCAL);
  void *address = library ? dlsym(library, STAND_IN_LT_SYMBOL) : NULL;
  CHECK(address != NULL);
  memcpy(&products_of, &address, sizeof products_of);
}

/* Over two axes, which are equally long, as are those of the kernel. */
struct sizes {
  int n, in, channels, kernel, out_channels, groups;
};

static mlx_array ones(const int *shape, mlx_dtype dtype) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_ones(&a, shape, 4, dtype, gpu) == 0 && mlx_array_eval(a) == 0);
  return a;
}

static mlx_array recorded(const struct sizes *s, mlx_dtype dtype, bool strided) {
  mlx_array x = ones((const int[]){s->n, s->in, s->in, s->channels}, dtype);
  mlx_array w =
      ones((const int[]){s->out_channels, s->kernel, s->kernel, s->channels / s->groups}, dtype);
  mlx_array out = mlx_array_new();
  if (strided) CHECK(mlx_swapaxes(&x, x, 1, 2, gpu) == 0);
  CHECK(mlx_conv2d(&out, x, w, 1, 1, 0, 0, 1, 1, s->groups, gpu) == 0);
  const int side = s->in - s->kernel + 1;
  CHECK(mlx_array_dim(out, 0) == s->n && mlx_array_dim(out, 1) == side);
  CHECK(mlx_array_dim(out, 2) == side && mlx_array_dim(out, 3) == s->out_channels);
  mlx_array_free(x);
  mlx_array_free(w);
  return out;
}

/* Forced, it is so many products, kernels, and copies or fills. */
static void expect(struct sizes s, mlx_dtype dtype, bool strided, uint64_t products,
                   uint64_t kernels, uint64_t copies) {
  mlx_array out = recorded(&s, dtype, strided);
  CHECK(mlx_synchronize(gpu) == 0);
  const struct stand_in_counts before = stand_in_now();
  const uint64_t those = products_of(0);
  CHECK(mlx_array_eval(out) == 0 && mlx_synchronize(gpu) == 0);
  const struct stand_in_counts after = stand_in_now();
  CHECK(products_of(0) == those + products);
  CHECK(after.kernels == before.kernels + kernels && after.copies == before.copies + copies);
  mlx_array_free(out);
}

static const struct sizes plain = {2, 9, 16, 3, 32, 1}, grouped = {2, 9, 32, 3, 32, 2},
                          few = {2, 9, 16, 3, 32, 8}, none = {2, 9, 0, 3, 32, 1},
                          empty = {0, 9, 16, 3, 32, 1};
/* Its rows take 256 KB, of which the scratch has 1024 at a time, and there are 1600. */
static const struct sizes large = {1, 103, 16, 64, 32, 1};

static void encodings(void) {
  const mlx_dtype types[] = {MLX_FLOAT32, MLX_FLOAT16, MLX_BFLOAT16};
  for (int i = 0; i < 3; i++) {
    expect(plain, types[i], false, 1, 1, 0);
    expect(plain, types[i], true, 1, 2, 0);
    expect(grouped, types[i], false, 1, 2, 0);
    expect(few, types[i], false, 0, 1, 0);
    expect(few, types[i], true, 0, 2, 0);
    expect(none, types[i], false, 0, 0, 1);
    expect(empty, types[i], false, 0, 0, 0);
  }
  expect(large, MLX_FLOAT32, false, 2, 2, 0);
}

/* A call of the driver's fails, at each of its calls in turn, while one is encoded that has every
   kind of scratch; with memory there may be another try. Then it is right again. How many calls
   there are. */
static int sweep(const char *symbol, int result, bool has_to_fail) {
  for (int n = 1;; n++) {
    mlx_array out = recorded(&grouped, MLX_FLOAT32, true);
    CHECK(mlx_synchronize(gpu) == 0 && mlx_clear_cache() == 0);
    cuda->fail(symbol, (uint64_t)n, result);
    const bool is = mlx_array_eval(out) == 0;
    const bool failed = cuda->has_failed();
    cuda->fail(symbol, 0, 0);
    CHECK(is || (failed && *weir_last_error() && mlx_array_data_float32(out) == NULL));
    CHECK(!is || !failed || !has_to_fail);
    mlx_array_free(out);
    expect(grouped, MLX_FLOAT32, true, 1, 3, 0);
    if (!failed) return n - 1;
  }
}

/* The device has no room for the rows, though it has for the arrays. */
static void no_room(void) {
  mlx_array out = recorded(&large, MLX_FLOAT32, false);
  CHECK(mlx_synchronize(gpu) == 0 && mlx_clear_cache() == 0);
  cuda->capacity((size_t)1 << 27);
  CHECK(mlx_array_eval(out) == 1 && strstr(weir_last_error(), "conv"));
  CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
  cuda->capacity((size_t)1 << 30);
  mlx_array_free(out);
  expect(large, MLX_FLOAT32, false, 2, 2, 0);
}

int main(void) {
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  gpu = new_gpu_stream();
  find_products();
  encodings();
  CHECK(sweep("cuMemAllocFromPoolAsync", OUT_OF_MEMORY, false) >= RESULT_AND_SCRATCH);
  CHECK(sweep("cuLaunchKernel", UNKNOWN, true) >= 1);
  no_room();
  mlx_stream_free(gpu);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  return 0;
}
