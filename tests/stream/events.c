/* W2: events on the host, between streams, in an event loop, and what is an error. */

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>

#include "programs.h"

enum { SECOND = 1000 * 1000 * 1000 };

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static bool done(weir_event e) {
  bool over = false;
  CHECK(weir_event_query(&over, e) == 0);
  return over;
}

/* Work for some milliseconds. */
static mlx_array slow(mlx_stream s) {
  int n = 1 << 16;
  mlx_array bits = mlx_array_new(), sorted = mlx_array_new();
  CHECK(mlx_random_bits(&bits, &n, 1, 4, (mlx_array){0}, s) == 0);
  CHECK(mlx_sort(&sorted, bits, s) == 0);
  mlx_vector_array v = mlx_vector_array_new_value(sorted);
  CHECK(mlx_async_eval(v) == 0);
  mlx_vector_array_free(v);
  mlx_array_free(bits);
  return sorted;
}

static bool available(mlx_array a) {
  bool is = false;
  CHECK(_mlx_array_is_available(&is, a) == 0);
  return is;
}

static void state_error(int rc) { CHECK(rc == 1 && weir_last_status() == WEIR_ERROR_STATE); }

/* Waited for before it is recorded, an empty handle, a negative timeout: errors in words. */
static void errors(void) {
  weir_event e = weir_event_new();
  mlx_stream s = new_stream();
  bool over;
  int64_t ns;
  CHECK(e.ctx != NULL);
  state_error(weir_event_query(&over, e));
  state_error(weir_event_wait(e, s));
  state_error(weir_event_synchronize(e, SECOND));
  state_error(weir_event_elapsed(&ns, e, e));
  CHECK(weir_event_record(e, (mlx_stream){0}) == 1 && strstr(weir_last_error(), "stream"));
  CHECK(weir_event_record((weir_event){0}, s) == 1 && strstr(weir_last_error(), "event"));
  CHECK(weir_event_query(NULL, e) == 1 && strstr(weir_last_error(), "done"));
  CHECK(weir_event_record(e, s) == 0);
  CHECK(weir_event_synchronize(e, -1) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT);
  CHECK(weir_event_synchronize(e, INT64_MAX) == 0);
  CHECK(weir_event_free((weir_event){0}) == 0);
  mlx_stream_free(s);
  weir_event_free(e);
}

/* Host side: what stood before the event is over when the wait returns. */
static void host_wait(void) {
  mlx_stream s = new_stream();
  weir_event before = weir_event_new(), after = weir_event_new();
  CHECK(weir_event_record(before, s) == 0);
  mlx_array x = slow(s);
  CHECK(weir_event_record(after, s) == 0);
  CHECK(weir_event_synchronize(after, 20 * (int64_t)SECOND) == 0);
  CHECK(available(x) && done(after) && done(before));
  int64_t ns = -1, back = 1;
  CHECK(weir_event_elapsed(&ns, before, after) == 0 && ns > 0);
  CHECK(weir_event_elapsed(&back, after, before) == 0 && back == -ns);
  mlx_array_free(x);
  weir_event_free(before);
  weir_event_free(after);
  mlx_stream_free(s);
}

/* Stream side: the second stream's work runs after the first's, and nobody waited meanwhile. */
static void stream_wait(void) {
  mlx_stream first = new_stream(), second = new_stream();
  weir_event e = weir_event_new();
  mlx_array x = slow(first);
  CHECK(weir_event_record(e, first) == 0);
  CHECK(weir_event_wait(e, second) == 0);
  mlx_array one = mlx_array_new_float(1), y = mlx_array_new();
  CHECK(mlx_add(&y, one, one, second) == 0);
  CHECK(float_of(y) == 2 && available(x));
  mlx_array_free(y);
  mlx_array_free(one);
  mlx_array_free(x);
  weir_event_free(e);
  mlx_stream_free(first);
  mlx_stream_free(second);
}

/* Many streams in a ring of waits, recorded by one thread and forced by others. */
static mlx_stream ring[8];
static mlx_array results[8];

static void force_ring(int i) { CHECK(float_of(results[i]) == 2); }

static void ring_of_streams(void) {
  weir_event e = weir_event_new();
  mlx_array one = mlx_array_new_float(1);
  for (int i = 0; i < 8; i++) ring[i] = new_stream();
  for (int round = 0; round < 50; round++) {
    for (int i = 0; i < 8; i++) {
      CHECK(weir_event_record(e, ring[i]) == 0);
      CHECK(weir_event_wait(e, ring[(i + 1) % 8]) == 0);
      results[i] = mlx_array_new();
      CHECK(mlx_add(&results[i], one, one, ring[i]) == 0);
    }
    run_threads(8, force_ring);
    for (int i = 0; i < 8; i++) mlx_array_free(results[i]);
  }
  for (int i = 0; i < 8; i++) {
    CHECK(mlx_synchronize(ring[i]) == 0);
    mlx_stream_free(ring[i]);
  }
  mlx_array_free(one);
  weir_event_free(e);
}

/* Short waits while there is work, polled often; then one without an end. */
static void timed_wait(void) {
  mlx_stream s = new_stream();
  weir_event e = weir_event_new();
  mlx_array x[4];
  for (int i = 0; i < 4; i++) x[i] = slow(s);
  CHECK(weir_event_record(e, s) == 0);
  int64_t start = now_ns();
  if (weir_event_synchronize(e, 1000) == 1) {
    CHECK(weir_last_status() == WEIR_ERROR_TIMEOUT);
    CHECK(now_ns() - start >= 1000);
  }
  for (int i = 0; i < 1000; i++) {
    if (weir_stream_wait(s, 0) == 0) break;
    CHECK(weir_last_status() == WEIR_ERROR_TIMEOUT);
  }
  CHECK(weir_stream_wait(s, -5) == 1 && weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT);
  CHECK(weir_stream_wait(s, INT64_MAX) == 0 && done(e));
  for (int i = 0; i < 4; i++) {
    CHECK(available(x[i]));
    mlx_array_free(x[i]);
  }
  weir_event_free(e);
  mlx_stream_free(s);
}

static int readable(int fd, int timeout_ms) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, timeout_ms);
}

/* A real epoll loop that serves eight streams' events as they come. */
static void event_loop(void) {
  enum { N = 8 };
  mlx_stream s[N];
  weir_event e[N];
  mlx_array x[N];
  bool served[N] = {false};
  int loop = epoll_create1(0);
  CHECK(loop >= 0);
  for (int i = 0; i < N; i++) {
    int fd = -1;
    s[i] = new_stream();
    e[i] = weir_event_new();
    CHECK(weir_event_fd(&fd, e[i]) == 0 && fd >= 0 && readable(fd, 0) == 0);
    struct epoll_event want = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = (uint32_t)i};
    CHECK(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &want) == 0);
    x[i] = slow(s[i]);
    CHECK(weir_event_record(e[i], s[i]) == 0);
  }
  for (int left = N; left > 0; left--) {
    struct epoll_event got;
    int n;
    while ((n = epoll_wait(loop, &got, 1, 20000)) < 0) CHECK(errno == EINTR); /* it was stopped */
    CHECK(n == 1);
    uint32_t i = got.data.u32;
    CHECK(!served[i] && available(x[i]) && done(e[i]));
    served[i] = true;
  }
  for (int i = 0; i < N; i++) {
    mlx_array_free(x[i]);
    weir_event_free(e[i]);
    mlx_stream_free(s[i]);
  }
  close(loop);
}

/* Asked for after the fact, and after recording again. */
static void descriptor_again(void) {
  mlx_stream s = new_stream();
  weir_event e = weir_event_new();
  int fd = -1, same = -2;
  CHECK(weir_event_record(e, s) == 0 && mlx_synchronize(s) == 0);
  CHECK(weir_event_fd(&fd, e) == 0 && readable(fd, 0) == 1);
  for (int i = 0; i < 20; i++) {
    mlx_array x = slow(s);
    CHECK(weir_event_record(e, s) == 0);
    CHECK(weir_event_fd(&same, e) == 0 && same == fd);
    if (readable(fd, 0) == 1) CHECK(available(x));
    CHECK(readable(fd, 20000) == 1 && available(x));
    mlx_array_free(x);
  }
  weir_event_free(e);
  mlx_stream_free(s);
}

/* An event keeps no stream alive once it is over, and its waits outlive it. */
static void what_stays(void) {
  CHECK(streams_become(0));
  mlx_stream s = new_stream(), t = new_stream();
  weir_event e = weir_event_new();
  mlx_array x = slow(s);
  CHECK(weir_event_record(e, s) == 0);
  CHECK(weir_event_wait(e, t) == 0);
  mlx_array_free(x);
  mlx_stream_free(s);
  CHECK(mlx_synchronize(t) == 0 && done(e));
  mlx_stream_free(t);
  CHECK(streams_become(0));
  weir_event_free(e);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  errors();
  host_wait();
  stream_wait();
  ring_of_streams();
  timed_wait();
  event_loop();
  descriptor_again();
  what_stays();
  return 0;
}
