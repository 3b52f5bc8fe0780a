/* How sorts, scans, searches and gathers are encoded, over the stand-in: by how long lines are and
   how they lie, which take one kernel, which one for each digit of a key, and what is zeroed
   before; and that what memory is refused for fails in words, gives all back and leaves the next
   one right. The values are none: the stand-in computes nothing. */

#include "stand_in_case.h"

enum { OUT_OF_MEMORY = 2, UNKNOWN = 999 };

static mlx_stream gpu;

enum what { SORT, ARGSORT, TOPK, MEDIAN, CUMSUM, ARGMAX };

static mlx_array ones(int rows, int columns, mlx_dtype dtype) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_ones(&a, (const int[]){rows, columns}, 2, dtype, gpu) == 0 && mlx_array_eval(a) == 0);
  return a;
}

static mlx_array recorded(enum what what, int rows, int columns, int axis, mlx_dtype dtype) {
  mlx_array x = ones(rows, columns, dtype), out = mlx_array_new();
  int failed = 1;
  switch (what) {
    case SORT:
      failed = mlx_sort_axis(&out, x, axis, gpu);
      break;
    case ARGSORT:
      failed = mlx_argsort_axis(&out, x, axis, gpu);
      break;
    case TOPK:
      failed = mlx_topk_axis(&out, x, 1, axis, gpu);
      break;
    case MEDIAN:
      failed = mlx_median(&out, x, &axis, 1, false, gpu);
      break;
    case CUMSUM:
      failed = mlx_cumsum(&out, x, axis, false, true, gpu);
      break;
    case ARGMAX:
      failed = mlx_argmax_axis(&out, x, axis, false, gpu);
      break;
  }
  CHECK(!failed);
  mlx_array_free(x);
  return out;
}

/* Forced, it is so many kernels, and copies or fills. */
static void expect_of(mlx_array out, uint64_t kernels, uint64_t copies) {
  CHECK(mlx_synchronize(gpu) == 0);
  const struct stand_in_counts before = stand_in_now();
  CHECK(mlx_array_eval(out) == 0 && mlx_synchronize(gpu) == 0);
  const struct stand_in_counts after = stand_in_now();
  CHECK(after.kernels == before.kernels + kernels && after.copies == before.copies + copies);
  mlx_array_free(out);
}

static void expect(enum what what, int rows, int columns, int axis, mlx_dtype dtype,
                   uint64_t kernels, uint64_t copies) {
  expect_of(recorded(what, rows, columns, axis, dtype), kernels, copies);
}

/* A block holds 8,192 elements, or 4,096 of 8 bytes; behind that there is a count and a sweep for
   each byte of an element, or for partitions a count for each digit, of 11 bits at most, and one
   kernel that moves elements. */
static void sorts(void) {
  static const struct {
    mlx_dtype dtype;
    int most, bytes;
  } types[] = {{MLX_BOOL, 8192, 1},    {MLX_UINT8, 8192, 1}, {MLX_BFLOAT16, 8192, 2},
               {MLX_FLOAT32, 8192, 4}, {MLX_INT64, 4096, 8}, {MLX_COMPLEX64, 4096, 8}};
  const enum what kinds[] = {SORT, ARGSORT, TOPK};
  for (int i = 0; i < 6 * 3; i++) {
    const mlx_dtype t = types[i / 3].dtype;
    const enum what what = kinds[i % 3];
    const int most = types[i / 3].most;
    const uint64_t bytes = (uint64_t)types[i / 3].bytes;
    const uint64_t sweeps = what == TOPK ? (8 * bytes + 10) / 11 : bytes;
    expect(what, 3, 100, 1, t, 1, 0);
    expect(what, 3, most, 1, t, 1, 0);
    expect(what, most, 3, 0, t, 1, 0);
    expect(what, 3, most + 1, 1, t, 1 + sweeps, 1);
    expect(what, 2 * most, 3, 0, t, 1 + sweeps, 1);
    if (what != TOPK) expect(what, 3, 0, 1, t, 0, 0);
  }
}

/* Of even and odd extents, of types that a partition finds the middle of and of one that is sorted:
   how many small kernels follow is the affair of groups. */
static void medians(void) {
  static const mlx_dtype types[] = {MLX_FLOAT32, MLX_INT32, MLX_COMPLEX64};
  for (int i = 0; i < 6; i++) {
    mlx_array out = recorded(MEDIAN, 3, 8193 + i % 2, 1, types[i / 2]);
    CHECK(mlx_array_eval(out) == 0 && mlx_synchronize(gpu) == 0);
    mlx_array_free(out);
  }
}

/* A tile is 4,096 elements, or 2,048 of 8 bytes. */
static void others(void) {
  expect(CUMSUM, 5, 100, 1, MLX_FLOAT32, 1, 0);
  expect(CUMSUM, 5, 4096, 1, MLX_FLOAT32, 1, 0);
  expect(CUMSUM, 5, 4097, 1, MLX_FLOAT32, 1, 1);
  expect(CUMSUM, 5, 2049, 1, MLX_COMPLEX64, 1, 1);
  expect(CUMSUM, 9000, 5, 0, MLX_UINT8, 1, 1);
  expect(CUMSUM, 0, 5, 0, MLX_UINT8, 0, 0);
  expect(ARGMAX, 64, 100, 1, MLX_FLOAT32, 1, 0);
  expect(ARGMAX, 64, 100, 0, MLX_FLOAT32, 1, 0);
}

/* A call of the driver's fails, at each of its calls in turn, while one is encoded that takes so
   many kernels and one fill; with memory there may be another try. Then it is right again. How many
   calls there are. */
static int fail_each(enum what what, int columns, uint64_t kernels, const char *symbol, int result,
                     bool has_to_fail) {
  for (int n = 1;; n++) {
    mlx_array out = recorded(what, 2, columns, 1, MLX_FLOAT32);
    CHECK(mlx_synchronize(gpu) == 0 && mlx_clear_cache() == 0);
    cuda->fail(symbol, (uint64_t)n, result);
    const bool is = mlx_array_eval(out) == 0;
    const bool failed = cuda->has_failed();
    cuda->fail(symbol, 0, 0);
    CHECK(is || (failed && *weir_last_error()));
    CHECK(!is || !failed || !has_to_fail);
    mlx_array_free(out);
    expect(what, 2, columns, 1, MLX_FLOAT32, kernels, 1);
    if (!failed) return n - 1;
  }
}

int main(void) {
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  gpu = new_gpu_stream();
  sorts();
  medians();
  others();
  /* The result, and what there is of scratch: keys and places twice and what tiles tell. */
  CHECK(fail_each(ARGSORT, 10000, 5, "cuMemAllocFromPoolAsync", OUT_OF_MEMORY, false) >= 6);
  CHECK(fail_each(CUMSUM, 10000, 1, "cuMemAllocFromPoolAsync", OUT_OF_MEMORY, false) >= 2);
  /* The result, what is known of lines, and elements that are kept. */
  CHECK(fail_each(TOPK, 10000, 4, "cuMemAllocFromPoolAsync", OUT_OF_MEMORY, false) >= 3);
  CHECK(fail_each(ARGSORT, 10000, 5, "cuMemsetD8Async", UNKNOWN, true) == 1);
  CHECK(fail_each(CUMSUM, 10000, 1, "cuMemsetD8Async", UNKNOWN, true) == 1);
  CHECK(fail_each(TOPK, 10000, 4, "cuMemsetD8Async", UNKNOWN, true) == 1);
  mlx_stream_free(gpu);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  return 0;
}
