/* Graphs and handles that many threads build, force and free at once, in ways that no list names:
   K1 to K7, K13, K14, O1, O2. */

#include "fixtures.h"

/* ---- handles freed elsewhere while operations use them ---- */

static pthread_mutex_t box_lock = PTHREAD_MUTEX_INITIALIZER;
static mlx_array box[64];
static mlx_stream streams[8];

static mlx_array swap_box(int i, mlx_array a) {
  pthread_mutex_lock(&box_lock);
  mlx_array old = box[i];
  box[i] = a;
  pthread_mutex_unlock(&box_lock);
  return old;
}

/* Each thread takes arrays that others have made, builds on them, on any stream, and puts the
   result back; what it took it frees, mostly before anybody has forced it. All values stay 1. */
static void pass_round(int i) {
  unsigned seed = (unsigned)i * 7919u + 1u;
  for (int k = 0; k < 400; k++) {
    seed = seed * 1664525u + 1013904223u;
    mlx_stream s = seed >> 28 < 8 ? streams[seed >> 29] : (mlx_stream){0};
    mlx_array a = swap_box((int)(seed >> 10) % 64, mlx_array_new());
    mlx_array b = swap_box((int)(seed >> 17) % 64, mlx_array_new()), c = mlx_array_new();
    if (!a.ctx) mlx_array_set_float(&a, 1);
    if (!b.ctx) mlx_array_set_float(&b, 1);
    CHECK((k % 2 ? mlx_multiply(&c, a, b, s) : mlx_minimum(&c, a, b, s)) == 0);
    if (k % 5 == 0) CHECK(submit(c) == 0);
    if (k % 7 == 0) CHECK(float_of(c) == 1);
    mlx_array_free(a);
    mlx_array_free(b);
    mlx_array_free(swap_box((int)(seed >> 5) % 64, c));
  }
}

static void k4_handles_freed_elsewhere(void) {
  for (int i = 0; i < 8; i++) streams[i] = new_stream();
  for (int i = 0; i < 64; i++) box[i] = mlx_array_new();
  run_threads(many(16), pass_round);
  for (int i = 0; i < 64; i++) {
    if (box[i].ctx) CHECK(float_of(box[i]) == 1);
    mlx_array_free(box[i]);
  }
  for (int i = 0; i < 8; i++) mlx_stream_free(streams[i]);
}

/* ---- defaults that change under way ---- */

static void change_defaults(int i) {
  mlx_stream own = new_stream();
  mlx_array a = mlx_array_new_float((float)i);
  for (int k = 0; k < 200; k++) {
    mlx_stream s = streams[(i + k) % 8];
    mlx_array one = mlx_array_new_float(1);
    if (k % 3 == 0) CHECK(mlx_set_default_stream(s) == 0);
    if (k % 3 == 1) CHECK(weir_stream_scope_push(own) == 0);
    add_to(&a, one, (mlx_stream){0});
    if (k % 3 == 1) CHECK(weir_stream_scope_pop() == 0);
    if (k % 9 == 0) CHECK(synchronize_default() == 0);
    if (k == 100) mlx_stream_free(own);
    if (k == 100) own = new_stream();
    mlx_array_free(one);
  }
  CHECK(mlx_set_default_stream(own) == 0);
  mlx_stream_free(own); /* the default of a thread that ends now, with work on it */
  CHECK(submit(a) == 0);
  CHECK(i % 2 || float_of(a) == (float)i + 200);
  mlx_array_free(a);
}

static void d3_defaults_change_under_way(void) {
  size_t before = live_streams();
  for (int i = 0; i < 8; i++) streams[i] = new_stream();
  run_threads(many(16), change_defaults);
  for (int i = 0; i < 8; i++) mlx_stream_free(streams[i]);
  CHECK(streams_become(before));
}

/* ---- threads that end with work of theirs pending, detached ---- */

static int ended;
static mlx_array left[256];

static void *leave_work(void *arg) {
  int i = (int)(intptr_t)arg;
  mlx_stream s = new_stream();
  left[i] = chain((float)i, 50, i % 2 ? s : (mlx_stream){0});
  mlx_array gone = chain((float)i, 50, s); /* submitted, and nobody will ask for it */
  CHECK(submit(left[i]) == 0 && submit(gone) == 0);
  mlx_array_free(gone);
  mlx_stream_free(s);
  probe_count(&ended);
  return NULL;
}

static void k7_detached_threads_leave_work(void) {
  size_t before = live_streams();
  for (int i = 0; i < 256; i++) pthread_detach(start_thread(leave_work, (void *)(intptr_t)i));
  CHECK(becomes(&ended, 256));
  for (int i = 0; i < 256; i++) {
    CHECK(float_of(left[i]) == (float)i + 50);
    mlx_array_free(left[i]);
  }
  CHECK(streams_become(before));
}

/* ---- diamonds across streams ---- */

enum { ROOTS = 16 };

static mlx_array roots[ROOTS];

/* Each layer takes two of the layer before, on streams that change from node to node; every thread
   forces the roots in another order, and the first forcers have the deepest half only. */
static void force_rotated(int i) {
  for (int k = 0; k < ROOTS; k++) {
    mlx_array root = roots[(i * 5 + k) % ROOTS];
    if (k % 3 == 0) CHECK(submit(root) == 0);
    if (k % 3 != 0) CHECK(mlx_array_eval(root) == 0);
  }
}

static void diamonds(int n_streams) {
  mlx_array layer[ROOTS], next[ROOTS];
  for (int i = 0; i < ROOTS; i++) layer[i] = mlx_array_new_float(1);
  for (int depth = 0; depth < 20; depth++) {
    for (int i = 0; i < ROOTS; i++) {
      next[i] = mlx_array_new();
      CHECK(mlx_add(&next[i], layer[i], layer[(i + 1 + depth) % ROOTS],
                    streams[(i * 3 + depth) % n_streams]) == 0);
    }
    for (int i = 0; i < ROOTS; i++) mlx_array_free(layer[i]);
    memcpy(layer, next, sizeof layer);
  }
  memcpy(roots, layer, sizeof roots);
  run_threads(many(16), force_rotated);
  for (int i = 0; i < ROOTS; i++) {
    CHECK(float_of(roots[i]) == 0x1p20f);
    mlx_array_free(roots[i]);
  }
}

static void k3_diamonds_across_streams(void) {
  for (int i = 0; i < 8; i++) streams[i] = new_stream();
  for (int i = 0; i < 30; i++) diamonds(1 + i % 8);
  for (int i = 0; i < 8; i++) mlx_stream_free(streams[i]);
}

/* ---- many threads read the same arrays ---- */

static void read_all(int i) {
  for (int k = 0; k < 64; k++) {
    int at = (i + k) % 64;
    CHECK(float_of(box[at]) == (float)at + 20);
    CHECK(mlx_array_data_float32(box[at])[0] == (float)at + 20);
  }
}

static void k3_many_readers(void) {
  for (int i = 0; i < 64; i++) box[i] = chain((float)i, 20, (mlx_stream){0});
  run_threads(many(64), read_all);
  for (int i = 0; i < 64; i++) mlx_array_free(box[i]);
}

/* ---- deep graphs on small stacks ---- */

static mlx_array deep;

static void *free_deep(void *arg) {
  mlx_array_free(deep);
  return arg;
}

static void *force_deep(void *arg) {
  CHECK(mlx_array_eval(deep) == 0 || arg == NULL);
  return arg;
}

/* Made here across two streams, freed or forced there; forced, it also fails from the bottom up. */
static void k13_deep_graphs_on_small_stacks(void) {
  int depth = SANITIZED ? 20000 : 100000;
  mlx_array one = mlx_array_new_float(1);
  for (int way = 0; way < 4; way++) {
    streams[0] = new_stream();
    streams[1] = new_stream();
    deep = way == 3 ? failing(streams[0]) : mlx_array_new_float(0);
    for (int i = 0; i < depth; i++) add_to(&deep, way % 2 ? one : deep, streams[i / 100 % 2]);
    if (way > 0) run_on_small_stack(force_deep, way == 3 ? NULL : &deep);
    run_on_small_stack(free_deep, NULL);
    mlx_stream_free(streams[0]);
    mlx_stream_free(streams[1]);
  }
  mlx_array_free(one);
}

/* ---- limits that are far too low ---- */

static void work_without_memory(int i) {
  for (int k = 0; k < 20; k++) {
    int n = 1 << (10 + k % 8);
    mlx_array a = mlx_array_new();
    CHECK(mlx_ones(&a, &n, 1, MLX_FLOAT32, streams[i % 8]) == 0);
    for (int j = 0; j < 10; j++) add_to(&a, a, streams[(i + j) % 8]);
    CHECK(mlx_array_data_float32(a)[n - 1] == 1024);
    mlx_array_free(a);
  }
}

static void k14_tiny_limits(void) {
  size_t memory = 0, cache = 0, wired = 0, unused = 0;
  for (int i = 0; i < 8; i++) streams[i] = new_stream();
  CHECK(mlx_set_memory_limit(&memory, 1) == 0);
  CHECK(mlx_set_cache_limit(&cache, 1) == 0);
  CHECK(mlx_set_wired_limit(&wired, 1) == 0);
  run_threads(many(16), work_without_memory);
  CHECK(mlx_set_memory_limit(&unused, memory) == 0);
  CHECK(mlx_set_cache_limit(&unused, cache) == 0);
  CHECK(mlx_set_wired_limit(&unused, wired) == 0);
  for (int i = 0; i < 8; i++) mlx_stream_free(streams[i]);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  k4_handles_freed_elsewhere();
  d3_defaults_change_under_way();
  k7_detached_threads_leave_work();
  k3_diamonds_across_streams();
  k3_many_readers();
  k13_deep_graphs_on_small_stacks();
  k14_tiny_limits();
  CHECK(weir_shutdown(UINT64_C(20000000000)) == 0);
  mlx_set_error_handler(NULL, NULL, NULL);
  return 0;
}
