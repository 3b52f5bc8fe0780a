/* R7, and R3 in rings: as an event loop sees them. A stall stands in for a long command; the fake
   device for a GPU, and for one that fails. */

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include "fake_device.h"
#include "fixtures.h"
#include "stream/stream.h"

static const int64_t LONG = INT64_C(20000000000);
static mlx_stream stream;
static weir_ring ring;
static char names[8]; /* their addresses are what `user` is */

static int begin(mlx_array a, weir_request r, void *user) {
  mlx_vector_array v = mlx_vector_array_new_value(a);
  int rc = weir_ring_eval(ring, v, r, user);
  mlx_vector_array_free(v);
  return rc;
}

static const weir_request none = {0};

static size_t take(weir_completion *c, size_t n, int64_t timeout_ns) {
  size_t taken = 99;
  CHECK(weir_ring_take(&taken, ring, c, n, timeout_ns) == 0 && taken <= n);
  return taken;
}

static weir_completion next(void) {
  weir_completion c;
  CHECK(take(&c, 1, LONG) == 1);
  return c;
}

static bool is_empty(void) {
  weir_completion c;
  return take(&c, 1, 0) == 0;
}

static void expect_next(void *user, weir_status status, const char *words) {
  weir_completion c = next();
  CHECK(c.user == user && c.status == status);
  CHECK(words ? strstr(c.message, words) != NULL : c.message[0] == '\0');
}

static bool readable(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

/* ---- values ---- */

/* Each evaluation gives one completion, those of one stream in its order, once its arrays have
   their values; the handles may be gone. */
static void values(void) {
  struct stall stall;
  mlx_array a[4];
  stall_begin(&stall, stream);
  for (int i = 0; i < 4; i++) {
    a[i] = chain((float)i, 20, stream);
    CHECK(begin(a[i], none, &names[i]) == 0);
  }
  mlx_array_free(a[3]);
  CHECK(is_empty());
  stall_end(&stall);
  for (int i = 0; i < 4; i++) {
    expect_next(&names[i], WEIR_OK, NULL);
    if (i == 3) continue;
    CHECK(available(a[i]) && float_of(a[i]) == (float)i + 20);
    mlx_array_free(a[i]);
  }
  CHECK(is_empty());
}

/* Of several arrays the last one counts, on whichever stream; none at all is over at once, as is
   what has its value already. The request that the thread is inside is the one of an empty handle.
 */
static void many_and_none(void) {
  struct stall stall;
  mlx_stream s = new_stream();
  mlx_array both[] = {chain(1, 1, s), chain(2, 2, stream)};
  mlx_vector_array v = mlx_vector_array_new_data(both, 2), empty = mlx_vector_array_new();
  stall_begin(&stall, stream);
  CHECK(weir_ring_eval(ring, v, none, NULL) == 0);
  CHECK(float_of(both[0]) == 2 && is_empty());
  CHECK(weir_ring_eval(ring, empty, none, &names[1]) == 0);
  expect_next(&names[1], WEIR_OK, NULL);
  CHECK(begin(both[0], none, &names[2]) == 0);
  expect_next(&names[2], WEIR_OK, NULL);
  weir_request r = weir_request_new();
  mlx_array late = chain(5, 5, stream);
  CHECK(weir_request_enter(r) == 0 && begin(late, none, &names[3]) == 0);
  CHECK(weir_request_leave() == 0 && weir_request_cancel(r) == 0 && weir_request_free(r) == 0);
  expect_next(&names[3], WEIR_ERROR_CANCELLED, "cancelled");
  CHECK(is_empty());
  stall_end(&stall);
  expect_next(NULL, WEIR_OK, NULL);
  CHECK(float_of(both[1]) == 4 && float_of(late) == 10);
  for (int i = 0; i < 2; i++) mlx_array_free(both[i]);
  mlx_array_free(late);
  mlx_vector_array_free(v);
  mlx_vector_array_free(empty);
  mlx_stream_free(s);
}

/* ---- failures ---- */

/* E1, E5: the first error in the arrays' order, once all are over; what failed before is a
   completion too. */
static void failures(void) {
  struct stall stall;
  mlx_stream s = new_stream();
  mlx_array three[] = {chain(1, 1, stream), failing(s), failing(s)};
  mlx_vector_array v = mlx_vector_array_new_data(three, 3);
  stall_begin(&stall, stream);
  CHECK(weir_ring_eval(ring, v, none, &names[0]) == 0);
  CHECK(mlx_synchronize(s) == 0 && is_empty());
  stall_end(&stall);
  weir_completion c = next();
  CHECK(c.user == &names[0] && c.status == WEIR_ERROR_OUT_OF_MEMORY);
  CHECK(mlx_array_eval(three[1]) == 1 && strlen(c.message) > 0);
  CHECK(float_of(three[0]) == 2 && is_empty());
  CHECK(begin(three[2], none, &names[1]) == 0);
  expect_next(&names[1], WEIR_ERROR_OUT_OF_MEMORY, "exp");
  for (int i = 0; i < 3; i++) mlx_array_free(three[i]);
  mlx_vector_array_free(v);
  mlx_stream_free(s);
}

/* Errors of the call: nothing begins, and nothing comes. */
static void errors(void) {
  weir_completion c;
  size_t taken = 7;
  mlx_vector_array v = mlx_vector_array_new();
  CHECK(weir_ring_eval((weir_ring){0}, v, none, NULL) == 1 && strstr(weir_last_error(), "ring"));
  CHECK(weir_ring_eval(ring, (mlx_vector_array){0}, none, NULL) == 1);
  CHECK(strstr(weir_last_error(), "arrays") && is_empty());
  CHECK(weir_ring_take(&taken, ring, NULL, 1, 0) == 1 && strstr(weir_last_error(), "completions"));
  CHECK(weir_ring_take(NULL, ring, &c, 1, 0) == 1 && strstr(weir_last_error(), "taken"));
  CHECK(weir_ring_take(&taken, ring, &c, 1, -1) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT && taken == 7);
  CHECK(weir_ring_take(&taken, ring, NULL, 0, LONG) == 0 && taken == 0);
  CHECK(weir_ring_fd(NULL, ring) == 1 && strstr(weir_last_error(), "fd"));
  CHECK(weir_ring_free((weir_ring){0}) == 0);
  double from = seconds_now();
  CHECK(take(&c, 1, 20 * 1000 * 1000) == 0 && seconds_now() - from >= 0.02);
  mlx_vector_array_free(v);
}

/* A device that fails gives completions in words, one for each evaluation; later ones have values.
 */
static void a_device_fails(void) {
  mlx_stream gpu = new_gpu_stream();
  mlx_array a[3];
  fake_device_hold();
  fake_device_fail_next(2, WEIR_ERROR_DEVICE, "the bus is gone");
  for (int i = 0; i < 3; i++) {
    a[i] = chain((float)i, 1, gpu);
    CHECK(begin(a[i], none, &names[i]) == 0);
  }
  CHECK(is_empty());
  fake_device_release();
  expect_next(&names[0], WEIR_OK, NULL);
  expect_next(&names[1], WEIR_ERROR_DEVICE, "the bus is gone");
  expect_next(&names[2], WEIR_OK, NULL);
  CHECK(is_empty() && float_of(a[2]) == 3);
  for (int i = 0; i < 3; i++) mlx_array_free(a[i]);
  mlx_stream_free(gpu);
}

/* ---- requests ---- */

/* R2: cancelled evaluations are told at once, whatever runs, and others that need the same array
   get its value. A request that has ended gives a completion too. */
static void cancelled(void) {
  struct stall stall;
  char label[256];
  memset(label, 'x', 255);
  label[255] = '\0';
  memcpy(label + 200, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 16);
  weir_request mine = weir_request_new(), theirs = weir_request_new();
  CHECK(weir_request_set_label(mine, label) == 0);
  mlx_array alone = chain(1, 3, stream), shared = chain(2, 3, stream);
  stall_begin(&stall, stream);
  CHECK(begin(alone, mine, &names[0]) == 0);
  CHECK(begin(shared, mine, &names[1]) == 0);
  CHECK(begin(shared, theirs, &names[2]) == 0);
  CHECK(weir_request_cancel(mine) == 0);
  weir_completion c[4];
  CHECK(take(c, 4, 0) == 2 && !available(alone) && !available(shared));
  for (int i = 0; i < 2; i++) {
    CHECK((c[i].user == &names[0] || c[i].user == &names[1]) && c[0].user != c[1].user);
    CHECK(c[i].status == WEIR_ERROR_CANCELLED);
    size_t length = strlen(c[i].message);
    CHECK(length < WEIR_COMPLETION_MESSAGE && length > WEIR_COMPLETION_MESSAGE - 8);
    CHECK(!strcmp(c[i].message + length - 3, "..."));
    CHECK((unsigned char)c[i].message[length - 4] != 0xc3); /* no half of a character */
  }
  CHECK(begin(alone, mine, &names[3]) == 0);
  expect_next(&names[3], WEIR_ERROR_CANCELLED, "the request");
  CHECK(begin(alone, theirs, &names[4]) == 0);
  CHECK(is_empty());
  stall_end(&stall);
  expect_next(&names[2], WEIR_OK, NULL);
  expect_next(&names[4], WEIR_OK, NULL);
  CHECK(float_of(alone) == 4 && float_of(shared) == 5 && is_empty());
  CHECK(begin(alone, mine, &names[5]) == 0); /* nothing to wait for, and ended all the same */
  expect_next(&names[5], WEIR_ERROR_CANCELLED, "the request");
  CHECK(weir_request_free(mine) == 0 && weir_request_free(theirs) == 0);
  mlx_array_free(alone);
  mlx_array_free(shared);
}

/* R3: the deadline of a request that no thread waits in; also of one that has passed before. */
static void late(void) {
  struct stall stall;
  weir_request r = weir_request_new();
  mlx_array a = chain(1, 3, stream);
  stall_begin(&stall, stream);
  CHECK(weir_request_set_deadline(r, 20 * 1000 * 1000) == 0);
  CHECK(begin(a, r, &names[0]) == 0);
  expect_next(&names[0], WEIR_ERROR_DEADLINE, "deadline");
  CHECK(begin(a, r, &names[1]) == 0);
  expect_next(&names[1], WEIR_ERROR_DEADLINE, "deadline");
  CHECK(!available(a));
  stall_end(&stall);
  CHECK(float_of(a) == 4 && weir_request_free(r) == 0);
  mlx_array_free(a);
}

/* What runs on a device goes on, and the completion does not wait for it. */
static void cancelled_while_it_runs(void) {
  mlx_stream gpu = new_gpu_stream();
  weir_request r = weir_request_new();
  int ended = 0;
  mlx_array a = probe(&ended), sum = mlx_array_new();
  CHECK(mlx_add(&sum, a, a, gpu) == 0);
  fake_device_hold();
  CHECK(begin(sum, r, &names[0]) == 0);
  for (weir_request_stats_t stats = {0}; stats.begun == 0;) {
    CHECK(weir_request_stats(&stats, r) == 0);
  }
  CHECK(weir_request_cancel(r) == 0);
  expect_next(&names[0], WEIR_ERROR_CANCELLED, "cancelled");
  mlx_array_free(a);
  mlx_array_free(sum);
  CHECK(weir_request_free(r) == 0);
  fake_device_release();
  mlx_stream_free(gpu);
  CHECK(becomes(&ended, 1)); /* the evaluation has let go of what it held */
}

/* ---- the descriptor ---- */

static void levels_and_edges(void) {
  struct epoll_event e = {.events = EPOLLIN}, edge = {.events = EPOLLIN | EPOLLET}, got;
  weir_completion c[3];
  int fd = -1, again = -1;
  mlx_array done = mlx_array_new_float(1);
  CHECK(begin(done, none, NULL) == 0); /* before anybody has asked for a descriptor */
  CHECK(weir_ring_fd(&fd, ring) == 0 && weir_ring_fd(&again, ring) == 0 && fd == again);
  CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
  CHECK(readable(fd) && take(c, 3, 0) == 1 && !readable(fd));
  int level_loop = epoll_create1(EPOLL_CLOEXEC), edge_loop = epoll_create1(EPOLL_CLOEXEC);
  CHECK(epoll_ctl(level_loop, EPOLL_CTL_ADD, fd, &e) == 0);
  CHECK(epoll_ctl(edge_loop, EPOLL_CTL_ADD, fd, &edge) == 0);
  CHECK(epoll_wait(level_loop, &got, 1, 0) == 0 && epoll_wait(edge_loop, &got, 1, 0) == 0);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 5; i++) CHECK(begin(done, none, NULL) == 0);
    CHECK(epoll_wait(level_loop, &got, 1, 0) == 1 && epoll_wait(edge_loop, &got, 1, 0) == 1);
    CHECK(epoll_wait(level_loop, &got, 1, 0) == 1 && epoll_wait(edge_loop, &got, 1, 0) == 0);
    CHECK(take(c, 3, 0) == 3);
    CHECK(epoll_wait(level_loop, &got, 1, 0) == 1 && epoll_wait(edge_loop, &got, 1, 0) == 0);
    CHECK(take(c, 3, 0) == 2); /* fewer: from here on the next one is an edge */
    CHECK(epoll_wait(level_loop, &got, 1, 0) == 0 && take(c, 3, 0) == 0);
  }
  CHECK(close(level_loop) == 0 && close(edge_loop) == 0);
  mlx_array_free(done);
}

/* ---- the end of a ring ---- */

/* The descriptor is closed at once; what was not taken, and what is in flight, leaves nothing. */
static void freed_with_work_in_flight(void) {
  struct stall stall;
  weir_ring before = ring;
  int ended = 0, fd = -1;
  ring = weir_ring_new();
  CHECK(weir_ring_fd(&fd, ring) == 0);
  stall_begin(&stall, stream);
  mlx_array a = probe(&ended), bad = failing(stream), one = mlx_array_new_float(1);
  add_to(&a, one, stream);
  weir_request r = weir_request_new();
  CHECK(begin(one, none, NULL) == 0 && begin(a, r, NULL) == 0 && begin(bad, none, NULL) == 0);
  CHECK(weir_ring_free(ring) == 0);
  CHECK(fcntl(fd, F_GETFD) == -1);
  mlx_array_free(a);
  mlx_array_free(bad);
  mlx_array_free(one);
  CHECK(weir_request_free(r) == 0);
  stall_end(&stall);
  CHECK(becomes(&ended, 1));
  ring = before;
}

/* ---- many threads ---- */

enum { EACH = 200 };
static mlx_stream lanes[4];
static weir_request shared_requests[8];
static int started, told[64 * EACH];

static void start_and_take(int thread) {
  weir_completion c[16];
  for (int i = 0; i < EACH; i++) {
    int mine = thread * EACH + i;
    weir_request r = i % 3 ? shared_requests[(thread + i) % 8] : none;
    mlx_array a = chain((float)i, 3, lanes[(thread + i) % 4]);
    add_to(&a, a, lanes[i % 4]);
    CHECK(begin(a, r, &told[mine]) == 0);
    mlx_array_free(a);
    __atomic_add_fetch(&started, 1, __ATOMIC_ACQ_REL);
    if (i % 50 == 49) CHECK(weir_request_cancel(shared_requests[(thread + i) % 8]) == 0);
    size_t n = take(c, 1 + (size_t)i % 16, i % 7 ? 0 : 100 * 1000);
    for (size_t k = 0; k < n; k++) {
      CHECK(c[k].status == WEIR_OK || c[k].status == WEIR_ERROR_CANCELLED);
      __atomic_add_fetch((int *)c[k].user, 1, __ATOMIC_ACQ_REL);
    }
  }
}

/* None is lost, and none comes twice, among many that start, take and cancel. */
static void many_threads(void) {
  const int threads = many(SANITIZED || WR_TORTURED ? 16 : 64);
  weir_completion c;
  for (int i = 0; i < 4; i++) lanes[i] = i % 2 ? new_gpu_stream() : new_stream();
  for (int i = 0; i < 8; i++) shared_requests[i] = weir_request_new();
  run_threads(threads, start_and_take);
  for (int i = 0; i < 4; i++) CHECK(mlx_synchronize(lanes[i]) == 0);
  while (take(&c, 1, 200 * 1000 * 1000)) __atomic_add_fetch((int *)c.user, 1, __ATOMIC_ACQ_REL);
  CHECK(started == threads * EACH);
  for (int i = 0; i < threads * EACH; i++) CHECK(told[i] == 1);
  for (int i = 0; i < 4; i++) mlx_stream_free(lanes[i]);
  for (int i = 0; i < 8; i++) CHECK(weir_request_free(shared_requests[i]) == 0);
}

/* Takers that sleep: each completion wakes one of them. */
static int got_by_sleepers;

static void sleep_for_one(int thread) {
  (void)thread;
  (void)next();
  __atomic_add_fetch(&got_by_sleepers, 1, __ATOMIC_ACQ_REL);
}

static void *start_many(void *arg) {
  for (int i = 0; i < *(int *)arg; i++) {
    mlx_array a = chain(1, 2, stream);
    CHECK(begin(a, none, NULL) == 0);
    mlx_array_free(a);
  }
  return NULL;
}

static void sleepers(void) {
  int threads = many(16);
  pthread_t starter = start_thread(start_many, &threads);
  run_threads(threads, sleep_for_one);
  pthread_join(starter, NULL);
  CHECK(got_by_sleepers == threads && is_empty());
}

/* ---- forks ---- */

/* K11: the child's ring is empty and its own; the parent's completions stay the parent's. */
static int ring_fd;

static void in_the_child(void) {
  int fd = -1;
  mlx_stream s = new_stream();
  mlx_array a = chain(1, 3, s);
  CHECK(weir_ring_fd(&fd, ring) == 0 && fd == ring_fd && !readable(fd) && is_empty());
  CHECK(begin(a, none, &names[5]) == 0);
  expect_next(&names[5], WEIR_OK, NULL);
  CHECK(float_of(a) == 4 && !readable(fd));
  CHECK(begin(a, none, &names[6]) == 0 && readable(fd)); /* left there */
  _exit(42);
}

static void forked(void) {
  struct stall stall;
  mlx_array done = mlx_array_new_float(1), a = chain(1, 2, stream);
  CHECK(weir_ring_fd(&ring_fd, ring) == 0);
  stall_begin(&stall, stream);
  CHECK(begin(done, none, &names[0]) == 0 && begin(a, none, &names[1]) == 0);
  for (int i = 0; i < 5; i++) CHECK(in_child(in_the_child, 30) == 42);
  CHECK(readable(ring_fd));
  expect_next(&names[0], WEIR_OK, NULL);
  CHECK(!readable(ring_fd) && in_child(in_the_child, 30) == 42 && !readable(ring_fd));
  stall_end(&stall);
  expect_next(&names[1], WEIR_OK, NULL);
  CHECK(is_empty());
  mlx_array_free(done);
  mlx_array_free(a);
}

/* ---- what a request's thread was to run itself, and left ---- */

static mlx_array shared;

static void *force_shared(void *request) {
  CHECK(weir_request_enter(*(weir_request *)request) == 0);
  int rc = mlx_array_eval(shared);
  CHECK(rc == 0 || weir_last_status() == WEIR_ERROR_CANCELLED);
  CHECK(weir_request_leave() == 0);
  return NULL;
}

static void *cancel(void *request) {
  CHECK(weir_request_cancel(*(weir_request *)request) == 0);
  return NULL;
}

/* A ring needs it too, on a stream that nobody else ever comes to. */
static void left_by_a_request(void) {
  weir_completion c;
  for (int i = 0; i < times(300, 5000); i++) {
    mlx_stream s = new_stream();
    mlx_array one = mlx_array_new_float(1);
    weir_request r = weir_request_new();
    shared = mlx_array_new();
    CHECK(mlx_exp(&shared, one, s) == 0);
    pthread_t forces = start_thread(force_shared, &r), cancels = start_thread(cancel, &r);
    CHECK(begin(shared, none, &names[i % 8]) == 0);
    CHECK(take(&c, 1, LONG) == 1 && c.user == &names[i % 8] && c.status == WEIR_OK);
    pthread_join(forces, NULL);
    pthread_join(cancels, NULL);
    CHECK(weir_request_free(r) == 0);
    mlx_array_free(shared);
    mlx_array_free(one);
    mlx_stream_free(s);
  }
}

int main(void) {
  fake_device_install();
  mean_cpu();
  const size_t streams = live_streams();
  stream = new_stream();
  ring = weir_ring_new();
  mlx_set_error_handler(quiet, NULL, NULL);
  values();
  many_and_none();
  failures();
  errors();
  a_device_fails();
  cancelled();
  late();
  cancelled_while_it_runs();
  left_by_a_request();
  levels_and_edges();
  freed_with_work_in_flight();
  many_threads();
  sleepers();
  if (!SANITIZED) forked();
  CHECK(weir_ring_free(ring) == 0);
  mlx_stream_free(stream);
  CHECK(streams_become(streams));
  CHECK(weir_shutdown(LONG) == 0 && fake_device_shutdown() == 0);
  return 0;
}
