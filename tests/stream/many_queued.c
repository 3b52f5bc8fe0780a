/* R2, R3: what a request has in queues when it ends is taken back in parts, and nobody waits for
   that: neither the call that waits in it, nor another request whose deadline comes meanwhile. As
   in in_time.c each is held against a thread that sleeps beside it until the same moment. Who comes
   to what is not taken back yet gets its value, or finds it lazy, as ever. In a child, since a wait
   that does not return would hang. */

#include "fixtures.h"
#include "in_request.h"

enum { RUNS = 30, MANY = 120000, MS = 1000 * 1000 };

static mlx_stream stream, other;

static bool has_ended(int rc) {
  const weir_status status = weir_last_status();
  return rc == 1 && (status == WEIR_ERROR_DEADLINE || status == WEIR_ERROR_CANCELLED);
}

/* So many commands, none of which becomes part of another. */
static mlx_array sorts(mlx_array of, int n, mlx_stream s) {
  mlx_array y = mlx_array_new();
  CHECK(mlx_array_set(&y, of) == 0);
  for (int i = 0; i < n; i++) CHECK(mlx_sort(&y, y, s) == 0);
  return y;
}

/* ---- how late ---- */

static struct run {
  weir_request request; /* that has the commands */
  mlx_array array;      /* of the last of them */
  double end;           /* when it ends, by seconds_now */
  double heard, awoken; /* when the one that is told was, and the thread that sleeps beside it */
} run;

static void *wait_in_request(void *arg) {
  CHECK(has_ended(eval_in(run.request, run.array)));
  run.heard = seconds_now();
  return arg;
}

static void *wait_beside(void *arg) {
  struct timespec end = {.tv_sec = (time_t)run.end};
  end.tv_nsec = (long)((run.end - (double)end.tv_sec) * 1e9);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) != 0) continue;
  run.awoken = seconds_now();
  return arg;
}

/* Is woken by a thread that was. */
static void *wait_behind(void *arg) {
  pthread_t beside = start_thread(wait_beside, NULL);
  pthread_join(beside, NULL);
  run.awoken = seconds_now();
  return arg;
}

/* On a busy machine the moment may have gone by. */
static int64_t until_end(void) {
  const double left = (run.end - seconds_now()) * 1e9;
  return left > 1 ? (int64_t)left : 1;
}

/* The call that waits for the last of them. */
static void tell_call(int i) {
  run.end = seconds_now() + 6e-3 + i * 7919 % 4000 * 1e-6;
  CHECK(weir_request_set_deadline(run.request, until_end()) == 0);
  pthread_t inside = start_thread(wait_in_request, NULL), outside = start_thread(wait_beside, NULL);
  pthread_join(inside, NULL);
  pthread_join(outside, NULL);
  CHECK(stats_of(run.request).queued == 0 && stats_of(run.request).begun == 0);
}

/* An evaluation of another request, which ends a little later, and in which nobody waits: what is
   there to tell of it comes from the thread that keeps to deadlines. */
static void tell_other(int i) {
  weir_ring ring = weir_ring_new();
  weir_request another = weir_request_new();
  weir_completion completion;
  mlx_array one = floats(1, 1), y = sorts(one, 1, stream);
  mlx_vector_array outputs = mlx_vector_array_new_value(y);
  size_t taken = 0;
  CHECK(weir_ring_eval(ring, outputs, another, NULL) == 0);
  run.end = seconds_now() + 6e-3 + i * 7919 % 4000 * 1e-6;
  CHECK(weir_request_set_deadline(another, until_end()) == 0);
  run.end -= 2e-4;
  CHECK(weir_request_set_deadline(run.request, until_end()) == 0);
  run.end += 2e-4;
  pthread_t outside = start_thread(wait_behind, NULL);
  CHECK(weir_ring_take(&taken, ring, &completion, 1, INT64_MAX) == 0 && taken == 1);
  run.heard = seconds_now();
  CHECK(completion.status == WEIR_ERROR_DEADLINE);
  pthread_join(outside, NULL);
  CHECK(stats_of(run.request).queued == 0 && stats_of(run.request).taken_back == MANY);
  mlx_vector_array_free(outputs);
  mlx_array_free(y);
  mlx_array_free(one);
  CHECK(weir_request_free(another) == 0);
  CHECK(weir_ring_free(ring) == 0);
}

/* All is taken back when a cancel returns; when the call hears of it is the system's. */
static void cancel_amid(int i) {
  pthread_t inside = start_thread(wait_in_request, NULL);
  usleep((useconds_t)(i * 1000));
  CHECK(weir_request_cancel(run.request) == 0);
  CHECK(stats_of(run.request).queued == 0 && stats_of(run.request).taken_back == MANY);
  pthread_join(inside, NULL);
}

static void run_once(int i, void (*tell)(int)) {
  run.request = weir_request_new();
  mlx_array one = floats(1, 1);
  run.array = sorts(one, MANY, stream);
  CHECK(submit_in(run.request, run.array) == 0);
  CHECK(stats_of(run.request).queued == MANY);
  tell(i);
  mlx_array_free(run.array);
  mlx_array_free(one);
  CHECK(weir_request_free(run.request) == 0);
}

/* By chance the difference is four standard deviations in one of 30,000 tests. */
static void check_late(const char *what, void (*tell)(int)) {
  int behind = 0, before = 0;
  double sum = 0;
  for (int i = 0; i < RUNS; i++) {
    run_once(i, tell);
    behind += run.heard > run.awoken + 1e-3;
    before += run.awoken > run.heard + 1e-3;
    sum += run.heard - run.awoken;
  }
  printf(
      "%s: %.3f ms behind a thread beside it at the mean; more than one %d times, before it %d "
      "times of %d\n",
      what, sum / RUNS * 1e3, behind, before, RUNS);
  fflush(stdout);
  const int more = behind - before;
  CHECK(more <= 0 || more * more <= 16 * (behind + before));
}

static void lateness(void) {
  struct stall stall;
  stall_begin(&stall, stream); /* nothing of it begins */
  check_late("deadline", tell_call);
  check_late("another's deadline", tell_other);
  for (int i = 0; i < 3; i++) run_once(i, cancel_amid);
  stall_end(&stall);
}

/* ---- meanwhile ---- */

/* The request's own thread, one in no request, and one in another, come to arrays of it while they
   are taken back, as do the threads that drain. */
enum { STEPS = 600, PLACES = 20, THREADS = 3 };

static mlx_array places[PLACES];
static weir_request ending;
static int64_t after_ns;

static void come_to_it(int thread) {
  weir_request own = weir_request_new();
  if (thread == 0) {
    const int rc = eval_in(ending, places[PLACES - 1]);
    CHECK(rc == 0 || has_ended(rc));
    CHECK(float_of(places[PLACES / 2]) == 1); /* whoever has it now */
  } else {
    usleep((useconds_t)(after_ns / 1000));
    for (int i = PLACES; i-- > 0;) {
      if ((i + thread) % 3) continue;
      if (thread == 1) CHECK(submit(places[i]) == 0);
      if (thread == 2) CHECK(submit_in(own, places[i]) == 0);
    }
  }
  CHECK(weir_request_free(own) == 0);
}

static void come_meanwhile(void) {
  const int turns = times(60, 3000);
  unsigned draws = 1;
  for (int t = 0; t < turns; t++) {
    mlx_array one = floats(1, 1);
    for (int i = 0; i < PLACES; i++) {
      places[i] = sorts(i ? places[i - 1] : one, STEPS, i % 5 == 4 ? other : stream);
    }
    draws = draws * 1664525 + 1013904223;
    ending = weir_request_new();
    after_ns = (int64_t)(draws >> 8) % (5 * MS);
    CHECK(weir_request_set_deadline(ending, after_ns) == 0);
    const int rc = submit_in(ending, places[PLACES - 2]);
    CHECK(rc == 0 || has_ended(rc));
    run_threads(THREADS, come_to_it);
    for (int i = PLACES; i-- > 0;) {
      CHECK(float_of(places[i]) == 1);
      mlx_array_free(places[i]);
    }
    CHECK(stats_of(ending).queued == 0);
    CHECK(weir_request_free(ending) == 0);
    mlx_array_free(one);
  }
}

/* K8: a shutdown leaves nothing of it. */
static void shut_down(void) {
  struct stall stall;
  mlx_array one = floats(1, 1);
  weir_request r = weir_request_new();
  stall_begin(&stall, stream);
  mlx_array y = sorts(one, MANY / 4, stream);
  CHECK(weir_request_set_deadline(r, INT64_MAX - 1) == 0); /* the thread is there */
  CHECK(submit_in(r, y) == 0);
  CHECK(weir_request_set_deadline(r, MS) == 0);
  usleep(1500);
  stall_end(&stall);
  CHECK(weir_shutdown((int64_t)60000 * MS) == 0);
  weir_runtime_stats_t stats;
  CHECK(weir_runtime_stats(&stats) == 0 && stats.other_threads == 0);
  CHECK(stats_of(r).queued == 0);
  CHECK(float_of(y) == 1);
  mlx_array_free(y);
  mlx_array_free(one);
  CHECK(weir_request_free(r) == 0);
}

static void program(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  stream = new_stream();
  other = new_stream();
  come_meanwhile();
  shut_down();
  if (!SANITIZED && !WR_TORTURED) lateness(); /* which make all slow */
  CHECK(mlx_synchronize(stream) == 0);
  mlx_stream_free(stream);
  mlx_stream_free(other);
  _exit(42);
}

int main(void) {
  CHECK(in_child(program, SANITIZED ? 200 : 90) == 42);
  return 0;
}
