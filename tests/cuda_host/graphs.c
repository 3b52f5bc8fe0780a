/* Launches as graphs of the driver, over the stand-in: plans that repeat become graphs, which are
   brought up to date and launched, by many threads and on many streams; of more graphs than there
   is room for the oldest go, also while they are in flight. Those of single launches, which come
   later, displace no others. */

#include "backend/cuda/queue/queue.h"
#include "stand_in_case.h"

enum { MOST_BYTES = 64 << 20 };

static mlx_stream shared_stream;

static struct wr_graph_numbers numbers(void) {
  struct wr_graph_numbers n;
  wr_graph_numbers_get(wr_gpu_known(0), &n);
  CHECK(n.bytes <= MOST_BYTES);
  return n;
}

/* Operations that do not fuse, over an array of that extent. */
static mlx_array chain(int n, int links, mlx_stream s) {
  mlx_array a = floats(n, 0);
  for (int i = 0; i < links; i++) {
    CHECK(i % 2 ? mlx_sort_axis(&a, a, 0, s) == 0 : mlx_cumsum(&a, a, 0, false, true, s) == 0);
  }
  return a;
}

static void repeats(void) {
  const struct wr_graph_numbers before = numbers();
  const uint64_t launches = stand_in_now().graph_launches;
  for (int i = 0; i < 20; i++) {
    mlx_array a = chain(4 + i % 3, 8, shared_stream);
    CHECK(mlx_array_eval(a) == 0);
    mlx_array_free(a);
  }
  const struct wr_graph_numbers after = numbers();
  CHECK(after.built > before.built && after.launched >= before.launched + 10);
  CHECK(stand_in_now().graph_launches == launches + after.launched - before.launched);
}

static void work(int i, mlx_stream s) {
  mlx_array last = mlx_array_new(), turned = floats(9, 0);
  for (int k = 0; k < 40; k++) {
    mlx_array a = chain(5, 4 + 2 * ((i + k) % 4), s);
    CHECK(async_eval(a) == 0);
    mlx_array_set(&last, a);
    mlx_array_free(a);
    if (k % 5 == 0) turn(&turned, s);
  }
  CHECK(mlx_array_eval(last) == 0);
  expect_turned(turned, 0, 8);
  mlx_array_free(last);
  mlx_array_free(turned);
}

static void on_own_stream(int i) {
  mlx_stream s = new_gpu_stream();
  work(i, s);
  mlx_stream_free(s);
}

static void on_shared_stream(int i) { work(i, shared_stream); }

/* Three times each before it is launched as a graph that nobody waits for. */
static void eviction(void) {
  enum { STREAMS = 6 };
  mlx_stream s[STREAMS];
  for (int i = 0; i < STREAMS; i++) s[i] = new_gpu_stream();
  for (int links = 8; links <= 62; links += 2) {
    for (int i = 0; i < STREAMS * 4; i++) {
      mlx_array a = chain(4, links, s[i % STREAMS]);
      CHECK(i < STREAMS * 3 ? mlx_array_eval(a) == 0 : async_eval(a) == 0);
      mlx_array_free(a);
      (void)numbers();
    }
  }
  for (int i = 0; i < STREAMS; i++) {
    CHECK(mlx_synchronize(s[i]) == 0);
    mlx_stream_free(s[i]);
  }
  const struct wr_graph_numbers n = numbers();
  CHECK(n.graphs < n.built);
}

enum { SINGLE_AFTER = 8, SINGLES_BYTES = 16 << 20, SINGLE_LEAST = 44 << 10 };

typedef int (*scan)(mlx_array *, const mlx_array, int, bool, bool, const mlx_stream);

static void evaluate_often(scan op, mlx_array a, mlx_stream s) {
  for (int i = 0; i < SINGLE_AFTER + 2; i++) {
    mlx_array out = mlx_array_new();
    CHECK(op(&out, a, 0, false, true, s) == 0 && mlx_array_eval(out) == 0);
    mlx_array_free(out);
  }
}

/* Each of many kernels by itself, of types that nothing else here has; a graph for each. */
static void evaluate_singles(mlx_array from, mlx_stream s) {
  static const scan ops[] = {mlx_cumsum, mlx_cumprod, mlx_cummax, mlx_cummin};
  for (mlx_dtype t = MLX_UINT8; t <= MLX_FLOAT16; t++) {
    mlx_array a = mlx_array_new();
    CHECK(mlx_astype(&a, from, t, s) == 0 && mlx_array_eval(a) == 0);
    for (int k = 0; k < 4; k++) evaluate_often(ops[k], a, s);
    mlx_array_free(a);
  }
}

static void evaluate_chain(void) {
  mlx_array a = chain(4, 12, shared_stream);
  CHECK(mlx_array_eval(a) == 0);
  mlx_array_free(a);
}

/* On more streams than there is room for. Graphs of many launches stay. */
static void singles(void) {
  enum { STREAMS = 12, KERNELS = 4 * 9 };
  mlx_stream s[STREAMS];
  mlx_array from = floats(9, 0);
  for (int i = 0; i < 4; i++) evaluate_chain();
  const struct wr_graph_numbers before = numbers();
  for (int i = 0; i < STREAMS; i++) {
    s[i] = new_gpu_stream();
    evaluate_singles(from, s[i]);
  }
  const struct wr_graph_numbers after = numbers();
  CHECK(after.built >= before.built + STREAMS * KERNELS);
  CHECK(after.launched >= before.launched + STREAMS * KERNELS);
  CHECK(after.graphs <= before.graphs + SINGLES_BYTES / SINGLE_LEAST);
  evaluate_chain();
  CHECK(numbers().built == after.built);
  for (int i = 0; i < STREAMS; i++) mlx_stream_free(s[i]);
  mlx_array_free(from);
}

int main(void) {
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  shared_stream = new_gpu_stream();
  repeats();
  run_threads(many(8), on_own_stream);
  run_threads(many(8), on_shared_stream);
  cuda->pause(5000);
  run_threads(many(4), on_own_stream);
  eviction();
  singles();
  CHECK(mlx_synchronize(shared_stream) == 0);
  mlx_stream_free(shared_stream);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  const struct stand_in_counts now = stand_in_now();
  CHECK(now.graphs == numbers().graphs && now.graph_execs == now.graphs);
  return 0;
}
