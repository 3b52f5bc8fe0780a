/* Commands in flight: how it is found out that they are over, and reported by calling their hooks.

   Completion is found out by marks: events on the stream that cover all commands up to one. A mark
   is set after every MARK_EVERY commands, and by whoever looks for results and finds commands that
   no mark covers, so that a lone command costs one mark and a thousand in a row cost few. Whoever
   looks (the "reaper" of an encoder, one thread at a time, marked by `reaper`) takes the commands
   of a mark that is over off the queue and calls their hooks in order, with no lock held. That is a
   thread that waits for a result (poll), or else the GPU's own thread, which looks at all encoders
   with work in flight and sleeps in between. A reaper holds a reference to the encoder, since a
   hook may drop the owner's. Lock: the GPU's. */

#include <sched.h>
#include <time.h>

#include "backend/cuda/queue/internal.h"
#include "base/thread.h"

enum {
  MARK_EVERY = 16,
  /* A waiting thread looks that long, then naps. Past the first part it lets others run in between.
   */
  SPIN_NS = 5000 * 1000,
  SPIN_ALONE_NS = 200 * 1000,
  NAP_MAX_NS = 500 * 1000, /* between two looks */
  EAGER_NS = 100 * 1000 * 1000
};

/* ---- marks ---- */

/* Between enter and leave. A mark that cannot be set leaves its commands to the next attempt. */
static struct wr_error *mark_set_locked(struct wr_encoder *e) {
  struct wr_mark *m = wr_alloc(sizeof *m);
  if (!m) return wr_error_out_of_memory();
  *m = (struct wr_mark){.covers = e->launched};
  struct wr_error *error = wr_gpu_event_take_locked(e->gpu, false, &m->event);
  if (error) goto free_mark;
  error = wr_gpu_result(e->gpu, wr_cu->event_record(m->event, e->stream), "cuEventRecord");
  if (error) goto give_event;
  e->marked = m->covers;
  *e->last_mark = m;
  e->last_mark = &m->next;
  return NULL;
give_event:
  wr_gpu_event_give_locked(e->gpu, false, m->event);
free_mark:
  wr_free(m);
  return error;
}

static void mark_drop_locked(struct wr_encoder *e) {
  struct wr_mark *m = e->marks;
  e->marks = m->next;
  if (!e->marks) e->last_mark = &e->marks;
  wr_gpu_event_give_locked(e->gpu, false, m->event);
  wr_free(m);
}

void wr_in_flight_locked(struct wr_encoder *e, struct wr_gpu_command *commands) {
  if (!commands) return;
  if (!e->first) wr_busy_tell_locked(e->gpu);
  *e->last = commands;
  for (struct wr_gpu_command *c = commands; c; c = c->next) {
    e->launched = c->number;
    c->stamp = e->opened;
    e->last = &c->next;
  }
  /* A mark that is refused now is set by the reaper. */
  if (e->launched - e->marked >= MARK_EVERY) wr_error_release(mark_set_locked(e));
}

struct wr_error *wr_event_behind_locked(struct wr_encoder *e, uint64_t number, wr_cu_event *event) {
  *event = NULL;
  if (!e->first || e->first->number > number) return NULL;
  if (e->marked < number) {
    struct wr_error *error = mark_set_locked(e);
    if (error) return error;
  }
  const struct wr_mark *m = e->marks;
  while (m->covers < number) m = m->next;
  *event = m->event;
  return NULL;
}

/* ---- the order of reporting ---- */

static void progress_drop_locked(struct wr_progress *p) {
  if (--p->refs == 0) wr_free(p);
}

static void order_drop_locked(struct wr_encoder *e) {
  struct wr_order *o = e->orders;
  e->orders = o->next;
  if (!e->orders) e->last_order = &e->orders;
  progress_drop_locked(o->on);
  wr_free(o);
}

static void orders_drop_kept_locked(struct wr_encoder *e) {
  while (e->orders && e->orders->on->reported >= e->orders->up_to) order_drop_locked(e);
}

struct wr_error *wr_order_add_locked(struct wr_encoder *e, uint64_t behind,
                                     struct wr_encoder *other, uint64_t number) {
  orders_drop_kept_locked(e);
  if (other->progress->reported >= number) return NULL;
  struct wr_order *o = wr_alloc(sizeof *o);
  if (!o) return wr_error_out_of_memory();
  *o = (struct wr_order){.behind = behind, .on = other->progress, .up_to = number};
  o->on->refs++;
  *e->last_order = o;
  e->last_order = &o->next;
  return NULL;
}

void wr_orders_free_locked(struct wr_encoder *e) {
  while (e->orders) order_drop_locked(e);
  e->progress->encoder = NULL;
  e->progress->reported = UINT64_MAX;
  progress_drop_locked(e->progress);
}

/* Of the commands up to a number, the number of the last that may be reported now. */
static uint64_t reportable_locked(struct wr_encoder *e, uint64_t up_to) {
  orders_drop_kept_locked(e);
  return e->orders && e->orders->behind < up_to ? e->orders->behind : up_to;
}

/* The encoder whose commands have to be reported before the next command of `e` may be, with a
   reference; NULL when there is none. */
static struct wr_encoder *leader_of(struct wr_encoder *e) {
  struct wr_encoder *leader = NULL;
  wr_mutex_lock(&e->gpu->lock);
  if (e->first && reportable_locked(e, e->first->number) < e->first->number) {
    leader = e->orders->on->encoder;
    leader->refs++;
  }
  wr_mutex_unlock(&e->gpu->lock);
  return leader;
}

/* ---- reporting ---- */

/* Takes the commands up to a number off the queue, for the reaper to report. */
static struct wr_gpu_command *take_commands_locked(struct wr_encoder *e, uint64_t up_to) {
  struct wr_gpu_command *list = NULL;
  struct wr_gpu_command **end = &list;
  while (e->first && e->first->number <= up_to) {
    struct wr_gpu_command *c = e->first;
    e->first = c->next;
    c->next = NULL;
    *end = c;
    end = &c->next;
  }
  if (!e->first) e->last = &e->first;
  if (list) e->reporting = list->stamp;
  return list;
}

static void command_end(struct wr_gpu_command *c, struct wr_error *failure) {
  struct wr_completion_hook *hook = c->hook;
  struct wr_error *error = c->error;
  if (error) {
    if (c->bring.slot) wr_slot_give(c->bring.slot);
  } else if (failure) {
    error = wr_error_retain(failure);
  } else if (c->bring.slot) {
    error = wr_slot_bring(c->bring.slot, c->bring.host, c->bring.bytes);
  }
  wr_run_scratch_release(&c->scratch);
  wr_free(c);
  hook->fn(hook, error);
}

/* ---- room (R8) ----

   The driver takes launches until its queue for the stream is full, and then blocks the call until
   the device has come on: about a thousand of them. Up to CONNECTIONS streams have a queue of
   their own, more of them share. What an encoder may have with the driver is half of a queue, or
   its part of that: so no call blocks, and work for some milliseconds is there. Who finds that much
   waits until half of it is over, so that the device has work while the stream is taken up again.
 */

uint64_t wr_most_ahead(const struct wr_gpu *gpu) {
  enum { MOST = WR_TORTURED ? 128 : 512, LEAST = 32, CONNECTIONS = 8 };
  const uint32_t streams = wr_load_relaxed(&gpu->queues->n_busy);
  const uint64_t part = streams > CONNECTIONS ? (uint64_t)MOST * CONNECTIONS / streams : MOST;
  return part > LEAST ? part : LEAST;
}

/* All commands ahead are with the driver, or are flushed before the stream sleeps. So they end and
   are reported, whatever becomes of other streams whose work is not encoded yet. */
enum wr_encode_status wr_gpu_when_room(struct wr_encoder *e, struct wr_completion_hook *hook) {
  const uint64_t most = wr_most_ahead(e->gpu);
  enum wr_encode_status status = WR_ENCODE_DONE;
  wr_mutex_lock(&e->gpu->lock);
  if (e->work - wr_load_relaxed(&e->work_over) >= most) {
    e->room_hook = hook;
    e->room_at = e->work - most / 2;
    status = WR_ENCODE_PENDING;
  }
  wr_mutex_unlock(&e->gpu->lock);
  return status;
}

/* The hook of a stream that waits for room, if there is enough by now; else NULL. */
static struct wr_completion_hook *room_taken_locked(struct wr_encoder *e, uint64_t over) {
  struct wr_completion_hook *hook = e->room_hook;
  wr_store_relaxed(&e->work_over, over);
  if (!hook || over < e->room_at) return NULL;
  e->room_hook = NULL;
  return hook;
}

/* ---- reporting, continued ---- */

/* The commands up to that number. */
static void report(struct wr_encoder *e, struct wr_gpu_command *list, uint64_t up_to,
                   struct wr_error *failure) {
  uint64_t over = wr_load_relaxed(&e->work_over); /* relaxed: the reaper alone changes it */
  while (list) {
    struct wr_gpu_command *c = list;
    list = c->next;
    over = c->work;
    command_end(c, failure);
  }
  wr_mutex_lock(&e->gpu->lock);
  e->progress->reported = up_to;
  e->reporting = 0;
  wr_busy_remove_locked(e);
  struct wr_completion_hook *hook = room_taken_locked(e, over);
  struct wr_completion_hook *line = wr_line_told_locked(e->gpu->queues);
  wr_mutex_unlock(&e->gpu->lock);
  if (hook) hook->fn(hook, NULL);
  if (line) line->fn(line, NULL);
}

/* All that is in flight fails: the GPU is out of use, or not this process's any more. */
static void fail_all(struct wr_encoder *e, struct wr_error *failure) {
  wr_mutex_lock(&e->gpu->lock);
  while (e->marks) mark_drop_locked(e);
  while (e->orders) order_drop_locked(e);
  uint64_t last = e->launched;
  struct wr_gpu_command *list = take_commands_locked(e, last);
  wr_mutex_unlock(&e->gpu->lock);
  report(e, list, last, failure);
}

/* One look at the mark; to wait, looks for a while and then between naps until it is over. Not
   asleep in the driver, so that the end of the process need not wait for the GPU (base/gate.h);
   being woken there takes as long as a nap. */
static wr_cu_result look(struct wr_gpu *gpu, const struct wr_mark *m, bool wait) {
  wr_cu_result result = wr_cu->event_query(m->event);
  if (result != WR_CU_NOT_READY || !wait) return result;
  const uint64_t start = wr_clock_ns();
  uint64_t looked = 0;
  do {
    if (looked > SPIN_ALONE_NS) sched_yield();
    result = wr_cu->event_query(m->event);
    looked = wr_clock_ns() - start;
  } while (result == WR_CU_NOT_READY && looked < SPIN_NS);
  for (uint64_t ns = WR_NAP_MIN_NS; result == WR_CU_NOT_READY; ns = ns < NAP_MAX_NS ? ns * 2 : ns) {
    wr_gpu_leave();
    wr_nap(ns);
    wr_gpu_enter(gpu);
    result = wr_cu->event_query(m->event);
  }
  return result;
}

/* BLOCKED: the commands are over, but those of another encoder have to be reported first. */
enum found { FOUND_NOTHING, FOUND_LATER, FOUND_BLOCKED, FOUND_DONE, FOUND_FAULT };

/* Reports the commands of the oldest mark if it is over, as far as their order allows. Called by
   the encoder's reaper. */
static enum found reap_mark(struct wr_encoder *e, bool wait) {
  struct wr_gpu *gpu = e->gpu;
  wr_mutex_lock(&gpu->lock);
  if (!e->first) {
    wr_mutex_unlock(&gpu->lock);
    return FOUND_NOTHING;
  }
  struct wr_error *error = e->marks ? NULL : mark_set_locked(e);
  struct wr_mark *mark = e->marks; /* stays until its reaper, this thread, drops it */
  wr_mutex_unlock(&gpu->lock);
  if (error) {
    bool dry = wr_error_status(error) == WEIR_ERROR_OUT_OF_MEMORY;
    if (!dry) wr_gpu_fault(gpu, error);
    wr_error_release(error);
    return dry ? FOUND_LATER : FOUND_FAULT;
  }
  wr_cu_result result = look(gpu, mark, wait);
  if (result == WR_CU_NOT_READY) return FOUND_LATER;
  if (result != WR_CU_SUCCESS) {
    wr_error_release(wr_gpu_result_of_wait(gpu, result, "cuEventQuery"));
    return FOUND_FAULT;
  }
  wr_mutex_lock(&gpu->lock);
  const uint64_t covers = mark->covers, up_to = reportable_locked(e, covers);
  if (up_to == covers) mark_drop_locked(e);
  struct wr_gpu_command *list = take_commands_locked(e, up_to);
  wr_mutex_unlock(&gpu->lock);
  if (!list && up_to < covers) return FOUND_BLOCKED;
  wr_gpu_leave();
  report(e, list, up_to, NULL);
  wr_gpu_enter(gpu);
  return FOUND_DONE;
}

/* The failure that all commands in flight get after a fault. */
static struct wr_error *fault_of(struct wr_gpu *gpu) {
  struct wr_error *error = wr_gpu_unusable(gpu);
  return error ? error
               : wr_error_new(WEIR_ERROR_DEVICE, "gpu:%d cannot say whether the work is done",
                              gpu->index);
}

bool wr_reap_begin_locked(struct wr_encoder *e, enum wr_reaper as) {
  if (e->reaper != WR_REAPER_NONE || !e->first) return false;
  e->reaper = as;
  e->refs++;
  return true;
}

void wr_reap_end(struct wr_encoder *e) {
  wr_mutex_lock(&e->gpu->lock);
  e->reaper = WR_REAPER_NONE;
  wr_mutex_unlock(&e->gpu->lock);
  wr_encoder_drop(e);
}

/* One mark when it waits, else all marks that are over. True when something was published; in
 *blocked whether what comes next has to wait for another encoder's reaper. */
bool wr_reap(struct wr_encoder *e, bool wait, bool *blocked) {
  enum found found = FOUND_FAULT;
  bool progress = false;
  struct wr_error *unusable = wr_gpu_unusable(e->gpu);
  if (!unusable) {
    wr_gpu_enter(e->gpu);
    do {
      found = reap_mark(e, wait);
      progress = progress || found == FOUND_DONE;
    } while (found == FOUND_DONE && !wait);
    wr_gpu_leave();
  }
  if (found == FOUND_FAULT) {
    if (!unusable) unusable = fault_of(e->gpu);
    fail_all(e, unusable);
    progress = true;
  }
  wr_error_release(unusable);
  *blocked = found == FOUND_BLOCKED;
  return progress;
}

/* Gives the processor to the thread that is the encoder's reaper. A real-time thread that only
   yielded could keep an ordinary thread off its processor for ever, so after a few yields it
   sleeps. */
static void let_reap(struct wr_encoder *e) {
  enum { YIELDS = 8 };
  bool reaped = true;
  for (int i = 0; i < YIELDS && reaped; i++) {
    sched_yield();
    wr_mutex_lock(&e->gpu->lock);
    reaped = e->reaper != WR_REAPER_NONE;
    wr_mutex_unlock(&e->gpu->lock);
  }
  if (reaped) wr_nap(WR_NAP_MIN_NS);
}

/* Reports the commands that have to be reported before the encoder's next one. Those may have to
   wait for others in turn: the walk goes on to an encoder that waits for nobody. Where another
   thread is an encoder's reaper, that thread is given time to run. */
static void reap_leader(struct wr_encoder *e) {
  bool blocked = true;
  for (struct wr_encoder *leader = leader_of(e); leader;) {
    wr_mutex_lock(&leader->gpu->lock);
    bool mine = wr_reap_begin_locked(leader, WR_REAPER_WAITER);
    wr_mutex_unlock(&leader->gpu->lock);
    if (mine) {
      (void)wr_reap(leader, false, &blocked);
      wr_reap_end(leader);
    } else {
      let_reap(leader);
    }
    struct wr_encoder *next = mine && blocked ? leader_of(leader) : NULL;
    wr_encoder_drop(leader);
    leader = next;
  }
}

/* While the GPU's own thread is the encoder's reaper, this thread does not park: it would be woken
   only after one of that thread's naps. */
bool wr_gpu_poll(struct wr_encoder *encoder) {
  struct wr_gpu *gpu = encoder->gpu;
  wr_mutex_lock(&gpu->lock);
  bool watched = encoder->reaper == WR_REAPER_WATCHER && !wr_gpu_forked();
  bool mine = wr_reap_begin_locked(encoder, WR_REAPER_WAITER);
  /* The caller parks. What it waits for may not be encoded yet: the GPU's thread finds it then. */
  if (!mine && !watched) gpu->queues->eager_until = wr_clock_ns() + EAGER_NS;
  wr_mutex_unlock(&gpu->lock);
  if (watched) let_reap(encoder);
  if (!mine) return watched;
  bool blocked;
  bool progress = wr_reap(encoder, true, &blocked);
  if (blocked) reap_leader(encoder);
  wr_reap_end(encoder);
  return progress || blocked;
}
