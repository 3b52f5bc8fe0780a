/* R2, R3: a call in a request hears that it has ended also while it plans a hundred thousand
   commands: then it gives back what it has claimed, which takes no longer than claiming did, and
   returns. How much later is counted in the time of its own thread, to which nothing else on the
   machine adds. Values are right afterwards, whoever had claimed what, and whoever needed it
   meanwhile. */

#include "fixtures.h"
#include "in_request.h"

enum { MANY = 120000, TRIES = 5, MS = 1000 * 1000 };

static mlx_stream stream;

static double time_of(clockid_t clock) {
  struct timespec t;
  CHECK(clock_gettime(clock, &t) == 0);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool has_ended(int rc) {
  const weir_status status = weir_last_status();
  return rc == 1 && (status == WEIR_ERROR_DEADLINE || status == WEIR_ERROR_CANCELLED);
}

/* ---- graphs: of each array but the last nobody has a handle; the sum is that of the last ---- */

/* The walk goes all the way down before a command is in order. Steps of it become groups. */
static mlx_array deep(void) { return chain(0, MANY, stream); }

/* Commands that are in order at once. */
static mlx_array wide(void) {
  enum { BESIDE = 400 };
  mlx_vector_array all = mlx_vector_array_new();
  mlx_array x = floats(1, 1), y = mlx_array_new();
  for (int i = 0; i < MANY / BESIDE; i++) {
    mlx_vector_array some = mlx_vector_array_new();
    for (int k = 0; k < BESIDE; k++) {
      CHECK(mlx_sort(&y, x, stream) == 0 && mlx_vector_array_append_value(some, y) == 0);
    }
    CHECK(mlx_concatenate(&y, some, stream) == 0 && mlx_vector_array_append_value(all, y) == 0);
    mlx_vector_array_free(some);
  }
  CHECK(mlx_concatenate(&y, all, stream) == 0);
  mlx_vector_array_free(all);
  mlx_array_free(x);
  return y;
}

static void check_sum(mlx_array a) {
  mlx_array sum = mlx_array_new();
  CHECK(mlx_sum(&sum, a, false, stream) == 0);
  CHECK(float_of(sum) == MANY);
  mlx_array_free(sum);
}

/* ---- how late ---- */

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Half of them are in time: now and then a processor is taken from the whole machine. */
static void check_late(const char *what, double *late) {
  qsort(late, TRIES, sizeof late[0], compare);
  printf("%s: %.3f ms at the median, %.3f at most\n", what, late[TRIES / 2] * 1e3,
         late[TRIES - 1] * 1e3);
  fflush(stdout);
  CHECK(late[TRIES / 2] < 1e-3);
}

/* The stream is stalled, so nothing of it begins. On a busy machine the deadline may have passed
   before the thread has planned anything: below 0 then. */
static double late_by_deadline(mlx_array (*make)(void)) {
  const int64_t after = MS / 2;
  struct stall stall;
  stall_begin(&stall, stream);
  mlx_array a = make();
  weir_request r = weir_request_new();
  const double start = time_of(CLOCK_THREAD_CPUTIME_ID);
  CHECK(weir_request_set_deadline(r, after) == 0);
  CHECK(has_ended(eval_in(r, a)));
  const double took = time_of(CLOCK_THREAD_CPUTIME_ID) - start;
  CHECK(stats_of(r).queued == 0 && stats_of(r).begun == 0);
  CHECK(weir_request_free(r) == 0);
  stall_end(&stall);
  check_sum(a);
  mlx_array_free(a);
  return took - (double)after * 1e-9;
}

static double late_in_a_plan(mlx_array (*make)(void)) {
  double late = -1;
  for (int i = 0; i < 20 && late < 0; i++) late = late_by_deadline(make);
  return late;
}

static struct {
  weir_request request;
  clockid_t clock; /* of the thread in the call */
  double start, cancelled;
} call;

/* When that has got a processor is not up to it. */
static void *cancel_soon(void *arg) {
  while (time_of(call.clock) < call.start + 0.5e-3) continue;
  CHECK(weir_request_cancel(call.request) == 0);
  call.cancelled = time_of(call.clock);
  return arg;
}

static double late_by_cancel(mlx_array (*make)(void)) {
  struct stall stall;
  stall_begin(&stall, stream);
  mlx_array a = make();
  call.request = weir_request_new();
  CHECK(pthread_getcpuclockid(pthread_self(), &call.clock) == 0);
  call.start = time_of(call.clock);
  pthread_t canceller = start_thread(cancel_soon, NULL);
  CHECK(has_ended(eval_in(call.request, a)));
  const double returned = time_of(call.clock);
  pthread_join(canceller, NULL);
  CHECK(weir_request_free(call.request) == 0);
  stall_end(&stall);
  check_sum(a);
  mlx_array_free(a);
  return returned - call.cancelled - (call.cancelled - call.start);
}

static void lateness(void) {
  double late[TRIES];
  for (int i = 0; i < TRIES; i++) late[i] = late_in_a_plan(deep);
  check_late("deadline, deep", late);
  for (int i = 0; i < TRIES; i++) late[i] = late_in_a_plan(wide);
  check_late("deadline, wide", late);
  for (int i = 0; i < TRIES; i++) late[i] = late_by_cancel(deep);
  check_late("cancel, deep", late);
  for (int i = 0; i < TRIES; i++) late[i] = late_by_cancel(wide);
  check_late("cancel, wide", late);
}

/* ---- with others ---- */

/* Threads force arrays of one graph, all in requests of their own or of each other's, which end at
   any moment of a plan, but for one, which is in none. */
enum { STEPS = 3000, EACH = 500, ARRAYS = STEPS / EACH, THREADS = 4 };

static mlx_array arrays[ARRAYS];
static weir_request common;

static void force_some(int thread) {
  unsigned draws = (unsigned)thread + 1;
  for (int i = 0; i < ARRAYS; i++) {
    draws = draws * 1664525 + 1013904223;
    mlx_array a = arrays[(draws >> 8) % ARRAYS];
    if (thread == 0) {
      CHECK(submit(a) == 0);
      continue;
    }
    weir_request r = thread == 1 ? weir_request_new() : common;
    CHECK(weir_request_set_deadline(r, (draws >> 4) % (400 * 1000)) == 0);
    const int rc = draws & 8 ? eval_in(r, a) : submit_in(r, a);
    CHECK(rc == 0 || has_ended(rc));
    if (thread == 1) CHECK(weir_request_free(r) == 0);
  }
}

static void among_others(void) {
  mlx_stream other = new_stream();
  const int turns = times(20, 1000);
  for (int t = 0; t < turns; t++) {
    mlx_array one = mlx_array_new_float(1), a = mlx_array_new_float(0);
    for (int i = 0; i < STEPS; i++) {
      add_to(&a, one, i / 50 % 4 == 3 ? other : stream);
      if (i % EACH != EACH - 1) continue;
      arrays[i / EACH] = mlx_array_new();
      CHECK(mlx_array_set(&arrays[i / EACH], a) == 0);
    }
    common = weir_request_new();
    run_threads(THREADS, force_some);
    CHECK(weir_request_free(common) == 0);
    for (int i = ARRAYS; i-- > 0;) {
      CHECK(float_of(arrays[i]) == (float)(i + 1) * EACH);
      mlx_array_free(arrays[i]);
    }
    mlx_array_free(one);
    mlx_array_free(a);
  }
  mlx_stream_free(other);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  stream = new_stream();
  if (!SANITIZED && !WR_TORTURED) lateness(); /* which make all slow */
  among_others();
  mlx_stream_free(stream);
  CHECK(weir_shutdown((int64_t)20000 * MS) == 0);
  return 0;
}
