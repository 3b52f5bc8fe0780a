/* R5, and the order in R3, as threads see them: turns of one thread, which tasks write down; slices
   of kernels; and streams that always have more to do, beside which turns are counted. What the
   order is, and how urgent a stream is, has classes.c. */

#include "anew.h"
#include "base/base.h"
#include "fake_device.h"
#include "fixtures.h"
#include "grind.h"
#include "stream/internal.h"

static void synchronize(mlx_stream s) { CHECK(mlx_synchronize(s) == 0); }

/* ---- one worker ---- */

enum { EACH = 24, ALL = EACH * WR_CLASSES, THREADS = 3, WORKERS = 4 };

/* A task that writes down when it ran, on a stream of its own. */
struct note {
  struct wr_task task;
  mlx_stream stream;
};

static struct note notes[ALL];
static struct wr_urgency ran[ALL];
static wr_atomic_u32 n_ran;
static sem_t all_ran;

static enum wr_step note_run(struct wr_task *task, struct wr_stream *stream,
                             struct wr_drain *drain) {
  (void)stream, (void)drain;
  struct note *n = (struct note *)(void *)task;
  uint32_t i = wr_fetch_add_relaxed(&n_ran, 1u);
  ran[i] = n->task.wants;
  if (i + 1 == ALL) sem_post(&all_ran);
  return WR_STEP_DONE;
}

static struct stall stalls[THREADS];
static mlx_stream stalled[THREADS];

/* The worker and all that may come in its place are inside long commands, until one of them comes
   out: that one takes all streams, in the order of the lists. */
static void stall_all(void) {
  CHECK(sem_init(&all_ran, 0, 0) == 0);
  for (int i = 0; i < THREADS; i++) {
    stalled[i] = new_stream();
    stall_begin(&stalls[i], stalled[i]);
  }
}

static void run_in_order(void) {
  stall_end(&stalls[0]);
  while (sem_wait(&all_ran)) continue;
  for (int i = 1; i < THREADS; i++) stall_end(&stalls[i]);
  for (int i = 0; i < THREADS; i++) mlx_stream_free(stalled[i]);
  for (int i = 0; i < ALL; i++) {
    synchronize(notes[i].stream);
    mlx_stream_free(notes[i].stream);
  }
}

/* Streams of a device are fed by the same threads, in the same order. */
static bool on_device;

static void submit_note(int i, enum wr_class class, uint64_t deadline) {
  const struct wr_urgency wants = {.class = class, .deadline = deadline};
  notes[i] = (struct note){.task = {.run = note_run, .wants = wants},
                           .stream = on_device ? new_gpu_stream() : new_stream()};
  wr_stream_submit(inside(notes[i].stream), &notes[i].task, true, NULL);
}

static void turns_of_one_thread(void) {
  static struct wr_stream fakes[ALL];
  struct wr_ready r = {.count = 0};
  stall_all();
  for (int i = 0; i < ALL; i++) {
    const enum wr_class class = (enum wr_class)(WR_CLASS_LOW - i / EACH);
    wr_ready_append(&r, &fakes[i], WR_FRESH, (struct wr_urgency){.class = class});
    submit_note(i, class, 0);
  }
  run_in_order();
  for (int i = 0; i < ALL; i++) {
    bool by_share;
    CHECK(wr_ready_take(&r, false, &by_share)->ready_urgency.class == ran[i].class);
  }
}

static void turns_on_a_device(void) {
  fake_device_install();
  on_device = true;
  turns_of_one_thread();
}

/* R3 */
static void turns_by_deadline(void) {
  stall_all();
  for (int i = 0; i < ALL; i++) submit_note(i, WR_CLASS_NORMAL, 1 + (uint64_t)i * 29 % ALL);
  run_in_order();
  for (int i = 0; i < ALL; i++) CHECK(ran[i].deadline == 1 + (uint64_t)i);
}

static void post_when_told(void *sem) { sem_post(sem); }

/* The same of requests, as their callers see it: values come in the order of the deadlines, though
   what was submitted last has the earliest. */
static void requests_by_deadline(void) {
  enum { N = 20 };
  weir_request requests[N];
  mlx_stream streams[N];
  mlx_array sorted[N];
  weir_event over[N];
  stall_all();
  for (int i = 0; i < N; i++) {
    streams[i] = new_stream();
    over[i] = weir_event_new();
    requests[i] = weir_request_new();
    sorted[i] = sorted_bits(64, streams[i]);
    CHECK(weir_request_set_deadline(requests[i], (int64_t)(N - i) * 3600 * 1000000000) == 0);
    CHECK(weir_request_enter(requests[i]) == 0);
    CHECK(submit(sorted[i]) == 0 && weir_event_record(over[i], streams[i]) == 0);
    CHECK(weir_request_leave() == 0);
    CHECK(weir_stream_on_idle(streams[i], post_when_told, &all_ran) == 0);
  }
  stall_end(&stalls[0]);
  for (int i = 0; i < N; i++) { /* without a wait that another thread would help */
    while (sem_wait(&all_ran)) continue;
  }
  for (int i = 1; i < N; i++) {
    int64_t ns = -1;
    CHECK(weir_event_elapsed(&ns, over[i], over[i - 1]) == 0 && ns >= 0);
  }
  for (int i = 1; i < THREADS; i++) stall_end(&stalls[i]);
  for (int i = 0; i < THREADS; i++) mlx_stream_free(stalled[i]);
  for (int i = 0; i < N; i++) {
    weir_event_free(over[i]);
    mlx_array_free(sorted[i]);
    weir_request_free(requests[i]);
    mlx_stream_free(streams[i]);
  }
}

/* ---- slices ---- */

enum { PARTS = 400 };

struct kernel {
  struct wr_task task;
  pthread_t caller;
  wr_atomic_u32 by_workers; /* slices */
  wr_atomic_u32 beside;     /* of those while the high one had slices left */
  mlx_stream stream;
};

static struct kernel kernels[2]; /* low and high */
static wr_atomic_bool high_is_open, is_high;

static void kernel_part(void *ctx, int64_t begin, int64_t end) {
  struct kernel *k = ctx;
  const bool by_worker = !pthread_equal(pthread_self(), k->caller);
  if (k == &kernels[1]) wr_store_relaxed(&high_is_open, end < PARTS);
  if (by_worker) wr_fetch_add_relaxed(&k->by_workers, 1u);
  if (by_worker && wr_load_relaxed(&high_is_open) && wr_load_relaxed(&is_high)) {
    wr_fetch_add_relaxed(&k->beside, 1u);
  }
  wr_nap((uint64_t)(end - begin) * 100 * 1000);
}

static enum wr_step kernel_run(struct wr_task *task, struct wr_stream *stream,
                               struct wr_drain *drain) {
  (void)stream, (void)drain;
  wr_parallel_for(PARTS, 1, kernel_part, (struct kernel *)(void *)task);
  return WR_STEP_DONE;
}

/* The calling thread drains the stream, and so calls the kernel. */
static void *call_kernel(void *arg) {
  struct kernel *k = arg;
  k->caller = pthread_self();
  wr_stream_submit(inside(k->stream), &k->task, false, NULL);
  synchronize(k->stream);
  return NULL;
}

/* Workers leave a kernel of low class for one of high class, after the slice in progress, also
   where the high one was low before somebody waited for it. */
static void slices(bool raised) {
  pthread_t threads[2];
  wr_store_relaxed(&is_high, false);
  for (int i = 0; i < 2; i++) {
    kernels[i] = (struct kernel){.task = {.run = kernel_run}, .stream = new_stream()};
    wr_stream_set_class(inside(kernels[i].stream), i && !raised ? WR_CLASS_HIGH : WR_CLASS_LOW);
  }
  threads[0] = start_thread(call_kernel, &kernels[0]);
  while (wr_load_relaxed(&kernels[0].by_workers) < 3) sched_yield();
  threads[1] = start_thread(call_kernel, &kernels[1]);
  if (raised) {
    while (!wr_load_relaxed(&high_is_open)) sched_yield();
    wr_stream_raise(inside(kernels[1].stream), (struct wr_urgency){.class = WR_CLASS_HIGH});
  }
  wr_store_relaxed(&is_high, true);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  CHECK(wr_load_relaxed(&kernels[1].by_workers) > 0);
  CHECK(wr_load_relaxed(&kernels[0].beside) <= 2 * WORKERS);
  for (int i = 0; i < 2; i++) mlx_stream_free(kernels[i].stream);
}

static void slices_by_class(void) {
  slices(false);
  slices(true);
}

/* ---- streams that always have more to do ---- */

/* How many tasks of eight busy streams of one class pass a task of another, on one worker: the
   least of some, since this thread may lose its processor as it submits. */
static uint64_t least_beside(enum wr_class busy, enum wr_class light, uint64_t ns) {
  enum { BUSY = 8 };
  struct wr_task tasks[BUSY];
  mlx_stream busy_ones[BUSY], s = new_stream();
  uint64_t least = UINT64_MAX;
  spin_ns = ns;
  wr_store_relaxed(&enough, false);
  wr_stream_set_class(inside(s), light);
  for (int i = 0; i < BUSY; i++) {
    busy_ones[i] = new_stream();
    wr_stream_set_class(inside(busy_ones[i]), busy);
    tasks[i] = (struct wr_task){.run = grind_run};
    wr_stream_submit(inside(busy_ones[i]), &tasks[i], true, NULL);
  }
  for (int i = 0; i < 20; i++) {
    wr_nap(5000000);
    uint64_t passed = passed_by(s);
    if (passed < least) least = passed;
  }
  wr_store_relaxed(&enough, true);
  for (int i = 0; i < BUSY; i++) {
    synchronize(busy_ones[i]);
    mlx_stream_free(busy_ones[i]);
  }
  mlx_stream_free(s);
  return least;
}

/* Never for ever: after seven turns of a higher class it is a lower one's turn; and the turn of a
   lower one ends with the command in progress once a higher one is ready. A turn is one task of
   the first kind, and 50 of the second. */
static void never_for_ever(void) {
  CHECK(least_beside(WR_CLASS_HIGH, WR_CLASS_LOW, 600 * 1000) <= 8 + 2);
  CHECK(least_beside(WR_CLASS_NORMAL, WR_CLASS_LOW, 600 * 1000) <= 8 + 2);
}

static void gives_way(void) {
  CHECK(least_beside(WR_CLASS_LOW, WR_CLASS_HIGH, 600 * 1000) <= 2);
  CHECK(least_beside(WR_CLASS_LOW, WR_CLASS_NORMAL, 10 * 1000) <= 8);
}

int main(int argc, char **argv) {
  mean_cpu();
  if (argc == 1) {
    CHECK(setenv("WEIR_NUM_THREADS", "4", 1) == 0);
    run_anew("workers");
  }
  if (strcmp(argv[1], "workers") == 0) {
    CHECK(in_child(slices_by_class, 60) == 0);
    CHECK(setenv("WEIR_NUM_THREADS", "1", 1) == 0);
    run_anew("one worker");
  }
  CHECK(in_child(turns_of_one_thread, 60) == 0);
  CHECK(in_child(turns_on_a_device, 60) == 0);
  CHECK(in_child(turns_by_deadline, 60) == 0);
  CHECK(in_child(requests_by_deadline, 60) == 0);
  CHECK(in_child(never_for_ever, 60) == 0);
  CHECK(in_child(gives_way, 60) == 0);
  return 0;
}
