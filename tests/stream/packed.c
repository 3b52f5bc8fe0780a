/* Weights that are used again stay packed beside their data: what comes out is the same, bit for
   bit, with and without, from many threads that come at once and while the array is freed; of an
   array that was written over nothing is left. The packed form is reported as cached memory, ends
   with the array or with the cache, and gives way to a memory limit (K14). Children of a process
   that is multiplying multiply too (K11). */

#include "memory/derived.h"
#include "programs.h"

enum { ROWS = 20, K = 320, COLS = 200, ROUNDS = SANITIZED ? 8 : 20 };

static mlx_array input, weights[2]; /* as rows, and the transpose of such */
static float *expected[2];

static mlx_array normal(int rows, int columns) {
  int shape[2] = {rows, columns};
  mlx_array a = mlx_array_new();
  CHECK(mlx_random_normal(&a, shape, 2, MLX_FLOAT32, 0, 1, (mlx_array){0}, (mlx_stream){0}) == 0);
  CHECK(mlx_array_eval(a) == 0);
  return a;
}

static mlx_array times(mlx_array w) {
  mlx_array p = mlx_array_new();
  CHECK(mlx_matmul(&p, input, w, (mlx_stream){0}) == 0);
  CHECK(mlx_array_eval(p) == 0);
  return p;
}

static void expect(mlx_array w, const float *values) {
  mlx_array p = times(w);
  CHECK(memcmp(mlx_array_data_float32(p), values, sizeof(float) * ROWS * COLS) == 0);
  mlx_array_free(p);
}

static float *values_of(mlx_array w) {
  const size_t bytes = sizeof(float) * ROWS * COLS;
  mlx_array p = times(w);
  float *values = malloc(bytes);
  CHECK(values != NULL);
  memcpy(values, mlx_array_data_float32(p), bytes);
  mlx_array_free(p);
  return values;
}

static size_t active(void) {
  size_t bytes;
  CHECK(mlx_get_active_memory(&bytes) == 0);
  return bytes;
}

/* One with elements of its own, and equal values. */
static mlx_array copy_of(mlx_array w) {
  mlx_array one = mlx_array_new_float(1), copy = mlx_array_new();
  CHECK(mlx_multiply(&copy, w, one, (mlx_stream){0}) == 0);
  CHECK(mlx_array_eval(copy) == 0);
  mlx_array_free(one);
  return copy;
}

/* ---- one thread ---- */

static void it_is_counted_and_ends(int k) {
  mlx_array w = copy_of(weights[k]);
  const size_t before = active(), least = sizeof(float) * K * COLS, others = wr_forms_bytes();
  expect(w, expected[k]);
  CHECK(wr_forms_bytes() == others);
  for (int i = 0; i < 3; i++) expect(w, expected[k]);
  const size_t more = wr_forms_bytes() - others;
  CHECK(more >= least && more < 2 * least && active() == before);
  CHECK(mlx_clear_cache() == 0);
  CHECK(wr_forms_bytes() == 0);
  expect(w, expected[k]);
  CHECK(wr_forms_bytes() >= least && active() == before);
  mlx_array_free(w);
  CHECK(wr_forms_bytes() == 0 && active() < before);
}

static void a_limit_comes_first(void) {
  size_t old, other;
  mlx_array w = copy_of(weights[0]);
  const size_t before = active();
  CHECK(mlx_set_memory_limit(&old, before) == 0);
  for (int i = 0; i < 4; i++) expect(w, expected[0]);
  CHECK(active() == before && wr_forms_bytes() == 0);
  CHECK(mlx_set_memory_limit(&other, old) == 0);
  mlx_array_free(w);
}

/* The sum takes the place of its input, which nobody has a handle to any more. */
static void what_is_written_over_is_not_used(void) {
  mlx_array w = copy_of(weights[0]), twice = mlx_array_new();
  for (int i = 0; i < 3; i++) expect(w, expected[0]);
  CHECK(mlx_add(&twice, w, w, (mlx_stream){0}) == 0);
  mlx_array_free(w);
  CHECK(mlx_array_eval(twice) == 0);
  for (int n = 0; n < 3; n++) {
    mlx_array p = times(twice);
    const float *data = mlx_array_data_float32(p);
    for (int i = 0; i < ROWS * COLS; i++) CHECK(data[i] == 2 * expected[0][i]);
    mlx_array_free(p);
  }
  mlx_array_free(twice);
}

/* ---- threads ---- */

static mlx_array shared[2][MOST_THREADS]; /* each thread's own handle to one array */

static void use_and_free(int i) {
  for (int n = 0; n < 6; n++) expect(shared[n % 2][i], expected[n % 2]);
  for (int k = 0; k < 2; k++) mlx_array_free(shared[k][i]);
}

static void threads_come_at_once(void) {
  const int n = many(8);
  for (int k = 0; k < 2; k++) {
    mlx_array w = copy_of(weights[k]);
    for (int i = 0; i < n; i++) {
      shared[k][i] = mlx_array_new();
      CHECK(mlx_array_set(&shared[k][i], w) == 0);
    }
    mlx_array_free(w);
  }
  run_threads(n, use_and_free);
}

static int over;

static void clear_or_use(int i) {
  while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
    if (i == 0) CHECK(mlx_clear_cache() == 0);
    expect(weights[i % 2], expected[i % 2]);
  }
}

static void *until_over(void *arg) {
  run_threads(3, clear_or_use);
  return arg;
}

static void multiply_and_leave(void) {
  for (int i = 0; i < 4; i++) expect(weights[i % 2], expected[i % 2]);
  threads_come_at_once();
  CHECK(mlx_clear_cache() == 0);
  _exit(42);
}

static void k11_children(void) {
  pthread_t thread;
  if (SANITIZED) return;
  CHECK(pthread_create(&thread, NULL, until_over, NULL) == 0);
  for (int i = 0; i < 30; i++) CHECK(in_child(multiply_and_leave, 20) == 42);
  __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
}

int main(void) {
  mean_cpu();
  input = normal(ROWS, K);
  weights[0] = normal(K, COLS);
  mlx_array turned = normal(COLS, K);
  weights[1] = mlx_array_new();
  CHECK(mlx_transpose(&weights[1], turned, (mlx_stream){0}) == 0);
  CHECK(mlx_array_eval(weights[1]) == 0);
  for (int k = 0; k < 2; k++) expected[k] = values_of(weights[k]);
  for (int k = 0; k < 2; k++) it_is_counted_and_ends(k);
  a_limit_comes_first();
  what_is_written_over_is_not_used();
  for (int i = 0; i < ROUNDS; i++) threads_come_at_once();
  k11_children();
  for (int k = 0; k < 2; k++) {
    free(expected[k]);
    mlx_array_free(weights[k]);
  }
  mlx_array_free(turned);
  mlx_array_free(input);
  return 0;
}
