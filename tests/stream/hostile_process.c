/* Signals, cancelled threads, shutdown and exit in the middle of work: K7, K8. Each
   case runs in a child with a time limit, many times. */

#include <sys/time.h>

#include "fixtures.h"

/* ---- signals ---- */

static void on_signal(int number) { (void)number; }

static void evaluate_mixed(int i) {
  mlx_stream s = new_stream();
  for (int k = 0; k < 60; k++) {
    mlx_array a = sorted_bits(5000, s), b = chain((float)i, 30, (mlx_stream){0});
    CHECK(submit(a) == 0);
    CHECK(float_of(b) == (float)i + 30);
    CHECK(mlx_synchronize(s) == 0 && available(a));
    mlx_array_free(a);
    mlx_array_free(b);
  }
  mlx_stream_free(s);
}

/* Waits are interrupted all the time, by a handler without SA_RESTART. */
static void signals_during_waits(void) {
  struct sigaction action = {.sa_handler = on_signal};
  struct itimerval often = {{0, 300}, {0, 300}};
  CHECK(sigaction(SIGPROF, &action, NULL) == 0 && sigaction(SIGVTALRM, &action, NULL) == 0);
  CHECK(setitimer(ITIMER_PROF, &often, NULL) == 0 && setitimer(ITIMER_VIRTUAL, &often, NULL) == 0);
  run_threads(many(4), evaluate_mixed);
  _exit(42);
}

/* ---- cancelled threads ---- */

static mlx_stream shared_stream;

static void *work_until_cancelled(void *arg) {
  mlx_array empty = mlx_array_new();
  for (;;) {
    CHECK(mlx_array_eval(empty) == 1); /* a line on stderr */
    mlx_array a = sorted_bits(2000, shared_stream), b = chain(0, 20, (mlx_stream){0});
    add_to(&b, b, shared_stream);
    CHECK(submit(a) == 0);
    CHECK(float_of(b) == 40);
    CHECK(mlx_synchronize(shared_stream) == 0);
    mlx_array_free(a);
    mlx_array_free(b);
    pthread_testcancel();
  }
  return arg;
}

/* A thread that is cancelled in the middle of a call ends after that call: the stream that it was
   draining, or waiting for, goes on. */
static void cancelled_threads(void) {
  CHECK(freopen("/dev/null", "w", stderr) != NULL);
  shared_stream = new_stream();
  for (int i = 0; i < 30; i++) {
    pthread_t threads[4];
    for (int k = 0; k < 4; k++) threads[k] = start_thread(work_until_cancelled, NULL);
    usleep((useconds_t)(i * 150));
    for (int k = 0; k < 4; k++) CHECK(pthread_cancel(threads[k]) == 0);
    for (int k = 0; k < 4; k++) pthread_join(threads[k], NULL);
    mlx_array a = chain(0, 10, shared_stream);
    CHECK(float_of(a) == 10);
    mlx_array_free(a);
  }
  CHECK(mlx_synchronize(shared_stream) == 0);
  mlx_stream_free(shared_stream);
  CHECK(weir_shutdown(UINT64_C(20000000000)) == 0);
  _exit(42);
}

static void nothing(void *data) { (void)data; }

static void *shut_down(void *arg) {
  mlx_stream s = new_stream();
  mlx_array a = chain(0, 10, s);
  CHECK(submit(a) == 0 && float_of(a) == 10);
  mlx_array_free(a);
  mlx_stream_free(s);
  CHECK(weir_stream_on_idle(*(mlx_stream *)arg, nothing, NULL) == 0);
  CHECK(weir_stream_wait(*(mlx_stream *)arg, INT64_C(60000000000)) == 0);
  CHECK(pthread_cancel(pthread_self()) == 0);
  CHECK(weir_shutdown(INT64_C(60000000000)) == 0);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  return arg;
}

/* Also where that call waits for threads to end. */
static void cancelled_shutdown(void) {
  mlx_stream s = new_stream();
  void *came_back = NULL;
  CHECK(pthread_join(start_thread(shut_down, &s), &came_back) == 0 && came_back == &s);
  mlx_stream_free(s);
  _exit(42);
}

/* ---- shutdown ---- */

enum { EVALUATIONS = 600 }; /* of all threads */

static void evaluate_a_while(int i) {
  for (int k = 0; k < EVALUATIONS / many(6); k++) {
    mlx_array a = chain((float)i, 10, (mlx_stream){0}), b = sorted_bits(3000, (mlx_stream){0});
    CHECK(submit(b) == 0);
    CHECK(float_of(a) == (float)i + 10);
    mlx_array_free(a);
    mlx_array_free(b);
    if (i == 0 && k % 10 == 0) weir_shutdown(UINT64_C(1000000));
    if (i == 1 && k % 10 == 0) weir_shutdown(0);
  }
}

/* Others work while two threads shut down; then again, to the end; then all is used again. */
static void shut_down_while_used(void) {
  mlx_set_error_handler(quiet, NULL, NULL);
  for (int i = 0; i < 3; i++) {
    run_threads(many(6), evaluate_a_while);
    CHECK(weir_shutdown(UINT64_C(20000000000)) == 0);
    CHECK(weir_shutdown(UINT64_C(20000000000)) == 0);
  }
  _exit(42);
}

/* Who gives up ends no other call: that one still sees all threads of the library's end. */
static int entered;

static void *shut_down_to_the_end(void *arg) {
  weir_runtime_stats_t stats;
  probe_count(&entered);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(weir_runtime_stats(&stats) == 0 && stats.worker_threads == 0 && stats.other_threads == 0);
  return arg;
}

static void hold_up(void *stall) {
  sem_post(&((struct stall *)stall)->running);
  while (sem_wait(&((struct stall *)stall)->open)) continue;
  sem_post(&((struct stall *)stall)->left);
}

static void give_up_beside(struct stall *g) {
  entered = 0;
  pthread_t patient = start_thread(shut_down_to_the_end, NULL);
  CHECK(becomes(&entered, 1));
  for (int i = 0; i < 20; i++) {
    CHECK(weir_shutdown(2000000) == 1 && weir_last_status() == WEIR_ERROR_TIMEOUT);
  }
  stall_end(g);
  pthread_join(patient, NULL);
}

static void two_shut_down(void) {
  static struct stall in_worker, in_callback;
  mlx_stream s = new_stream();
  mlx_set_error_handler(quiet, NULL, NULL);
  stall_begin(&in_worker, s);
  give_up_beside(&in_worker);
  CHECK(sem_init(&in_callback.running, 0, 0) == 0);
  CHECK(sem_init(&in_callback.open, 0, 0) == 0 && sem_init(&in_callback.left, 0, 0) == 0);
  CHECK(weir_stream_on_idle(s, hold_up, &in_callback) == 0);
  while (sem_wait(&in_callback.running)) continue;
  give_up_beside(&in_callback);
  mlx_stream_free(s);
  _exit(42);
}

/* ---- exit ---- */

static void *submit_and_exit(void *arg) {
  for (int i = 0; i < 10; i++) {
    mlx_array a = sorted_bits(100000, new_stream());
    CHECK(submit(a) == 0);
  }
  exit(42);
  return arg;
}

static void *work_for_ever(void *arg) {
  for (;;) {
    mlx_array a = sorted_bits(20000, (mlx_stream){0});
    CHECK(submit(a) == 0 && mlx_array_eval(a) == 0);
    mlx_array_free(a);
  }
  return arg;
}

/* exit is called on a worker thread while main waits for a result. */
static void exit_on_another_thread(void) {
  start_thread(work_for_ever, NULL);
  start_thread(submit_and_exit, NULL);
  work_for_ever(NULL);
}

/* atexit functions and destructors of the user's still use the library. */
static void use_at_exit(void) {
  mlx_array a = chain(0, 10, (mlx_stream){0}), b = sorted_bits(300000, new_stream());
  CHECK(submit(b) == 0);
  CHECK(float_of(a) == 10);
  CHECK(mlx_array_eval(b) == 0);
}

static void work_at_exit(void) {
  CHECK(atexit(use_at_exit) == 0);
  start_thread(work_for_ever, NULL);
  use_at_exit();
  exit(42);
}

/* A pool of the user's, which a destructor joins as the process ends, is in the middle of products
   then. */
static pthread_t multiplying[2];
static int joining;

static void *multiply_until_joined(void *arg) {
  int shape[2] = {200, 200};
  while (!count_of(&joining)) {
    mlx_array a = mlx_array_new(), b = mlx_array_new();
    CHECK(mlx_ones(&a, shape, 2, MLX_FLOAT32, (mlx_stream){0}) == 0);
    CHECK(mlx_matmul(&b, a, a, (mlx_stream){0}) == 0);
    CHECK(mlx_array_eval(b) == 0 || count_of(&joining));
    mlx_array_free(a);
    mlx_array_free(b);
  }
  return arg;
}

static void join_at_exit(void) {
  probe_count(&joining);
  for (int i = 0; i < 2; i++) pthread_join(multiplying[i], NULL);
}

static void joined_by_a_destructor(void) {
  mlx_set_error_handler(quiet, NULL, NULL);
  CHECK(atexit(join_at_exit) == 0);
  for (int i = 0; i < 2; i++) multiplying[i] = start_thread(multiply_until_joined, NULL);
  usleep(50000);
  exit(42);
}

/* main ends by pthread_exit; the last thread ends the process. */
static void *outlive_main(void *arg) {
  usleep(2000);
  use_at_exit();
  exit(42);
  return arg;
}

static void main_thread_exits_first(void) {
  use_at_exit();
  start_thread(outlive_main, NULL);
  pthread_exit(NULL);
}

int main(void) {
  mean_cpu();
  repeat(signals_during_waits, "signals", 2);
  repeat(cancelled_threads, "cancelled threads", 2);
  /* AddressSanitizer's library ends the thread somewhere in that call all the same. */
  if (!SANITIZED) repeat(cancelled_shutdown, "cancelled shutdown", 2);
  repeat(shut_down_while_used, "shutdown", 2);
  repeat(two_shut_down, "two shut down", 2);
  repeat(exit_on_another_thread, "exit on another thread", times(SANITIZED ? 5 : 20, 500));
  repeat(work_at_exit, "work at exit", times(SANITIZED ? 5 : 20, 500));
  repeat(joined_by_a_destructor, "joined by a destructor", times(2, 50));
  repeat(main_thread_exits_first, "main exits first", times(SANITIZED ? 5 : 10, 500));
  return 0;
}
