/* The stand-in's streams and events. A stream is a queue that its own thread runs in order, and
   which lives on until it is empty when it is destroyed. An event is the ticket that it was last
   recorded as: a command that does nothing, and that others wait for. Locks: a stream's and a
   ticket's; none is held while a command runs. */

#include <pthread.h>
#include <stdlib.h>

#include "internal.h"

struct ticket {
  wr_atomic_u32 refs;  /* atomic ACQ_REL */
  wr_atomic_bool over; /* atomic ACQ_REL: set under LOCK */
  pthread_mutex_t lock;
  pthread_cond_t told;
};

struct wr_cu_event_object {
  wr_cu_context context; /* immutable after publish */
  pthread_mutex_t lock;
  struct ticket *ticket; /* under LOCK; a reference, NULL: never recorded */
};

struct wr_cu_stream_object {
  wr_cu_context context; /* immutable after publish */
  pthread_mutex_t lock;
  pthread_cond_t filled;
  pthread_cond_t came_on;
  uint64_t places;       /* under LOCK: of what is not over */
  struct command *first; /* under LOCK */
  struct command **last; /* under LOCK */
  bool destroyed;        /* under LOCK */
};

static void *must(void *p) {
  demand(p != NULL, "no memory");
  return p;
}

/* ---- tickets ---- */

static struct ticket *ticket_new(void) {
  struct ticket *t = must(calloc(1, sizeof *t));
  wr_store_relaxed(&t->refs, 1u); /* relaxed: nobody else has it */
  pthread_mutex_init(&t->lock, NULL);
  pthread_cond_init(&t->told, NULL);
  return t;
}

static struct ticket *ticket_share(struct ticket *t) {
  wr_ref_take(&t->refs);
  return t;
}

static void ticket_drop(struct ticket *t) {
  if (!t || !wr_ref_drop(&t->refs)) return;
  pthread_mutex_destroy(&t->lock);
  pthread_cond_destroy(&t->told);
  free(t);
}

static void ticket_end(struct ticket *t) {
  pthread_mutex_lock(&t->lock);
  /* Release: what ran before it is seen by whoever finds it over. */
  wr_store_release(&t->over, true);
  pthread_cond_broadcast(&t->told);
  pthread_mutex_unlock(&t->lock);
}

static void ticket_wait(struct ticket *t) {
  pthread_mutex_lock(&t->lock);
  while (!wr_load_acquire(&t->over)) pthread_cond_wait(&t->told, &t->lock);
  pthread_mutex_unlock(&t->lock);
}

/* ---- streams ---- */

struct command *command_new(enum command_kind kind, int n_kernels) {
  struct command *c = must(calloc(1, sizeof *c + (size_t)n_kernels * sizeof c->kernels[0]));
  c->kind = kind;
  c->n_kernels = n_kernels;
  return c;
}

static void run(struct wr_cu_stream_object *s, struct command *c) {
  switch (c->kind) {
    case COMMAND_TICKET:
      ticket_end(c->ticket);
      break;
    case COMMAND_WAIT:
      ticket_wait(c->ticket);
      break;
    default:
      command_run(s->context, c);
      break;
  }
  ticket_drop(c->ticket);
  free(c);
}

/* ---- a full queue ---- */

static wr_atomic_u64 limit = 1024; /* atomic RELAXED: a number by itself */
static wr_atomic_u64 blocked;      /* atomic RELAXED: the same */

void queue_limit(uint64_t places) { wr_store_relaxed(&limit, places); }
uint64_t queue_blocked(void) { return wr_load_relaxed(&blocked); }

/* An event that is recorded, and a wait for one, take a place as a launch does. */
static uint64_t places_of(const struct command *c) {
  if (c->kind == COMMAND_KERNELS) return (uint64_t)c->n_kernels;
  return c->kind == COMMAND_TICKET || c->kind == COMMAND_WAIT;
}

static void wait_for_place_locked(struct wr_cu_stream_object *s, uint64_t places) {
  if (s->places && s->places + places > wr_load_relaxed(&limit)) count_up(&blocked);
  while (s->places && s->places + places > wr_load_relaxed(&limit)) {
    pthread_cond_wait(&s->came_on, &s->lock);
  }
  s->places += places;
}

/* ---- the thread of a stream ---- */

/* NULL: the stream was destroyed and is empty. */
static struct command *next(struct wr_cu_stream_object *s) {
  pthread_mutex_lock(&s->lock);
  while (!s->first && !s->destroyed) pthread_cond_wait(&s->filled, &s->lock);
  struct command *c = s->first;
  if (c) {
    s->first = c->next;
    if (!s->first) s->last = &s->first;
  }
  pthread_mutex_unlock(&s->lock);
  return c;
}

static void stream_end(struct wr_cu_stream_object *s) {
  pthread_mutex_destroy(&s->lock);
  pthread_cond_destroy(&s->filled);
  pthread_cond_destroy(&s->came_on);
  free(s);
}

static void *stream_main(void *arg) {
  struct wr_cu_stream_object *s = arg;
  for (struct command *c; (c = next(s));) {
    const uint64_t places = places_of(c);
    run(s, c);
    pthread_mutex_lock(&s->lock);
    s->places -= places;
    pthread_cond_broadcast(&s->came_on);
    pthread_mutex_unlock(&s->lock);
  }
  stream_end(s);
  return NULL;
}

void stream_submit(wr_cu_stream s, struct command *c) {
  if (runs_directly()) {
    run(s, c);
    return;
  }
  pthread_mutex_lock(&s->lock);
  demand(!s->destroyed, "a stream is used that was destroyed");
  wait_for_place_locked(s, places_of(c));
  *s->last = c;
  s->last = &c->next;
  pthread_cond_signal(&s->filled);
  pthread_mutex_unlock(&s->lock);
}

void stream_check(wr_cu_stream s, wr_cu_context context) {
  demand(s != NULL, "the stream that is everybody's");
  demand(s->context == context, "a stream is used in another context than its own");
}

static void submit_ticket(wr_cu_stream s, enum command_kind kind, struct ticket *t) {
  struct command *c = command_new(kind, 0);
  c->ticket = ticket_share(t);
  stream_submit(s, c);
}

void stream_run(void *stream, void (*fn)(void *), void *arg) {
  struct command *c = command_new(COMMAND_CALL, 0);
  c->fn = fn;
  c->arg = arg;
  stream_submit(stream, c);
}

void stream_drain(wr_cu_stream s) {
  struct ticket *t = ticket_new();
  submit_ticket(s, COMMAND_TICKET, t);
  ticket_wait(t);
  ticket_drop(t);
}

wr_cu_result stand_in_stream_new(wr_cu_stream *stream, unsigned flags) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_stream_new, &context);
  if (result) return result;
  demand(flags == WR_CU_STREAM_NON_BLOCKING, "a stream that waits for the one of everybody");
  struct wr_cu_stream_object *s = must(calloc(1, sizeof *s));
  s->context = context;
  s->last = &s->first;
  pthread_mutex_init(&s->lock, NULL);
  pthread_cond_init(&s->filled, NULL);
  pthread_cond_init(&s->came_on, NULL);
  if (!runs_directly()) {
    pthread_t thread;
    demand(!pthread_create(&thread, NULL, stream_main, s), "no thread");
    pthread_detach(thread);
  }
  count_up(&counts.streams);
  *stream = s;
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_stream_free(wr_cu_stream s) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_stream_free, &context);
  if (result) return result;
  stream_check(s, context);
  count_down(&counts.streams);
  if (runs_directly()) {
    stream_end(s);
    return call_end(WR_CU_SUCCESS);
  }
  pthread_mutex_lock(&s->lock);
  demand(!s->destroyed, "a stream is destroyed twice");
  s->destroyed = true;
  pthread_cond_signal(&s->filled);
  pthread_mutex_unlock(&s->lock);
  return call_end(WR_CU_SUCCESS);
}

/* A fault that comes meanwhile is what the caller gets. */
wr_cu_result stand_in_stream_synchronize(wr_cu_stream s) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_stream_synchronize, &context);
  if (result) return result;
  stream_check(s, context);
  stream_drain(s);
  return call_end((wr_cu_result)wr_load_relaxed(&context->fault));
}

/* ---- events ---- */

/* The ticket of the last record, with a reference; NULL when there was none. */
static struct ticket *event_ticket(wr_cu_event e) {
  pthread_mutex_lock(&e->lock);
  struct ticket *t = e->ticket ? ticket_share(e->ticket) : NULL;
  pthread_mutex_unlock(&e->lock);
  return t;
}

wr_cu_result stand_in_event_new(wr_cu_event *event, unsigned flags) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_event_new, &context);
  if (result) return result;
  demand(flags & WR_CU_EVENT_NO_TIMING, "an event that takes the time");
  struct wr_cu_event_object *e = must(calloc(1, sizeof *e));
  e->context = context;
  pthread_mutex_init(&e->lock, NULL);
  count_up(&counts.events);
  *event = e;
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_event_free(wr_cu_event e) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_event_free, &context);
  if (result) return result;
  ticket_drop(e->ticket);
  pthread_mutex_destroy(&e->lock);
  free(e);
  count_down(&counts.events);
  return call_end(WR_CU_SUCCESS);
}

/* Under the event's lock, so that of two records at once the later is the one that counts. */
wr_cu_result stand_in_event_record(wr_cu_event e, wr_cu_stream s) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_event_record, &context);
  if (result) return result;
  stream_check(s, context);
  demand(e->context == context, "an event is recorded in another context than its own");
  struct ticket *t = ticket_new();
  pthread_mutex_lock(&e->lock);
  struct ticket *before = e->ticket;
  e->ticket = t;
  submit_ticket(s, COMMAND_TICKET, t);
  pthread_mutex_unlock(&e->lock);
  ticket_drop(before);
  return call_end(WR_CU_SUCCESS);
}

/* The event may be of another device. */
wr_cu_result stand_in_stream_wait(wr_cu_stream s, wr_cu_event e, unsigned flags) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_stream_wait, &context);
  if (result) return result;
  stream_check(s, context);
  demand(flags == 0, "a wait with flags");
  struct ticket *t = event_ticket(e);
  if (t) submit_ticket(s, COMMAND_WAIT, t);
  ticket_drop(t);
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_event_query(wr_cu_event e) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_event_query, &context);
  if (result) return result;
  struct ticket *t = event_ticket(e);
  /* Acquire: pairs with the release in ticket_end. */
  bool over = !t || wr_load_acquire(&t->over);
  ticket_drop(t);
  if (!over) return call_end(WR_CU_NOT_READY);
  return call_end((wr_cu_result)wr_load_relaxed(&context->fault));
}

wr_cu_result stand_in_event_synchronize(wr_cu_event e) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_event_synchronize, &context);
  if (result) return result;
  struct ticket *t = event_ticket(e);
  if (t) ticket_wait(t);
  ticket_drop(t);
  return call_end((wr_cu_result)wr_load_relaxed(&context->fault));
}
