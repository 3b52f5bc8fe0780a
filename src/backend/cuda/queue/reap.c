/* Commands in flight: how Weir finds out that they are over, and reports them by calling their
   hooks.

   A mark is an event of the driver's that was recorded on the stream: when it is over, so are all
   commands that were launched before it. A mark is set behind every MARK_EVERY-th command; and a
   thread that looks for results and finds commands without a mark behind them sets one. So a single
   command costs one mark, and a thousand in a row cost few.

   One thread at a time is the reaper of an encoder (its field `reaper`). It looks at the oldest
   mark; if that is over, it takes the commands before it off the queue and calls their hooks in
   order, with no lock held. A thread that waits for a result becomes reaper (wr_gpu_poll); for
   encoders that nobody waits for, the GPU's own thread does (watch.c). A reaper holds a reference
   to the encoder, since a hook may drop the owner's. Lock: the GPU's. */

#include <sched.h>
#include <time.h>

#include "backend/cuda/queue/internal.h"
#include "base/doing.h"
#include "base/thread.h"

enum {
  MARK_EVERY = 16,
  /* A waiting thread looks again and again for SPIN_NS, then naps between two looks. After
     SPIN_ALONE_NS it yields its processor between two looks. */
  SPIN_NS = 5000 * 1000,
  SPIN_ALONE_NS = 200 * 1000,
  NAP_MAX_NS = 500 * 1000, /* between two looks */
  EAGER_NS = 100 * 1000 * 1000
};

/* ---- marks ---- */

/* Commands came that gave the driver nothing to do, as events' markers do: the last mark stands
   behind them too. So a loop of events behind a long kernel fills none of the driver's queues. */
static bool mark_stretches_locked(struct wr_encoder *e) {
  if (!e->marks || e->work_launched != e->work_marked) return false;
  WR_CONTAINER_OF(e->last_mark, struct wr_mark, next)->covers = e->marked = e->launched;
  return true;
}

/* Sets a mark behind all commands in flight. Between enter and leave. Where it fails, the next
   attempt covers these commands too. */
static struct wr_error *mark_set_locked(struct wr_encoder *e) {
  if (mark_stretches_locked(e)) return NULL;
  struct wr_mark *m = wr_alloc(sizeof *m);
  if (!m) return wr_error_out_of_memory();
  *m = (struct wr_mark){.covers = e->launched, .id = ++e->gpu->queues->marks};
  struct wr_error *error = wr_gpu_event_take_locked(e->gpu, false, &m->event);
  if (error) goto free_mark;
  error = wr_gpu_result(e->gpu, wr_cu->event_record(m->event, e->stream), "cuEventRecord");
  if (error) goto give_event;
  e->marked = m->covers;
  e->work_marked = e->work_launched;
  *e->last_mark = m;
  e->last_mark = &m->next;
  e->n_marks++;
  return NULL;
give_event:
  wr_gpu_event_give_locked(e->gpu, false, m->event);
free_mark:
  wr_free(m);
  return error;
}

/* Commands that have no mark yet get one while the driver's queue has room for it. */
void wr_run_marks(struct wr_run *run) {
  struct wr_encoder *e = run->encoder;
  wr_mutex_lock(&e->gpu->lock);
  if (e->first && e->marked < e->launched) wr_error_release(mark_set_locked(e));
  wr_mutex_unlock(&e->gpu->lock);
}

/* As `look` waits for a mark: in naps outside the gate. */
struct wr_error *wr_run_wait(struct wr_run *run, wr_cu_event event) {
  wr_cu_result result = wr_cu->event_query(event);
  for (uint64_t ns = WR_NAP_MIN_NS; result == WR_CU_NOT_READY; ns = ns < NAP_MAX_NS ? ns * 2 : ns) {
    wr_gpu_leave();
    wr_nap(ns);
    wr_gpu_enter(run->gpu);
    result = wr_cu->event_query(event);
  }
  return wr_gpu_result_of_wait(run->gpu, result, "cuEventQuery");
}

static void mark_drop_locked(struct wr_encoder *e) {
  struct wr_mark *m = e->marks;
  e->marks = m->next;
  if (!e->marks) e->last_mark = &e->marks;
  e->n_marks--;
  wr_gpu_event_give_locked(e->gpu, false, m->event);
  wr_free(m);
}

void wr_in_flight_locked(struct wr_encoder *e, struct wr_gpu_command *commands) {
  if (!commands) return;
  if (!e->first) wr_busy_tell_locked(e->gpu);
  if (!e->first) e->came_on = wr_clock_coarse_ns();
  *e->last = commands;
  for (struct wr_gpu_command *c = commands; c; c = c->next) {
    e->launched = c->number;
    e->work_launched = c->work;
    c->stamp = e->opened;
    e->last = &c->next;
  }
  /* If this fails, the reaper sets the mark. */
  if (e->launched - e->marked >= MARK_EVERY) wr_error_release(mark_set_locked(e));
}

/* Marks that others want behind single commands of the encoder; see "room" below. */
static bool has_many_marks_locked(const struct wr_encoder *e) {
  return e->n_marks >= wr_most_ahead(e->gpu) * 3 / 8;
}

struct wr_error *wr_mark_behind_locked(struct wr_encoder *e, uint64_t number,
                                       const struct wr_mark **mark, bool *full) {
  *mark = NULL;
  *full = false;
  if (!e->first || e->first->number > number) return NULL;
  if (e->marked < number) {
    *full = has_many_marks_locked(e);
    struct wr_error *error = *full ? NULL : mark_set_locked(e);
    if (*full || error) return error;
  }
  const struct wr_mark *m = e->marks;
  while (m->covers < number) m = m->next;
  *mark = m;
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
  if (e->same_orders == &o->next) e->same_orders = &e->orders;
  progress_drop_locked(o->on);
  wr_free(o);
}

static void orders_drop_kept_locked(struct wr_encoder *e) {
  while (e->orders && e->orders->on->reported >= e->orders->up_to) order_drop_locked(e);
}

/* The order that lets just the commands after `behind` wait for those of `other`; or NULL. There is
   one for each encoder that is waited for since the last command, however often it is. */
static struct wr_order *order_like_locked(struct wr_encoder *e, uint64_t behind,
                                          const struct wr_encoder *other) {
  struct wr_order *o = *e->same_orders;
  if (!o || o->behind != behind) return NULL;
  while (o && o->on != other->progress) o = o->next;
  return o;
}

struct wr_error *wr_order_add_locked(struct wr_encoder *e, uint64_t behind,
                                     struct wr_encoder *other, uint64_t number) {
  orders_drop_kept_locked(e);
  if (other->progress->reported >= number) return NULL;
  struct wr_order *o = order_like_locked(e, behind, other);
  if (o) {
    if (o->up_to < number) o->up_to = number;
    return NULL;
  }
  o = wr_alloc(sizeof *o);
  if (!o) return wr_error_out_of_memory();
  *o = (struct wr_order){.behind = behind, .on = other->progress, .up_to = number};
  o->on->refs++;
  const struct wr_order *like = *e->same_orders;
  if (like && like->behind != behind) e->same_orders = e->last_order;
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

/* Commands of the encoder up to `up_to` are over. Returns up to which number they may be reported,
   since some may have to wait until commands of other encoders are (struct wr_order). */
static uint64_t reportable_locked(struct wr_encoder *e, uint64_t up_to) {
  orders_drop_kept_locked(e);
  return e->orders && e->orders->behind < up_to ? e->orders->behind : up_to;
}

bool wr_gpu_is_over(struct wr_encoder *e, uint64_t number) {
  if (wr_gpu_forked()) return false;
  wr_mutex_lock(&e->gpu->lock);
  bool all = e->progress->reported >= number;
  if (all) orders_drop_kept_locked(e);
  all = all && !e->orders;
  wr_mutex_unlock(&e->gpu->lock);
  return all;
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

/* What the command has left in its slot, where the host wants it, or what it means. */
static struct wr_error *bring(const struct wr_bring *b) {
  uint64_t bytes[WR_JUDGED_BYTES / sizeof(uint64_t)];
  struct wr_error *error = wr_slot_bring(b->slot, b->judge ? bytes : b->host, b->bytes);
  return error || !b->judge ? error : b->judge(bytes);
}

static void command_end(struct wr_gpu_command *c, struct wr_error *failure) {
  struct wr_completion_hook *hook = c->hook;
  struct wr_error *error = c->error;
  if (error) {
    if (c->bring.slot) wr_slot_give(c->bring.slot);
  } else if (failure) {
    error = wr_error_retain(failure);
  } else if (c->bring.slot) {
    error = bring(&c->bring);
  }
  wr_run_scratch_release(&c->scratch);
  wr_free(c);
  hook->fn(hook, error);
}

/* ---- room (R8) ----

   The driver has queues for about a thousand launches each. When a queue is full, the call that
   launches blocks until the device has got on. Up to CONNECTIONS streams have a queue each; if
   there are more, they share. So an encoder may have half a queue's launches with the driver, or
   its share of that: no call blocks, and the device has work for some milliseconds. A stream whose
   encoder has so many waits until half of them are over, so that the device has work until the
   stream goes on.

   A wait for another encoder takes a place in the queue too, and so does the mark that may have to
   be set behind it. So it counts as work, and the driver never has more than a bounded number of
   them. But no command need come after a wait, and only commands are reported. So nobody waits
   until waits are over: who wants room waits for commands that are encoded already, and for no more
   than all of them; and a wait for which there is no place is refused, so that the stream is
   suspended instead until what it waits for is over. What such waits count is taken off again with
   the next command that is reported, or as soon as all is over that the encoder was made to wait
   for.

   Those who wait for an encoder's commands set marks behind them, several readers one behind each
   command. These take places in its queue too, which it does not count: so they are bounded by
   themselves, and a reader for whom there is no mark is suspended as well. With five quarters of
   MOST for launches and waits, and own marks behind every MARK_EVERY-th command, that is less than
   nine tenths of a queue. */

uint64_t wr_most_ahead(const struct wr_gpu *gpu) {
  enum { MOST = WR_TORTURED ? 128 : 512, LEAST = 32, CONNECTIONS = 8 };
  const uint32_t streams = wr_load_relaxed(&gpu->queues->n_busy);
  const uint64_t part = streams > CONNECTIONS ? (uint64_t)MOST * CONNECTIONS / streams : MOST;
  return part > LEAST ? part : LEAST;
}

/* The stream waits only for its own commands, which are with the driver, or are flushed before it
   is suspended. So they end, whatever other streams do that have not encoded their work yet. */
enum wr_encode_status wr_gpu_when_room(struct wr_encoder *e, struct wr_completion_hook *hook) {
  const uint64_t most = wr_most_ahead(e->gpu), half = e->work - most / 2;
  const uint64_t at = half < e->work_kept ? half : e->work_kept;
  enum wr_encode_status status = WR_ENCODE_DONE;
  wr_mutex_lock(&e->gpu->lock);
  const uint64_t over = wr_load_relaxed(&e->work_over);
  if (e->work - over >= most && over < at) {
    e->room_hook = hook;
    e->room_at = at;
    status = WR_ENCODE_PENDING;
  }
  wr_mutex_unlock(&e->gpu->lock);
  return status;
}

/* Waits may go a part beyond where commands have to ask for room, since a command's waits come
   before it asks. Once all commands are reported, and all that the waits are for, the waits are
   over too: each has its order until then. Nobody waits for room meanwhile, since who encodes is
   here. */
bool wr_takes_no_wait_locked(struct wr_encoder *e) {
  const uint64_t most = wr_most_ahead(e->gpu);
  orders_drop_kept_locked(e);
  if (!e->orders && e->progress->reported == e->kept) wr_store_relaxed(&e->work_over, e->work);
  return e->work - wr_load_relaxed(&e->work_over) >= most + most / 4;
}

/* `over` of the encoder's work is over, and maybe more. Returns the hook of the stream if it waits
   for room and there is enough now; else NULL. */
static struct wr_completion_hook *room_taken_locked(struct wr_encoder *e, uint64_t over) {
  struct wr_completion_hook *hook = e->room_hook;
  if (over > wr_load_relaxed(&e->work_over)) wr_store_relaxed(&e->work_over, over);
  if (!hook || over < e->room_at) return NULL;
  e->room_hook = NULL;
  return hook;
}

/* ---- reporting, continued ---- */

/* Calls the hooks of the commands in the list, which end with that number. */
static void report(struct wr_encoder *e, struct wr_gpu_command *list, uint64_t up_to,
                   struct wr_error *failure) {
  uint64_t over = 0;
  while (list) {
    struct wr_gpu_command *c = list;
    list = c->next;
    over = c->work;
    command_end(c, failure);
  }
  wr_mutex_lock(&e->gpu->lock);
  e->progress->reported = up_to;
  e->came_on = wr_clock_coarse_ns();
  e->reporting = 0;
  wr_busy_remove_locked(e);
  struct wr_completion_hook *hook = room_taken_locked(e, over);
  struct wr_completion_hook *line = wr_line_told_locked(e->gpu->queues);
  wr_mutex_unlock(&e->gpu->lock);
  if (hook) hook->fn(hook, NULL);
  if (line) line->fn(line, NULL);
}

/* Reports all commands in flight as failed: the GPU has a fault, or belongs to the parent of this
   process. */
static void fail_all(struct wr_encoder *e, struct wr_error *failure) {
  const bool ours = !wr_gpu_forked();
  if (ours) wr_gpu_enter(e->gpu); /* events that are too many to keep are destroyed */
  wr_mutex_lock(&e->gpu->lock);
  while (e->marks) mark_drop_locked(e);
  while (e->orders) order_drop_locked(e);
  uint64_t last = e->launched;
  struct wr_gpu_command *list = take_commands_locked(e, last);
  wr_mutex_unlock(&e->gpu->lock);
  if (ours) wr_gpu_leave();
  report(e, list, last, failure);
}

/* Looks at the mark once, or, with `wait`, again and again until it is over. It naps between two
   looks, outside the gate, instead of sleeping inside a call of the driver's: so the end of the
   process need not wait for the GPU (base/gate.h). To be woken by the driver takes as long as a
   nap.
 */
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
  struct wr_doing *doing = NULL;
  if (result == WR_CU_NOT_READY) {
    doing = wr_doing_begin(WR_DOING_WAIT, NULL, NULL, "a command of a GPU");
  }
  for (uint64_t ns = WR_NAP_MIN_NS; result == WR_CU_NOT_READY; ns = ns < NAP_MAX_NS ? ns * 2 : ns) {
    wr_gpu_leave();
    wr_nap(ns);
    wr_gpu_enter(gpu);
    result = wr_cu->event_query(m->event);
  }
  wr_doing_end(doing);
  return result;
}

/* LATER: the mark is not over. BLOCKED: it is, but commands of another encoder have to be reported
   first. */
enum found { FOUND_NOTHING, FOUND_LATER, FOUND_BLOCKED, FOUND_DONE, FOUND_FAULT };

/* Looks at the oldest mark and, if it is over, reports the commands before it, as far as the order
   allows. Called by the encoder's reaper. */
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

/* Lets the thread run that is the encoder's reaper: yields the processor a few times, then sleeps
   for a moment. Yielding alone is not enough: it lets no ordinary thread run before a real-time
   one. */
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

/* The encoder's next command may be reported only after commands of another encoder: becomes that
   one's reaper, and reports them. They may have to come after those of a third one, and so on: the
   walk goes on until an encoder need not wait. Where an encoder has a reaper already, that thread
   is given time to run. */
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

/* While the GPU's own thread is the encoder's reaper, the caller is told to look again instead of
   sleeping: it would be woken late, after one of that thread's naps. */
bool wr_gpu_poll(struct wr_encoder *encoder) {
  struct wr_gpu *gpu = encoder->gpu;
  wr_mutex_lock(&gpu->lock);
  bool watched = encoder->reaper == WR_REAPER_WATCHER && !wr_gpu_forked();
  bool mine = wr_reap_begin_locked(encoder, WR_REAPER_WAITER);
  /* The caller sleeps now. If what it waits for is encoded later, the GPU's thread reports it; that
     thread keeps its naps short for a while. */
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

/* An encoder whose commands it is still to wait for, with a reference; NULL: none. */
static struct wr_encoder *waited_for(struct wr_encoder *e) {
  struct wr_encoder *other = NULL;
  wr_mutex_lock(&e->gpu->lock);
  orders_drop_kept_locked(e);
  if (e->orders) other = e->orders->on->encoder;
  if (other) other->refs++;
  wr_mutex_unlock(&e->gpu->lock);
  return other;
}

void wr_reap_all(struct wr_encoder *e) {
  wr_gpu_flush(e);
  while (!wr_gpu_forked() && !wr_gpu_is_over(e, e->kept)) {
    struct wr_encoder *other = waited_for(e);
    const bool came_on = wr_gpu_poll(other ? other : e);
    if (other) wr_encoder_drop(other);
    if (!came_on) wr_nap(WR_NAP_MIN_NS);
  }
}
