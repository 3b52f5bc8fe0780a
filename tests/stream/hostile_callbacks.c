/* Callbacks of the user's that do what callbacks should not have to refrain from: K10. Destructors
   that force, synchronize, free, make streams and clear the cache; handlers that fail, and that
   replace themselves. Each case runs in a child with a time limit, since what goes wrong hangs. */

#include "fixtures.h"

static int ended, heard;

/* ---- destructors ---- */

static mlx_stream busy;

/* A bit of everything, from inside a destructor. */
static void work_inside(void *counter) {
  size_t before = 0;
  mlx_stream s = new_stream();
  mlx_array a = chain(0, 10, s), b = chain(0, 10, (mlx_stream){0});
  add_to(&a, b, busy);
  CHECK(float_of(a) == 20);
  CHECK(mlx_synchronize(busy) == 0 && mlx_synchronize(s) == 0);
  CHECK(synchronize_default() == 0);
  CHECK(mlx_clear_cache() == 0 && mlx_set_cache_limit(&before, 1 << 20) == 0);
  CHECK(mlx_set_default_stream(s) == 0);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_stream_free(s);
  probe_count(counter);
}

static float four[4] = {1, 2, 3, 4};

static mlx_array with_destructor(void (*dtor)(void *), void *payload) {
  int n = 4;
  mlx_array a = mlx_array_new_data_managed_payload(four, &n, 1, MLX_FLOAT32, payload, dtor);
  CHECK(a.ctx != NULL);
  return a;
}

/* The last use is in an evaluation: the destructor synchronizes the very stream that lets go. */
static void let_go_while_evaluating(int i) {
  for (int k = 0; k < 50; k++) {
    mlx_array m = with_destructor(work_inside, &ended), out = mlx_array_new();
    CHECK(mlx_exp(&out, m, i % 2 ? busy : (mlx_stream){0}) == 0);
    mlx_array_free(m);
    if (k % 3 == 0) CHECK(submit(out) == 0);
    CHECK(mlx_array_eval(out) == 0);
    mlx_array_free(out);
  }
}

static void k10_destructor_works_after_evaluation(void) {
  busy = new_stream();
  run_threads(many(4), let_go_while_evaluating);
  CHECK(becomes(&ended, many(4) * 50));
  _exit(42);
}

/* The last use is a free: the destructor runs inside it, and frees others whose destructors run
   inside theirs. */
struct nest {
  mlx_array inner;
};

static void free_inner(void *arg) {
  struct nest *nest = arg;
  mlx_array_free(nest->inner);
  work_inside(&ended);
  free(nest);
}

static void k10_destructors_that_free(void) {
  busy = new_stream();
  mlx_array a = with_destructor(work_inside, &ended);
  for (int depth = 0; depth < 20; depth++) {
    struct nest *nest = malloc(sizeof *nest);
    CHECK(nest != NULL);
    nest->inner = a;
    a = with_destructor(free_inner, nest);
  }
  mlx_array_free(a);
  CHECK(becomes(&ended, 21));
  _exit(42);
}

/* A destructor, inside a free, evaluates what holds the last edge to a second managed buffer: the
   second destructor must not run on the thread that drains the stream it synchronizes. */
static void synchronize_busy(void *counter) {
  CHECK(mlx_synchronize(busy) == 0);
  probe_count(counter);
}

static void evaluate_inside(void *counter) {
  mlx_array m = with_destructor(synchronize_busy, counter), out = mlx_array_new();
  CHECK(mlx_exp(&out, m, busy) == 0);
  mlx_array_free(m);
  CHECK(mlx_array_eval(out) == 0);
  mlx_array_free(out);
  probe_count(counter);
}

static void k10_destructor_that_evaluates_managed(void) {
  busy = new_stream();
  mlx_array_free(with_destructor(evaluate_inside, &ended));
  CHECK(becomes(&ended, 2));
  _exit(42);
}

/* A destructor takes a lock that the waiting thread holds. */
static pthread_mutex_t mine = PTHREAD_MUTEX_INITIALIZER;

static void take_my_lock(void *counter) {
  pthread_mutex_lock(&mine);
  pthread_mutex_unlock(&mine);
  probe_count(counter);
}

static void k10_destructor_takes_a_lock_of_the_waiter(void) {
  busy = new_stream();
  for (int i = 0; i < 100; i++) {
    mlx_array m = with_destructor(take_my_lock, &ended), out = mlx_array_new();
    CHECK(mlx_exp(&out, m, busy) == 0);
    mlx_array_free(m);
    pthread_mutex_lock(&mine);
    CHECK(mlx_array_eval(out) == 0);
    mlx_array copy = another(out);
    CHECK(mlx_array_set(&out, copy) == 0); /* replaces what it held */
    CHECK(mlx_synchronize(busy) == 0);
    pthread_mutex_unlock(&mine);
    mlx_array_free(copy);
    mlx_array_free(out);
  }
  CHECK(becomes(&ended, 100));
  _exit(42);
}

/* A destructor that waits for work which needs the pool while all else waits for the reclaimer. */
static void force_deep(void *counter) {
  mlx_stream s[4];
  for (int i = 0; i < 4; i++) s[i] = new_stream();
  mlx_array a = mlx_array_new_float(0), one = mlx_array_new_float(1);
  for (int i = 0; i < 200; i++) add_to(&a, one, s[i % 4]);
  CHECK(float_of(a) == 200);
  for (int i = 0; i < 4; i++) mlx_stream_free(s[i]);
  mlx_array_free(one);
  mlx_array_free(a);
  probe_count(counter);
}

static void k10_destructor_forces_across_streams(void) {
  for (int i = 0; i < 50; i++) {
    mlx_array m = with_destructor(force_deep, &ended), out = mlx_array_new();
    CHECK(mlx_exp(&out, m, (mlx_stream){0}) == 0);
    mlx_array_free(m);
    CHECK(submit(out) == 0);
    mlx_array_free(out);
  }
  CHECK(synchronize_default() == 0);
  CHECK(becomes(&ended, 50));
  _exit(42);
}

/* A destructor that ends the process. */
static void leave(void *arg) {
  (void)arg;
  exit(42);
}

static void k8_destructor_exits(void) {
  mlx_array m = with_destructor(leave, NULL), out = mlx_array_new();
  CHECK(mlx_exp(&out, m, (mlx_stream){0}) == 0);
  mlx_array_free(m);
  CHECK(mlx_array_eval(out) == 0);
  for (;;) pause();
}

/* ---- handlers ---- */

static void fail_once_more(void) {
  mlx_array a = floats(3, 0), b = floats(4, 0), c = mlx_array_new();
  CHECK(mlx_add(&c, a, b, (mlx_stream){0}) == 1);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(c);
}

/* Fails itself, each time it is called: called again for its own failures, eight deep. */
static void failing_handler(const char *message, void *data) {
  CHECK(message[0] != '\0');
  probe_count(data);
  mlx_array empty = mlx_array_new();
  CHECK(mlx_array_eval(empty) == 1);
}

static void k10_handler_that_fails(void) {
  mlx_set_error_handler(failing_handler, &heard, NULL);
  for (int i = 1; i <= 10; i++) {
    fail_once_more();
    CHECK(count_of(&heard) == 8 * i);
    CHECK(strstr(weir_last_error(), "(3) and (4)") != NULL); /* the last call that failed */
  }
  _exit(42);
}

/* Replaces itself while it runs; its data lives until it has returned. */
static void swapping_handler(const char *message, void *data) {
  int *copy = malloc(sizeof *copy);
  CHECK(message[0] != '\0' && copy != NULL);
  *copy = 7;
  mlx_set_error_handler(swapping_handler, copy, free);
  CHECK(*(int *)data == 7);
  CHECK(strstr(message, "(3) and (4)") != NULL);
  mlx_array a = chain(0, 3, (mlx_stream){0});
  CHECK(float_of(a) == 3);
  mlx_array_free(a);
}

static void fail_often(int i) {
  (void)i;
  for (int k = 0; k < 100; k++) fail_once_more();
}

static void k10_handler_that_replaces_itself(void) {
  int *first = malloc(sizeof *first);
  CHECK(first != NULL);
  *first = 7;
  mlx_set_error_handler(swapping_handler, first, free);
  run_threads(many(8), fail_often);
  mlx_set_error_handler(NULL, NULL, NULL);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  _exit(42);
}

/* Its data's destructor calls the library, and sets another handler. */
static void set_quiet(void *counter) {
  mlx_set_error_handler(quiet, NULL, NULL);
  fail_once_more();
  work_inside(counter);
}

static void k10_destructor_of_a_handler(void) {
  busy = new_stream();
  for (int i = 1; i <= 20; i++) {
    mlx_set_error_handler(quiet, &ended, set_quiet);
    fail_once_more();
    mlx_set_error_handler(NULL, NULL, NULL);
    CHECK(becomes(&ended, i));
  }
  _exit(42);
}

/* The message is data, never a format. */
static void check_percent(const char *message, void *data) {
  CHECK(strstr(message, "100%s%n%d") != NULL);
  probe_count(data);
}

static void e4_message_is_no_format(void) {
  mlx_set_error_handler(check_percent, &heard, NULL);
  _mlx_error("file", 1, "%s", "100%s%n%d");
  CHECK(count_of(&heard) == 1 && strstr(weir_last_error(), "100%s%n%d") != NULL);
  _exit(42);
}

int main(void) {
  mean_cpu();
  repeat(k10_destructor_works_after_evaluation, "work after evaluation", 3);
  repeat(k10_destructors_that_free, "nested frees", 3);
  repeat(k10_destructor_that_evaluates_managed, "evaluates managed", 3);
  repeat(k10_destructor_takes_a_lock_of_the_waiter, "takes a lock", 3);
  repeat(k10_destructor_forces_across_streams, "forces across streams", 3);
  repeat(k8_destructor_exits, "destructor exits", 5);
  repeat(k10_handler_that_fails, "handler fails", 1);
  repeat(k10_handler_that_replaces_itself, "handler replaces itself", 3);
  repeat(k10_destructor_of_a_handler, "destructor of a handler", 3);
  repeat(e4_message_is_no_format, "no format", 1);
  return 0;
}
