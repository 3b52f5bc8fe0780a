/* Streams and unevaluated arrays used on threads that did not make them: K1, K3, O1.
   FAILURES: A1, A2, A3, A6, A7, A10, B1, C1. */

#include "programs.h"

static mlx_stream shared_stream;
static mlx_array shared_array;

/* A1, A6, B1: one stream, 64 workers, each its own graph. */
static void worker_on_shared_stream(int i) {
  mlx_array one = mlx_array_new_float(1);
  mlx_array a = mlx_array_new_float((float)i);
  for (int k = 0; k < 100; k++) add_to(&a, one, shared_stream);
  CHECK(float_of(a) == (float)i + 100);
  mlx_array_free(a);
  mlx_array_free(one);
}

static void make_stream(int i) {
  (void)i;
  shared_stream = mlx_default_cpu_stream_new();
}

static void a1_b1_one_stream_many_workers(void) {
  shared_stream = new_stream();
  run_threads(many(64), worker_on_shared_stream);
  mlx_stream_free(shared_stream);
}

static void a6_stream_of_a_thread_that_ended(void) {
  run_threads(1, make_stream);
  run_threads(many(16), worker_on_shared_stream);
  mlx_stream_free(shared_stream);
}

/* A2, A3: a lazy chain made on a thread that has ended, forced elsewhere. */
static void make_chain(int i) {
  mlx_array one = mlx_array_new_float(1);
  shared_array = mlx_array_new_float((float)i);
  for (int k = 0; k < 1000; k++) add_to(&shared_array, one, (mlx_stream){0});
  mlx_array_free(one);
}

static void force_shared(int i) {
  (void)i;
  CHECK(float_of(shared_array) == 1000);
}

static void a3_lazy_chain_of_a_thread_that_ended(void) {
  CHECK(streams_become(1)); /* this thread's default */
  run_threads(1, make_chain);
  CHECK(streams_become(2)); /* the unevaluated nodes keep it */
  run_threads(many(8), force_shared);
  CHECK(streams_become(1)); /* nothing refers to it any more (K6) */
  CHECK(float_of(shared_array) == 1000);
  mlx_array_free(shared_array);
}

/* A7, C1: two threads take turns on one array under their own lock. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void take_turns(int i) {
  mlx_array one = mlx_array_new_float(1);
  (void)i;
  for (int k = 0; k < 5000; k++) {
    pthread_mutex_lock(&turn);
    add_to(&shared_array, one, (mlx_stream){0});
    if (k % 64 == 0) CHECK(mlx_array_eval(shared_array) == 0);
    pthread_mutex_unlock(&turn);
  }
  mlx_array_free(one);
}

static void a7_a_task_that_hops_threads(void) {
  shared_array = mlx_array_new_float(0);
  run_threads(2, take_turns);
  CHECK(float_of(shared_array) == 10000);
  mlx_array_free(shared_array);
}

/* A10: an array goes round a ring of threads; each adds its number on its own default stream. */
static int hop;

static void add_own(int i) {
  (void)i;
  mlx_array v = mlx_array_new_float((float)hop);
  add_to(&shared_array, v, (mlx_stream){0});
  mlx_array_free(v);
}

static void a10_ring(void) {
  shared_array = mlx_array_new_float(0);
  for (hop = 1; hop <= 400; hop++) run_threads(1, add_own);
  CHECK(float_of(shared_array) == 400 * 401 / 2);
  mlx_array_free(shared_array);
}

int main(void) {
  mean_cpu();
  mlx_stream mine = mlx_default_cpu_stream_new();
  mlx_stream_free(mine);
  a1_b1_one_stream_many_workers();
  a6_stream_of_a_thread_that_ended();
  a3_lazy_chain_of_a_thread_that_ended();
  a7_a_task_that_hops_threads();
  a10_ring();
  return 0;
}
