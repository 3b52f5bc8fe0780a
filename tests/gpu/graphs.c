/* Plans that repeat become graphs of the driver: results are the same each time, whatever changes
   between two times (values, extents, streams, threads, failures), and what graphs take is bounded.
 */

#include "backend/cuda/queue/queue.h"
#include "programs.h"

enum { MOST_BYTES = 64 << 20 };

static mlx_stream gpu;

static struct wr_graph_numbers numbers(void) {
  struct wr_graph_numbers n;
  wr_graph_numbers_get(wr_gpu_known(0), &n);
  CHECK(n.bytes <= MOST_BYTES);
  return n;
}

/* `links` operations that do not fuse: running sums, from the front and from the back in turn, each
   sorted after it. */
static mlx_array chain(mlx_array from, int links, mlx_stream s) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_array_set(&a, from) == 0);
  for (int i = 0; i < links; i++) {
    if (i % 2 == 0) {
      CHECK(mlx_cumsum(&a, a, 0, i % 4 == 2, true, s) == 0);
    } else {
      CHECK(mlx_sort_axis(&a, a, 0, s) == 0);
    }
  }
  return a;
}

/* The same by hand, for small whole numbers, which floats hold. */
static void expect_chain(mlx_array result, const float *from, int n, int links) {
  float *x = malloc((size_t)n * sizeof *x);
  CHECK(x != NULL);
  memcpy(x, from, (size_t)n * sizeof *x);
  for (int i = 0; i < links; i++) {
    if (i % 2 != 0) continue; /* sums of what is not negative: sorted, or the other way round */
    if (i % 4 == 2) {
      for (int k = n - 2; k >= 0; k--) x[k] += x[k + 1];
      for (int k = 0; k < n / 2; k++) {
        float t = x[k];
        x[k] = x[n - 1 - k];
        x[n - 1 - k] = t;
      }
    } else {
      for (int k = 1; k < n; k++) x[k] += x[k - 1];
    }
  }
  const float *data = mlx_array_data_float32(result);
  CHECK(data != NULL);
  for (int k = 0; k < n; k++) CHECK(data[k] == x[k]);
  free(x);
}

/* Links come in pairs, so that what the sort does is known. */
static void run_chain(int n, int links, float start, mlx_stream s) {
  float x[64];
  CHECK(n <= 64 && links % 2 == 0);
  for (int k = 0; k < n; k++) x[k] = start + (float)(k % 3 == 0);
  mlx_array from = mlx_array_new_data(x, &n, 1, MLX_FLOAT32);
  mlx_array to = chain(from, links, s);
  CHECK(mlx_array_eval(to) == 0);
  expect_chain(to, x, n, links);
  mlx_array_free(from);
  mlx_array_free(to);
}

/* Values, addresses and extents change from time to time; the kernels stay. */
static void repeats(void) {
  struct wr_graph_numbers before = numbers();
  for (int i = 0; i < 20; i++) run_chain(4 + i % 3, 8, (float)(i % 5), gpu);
  struct wr_graph_numbers after = numbers();
  if (wr_env_get()->graphs) {
    CHECK(after.built > before.built);
    CHECK(after.launched >= before.launched + 10);
  }
}

/* More launches than are held back at once. */
static void long_plans(void) {
  for (int round = 0; round < 6; round++) {
    mlx_array a = floats(4, (float)round), one = mlx_array_new_float(1);
    for (int i = 0; i < 150; i++) {
      CHECK(mlx_sort_axis(&a, a, 0, gpu) == 0);
      add_to(&a, one, gpu);
    }
    const float *data = mlx_array_data_float32(a);
    CHECK(data != NULL);
    for (int k = 0; k < 4; k++) CHECK(data[k] == (float)(round + k + 150));
    mlx_array_free(a);
    mlx_array_free(one);
  }
}

static void on_own_stream(int i) {
  mlx_stream s = new_gpu_stream();
  for (int k = 0; k < 30; k++) run_chain(5, 6, (float)((i + k) % 4), s);
  mlx_stream_free(s);
}

static void on_shared_stream(int i) {
  for (int k = 0; k < 30; k++) run_chain(5, 6 + 2 * (i % 3), (float)((i + k) % 4), gpu);
}

/* Two streams that wait for each other at every link, each holding launches back. */
static void across_streams(void) {
  mlx_stream s[2] = {gpu, new_gpu_stream()};
  mlx_array one = mlx_array_new_float(1);
  for (int round = 0; round < 6; round++) {
    mlx_array a = floats(8, 0);
    for (int i = 0; i < 100; i++) {
      CHECK(mlx_sort_axis(&a, a, 0, s[i % 2]) == 0);
      add_to(&a, one, s[(i + i / 3) % 2]);
    }
    const float *data = mlx_array_data_float32(a);
    CHECK(data != NULL);
    for (int k = 0; k < 8; k++) CHECK(data[k] == (float)(k + 100));
    mlx_array_free(a);
  }
  mlx_array_free(one);
  mlx_stream_free(s[1]);
}

/* A failing operation among those that are held back fails what needs it and nothing else. */
static void failures(void) {
  for (int round = 0; round < 5; round++) {
    mlx_array a = floats(16, 0), good = mlx_array_new(), bad = mlx_array_new();
    CHECK(mlx_sort_axis(&good, a, 0, gpu) == 0);
    CHECK(mlx_cumsum(&good, good, 0, false, true, gpu) == 0);
    const int huge[] = {1 << 30, 1 << 13};
    mlx_array zero = mlx_array_new_float(0);
    CHECK(mlx_full(&bad, huge, 2, zero, MLX_FLOAT32, gpu) == 0);
    CHECK(mlx_sort_axis(&bad, bad, 1, gpu) == 0);
    CHECK(mlx_cumsum(&good, good, 0, true, true, gpu) == 0);
    mlx_vector_array both = mlx_vector_array_new();
    CHECK(mlx_vector_array_append_value(both, bad) == 0);
    CHECK(mlx_vector_array_append_value(both, good) == 0);
    CHECK(mlx_eval(both) == 1);
    const float *data = mlx_array_data_float32(good);
    CHECK(data != NULL);
    CHECK(data[15] == 120.0f);
    mlx_vector_array_free(both);
    mlx_array_free(zero);
    mlx_array_free(a);
    mlx_array_free(good);
    mlx_array_free(bad);
  }
}

/* Many sequences on several streams, more than there is room for. */
static void eviction(void) {
  enum { STREAMS = 6 };
  mlx_stream s[STREAMS];
  for (int i = 0; i < STREAMS; i++) s[i] = new_gpu_stream();
  for (int links = 4; links <= 60; links += 2) {
    for (int i = 0; i < STREAMS; i++) {
      for (int round = 0; round < 4; round++) {
        mlx_array a = floats(4, (float)round);
        for (int k = 0; k < links; k++) CHECK(mlx_sort_axis(&a, a, 0, s[i]) == 0);
        CHECK(mlx_cumsum(&a, a, 0, false, true, s[i]) == 0);
        CHECK(mlx_array_eval(a) == 0);
        const float *data = mlx_array_data_float32(a);
        CHECK(data != NULL);
        CHECK(data[3] == (float)(6 + 4 * round));
        mlx_array_free(a);
        (void)numbers();
      }
    }
  }
  struct wr_graph_numbers n = numbers();
  printf("%llu graphs of %llu are left, %zu bytes; %llu launches of graphs\n",
         (unsigned long long)n.graphs, (unsigned long long)n.built, n.bytes,
         (unsigned long long)n.launched);
  if (wr_env_get()->graphs) CHECK(n.graphs < n.built);
  for (int i = 0; i < STREAMS; i++) mlx_stream_free(s[i]);
}

int main(void) {
  if (!has_gpu()) return 77;
  gpu = mlx_default_gpu_stream_new();
  CHECK(gpu.ctx != NULL);
  mlx_set_error_handler(quiet, NULL, NULL);
  repeats();
  long_plans();
  run_threads(8, on_own_stream);
  run_threads(8, on_shared_stream);
  across_streams();
  failures();
  eviction();
  mlx_stream_free(gpu);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  return 0;
}
