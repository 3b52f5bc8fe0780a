/* Default streams per thread, and handles: D1 to D6, H1 to H3. FAILURES: A13, B2, E12. */

#include "programs.h"

static mlx_stream worker_default;

static void keep_default(int i) {
  (void)i;
  worker_default = mlx_default_cpu_stream_new();
}

static int index_of(mlx_stream s) {
  int index = -1;
  CHECK(mlx_stream_get_index(&index, s) == 0);
  return index;
}

static void d1_found_again_and_one_per_thread(void) {
  mlx_stream a = mlx_default_cpu_stream_new();
  mlx_stream b = mlx_default_cpu_stream_new();
  CHECK(mlx_stream_equal(a, b));
  run_threads(1, keep_default);
  CHECK(!mlx_stream_equal(a, worker_default)); /* A13: and it still works */
  CHECK(index_of(a) != index_of(worker_default));
  mlx_array x = mlx_array_new_float(2);
  add_to(&x, x, worker_default);
  CHECK(float_of(x) == 4);
  mlx_array_free(x);
  mlx_stream_free(worker_default);
  mlx_stream_free(b);
  mlx_stream_free(a);
}

static void d3_e12_set_default_is_this_threads_alone(void) {
  mlx_stream old = mlx_default_cpu_stream_new();
  mlx_stream mine = new_stream();
  CHECK(mlx_set_default_stream(mine) == 0);
  run_threads(1, keep_default);
  CHECK(!mlx_stream_equal(worker_default, mine));
  mlx_stream_free(worker_default);
  mlx_stream now = mlx_default_cpu_stream_new();
  CHECK(mlx_stream_equal(now, mine));
  mlx_stream_free(now);
  int index = index_of(mine);
  mlx_stream_free(mine); /* E12: still the default */
  now = mlx_default_cpu_stream_new();
  CHECK(index_of(now) == index);
  mlx_stream_free(now);
  size_t before = live_streams();
  CHECK(mlx_set_default_stream(old) == 0);
  CHECK(live_streams() == before - 1);
  mlx_stream_free(old);
}

static void d4_scopes_nest(void) {
  mlx_stream outer = new_stream(), inner = new_stream();
  mlx_stream base = mlx_default_cpu_stream_new();
  CHECK(weir_stream_scope_push(outer) == 0);
  CHECK(weir_stream_scope_push(inner) == 0);
  mlx_stream now = mlx_default_cpu_stream_new();
  CHECK(mlx_stream_equal(now, inner));
  mlx_stream_free(now);
  CHECK(weir_stream_scope_pop() == 0);
  now = mlx_default_cpu_stream_new();
  CHECK(mlx_stream_equal(now, outer));
  mlx_stream_free(now);
  CHECK(weir_stream_scope_pop() == 0);
  now = mlx_default_cpu_stream_new();
  CHECK(mlx_stream_equal(now, base));
  mlx_stream_free(now);
  CHECK(weir_stream_scope_pop() == 1);
  CHECK(weir_last_status() == WEIR_ERROR_STATE);
  mlx_stream_free(base);
  mlx_stream_free(inner);
  mlx_stream_free(outer);
}

/* The count of a thread's own default is not kept as that of any other stream. */
static void set_its_own_again(int i) {
  (void)i;
  mlx_stream own = mlx_default_cpu_stream_new();
  CHECK(mlx_set_default_stream(own) == 0 && weir_stream_scope_push(own) == 0);
  for (int n = 0; n < 3; n++) {
    mlx_stream same = mlx_default_cpu_stream_new();
    CHECK(mlx_stream_equal(same, own) && mlx_stream_free(same) == 0);
  }
  CHECK(weir_stream_scope_pop() == 0 && mlx_stream_free(own) == 0);
}

static void d3_own_default_again(void) {
  CHECK(streams_become(1));
  run_threads(1, set_its_own_again);
  CHECK(streams_become(1));
}

static void d6_no_gpu_is_said_in_words(void) {
  int count = 0;
  CHECK(mlx_device_count(&count, MLX_GPU) == 0);
  if (count > 0) return;
  mlx_stream s = mlx_default_gpu_stream_new();
  CHECK(s.ctx == NULL);
  CHECK(weir_last_status() == WEIR_ERROR_NO_DEVICE);
  CHECK(strstr(weir_last_error(), "gpu") && strstr(weir_last_error(), "libcuda.so.1"));
}

static void h1_copies_are_references(void) {
  CHECK(streams_become(1));
  size_t before = live_streams();
  mlx_stream a = new_stream();
  mlx_stream copy = {0};
  CHECK(mlx_stream_set(&copy, a) == 0);
  CHECK(mlx_stream_equal(a, copy));
  mlx_stream_free(a);
  mlx_string text = mlx_string_new();
  CHECK(mlx_stream_tostring(&text, copy) == 0);
  CHECK(strstr(mlx_string_data(text), "cpu") != NULL);
  mlx_string_free(text);
  CHECK(live_streams() == before + 1);
  mlx_stream_free(copy);
  CHECK(live_streams() == before);
  CHECK(mlx_stream_free((mlx_stream){0}) == 0);
}

/* B2: all indices of live streams differ. */
enum { EACH = 100, MOST = MOST_THREADS * EACH };
static int indices[MOST];
static mlx_stream made[MOST];

static void make_many(int i) {
  for (int k = 0; k < EACH; k++) {
    made[i * EACH + k] = new_stream();
    indices[i * EACH + k] = index_of(made[i * EACH + k]);
  }
}

static int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static void b2_indices_are_unique(void) {
  int n = many(64) * EACH;
  run_threads(many(64), make_many);
  qsort(indices, (size_t)n, sizeof *indices, by_value);
  for (int i = 1; i < n; i++) CHECK(indices[i] != indices[i - 1]);
  for (int i = 0; i < n; i++) mlx_stream_free(made[i]);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  d1_found_again_and_one_per_thread();
  d3_e12_set_default_is_this_threads_alone();
  d4_scopes_nest();
  d3_own_default_again();
  d6_no_gpu_is_said_in_words();
  h1_copies_are_references();
  b2_indices_are_unique();
  return 0;
}
