/* What NCCL's groups have to do: one thread that may block, the driver, starts what is in their
   channels, in their order, and looks whether it is over. A send or recv is started once the hub
   has said that the other side is there, in the hub's order.

   What is started cannot be taken back: where a process is gone, or says that the group is over,
   what is under way has a second to end by itself, as all it needs may be there; then the
   communicators are aborted, which ends it. Lock: EVENT, for what comes to the driver; held with no
   other. */

#include <sched.h>
#include <stdio.h>

#include "base/doing.h"
#include "base/fork.h"
#include "distributed/nccl.h"
#include "stream/stream.h"

enum { MOST_UNDER_WAY = 64 };
static const uint64_t grace_ns = UINT64_C(1000000000);

_Static_assert((int)WR_EXCHANGE_SUM == WR_ALL_SUM && (int)WR_EXCHANGE_MAX == WR_ALL_MAX &&
                   (int)WR_EXCHANGE_MIN == WR_ALL_MIN && (int)WR_EXCHANGE_GATHER == WR_ALL_GATHER &&
                   (int)WR_EXCHANGE_SCATTER == WR_SUM_SCATTER && (int)WR_EXCHANGE_SEND == WR_SEND &&
                   (int)WR_EXCHANGE_RECV == WR_RECV,
               "one is the other");

/* ---- the driver's work ---- */

enum state {
  MEETS, /* the communicators are being made; there is no job */
  NEW,
  OFFERED,
  READY,
  STARTING,
  RUNS
};

struct wr_nccl_op {
  struct wr_nccl_op *next;
  struct wr_nccl *group; /* the job's reference, or the meeting's */
  struct wr_job *job;    /* NULL: a meeting */
  enum state state;
  struct wr_nccl_lane *lane;
  struct wr_exchange_mark *mark;
  uint32_t go;    /* of WR_NCCL_PEERS: its place in the hub's order */
  uint64_t until; /* of wr_clock_ns */
  bool told;      /* the group is over, and it has a second */
  struct wr_doing *doing;
  char words[WR_JOB_WORDS];
};

/* A group that is being made; the thread that makes it waits. */
struct meeting {
  struct wr_nccl_op op;
  struct meeting *next; /* under LOCK */
  const char (*ids)[WR_EXCHANGE_ID_BYTES];
  struct wr_cond over_cond; /* with LOCK */
  bool over;                /* under LOCK */
  struct wr_error *error;   /* under LOCK */
};

/* A channel that has jobs. */
struct coming {
  struct coming *next;
  struct wr_comm *group; /* the channel's reference */
  int channel;
};

static void drive(void *work);

static struct {
  struct wr_mutex lock;
  struct coming *coming;    /* under LOCK: what the driver has not seen yet, the latest last */
  struct meeting *meetings; /* under LOCK: the same */
  bool running;             /* under LOCK */
  struct wr_blocking work;
  struct wr_nccl_op *first, **last; /* the driver only, like all below */
  uint64_t turn;
} driver = {.lock = WR_MUTEX_INIT(WR_RANK_EVENT), .work = {.run = drive}};

static void forget_in_child(void) {
  driver.coming = NULL;
  driver.meetings = NULL;
  driver.first = NULL;
  driver.running = false;
}

WR_AT_FORK(.rank = WR_RANK_EVENT, .lock = &driver.lock, .child = forget_in_child)

/* Takes the reference. */
struct wr_error *wr_nccl_named(struct wr_error *error) {
  return error ? wr_error_prefix_take(error, "[nccl] ") : NULL;
}

/* ---- the end of groups ---- */

/* What was said first comes first: who has said that the group is over may be gone since. */
static struct wr_error *what_line_says(const struct wr_nccl *g) {
  const struct wr_nccl_line *l = g->line;
  if (wr_nccl_has_failed(l, g->id)) {
    return wr_error_new(WEIR_ERROR_DEVICE, "[nccl] The group is over, as another process has said");
  }
  for (int i = 0; i < g->group.size; i++) {
    if (!l->gone[g->members[i]]) continue;
    return wr_error_new(WEIR_ERROR_DEVICE,
                        "[nccl] The connection to rank %d is lost: it was closed there", i);
  }
  if (!l->over) return NULL;
  return wr_error_new(WEIR_ERROR_DEVICE, "[nccl] The connection to rank 0 is lost");
}

/* A reference; NULL while the group is not over. */
static struct wr_error *failure_of(struct wr_nccl *g) {
  if (g->seen != g->line->changes) {
    g->seen = g->line->changes;
    struct wr_error *error = what_line_says(g);
    if (error) wr_comm_fail(&g->group, error);
  }
  return wr_comm_failure(&g->group);
}

static void abort_lanes(struct wr_nccl *g) {
  g->aborted = true;
  for (int i = 0; i < WR_NCCL_LANES; i++) {
    struct wr_nccl_lane *lane = &g->lanes[i];
    if (lane->communicator) wr_nccl_device()->abort(lane->communicator);
    lane->starting = NULL;
  }
}

/* ---- one command ---- */

static void end_op(struct wr_nccl_op *o, struct wr_error *error) {
  if (o->mark) wr_nccl_device()->mark_free(o->lane->communicator, o->mark);
  if (o->state == RUNS) o->lane->under_way--;
  if (o->state == RUNS) o->lane->came_on = wr_clock_ns();
  if (o->lane && o->lane->starting == o) o->lane->starting = NULL;
  wr_doing_end(o->doing);
  wr_job_end(o->job, error);
  wr_free(o);
}

/* Ends it with what ended the group. */
static void end_failed(struct wr_nccl_op *o) { end_op(o, wr_comm_failure(&o->group->group)); }

/* What it reads and writes is there until the device has done with it. */
static void abandon(struct wr_nccl_op *o) {
  enum { PATIENCE_S = 5 };
  struct wr_communicator *c = o->lane->communicator;
  const uint64_t until = wr_clock_ns() + PATIENCE_S * UINT64_C(1000000000);
  struct wr_error *error = NULL;
  bool over = false;
  if (!o->group->aborted) abort_lanes(o->group);
  if (!o->mark) error = wr_nccl_device()->mark(c, &o->mark);
  while (!error && !over && wr_clock_ns() < until) {
    error = wr_nccl_device()->over(c, o->mark, &over);
    if (!over) wr_nap(50000);
  }
  if (!over) wr_nccl_device()->give_up(c);
  wr_error_release(error);
  end_failed(o);
}

/* Takes the error of a command that was not started; the group is over. */
static bool refuse(struct wr_nccl_op *o, struct wr_error *error) {
  wr_comm_fail(&o->group->group, error);
  end_failed(o);
  return true;
}

/* Takes that of one that was. */
static bool refuse_started(struct wr_nccl_op *o, struct wr_error *error) {
  wr_comm_fail(&o->group->group, error);
  abandon(o);
  return true;
}

static struct wr_error *late(const struct wr_nccl_op *o) {
  return wr_error_new(WEIR_ERROR_TIMEOUT,
                      "[nccl] It is not over after %g s (WEIR_DISTRIBUTED_TIMEOUT)",
                      (double)o->group->group.limit_ns * 1e-9);
}

/* What is before it on its lane may take its time, as long as some of it is over now and then. */
static bool is_late(const struct wr_nccl_op *o, uint64_t now) {
  const uint64_t limit = o->group->group.limit_ns;
  return now >= o->until && (o->told || !o->lane || now >= o->lane->came_on + limit);
}

/* Why it has to be ended now; NULL: it may go on. With `grace` it has a second once the group is
   over. */
static struct wr_error *overdue(struct wr_nccl_op *o, bool grace) {
  const uint64_t now = wr_clock_ns();
  struct wr_error *error = failure_of(o->group);
  if (error && grace && !o->told) {
    o->told = true;
    if (now + grace_ns < o->until) o->until = now + grace_ns;
  }
  if (is_late(o, now)) return error ? error : late(o);
  if (!grace) return error;
  wr_error_release(error);
  return NULL;
}

static bool is_peers(const struct wr_nccl_op *o) {
  return o->job->what == WR_SEND || o->job->what == WR_RECV;
}

static void offer(struct wr_nccl_op *o) {
  const struct wr_job *job = o->job;
  const struct wr_nccl *g = o->group;
  const bool sends = job->what == WR_SEND;
  const uint32_t me = g->members[g->group.rank], other = g->members[job->peer];
  const struct wr_nccl_word word = {.kind = sends ? WR_NCCL_OFFERS_SEND : WR_NCCL_OFFERS_RECV,
                                    .dtype = (uint32_t)job->dtype,
                                    .sender = sends ? me : other,
                                    .receiver = sends ? other : me,
                                    .group = g->id,
                                    .count = job->count};
  wr_nccl_say(g->line, &word);
}

static bool step_new(struct wr_nccl_op *o) {
  struct wr_error *error = failure_of(o->group);
  if (error) {
    end_op(o, error);
    return true;
  }
  if (o->job->why) return refuse(o, wr_error_retain(o->job->why));
  o->state = is_peers(o) ? OFFERED : READY;
  if (o->state == OFFERED) offer(o);
  return false;
}

static bool step_offered(struct wr_nccl_op *o) {
  struct wr_error *error = overdue(o, false);
  return error && refuse(o, error);
}

static struct wr_error *start(struct wr_nccl_op *o) {
  const struct wr_job *job = o->job;
  const struct wr_exchange x = {.kind = (enum wr_exchange_kind)job->what,
                                .dtype = job->dtype,
                                .peer = job->peer,
                                .count = job->count,
                                .in = job->in,
                                .out = job->out,
                                .encoder = job->encoder};
  o->state = STARTING;
  o->lane->starting = o;
  return wr_nccl_named(wr_nccl_device()->start(o->lane->communicator, &x));
}

static bool step_ready(struct wr_nccl_op *o) {
  struct wr_nccl *g = o->group;
  struct wr_error *error = overdue(o, false);
  if (error) return refuse(o, error);
  if (o->lane->starting || o->lane->under_way >= MOST_UNDER_WAY) return false;
  if (is_peers(o) && o->go != g->started + 1) return false;
  if (is_peers(o)) g->started++;
  error = start(o);
  return error && refuse_started(o, error);
}

static bool step_starting(struct wr_nccl_op *o) {
  bool yes = false;
  struct wr_error *error = wr_nccl_named(wr_nccl_device()->settled(o->lane->communicator, &yes));
  if (!error && yes) error = wr_nccl_named(wr_nccl_device()->mark(o->lane->communicator, &o->mark));
  if (error) return refuse_started(o, error);
  if (yes) {
    o->lane->starting = NULL;
    o->lane->under_way++;
    o->state = RUNS;
    return false;
  }
  error = overdue(o, true);
  return error && refuse_started(o, error);
}

/* What was started later on a lane is over later. */
static bool step_runs(struct wr_nccl_op *o) {
  bool over = false, settled;
  struct wr_error *error = NULL;
  if (o->group->aborted) {
    abandon(o);
    return true;
  }
  if (o->lane->waited == driver.turn) return false;
  error = wr_nccl_named(wr_nccl_device()->over(o->lane->communicator, o->mark, &over));
  if (!error && over) {
    end_op(o, NULL);
    return true;
  }
  o->lane->waited = driver.turn;
  if (!error) error = wr_nccl_named(wr_nccl_device()->settled(o->lane->communicator, &settled));
  if (!error) error = overdue(o, true);
  return error && refuse_started(o, error);
}

/* ---- meetings ---- */

static void end_meeting(struct wr_nccl_op *o, struct wr_error *error) {
  struct meeting *m = WR_CONTAINER_OF(o, struct meeting, op);
  wr_mutex_lock(&driver.lock);
  m->error = error;
  m->over = true;
  wr_cond_signal(&m->over_cond);
  wr_mutex_unlock(&driver.lock);
}

/* One after the other. */
static bool step_meets(struct wr_nccl_op *o) {
  const struct meeting *m = WR_CONTAINER_OF(o, struct meeting, op);
  struct wr_nccl *g = o->group;
  struct wr_error *error = overdue(o, false);
  for (int i = 0; i < WR_NCCL_LANES && !error; i++) {
    struct wr_nccl_lane *lane = &g->lanes[i];
    bool yes = false;
    if (!lane->communicator) {
      error = wr_nccl_named(wr_nccl_device()->begin(g->device, g->group.rank, g->group.size,
                                                    m->ids[i], &lane->communicator));
    }
    if (!error) error = wr_nccl_named(wr_nccl_device()->settled(lane->communicator, &yes));
    if (!error && !yes) return false;
  }
  if (error) {
    wr_comm_fail(&g->group, wr_error_retain(error));
    abort_lanes(g);
  }
  end_meeting(o, error);
  return true;
}

static bool step(struct wr_nccl_op *o) {
  static bool (*const steps[])(struct wr_nccl_op *) = {
      [MEETS] = step_meets, [NEW] = step_new,           [OFFERED] = step_offered,
      [READY] = step_ready, [STARTING] = step_starting, [RUNS] = step_runs};
  return steps[o->state](o);
}

/* All that can be done without a wait; true when it is over, and `o` is gone. */
static bool advance(struct wr_nccl_op *o, bool *any) {
  enum state before;
  do {
    before = o->state;
    if (step(o)) {
      *any = true;
      return true;
    }
    *any = *any || o->state != before;
  } while (o->state != before);
  return false;
}

/* ---- the driver ---- */

static void append_op(struct wr_nccl_op *o) {
  if (!driver.first) driver.last = &driver.first;
  o->next = NULL;
  *driver.last = o;
  driver.last = &o->next;
}

/* Nothing will be done; only what is told to others. */
static void refuse_job(struct wr_job *job, struct wr_error *error) {
  struct wr_comm *group = job->group;
  wr_comm_fail(group, error);
  wr_job_end(job, wr_comm_failure(group));
}

static uint64_t time_from_now(uint64_t limit_ns) {
  return limit_ns ? wr_clock_ns() + limit_ns : UINT64_MAX;
}

static void take_job(struct wr_job *job) {
  struct wr_nccl_op *o = wr_calloc(sizeof *o);
  if (!o) {
    refuse_job(job, wr_error_out_of_memory());
    return;
  }
  o->group = wr_nccl_of(job->group);
  o->job = job;
  o->state = NEW;
  o->lane = &o->group->lanes[is_peers(o) ? WR_NCCL_PEERS : WR_NCCL_COLLECTIVES];
  o->until = time_from_now(job->group->limit_ns);
  wr_job_words(job, false, o->words);
  o->doing = wr_doing_begin(WR_DOING_COLLECTIVE, job, NULL, o->words);
  append_op(o);
}

/* All that is filled; who fills more comes with the channel again. */
static void take_channel(struct wr_comm *group, int channel) {
  struct wr_job *job;
  while ((job = wr_channel_take(group, channel)) != NULL) take_job(job);
  wr_comm_release(group);
}

/* False: there is nothing to do, and the driver ends, which it may. */
static bool take_coming(bool *any, bool may_end) {
  wr_mutex_lock(&driver.lock);
  struct coming *coming = driver.coming;
  struct meeting *meetings = driver.meetings;
  driver.coming = NULL;
  driver.meetings = NULL;
  driver.running = coming || meetings || driver.first || !may_end;
  const bool go_on = driver.running;
  wr_mutex_unlock(&driver.lock);
  *any = coming || meetings;
  while (meetings) {
    struct wr_nccl_op *o = &meetings->op;
    meetings = meetings->next;
    append_op(o);
  }
  while (coming) {
    struct coming *c = coming;
    coming = c->next;
    take_channel(c->group, c->channel);
    wr_free(c);
  }
  return go_on;
}

static bool is_meant(const struct wr_nccl_op *o, const struct wr_nccl_word *word) {
  if (o->state != OFFERED || o->group->id != word->group) return false;
  const bool sends = o->job->what == WR_SEND;
  const uint32_t me = o->group->members[o->group->group.rank];
  const uint32_t other = o->group->members[o->job->peer];
  return word->sender == (sends ? me : other) && word->receiver == (sends ? other : me);
}

/* The oldest that was offered to that process. */
static void begin_exchange(const struct wr_nccl_word *word) {
  struct wr_nccl_op *o = driver.first;
  while (o && !is_meant(o, word)) o = o->next;
  if (!o) return;
  if (word->kind == WR_NCCL_GO) {
    o->go = ++o->group->goes;
    o->state = READY;
    return;
  }
  wr_comm_fail(&o->group->group,
               wr_error_new(WEIR_ERROR_STATE,
                            "[nccl] Rank %d does not do the same: it and this process do not mean "
                            "the same number of elements of one type in %s, here %zu of %s",
                            o->job->peer, wr_collective_names[o->job->what], o->job->count,
                            wr_dtype_name(o->job->dtype)));
}

static void hear_lines(void) {
  struct wr_nccl_word word;
  for (struct wr_nccl_op *o = driver.first; o; o = o->next) {
    struct wr_nccl_line *line = o->group->line;
    if (line->turn == driver.turn) continue;
    line->turn = driver.turn;
    while (wr_nccl_hear(line, &word)) begin_exchange(&word);
  }
}

static void one_turn(bool *any) {
  driver.turn++;
  hear_lines();
  struct wr_nccl_op **place = &driver.first;
  while (*place) {
    struct wr_nccl_op *o = *place, *next = o->next;
    if (advance(o, any)) {
      *place = next;
    } else {
      place = &o->next;
    }
  }
  driver.last = place;
}

/* It looks again and again while something has happened lately, then less and less often. Where
   there is nothing more it stays for a while, as to wake another thread takes longer than what is
   small. */
static void drive(void *work) {
  enum { SPIN_NS = 5000000, SPIN_ALONE_NS = 200000, STAY_NS = 2000000 };
  enum { NAP_MIN_NS = 20000, NAP_MAX_NS = 500000 };
  uint64_t since = wr_clock_ns(), nap = NAP_MIN_NS;
  bool any = true;
  (void)work;
  wr_blocking_waits(true);
  while (take_coming(&any, wr_clock_ns() - since > STAY_NS)) {
    one_turn(&any);
    const uint64_t now = wr_clock_ns();
    if (any) since = now;
    if (any) nap = NAP_MIN_NS;
    if (now - since > SPIN_NS) {
      wr_nap(nap);
      if (nap < NAP_MAX_NS) nap += nap / 2;
    } else if (now - since > SPIN_ALONE_NS) {
      sched_yield();
    }
  }
  wr_blocking_waits(false);
}

/* True: the caller has to start it. */
static bool has_to_start_locked(void) {
  const bool start = !driver.running;
  driver.running = true;
  return start;
}

/* Takes the error and the channel's reference. */
static void refuse_channel(struct wr_comm *group, int channel, struct wr_error *error) {
  struct wr_job *job;
  while ((job = wr_channel_take(group, channel)) != NULL) refuse_job(job, wr_error_retain(error));
  wr_comm_release(group);
  wr_error_release(error);
}

/* The system refuses a thread. */
static void refuse_all(struct wr_error *error) {
  wr_mutex_lock(&driver.lock);
  struct coming *coming = driver.coming;
  struct meeting *meetings = driver.meetings;
  driver.coming = NULL;
  driver.meetings = NULL;
  driver.running = false;
  wr_mutex_unlock(&driver.lock);
  while (meetings) {
    struct wr_nccl_op *o = &meetings->op;
    meetings = meetings->next;
    end_meeting(o, wr_error_retain(error));
  }
  while (coming) {
    struct coming *c = coming;
    coming = c->next;
    refuse_channel(c->group, c->channel, wr_error_retain(error));
    wr_free(c);
  }
  wr_error_release(error);
}

static void start_driver(bool start) {
  struct wr_error *error = start ? wr_blocking_submit(&driver.work) : NULL;
  if (error) refuse_all(error);
}

void wr_nccl_run(struct wr_comm *group, int channel) {
  struct coming *c = wr_alloc(sizeof *c);
  if (!c) {
    refuse_channel(group, channel, wr_error_out_of_memory());
    return;
  }
  *c = (struct coming){.group = group, .channel = channel};
  wr_mutex_lock(&driver.lock);
  struct coming **end = &driver.coming;
  while (*end) end = &(*end)->next;
  *end = c;
  const bool start = has_to_start_locked();
  wr_mutex_unlock(&driver.lock);
  start_driver(start);
}

struct wr_error *wr_nccl_begin(struct wr_nccl *g,
                               const char ids[WR_NCCL_LANES][WR_EXCHANGE_ID_BYTES]) {
  struct meeting m = {.op = {.group = g, .state = MEETS, .until = time_from_now(g->group.limit_ns)},
                      .ids = ids};
  wr_cond_init(&m.over_cond);
  wr_mutex_lock(&driver.lock);
  m.next = driver.meetings;
  driver.meetings = &m;
  const bool start = has_to_start_locked();
  wr_mutex_unlock(&driver.lock);
  start_driver(start);
  wr_mutex_lock(&driver.lock);
  while (!m.over) wr_cond_wait(&m.over_cond, &driver.lock);
  wr_mutex_unlock(&driver.lock);
  wr_cond_destroy(&m.over_cond);
  return m.error;
}
