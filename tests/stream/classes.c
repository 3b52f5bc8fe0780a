/* R5, and the order in R3: which ready stream is next, counted in turns without threads; and how
   urgent a stream is by what stands in its queue and waits for it. class_turns.c has the threads.
 */

#include "base/base.h"
#include "fixtures.h"
#include "in_request.h"
#include "stream/internal.h"
#include "stream/request.h"

enum { MANY = 2000 };

static enum wr_class class_of(mlx_stream s) {
  struct wr_stream *stream = inside(s);
  wr_mutex_lock(&stream->lock);
  const struct wr_urgency u = wr_urgency_locked(stream);
  CHECK((uint32_t)u.class == wr_load_relaxed(&stream->class_now));
  wr_mutex_unlock(&stream->lock);
  return u.class;
}

static uint64_t deadline_of(mlx_stream s) {
  struct wr_stream *stream = inside(s);
  wr_mutex_lock(&stream->lock);
  const struct wr_urgency u = wr_urgency_locked(stream);
  wr_mutex_unlock(&stream->lock);
  return u.deadline;
}

/* ---- the order of turns ---- */

static struct wr_stream *take(struct wr_ready *r, bool *by_share) {
  return wr_ready_take(r, false, by_share);
}

static void put(struct wr_ready *r, struct wr_stream *s, enum wr_class class, uint64_t deadline) {
  wr_ready_append(r, s, WR_FRESH, (struct wr_urgency){.class = class, .deadline = deadline});
}

/* Streams that are ready again at once. Of eight turns one is of a lower class, and of eight of
   those one of the lowest. */
static void shares(void) {
  static struct wr_stream streams[3 * WR_CLASSES];
  struct wr_ready r = {.count = 0};
  int turns[WR_CLASSES + 1] = {0}, since[WR_CLASSES + 1] = {0}, longest[WR_CLASSES + 1] = {0};
  for (int i = 0; i < 3 * WR_CLASSES; i++) {
    put(&r, &streams[i], (enum wr_class)(WR_CLASS_HIGH + i % WR_CLASSES), 0);
  }
  for (int i = 0; i < 64 * 10; i++) {
    bool by_share;
    struct wr_stream *s = take(&r, &by_share);
    const enum wr_class class = s->ready_urgency.class;
    CHECK(by_share == (class != WR_CLASS_HIGH) && !s->in_ready_list);
    turns[class]++;
    for (int c = WR_CLASS_HIGH; c <= WR_CLASS_LOW; c++) {
      since[c] = c == (int)class ? 0 : since[c] + 1;
      if (since[c] > longest[c]) longest[c] = since[c];
    }
    put(&r, s, class, 0);
  }
  CHECK(turns[WR_CLASS_HIGH] == 56 * 10);
  CHECK(turns[WR_CLASS_NORMAL] == 7 * 10);
  CHECK(turns[WR_CLASS_LOW] == 10);
  CHECK(longest[WR_CLASS_HIGH] == 1 && longest[WR_CLASS_NORMAL] == 15);
  CHECK(longest[WR_CLASS_LOW] == 63);
}

/* Where no higher one waits, a class has all turns; and a stream is its class's share only where
   one does. */
static void alone(void) {
  struct wr_stream low = {.index = 0}, normal = {.index = 0};
  struct wr_ready r = {.count = 0};
  bool by_share;
  CHECK(!take(&r, &by_share) && !wr_ready_any(&r));
  for (int i = 0; i < 20; i++) {
    put(&r, &low, WR_CLASS_LOW, 0);
    CHECK(take(&r, &by_share) == &low && !by_share);
  }
  put(&r, &low, WR_CLASS_LOW, 0);
  put(&r, &normal, WR_CLASS_NORMAL, 0);
  CHECK(take(&r, &by_share) == &normal && take(&r, &by_share) == &low && !by_share);
}

/* R3: the earliest deadline is next, whatever came, left and moved before; those that are due at
   once in no order. */
static void earliest_first(void) {
  static struct wr_stream s[MANY];
  struct wr_ready r = {.count = 0};
  uint64_t random = 1, last = 0;
  bool by_share;
  for (int i = 0; i < MANY; i++) {
    random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    put(&r, &s[i], WR_CLASS_NORMAL, 1 + (random >> 33) % 500);
    struct wr_stream *left = &s[(random >> 40) % (uint64_t)(i + 1)];
    if (i % 5 == 4 && left->in_ready_list) wr_ready_unlink(&r, left);
    if (i % 7 == 6) {
      struct wr_stream *taken = take(&r, &by_share);
      put(&r, taken, WR_CLASS_NORMAL, 1 + (random >> 20) % 500);
    }
  }
  for (int64_t i = 0, n = r.count; i < n; i++) {
    struct wr_stream *taken = take(&r, &by_share);
    CHECK(taken->ready_urgency.deadline >= last);
    last = taken->ready_urgency.deadline;
  }
  CHECK(!wr_ready_any(&r) && !take(&r, &by_share));
}

/* Of eight turns one is of a stream without a deadline; a class goes before a deadline. */
static void due_and_not(void) {
  static struct wr_stream due[20], plain[2], high;
  struct wr_ready r = {.count = 0};
  bool by_share;
  for (int i = 0; i < 20; i++) put(&r, &due[i], WR_CLASS_NORMAL, (uint64_t)(100 - i));
  put(&r, &plain[0], WR_CLASS_NORMAL, 0);
  put(&r, &plain[1], WR_CLASS_NORMAL, 0);
  put(&r, &high, WR_CLASS_HIGH, 0);
  CHECK(take(&r, &by_share) == &high);
  for (int i = 0; i < 16; i++) {
    struct wr_stream *taken = take(&r, &by_share);
    CHECK(i % 8 == 7 ? taken == &plain[i / 8] : taken == &due[19 - (i - i / 8)]);
  }
}

/* A stream that has used much may be due first; who takes fresh ones alone leaves it. */
static void worn_ones(void) {
  struct wr_stream fresh = {.index = 0}, worn = {.index = 0};
  struct wr_ready r = {.count = 0};
  bool by_share;
  wr_ready_append(&r, &worn, WR_WORN, (struct wr_urgency){WR_CLASS_HIGH, 5});
  wr_ready_append(&r, &fresh, WR_FRESH, (struct wr_urgency){WR_CLASS_LOW, 9});
  CHECK(wr_ready_take(&r, true, &by_share) == &fresh && !wr_ready_take(&r, true, &by_share));
  wr_ready_append(&r, &fresh, WR_FRESH, (struct wr_urgency){WR_CLASS_HIGH, 9});
  CHECK(take(&r, &by_share) == &worn && take(&r, &by_share) == &fresh);
}

/* ---- what a stream wants ---- */

static weir_request request_of(weir_class class) {
  weir_request r = weir_request_new();
  CHECK(weir_request_set_class(r, class) == 0);
  return r;
}

static void synchronize(mlx_stream s) { CHECK(mlx_synchronize(s) == 0); }

/* The request's class wins over the stream's; a queue has the highest class that stands in it, and
   no longer than that. */
static void of_a_queue(void) {
  struct stall stall;
  mlx_stream s = new_stream();
  weir_request high = request_of(WEIR_CLASS_HIGH), low = request_of(WEIR_CLASS_LOW);
  weir_request any = request_of(WEIR_CLASS_DEFAULT);
  mlx_array a = sorted_bits(64, s), b = sorted_bits(64, s), c = sorted_bits(64, s);
  CHECK(class_of(s) == WR_CLASS_NORMAL);
  CHECK(weir_stream_set_class(s, WEIR_CLASS_LOW) == 0 && class_of(s) == WR_CLASS_LOW);
  stall_begin(&stall, s);
  CHECK(submit_in(any, a) == 0 && class_of(s) == WR_CLASS_LOW);
  CHECK(weir_stream_set_class(s, WEIR_CLASS_HIGH) == 0 && class_of(s) == WR_CLASS_LOW);
  CHECK(submit_in(low, b) == 0 && class_of(s) == WR_CLASS_LOW);
  CHECK(weir_stream_set_class(s, WEIR_CLASS_DEFAULT) == 0);
  CHECK(submit_in(high, c) == 0 && class_of(s) == WR_CLASS_HIGH);
  stall_end(&stall);
  synchronize(s);
  CHECK(available(a) && available(b) && available(c));
  while (class_of(s) != WR_CLASS_NORMAL) sched_yield(); /* the drainer is about to leave */
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(c);
  weir_request_free(high);
  weir_request_free(low);
  weir_request_free(any);
  mlx_stream_free(s);
}

static enum wr_step nothing_run(struct wr_task *task, struct wr_stream *stream,
                                struct wr_drain *drain) {
  (void)task, (void)stream, (void)drain;
  return WR_STEP_DONE;
}

static void submit_due(struct wr_task *task, mlx_stream s, uint64_t deadline) {
  *task = (struct wr_task){.run = nothing_run, .wants = {.deadline = deadline}};
  wr_stream_submit(inside(s), task, true, NULL);
}

/* R3: the earliest deadline of a queue, wherever it stands, as long as it stands there. */
static void due_of_a_queue(void) {
  static const uint64_t deadlines[] = {50, 90, 30, 0, 70, 60, 80, 0};
  static const uint64_t left[] = {30, 30, 60, 60, 60, 80, 0, 0};
  struct wr_task tasks[8];
  mlx_stream s = new_stream();
  struct wr_stream *stream = inside(s);
  struct stall stall;
  stall_begin(&stall, s);
  CHECK(deadline_of(s) == 0);
  for (int i = 0; i < 8; i++) submit_due(&tasks[i], s, deadlines[i]);
  CHECK(deadline_of(s) == 30);
  wr_stream_raise(stream, (struct wr_urgency){.deadline = 20});
  CHECK(deadline_of(s) == 20); /* until all of them are over */
  stall_end(&stall);
  synchronize(s);
  CHECK(deadline_of(s) == 0);
  stall_begin(&stall, s);
  for (int i = 0; i < 8; i++) submit_due(&tasks[i], s, deadlines[i]);
  wr_mutex_lock(&stream->lock);
  for (int i = 0; i < 8; i++) {
    wr_urgency_pop_locked(stream, &tasks[i]);
    CHECK(wr_urgency_locked(stream).deadline == left[i]);
    wr_urgency_unpop_locked(stream, &tasks[i]); /* it had to wait */
    wr_urgency_pop_locked(stream, &tasks[i]);
    CHECK(wr_urgency_locked(stream).deadline == left[i]);
  }
  wr_mutex_unlock(&stream->lock);
  stall_end(&stall);
  synchronize(s);
  mlx_stream_free(s);
}

/* ---- what is waited for ---- */

/* A chain over three streams, stalled at its beginning; the end is forced in a request of high
   class. So all that it waits for is of high class, until that is over. */
static void waits_are_inherited(bool chain_first) {
  struct stall stall;
  mlx_stream s[3];
  weir_request high = request_of(WEIR_CLASS_HIGH);
  for (int i = 0; i < 3; i++) {
    s[i] = new_stream();
    CHECK(weir_stream_set_class(s[i], WEIR_CLASS_LOW) == 0);
  }
  stall_begin(&stall, s[0]);
  mlx_array a = sorted_bits(64, s[0]), b = mlx_array_new(), c = mlx_array_new();
  CHECK(mlx_sort(&b, a, s[1]) == 0 && mlx_sort(&c, b, s[2]) == 0);
  if (chain_first) {
    CHECK(submit(c) == 0);
    for (int i = 0; i < 3; i++) CHECK(class_of(s[i]) == WR_CLASS_LOW);
    while (!wr_load_relaxed(&inside(s[2])->asleep)) sched_yield();
    while (!wr_load_relaxed(&inside(s[1])->asleep)) sched_yield();
    mlx_array d = mlx_array_new();
    CHECK(mlx_sort(&d, c, s[2]) == 0 && submit_in(high, d) == 0);
    mlx_array_free(d);
  } else {
    CHECK(submit_in(high, c) == 0);
  }
  for (int i = 0; i < 3; i++) {
    while (class_of(s[i]) != WR_CLASS_HIGH) sched_yield();
  }
  stall_end(&stall);
  synchronize(s[2]);
  for (int i = 0; i < 3; i++) {
    while (class_of(s[i]) != WR_CLASS_LOW) sched_yield();
    mlx_stream_free(s[i]);
  }
  CHECK(available(c));
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(c);
  weir_request_free(high);
}

static void inherited(void) {
  waits_are_inherited(false);
  waits_are_inherited(true);
}

struct waiter {
  weir_request request;
  weir_event event;
  mlx_array array;
};

static void *wait_for_event(void *arg) {
  struct waiter *w = arg;
  CHECK(weir_request_enter(w->request) == 0);
  CHECK(weir_event_synchronize(w->event, INT64_MAX) == 0);
  CHECK(weir_request_leave() == 0);
  return NULL;
}

static void *wait_for_value(void *arg) {
  struct waiter *w = arg;
  CHECK(weir_request_enter(w->request) == 0);
  CHECK(mlx_array_eval(w->array) == 0);
  CHECK(weir_request_leave() == 0);
  return NULL;
}

/* A thread of a request that waits raises what it waits for, and what that is behind; a request of
   low class nothing. */
static void of_threads(void *(*wait)(void *), weir_class class, enum wr_class seen) {
  struct stall stall;
  mlx_stream s = new_stream(), other = new_stream();
  CHECK(weir_stream_set_class(s, WEIR_CLASS_NORMAL) == 0);
  stall_begin(&stall, s);
  struct waiter w = {.request = request_of(class), .event = weir_event_new()};
  mlx_array a = sorted_bits(64, s);
  w.array = mlx_array_new();
  CHECK(mlx_sort(&w.array, a, other) == 0 && submit(w.array) == 0);
  CHECK(weir_event_record(w.event, other) == 0);
  while (!wr_load_relaxed(&inside(other)->asleep)) sched_yield();
  pthread_t thread = start_thread(wait, &w);
  while (seen == WR_CLASS_HIGH && class_of(s) != seen) sched_yield();
  usleep(20000); /* of a low one nothing is to come */
  CHECK(class_of(s) == seen && class_of(other) == seen);
  stall_end(&stall);
  pthread_join(thread, NULL);
  mlx_array_free(a);
  mlx_array_free(w.array);
  weir_event_free(w.event);
  weir_request_free(w.request);
  mlx_stream_free(s);
  mlx_stream_free(other);
}

static void by_threads(void) {
  of_threads(wait_for_event, WEIR_CLASS_HIGH, WR_CLASS_HIGH);
  of_threads(wait_for_value, WEIR_CLASS_HIGH, WR_CLASS_HIGH);
  of_threads(wait_for_event, WEIR_CLASS_LOW, WR_CLASS_NORMAL);
}

/* K11: in the child of a fork a stream has its own class, and nothing in flight, whatever it was
   raised to; it works, and can be raised again. */
static void in_a_child(void) {
  struct stall stall;
  int status = 0;
  mlx_stream s = new_stream();
  weir_request high = request_of(WEIR_CLASS_HIGH);
  mlx_array a = sorted_bits(64, s), b = sorted_bits(64, s);
  CHECK(weir_stream_set_class(s, WEIR_CLASS_LOW) == 0);
  stall_begin(&stall, s);
  CHECK(weir_request_set_deadline(high, INT64_C(3600000000000)) == 0 && submit_in(high, a) == 0);
  CHECK(class_of(s) == WR_CLASS_HIGH && deadline_of(s) != 0);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    struct stall again;
    alarm(30);
    CHECK(class_of(s) == WR_CLASS_LOW && deadline_of(s) == 0);
    stall_begin(&again, s);
    CHECK(submit(b) == 0 && class_of(s) == WR_CLASS_LOW);
    CHECK(submit_in(high, a) == 0 && class_of(s) == WR_CLASS_HIGH);
    stall_end(&again);
    synchronize(s);
    CHECK(available(a) && available(b));
    _exit(42);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42);
  stall_end(&stall);
  synchronize(s);
  CHECK(available(a) && mlx_array_eval(b) == 0);
  mlx_array_free(a);
  mlx_array_free(b);
  weir_request_free(high);
  mlx_stream_free(s);
}

int main(void) {
  mean_cpu();
  shares();
  alone();
  earliest_first();
  due_and_not();
  worn_ones();
  CHECK(in_child(of_a_queue, 60) == 0);
  CHECK(in_child(due_of_a_queue, 60) == 0);
  CHECK(in_child(inherited, 60) == 0);
  CHECK(in_child(by_threads, 60) == 0);
  if (!SANITIZED) CHECK(in_child(in_a_child, 60) == 0);
  return 0;
}
