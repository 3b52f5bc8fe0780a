/* S2: what stands in a trace of programs whose commands are known: a span for each, on the track of
   its stream, groups with their operations, waits on the tracks of threads, requests as flows, and
   memory. */

#include "fake_device.h"
#include "fixtures.h"
#include "trace_case.h"

static void start(void) { CHECK(weir_trace_start(trace_file()) == 0); }

static struct trace stop(void) {
  CHECK(weir_trace_stop() == 0);
  struct trace t = trace_read();
  CHECK(t.whole);
  check_tracks(&t);
  return t;
}

static mlx_stream labelled(const char *label) {
  mlx_stream s = new_stream();
  CHECK(weir_stream_set_label(s, label) == 0);
  return s;
}

/* A track's number by its name. */
static uint64_t track_named(const struct trace *t, const char *text) {
  for (size_t i = 0; i < t->n; i++) {
    const struct event *e = &t->events[i];
    if (!strcmp(e->name, "thread_name") && strstr(e->args, text)) return e->tid;
  }
  return 0;
}

static size_t on_track(const struct trace *t, uint64_t tid, const char *cat) {
  size_t n = 0;
  for (size_t i = 0; i < t->n; i++) {
    n += t->events[i].ph == 'X' && t->events[i].tid == tid && !strcmp(t->events[i].cat, cat);
  }
  return n;
}

/* n commands that nothing fuses. */
static void sort_often(mlx_stream s, int n) {
  for (int i = 0; i < n; i++) {
    mlx_array a = floats(100, (float)i), sorted = mlx_array_new();
    CHECK(mlx_sort(&sorted, a, s) == 0 && mlx_array_eval(sorted) == 0);
    mlx_array_free(a);
    mlx_array_free(sorted);
  }
}

static void commands_on_their_tracks(void) {
  mlx_stream before = labelled("made before");
  start();
  mlx_stream after = labelled("a \"b\" \\ \xff\n");
  sort_often(before, 7);
  sort_often(after, 5);
  struct trace t = stop();
  CHECK(lost_in(&t) == 0);
  CHECK(events_of(&t, 'X', "command", "sort") == 12 && events_of(&t, 'X', "command", NULL) == 12);
  CHECK(on_track(&t, track_named(&t, "made before"), "command") == 7);
  CHECK(on_track(&t, track_named(&t, "a \\\"b\\\" \\\\ ?\\u000a"), "command") == 5);
  CHECK(strstr(event_of(&t, 'X', "sort")->args,
               "\"result\":\"float32[100]\",\"inputs\":\"float32[100]\""));
  CHECK(strstr(event_of(&t, 'M', "process_name")->args, "name"));
  CHECK(events_of(&t, 'X', "thread", "eval") == 12);
  CHECK(arg_of(event_of(&t, 'X', "eval"), "arrays") == 1);
  trace_free(&t);
  sort_often(before, 3); /* no trace */
  start();
  sort_often(after, 2);
  t = stop();
  CHECK(events_of(&t, 'X', "command", NULL) == 2);
  trace_free(&t);
  mlx_stream_free(before);
  mlx_stream_free(after);
}

/* exp(x) * x + x as one command, with its operations; a view has no span. */
static void groups_and_views(void) {
  mlx_stream s = new_stream();
  mlx_array x = floats(5000, 0), a = mlx_array_new(), b = mlx_array_new(), c = mlx_array_new();
  mlx_array view = mlx_array_new();
  const int shape[2] = {50, 100};
  start();
  CHECK(mlx_exp(&a, x, s) == 0 && mlx_multiply(&b, a, x, s) == 0 && mlx_add(&c, b, x, s) == 0);
  mlx_array_free(a);
  mlx_array_free(b);
  CHECK(mlx_reshape(&view, c, shape, 2, s) == 0);
  mlx_array_free(c);
  CHECK(mlx_array_eval(view) == 0);
  struct trace t = stop();
  const struct event *group = event_of(&t, 'X', "exp multiply add");
  CHECK(events_of(&t, 'X', "command", NULL) == 1);
  CHECK(strstr(group->args,
               "\"operations\":[\"s0 = exp(x0) float32\",\"s1 = multiply(s0, x0) float32\","
               "\"s2 = add(s1, x0) float32\"]"));
  trace_free(&t);
  mlx_array_free(view);
  mlx_array_free(x);
  mlx_stream_free(s);
}

/* A stream that waits for another is blocked for as long; the thread that waits says so. */
static void waits(void) {
  struct stall stall;
  mlx_stream a = labelled("first"), b = labelled("second");
  mlx_array late = chain(1, 1, a), sum = mlx_array_new();
  start();
  stall_begin(&stall, a);
  CHECK(mlx_add(&sum, late, late, b) == 0 && submit(sum) == 0);
  CHECK(weir_stream_wait(b, 20 * 1000 * 1000) == 1);
  stall_end(&stall);
  CHECK(float_of(sum) == 4 && mlx_synchronize(b) == 0);
  struct trace t = stop();
  CHECK(on_track(&t, track_named(&t, "second"), "blocked") == 1);
  CHECK(strstr(event_of(&t, 'X', "blocked")->args, "(cpu:0)"));
  CHECK(events_of(&t, 'X', "wait", NULL) >= 1);
  const struct event *blocked = event_of(&t, 'X', "blocked");
  const struct event *add = NULL;
  for (size_t i = 0; i < t.n; i++) {
    const struct event *e = &t.events[i];
    if (e->tid == blocked->tid && !strcmp(e->cat, "command")) add = e;
  }
  CHECK(add && blocked->begin < blocked->end && blocked->end <= add->begin);
  CHECK(events_of(&t, 'X', "thread", "async_eval") == 1);
  trace_free(&t);
  mlx_array_free(late);
  mlx_array_free(sum);
  mlx_stream_free(a);
  mlx_stream_free(b);
}

/* A request's flow begins once, and comes to each of its commands; what was taken back is not
   there. */
static void requests(void) {
  struct stall stall;
  mlx_stream s = new_stream();
  weir_request r = weir_request_new(), cancelled = weir_request_new();
  const uint8_t id[16] = {0xab, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xcd};
  CHECK(weir_request_set_label(r, "answer") == 0 && weir_request_set_trace_id(r, id) == 0);
  start();
  CHECK(weir_request_enter(r) == 0);
  sort_often(s, 4);
  CHECK(weir_request_leave() == 0);
  stall_begin(&stall, s);
  mlx_array never = sorted_bits(100, s);
  CHECK(weir_request_enter(cancelled) == 0 && submit(never) == 0 && weir_request_leave() == 0);
  CHECK(weir_request_cancel(cancelled) == 0);
  stall_end(&stall);
  CHECK(mlx_synchronize(s) == 0);
  struct trace t = stop();
  const struct event *met = event_of(&t, 'i', "request answer");
  const uint64_t number = arg_of(met, "request");
  CHECK(strstr(met->args, "\"trace_id\":\"ab0102030405060708090a0b0c0d0ecd\""));
  size_t begins = 0, steps = 0, commands = 0;
  uint64_t begin = 0;
  for (size_t i = 0; i < t.n; i++) {
    const struct event *e = &t.events[i];
    if (e->ph == 's' && e->id == number) begin = e->begin;
  }
  for (size_t i = 0; i < t.n; i++) {
    const struct event *e = &t.events[i];
    begins += e->ph == 's' && e->id == number;
    steps += e->ph == 't' && e->id == number && e->begin >= begin;
    commands += !strcmp(e->cat, "command") && arg_of(e, "request") == number;
  }
  CHECK(begins == 1 && commands == 4 && steps == 4 + 3); /* three more calls */
  CHECK(events_of(&t, 'X', "command", NULL) == 4);
  trace_free(&t);
  mlx_array_free(never);
  CHECK(weir_request_free(r) == 0 && weir_request_free(cancelled) == 0);
  mlx_stream_free(s);
}

/* The counters follow what is alive. */
static void memory(void) {
  enum { MANY = 1 << 20 };
  mlx_stream s = new_stream();
  start();
  mlx_array x = floats(MANY, 0), y = mlx_array_new();
  CHECK(mlx_sort(&y, x, s) == 0 && mlx_array_eval(y) == 0);
  mlx_array_free(x);
  mlx_array_free(y);
  sort_often(s, 1);
  struct trace t = stop();
  uint64_t most = 0, last = UINT64_MAX, at = 0;
  for (size_t i = 0; i < t.n; i++) {
    const struct event *e = &t.events[i];
    if (e->ph != 'C') continue;
    const uint64_t live = arg_of(e, "live");
    CHECK(strstr(e->args, "\"cached\":"));
    if (live > most) most = live;
    if (e->begin >= at) last = live;
    at = e->begin > at ? e->begin : at;
  }
  CHECK(most >= 2 * sizeof(float) * MANY && last < most);
  trace_free(&t);
  mlx_stream_free(s);
}

static mlx_stream shared;
static void work(int i) {
  mlx_stream s = i % 2 ? new_stream() : shared;
  sort_often(s, 100);
  if (i % 2) mlx_stream_free(s);
}

/* Every command of many threads is there, or counted among what is lost. */
static void threads(void) {
  const int n = many(8);
  shared = labelled("shared");
  start();
  run_threads(n, work);
  struct trace t = stop();
  const size_t commands = events_of(&t, 'X', "command", NULL);
  CHECK(commands + lost_in(&t) >= 100 * (size_t)n && commands <= 100 * (size_t)n);
  CHECK(WR_TORTURED || lost_in(&t) > 0 || commands == 100 * (size_t)n);
  trace_free(&t);
  mlx_stream_free(shared);
}

/* What was never given to a device has no span. */
static void refused_commands(void) {
  mlx_stream s = new_stream();
  mlx_array bad = failing(s);
  start();
  CHECK(mlx_array_eval(bad) == 1);
  sort_often(s, 1);
  struct trace t = stop();
  CHECK(events_of(&t, 'X', "command", NULL) == 1);
  trace_free(&t);
  mlx_array_free(bad);
  mlx_stream_free(s);
}

/* A device that works by itself: spans end as the host finds out, one behind the other, and say
   when the command was handed over; one that failed says so. */
static void of_a_device(void) {
  enum { MANY = 20 };
  mlx_stream s = new_gpu_stream();
  mlx_array a = floats(100, 0), out[MANY];
  start();
  fake_device_hold();
  fake_device_fail_next(MANY, WEIR_ERROR_DEVICE, "on purpose");
  for (int i = 0; i < MANY; i++) {
    out[i] = mlx_array_new();
    CHECK(mlx_sort(&out[i], a, s) == 0 && submit(out[i]) == 0);
  }
  fake_device_release();
  CHECK(mlx_synchronize(s) == 0);
  struct trace t = stop();
  const struct event *one = event_of(&t, 'X', "sort");
  size_t failed = 0, late = 0;
  CHECK(events_of(&t, 'X', "command", NULL) == MANY);
  for (size_t i = 0; i < t.n; i++) {
    failed += strstr(t.events[i].args, "\"failed\":true") != NULL;
    late += strstr(t.events[i].args, "\"handed over\":") != NULL;
    CHECK(strcmp(t.events[i].cat, "command") != 0 || t.events[i].pid == one->pid);
  }
  CHECK(failed == 1 && late >= 1);
  trace_free(&t);
  for (int i = 0; i < MANY; i++) mlx_array_free(out[i]);
  mlx_array_free(a);
  mlx_stream_free(s);
}

int main(void) {
  fake_device_install();
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  commands_on_their_tracks();
  groups_and_views();
  waits();
  requests();
  memory();
  threads();
  refused_commands();
  of_a_device();
  trace_file_gone();
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
