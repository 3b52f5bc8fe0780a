/* Forks in the middle of work: K11. The child uses the library, forces what was in flight, and
   forks again, while the parent's other threads evaluate, wait and hold locks. Each case runs in a
   child with a time limit, many times. */

#include "fixtures.h"

static mlx_stream shared_stream;
static int over;
static bool is_over(void) { return __atomic_load_n(&over, __ATOMIC_ACQUIRE); }
static void set_over(void) { __atomic_store_n(&over, 1, __ATOMIC_RELEASE); }

static void use_after_fork(void) {
  mlx_array a = chain(0, 10, (mlx_stream){0}), b = sorted_bits(200000, new_stream());
  CHECK(submit(b) == 0);
  CHECK(float_of(a) == 10);
  CHECK(mlx_array_eval(b) == 0);
}

static int child_of_child(void (*fn)(void)) {
  int status = 0;
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    alarm(20);
    fn();
    _exit(43);
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void *work_until_over(void *arg) {
  while (!is_over()) {
    mlx_array a = sorted_bits(20000, (mlx_stream){0}), b = chain(0, 20, shared_stream);
    CHECK(submit(a) == 0 && float_of(b) == 20 && mlx_array_eval(a) == 0);
    mlx_array_free(a);
    mlx_array_free(b);
  }
  return arg;
}

/* Forked by one thread while three others evaluate, in a row of generations. */
static void fork_twice(void) {
  use_after_fork();
  CHECK(child_of_child(use_after_fork) == 43);
}

static void fork_while_others_evaluate(void) {
  pthread_t threads[3];
  shared_stream = new_stream();
  for (int i = 0; i < 3; i++) threads[i] = start_thread(work_until_over, NULL);
  for (int i = 0; i < 20; i++) CHECK(child_of_child(fork_twice) == 43);
  set_over();
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  _exit(42);
}

/* Arrays that were in flight at the fork, on streams that other threads were draining, waiting for
   or recording on: the child forces all of them, and sees the values that the parent sees. */
enum { IN_FLIGHT = 40 };
static mlx_array in_flight[IN_FLIGHT];
static mlx_stream lanes[4];
static weir_event passed;

static mlx_array sum_of(mlx_array bits, mlx_stream s) {
  mlx_array wide = mlx_array_new(), sum = mlx_array_new();
  CHECK(mlx_astype(&wide, bits, MLX_INT64, s) == 0);
  CHECK(mlx_sum(&sum, wide, false, s) == 0);
  mlx_array_free(wide);
  return sum;
}

static int64_t int64_of(mlx_array a) {
  int64_t v = -1;
  CHECK(mlx_array_item_int64(&v, a) == 0);
  return v;
}

static void force_in_flight(void) {
  for (int i = IN_FLIGHT; i-- > 0;) {
    mlx_array again = sum_of(in_flight[i], lanes[i % 4]);
    int64_t first = int64_of(again);
    CHECK(first == int64_of(again) && first > 0);
    mlx_array_free(again);
  }
  for (int i = 0; i < 4; i++) CHECK(mlx_synchronize(lanes[i]) == 0);
  CHECK(weir_event_synchronize(passed, INT64_MAX) == 0);
  CHECK(weir_event_wait(passed, lanes[3]) == 0);
  CHECK(mlx_synchronize(lanes[3]) == 0);
}

static void *force_some(void *arg) {
  for (int i = 0; i < IN_FLIGHT; i += 3) CHECK(mlx_array_eval(in_flight[i]) == 0);
  return arg;
}

static void fork_with_work_in_flight(void) {
  mlx_set_error_handler(quiet, NULL, NULL);
  for (int i = 0; i < 4; i++) lanes[i] = new_stream();
  passed = weir_event_new();
  for (int i = 0; i < IN_FLIGHT; i++) {
    mlx_array bits = sorted_bits(20000, lanes[i % 4]), more = mlx_array_new();
    in_flight[i] = mlx_array_new();
    CHECK(mlx_sort(&more, bits, lanes[(i + 1) % 4]) == 0);
    CHECK(mlx_add(&in_flight[i], more, bits, lanes[i % 4]) == 0);
    if (i % 2) CHECK(submit(in_flight[i]) == 0);
    mlx_array_free(bits);
    mlx_array_free(more);
  }
  CHECK(weir_event_record(passed, lanes[0]) == 0);
  pthread_t threads[2] = {start_thread(force_some, NULL), start_thread(force_some, NULL)};
  for (int i = 0; i < 3; i++) {
    usleep(1000);
    CHECK(child_of_child(force_in_flight) == 43);
  }
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < IN_FLIGHT; i++) CHECK(mlx_array_eval(in_flight[i]) == 0);
  _exit(42);
}

/* Other threads multiply, report errors, and set handlers and seeds at the moment of the fork. */
static void *hold_locks(void *arg) {
  int shape[2] = {200, 200};
  mlx_array empty = mlx_array_new(), a = mlx_array_new(), b = mlx_array_new();
  for (int i = 0; !is_over(); i++) {
    CHECK(mlx_array_eval(empty) == 1);
    if (i % 8 == 0) mlx_set_error_handler(i % 16 ? quiet : NULL, NULL, NULL);
    if (i % 8 == 4) CHECK(mlx_random_seed((uint64_t)i) == 0);
    CHECK(mlx_random_normal(&a, shape, 2, MLX_FLOAT32, 0, 1, (mlx_array){0}, (mlx_stream){0}) == 0);
    CHECK(mlx_matmul(&b, a, a, (mlx_stream){0}) == 0);
    CHECK(mlx_array_eval(b) == 0);
  }
  mlx_array_free(a);
  mlx_array_free(b);
  return arg;
}

static void multiply_and_fail(void) {
  int shape[2] = {100, 100};
  mlx_array empty = mlx_array_new(), a = mlx_array_new(), b = mlx_array_new();
  CHECK(mlx_array_eval(empty) == 1);
  mlx_set_error_handler(NULL, NULL, NULL);
  CHECK(mlx_array_eval(empty) == 1);
  CHECK(mlx_random_seed(1) == 0);
  CHECK(mlx_ones(&a, shape, 2, MLX_FLOAT32, (mlx_stream){0}) == 0);
  CHECK(mlx_matmul(&b, a, a, (mlx_stream){0}) == 0);
  CHECK(mlx_array_data_float32(b)[9999] == 100);
}

static void fork_while_locks_are_held(void) {
  pthread_t threads[3];
  CHECK(freopen("/dev/null", "w", stderr) != NULL);
  for (int i = 0; i < 3; i++) threads[i] = start_thread(hold_locks, NULL);
  for (int i = 0; i < 30; i++) CHECK(child_of_child(multiply_and_fail) == 43);
  set_over();
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  _exit(42);
}

/* Another thread empties all caches, the forking thread's among them. */
static void *clear_until_over(void *arg) {
  while (!is_over()) CHECK(mlx_clear_cache() == 0);
  return arg;
}

static void make_idle(void) {
  enum { MANY = 300 };
  static mlx_array arrays[MANY];
  static char data[MANY * 64];
  for (int i = 0; i < MANY; i++) {
    int n = (i % 20 + 1) * 64;
    arrays[i] = mlx_array_new_data(data, &n, 1, MLX_INT8);
    CHECK(arrays[i].ctx != NULL);
  }
  for (int i = 0; i < MANY; i++) mlx_array_free(arrays[i]);
}

/* What the child has of it is whole, and counted. */
static void count_idle(void) {
  size_t bytes = 1;
  make_idle();
  CHECK(mlx_clear_cache() == 0);
  CHECK(mlx_get_cache_memory(&bytes) == 0 && bytes == 0);
}

static void fork_while_others_clear(void) {
  pthread_t thread = start_thread(clear_until_over, NULL);
  for (int i = 0; i < 50; i++) {
    make_idle();
    CHECK(child_of_child(count_idle) == 43);
  }
  set_over();
  pthread_join(thread, NULL);
  _exit(42);
}

/* Other threads are inside the event's own functions, and its marker is just coming to be over. */
static weir_event crowded;

static void *record_until_over(void *arg) {
  int fd;
  while (!is_over()) {
    CHECK(weir_event_record(crowded, shared_stream) == 0);
    CHECK(weir_event_fd(&fd, crowded) == 0);
  }
  return arg;
}

static void use_event(void) {
  bool done = false;
  CHECK(weir_event_synchronize(crowded, INT64_MAX) == 0);
  CHECK(weir_event_query(&done, crowded) == 0 && done);
  CHECK(weir_event_record(crowded, shared_stream) == 0);
  CHECK(weir_event_synchronize(crowded, INT64_MAX) == 0);
  CHECK(weir_event_free(crowded) == 0);
}

static void fork_while_events_are_recorded(void) {
  int fd;
  pthread_t threads[2];
  shared_stream = new_stream();
  crowded = weir_event_new();
  CHECK(weir_event_record(crowded, shared_stream) == 0 && weir_event_fd(&fd, crowded) == 0);
  for (int i = 0; i < 2; i++) threads[i] = start_thread(record_until_over, NULL);
  for (int i = 0; i < 100; i++) CHECK(child_of_child(use_event) == 43);
  set_over();
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  _exit(42);
}

/* Other threads register what is to run at the end of the process, as libraries do by the thousand
   while they are opened. The C library's lock for that is not made anew in a child. */
int __cxa_atexit(void (*fn)(void *), void *arg, void *library);

static void nothing(void *unused) { (void)unused; }

static void *register_until_over(void *arg) {
  for (int i = 0; i < 500000 && !is_over(); i++) CHECK(__cxa_atexit(nothing, NULL, NULL) == 0);
  return arg;
}

static void leave_by_exit(void) { exit(43); }

static void fork_while_others_register(void) {
  pthread_t thread = start_thread(register_until_over, NULL);
  for (int i = 0; i < 20; i++) CHECK(child_of_child(leave_by_exit) == 43);
  set_over();
  pthread_join(thread, NULL);
  _exit(42);
}

int main(void) {
  mean_cpu();
  if (SANITIZED) return 77;
  repeat(fork_while_others_evaluate, "fork", 1);
  repeat(fork_with_work_in_flight, "fork with work in flight", times(10, 500));
  repeat(fork_while_locks_are_held, "fork while locks are held", times(2, 50));
  repeat(fork_while_others_clear, "fork while others clear", times(2, 50));
  repeat(fork_while_events_are_recorded, "fork while events are recorded", times(2, 50));
  repeat(fork_while_others_register, "fork while others register", 2);
  return 0;
}
