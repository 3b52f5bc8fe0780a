/* Light requests beside busy streams and long kernels: K9, O3. FAILURES: P8. What takes
   microseconds is done where it is submitted, and waits for nobody. What another request waits for
   is counted in turns of others where it can be; where it waits for threads to run, the limits are
   far above what it takes, and below what it took when workers preferred slices, when busy streams
   had equal turns, and when nobody stood in for workers inside long commands. */

#include <poll.h>

#include "base/base.h"
#include "fixtures.h"
#include "grind.h"
#include "median.h"
#include "stream/internal.h"

enum { MOST_WORKERS = 64, LIMIT_MS = 60000 };

static int workers;

static void post_when_told(void *sem) { sem_post(sem); }

/* ---- the order of turns ---- */

static void nobody_takes(struct wr_ready *r, bool only_fresh) {
  bool by_share;
  CHECK(wr_ready_take(r, only_fresh, &by_share) == NULL);
}

static struct wr_stream *take(struct wr_ready *r, bool only_fresh) {
  bool by_share;
  struct wr_stream *taken = wr_ready_take(r, only_fresh, &by_share);
  CHECK(!by_share && !taken->in_ready_list);
  return taken;
}

static void append(struct wr_ready *r, struct wr_stream *s, enum wr_wear wear) {
  wr_ready_append(r, s, wear, (struct wr_urgency){.class = WR_CLASS_NORMAL});
}

/* Fresh ones in the order in which they came, a worn one after three of them. */
static void order(void) {
  static struct wr_stream f[6], w[3];
  struct wr_ready r = {.count = 0};
  struct wr_stream *turns[] = {&f[0], &f[1], &f[2], &w[0], &f[4], &f[5], &w[2]};
  for (int i = 0; i < 3; i++) append(&r, &w[i], WR_WORN);
  nobody_takes(&r, true);
  for (int i = 0; i < 6; i++) append(&r, &f[i], WR_FRESH);
  wr_ready_unlink(&r, &f[3]);
  wr_ready_unlink(&r, &w[1]);
  for (int i = 0; i < 7; i++) CHECK(take(&r, false) == turns[i]);
  nobody_takes(&r, false);
  append(&r, &f[0], WR_FRESH);
  append(&r, &w[0], WR_WORN);
  CHECK(take(&r, true) == &f[0]);
  nobody_takes(&r, true);
  CHECK(take(&r, false) == &w[0] && !wr_ready_any(&r));
}

/* ---- streams that always have more to do ---- */

/* A task that takes more than a turn, and then stands in its queue again. */
struct grind {
  struct wr_task task;
  mlx_stream stream;
};

/* Beside eight busy streams for each worker and more, no turn of all of them passes: those that
   are under way, and a few. The least of some, since this thread may lose its processor between the
   submission and the moment in which the stream is ready. */
static void few_turns_pass(void) {
  int n = 8 * workers + 16;
  uint64_t least = UINT64_MAX;
  struct grind *all = calloc((size_t)n, sizeof *all);
  CHECK(all != NULL);
  mlx_stream s = new_stream();
  for (int i = 0; i < n; i++) {
    all[i] = (struct grind){.task = {.run = grind_run}, .stream = new_stream()};
    wr_stream_submit(inside(all[i].stream), &all[i].task, true, NULL);
  }
  while (wr_load_relaxed(&ground) < 3 * (uint64_t)n) wr_nap(1000000);
  for (int i = 0; i < 20; i++) {
    uint64_t passed = passed_by(s);
    if (passed < least) least = passed;
    wr_nap(5000000);
  }
  wr_store_relaxed(&enough, true);
  for (int i = 0; i < n; i++) {
    CHECK(mlx_synchronize(all[i].stream) == 0);
    mlx_stream_free(all[i].stream);
  }
  mlx_stream_free(s);
  free(all);
  CHECK(least <= 3 * (uint64_t)workers + 4);
}

/* ---- all workers inside commands that do not end ---- */

static void by_descriptor(mlx_stream s) {
  int fd = -1;
  mlx_array a = sorted_bits(64, s);
  weir_event e = weir_event_new();
  CHECK(submit(a) == 0 && weir_event_record(e, s) == 0 && weir_event_fd(&fd, e) == 0);
  struct pollfd p = {.fd = fd, .events = POLLIN};
  CHECK(poll(&p, 1, LIMIT_MS) == 1 && available(a));
  weir_event_free(e);
  mlx_array_free(a);
}

static void by_callback(mlx_stream s) {
  sem_t told;
  mlx_array a = sorted_bits(64, s);
  CHECK(sem_init(&told, 0, 0) == 0);
  CHECK(submit(a) == 0 && weir_stream_on_idle(s, post_when_told, &told) == 0);
  while (sem_wait(&told)) continue;
  CHECK(available(a));
  mlx_array_free(a);
}

static void by_looking(mlx_stream s) {
  bool idle = false;
  mlx_array a = sorted_bits(64, s);
  CHECK(submit(a) == 0);
  while (!idle) CHECK(sched_yield() == 0 && weir_stream_query(&idle, s) == 0);
  CHECK(available(a));
  mlx_array_free(a);
}

static void (*const ways[])(mlx_stream) = {by_descriptor, by_callback, by_looking};

static enum wr_step spin_run(struct wr_task *task, struct wr_stream *stream,
                             struct wr_drain *drain) {
  spin(3000 * 1000);
  return light_run(task, stream, drain);
}

/* The stream has used more than its turn. */
static void wear(mlx_stream s) {
  struct light l = {.task = {.run = spin_run}};
  CHECK(sem_init(&l.done, 0, 0) == 0);
  wr_stream_submit(inside(s), &l.task, true, light_publish);
  while (sem_wait(&l.done)) continue;
  CHECK(mlx_synchronize(s) == 0);
}

/* ---- brief tasks ---- */

static struct light brief_tasks[24];

static int brief_done(void) {
  int done = 0;
  for (int i = 0; i < 24; i++) {
    while (sem_trywait(&brief_tasks[i].done) == 0) done++;
  }
  return done;
}

/* Submits `n` tasks, of which the one numbered `heavy` is not brief. */
static int run_briefly(mlx_stream s, int n, int heavy) {
  for (int i = 0; i < n; i++) {
    brief_tasks[i] = (struct light){.task = {.run = light_run, .is_brief = i != heavy}};
    CHECK(sem_init(&brief_tasks[i].done, 0, 0) == 0);
    wr_stream_submit(inside(s), &brief_tasks[i].task, false, NULL);
  }
  wr_stream_run_brief(inside(s));
  return brief_done();
}

/* With no thread to come: what is brief is over when the call returns, by every way to ask; what
   stands behind something else, or is more than a few, is left. */
static void at_once(void) {
  int fd = -1;
  bool idle = false, over = false;
  mlx_stream s = new_stream();
  mlx_array a = chain(0, 3, s), b = sorted_bits(64, s);
  weir_event e = weir_event_new();
  CHECK(weir_event_fd(&fd, e) == 0 && submit(a) == 0 && available(a));
  CHECK(weir_event_record(e, s) == 0 && weir_event_query(&over, e) == 0 && over);
  struct pollfd p = {.fd = fd, .events = POLLIN};
  CHECK(poll(&p, 1, 0) == 1 && weir_stream_wait(s, 0) == 0);
  CHECK(weir_stream_query(&idle, s) == 0 && idle);
  CHECK(run_briefly(s, 3, 1) == 1 && mlx_synchronize(s) == 0 && brief_done() == 2);
  CHECK(run_briefly(s, 24, -1) == 8 && mlx_synchronize(s) == 0 && brief_done() == 16);
  CHECK(float_of(a) == 3 && submit(b) == 0 && !available(b));
  CHECK(mlx_synchronize(s) == 0 && available(b));
  mlx_array_free(a);
  mlx_array_free(b);
  weir_event_free(e);
  mlx_stream_free(s);
}

/* The pool has no thread left: as many stalled streams as it has workers and spare threads. */
static void brief_ones(void) {
  static struct stall stalls[3 * MOST_WORKERS];
  static mlx_stream stalled[3 * MOST_WORKERS];
  const int n = 3 * workers;
  for (int i = 0; i < n; i++) {
    stalled[i] = new_stream();
    stall_submit(&stalls[i], stalled[i]);
  }
  for (int i = 0; i < times(20, 1000); i++) at_once();
  for (int i = 0; i < n; i++) sem_post(&stalls[i].open);
  for (int i = 0; i < n; i++) {
    CHECK(mlx_synchronize(stalled[i]) == 0);
    mlx_stream_free(stalled[i]);
  }
}

static void each_way(bool worn) {
  for (int i = 0; i < 3 * times(3, 100); i++) {
    mlx_stream s = new_stream();
    if (worn) wear(s);
    ways[i % 3](s);
    mlx_stream_free(s);
  }
}

/* Spare threads come to other streams; where as many of them as workers are inside such commands
   too, one is left for streams that have used little. */
static void behind_stalls(void) {
  static struct stall stalls[2 * MOST_WORKERS];
  static mlx_stream stalled[2 * MOST_WORKERS];
  weir_runtime_stats_t stats;
  for (int i = 0; i < 2 * workers; i++) {
    stalled[i] = new_stream();
    if (i == workers) each_way(true);
    stall_begin(&stalls[i], stalled[i]);
  }
  each_way(false);
  CHECK(weir_runtime_stats(&stats) == 0 && stats.worker_threads <= (size_t)workers);
  for (int i = 0; i < 2 * workers; i++) {
    stall_end(&stalls[i]);
    mlx_stream_free(stalled[i]);
  }
  CHECK(weir_shutdown(INT64_MAX) == 0);
  CHECK(weir_runtime_stats(&stats) == 0 && stats.worker_threads == 0 && stats.other_threads == 0);
}

/* ---- P8: threads that run large kernels ---- */

/* 40 ms of a processor, in slices. */
static void kernel_part(void *ctx, int64_t begin, int64_t end) {
  (void)ctx;
  spin((uint64_t)(end - begin) * 100 * 1000);
}

static void loop_kernels(int i) {
  (void)i;
  while (!wr_load_relaxed(&enough)) wr_parallel_for(400, 1, kernel_part, NULL);
}

static void *kernels_main(void *arg) {
  run_threads(16, loop_kernels);
  return arg;
}

static sem_t asked, answered;

static void *answer(void *arg) {
  while (!wr_load_relaxed(&enough)) {
    while (sem_wait(&asked)) continue;
    sem_post(&answered);
  }
  return arg;
}

/* What it takes two threads to wake each other beside all that: the system's part. */
static void hop(mlx_stream s) {
  (void)s;
  sem_post(&asked);
  while (sem_wait(&answered)) continue;
}

static double median_of(void (*way)(mlx_stream), mlx_stream s) {
  enum { SAMPLES = 21 };
  double took[SAMPLES];
  for (int i = 0; i < SAMPLES; i++) {
    wr_nap(5000000);
    double start = seconds_now();
    way(s);
    took[i] = seconds_now() - start;
  }
  return median(took, SAMPLES);
}

static void beside_kernels(void) {
  CHECK(sem_init(&asked, 0, 0) == 0 && sem_init(&answered, 0, 0) == 0);
  mlx_stream s = new_stream();
  pthread_t busy = start_thread(kernels_main, NULL), other = start_thread(answer, NULL);
  wr_nap(200000000);
  double limit = (0.05 + 20 * median_of(hop, s)) * patience();
  CHECK(median_of(by_callback, s) < limit);
  CHECK(median_of(by_descriptor, s) < limit);
  wr_store_relaxed(&enough, true);
  sem_post(&asked);
  pthread_join(other, NULL);
  pthread_join(busy, NULL);
  mlx_stream_free(s);
}

int main(void) {
  spin_ns = 600 * 1000;
  mean_cpu();
  workers = wr_env_get()->workers > 0 ? wr_env_get()->workers : wr_cpu_count();
  CHECK(workers <= MOST_WORKERS);
  order();
  CHECK(in_child(few_turns_pass, 60) == 0);
  CHECK(in_child(brief_ones, 60) == 0);
  CHECK(in_child(behind_stalls, 60) == 0);
  CHECK(in_child(beside_kernels, 60) == 0);
  return 0;
}
