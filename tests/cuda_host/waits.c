/* Waiting on the GPU and for it, over the stand-in driver: streams for each other on the device,
   CPU and GPU streams for each other, the host with and without a time limit, an event loop; and
   none of it longer than it has to. O2, O3, W2, W3, E5, R8. FAILURES: D1, D4. */

#include <poll.h>

#include "base/atomic.h"
#include "base/base.h"
#include "inside.h"
#include "stand_in_case.h"
#include "stream/internal.h"

/* O2: a chain that hops between streams of both devices, whole and link by link. */
static void across_streams(int i) {
  enum { STREAMS = 8, HOPS = 120 };
  mlx_stream s[STREAMS];
  for (int k = 0; k < STREAMS; k++) s[k] = k % 4 == 3 ? new_stream() : new_gpu_stream();
  for (int round = 0; round < 2; round++) {
    mlx_array a = floats(100, 0);
    for (int k = 0; k < HOPS; k++) {
      turn(&a, s[(k * 5 + k / 7 + i) % STREAMS]);
      if (round == 1 && k % 10 == 0) CHECK(async_eval(a) == 0);
    }
    expect_turned(a, 0, HOPS);
    mlx_array_free(a);
  }
  for (int k = 0; k < STREAMS; k++) mlx_stream_free(s[k]);
}

/* D4: streams that wait for one another in a chain, submitted from the far end. */
static void reverse_chain(void) {
  enum { STREAMS = 16, EACH = 10 };
  mlx_stream s[STREAMS];
  mlx_array link[STREAMS + 1];
  link[0] = floats(50, 0);
  for (int i = 0; i < STREAMS; i++) {
    s[i] = new_gpu_stream();
    link[i + 1] = mlx_array_new();
    mlx_array_set(&link[i + 1], link[i]);
    for (int k = 0; k < EACH; k++) turn(&link[i + 1], s[i]);
  }
  for (int i = STREAMS; i > 0; i--) CHECK(async_eval(link[i]) == 0);
  for (int i = STREAMS; i > 0; i--) expect_turned(link[i], 0, i * EACH);
  for (int i = 0; i <= STREAMS; i++) mlx_array_free(link[i]);
  for (int i = 0; i < STREAMS; i++) mlx_stream_free(s[i]);
}

/* D1, O3: kernels are held on the GPU; the CPU and copies on the GPU go on. */
static void no_foreign_backlog(void) {
  mlx_stream busy = new_gpu_stream(), other = new_gpu_stream(), host = new_stream();
  mlx_array one = mlx_array_new_float(1), first = floats(30, 0), slow = floats(30, 0);
  mlx_array sum = mlx_array_new();
  bool idle = true;
  turn(&first, busy);
  CHECK(mlx_array_eval(first) == 0);
  cuda->hold();
  for (int i = 0; i < 400; i++) {
    add_to(&slow, one, busy);
    CHECK(async_eval(slow) == 0);
  }
  turn(&first, other);
  expect_turned(first, 0, 2);
  CHECK(mlx_add(&sum, one, one, host) == 0 && float_of(sum) == 2);
  CHECK(weir_stream_query(&idle, busy) == 0 && !idle);
  CHECK(weir_stream_wait(busy, 1000000) == 1 && weir_last_status() == WEIR_ERROR_TIMEOUT);
  cuda->release();
  CHECK(weir_stream_wait(busy, INT64_MAX) == 0);
  CHECK(weir_stream_query(&idle, busy) == 0 && idle);
  mlx_array all[] = {one, first, slow, sum};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
  mlx_stream_free(busy);
  mlx_stream_free(other);
  mlx_stream_free(host);
}

static bool readable(int fd, int ms) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, ms) == 1;
}

/* W2: one event on a stream of the GPU, seen by the host in each of its ways, and waited for by a
   stream of each device. */
static void events(int i) {
  mlx_stream gpu = new_gpu_stream(), other = new_gpu_stream(), host = new_stream();
  mlx_array one = mlx_array_new_float(1);
  weir_event event = weir_event_new(), later = weir_event_new();
  int fd = -1;
  CHECK(weir_event_fd(&fd, event) == 0);
  for (int round = 0; round < 20; round++) {
    mlx_array a = floats(10, 0), b = mlx_array_new(), c = mlx_array_new();
    bool over = false;
    int64_t ns = -1;
    for (int k = 0; k < 1 + i; k++) add_to(&a, one, gpu);
    CHECK(async_eval(a) == 0 && weir_event_record(event, gpu) == 0);
    CHECK(weir_event_wait(event, other) == 0 && weir_event_wait(event, host) == 0);
    CHECK(mlx_add(&b, one, one, host) == 0 && mlx_add(&c, one, one, other) == 0);
    CHECK(async_eval(c) == 0 && weir_event_record(later, other) == 0);
    if (round % 2) CHECK(readable(fd, 10000));
    while (weir_event_synchronize(later, 200000)) CHECK(weir_last_status() == WEIR_ERROR_TIMEOUT);
    CHECK(weir_event_query(&over, event) == 0);
    CHECK(over);
    CHECK(readable(fd, 10000));
    CHECK(weir_event_elapsed(&ns, event, later) == 0);
    CHECK(float_of(b) == 2);
    mlx_array_free(a);
    mlx_array_free(b);
    mlx_array_free(c);
  }
  CHECK(weir_event_free(event) == 0 && weir_event_free(later) == 0);
  mlx_array_free(one);
  mlx_stream_free(gpu);
  mlx_stream_free(other);
  mlx_stream_free(host);
}

/* An event that is freed, with its stream, while it is not over. */
static void event_dropped_in_flight(void) {
  mlx_array one = mlx_array_new_float(1), a = floats(10, 0), b = floats(10, 0);
  mlx_stream s = new_gpu_stream(), other = new_gpu_stream();
  weir_event event = weir_event_new();
  cuda->hold();
  add_to(&a, one, s);
  CHECK(async_eval(a) == 0 && weir_event_record(event, s) == 0);
  CHECK(weir_event_wait(event, other) == 0);
  mlx_stream_free(s);
  CHECK(weir_event_free(event) == 0);
  turn(&b, other);
  CHECK(async_eval(b) == 0);
  bool is = true;
  CHECK(_mlx_array_is_available(&is, b) == 0 && !is);
  cuda->release();
  expect_turned(b, 0, 1);
  mlx_array_free(one);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_stream_free(other);
}

static bool over(weir_event e) {
  bool done = false;
  CHECK(weir_event_query(&done, e) == 0);
  return done;
}

/* W2: an event on a stream that has never worked is over as it is recorded, and one on a stream
   that has done all is soon; behind held kernels of its stream it is not, nor where the stream
   waits for those. */
static void events_behind_nothing(void) {
  mlx_stream s = new_gpu_stream(), behind = new_gpu_stream();
  weir_event e = weir_event_new(), held = weir_event_new();
  mlx_array one = mlx_array_new_float(1), a = floats(10, 0);
  CHECK(weir_event_record(e, s) == 0 && over(e));
  add_to(&a, one, s);
  CHECK(mlx_array_eval(a) == 0);
  for (int i = 0; i < 100; i++) {
    CHECK(weir_event_record(e, s) == 0 && weir_event_synchronize(e, INT64_MAX) == 0 && over(e));
    CHECK(weir_event_wait(e, behind) == 0);
  }
  cuda->hold();
  add_to(&a, one, s);
  CHECK(async_eval(a) == 0);
  CHECK(weir_event_record(held, s) == 0 && !over(held));
  CHECK(weir_event_wait(held, behind) == 0);
  CHECK(weir_event_record(e, behind) == 0 && !over(e));
  CHECK(weir_event_synchronize(e, 20000000) == 1 && weir_last_status() == WEIR_ERROR_TIMEOUT);
  CHECK(!over(held) && !over(e));
  cuda->release();
  CHECK(weir_event_synchronize(e, INT64_MAX) == 0 && over(held) && over(e));
  weir_event_free(e);
  weir_event_free(held);
  mlx_array_free(one);
  mlx_array_free(a);
  mlx_stream_free(s);
  mlx_stream_free(behind);
}

static void when_idle(void *data) { __atomic_add_fetch((int *)data, 1, __ATOMIC_ACQ_REL); }

static void callbacks(void) {
  mlx_stream s = new_gpu_stream();
  mlx_array one = mlx_array_new_float(1), a = floats(10, 0);
  int called = 0;
  for (int i = 0; i < 20; i++) {
    add_to(&a, one, s);
    CHECK(async_eval(a) == 0 && weir_stream_on_idle(s, when_idle, &called) == 0);
  }
  for (int i = 0; i < 10000 && __atomic_load_n(&called, __ATOMIC_ACQUIRE) < 20; i++) usleep(1000);
  CHECK(__atomic_load_n(&called, __ATOMIC_ACQUIRE) == 20);
  mlx_array_free(one);
  mlx_array_free(a);
  mlx_stream_free(s);
}

/* Calls that hand the device something to do. */
static uint64_t handed(void) {
  return cuda->calls("cuLaunchKernel") + cuda->calls("cuGraphLaunch") +
         cuda->calls("cuMemcpyDtoDAsync_v2");
}

static void until_handed(uint64_t calls) {
  for (int i = 0; i < 10000 && handed() < calls; i++) usleep(1000);
  CHECK(handed() >= calls);
}

/* R8: many events behind a long kernel, and as many waits for them, give the driver a few calls and
   fill no queue. */
static void many_events(void) {
  enum { TIMES = 500 };
  mlx_stream s = new_gpu_stream(), other = new_gpu_stream();
  mlx_array slow = floats(40, 0), last = floats(40, 0), a = floats(40, 1);
  weir_event events[TIMES];
  cuda->hold();
  const uint64_t start = handed();
  const uint64_t before = cuda->calls("cuStreamWaitEvent") + cuda->calls("cuEventRecord");
  CHECK(mlx_cumsum(&slow, slow, 0, false, true, s) == 0 && async_eval(slow) == 0);
  for (int i = 0; i < TIMES; i++) {
    events[i] = weir_event_new();
    CHECK(weir_event_record(events[i], s) == 0);
  }
  CHECK(mlx_cumsum(&last, last, 0, false, true, s) == 0 && async_eval(last) == 0);
  until_handed(start + 2);
  for (int i = 0; i < TIMES; i++) CHECK(weir_event_wait(events[i], other) == 0);
  turn(&a, other);
  CHECK(async_eval(a) == 0);
  until_handed(start + 3);
  CHECK(weir_stream_wait(other, 20000000) == 1); /* it is behind the kernel */
  const uint64_t calls = cuda->calls("cuStreamWaitEvent") + cuda->calls("cuEventRecord") - before;
  if (calls > TIMES / 10) fprintf(stderr, "%d calls of the driver\n", (int)calls);
  CHECK(calls <= TIMES / 10);
  cuda->release();
  expect_turned(a, 1, 1);
  for (int i = 0; i < TIMES; i++) CHECK(weir_event_free(events[i]) == 0);
  CHECK(mlx_synchronize(s) == 0 && mlx_synchronize(other) == 0);
  const mlx_array all[] = {slow, last, a};
  for (int i = 0; i < 3; i++) mlx_array_free(all[i]);
  mlx_stream_free(s);
  mlx_stream_free(other);
}

static uint64_t event_calls(void) {
  return cuda->calls("cuStreamWaitEvent") + cuda->calls("cuEventRecord");
}

/* Returns once all is encoded that was submitted to the stream, or it is suspended. A call that is
   blocked would keep it from both while kernels are held. */
static void settle(mlx_stream s) {
  struct wr_stream *stream = inside(s);
  for (bool settled = false; !settled; sched_yield()) {
    CHECK(cuda->blocked() == 0);
    wr_mutex_lock(&stream->lock);
    settled =
        stream->state == WR_STREAM_SUSPENDED || (stream->state == WR_STREAM_IDLE && !stream->head);
    wr_mutex_unlock(&stream->lock);
  }
}

/* An event is encoded before anybody waits for it, so that he can do so on the device. */
static void wait_behind(weir_event event, mlx_stream from, mlx_stream s) {
  CHECK(weir_event_record(event, from) == 0);
  settle(from);
  CHECK(weir_event_wait(event, s) == 0);
  settle(s);
}

/* A kernel that is held, with the driver. */
static mlx_array held_on(mlx_stream s) {
  mlx_array a = floats(40, 0);
  const uint64_t start = handed();
  CHECK(mlx_cumsum(&a, a, 0, false, true, s) == 0 && async_eval(a) == 0);
  until_handed(start + 1);
  return a;
}

/* R8: a stream waits again and again for several streams in turn, each behind a long kernel, and
   has events of its own in between. */
static void waits_in_turn(int sources) {
  enum { TIMES = 300, MOST = 4 };
  mlx_stream from[MOST], s = new_gpu_stream();
  mlx_array slow[MOST], a = floats(40, 1);
  weir_event event = weir_event_new();
  cuda->hold();
  for (int k = 0; k < sources; k++) {
    from[k] = new_gpu_stream();
    slow[k] = held_on(from[k]);
  }
  const uint64_t before = event_calls(), start = handed();
  for (int i = 0; i < TIMES; i++) {
    for (int k = 0; k < sources; k++) wait_behind(event, from[k], s);
    if (i % 3 == 2) CHECK(weir_event_record(event, s) == 0);
  }
  turn(&a, s);
  CHECK(async_eval(a) == 0);
  until_handed(start + 1);
  CHECK(event_calls() - before <= TIMES / 10);
  cuda->release();
  expect_turned(a, 1, 1);
  CHECK(weir_event_free(event) == 0 && mlx_synchronize(s) == 0);
  mlx_array_free(a);
  mlx_stream_free(s);
  for (int k = 0; k < sources; k++) {
    mlx_array_free(slow[k]);
    mlx_stream_free(from[k]);
  }
}

/* R8: two streams wait for each other in turn, with nothing to do but a kernel at the beginning. No
   call of the driver's is blocked, and a third stream goes on. */
static void ping_pong(void) {
  enum { TIMES = 1200 };
  mlx_stream s[] = {new_gpu_stream(), new_gpu_stream()}, other = new_gpu_stream();
  mlx_array a = floats(40, 1);
  weir_event event = weir_event_new();
  const uint64_t blocked = cuda->blocked();
  cuda->hold();
  mlx_array slow = held_on(s[0]);
  for (int i = 0; i < TIMES; i++) wait_behind(event, s[i % 2], s[1 - i % 2]);
  turn(&a, other);
  expect_turned(a, 1, 1);
  CHECK(cuda->blocked() == blocked);
  cuda->release();
  CHECK(mlx_synchronize(s[1]) == 0 && mlx_synchronize(s[0]) == 0);
  turn(&a, s[1]);
  expect_turned(a, 1, 2);
  CHECK(weir_event_free(event) == 0 && cuda->blocked() == blocked);
  mlx_array_free(a);
  mlx_array_free(slow);
  for (int k = 0; k < 2; k++) mlx_stream_free(s[k]);
  mlx_stream_free(other);
}

/* R8: several streams wait for one, each behind other commands of its. No call of the driver's is
   blocked, though each command has a reader of its own. A command is one launch, so that as many
   marks as there may be commands would fill the queue. */
static void many_readers(void) {
  enum { READERS = 4, COMMANDS = 700, PLACES = 900, PLACES_OF_A_DRIVER = 1024 };
  const mlx_stream s = new_gpu_stream();
  mlx_stream readers[READERS];
  mlx_array sum = floats(40, 0);
  weir_event event = weir_event_new();
  for (int k = 0; k < READERS; k++) readers[k] = new_gpu_stream();
  const uint64_t blocked = cuda->blocked();
  cuda->queue(PLACES);
  cuda->hold();
  for (int i = 0; i < COMMANDS; i++) {
    CHECK(mlx_cumsum(&sum, sum, 0, false, true, s) == 0 && async_eval(sum) == 0);
    wait_behind(event, s, readers[i % READERS]);
  }
  for (int k = 0; k < READERS; k++) CHECK(weir_stream_wait(readers[k], 20000000) == 1);
  CHECK(cuda->blocked() == blocked);
  cuda->release();
  for (int k = 0; k < READERS; k++) {
    CHECK(mlx_synchronize(readers[k]) == 0);
    mlx_stream_free(readers[k]);
  }
  CHECK(mlx_synchronize(s) == 0 && cuda->blocked() == blocked);
  cuda->queue(PLACES_OF_A_DRIVER);
  CHECK(weir_event_free(event) == 0);
  mlx_array_free(sum);
  mlx_stream_free(s);
}

/* A fresh command of either one of `from` each time, and a wait of `s` for it. */
static void wait_for_fresh(const mlx_stream from[2], mlx_stream s, mlx_array sum[2], int times) {
  mlx_array one = mlx_array_new_float(1);
  weir_event event = weir_event_new();
  for (int i = 0; i < times; i++) {
    add_to(&sum[i % 2], one, from[i % 2]);
    CHECK(async_eval(sum[i % 2]) == 0);
    wait_behind(event, from[i % 2], s);
  }
  CHECK(weir_event_free(event) == 0);
  mlx_array_free(one);
}

/* R8: a stream that only waits. Where it has as many waits with the driver as it should, it waits
   without the driver; commands that come behind them wait for no room that they would have to make
   themselves; and once all are over, it may wait as often again. */
static void only_waits(void) {
  enum { SHORT = WR_TORTURED ? 70 : 300, LONG = 400, COMMANDS = 5 };
  const mlx_stream from[] = {new_gpu_stream(), new_gpu_stream()}, s = new_gpu_stream();
  mlx_array sum[] = {floats(40, 0), floats(40, 0)}, a = floats(40, 1);
  const uint64_t blocked = cuda->blocked();
  for (int round = 0; round < 2; round++) {
    const uint64_t waits = cuda->calls("cuStreamWaitEvent");
    cuda->hold();
    wait_for_fresh(from, s, sum, LONG);
    CHECK(weir_stream_wait(s, 20000000) == 1);
    const uint64_t more = cuda->calls("cuStreamWaitEvent") - waits;
    if (more < SHORT || more >= LONG) fprintf(stderr, "%d waits\n", (int)more);
    CHECK(more >= SHORT && more < LONG);
    cuda->release();
    for (int k = 0; k < 2; k++) CHECK(mlx_synchronize(from[k]) == 0);
    CHECK(mlx_synchronize(s) == 0);
  }
  cuda->hold();
  wait_for_fresh(from, s, sum, SHORT);
  const uint64_t start = handed();
  for (int i = 0; i < COMMANDS; i++) {
    turn(&a, s);
    CHECK(async_eval(a) == 0);
  }
  until_handed(start + 1);
  CHECK(weir_stream_wait(s, 20000000) == 1);
  cuda->release();
  expect_turned(a, 1, COMMANDS);
  CHECK(mlx_synchronize(s) == 0 && cuda->blocked() == blocked);
  mlx_array_free(a);
  mlx_stream_free(s);
  for (int k = 0; k < 2; k++) {
    CHECK(mlx_synchronize(from[k]) == 0);
    mlx_array_free(sum[k]);
    mlx_stream_free(from[k]);
  }
}

#ifdef WR_TORTURE

/* E5: memory for a marker is refused, of whatever it takes; what it stands behind is over all the
   same once it is. */
static mlx_stream refused_stream;
static uint64_t refused_at;
static wr_atomic_bool released; /* atomic ACQ_REL */

static void *synchronize_refused(void *arg) {
  wr_alloc_fail_at(refused_at);
  const int rc = mlx_synchronize(refused_stream);
  wr_alloc_fail_at(0);
  CHECK(rc == 1 || wr_load_acquire(&released));
  return arg;
}

static void a_marker_is_refused(void) {
  refused_stream = new_gpu_stream();
  for (refused_at = 1; refused_at <= 12; refused_at++) {
    mlx_array slow = floats(40, 0);
    pthread_t thread;
    wr_store_release(&released, false);
    const uint64_t start = handed();
    cuda->hold();
    CHECK(mlx_cumsum(&slow, slow, 0, false, true, refused_stream) == 0 && async_eval(slow) == 0);
    until_handed(start + 1); /* else its own memory could be what is refused */
    CHECK(pthread_create(&thread, NULL, synchronize_refused, NULL) == 0);
    usleep(50000);
    wr_store_release(&released, true);
    cuda->release();
    CHECK(pthread_join(thread, NULL) == 0 && mlx_synchronize(refused_stream) == 0);
    mlx_array_free(slow);
  }
  mlx_stream_free(refused_stream);
}

#else

static void a_marker_is_refused(void) {}

#endif

int main(void) {
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  for (int round = 0; round < 2; round++) {
    across_streams(0);
    run_threads(many(8), across_streams);
    reverse_chain();
    no_foreign_backlog();
    run_threads(many(6), events);
    event_dropped_in_flight();
    events_behind_nothing();
    callbacks();
    many_events();
    for (int sources = 1; sources <= 4; sources++) waits_in_turn(sources);
    ping_pong();
    only_waits();
    many_readers();
    a_marker_is_refused();
    cuda->pause(20000);
  }
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  return 0;
}
