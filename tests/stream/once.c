/* A lazy node is computed once, however many threads force it: K3. FAILURES: B5, B6, B15. Also the
   case that would deadlock FIFO queues if submission did not follow the graph's order: roots that
   need each other's claimed inputs, on one stream and on two (graph/internal.h). */

#include "programs.h"

enum { ROUNDS = 4800 }; /* over the number of threads */

static int threads;
static mlx_array roots[MOST_THREADS];
static pthread_barrier_t together;
static int runs;

static void count_run(void *payload) { __atomic_add_fetch((int *)payload, 1, __ATOMIC_RELAXED); }

static void force_root(int i) {
  pthread_barrier_wait(&together);
  CHECK(mlx_array_eval(roots[i]) == 0);
}

static void force_all(void) {
  pthread_barrier_init(&together, NULL, (unsigned)threads);
  run_threads(threads, force_root);
  pthread_barrier_destroy(&together);
}

static void b5_same_array(void) {
  mlx_array x = floats(64, 1);
  for (int i = 0; i < 50; i++) add_to(&x, x, (mlx_stream){0});
  for (int i = 0; i < threads; i++) {
    roots[i] = mlx_array_new();
    mlx_array_set(&roots[i], x);
  }
  force_all();
  const float *data = mlx_array_data_float32(x);
  CHECK(data != NULL && data[0] == 0x1p50f && data[1] == 0x1p51f);
  for (int i = 0; i < threads; i++) mlx_array_free(roots[i]);
  mlx_array_free(x);
}

/* Each root takes neighbours of a shared layer, in another order than the next root does. */
static void layers_on(mlx_stream a, mlx_stream b) {
  mlx_array layer[MOST_THREADS], next[MOST_THREADS];
  for (int i = 0; i < threads; i++) layer[i] = mlx_array_new_float((float)i);
  for (int depth = 0; depth < 6; depth++) {
    for (int i = 0; i < threads; i++) {
      int left = (i * 5 + 1) % threads, right = (i * 7 + 3) % threads;
      next[i] = mlx_array_new();
      CHECK(mlx_maximum(&next[i], layer[left], layer[right], (i + depth) % 2 ? a : b) == 0);
    }
    for (int i = 0; i < threads; i++) {
      mlx_array_free(layer[i]);
      layer[i] = next[i];
    }
  }
  memcpy(roots, layer, (size_t)threads * sizeof roots[0]);
  force_all();
  for (int i = 0; i < threads; i++) {
    CHECK(float_of(roots[i]) >= 0);
    mlx_array_free(roots[i]);
  }
}

static void b6_shared_subgraphs(void) {
  mlx_stream a = new_stream();
  mlx_stream b = new_stream();
  for (int i = 0; i < ROUNDS / threads; i++) layers_on(a, i % 2 ? a : b);
  mlx_stream_free(a);
  mlx_stream_free(b);
}

/* The destructor of a managed buffer runs once, after the last of many users. */
static void managed_once(void) {
  static float data[4] = {1, 2, 3, 4};
  int shape = 4;
  mlx_array a = mlx_array_new_data_managed_payload(data, &shape, 1, MLX_FLOAT32, &runs, count_run);
  for (int i = 0; i < threads; i++) {
    roots[i] = mlx_array_new();
    CHECK(mlx_exp(&roots[i], a, (mlx_stream){0}) == 0);
  }
  mlx_array_free(a);
  force_all();
  for (int i = 0; i < threads; i++) mlx_array_free(roots[i]);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(runs == 1);
}

/* K4: each thread sets its own handle away from an array that the others hold, so that the array
   and its first handle end at the same time, on two threads, in either order. */
static void leave_root(int i) {
  mlx_array copy = roots[i];
  pthread_barrier_wait(&together);
  CHECK(mlx_add(&copy, copy, copy, (mlx_stream){0}) == 0);
  CHECK(mlx_add(&copy, copy, roots[i], (mlx_stream){0}) == 0 && float_of(copy) == 4);
  mlx_array_free(roots[i]);
}

static void k4_handles_leave(void) {
  pthread_barrier_init(&together, NULL, (unsigned)threads);
  for (int round = 0; round < ROUNDS / threads; round++) {
    roots[0] = mlx_array_new_float(1);
    for (int i = 1; i < threads; i++) {
      roots[i] = mlx_array_new();
      mlx_array_set(&roots[i], roots[0]);
    }
    run_threads(threads, leave_root);
  }
  pthread_barrier_destroy(&together);
}

int main(void) {
  mean_cpu();
  threads = many(16);
  b5_same_array();
  b6_shared_subgraphs();
  k4_handles_leave();
  managed_once();
  return 0;
}
