/* Commands of the CPU that stay pending (backend.h): they hold up nobody but what reads them and
   what comes behind them on their stream (K9); what fails later fails its array alone; their arrays
   and streams may go meanwhile; a fork's child computes them anew; the process ends beside them;
   with their request only what has not begun is taken back (R2). */

#include <fenv.h>

#include "fake_device.h"
#include "in_request.h"
#include "later.h"
#include "three.h"

enum { N = 100 };

static const enum later_when all_ways[] = {LATER_DONE, LATER_AT_ONCE, LATER_BLOCKING};

/* 0, 1, .. */
static mlx_array counting(void) {
  float values[N];
  const int n = N;
  for (int i = 0; i < N; i++) values[i] = (float)i;
  return mlx_array_new_data(values, &n, 1, MLX_FLOAT32);
}

static void expect_from(mlx_array a, float first) {
  const float *data = mlx_array_data_float32(a);
  CHECK(data != NULL);
  for (int i = 0; i < N; i++) CHECK(data[i] == first + (float)i);
}

static void values(void) {
  mlx_stream s = new_stream();
  for (int way = 0; way < 3; way++) {
    struct later later;
    later_init(&later, all_ways[way]);
    mlx_array a = counting();
    for (int i = 0; i < 20; i++) {
      mlx_array next = later_of(&later, a, s);
      mlx_array_free(a);
      a = next;
    }
    expect_from(a, 20);
    CHECK(count_of(&later.begun) == 20);
    mlx_array_free(a);
  }
  mlx_stream_free(s);
}

/* ---- who waits ---- */

/* More than there are workers, each on its own stream; another stream goes on, also by workers. */
static void nobody_else_waits(void) {
  enum { MANY = 16 };
  struct later later;
  mlx_stream streams[MANY], s = new_stream();
  mlx_array a = counting(), slow[MANY];
  later_init(&later, LATER_HELD);
  for (int i = 0; i < MANY; i++) {
    streams[i] = new_stream();
    slow[i] = later_of(&later, a, streams[i]);
    CHECK(submit(slow[i]) == 0);
  }
  CHECK(later_begun(&later, MANY));
  for (int i = 0; i < 50; i++) {
    mlx_array more = chain(1, 3, s);
    CHECK(submit(more) == 0 && weir_stream_wait(s, INT64_C(20000000000)) == 0);
    CHECK(float_of(more) == 4);
    mlx_array_free(more);
  }
  for (int i = 0; i < MANY; i++) CHECK(!available(slow[i]));
  later_open(&later);
  for (int i = 0; i < MANY; i++) {
    expect_from(slow[i], 1);
    mlx_array_free(slow[i]);
    mlx_stream_free(streams[i]);
  }
  mlx_array_free(a);
  mlx_stream_free(s);
}

/* Of one submission they are begun one behind the other; what else is in it and does not read them
   goes on; what was submitted later waits, and so do markers. */
static void order_on_one_stream(void) {
  struct later later;
  mlx_stream s = new_stream();
  mlx_array a = counting(), slow[2], free_one = mlx_array_new(), sum = mlx_array_new();
  mlx_array after = chain(1, 2, s);
  weir_event e = weir_event_new();
  later_init(&later, LATER_HELD);
  slow[0] = later_of(&later, a, s);
  slow[1] = later_of(&later, a, s);
  CHECK(mlx_square(&free_one, a, s) == 0 && mlx_add(&sum, slow[0], slow[1], s) == 0);
  mlx_vector_array all = mlx_vector_array_new();
  mlx_array roots[] = {slow[0], slow[1], free_one, sum};
  for (int i = 0; i < 4; i++) CHECK(mlx_vector_array_append_value(all, roots[i]) == 0);
  CHECK(mlx_async_eval(all) == 0 && weir_event_record(e, s) == 0 && submit(after) == 0);
  CHECK(later_begun(&later, 2));
  for (int i = 0; i < 10000 && !available(free_one) && !WR_TORTURED; i++) usleep(1000);
  CHECK(WR_TORTURED || available(free_one)); /* there a submission is two nodes */
  bool idle = true;
  CHECK(!available(sum) && !available(after) && weir_stream_query(&idle, s) == 0 && !idle);
  CHECK(weir_event_query(&idle, e) == 0 && !idle);
  CHECK(weir_stream_wait(s, 1000000) == 1 && weir_last_status() == WEIR_ERROR_TIMEOUT);
  later_open(&later);
  CHECK(weir_event_synchronize(e, INT64_C(20000000000)) == 0 && available(sum));
  CHECK(mlx_synchronize(s) == 0 && available(after) && float_of(after) == 3);
  CHECK(mlx_array_data_float32(sum)[N - 1] == 2 * N);
  mlx_vector_array_free(all);
  weir_event_free(e);
  for (int i = 0; i < 4; i++) mlx_array_free(roots[i]);
  mlx_array_free(after);
  mlx_array_free(a);
  mlx_stream_free(s);
}

static struct later opened;
static void *open_soon(void *unused) {
  CHECK(later_begun(&opened, 1));
  usleep(1000);
  later_open(&opened);
  return unused;
}

/* A group, a view and a command of several results read it; on its stream, on another and on a
   device. */
static void who_reads_it(mlx_stream s, mlx_stream other) {
  mlx_array a = counting(), half = mlx_array_new(), sum = mlx_array_new(), out[3];
  const int start = 0, stop = N, step = 2;
  double total = 0;
  later_init(&opened, LATER_HELD);
  mlx_array slow = later_of(&opened, a, s);
  CHECK(mlx_slice(&half, slow, &start, 1, &stop, 1, &step, 1, other) == 0);
  CHECK(mlx_add(&sum, slow, slow, other) == 0);
  for (int i = 0; i < 8; i++) CHECK(mlx_add(&sum, sum, slow, other) == 0);
  CHECK(three_of(out, slow, other));
  pthread_t opener = start_thread(open_soon, NULL);
  CHECK(mlx_array_item_float64(&total, out[2]) == 0 && total == N * (N + 1) / 2.0);
  CHECK(mlx_array_eval(half) == 0 && mlx_array_eval(sum) == 0);
  CHECK(mlx_array_data_float32(sum)[N - 1] == 10 * N);
  expect_from(slow, 1);
  CHECK(count_of(&opened.begun) == 1);
  pthread_join(opener, NULL);
  three_free(out);
  mlx_array all[] = {a, half, sum, slow};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

/* ---- roundings ---- */

static sem_t rounded;

static void round_up(void *work) {
  (void)work;
  CHECK(fesetround(FE_UPWARD) == 0);
  sem_post(&rounded);
}

/* What code of the user's leaves on a thread of the library's is nothing to what comes there next
   (T1). */
static void rounding_is_its_own(void) {
  struct wr_blocking rounding = {.run = round_up};
  const float tiny = 1e-9f;
  const int n = 1;
  struct later later;
  mlx_stream s = new_stream();
  mlx_array a = mlx_array_new_data(&tiny, &n, 1, MLX_FLOAT32);
  later_init(&later, LATER_BLOCKING);
  CHECK(sem_init(&rounded, 0, 0) == 0 && weir_shutdown(INT64_C(20000000000)) == 0);
  CHECK(wr_blocking_submit(&rounding) == NULL);
  while (sem_wait(&rounded)) continue;
  for (int i = 0; i < 50; i++) {
    mlx_array sum = later_of(&later, a, s);
    CHECK(mlx_array_eval(sum) == 0 && mlx_array_data_float32(sum)[0] == 1);
    mlx_array_free(sum);
  }
  mlx_array_free(a);
  mlx_stream_free(s);
}

/* ---- failing ---- */

static void fails_later(void) {
  mlx_stream s = new_stream();
  for (int way = 0; way < 3; way++) {
    struct later later;
    later_init(&later, all_ways[way]);
    later.fails = 1;
    mlx_array a = counting(), slow = later_of(&later, a, s), sum = mlx_array_new();
    CHECK(mlx_add(&sum, slow, a, s) == 0);
    CHECK(mlx_array_eval(sum) == 1 && strstr(weir_last_error(), "later to float32 of shape (100)"));
    CHECK(mlx_array_eval(slow) == 1 && strstr(weir_last_error(), "told to fail later"));
    CHECK(count_of(&later.begun) == 1);
    mlx_array fine = chain(1, 1, s);
    CHECK(float_of(fine) == 2 && mlx_synchronize(s) == 0);
    mlx_array all[] = {a, slow, sum, fine};
    for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
  }
  mlx_stream_free(s);
}

/* An input failed: it is never begun. */
static void never_begun(void) {
  mlx_stream s = new_stream();
  struct later first, second;
  later_init(&first, LATER_BLOCKING);
  later_init(&second, LATER_BLOCKING);
  first.fails = 1;
  mlx_array a = counting(), b = later_of(&first, a, s), c = later_of(&second, b, s);
  CHECK(mlx_array_eval(c) == 1 && count_of(&second.begun) == 0);
  mlx_array_free(c);
  mlx_array_free(b);
  mlx_array_free(a);
  mlx_stream_free(s);
}

/* ---- ends ---- */

/* Handles of array, input and stream go while it is pending; then all is gone with its end. */
static void handles_go(void) {
  const size_t before = live_streams();
  struct later later;
  later_init(&later, LATER_HELD);
  mlx_stream s = new_stream();
  mlx_array a = counting(), slow = later_of(&later, a, s);
  CHECK(submit(slow) == 0 && later_begun(&later, 1));
  mlx_array_free(a);
  mlx_array_free(slow);
  mlx_stream_free(s);
  later_open(&later);
  CHECK(streams_become(before));
}

/* A shutdown waits for what threads of the library's are to end. */
static void shut_down(void) {
  struct later later;
  later_init(&later, LATER_BLOCKING);
  mlx_stream s = new_stream();
  mlx_array a = counting(), slow = later_of(&later, a, s), sum = mlx_array_new();
  CHECK(mlx_add(&sum, slow, a, s) == 0 && submit(sum) == 0);
  mlx_array_free(slow);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  CHECK(available(sum) && threads_become(1 + SANITIZED));
  mlx_array_free(sum);
  mlx_array_free(a);
  mlx_stream_free(s);
}

static void leave_beside_it(void) {
  struct later held, blocking;
  mlx_stream s = new_stream(), other = new_stream();
  later_init(&held, LATER_HELD);
  later_init(&blocking, LATER_BLOCKING);
  mlx_array a = counting(), slow = later_of(&held, a, s), fast = later_of(&blocking, a, other);
  CHECK(submit(slow) == 0 && submit(fast) == 0 && later_begun(&held, 1));
  exit(42);
}

/* ---- a fork ---- */

static void forked(void) {
  struct later later;
  int status = 0;
  later_init(&later, LATER_HELD);
  mlx_stream s = new_stream();
  mlx_array a = counting(), slow = later_of(&later, a, s), sum = mlx_array_new();
  CHECK(mlx_add(&sum, slow, a, s) == 0);
  CHECK(submit(sum) == 0 && later_begun(&later, 1));
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    alarm(20 * patience());
    later.when = LATER_BLOCKING;
    CHECK(mlx_array_eval(sum) == 0 && mlx_array_data_float32(sum)[N - 1] == 2 * N - 1);
    expect_from(slow, 1);
    CHECK(count_of(&later.begun) == 2 && mlx_synchronize(s) == 0);
    _exit(43);
  }
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 43);
  CHECK(!available(slow));
  later_open(&later);
  CHECK(mlx_array_eval(sum) == 0 && count_of(&later.begun) == 1);
  mlx_array all[] = {a, slow, sum};
  for (int i = 0; i < 3; i++) mlx_array_free(all[i]);
  mlx_stream_free(s);
}

/* ---- many ---- */

static mlx_stream shared[2];
/* What is pending goes on, for whoever asks in no request; one that has ended does not wait for it.
 */
static void request_ends(void) {
  struct later later;
  weir_request r = weir_request_new();
  mlx_stream s = new_stream();
  mlx_array a = counting();
  later_init(&later, LATER_HELD);
  mlx_array pending = later_of(&later, a, s), behind = later_of(&later, pending, s);
  CHECK(submit_in(r, behind) == 0 && later_begun(&later, 1));
  CHECK(weir_request_cancel(r) == 0);
  CHECK(stats_of(r).begun == 1 && stats_of(r).taken_back == 1 && stats_of(r).queued == 0);
  CHECK(eval_in(r, pending) == 1 && weir_last_status() == WEIR_ERROR_CANCELLED);
  CHECK(!available(pending) && !available(behind));
  later_open(&later);
  expect_from(pending, 1);
  later_init(&later, LATER_AT_ONCE);
  expect_from(behind, 2);
  CHECK(count_of(&later.begun) == 1);
  mlx_array_free(pending);
  mlx_array_free(behind);
  mlx_array_free(a);
  mlx_stream_free(s);
  CHECK(weir_request_free(r) == 0);
}

static struct later often;

/* Chains over two shared streams and one of the thread's own. */
static void chains(int seed) {
  mlx_stream mine = new_stream();
  for (int round = 0; round < times(20, 400); round++) {
    mlx_array a = counting(), one = mlx_array_new_float(1);
    for (int i = 0; i < 12; i++) {
      mlx_stream s = (i + seed) % 3 < 2 ? shared[(i + seed) % 3] : mine;
      mlx_array next = mlx_array_new();
      if (i % 2) {
        CHECK(mlx_add(&next, a, one, s) == 0);
      } else {
        mlx_array_free(next);
        next = later_of(&often, a, s);
      }
      mlx_array_free(a);
      a = next;
      if (i % 5 == 4) CHECK(submit(a) == 0);
    }
    expect_from(a, 12);
    mlx_array_free(one);
    mlx_array_free(a);
  }
  mlx_stream_free(mine);
}

int main(void) {
  mean_cpu();
  fake_device_install();
  mlx_set_error_handler(quiet, NULL, NULL);
  if (!SANITIZED) {
    repeat(leave_beside_it, "leave beside what is pending", 20);
    forked();
  }
  values();
  nobody_else_waits();
  order_on_one_stream();
  mlx_stream s = new_stream(), other = new_stream(), gpu = mlx_default_gpu_stream_new();
  who_reads_it(s, s);
  who_reads_it(s, other);
  who_reads_it(s, gpu);
  who_reads_it(gpu, s);
  mlx_stream_free(s);
  mlx_stream_free(other);
  rounding_is_its_own();
  fails_later();
  never_begun();
  handles_go();
  request_ends();
  for (int i = 0; i < 2; i++) shared[i] = new_stream();
  later_init(&often, LATER_BLOCKING);
  run_threads(many(4), chains);
  for (int i = 0; i < 2; i++) mlx_stream_free(shared[i]);
  mlx_stream_free(gpu);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(fake_device_stats().violations == 0);
  CHECK(fake_device_shutdown() == 0);
  shut_down();
  return 0;
}
