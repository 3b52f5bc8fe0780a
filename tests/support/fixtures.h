#ifndef WR_TESTS_SUPPORT_FIXTURES_H
#define WR_TESTS_SUPPORT_FIXTURES_H

/* What makes the programs of tests/stream/failures_*.c and hostile_*.c deterministic: a stall (work
   that blocks whoever drains its stream, as a long kernel does, until it is opened), an array that
   fails when it is computed, and a probe (a managed buffer whose destructor counts). For tests that
   see the library's insides; on top of programs.h. */

#include <semaphore.h>
#include <time.h>

#include "inside.h"
#include "programs.h"
#include "stream/stream.h"

/* How often: a number that runs in a second or so, or the whole one when WEIR_TEST_FULL is set. */
static inline int times(int usual, int full) {
  const char *text = getenv("WEIR_TEST_FULL");
  return text && text[0] == '1' ? full : usual;
}

static inline double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- a stall ---- */

struct stall {
  struct wr_task task;
  sem_t running; /* posted when somebody is inside */
  sem_t open;
  sem_t left;
};

static inline enum wr_step stall_run(struct wr_task *task, struct wr_stream *stream,
                                     struct wr_drain *drain) {
  struct stall *g = (struct stall *)(void *)task;
  (void)stream;
  (void)drain;
  sem_post(&g->running);
  while (sem_wait(&g->open)) continue;
  sem_post(&g->left);
  return WR_STEP_DONE;
}

static inline void stall_publish(struct wr_task *task) { (void)task; }

/* Stalls the stream as soon as somebody drains it. */
static inline void stall_submit(struct stall *g, mlx_stream s) {
  g->task = (struct wr_task){.run = stall_run};
  CHECK(sem_init(&g->running, 0, 0) == 0);
  CHECK(sem_init(&g->open, 0, 0) == 0);
  CHECK(sem_init(&g->left, 0, 0) == 0);
  wr_stream_submit(inside(s), &g->task, true, stall_publish);
}

/* Stalls the stream in a worker of the pool; returns once that worker is inside. */
static inline void stall_begin(struct stall *g, mlx_stream s) {
  stall_submit(g, s);
  while (sem_wait(&g->running)) continue;
}

static inline void stall_end(struct stall *g) {
  sem_post(&g->open);
  while (sem_wait(&g->left)) continue;
}

/* ---- arrays ---- */

static inline int submit(mlx_array a) {
  mlx_vector_array v = mlx_vector_array_new_value(a);
  int rc = mlx_async_eval(v);
  mlx_vector_array_free(v);
  return rc;
}

static inline bool available(mlx_array a) {
  bool yes = false;
  CHECK(_mlx_array_is_available(&yes, a) == 0);
  return yes;
}

static inline mlx_array another(mlx_array a) {
  mlx_array copy = mlx_array_new();
  CHECK(mlx_array_set(&copy, a) == 0);
  return copy;
}

/* An array that fails when it is computed: more bytes than any address space has. */
static inline mlx_array failing(mlx_stream s) {
  int shape[3] = {1 << 20, 1 << 20, 64};
  mlx_array one = mlx_array_new_float(1), wide = mlx_array_new(), out = mlx_array_new();
  CHECK(mlx_broadcast_to(&wide, one, shape, 3, s) == 0);
  CHECK(mlx_exp(&out, wide, s) == 0);
  mlx_array_free(wide);
  mlx_array_free(one);
  return out;
}

/* a + 1 + 1 + ..., n times, lazily. */
static inline mlx_array chain(float v, int n, mlx_stream s) {
  mlx_array one = mlx_array_new_float(1), a = mlx_array_new_float(v);
  for (int i = 0; i < n; i++) add_to(&a, one, s);
  mlx_array_free(one);
  return a;
}

/* n random bits, sorted: work that takes a while. */
static inline mlx_array sorted_bits(int n, mlx_stream s) {
  mlx_array bits = mlx_array_new(), sorted = mlx_array_new();
  CHECK(mlx_random_bits(&bits, &n, 1, 4, (mlx_array){0}, s) == 0);
  CHECK(mlx_sort(&sorted, bits, s) == 0);
  mlx_array_free(bits);
  return sorted;
}

/* ---- a probe ---- */

static inline void probe_count(void *counter) {
  __atomic_add_fetch((int *)counter, 1, __ATOMIC_ACQ_REL);
}

/* Four floats 1, 2, 3, 4 whose end raises *counter. */
static inline mlx_array probe(int *counter) {
  static float data[4] = {1, 2, 3, 4};
  int n = 4;
  return mlx_array_new_data_managed_payload(data, &n, 1, MLX_FLOAT32, counter, probe_count);
}

static inline int count_of(int *counter) { return __atomic_load_n(counter, __ATOMIC_ACQUIRE); }

/* True once the counter has reached n; for ten seconds at most. */
static inline bool becomes(int *counter, int n) {
  for (int i = 0; i < 10000 && count_of(counter) < n; i++) usleep(1000);
  return count_of(counter) == n;
}

/* ---- threads ---- */

static inline pthread_t start_thread(void *(*fn)(void *), void *arg) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, fn, arg) == 0);
  return thread;
}

/* True once the process has at most n OS threads: a thread that was joined can stand in /proc for a
   moment more. */
static inline bool threads_become(int n) {
  for (int i = 0; i < 10000 && os_threads() > n; i++) usleep(1000);
  return os_threads() <= n;
}

static inline void run_one(void *(*fn)(void *), void *arg) {
  pthread_join(start_thread(fn, arg), NULL);
}

#endif
