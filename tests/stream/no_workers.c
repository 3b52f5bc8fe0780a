/* A system that refuses every thread of the library's: whoever waits does the work, and nobody
   sleeps for ever. Also with the one worker that there is in a long kernel: K9. Rings: R7. */

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "anew.h"
#include "fixtures.h"

enum { STREAMS = 4, THREADS = 8, STEPS = 60, KEPT = 5 };

static bool refused; /* written while there is one thread */

/* Stands before the C library's, or a sanitizer's: only the test's own threads are made. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg) {
  int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = NULL;
  void *next = dlsym(RTLD_NEXT, "pthread_create");
  memcpy(&create, &next, sizeof create);
  if (refused && fn != program_thread_main) return EAGAIN;
  return create(thread, attr, fn, arg);
}

static mlx_stream streams[STREAMS];
static pthread_mutex_t exchange = PTHREAD_MUTEX_INITIALIZER;
static mlx_array shared; /* under `exchange` */

static uint32_t draw(uint32_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 17;
  *seed ^= *seed << 5;
  return *seed;
}

/* Puts `mine` where the others find it, and takes what they left; both are arrays of equal
   elements. */
static mlx_array swap(mlx_array mine) {
  pthread_mutex_lock(&exchange);
  mlx_array theirs = shared;
  shared = mlx_array_new();
  mlx_array_set(&shared, mine);
  pthread_mutex_unlock(&exchange);
  return theirs;
}

static bool all_equal(mlx_array a) {
  const float *data = mlx_array_data_float32(a);
  bool equal = data != NULL;
  for (size_t i = 1; equal && i < mlx_array_size(a); i++) equal = data[i] == data[0];
  return equal;
}

/* Graphs over all streams, which need what other threads have recorded or submitted. */
static void work(int i) {
  uint32_t seed = 77u + (uint32_t)i * 1234567u;
  mlx_array x = floats(16, 0), one = mlx_array_new_float(1), zero = mlx_array_new_float(0);
  CHECK(mlx_multiply(&x, x, zero, streams[0]) == 0);
  for (int k = 0; k < STEPS; k++) {
    int hops = 1 + (int)(draw(&seed) % 6);
    for (int h = 0; h < hops; h++) add_to(&x, one, streams[draw(&seed) % STREAMS]);
    mlx_array theirs = swap(x), sum = mlx_array_new();
    CHECK(mlx_add(&sum, x, theirs, streams[draw(&seed) % STREAMS]) == 0);
    CHECK(mlx_minimum(&x, sum, one, streams[draw(&seed) % STREAMS]) == 0);
    switch (draw(&seed) % 4) {
      case 0:
        CHECK(submit(x) == 0);
        break;
      case 1:
        CHECK(mlx_synchronize(streams[draw(&seed) % STREAMS]) == 0);
        break;
      default:
        CHECK(all_equal(sum));
    }
    mlx_array_free(theirs);
    mlx_array_free(sum);
  }
  CHECK(all_equal(x));
  mlx_array_free(x);
  mlx_array_free(one);
  mlx_array_free(zero);
}

static void new_streams(void) {
  for (int k = 0; k < STREAMS; k++) streams[k] = new_stream();
  shared = floats(16, 0);
  CHECK(mlx_array_eval(shared) == 0);
  mlx_array zero = mlx_array_new_float(0);
  CHECK(mlx_multiply(&shared, shared, zero, (mlx_stream){0}) == 0);
  mlx_array_free(zero);
}

static void free_streams(void) {
  for (int k = 0; k < STREAMS; k++) CHECK(mlx_synchronize(streams[k]) == 0);
  for (int k = 0; k < STREAMS; k++) mlx_stream_free(streams[k]);
  mlx_array_free(shared);
}

static void without_any_thread(void) {
  refused = true;
  new_streams();
  for (int round = 0; round < times(20, 400); round++) run_threads(THREADS, work);
  weir_runtime_stats_t stats;
  CHECK(weir_runtime_stats(&stats) == 0 && stats.worker_threads == 0);
  free_streams();
  refused = false;
}

/* R7: nobody would come to the streams while a program polls a descriptor, so the thread that
   starts an evaluation computes it. */
static void by_ring(void) {
  refused = true;
  struct pollfd p = {.events = POLLIN};
  weir_ring ring = weir_ring_new();
  new_streams();
  mlx_array a = sorted_bits(5000, streams[0]), sum = mlx_array_new();
  CHECK(mlx_add(&sum, a, a, streams[1]) == 0);
  mlx_vector_array v = mlx_vector_array_new_value(sum);
  CHECK(weir_ring_fd(&p.fd, ring) == 0 && weir_ring_eval(ring, v, (weir_request){0}, NULL) == 0);
  CHECK(poll(&p, 1, 20000) == 1 && available(sum));
  mlx_vector_array_free(v);
  mlx_array_free(sum);
  mlx_array_free(a);
  CHECK(weir_ring_free(ring) == 0);
  free_streams();
  refused = false;
}

/* The one worker is in a stall on another stream; everybody else goes on without it. */
static void with_a_busy_worker(void) {
  struct stall stall;
  mlx_stream other = new_stream();
  stall_begin(&stall, other);
  new_streams();
  for (int round = 0; round < times(20, 400); round++) run_threads(THREADS, work);
  free_streams();
  stall_end(&stall);
  mlx_stream_free(other);
}

/* A thread that has its result leaves the rest of the queue, of other threads' making, to the pool,
   also while that has no worker free. */
static void the_rest_is_not_mine(void) {
  struct stall stall, behind = {.task = {.run = stall_run}};
  CHECK(sem_init(&behind.running, 0, 0) == 0 && sem_init(&behind.left, 0, 0) == 0);
  CHECK(sem_init(&behind.open, 0, 0) == 0);
  mlx_stream other = new_stream(), s = new_stream();
  stall_begin(&stall, other);
  mlx_array a = floats(4, 1);
  add_to(&a, a, s);
  CHECK(submit(a) == 0);
  wr_stream_submit(inside(s), &behind.task, true, stall_publish);
  CHECK(mlx_array_data_float32(a)[0] == 2); /* hangs if this thread runs what stands behind */
  stall_end(&stall);
  stall_end(&behind);
  CHECK(mlx_synchronize(s) == 0);
  mlx_array_free(a);
  mlx_stream_free(s);
  mlx_stream_free(other);
}

int main(int argc, char **argv) {
  mean_cpu();
  (void)argv;
  if (argc == 1) { /* the library reads its environment when it likes */
    CHECK(setenv("WEIR_NUM_THREADS", "1", 1) == 0);
    run_anew("again");
  }
  without_any_thread();
  by_ring();
  with_a_busy_worker();
  the_rest_is_not_mine();
  return 0;
}
