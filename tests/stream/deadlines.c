/* R3, K11: deadlines of requests as their callers see them. A stall stands in for a long command.
 */

#include "fixtures.h"
#include "in_request.h"

enum { MS = 1000 * 1000 };

static mlx_stream stream;

static bool is_late(int rc) { return rc == 1 && weir_last_status() == WEIR_ERROR_DEADLINE; }

static weir_request ends_in(int64_t ns) {
  weir_request r = weir_request_new();
  CHECK(weir_request_set_deadline(r, ns) == 0);
  return r;
}

/* Nobody waits in a call: the array is lazy again, an event behind it and a callback come, though
   what runs before it never ends. Others get its value. */
static int called;
static void call(void *counter) { probe_count(counter); }

static void ends_by_itself(void) {
  struct stall stall;
  mlx_stream s = new_stream();
  weir_event event = weir_event_new();
  weir_request r = weir_request_new();
  const int before = count_of(&called);
  stall_begin(&stall, stream);
  mlx_array late = chain(1, 1, stream), blocked = mlx_array_new();
  CHECK(submit(late) == 0);
  CHECK(mlx_add(&blocked, late, late, s) == 0);
  CHECK(submit_in(r, blocked) == 0);
  CHECK(stats_of(r).queued == 1);
  CHECK(weir_request_set_deadline(r, 20 * MS) == 0);
  CHECK(weir_event_record(event, s) == 0);
  CHECK(weir_stream_on_idle(s, call, &called) == 0);
  CHECK(becomes(&called, before + 1));
  CHECK(weir_event_synchronize(event, INT64_MAX) == 0);
  CHECK(stats_of(r).queued == 0 && stats_of(r).taken_back == 1 && stats_of(r).begun == 0);
  CHECK(is_late(submit_in(r, blocked)) && !available(blocked));
  stall_end(&stall);
  CHECK(float_of(blocked) == 4);
  CHECK(submit_in(r, blocked) == 0); /* nothing to wait for */
  CHECK(weir_request_cancel(r) == 0);
  CHECK(weir_request_free(r) == 0);
  CHECK(weir_event_free(event) == 0);
  mlx_array_free(late);
  mlx_array_free(blocked);
  mlx_stream_free(s);
}

/* Each way to wait ends in time; nothing of what had not begun ever does. */
static weir_request waited;
static mlx_array wanted;

static void wait_inside(int i) {
  CHECK(weir_request_enter(waited) == 0);
  weir_event event = weir_event_new();
  CHECK(weir_event_record(event, stream) == 0);
  float value = 0;
  int rc = i == 0   ? mlx_array_eval(wanted)
           : i == 1 ? mlx_array_item_float32(&value, wanted)
           : i == 2 ? mlx_synchronize(stream)
           : i == 3 ? weir_stream_wait(stream, INT64_MAX)
                    : weir_event_synchronize(event, INT64_MAX);
  CHECK(is_late(rc) && strstr(weir_last_error(), "\"lunch\""));
  CHECK(weir_request_leave() == 0);
  CHECK(weir_event_free(event) == 0);
}

static void waits_return(void) {
  struct stall stall;
  double start = seconds_now();
  waited = ends_in(30 * MS);
  CHECK(weir_request_set_label(waited, "lunch") == 0);
  stall_begin(&stall, stream);
  wanted = chain(1, 5, stream);
  run_threads(5, wait_inside);
  CHECK(seconds_now() - start >= 0.030);
  CHECK(stats_of(waited).begun == 0);
  stall_end(&stall);
  CHECK(mlx_synchronize(stream) == 0);
  CHECK(stats_of(waited).begun == 0 && !available(wanted));
  CHECK(float_of(wanted) == 6);
  mlx_array_free(wanted);
  CHECK(weir_request_free(waited) == 0);
}

/* A wait with a time limit of its own, which comes first. */
static void shorter_waits(void) {
  struct stall stall;
  weir_request r = ends_in(INT64_MAX - 1);
  stall_begin(&stall, stream);
  CHECK(weir_request_enter(r) == 0);
  CHECK(weir_stream_wait(stream, 5 * MS) == 1 && weir_last_status() == WEIR_ERROR_TIMEOUT);
  CHECK(weir_request_leave() == 0);
  stall_end(&stall);
  CHECK(weir_request_free(r) == 0);
}

/* Moved while a thread waits, to either side. */
static double moved_at;

static void *move_soon(void *arg) {
  usleep(2000);
  CHECK(weir_request_set_deadline(waited, *(int64_t *)arg) == 0);
  moved_at = seconds_now();
  return NULL;
}

static double waits_for(int64_t first, int64_t then) {
  struct stall stall;
  double start = seconds_now();
  waited = ends_in(first);
  stall_begin(&stall, stream);
  wanted = chain(1, 5, stream);
  pthread_t mover = start_thread(move_soon, &then);
  CHECK(is_late(eval_in(waited, wanted)));
  double took = seconds_now() - start;
  pthread_join(mover, NULL);
  stall_end(&stall);
  mlx_array_free(wanted);
  CHECK(weir_request_free(waited) == 0);
  return took;
}

static void moved(void) {
  CHECK(waits_for((int64_t)100 * 1000 * MS, 10 * MS) < 50);
  const double start = seconds_now();
  const double took = waits_for(1000 * MS, 1100 * MS);
  CHECK(took >= 1.1 || moved_at - start >= 1); /* the other thread got no processor before */
  mlx_array x = chain(1, 1, stream), y = chain(1, 1, stream);
  weir_request r = ends_in(1 * MS), never = ends_in(0);
  CHECK(weir_request_set_deadline(r, -1) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT);
  if (weir_request_set_deadline(r, INT64_MAX) == 0 && eval_in(r, x) == 0) {
    usleep(3000);
    CHECK(eval_in(r, y) == 0);
  }
  CHECK(is_late(eval_in(never, y)) == !available(y));
  CHECK(weir_request_set_deadline(never, INT64_MAX) == 0); /* it has ended for good */
  mlx_array z = chain(2, 1, stream);
  CHECK(is_late(eval_in(never, z)));
  CHECK(float_of(z) == 3);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(z);
  CHECK(weir_request_free(r) == 0);
  CHECK(weir_request_free(never) == 0);
}

/* Many, in any order, moved and freed before they come; each ends, none before its time. */
enum { MANY = 300 };

static void many_at_once(void) {
  weir_request all[MANY];
  double least[MANY];
  for (int i = 0; i < MANY; i++) {
    int64_t ms = i * 7919 % 40;
    least[i] = seconds_now() + (double)ms * 1e-3;
    all[i] = ends_in(ms * MS);
    if (i % 5 == 1) CHECK(weir_request_free(all[i]) == 0);
    if (i % 5 == 2) CHECK(weir_request_set_deadline(all[i], INT64_MAX) == 0);
    if (i % 5 == 3) CHECK(weir_request_cancel(all[i]) == 0);
  }
  mlx_array x = chain(1, 1, stream);
  for (int i = 0; i < MANY; i++) {
    if (i % 5 == 1) continue;
    if (i % 5 == 0 || i % 5 == 4) {
      struct stall stall;
      stall_begin(&stall, stream);
      CHECK(is_late(eval_in(all[i], x)));
      CHECK(seconds_now() >= least[i]);
      stall_end(&stall);
    }
    CHECK(weir_request_free(all[i]) == 0);
  }
  mlx_array_free(x);
}

/* K11: in the child deadlines are what they were, and somebody keeps to them. */
static weir_request inherited;

static void child(void) {
  mlx_stream s = new_stream(), other = new_stream();
  struct stall stall;
  const int before = count_of(&called);
  stall_begin(&stall, s);
  mlx_array late = chain(1, 1, s), blocked = mlx_array_new();
  CHECK(submit(late) == 0 && mlx_add(&blocked, late, late, other) == 0);
  int rc = submit_in(inherited, blocked);
  CHECK(rc == 0 || is_late(rc));
  CHECK(weir_stream_on_idle(other, call, &called) == 0);
  CHECK(becomes(&called, before + 1));
  CHECK(is_late(eval_in(inherited, blocked)));
  stall_end(&stall);
  CHECK(float_of(blocked) == 4);
  _exit(42);
}

static void forked(void) {
  inherited = ends_in(500 * MS);
  CHECK(in_child(child, 60) == 42);
  CHECK(weir_request_free(inherited) == 0);
}

/* The thread is ended by a shutdown, and is there again when it is needed. */
static void shut_down(void) {
  weir_request r = ends_in(300 * MS);
  CHECK(weir_shutdown((int64_t)20000 * MS) == 0);
  weir_runtime_stats_t stats;
  CHECK(weir_runtime_stats(&stats) == 0 && stats.other_threads == 0);
  struct stall stall;
  mlx_stream s = new_stream();
  stall_begin(&stall, s);
  mlx_array x = chain(1, 1, s);
  int rc = submit_in(r, x);
  CHECK(rc == 0 || is_late(rc));
  while (stats_of(r).queued > 0) usleep(1000);
  CHECK(stats_of(r).begun == 0);
  stall_end(&stall);
  CHECK(float_of(x) == 2);
  mlx_array_free(x);
  mlx_stream_free(s);
  CHECK(weir_request_free(r) == 0);
}

/* Small commands that are forced together begin together: of those the request's end leaves either
   all or none to be computed, and goes back to no queue with the rest. */
static void small_ones_begin_together(void) {
  enum { STEPS = 16, SIZE = 100, SHORTEST = 2000, LONGEST = 60000 };
  const int turns = times(4000, 100000);
  if (WR_TORTURED) return; /* they are several batches there */
  mlx_stream s = new_stream();
  mlx_array x = floats(SIZE, 0);
  unsigned draws = 1;
  int late = 0;
  for (int t = 0; t < turns; t++) {
    mlx_array y[STEPS]; /* whose handles keep them from becoming one command */
    for (int i = 0; i < STEPS; i++) {
      y[i] = mlx_array_new();
      CHECK(mlx_erfinv(&y[i], i ? y[i - 1] : x, s) == 0);
    }
    draws = draws * 1664525 + 1013904223;
    weir_request r = ends_in(SHORTEST + draws % (LONGEST - SHORTEST));
    const int rc = eval_in(r, y[STEPS - 1]);
    CHECK(rc == 0 || is_late(rc));
    late += rc;
    CHECK(available(y[0]) == available(y[STEPS - 1]));
    CHECK(stats_of(r).queued == 0);
    CHECK(weir_request_free(r) == 0);
    for (int i = 0; i < STEPS; i++) mlx_array_free(y[i]);
  }
  CHECK(SANITIZED || late > 0);
  mlx_array_free(x);
  mlx_stream_free(s);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  stream = new_stream();
  if (!SANITIZED) forked();
  for (int i = 0; i < times(3, 100); i++) {
    ends_by_itself();
    waits_return();
    many_at_once();
  }
  small_ones_begin_together();
  shorter_waits();
  moved();
  shut_down();
  mlx_stream_free(stream);
  CHECK(weir_shutdown((int64_t)20000 * MS) == 0);
  return 0;
}
