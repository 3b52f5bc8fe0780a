/* How convolutions are encoded, over the stand-in: which are tiles of a product, with what is
   joined afterwards, which are a tile's kernel for each phase of a dilated input, which are sums,
   and what is copied first; and that what memory is refused for fails in words, gives all back and
   leaves the next one right. The values are none: the stand-in computes nothing. */

#include "stand_in_case.h"

enum { OUT_OF_MEMORY = 2, UNKNOWN = 999 };
enum { RESULT_AND_SCRATCH = 3 }; /* a dense input, sums of splits */

static mlx_stream gpu;
/* Over two axes, which are equally long, as are those of the kernel. */
struct sizes {
  int n, in, channels, kernel, out_channels, groups;
  int stride, apart; /* elements of the input */
};

static mlx_array ones(const int *shape, mlx_dtype dtype) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_ones(&a, shape, 4, dtype, gpu) == 0 && mlx_array_eval(a) == 0);
  return a;
}

/* How the input lies in memory. */
enum form { DENSE, TURNED, CHANNELS_FIRST };

static mlx_array input_of(const struct sizes *s, mlx_dtype dtype, enum form form) {
  mlx_array x = form == CHANNELS_FIRST
                    ? ones((const int[]){s->n, s->channels, s->in, s->in}, dtype)
                    : ones((const int[]){s->n, s->in, s->in, s->channels}, dtype);
  if (form == TURNED) CHECK(mlx_swapaxes(&x, x, 1, 2, gpu) == 0);
  if (form == CHANNELS_FIRST) CHECK(mlx_swapaxes(&x, x, 1, 3, gpu) == 0);
  return x;
}

static mlx_array recorded(const struct sizes *s, mlx_dtype dtype, enum form form) {
  mlx_array x = input_of(s, dtype, form);
  mlx_array w =
      ones((const int[]){s->out_channels, s->kernel, s->kernel, s->channels / s->groups}, dtype);
  mlx_array out = mlx_array_new();
  const int one = 1;
  CHECK(mlx_conv_general(&out, x, w, &s->stride, 1, NULL, 0, NULL, 0, &one, 1, &s->apart, 1,
                         s->groups, false, gpu) == 0);
  const int side = (s->apart * (s->in - 1) + 1 - s->kernel) / s->stride + 1;
  CHECK(mlx_array_dim(out, 0) == s->n && mlx_array_dim(out, 1) == side);
  CHECK(mlx_array_dim(out, 2) == side && mlx_array_dim(out, 3) == s->out_channels);
  mlx_array_free(x);
  mlx_array_free(w);
  return out;
}

/* Forced, it is so many kernels, and copies or fills. */
static void expect(struct sizes s, mlx_dtype dtype, enum form form, uint64_t kernels,
                   uint64_t copies) {
  mlx_array out = recorded(&s, dtype, form);
  CHECK(mlx_synchronize(gpu) == 0);
  const struct stand_in_counts before = stand_in_now();
  CHECK(mlx_array_eval(out) == 0 && mlx_synchronize(gpu) == 0);
  const struct stand_in_counts after = stand_in_now();
  CHECK(after.kernels == before.kernels + kernels && after.copies == before.copies + copies);
  mlx_array_free(out);
}

static const struct sizes plain = {2, 9, 16, 3, 32, 1, 1, 1}, grouped = {2, 9, 32, 3, 32, 2, 1, 1},
                          few = {2, 9, 16, 3, 32, 8, 1, 1}, single = {2, 9, 16, 3, 16, 16, 1, 1},
                          none = {2, 9, 0, 3, 32, 1, 1, 1}, empty = {0, 9, 16, 3, 32, 1, 1, 1},
                          odd = {2, 9, 3, 3, 32, 1, 2, 1};
/* A depth of 8 times as much as a split has at least, and few tiles. */
static const struct sizes deep = {1, 5, 1024, 3, 64, 1, 1, 1};
/* Elements 2 apart have 2 phases along each axis; with a step of 2 positions only one. */
static const struct sizes dilated = {1, 9, 16, 3, 32, 1, 1, 2},
                          in_step = {1, 9, 16, 3, 32, 1, 2, 2};
/* Too many phases for a kernel each. */
static const struct sizes apart = {1, 3, 16, 3, 32, 1, 1, 9};

static void encodings(void) {
  const mlx_dtype types[] = {MLX_FLOAT32, MLX_FLOAT16, MLX_BFLOAT16, MLX_FLOAT64};
  for (int i = 0; i < 4; i++) {
    expect(plain, types[i], DENSE, 1, 0);
    expect(plain, types[i], TURNED, 1, 0);
    expect(plain, types[i], CHANNELS_FIRST, 2, 0);
    expect(odd, types[i], DENSE, 1, 0);
    expect(grouped, types[i], DENSE, 1, 0);
    expect(few, types[i], DENSE, 1, 0);
    expect(few, types[i], TURNED, 2, 0);
    expect(single, types[i], DENSE, 1, 0);
    expect(none, types[i], DENSE, 0, 1);
    expect(empty, types[i], DENSE, 0, 0);
    expect(deep, types[i], DENSE, 2, 0);
    expect(deep, types[i], CHANNELS_FIRST, 3, 0);
    expect(dilated, types[i], DENSE, 4, 0);
    expect(in_step, types[i], DENSE, 1, 0);
    expect(apart, types[i], DENSE, 1, 0);
  }
}

/* A call of the driver's fails, at each of its calls in turn, while one is encoded that takes so
   many kernels; with memory there may be another try. Then it is right again. How many calls there
   are.
 */
static int sweep(const struct sizes *s, enum form form, uint64_t kernels, const char *symbol,
                 int result, bool has_to_fail) {
  for (int n = 1;; n++) {
    mlx_array out = recorded(s, MLX_FLOAT32, form);
    CHECK(mlx_synchronize(gpu) == 0 && mlx_clear_cache() == 0);
    cuda->fail(symbol, (uint64_t)n, result);
    const bool is = mlx_array_eval(out) == 0;
    const bool failed = cuda->has_failed();
    cuda->fail(symbol, 0, 0);
    CHECK(is || (failed && *weir_last_error() && mlx_array_data_float32(out) == NULL));
    CHECK(!is || !failed || !has_to_fail);
    mlx_array_free(out);
    expect(*s, MLX_FLOAT32, form, kernels, 0);
    if (!failed) return n - 1;
  }
}

/* The device has no room for a dense input, though it has for the arrays: 80 MB and 20. */
static void no_room(void) {
  const struct sizes large = {20, 512, 4, 3, 1, 1, 1, 1};
  mlx_array out = recorded(&large, MLX_FLOAT32, CHANNELS_FIRST);
  CHECK(mlx_synchronize(gpu) == 0 && mlx_clear_cache() == 0);
  cuda->capacity((size_t)120 << 20);
  CHECK(mlx_array_eval(out) == 1 && strstr(weir_last_error(), "conv"));
  CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
  cuda->capacity((size_t)1 << 30);
  mlx_array_free(out);
  expect(large, MLX_FLOAT32, CHANNELS_FIRST, 2, 0);
}

int main(void) {
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  gpu = new_gpu_stream();
  encodings();
  CHECK(sweep(&deep, CHANNELS_FIRST, 3, "cuMemAllocFromPoolAsync", OUT_OF_MEMORY, false) >=
        RESULT_AND_SCRATCH);
  CHECK(sweep(&plain, DENSE, 1, "cuLaunchKernel", UNKNOWN, true) >= 1);
  no_room();
  mlx_stream_free(gpu);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  return 0;
}
