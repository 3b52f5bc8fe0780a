/* What the calling thread has submitted stands before all that it submits, synchronizes or records
   next, also where another thread was faster to claim it, or an input of it, and has not queued
   that yet: O1, K3, W2, W3. */

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

/* What follows on the stream is not over before it. */
static void order_kept(int i) {
  mlx_array leaf = mlx_array_new(), one = mlx_array_new_float(1), next = mlx_array_new();
  CHECK(mlx_add(&leaf, prefix, one, streams[i]) == 0);
  CHECK(mlx_add(&next, one, one, streams[i]) == 0);
  pthread_barrier_wait(&start);
  CHECK(submit(leaf) == 0 && submit(next) == 0);
  while (!available(next)) sched_yield();
  CHECK(available(leaf));
  mlx_array_free(leaf);
  mlx_array_free(next);
  mlx_array_free(one);
}

/* A leaf on one stream needs one on a second, which then waits for an event behind the first: no
   circle, since both leaves were submitted before. */
static void event_between(int i) {
  mlx_stream second = new_stream();
  weir_event e = weir_event_new();
  mlx_array one = mlx_array_new_float(1), below = mlx_array_new(), leaf = mlx_array_new();
  CHECK(mlx_add(&below, prefix, one, second) == 0);
  CHECK(mlx_add(&leaf, below, one, streams[i]) == 0);
  pthread_barrier_wait(&start);
  CHECK(submit(leaf) == 0);
  CHECK(weir_event_record(e, streams[i]) == 0);
  CHECK(weir_event_wait(e, second) == 0);
  CHECK(weir_stream_wait(second, INT64_C(60000000000)) == 0);
  CHECK(available(leaf) && float_of(leaf) == LENGTH + 2);
  mlx_array_free(leaf);
  mlx_array_free(below);
  mlx_array_free(one);
  weir_event_free(e);
  mlx_stream_free(second);
}

int main(void) {
  static void (*const kinds[])(int) = {own_leaf, same_root, event_behind, order_kept,
                                       event_between};
  enum { KINDS = sizeof kinds / sizeof kinds[0] };
  size_t before = live_streams();
  common = new_stream();
  for (int i = 0; i < THREADS; i++) streams[i] = new_stream();
  CHECK(pthread_barrier_init(&start, NULL, THREADS) == 0);
  for (int n = 0; n < times(SANITIZED ? 30 : 150, 3000); n++) {
    prefix = chain(0, LENGTH, common);
    run_threads(THREADS, kinds[n % KINDS]);
    mlx_array_free(prefix);
  }
  for (int i = 0; i < THREADS; i++) mlx_stream_free(streams[i]);
  mlx_stream_free(common);
  CHECK(streams_become(before));
  return 0;
}
