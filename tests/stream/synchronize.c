/* Synchronizing covers what the calling thread has submitted, also where another thread was faster
   to claim it, or an input of it, and has not queued that yet: O1, K3, W3. */

#include "fixtures.h"

enum { THREADS = 8, LENGTH = 3000 };

static pthread_barrier_t start;
static mlx_array prefix; /* a long lazy chain that all threads need */
static mlx_stream streams[THREADS];
static mlx_stream common;

static void own_leaf(int i) {
  mlx_array leaf = mlx_array_new(), one = mlx_array_new_float(1);
  CHECK(mlx_add(&leaf, prefix, one, streams[i]) == 0);
  pthread_barrier_wait(&start);
  CHECK(submit(leaf) == 0);
  CHECK(mlx_synchronize(streams[i]) == 0);
  CHECK(available(leaf));
  mlx_array_free(leaf);
  mlx_array_free(one);
}

static void same_root(int i) {
  pthread_barrier_wait(&start);
  CHECK(submit(prefix) == 0);
  if (i % 2) {
    CHECK(mlx_synchronize(common) == 0);
  } else {
    CHECK(weir_stream_wait(common, INT64_C(60000000000)) == 0);
  }
  CHECK(available(prefix));
}

/* An event stands for what was submitted before it too. */
static void event_behind(int i) {
  weir_event e = weir_event_new();
  mlx_array leaf = mlx_array_new(), one = mlx_array_new_float(1);
  CHECK(mlx_add(&leaf, prefix, one, streams[i]) == 0);
  pthread_barrier_wait(&start);
  CHECK(submit(leaf) == 0);
  CHECK(weir_event_record(e, streams[i]) == 0);
  CHECK(weir_event_synchronize(e, INT64_C(60000000000)) == 0);
  CHECK(available(leaf));
  mlx_array_free(leaf);
  mlx_array_free(one);
  weir_event_free(e);
}

int main(void) {
  static void (*const kinds[])(int) = {own_leaf, same_root, event_behind};
  size_t before = live_streams();
  common = new_stream();
  for (int i = 0; i < THREADS; i++) streams[i] = new_stream();
  CHECK(pthread_barrier_init(&start, NULL, THREADS) == 0);
  for (int n = 0; n < times(SANITIZED ? 30 : 150, 3000); n++) {
    prefix = chain(0, LENGTH, common);
    run_threads(THREADS, kinds[n % 3]);
    mlx_array_free(prefix);
  }
  for (int i = 0; i < THREADS; i++) mlx_stream_free(streams[i]);
  mlx_stream_free(common);
  CHECK(streams_become(before));
  return 0;
}
