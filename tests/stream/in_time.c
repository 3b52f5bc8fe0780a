/* R2, R3: a call that waits in a request returns within a millisecond of its end, by a cancel or by
   its deadline, also with all processors kept busy by other threads. The system gives a thread that
   has slept a processor when it likes, on a busy machine after many milliseconds. So in each run
   the call is held against a thread that sleeps beside it until the same moment. If a call is no
   later than a millisecond by itself, it is as often a millisecond behind that thread as before it;
   by chance the difference is four standard deviations in one of 30,000 tests. In a child, since a
   wait that does not return would hang. */

#include "clocks.h"
#include "fixtures.h"
#include "median.h"

enum { RUNS = 60 };

static mlx_stream stream;
static int stop;

static void *keep_busy(void *arg) {
  while (count_of(&stop) == 0) continue;
  return arg;
}

/* ---- one run ---- */

static struct run {
  weir_request request;
  mlx_array array;
  double end;              /* when the request ends, by seconds_now; for a cancel set by it */
  double returned, awoken; /* the call in the request, and the thread that sleeps beside it */
  bool by_cancel;
  pthread_mutex_t lock;
  pthread_cond_t wake; /* with lock */
  bool cancelled;      /* under lock */
} run = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *wait_in_request(void *arg) {
  weir_status expected = run.by_cancel ? WEIR_ERROR_CANCELLED : WEIR_ERROR_DEADLINE;
  CHECK(weir_request_enter(run.request) == 0);
  int rc = mlx_array_eval(run.array);
  run.returned = seconds_now();
  CHECK(rc == 1 && weir_last_status() == expected);
  CHECK(weir_request_leave() == 0);
  return arg;
}

static struct timespec at(double seconds) {
  struct timespec t = {.tv_sec = (time_t)seconds};
  t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
  return t;
}

static void *wait_beside(void *arg) {
  struct timespec end = at(run.end);
  int rc = 0;
  pthread_mutex_lock(&run.lock);
  while (run.by_cancel && !run.cancelled) pthread_cond_wait(&run.wake, &run.lock);
  while (!run.by_cancel && rc == 0) rc = pthread_cond_timedwait(&run.wake, &run.lock, &end);
  pthread_mutex_unlock(&run.lock);
  run.awoken = seconds_now();
  return arg;
}

/* Who is told first takes turns. */
static void tell_beside(void) {
  pthread_mutex_lock(&run.lock);
  run.cancelled = true;
  pthread_cond_signal(&run.wake);
  pthread_mutex_unlock(&run.lock);
}

static void cancel_now(int i) {
  run.end = seconds_now();
  if (i % 2) tell_beside();
  CHECK(weir_request_cancel(run.request) == 0);
  if (i % 2 == 0) tell_beside();
}

static void run_once(int i, bool by_cancel, double *late, double *beside) {
  const int64_t after_ns = 6000000 + i * 7919 % 4000 * 1000;
  pthread_t inside, outside;
  run.by_cancel = by_cancel;
  run.cancelled = false;
  run.request = weir_request_new();
  run.array = chain(1, 50, stream);
  run.end = seconds_now() + (double)after_ns * 1e-9;
  if (!by_cancel) CHECK(weir_request_set_deadline(run.request, after_ns) == 0);
  inside = start_thread(wait_in_request, NULL);
  outside = start_thread(wait_beside, NULL);
  usleep((useconds_t)(after_ns / 1000));
  if (by_cancel) cancel_now(i);
  pthread_join(inside, NULL);
  pthread_join(outside, NULL);
  *late = run.returned - run.end;
  *beside = run.awoken - run.end;
  mlx_array_free(run.array);
  CHECK(weir_request_free(run.request) == 0);
}

/* ---- all of them ---- */

static void run_all(bool by_cancel) {
  double late[RUNS], beside[RUNS];
  int behind = 0, before = 0;
  for (int i = 0; i < RUNS; i++) {
    run_once(i, by_cancel, &late[i], &beside[i]);
    CHECK(late[i] >= 0);
    behind += late[i] > beside[i] + 1e-3;
    before += beside[i] > late[i] + 1e-3;
  }
  printf(
      "%s: late by %.3f ms, a thread beside it by %.3f; a millisecond behind it %d times, before "
      "it %d times of %d\n",
      by_cancel ? "cancel" : "deadline", median(late, RUNS) * 1e3, median(beside, RUNS) * 1e3,
      behind, before, RUNS);
  fflush(stdout);
  const int more = behind - before;
  CHECK(more <= 0 || more * more <= 16 * (behind + before));
}

static void program(void) {
  struct stall stall;
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  by_monotonic_clock(&run.wake);
  stream = new_stream();
  stall_begin(&stall, stream); /* nothing of it begins */
  enum { MOST = 256 };
  const int wanted = 2 * (int)sysconf(_SC_NPROCESSORS_ONLN), n = wanted < MOST ? wanted : MOST;
  pthread_t threads[MOST];
  run_all(false);
  run_all(true);
  for (int i = 0; i < n; i++) threads[i] = start_thread(keep_busy, NULL);
  run_all(false);
  run_all(true);
  probe_count(&stop);
  for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
  stall_end(&stall);
  CHECK(mlx_synchronize(stream) == 0);
  _exit(42);
}

int main(void) {
  if (SANITIZED || WR_TORTURED) return 77; /* which make all slow */
  repeat(program, "in time", 1);
  return 0;
}
