/* Streams, events, callbacks and graphs across streams, with the n-th allocation failing: K5, K6,
   K10, W1 to W4. */

#include <poll.h>

#include "fixtures.h"
#include "sweep.h"

/* *a = *a + *a; an array that could not be made is left alone from then on. */
static bool twice(mlx_array *a, mlx_stream s) { return ok(mlx_add(a, *a, *a, s)); }

static bool submitted(mlx_array a) {
  mlx_vector_array v = mlx_vector_array_new_value(a);
  bool done = got(v.ctx) && ok(mlx_async_eval(v));
  mlx_vector_array_free(v);
  return done;
}

static void expect(mlx_array a, float value) {
  float v = 0;
  if (ok(mlx_array_item_float32(&v, a))) CHECK(v == value);
}

/* ---- streams ---- */

static void about(mlx_stream s) {
  mlx_string text = mlx_string_new();
  weir_stream_stats_t stats;
  bool idle = false, labelled = ok(weir_stream_set_label(s, "loader"));
  if (ok(mlx_stream_tostring(&text, s))) {
    CHECK(!labelled || mlx_string_data(text)[0] != '\0');
  }
  if (ok(weir_stream_stats(&stats, s))) CHECK(stats.failed == 0);
  if (ok(weir_stream_query(&idle, s))) CHECK(idle);
  mlx_string_free(text);
}

static void defaults(mlx_stream s) {
  mlx_stream mine = mlx_default_cpu_stream_new();
  got(mine.ctx);
  if (ok(weir_stream_scope_push(s))) {
    mlx_stream inner = mlx_default_cpu_stream_new();
    if (got(inner.ctx)) CHECK(mlx_stream_equal(inner, s));
    mlx_stream_free(inner);
    CHECK(weir_stream_scope_pop() == 0);
  }
  if (mine.ctx && ok(mlx_set_default_stream(s))) ok(mlx_set_default_stream(mine));
  mlx_stream_free(mine);
}

static void streams(void) {
  mlx_stream s = a_stream(), copy = {0};
  if (s.ctx) {
    about(s);
    defaults(s);
    mlx_array a = mlx_array_new_float(1);
    if (got(a.ctx) && twice(&a, s) && twice(&a, (mlx_stream){0})) expect(a, 4);
    mlx_array_free(a);
    if (ok(mlx_stream_set(&copy, s))) ok(mlx_synchronize(copy));
    ok(weir_stream_wait(s, INT64_MAX));
  }
  mlx_stream_free(copy);
  mlx_stream_free(s);
}

/* W3: commands that failed before they were queued do not hide those that are queued after them. */
static void count_one(mlx_stream s) {
  static struct stall g;
  weir_stream_stats_t n;
  mlx_array a = mlx_array_new_float(1);
  stall_begin(&g, s);
  CHECK(twice(&a, s) && submitted(a) && weir_stream_stats(&n, s) == 0);
  CHECK(n.queued + n.running == 1);
  stall_end(&g);
  expect(a, 2);
  mlx_array_free(a);
}

static void numbers(void) {
  mlx_stream s = a_stream();
  mlx_array a = mlx_array_new_float(1), b = mlx_array_new();
  if (s.ctx && got(a.ctx) && ok(mlx_exp(&b, a, s)) && ok(mlx_exp(&b, b, s))) {
    ok(mlx_array_eval(b));
    if (wr_alloc_has_failed()) count_one(s);
  }
  mlx_array_free(b);
  mlx_array_free(a);
  mlx_stream_free(s);
}

/* ---- events ---- */

static void order(weir_event first, weir_event second, mlx_stream s, mlx_stream t) {
  struct pollfd watched = {.fd = -1, .events = POLLIN};
  int64_t ns = 0;
  bool done = false;
  mlx_array a = mlx_array_new_float(1), b = mlx_array_new_float(2);
  bool made = got(a.ctx) && twice(&a, s) && submitted(a) && got(b.ctx) && twice(&b, t);
  if (made && ok(weir_event_record(first, s)) && ok(weir_event_wait(first, t)) && submitted(b) &&
      ok(weir_event_record(second, t))) {
    bool watching = ok(weir_event_fd(&watched.fd, second));
    if (ok(weir_event_synchronize(second, INT64_MAX))) {
      CHECK(weir_event_query(&done, first) == 0 && done);
      CHECK(weir_event_elapsed(&ns, first, second) == 0 && ns >= 0);
      if (watching) CHECK(poll(&watched, 1, 10000) == 1);
    }
    expect(b, 4);
  }
  mlx_array_free(b);
  mlx_array_free(a);
}

static void events(void) {
  mlx_stream s = a_stream(), t = a_stream();
  weir_event first = weir_event_new(), second = weir_event_new();
  bool made = got(first.ctx) & got(second.ctx);
  if (s.ctx && t.ctx && made) order(first, second, s, t);
  weir_event_free(second);
  weir_event_free(first);
  mlx_stream_free(t);
  mlx_stream_free(s);
}

/* ---- callbacks: what was taken on is called once, what was refused never ---- */

static int due, called;

static void count(void *counter) { __atomic_add_fetch((int *)counter, 1, __ATOMIC_ACQ_REL); }

static void count_failure(const char *message, void *counter) {
  CHECK(message[0] != '\0');
  count(counter);
}

static void callbacks(void) {
  static float data[4] = {1, 2, 3, 4};
  static int heard;
  int n = 4;
  mlx_stream s = a_stream();
  if (!s.ctx) return;
  mlx_set_error_handler(count_failure, &heard, NULL);
  mlx_array m = mlx_array_new_data_managed_payload(data, &n, 1, MLX_FLOAT32, &called, count);
  mlx_array out = mlx_array_new();
  due += m.ctx != NULL;
  if (got(m.ctx) && ok(mlx_exp(&out, m, s))) submitted(out);
  due += ok(weir_stream_on_idle(s, count, &called));
  mlx_array_free(m);
  mlx_array_free(out);
  due += ok(weir_stream_on_idle(s, count, &called));
  mlx_set_error_handler(quiet, NULL, NULL);
  mlx_stream_free(s);
}

static void callbacks_to_the_end(void) {
  callbacks();
  settle();
  CHECK(due == __atomic_load_n(&called, __ATOMIC_ACQUIRE));
}

/* ---- graphs across streams ---- */

enum { STREAMS = 3, ROOTS = 4, DEPTH = 6 };

/* Arrays that take turns on the streams, each layer of two of the one before. */
static bool layers(mlx_array *roots, const mlx_stream *s) {
  bool made = true;
  for (int i = 0; i < ROOTS; i++) made &= got((roots[i] = mlx_array_new_float(1)).ctx);
  for (int k = 0; k < DEPTH && made; k++) {
    for (int i = 0; i < ROOTS && made; i++) {
      made = ok(mlx_multiply(&roots[i], roots[i], roots[(i + k) % ROOTS], s[(i + k) % STREAMS]));
    }
  }
  return made;
}

static mlx_array shared[ROOTS];

static void force_one(int i) { expect(shared[i], 1); }

static void across_streams(void) {
  mlx_stream s[STREAMS];
  bool made = true;
  for (int i = 0; i < STREAMS; i++) made &= (s[i] = a_stream()).ctx != NULL;
  mlx_vector_array all = mlx_vector_array_new();
  if (made && layers(shared, s)) {
    bool listed = got(all.ctx);
    for (int i = 0; i < ROOTS && listed; i++) {
      listed = ok(mlx_vector_array_append_value(all, shared[i]));
    }
    if (listed && ok(mlx_eval(all))) {
      for (int i = 0; i < ROOTS; i++) expect(shared[i], 1);
    }
  }
  for (int i = 0; i < ROOTS; i++) mlx_array_free(shared[i]);
  memset(shared, 0, sizeof shared);
  mlx_vector_array_free(all);
  for (int i = 0; i < STREAMS; i++) mlx_stream_free(s[i]);
}

/* The roots share inputs, so planners find each other's claims. */
static void across_threads(void) {
  mlx_stream s[STREAMS];
  bool made = true;
  for (int i = 0; i < STREAMS; i++) made &= (s[i] = a_stream()).ctx != NULL;
  if (made && layers(shared, s)) {
    if (submitted(shared[0])) run_threads(ROOTS, force_one);
  }
  for (int i = 0; i < ROOTS; i++) mlx_array_free(shared[i]);
  memset(shared, 0, sizeof shared);
  for (int i = 0; i < STREAMS; i++) mlx_stream_free(s[i]);
}

/* ---- guards and random numbers ---- */

static void guards(void) {
  mlx_stream s = a_stream();
  weir_wired_guard guard = {0};
  if (s.ctx && ok(weir_wired_guard_begin(&guard, 1 << 22, &s, 1))) {
    int n = 1 << 20;
    mlx_array a = mlx_array_new();
    if (ok(mlx_ones(&a, &n, 1, MLX_FLOAT32, s)) && ok(mlx_array_eval(a))) {
      CHECK(mlx_array_data_float32(a)[n - 1] == 1);
    }
    mlx_array_free(a);
    ok(weir_wired_guard_end(&guard));
  }
  mlx_stream_free(s);
}

static void draws(void) {
  int shape[2] = {3, 5};
  mlx_array key = mlx_array_new(), left = mlx_array_new(), right = mlx_array_new();
  mlx_array a = mlx_array_new();
  ok(mlx_random_seed(7));
  if (ok(mlx_random_key(&key, 7)) && ok(mlx_random_split(&left, &right, key, (mlx_stream){0}))) {
    ok(mlx_array_eval(right));
  }
  for (int i = 0; i < 2; i++) {
    mlx_array with = i ? left : (mlx_array){0};
    if (!ok(mlx_random_normal(&a, shape, 2, MLX_FLOAT32, 0, 1, with, (mlx_stream){0}))) continue;
    ok(mlx_array_eval(a));
  }
  mlx_array all[] = {key, left, right, a};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

/* K7: what is kept of a thread is made by its first calls, each of which may be the refused one,
   and is gone with it. */
static void first_calls(int i) {
  mlx_array a = mlx_array_new();
  int shape = 3;
  if (i == 0) ok(mlx_random_seed(7));
  if (i == 1 && ok(mlx_random_bits(&a, &shape, 1, 4, (mlx_array){0}, (mlx_stream){0}))) {
    ok(mlx_array_eval(a));
  }
  mlx_stream s = a_stream();
  if (s.ctx && ok(mlx_set_default_stream(s))) defaults(s);
  CHECK(mlx_array_eval((mlx_array){0}) == 1); /* what tells of it is made too */
  mlx_stream_free(s);
  mlx_array_free(a);
}

static void new_threads(void) { run_threads(3, first_calls); }

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  sweep(streams, "streams");
  sweep(numbers, "numbers");
  sweep(events, "events");
  sweep(callbacks_to_the_end, "callbacks");
  sweep(across_streams, "across streams");
  sweep(guards, "guards");
  sweep(draws, "draws");
  sweep_all_threads(events, "events, all threads");
  sweep_all_threads(callbacks_to_the_end, "callbacks, all threads");
  sweep_all_threads(across_streams, "across streams, all threads");
  sweep_all_threads(across_threads, "across threads");
  sweep_all_threads(new_threads, "new threads");
  return 0;
}
