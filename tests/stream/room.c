/* R6: room on a stream. What is in flight stays below the limit but for what one call adds; who
   waits for room computes what it waits for where nobody else does, and stops with its request;
   whatever ends a command gives its room back. */

#include <sys/wait.h>

#include "anew.h"
#include "base/base.h"
#include "fake_device.h"
#include "fixtures.h"
#include "stream/internal.h"

static int limit(mlx_stream s, uint64_t commands, uint64_t bytes) {
  return weir_stream_set_limit(s, commands, bytes);
}

static int try_submit(mlx_array a) {
  mlx_vector_array v = mlx_vector_array_new_value(a);
  int rc = weir_try_async_eval(v);
  mlx_vector_array_free(v);
  return rc;
}

static bool is(int rc, weir_status status) { return rc == 1 && weir_last_status() == status; }

static uint64_t in_flight(mlx_stream s) {
  weir_stream_stats_t stats;
  CHECK(weir_stream_stats(&stats, s) == 0);
  return stats.queued + stats.running;
}

/* One command, of 4n bytes, which is never brief. */
static mlx_array one_command(int n, mlx_stream s) {
  mlx_array x = floats(n, 0), y = mlx_array_new();
  CHECK(mlx_sort(&y, x, s) == 0);
  mlx_array_free(x);
  return y;
}

static void synchronize(mlx_stream s) { CHECK(mlx_synchronize(s) == 0); }

/* ---- try ---- */

/* AGAIN says why, and nothing is submitted; nothing fails for ever. */
static void again_when_full(void) {
  struct stall stall;
  mlx_stream s = new_stream(), other = new_stream();
  mlx_array a[5];
  for (int i = 0; i < 5; i++) a[i] = one_command(64, s);
  CHECK(limit(s, 3, 0) == 0);
  stall_begin(&stall, s);
  for (int i = 0; i < 3; i++) CHECK(try_submit(a[i]) == 0);
  CHECK(is(try_submit(a[3]), WEIR_ERROR_AGAIN) && in_flight(s) == 3);
  CHECK(strstr(weir_last_error(), "3 commands") && !available(a[3]));
  CHECK(try_submit(a[0]) == 0); /* there already */
  mlx_array elsewhere = one_command(64, other);
  CHECK(try_submit(elsewhere) == 0);
  CHECK(limit(s, 4, 0) == 0 && try_submit(a[3]) == 0);
  CHECK(is(try_submit(a[4]), WEIR_ERROR_AGAIN));
  CHECK(limit(s, 0, 0) == 0 && try_submit(a[4]) == 0);
  stall_end(&stall);
  synchronize(s);
  for (int i = 0; i < 5; i++) {
    CHECK(available(a[i]));
    mlx_array_free(a[i]);
  }
  synchronize(other);
  mlx_array_free(elsewhere);
  mlx_stream_free(other);
  mlx_stream_free(s);
}

/* R7: an evaluation that finds no room is not started. */
static void rings_too(void) {
  struct stall stall;
  size_t taken = 0;
  weir_completion completion;
  mlx_stream s = new_stream();
  weir_ring ring = weir_ring_new();
  mlx_array a = one_command(64, s), b = one_command(64, s);
  mlx_vector_array first = mlx_vector_array_new_value(a), second = mlx_vector_array_new_value(b);
  CHECK(limit(s, 1, 0) == 0);
  stall_begin(&stall, s);
  CHECK(weir_ring_eval(ring, first, (weir_request){NULL}, &a) == 0);
  CHECK(is(weir_ring_eval(ring, second, (weir_request){NULL}, &b), WEIR_ERROR_AGAIN));
  stall_end(&stall);
  CHECK(weir_ring_take(&taken, ring, &completion, 1, INT64_MAX) == 0 && taken == 1);
  CHECK(completion.user == &a && completion.status == WEIR_OK);
  while (in_flight(s)) sched_yield();
  CHECK(weir_ring_eval(ring, second, (weir_request){NULL}, &b) == 0);
  CHECK(weir_ring_take(&taken, ring, &completion, 1, INT64_MAX) == 0 && completion.user == &b);
  mlx_vector_array_free(first);
  mlx_vector_array_free(second);
  mlx_array_free(a);
  mlx_array_free(b);
  weir_ring_free(ring);
  mlx_stream_free(s);
}

/* Bytes of results; a view has none, and what was there before the first limit counts as none. */
static void bytes_count(void) {
  struct stall stall;
  mlx_stream s = new_stream();
  mlx_array before = one_command(1024, s), a = one_command(1024, s), b = one_command(1024, s);
  mlx_array view = mlx_array_new(), x = floats(1024, 0);
  const int shape[] = {32, 32};
  CHECK(mlx_reshape(&view, x, shape, 2, s) == 0);
  stall_begin(&stall, s);
  CHECK(submit(before) == 0);
  CHECK(limit(s, 0, 4096) == 0);
  CHECK(try_submit(view) == 0 && try_submit(a) == 0);
  CHECK(is(try_submit(b), WEIR_ERROR_AGAIN) && strstr(weir_last_error(), "4096 bytes"));
  CHECK(limit(s, 0, 4097) == 0 && try_submit(b) == 0);
  stall_end(&stall);
  synchronize(s);
  CHECK(limit(s, 0, 1) == 0);
  mlx_array c = one_command(64, s);
  CHECK(try_submit(c) == 0); /* all of them gave their bytes back */
  synchronize(s);
  mlx_array all[] = {before, a, b, view, x, c};
  for (int i = 0; i < 6; i++) mlx_array_free(all[i]);
  mlx_stream_free(s);
}

/* ---- waiting ---- */

enum { STEPS = 300, LIMIT = 3 };

static mlx_stream shared[2];
static wr_atomic_u64 most_seen;

/* At least so many: what ends between the two looks is not counted, where weir_stream_stats would
   count what is submitted then. */
static void note_in_flight(mlx_stream s) {
  struct wr_stream *stream = inside(s);
  const uint64_t submitted = wr_load_acquire(&stream->submitted);
  const uint64_t finished = wr_load_relaxed(&stream->done) + wr_load_relaxed(&stream->failed);
  uint64_t n = submitted > finished ? submitted - finished : 0, most = wr_load_relaxed(&most_seen);
  while (n > most && !wr_cas_acq_rel(&most_seen, &most, n)) continue;
}

static void submit_many(int i) {
  (void)i;
  for (int k = 0; k < times(STEPS, 10 * STEPS); k++) {
    mlx_array a = one_command(64, shared[0]);
    CHECK(submit(a) == 0);
    note_in_flight(shared[0]);
    mlx_array_free(a);
  }
}

/* Commands one by one: the limit is never passed, however many threads submit. */
static void never_more(void) {
  shared[0] = new_stream();
  CHECK(limit(shared[0], LIMIT, 0) == 0);
  run_threads(many(8), submit_many);
  synchronize(shared[0]);
  CHECK(wr_load_relaxed(&most_seen) <= LIMIT);
  mlx_stream_free(shared[0]);
}

/* A graph that is larger than the limits goes through, whole: also where nobody has come in. */
static void large_graphs(void) {
  mlx_stream s = new_stream();
  CHECK(limit(s, 2, 64) == 0);
  for (int k = 0; k < 20; k++) {
    mlx_array x = one_command(64, s);
    for (int i = 0; i < 50; i++) CHECK(mlx_sort(&x, x, s) == 0);
    CHECK(submit(x) == 0);
    if (k % 4 == 3) CHECK(mlx_array_eval(x) == 0);
    mlx_array_free(x);
  }
  synchronize(s);
  mlx_stream_free(s);
}

/* Both streams in one call, in either order, and calls that wait for values beside them. */
static void submit_to_both(int i) {
  for (int k = 0; k < times(STEPS, 10 * STEPS) / 3; k++) {
    mlx_array a[2];
    for (int j = 0; j < 2; j++) a[j] = one_command(64, shared[(i + j) % 2]);
    mlx_vector_array v = mlx_vector_array_new_data(a, 2);
    CHECK((i % 3 == 2 ? mlx_eval(v) : mlx_async_eval(v)) == 0);
    mlx_vector_array_free(v);
    for (int j = 0; j < 2; j++) mlx_array_free(a[j]);
  }
}

static void two_streams(void) {
  for (int j = 0; j < 2; j++) {
    shared[j] = new_stream();
    CHECK(limit(shared[j], 1 + (uint64_t)j, 4096) == 0);
  }
  run_threads(many(6), submit_to_both);
  for (int j = 0; j < 2; j++) {
    synchronize(shared[j]);
    mlx_stream_free(shared[j]);
  }
}

/* ---- who waits ---- */

struct submission {
  weir_request request;
  mlx_array array;
  int rc;
  weir_status status;
  sem_t done;
};

static void *submit_alone(void *arg) {
  struct submission *s = arg;
  if (s->request.ctx) CHECK(weir_request_enter(s->request) == 0);
  s->rc = submit(s->array);
  s->status = weir_last_status();
  if (s->request.ctx) CHECK(weir_request_leave() == 0);
  sem_post(&s->done);
  return NULL;
}

static pthread_t begin_submission(struct submission *s, weir_request r, mlx_array a) {
  *s = (struct submission){.request = r, .array = a};
  CHECK(sem_init(&s->done, 0, 0) == 0);
  return start_thread(submit_alone, s);
}

static void wait_for_line(mlx_stream s) {
  struct wr_stream *stream = inside(s);
  for (bool waits = false; !waits; sched_yield()) {
    wr_mutex_lock(&stream->lock);
    waits = stream->limit.first != NULL;
    wr_mutex_unlock(&stream->lock);
  }
}

/* No longer than the request lasts; who waits behind it comes to be first, and nobody passes. */
static void stops_with_its_request(void) {
  struct stall stall;
  struct submission first, second;
  mlx_stream s = new_stream();
  weir_request r = weir_request_new();
  mlx_array a = one_command(64, s), b = one_command(64, s), c = one_command(64, s);
  CHECK(limit(s, 1, 0) == 0);
  stall_begin(&stall, s);
  CHECK(submit(a) == 0);
  pthread_t threads[2] = {begin_submission(&first, r, b)};
  wait_for_line(s);
  threads[1] = begin_submission(&second, (weir_request){NULL}, c);
  CHECK(weir_request_cancel(r) == 0);
  while (sem_wait(&first.done)) continue;
  CHECK(first.rc == 1 && first.status == WEIR_ERROR_CANCELLED && !available(b));
  CHECK(in_flight(s) == 1);
  stall_end(&stall);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  CHECK(second.rc == 0);
  CHECK(mlx_array_eval(b) == 0 && mlx_array_eval(c) == 0);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(c);
  weir_request_free(r);
  mlx_stream_free(s);
}

/* K6: a call that waited for room until its request ended keeps nothing of the stream alive.
   Without a stall: the call itself comes to wait for a marker behind what is computed, which takes
   several deadlines. */
static void leaves_no_stream(void) {
  enum { TURNS = 5, SIDE = SANITIZED ? 300 : 1000 };
  const int shape[] = {SIDE, SIDE};
  const size_t before = live_streams();
  int late = 0;
  for (int i = 0; i < TURNS; i++) {
    mlx_stream s = new_stream();
    mlx_array x = floats(SIDE * SIDE, 0), product = mlx_array_new(), small = one_command(64, s);
    CHECK(limit(s, 1, 0) == 0 && mlx_reshape(&x, x, shape, 2, s) == 0);
    CHECK(mlx_array_eval(x) == 0 && mlx_matmul(&product, x, x, s) == 0);
    CHECK(submit(product) == 0);
    weir_request r = weir_request_new();
    CHECK(weir_request_enter(r) == 0 && weir_request_set_deadline(r, 1000000) == 0);
    late += submit(small) != 0;
    CHECK(weir_request_leave() == 0);
    weir_request_free(r);
    synchronize(s);
    mlx_array_free(x);
    mlx_array_free(product);
    mlx_array_free(small);
    mlx_stream_free(s);
  }
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  if (live_streams() != before) fprintf(stderr, "%d of %d calls were late\n", late, TURNS);
  CHECK(live_streams() == before);
}

static void *evaluate(void *arg) {
  CHECK(mlx_array_eval(*(mlx_array *)arg) == 0);
  return NULL;
}

/* O2, R7: all of a plan stands in the stream's queue before any of it runs, so that who needs it
   meanwhile submits without a wait, and what others submit then comes behind it. */
static void all_stands_in_the_queue(void) {
  enum { COMMANDS = 2500 }; /* more than one batch has */
  mlx_stream s = new_stream();
  mlx_array x = floats(1000, 0), first = mlx_array_new();
  CHECK(mlx_sort(&first, x, s) == 0 && mlx_array_set(&x, first) == 0);
  for (int i = 1; i < COMMANDS; i++) CHECK(mlx_sort(&x, x, s) == 0);
  pthread_t thread = start_thread(evaluate, &x);
  while (!available(first)) sched_yield();
  weir_stream_stats_t stats;
  CHECK(weir_stream_stats(&stats, s) == 0);
  CHECK(stats.queued + stats.running + stats.done >= COMMANDS - 2); /* read one by one */
  pthread_join(thread, NULL);
  mlx_array_free(x);
  mlx_array_free(first);
  mlx_stream_free(s);
}

/* What a request takes back gives its room to others at once, though the stream stands still. */
static void taken_back(void) {
  struct stall stall;
  struct submission waits;
  mlx_stream s = new_stream();
  weir_request r = weir_request_new();
  mlx_array a = one_command(256, s), b = one_command(64, s);
  CHECK(limit(s, 2, 1024) == 0);
  stall_begin(&stall, s);
  CHECK(weir_request_enter(r) == 0 && submit(a) == 0 && weir_request_leave() == 0);
  pthread_t thread = begin_submission(&waits, (weir_request){NULL}, b);
  wait_for_line(s);
  CHECK(weir_request_cancel(r) == 0);
  pthread_join(thread, NULL);
  CHECK(waits.rc == 0 && in_flight(s) == 1 && !available(a));
  stall_end(&stall);
  CHECK(mlx_array_eval(a) == 0 && mlx_array_eval(b) == 0);
  mlx_array_free(a);
  mlx_array_free(b);
  weir_request_free(r);
  mlx_stream_free(s);
}

/* So do commands that fail, and what depends on them. */
static void failures(void) {
  mlx_stream s = new_stream();
  CHECK(limit(s, 1, 1) == 0);
  for (int i = 0; i < 50; i++) {
    mlx_array bad = failing(s), sum = mlx_array_new(), one = mlx_array_new_float(1);
    CHECK(mlx_add(&sum, bad, one, s) == 0);
    CHECK(submit(sum) == 0);
    mlx_array_free(sum);
    mlx_array_free(bad);
    mlx_array_free(one);
  }
  synchronize(s);
  CHECK(in_flight(s) == 0);
  mlx_stream_free(s);
}

static sem_t called;

/* A completion function has the only thread that runs such. */
static void submit_in_callback(void *arg) {
  mlx_stream s = *(mlx_stream *)arg;
  for (int i = 0; i < 20; i++) {
    mlx_array a = one_command(64, s);
    CHECK(submit(a) == 0);
    mlx_array_free(a);
  }
  sem_post(&called);
}

static void in_callbacks(void) {
  mlx_stream s = new_stream();
  CHECK(limit(s, 1, 0) == 0 && sem_init(&called, 0, 0) == 0);
  CHECK(weir_stream_on_idle(s, submit_in_callback, &s) == 0);
  while (sem_wait(&called)) continue;
  synchronize(s);
  mlx_stream_free(s);
}

/* ---- a device ---- */

static void on_a_device(void) {
  fake_device_install();
  mlx_stream gpu = mlx_default_gpu_stream_new();
  mlx_array a = one_command(64, gpu), b = one_command(64, gpu), c = one_command(64, gpu);
  CHECK(limit(gpu, 2, 0) == 0);
  fake_device_hold();
  CHECK(try_submit(a) == 0 && try_submit(b) == 0);
  usleep(10000); /* what a device was handed is in flight */
  CHECK(is(try_submit(c), WEIR_ERROR_AGAIN));
  struct submission waits;
  pthread_t thread = begin_submission(&waits, (weir_request){NULL}, c);
  wait_for_line(gpu);
  fake_device_release();
  pthread_join(thread, NULL);
  CHECK(waits.rc == 0 && mlx_array_eval(c) == 0);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(c);
  mlx_stream_free(gpu);
}

/* ---- a fork ---- */

/* K11: in the child nothing is in flight, and nobody waits. */
static void in_a_child(void) {
  struct stall stall;
  struct submission waits;
  int status = 0;
  mlx_stream s = new_stream();
  mlx_array a = one_command(64, s), b = one_command(64, s), c = one_command(64, s);
  CHECK(limit(s, 1, 256) == 0);
  stall_begin(&stall, s);
  CHECK(submit(a) == 0);
  pthread_t thread = begin_submission(&waits, (weir_request){NULL}, b);
  wait_for_line(s);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(30);
    CHECK(submit(c) == 0 && submit(b) == 0 && submit(a) == 0);
    synchronize(s);
    CHECK(available(a) && available(b) && available(c));
    _exit(42);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42);
  stall_end(&stall);
  pthread_join(thread, NULL);
  CHECK(mlx_array_eval(b) == 0 && mlx_array_eval(c) == 0);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(c);
  mlx_stream_free(s);
}

/* ---- no thread but this one ---- */

/* The only worker is inside a long command of another stream, and so are those in its place. */
static void drains_itself(void) {
  struct stall stalls[3];
  mlx_stream s = new_stream(), busy[3];
  for (int i = 0; i < 3; i++) {
    busy[i] = new_stream();
    stall_submit(&stalls[i], busy[i]);
  }
  CHECK(limit(s, 1, 0) == 0);
  for (int i = 0; i < 50; i++) {
    mlx_array a = one_command(64, s);
    CHECK(submit(a) == 0);
    mlx_array_free(a);
  }
  for (int i = 0; i < 3; i++) sem_post(&stalls[i].open);
  for (int i = 0; i < 3; i++) {
    synchronize(busy[i]);
    mlx_stream_free(busy[i]);
  }
  synchronize(s);
  mlx_stream_free(s);
}

int main(int argc, char **argv) {
  static void (*const cases[])(void) = {again_when_full,  rings_too,
                                        bytes_count,      never_more,
                                        large_graphs,     two_streams,
                                        taken_back,       stops_with_its_request,
                                        failures,         in_callbacks,
                                        on_a_device,      drains_itself,
                                        leaves_no_stream, all_stands_in_the_queue};
  mean_cpu();
  (void)argv;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) CHECK(in_child(cases[i], 60) == 0);
  if (!SANITIZED) CHECK(in_child(in_a_child, 60) == 0);
  if (argc == 1) {
    CHECK(setenv("WEIR_NUM_THREADS", "1", 1) == 0);
    run_anew("one worker");
  }
  return 0;
}
