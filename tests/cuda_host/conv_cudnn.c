/* Which convolutions are cuDNN's, over its stand-in, which ends the process where it is called
   wrongly; that whatever fails there, and what it is refused memory for, is computed by Weir's own
   kernel; that it does not read what was not written; that plans are kept, and not without end;
   threads that use it at once; and a machine without it. The values are none: nothing is computed.
 */

#include "stand_in_case.h"

enum {
  OUT_OF_MEMORY = 2,
  NOT_LOADED = 1008,
  NOT_SUPPORTED = 3000,
  NO_MEMORY = 4004,
  FAILED = 5000
};
enum { TRIES = 4 };                     /* of what fails each time */
enum { PLANS = 128, DESCRIPTIONS = 2 }; /* that a set keeps, of each */

static const struct stand_in_dnn *dnn;

struct sizes {
  int n, in, channels, kernel, out_channels, groups, apart;
};

/* 7.4, 0.92 and 0.46 times 10^9 operations; groups of many and of few channels. */
static const struct sizes large = {32, 30, 128, 3, 128, 1, 1}, middle = {4, 30, 128, 3, 128, 1, 1},
                          small = {2, 30, 128, 3, 128, 1, 1}, grouped = {64, 30, 128, 3, 128, 8, 1},
                          few = {4, 30, 128, 3, 128, 32, 1}, odd = {512, 30, 13, 3, 160, 1, 1},
                          dilated = {32, 15, 128, 3, 128, 1, 2};

static void find_library(void) {
  void *library = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
  dnn = library ? dlsym(library, STAND_IN_DNN_SYMBOL) : NULL;
  CHECK(dnn != NULL);
}

static mlx_array ones(const int *shape, mlx_dtype dtype, mlx_stream s) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_ones(&a, shape, 4, dtype, s) == 0 && mlx_array_eval(a) == 0);
  return a;
}

static mlx_array recorded(struct sizes s, mlx_dtype dtype, bool turned, mlx_stream stream) {
  const int in[] = {s.n, s.in, s.in, s.channels}, one = 1;
  const int kernel[] = {s.out_channels, s.kernel, s.kernel, s.channels / s.groups};
  mlx_array x = ones(in, dtype, stream), w = ones(kernel, dtype, stream), out = mlx_array_new();
  if (turned) CHECK(mlx_swapaxes(&x, x, 1, 2, stream) == 0);
  CHECK(mlx_conv_general(&out, x, w, &one, 1, NULL, 0, NULL, 0, &one, 1, &s.apart, 1, s.groups,
                         false, stream) == 0);
  CHECK(mlx_synchronize(stream) == 0);
  mlx_array_free(x);
  mlx_array_free(w);
  return out;
}

/* Forces it, which takes so many kernels of Weir's and executions of cuDNN's. */
static void expect(mlx_array out, mlx_stream s, uint64_t kernels, uint64_t executions) {
  const struct stand_in_counts before = stand_in_now();
  const uint64_t executed = dnn->executions();
  CHECK(mlx_array_eval(out) == 0 && mlx_synchronize(s) == 0);
  const uint64_t k = stand_in_now().kernels - before.kernels, e = dnn->executions() - executed;
  if (k != kernels || e != executions) {
    fprintf(stderr, "%d kernels, %d executions\n", (int)k, (int)e);
  }
  CHECK(k == kernels && e == executions);
  mlx_array_free(out);
}

static void which(void) {
  mlx_stream s = new_gpu_stream();
  const mlx_dtype types[] = {MLX_FLOAT16, MLX_BFLOAT16, MLX_FLOAT32};
  for (int i = 0; i < 3; i++) {
    const bool wide = types[i] == MLX_FLOAT32;
    expect(recorded(large, types[i], false, s), s, 0, 1);
    expect(recorded(large, types[i], false, s), s, 0, 1);
    expect(recorded(large, types[i], true, s), s, 1, 0);
    expect(recorded(middle, types[i], false, s), s, wide ? 0 : 1, wide ? 1 : 0);
    expect(recorded(small, types[i], false, s), s, 1, 0);
    expect(recorded(grouped, types[i], false, s), s, 0, 1);
    expect(recorded(few, types[i], false, s), s, 0, 1);
    expect(recorded(odd, types[i], false, s), s, 1, 0);
    expect(recorded(dilated, types[i], false, s), s, 4, 0);
  }
  expect(recorded(large, MLX_FLOAT64, false, s), s, 1, 0);
  CHECK(weir_set_matmul_precision(WEIR_MATMUL_FLOAT32) == 0);
  expect(recorded(large, MLX_FLOAT32, false, s), s, 1, 0);
  expect(recorded(large, MLX_FLOAT16, false, s), s, 0, 1);
  CHECK(weir_set_matmul_precision(WEIR_MATMUL_TF32) == 0);
  mlx_stream_free(s);
}

/* A call fails, at each of its calls in turn, of a shape that has no plan yet and of one that has:
   then Weir's own kernel computes it, and cuDNN the next. How often that was. */
static int sweep(const char *symbol, int *n_in) {
  mlx_stream s = new_gpu_stream();
  int failures = 0;
  for (uint64_t n = 1;; n++) {
    struct sizes one = large;
    one.n += ++*n_in;
    mlx_array out = recorded(one, MLX_BFLOAT16, false, s);
    const uint64_t alive = dnn->alive();
    dnn->fail(symbol, n, FAILED);
    const uint64_t executed = dnn->executions(), kernels = stand_in_now().kernels;
    CHECK(mlx_array_eval(out) == 0 && mlx_synchronize(s) == 0);
    const bool failed = dnn->has_failed(), by_cudnn = dnn->executions() == executed + 1;
    CHECK(stand_in_now().kernels == kernels + (by_cudnn ? 0 : 1));
    CHECK(dnn->alive() == alive || dnn->alive() == alive + DESCRIPTIONS);
    dnn->fail(symbol, 0, 0);
    mlx_array_free(out);
    expect(recorded(one, MLX_BFLOAT16, false, s), s, 0, 1);
    if (!failed) break;
    failures += !by_cudnn;
  }
  mlx_stream_free(s);
  return failures;
}

static void failures(void) {
  int n = 0;
  CHECK(sweep("cudnnBackendCreateDescriptor", &n) >= 10);
  CHECK(sweep("cudnnBackendSetAttribute", &n) >= 30);
  CHECK(sweep("cudnnBackendFinalize", &n) >= 8);
  CHECK(sweep("cudnnBackendGetAttribute", &n) >= 3);
  CHECK(sweep("cudnnSetStream", &n) == 1);
  CHECK(sweep("cudnnBackendExecute", &n) == 1);
}

/* A launch before it is refused, which was to make its input. The next one is right again. */
static void nothing_behind_a_refusal(void) {
  enum { REFUSED = 701 };
  mlx_stream s = new_gpu_stream();
  const int in[] = {32, 30, 30, 128}, kernel[] = {128, 3, 3, 128};
  mlx_array x = ones(in, MLX_BFLOAT16, s), w = ones(kernel, MLX_BFLOAT16, s), y = mlx_array_new();
  for (int round = 0; round < 2; round++) {
    CHECK(mlx_cumsum(&y, x, 0, false, true, s) == 0 && mlx_synchronize(s) == 0);
    CHECK(mlx_conv2d(&y, y, w, 1, 1, 0, 0, 1, 1, 1, s) == 0);
    const uint64_t executed = dnn->executions();
    if (round == 0) cuda->fail("cuLaunchKernel", 1, REFUSED);
    CHECK(mlx_array_eval(y) == (round == 0) && mlx_synchronize(s) == 0);
    CHECK(dnn->executions() == executed + (round == 0 ? 0 : 1));
    CHECK(round == 1 || strstr(weir_last_error(), "cuLaunchKernel"));
    cuda->fail("cuLaunchKernel", 0, 0);
  }
  mlx_array_free(x);
  mlx_array_free(w);
  mlx_array_free(y);
  mlx_stream_free(s);
}

/* What it does not support is not asked for again. */
static void not_supported(void) {
  mlx_stream s = new_gpu_stream();
  struct sizes one = large;
  one.n = 200;
  mlx_array out = recorded(one, MLX_FLOAT16, false, s);
  dnn->fail("cudnnBackendFinalize", 6, NOT_SUPPORTED); /* of the heuristics */
  expect(out, s, 1, 0);
  CHECK(dnn->has_failed());
  expect(recorded(one, MLX_FLOAT16, false, s), s, 1, 0);
  mlx_stream_free(s);
}

/* The call fails so: whether it was made at all, by a convolution that is then Weir's. */
static bool tries(struct sizes sizes, const char *symbol, uint64_t n, int result, mlx_stream s) {
  mlx_array out = recorded(sizes, MLX_FLOAT16, false, s);
  dnn->fail(symbol, n, result);
  expect(out, s, 1, 0);
  const bool made = dnn->has_failed();
  dnn->fail(symbol, 0, 0);
  return made;
}

/* What fails each time is not tried for ever, and other shapes stay cuDNN's; what is refused memory
   is. */
static void failures_that_last(void) {
  static const char *const symbols[] = {"cudnnBackendFinalize", "cudnnSetStream",
                                        "cudnnBackendExecute"};
  const uint64_t calls[] = {6, 1, 1};
  mlx_stream s = new_gpu_stream();
  struct sizes one = large;
  one.n = 300;
  for (int i = 0; i < 3; i++) {
    one.n++;
    if (i > 0) expect(recorded(one, MLX_FLOAT16, false, s), s, 0, 1);
    for (int k = 0; k < TRIES; k++) CHECK(tries(one, symbols[i], calls[i], FAILED, s));
    CHECK(!tries(one, symbols[i], calls[i], FAILED, s));
    expect(recorded(one, MLX_FLOAT16, false, s), s, 1, 0);
    expect(recorded(large, MLX_FLOAT16, false, s), s, 0, 1);
    one.n++;
    for (int k = 0; k <= TRIES; k++) CHECK(tries(one, symbols[i], calls[i], NO_MEMORY, s));
    expect(recorded(one, MLX_FLOAT16, false, s), s, 0, 1);
  }
  mlx_stream_free(s);
}

/* In a process of its own: no handle can be made. */
static void no_handle(void) {
  mlx_stream s = new_gpu_stream();
  for (int k = 0; k <= TRIES; k++) CHECK(tries(large, "cudnnCreate", 1, NO_MEMORY, s));
  for (int k = 0; k < TRIES; k++) CHECK(tries(large, "cudnnCreate", 1, NOT_LOADED, s));
  CHECK(!tries(large, "cudnnCreate", 1, NOT_LOADED, s));
  expect(recorded(grouped, MLX_BFLOAT16, false, s), s, 1, 0);
  mlx_stream_free(s);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
}

/* Memory for the result and then for the workspace is refused once: it is cuDNN's all the same. The
   stream has one workspace, which its products share. */
static void no_memory(void) {
  for (uint64_t n = 1; n <= 2; n++) {
    mlx_stream s = new_gpu_stream();
    mlx_array out = recorded(large, MLX_BFLOAT16, false, s);
    CHECK(mlx_clear_cache() == 0);
    cuda->fail("cuMemAllocFromPoolAsync", n, OUT_OF_MEMORY);
    expect(out, s, 0, 1);
    CHECK(cuda->has_failed());
    cuda->fail("cuMemAllocFromPoolAsync", 0, 0);
    out = recorded(large, MLX_BFLOAT16, false, s);
    CHECK(mlx_clear_cache() == 0);
    cuda->fail("cuMemAllocFromPoolAsync", 2, OUT_OF_MEMORY);
    expect(out, s, 0, 1);
    CHECK(!cuda->has_failed());
    cuda->fail("cuMemAllocFromPoolAsync", 0, 0);
    mlx_stream_free(s);
  }
}

/* More shapes than plans are kept. */
static void many_shapes(int thread) {
  mlx_stream s = new_gpu_stream();
  const int many = thread < 0 ? 2 * PLANS : 8;
  for (int i = 0; i < many; i++) {
    struct sizes one = {1, 4, 128, 3, 1024, 32, 1};
    one.n = 512 + i + (thread < 0 ? 0 : 4 * thread);
    mlx_array out = recorded(one, MLX_BFLOAT16, false, s);
    CHECK(mlx_array_eval(out) == 0);
    mlx_array_free(out);
  }
  CHECK(mlx_synchronize(s) == 0);
  mlx_stream_free(s);
}

/* In a process of its own. */
static void without_it(void) {
  CHECK(!setenv("WEIR_CUDNN", "/nowhere/libcudnn.so.9", 1));
  mlx_stream s = new_gpu_stream();
  expect(recorded(large, MLX_BFLOAT16, false, s), s, 1, 0);
  expect(recorded(grouped, MLX_BFLOAT16, false, s), s, 1, 0);
  mlx_stream_free(s);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
}

int main(void) {
  stand_in_start();
  find_library();
  mlx_set_error_handler(quiet, NULL, NULL);
  CHECK(in_child(without_it, SANITIZED ? 100 : 30) == 0);
  CHECK(in_child(no_handle, SANITIZED ? 100 : 30) == 0);
  which();
  failures();
  nothing_behind_a_refusal();
  not_supported();
  failures_that_last();
  no_memory();
  const uint64_t executed = dnn->executions();
  many_shapes(-1);
  CHECK(dnn->executions() == executed + 2 * PLANS && dnn->alive() <= PLANS * DESCRIPTIONS);
  run_threads(4, many_shapes);
  CHECK(dnn->executions() > executed + 2 * PLANS);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  return 0;
}
