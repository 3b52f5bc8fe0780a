/* Forks amid first calls of a GPU, over the stand-in driver: K11, P5. Threads make kernels that
   were never compiled before, launch them, record events, and open the libraries; the process forks
   all the while. A child computes on the CPU, what was the GPU's gives an error in words, nothing
   hangs, and it ends as it likes. A few dozen forks, and a thousand with WEIR_TEST_FULL=1. */

#include "anew.h"
#include "fixtures.h"
#include "stand_in_case.h"

enum { THREADS = 3, N = 3000, STEPS = 6 };

/* What each thread forces now. */
static struct current {
  mlx_array gpu; /* a group that was never seen before */
  mlx_array cpu; /* needs it */
  weir_event event;
} current[THREADS]; /* under LOCK */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static mlx_stream shared_stream, host;
static int over;

/* Six operations out of seven in an order that `number` says: more than the test ever makes. */
static mlx_array never_seen(int number, mlx_stream s) {
  static int (*const ops[])(mlx_array *, const mlx_array, const mlx_array, const mlx_stream) = {
      mlx_add, mlx_subtract, mlx_multiply, mlx_divide, mlx_maximum, mlx_minimum, mlx_remainder};
  mlx_array a = floats(N, 1), other = floats(N, 2);
  for (int i = 0; i < STEPS; i++, number /= 7) {
    CHECK(ops[number % 7](&a, a, other, s) == 0);
  }
  mlx_array_free(other);
  return a;
}

/* The lock is held, also by the thread that forks, so that no handle is being changed. */
static void replace(struct current *mine, mlx_array gpu, mlx_stream s) {
  pthread_mutex_lock(&lock);
  CHECK(mlx_array_set(&mine->gpu, gpu) == 0);
  CHECK(mlx_add(&mine->cpu, gpu, gpu, host) == 0);
  CHECK(weir_event_record(mine->event, s) == 0);
  mlx_array cpu = another(mine->cpu);
  pthread_mutex_unlock(&lock);
  CHECK(submit(cpu) == 0);
  mlx_array_free(cpu);
}

static void *work_until_over(void *arg) {
  struct current *mine = arg;
  const int begin = (int)(mine - current) * 30000;
  for (int i = 0; !__atomic_load_n(&over, __ATOMIC_ACQUIRE); i++) {
    mlx_stream s = i % 2 ? new_gpu_stream() : shared_stream;
    mlx_array a = never_seen(begin + i, s);
    CHECK(submit(a) == 0);
    replace(mine, a, s);
    CHECK(mlx_array_eval(a) == 0);
    mlx_array_free(a);
    if (i % 2) mlx_stream_free(s);
  }
  return NULL;
}

/* ---- the child ---- */

static void say_forked(int rc) {
  if (rc) CHECK(strstr(weir_last_error(), "forked") != NULL);
}

/* What was over in the parent is over here; its bytes are not. */
static void force_what_was_the_gpus(struct current *c) {
  float value;
  say_forked(mlx_array_eval(c->gpu));
  say_forked(mlx_array_eval(c->cpu));
  if (mlx_array_data_float32(c->gpu) == NULL) say_forked(1);
  mlx_array first = part_of(c->gpu, 0, 1, host);
  say_forked(mlx_array_item_float32(&value, first));
  mlx_array_free(first);
  CHECK(weir_event_synchronize(c->event, INT64_MAX) == 0);
}

static void compute_on_the_cpu(void) {
  mlx_stream own = new_stream();
  mlx_array a = chain(0, 20, own), b = chain(1, 20, host), bits = sorted_bits(20000, own);
  CHECK(submit(bits) == 0);
  CHECK(float_of(a) == 20 && float_of(b) == 21 && mlx_array_eval(bits) == 0);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(bits);
  mlx_stream_free(own);
}

static void refuse_the_gpu(void) {
  mlx_array a = never_seen(7, shared_stream);
  CHECK(mlx_array_eval(a) == 1);
  say_forked(1);
  CHECK(mlx_default_gpu_stream_new().ctx == NULL);
  say_forked(1);
  (void)mlx_synchronize(shared_stream);
  mlx_array_free(a);
}

static void child(void) {
  mlx_set_error_handler(quiet, NULL, NULL);
  compute_on_the_cpu();
  for (int i = 0; i < THREADS; i++) force_what_was_the_gpus(&current[i]);
  refuse_the_gpu();
  for (int i = 0; i < THREADS; i++) {
    mlx_array_free(current[i].gpu);
    mlx_array_free(current[i].cpu);
    weir_event_free(current[i].event);
  }
  mlx_stream_free(shared_stream);
  CHECK(mlx_clear_cache() == 0);
  compute_on_the_cpu();
}

static void child_that_exits(void) {
  child();
  exit(43);
}

static void child_that_leaves(void) {
  child();
  _exit(43);
}

/* ---- the parent ---- */

static void fork_often(int n) {
  for (int i = 0; i < n; i++) {
    pthread_mutex_lock(&lock);
    const int status = in_child(i % 2 ? child_that_exits : child_that_leaves, 20);
    pthread_mutex_unlock(&lock);
    if (status != 43) fprintf(stderr, "child %d ended with %d\n", i, status);
    CHECK(status == 43);
    usleep((useconds_t)(i % 7) * 300);
  }
}

static void begin(pthread_t threads[THREADS]) {
  shared_stream = new_gpu_stream();
  host = new_stream();
  for (int i = 0; i < THREADS; i++) {
    current[i] =
        (struct current){never_seen(i, shared_stream), chain(0, 1, host), weir_event_new()};
    CHECK(weir_event_record(current[i].event, shared_stream) == 0);
  }
  for (int i = 0; i < THREADS; i++) threads[i] = start_thread(work_until_over, &current[i]);
}

static void compiling(void) {
  pthread_t threads[THREADS];
  begin(threads);
  fork_often(times(20, 1000));
  __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < THREADS; i++) CHECK(mlx_array_data_float32(current[i].cpu) != NULL);
  _exit(42);
}

/* Each of the libraries takes its time to open, and so does its first call. */
static void *open_them(void *arg) {
  mlx_stream s = new_gpu_stream();
  mlx_array a = never_seen((int)(intptr_t)arg, s);
  CHECK(mlx_array_eval(a) == 0);
  return NULL;
}

static void child_of_first_calls(void) {
  mlx_set_error_handler(quiet, NULL, NULL);
  host = new_stream();
  compute_on_the_cpu();
  mlx_stream s = mlx_default_gpu_stream_new();
  if (s.ctx == NULL) say_forked(1);
  exit(43);
}

static void opening(void) {
  pthread_t threads[THREADS];
  CHECK(setenv("WEIR_STAND_IN_SLOW", "40", 1) == 0);
  host = new_stream();
  for (intptr_t i = 0; i < THREADS; i++) threads[i] = start_thread(open_them, (void *)i);
  for (int i = 0; i < 10; i++) {
    CHECK(in_child(child_of_first_calls, 20) == 43);
    usleep(5000);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  _exit(42);
}

/* No cache on disk, or the second run of the test would find all that the first has compiled. */
int main(int argc, char **argv) {
  (void)argv;
  if (SANITIZED) return 77;
  stand_in_start();
  if (argc == 1) {
    CHECK(setenv("XDG_CACHE_HOME", "/dev/null", 1) == 0);
    run_anew("cold");
  }
  repeat(compiling, "compiling", 2);
  repeat(opening, "opening", 3);
  return 0;
}
