/* What a fork leaves apart, and what it takes along: K11, W4, P6. Parent and children draw
   different random numbers; each has descriptors of events of its own; that the parent is ending is
   nothing to a child; what was being written over its input has its right value. Each case runs in
   a child with a time limit. */

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>

#include "fixtures.h"

/* ---- random numbers ---- */

enum { CHILDREN = 4, DRAWS = 8 };

struct draws {
  uint32_t bits[DRAWS];
};

static struct draws draw(void) {
  struct draws d;
  for (int i = 0; i < DRAWS; i++) {
    mlx_array bits = mlx_array_new();
    CHECK(mlx_random_bits(&bits, NULL, 0, 4, (mlx_array){0}, (mlx_stream){0}) == 0);
    CHECK(mlx_array_item_uint32(&d.bits[i], bits) == 0);
    mlx_array_free(bits);
  }
  return d;
}

/* What a child of this process draws, and in `grandchild` what a child of its draws. */
static struct draws drawn_by_child(struct draws *grandchild) {
  int fds[2], status;
  struct draws d;
  CHECK(pipe(fds) == 0);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    alarm(20);
    if (grandchild) *grandchild = drawn_by_child(NULL);
    d = draw();
    CHECK(write(fds[1], &d, sizeof d) == sizeof d);
    if (grandchild) CHECK(write(fds[1], grandchild, sizeof d) == sizeof d);
    _exit(43);
  }
  CHECK(read(fds[0], &d, sizeof d) == sizeof d);
  if (grandchild) CHECK(read(fds[0], grandchild, sizeof d) == sizeof d);
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 43);
  close(fds[0]);
  close(fds[1]);
  return d;
}

/* The draws of the parent and of all that come from it. */
enum { FAMILY = 2 * CHILDREN + 1 };

static void draw_family(struct draws family[FAMILY]) {
  for (int i = 0; i < CHILDREN; i++) family[2 * i] = drawn_by_child(&family[2 * i + 1]);
  family[FAMILY - 1] = draw();
}

static bool differ(const struct draws *a, const struct draws *b) {
  int same = 0;
  for (int i = 0; i < DRAWS; i++) {
    for (int k = 0; k < DRAWS; k++) same += a->bits[i] == b->bits[k];
  }
  return same == 0;
}

static void all_differ(const struct draws family[FAMILY]) {
  for (int i = 0; i < FAMILY; i++) {
    for (int k = 0; k < i; k++) CHECK(differ(&family[i], &family[k]));
  }
}

static void draw_unseeded(void) {
  struct draws family[FAMILY];
  struct draws before = draw();
  draw_family(family);
  all_differ(family);
  for (int i = 0; i < FAMILY; i++) CHECK(differ(&before, &family[i]));
  _exit(42);
}

static void draw_unseeded_first_in_children(void) {
  struct draws family[FAMILY];
  draw_family(family);
  all_differ(family);
  _exit(42);
}

/* W4: the same in each run that forks in the same order; the seeding thread goes on with MLX's
   sequence. */
static void draw_seeded(void) {
  struct draws first[FAMILY], second[FAMILY], alone;
  CHECK(mlx_random_seed(7) == 0);
  draw_family(first);
  CHECK(mlx_random_seed(7) == 0);
  draw_family(second);
  all_differ(first);
  CHECK(memcmp(first, second, sizeof first) == 0);
  CHECK(mlx_random_seed(7) == 0);
  alone = draw();
  CHECK(memcmp(&alone, &first[FAMILY - 1], sizeof alone) == 0);
  _exit(42);
}

/* ---- descriptors of events ---- */

static weir_event event;
static int descriptor;

static bool readable(void) {
  struct pollfd watched = {.fd = descriptor, .events = POLLIN};
  CHECK(poll(&watched, 1, 0) >= 0);
  return watched.revents & POLLIN;
}

static int status_of_child(void (*fn)(void)) {
  int status;
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

static void check_same_number(void) {
  int fd;
  CHECK(weir_event_fd(&fd, event) == 0 && fd == descriptor);
}

static void raise_in_child(void) {
  mlx_stream s = new_stream();
  CHECK(weir_event_record(event, s) == 0);
  CHECK(weir_event_synchronize(event, INT64_MAX) == 0);
  for (int i = 0; i < 5000 && !readable(); i++) usleep(1000);
  CHECK(readable());
  check_same_number();
}

static void lower_in_child(void) {
  static struct stall g;
  mlx_stream s = new_stream();
  CHECK(readable());
  stall_begin(&g, s);
  CHECK(weir_event_record(event, s) == 0);
  CHECK(!readable());
  check_same_number();
}

/* What was recorded in the parent counts as over in the child, also without a call. */
static void see_it_over(void) { CHECK(readable()); }

static void wake_only_the_own_process(void) {
  static struct stall g;
  mlx_stream s = new_stream();
  event = weir_event_new();
  CHECK(weir_event_fd(&descriptor, event) == 0);
  stall_begin(&g, s);
  CHECK(weir_event_record(event, s) == 0);
  CHECK(status_of_child(see_it_over) == 43 && !readable());
  CHECK(status_of_child(raise_in_child) == 43 && !readable());
  stall_end(&g);
  CHECK(weir_event_synchronize(event, INT64_MAX) == 0);
  for (int i = 0; i < 5000 && !readable(); i++) usleep(1000);
  CHECK(readable());
  CHECK(status_of_child(lower_in_child) == 43 && readable());
  _exit(42);
}

static void wake_where_no_descriptor_is_left(void) {
  mlx_stream s = new_stream();
  struct rlimit few;
  CHECK(mlx_synchronize(s) == 0);
  event = weir_event_new();
  CHECK(weir_event_fd(&descriptor, event) == 0);
  CHECK(getrlimit(RLIMIT_NOFILE, &few) == 0);
  few.rlim_cur = (rlim_t)descriptor + 20;
  CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
  while (dup(0) >= 0) continue;
  CHECK(errno == EMFILE);
  CHECK(status_of_child(raise_in_child) == 43 && !readable());
  _exit(42);
}

/* ---- the end of the parent ---- */

static void multiply(void) {
  int shape[2] = {64, 64};
  mlx_array a = mlx_array_new(), b = mlx_array_new();
  CHECK(mlx_ones(&a, shape, 2, MLX_FLOAT32, (mlx_stream){0}) == 0);
  CHECK(mlx_matmul(&b, a, a, (mlx_stream){0}) == 0);
  CHECK(mlx_array_data_float32(b)[4095] == 64);
  mlx_array_free(a);
  mlx_array_free(b);
}

static void multiply_at_once(void) {
  double start = seconds_now();
  multiply();
  CHECK(seconds_now() - start < 2);
}

static void fork_in_a_handler(void) { _exit(status_of_child(multiply_at_once) == 43 ? 42 : 1); }

static void fork_while_this_thread_ends_the_process(void) {
  CHECK(atexit(fork_in_a_handler) == 0);
  multiply();
  exit(1);
}

static sem_t ending, forked;

static void let_others_fork(void) {
  sem_post(&ending);
  while (sem_wait(&forked)) continue;
  _exit(42);
}

static void *fork_beside(void *arg) {
  while (sem_wait(&ending)) continue;
  CHECK(status_of_child(multiply_at_once) == 43);
  sem_post(&forked);
  return arg;
}

static void fork_while_another_thread_ends_the_process(void) {
  CHECK(sem_init(&ending, 0, 0) == 0 && sem_init(&forked, 0, 0) == 0);
  CHECK(atexit(let_others_fork) == 0);
  multiply();
  start_thread(fork_beside, NULL);
  exit(1);
}

/* ---- written over its input ---- */

enum { LARGE = 1 << 22 };
static mlx_array in_flight;

static void expect_in_flight(void) {
  const float *data = mlx_array_data_float32(in_flight);
  CHECK(data != NULL);
  for (int i = 0; i < LARGE; i++) CHECK(data[i] == 2);
}

static void *evaluate(void *arg) {
  CHECK(mlx_array_eval(in_flight) == 0);
  return arg;
}

static void fork_amid_writing_over(void) {
  int n = LARGE;
  mlx_array x = mlx_array_new(), one = mlx_array_new_float(1);
  CHECK(mlx_full(&x, &n, 1, one, MLX_FLOAT32, (mlx_stream){0}) == 0);
  CHECK(mlx_array_eval(x) == 0);
  add_to(&x, one, (mlx_stream){0});
  in_flight = x;
  pthread_t thread = start_thread(evaluate, NULL);
  usleep((useconds_t)(getpid() % 64) * 100);
  CHECK(status_of_child(expect_in_flight) == 43);
  pthread_join(thread, NULL);
  expect_in_flight();
  _exit(42);
}

int main(void) {
  if (SANITIZED) return 77;
  mean_cpu();
  repeat(draw_unseeded, "unseeded", 2);
  repeat(draw_unseeded_first_in_children, "unseeded, first in children", 2);
  repeat(draw_seeded, "seeded", 1);
  repeat(wake_only_the_own_process, "descriptors", 2);
  repeat(wake_where_no_descriptor_is_left, "descriptors, none left", 1);
  repeat(fork_while_this_thread_ends_the_process, "fork in a handler", 1);
  repeat(fork_while_another_thread_ends_the_process, "fork beside the end", 1);
  repeat(fork_amid_writing_over, "fork amid writing over an input", times(20, 300));
  return 0;
}
