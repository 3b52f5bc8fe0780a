/* Requests: see request.h. All stand in a list, which gives them numbers and which the child of a
   fork goes through (K11): there each has a new lock and no work; what was in flight is computed
   anew. Deadlines are kept to by deadline.c. Locks: REGISTRY, the list's, and that of deadlines;
   REQUEST and SCHEDULER, each one's own (request.h). */

#include "stream/request.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/fork.h"
#include "memory/budget.h"
#include "stream/deadline.h"
#include "stream/dump.h"
#include "stream/internal.h"

struct wr_request {
  struct wr_request_head head;
  wr_atomic_u32 class;           /* atomic RELAXED: a plain value, enum wr_class */
  wr_atomic_u64 at_once;         /* atomic RELAXED: commands that began as they were submitted */
  struct wr_deadline timer;      /* under the deadlines' LOCK */
  struct wr_listed listed;       /* under the list's LOCK */
  struct wr_mutex bell;          /* who is told that it ends, and when; its names */
  struct wr_mutex lock;          /* its work */
  struct wr_request_work *first; /* under LOCK: in the order in which it was submitted */
  struct wr_request_work *last;  /* under LOCK */
  struct wr_request_work *rest;  /* under LOCK: once `taking`, the last that has not been taken
                                    back; NULL: nothing is left to take back */
  bool taking;                   /* under LOCK: somebody has found that it has ended */
  struct wr_listed *sleepers;    /* under BELL */
  struct wr_listed *hooks;       /* under BELL */
  struct wr_request_numbers numbers;   /* under LOCK */
  struct wr_request_budget budget;     /* each field says */
  uint8_t trace_id[WR_TRACE_ID_BYTES]; /* under BELL */
  char label[WR_REQUEST_LABEL];        /* under BELL; "": none */
  uint32_t met;                        /* under BELL: the last trace that met it (timeline.h) */
};

_Static_assert(offsetof(struct wr_request, head) == 0, "request.h looks without seeing the struct");

/* ---- the list ---- */

static struct wr_list list = {.lock = WR_MUTEX_INIT(WR_RANK_REGISTRY),
                              .offset = offsetof(struct wr_request, listed)};
static uint32_t last_number; /* under LOCK */
static bool come_round;      /* under LOCK: numbers may be those of requests that are alive */

static bool is_taken_locked(uint32_t number) {
  struct wr_request *r = come_round ? wr_list_first(&list) : NULL;
  while (r && r->head.number != number) r = wr_list_next(&list, r);
  return r != NULL;
}

static void enter_list(struct wr_request *r) {
  wr_mutex_lock(&list.lock);
  do {
    if (++last_number == 0) come_round = true;
  } while (last_number == 0 || is_taken_locked(last_number));
  r->head.number = last_number;
  wr_listed_enter(&r->listed, &list.first);
  wr_mutex_unlock(&list.lock);
}

static void begin_in_child(void) {
  for (struct wr_request *r = wr_list_first(&list); r; r = wr_list_next(&list, r)) {
    wr_mutex_init(&r->lock, WR_RANK_REQUEST);
    wr_mutex_init(&r->bell, WR_RANK_SCHEDULER);
    r->first = NULL;
    r->last = NULL;
    r->rest = NULL;
    r->taking = false;
    r->sleepers = NULL;
    r->hooks = NULL;
    r->numbers.submitted = r->numbers.begun + r->numbers.taken_back;
    r->budget.reserved = 0;
  }
}

WR_AT_FORK(.rank = WR_RANK_REGISTRY, .lock = &list.lock, .child = begin_in_child)

/* ---- life ---- */

struct wr_error *wr_request_new(struct wr_request **out) {
  struct wr_request *r = wr_calloc(sizeof *r);
  if (!r) return wr_error_out_of_memory();
  wr_kind_begin(&r->head.kind, WR_KIND_REQUEST);
  wr_store_relaxed(&r->head.refs, 1u); /* relaxed, both: not yet shared */
  wr_store_relaxed(&r->head.deadline, WR_NO_DEADLINE);
  wr_mutex_init(&r->lock, WR_RANK_REQUEST);
  wr_mutex_init(&r->bell, WR_RANK_SCHEDULER);
  enter_list(r);
  *out = r;
  return NULL;
}

struct wr_request *wr_request_retain(struct wr_request *r) {
  wr_ref_take(&r->head.refs);
  return r;
}

/* Of a request that has a deadline: the thread that keeps to it looks no more at this one. */
static void forget_deadline(struct wr_request *r) {
  if (wr_request_deadline(r) == WR_NO_DEADLINE) return;
  wr_deadline_lock();
  wr_deadline_remove_locked(&r->timer);
  wr_deadline_unlock();
}

/* Work in flight and threads inside hold references, so both are gone. */
void wr_request_release(struct wr_request *r) {
  if (!r || !wr_ref_drop(&r->head.refs)) return;
  forget_deadline(r);
  wr_list_leave(&list, r);
  wr_budget_release(wr_request_account(&r->budget));
  wr_error_release(r->budget.error);
  wr_mutex_destroy(&r->lock);
  wr_mutex_destroy(&r->bell);
  wr_kind_end(&r->head.kind);
  wr_free(r);
}

struct wr_error *wr_request_set_label(struct wr_request *r, const char *label) {
  size_t length = label ? strnlen(label, WR_REQUEST_LABEL) : 0;
  if (length == WR_REQUEST_LABEL) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "label is longer than %d bytes",
                        WR_REQUEST_LABEL - 1);
  }
  wr_mutex_lock(&r->bell);
  if (length) memcpy(r->label, label, length);
  r->label[length] = '\0';
  wr_mutex_unlock(&r->bell);
  return NULL;
}

void wr_request_set_trace_id(struct wr_request *r, const uint8_t id[WR_TRACE_ID_BYTES]) {
  wr_mutex_lock(&r->bell);
  memcpy(r->trace_id, id, WR_TRACE_ID_BYTES);
  wr_mutex_unlock(&r->bell);
}

void wr_request_trace_id(struct wr_request *r, uint8_t id[WR_TRACE_ID_BYTES]) {
  wr_mutex_lock(&r->bell);
  memcpy(id, r->trace_id, WR_TRACE_ID_BYTES);
  wr_mutex_unlock(&r->bell);
}

uint16_t wr_request_meet(struct wr_request *r, uint32_t trace, char *label) {
  wr_mutex_lock(&r->bell);
  const bool first = r->met != trace;
  r->met = trace;
  memcpy(label, r->label, sizeof r->label);
  wr_mutex_unlock(&r->bell);
  return first;
}

void wr_request_set_class(struct wr_request *r, enum wr_class class) {
  wr_store_relaxed(&r->class, (uint32_t) class);
}

struct wr_urgency wr_request_urgency(struct wr_request *r) {
  if (!r) return (struct wr_urgency){.class = WR_CLASS_OF_STREAM};
  const uint64_t deadline = wr_request_deadline(r);
  return (struct wr_urgency){.class = (enum wr_class)wr_load_relaxed(&r->class),
                             .deadline = deadline == WR_NO_DEADLINE ? 0 : deadline};
}

/* ---- threads inside ---- */

struct wr_error *wr_request_enter(struct wr_request *r) {
  struct wr_thread *t = wr_thread_own();
  if (!t || !wr_ptrs_push(&t->requests, t->request)) return wr_error_out_of_memory();
  t->request = wr_request_retain(r);
  return NULL;
}

struct wr_error *wr_request_leave(void) {
  struct wr_thread *t = wr_thread_here;
  struct wr_request *left = t->request;
  if (t->requests.count == t->requests_outside) {
    return wr_error_new(WEIR_ERROR_STATE, "this thread is inside no request");
  }
  t->request = t->requests.items[--t->requests.count];
  wr_request_release(left);
  return NULL;
}

/* ---- work ---- */

void wr_request_lock(struct wr_request *r) { wr_mutex_lock(&r->lock); }

bool wr_request_open(struct wr_request *r) {
  if (wr_request_ended(r)) return false;
  wr_mutex_lock(&r->lock);
  /* Relaxed: once somebody takes back, under LOCK, it is seen; until then it may be a moment old.
   */
  if (wr_load_relaxed(&r->head.end) == WR_REQUEST_OPEN) return true;
  wr_mutex_unlock(&r->lock);
  return false;
}

void wr_request_close(struct wr_request *r) { wr_mutex_unlock(&r->lock); }

void wr_request_add_locked(struct wr_request *r, struct wr_request_work *work, uint64_t n) {
  work->request = wr_request_retain(r);
  work->next = NULL;
  work->before = r->last;
  if (r->last) {
    r->last->next = work;
  } else {
    r->first = work;
  }
  r->last = work;
  r->numbers.submitted += n;
}

void wr_request_unlink_locked(struct wr_request_work *work) {
  struct wr_request *r = work->request;
  WR_ASSERT(!r->rest);
  if (work->before) {
    work->before->next = work->next;
  } else {
    r->first = work->next;
  }
  if (work->next) {
    work->next->before = work->before;
  } else {
    r->last = work->before;
  }
}

void wr_request_note_at_once(struct wr_request *r, uint64_t n) {
  wr_fetch_add_relaxed(&r->at_once, n);
}

void wr_request_begin_locked(struct wr_request *r) { r->numbers.begun++; }
void wr_request_taken_locked(struct wr_request *r, uint64_t n) { r->numbers.taken_back += n; }
struct wr_request_work *wr_request_first_locked(struct wr_request *r) {
  return r->first;
}
struct wr_request_work *wr_request_last_locked(struct wr_request *r) {
  return r->last;
}

/* ---- ending ---- */

static enum wr_request_end how_ended(struct wr_request *r) {
  return (enum wr_request_end)wr_load_acquire(&r->head.end); /* acquire: pairs with end */
}

static void wake_sleepers_locked(struct wr_request *r) {
  for (struct wr_listed *p = r->sleepers; p; p = p->next) {
    struct wr_request_sleeper *s = WR_CONTAINER_OF(p, struct wr_request_sleeper, listed);
    wr_mutex_lock(s->lock);
    wr_cond_broadcast(s->wake);
    wr_mutex_unlock(s->lock);
  }
}

static struct wr_listed *take_hooks_locked(struct wr_request *r) {
  struct wr_listed *hooks = r->hooks;
  r->hooks = NULL;
  for (struct wr_listed *h = hooks; h; h = h->next) h->link = NULL;
  return hooks;
}

static void call_hooks(struct wr_listed *hooks) {
  while (hooks) {
    struct wr_request_hook *h = WR_CONTAINER_OF(hooks, struct wr_request_hook, listed);
    hooks = hooks->next;
    h->ended(h);
  }
}

static bool is_passed(struct wr_request *r) {
  const uint64_t deadline = wr_request_deadline(r);
  return deadline != WR_NO_DEADLINE && wr_clock_ns() >= deadline;
}

/* A deadline may have been moved since somebody found that it had passed. */
static bool may_end_locked(struct wr_request *r, enum wr_request_end how) {
  if (wr_load_relaxed(&r->head.end) != WR_REQUEST_OPEN) return false;
  return how != WR_REQUEST_PASSED || is_passed(r);
}

/* Who waits in it is told; nothing is taken back yet. True when this call has ended it. */
static bool end(struct wr_request *r, enum wr_request_end how) {
  int before = wr_cancel_off();
  wr_mutex_lock(&r->bell);
  const bool ended = may_end_locked(r, how);
  /* Release: to who looks without the lock. */
  if (ended) wr_store_release(&r->head.end, (uint32_t)how);
  if (ended) wake_sleepers_locked(r);
  struct wr_listed *hooks = ended ? take_hooks_locked(r) : NULL;
  wr_mutex_unlock(&r->bell);
  if (ended) forget_deadline(r);
  call_hooks(hooks);
  wr_cancel_restore(before);
  return ended;
}

static bool has_rest_locked(struct wr_request *r) {
  if (!r->taking && how_ended(r) != WR_REQUEST_OPEN) {
    r->taking = true;
    r->rest = r->last;
  }
  return r->rest != NULL;
}

/* Readers come after writers in the order of submission, so the last is looked at first. */
static const struct wr_request_work_kind *take_back_next_locked(struct wr_request *r,
                                                                struct wr_taken *taken) {
  struct wr_request_work *work = r->rest;
  r->rest = work->before;
  wr_torture_point();
  work->kind->take_back(work, taken);
  if (work->wake) wr_wake_list(work->wake, &taken->wakes);
  work->wake = NULL;
  return work->kind;
}

/* With the LOCK held, and left with it; lets go of it in between. It fires waiters, which may come
   to submit and to drain: the thread cannot be cancelled (K7). */
static void take_back_some_locked(struct wr_request *r) {
  struct wr_taken taken = {0};
  int before = wr_cancel_off();
  const struct wr_request_work_kind *kind = take_back_next_locked(r, &taken);
  wr_mutex_unlock(&r->lock);
  wr_completion_fire(taken.waiters);
  wr_wake_all(taken.wakes);
  kind->settle(&taken);
  wr_cancel_restore(before);
  wr_torture_point();
  wr_mutex_lock(&r->lock);
}

bool wr_request_take_back_some(struct wr_request *r) {
  wr_mutex_lock(&r->lock);
  if (has_rest_locked(r)) take_back_some_locked(r);
  bool more = has_rest_locked(r);
  wr_mutex_unlock(&r->lock);
  return more;
}

bool wr_request_lock_if_settled(struct wr_request *r) {
  wr_mutex_lock(&r->lock);
  if (!has_rest_locked(r)) return true;
  wr_mutex_unlock(&r->lock);
  return false;
}

static void take_back_all(struct wr_request *r) {
  while (wr_request_take_back_some(r)) continue;
}

/* Its deadline has passed. The thread has no time for more than a part. */
static void end_passed(struct wr_request *r) {
  if (!end(r, WR_REQUEST_PASSED) || !wr_request_take_back_some(r)) return;
  wr_request_retain(r);
  if (wr_deadline_leave(&r->timer)) return;
  take_back_all(r);
  wr_request_release(r);
}

/* A caller's wait may be over, and the caller's handle gone, before this is. */
void wr_request_cancel(struct wr_request *r) {
  wr_request_retain(r);
  (void)end(r, WR_REQUEST_CANCELLED);
  take_back_all(r);
  wr_request_release(r);
}

bool wr_request_is_due(struct wr_request *r) {
  return how_ended(r) != WR_REQUEST_OPEN || is_passed(r);
}

bool wr_request_ended_slow(struct wr_request *r) {
  if (how_ended(r) == WR_REQUEST_OPEN && is_passed(r)) end_passed(r);
  return how_ended(r) != WR_REQUEST_OPEN;
}

const char *wr_request_name(struct wr_request *r, char name[WR_REQUEST_NAME]) {
  name[0] = '\0';
  wr_mutex_lock(&r->bell);
  if (r->label[0]) snprintf(name, WR_REQUEST_NAME, " \"%s\"", r->label);
  wr_mutex_unlock(&r->bell);
  return name;
}

struct wr_error *wr_request_error_slow(struct wr_request *r) {
  char name[WR_REQUEST_NAME];
  (void)wr_request_name(r, name);
  if (how_ended(r) == WR_REQUEST_CANCELLED) {
    return wr_error_new(WEIR_ERROR_CANCELLED, "the request%s was cancelled", name);
  }
  return wr_error_new(WEIR_ERROR_DEADLINE, "the deadline of the request%s has passed", name);
}

enum weir_status wr_request_status(struct wr_request *r) {
  return how_ended(r) == WR_REQUEST_PASSED ? WEIR_ERROR_DEADLINE : WEIR_ERROR_CANCELLED;
}

/* ---- its numbers ---- */

static void add_at_once(const struct wr_request *r, struct wr_request_numbers *numbers) {
  const uint64_t at_once = wr_load_relaxed(&((struct wr_request *)r)->at_once);
  numbers->submitted += at_once;
  numbers->begun += at_once;
}

void wr_request_numbers(struct wr_request *r, struct wr_request_numbers *numbers) {
  while (!wr_request_lock_if_settled(r)) (void)wr_request_take_back_some(r);
  *numbers = r->numbers;
  add_at_once(r, numbers);
  struct wr_budget *account = wr_request_account(&r->budget);
  if (account) numbers->live_bytes = wr_budget_live(account) + r->budget.reserved;
  numbers->peak_bytes = r->budget.peak;
  wr_mutex_unlock(&r->lock);
}

/* ---- hooks ---- */

bool wr_request_hook(struct wr_request *r, struct wr_request_hook *h) {
  if (wr_request_ended(r)) return false;
  wr_mutex_lock(&r->bell);
  const bool open = wr_load_relaxed(&r->head.end) == WR_REQUEST_OPEN; /* relaxed: under BELL */
  if (open) wr_listed_enter(&h->listed, &r->hooks);
  wr_mutex_unlock(&r->bell);
  return open;
}

bool wr_request_unhook(struct wr_request *r, struct wr_request_hook *h) {
  wr_mutex_lock(&r->bell);
  const bool there = h->listed.link != NULL;
  if (there) wr_listed_leave(&h->listed);
  h->listed.link = NULL;
  wr_mutex_unlock(&r->bell);
  return there;
}

/* ---- deadlines ---- */

struct wr_request *wr_request_of_deadline(struct wr_deadline *d) {
  struct wr_request *r = WR_CONTAINER_OF(d, struct wr_request, timer);
  uint32_t refs = wr_load_relaxed(&r->head.refs);
  while (refs > 0) {
    /* As wr_ref_take: the lock of deadlines, which is held, published what is behind it. */
    if (wr_cas_acq_rel(&r->head.refs, &refs, refs + 1)) return r;
  }
  return NULL;
}

struct wr_request *wr_request_left(struct wr_deadline *d) {
  return WR_CONTAINER_OF(d, struct wr_request, timer);
}

/* Both locks are held for it, so what the thread goes by is what the request has. False when it has
   ended. */
static bool move_deadline(struct wr_request *r, uint64_t at) {
  wr_deadline_lock();
  wr_mutex_lock(&r->bell);
  bool open = wr_load_relaxed(&r->head.end) == WR_REQUEST_OPEN; /* relaxed: under BELL */
  if (open) wr_store_relaxed(&r->head.deadline, at);
  if (open) wake_sleepers_locked(r); /* they sleep until another one */
  wr_mutex_unlock(&r->bell);
  if (open && at != WR_NO_DEADLINE) wr_deadline_put_locked(&r->timer, at);
  if (open && at == WR_NO_DEADLINE) wr_deadline_remove_locked(&r->timer);
  wr_deadline_unlock();
  return open;
}

/* One that has passed already ends it here, and all is taken back. */
struct wr_error *wr_request_set_deadline(struct wr_request *r, uint64_t at) {
  struct wr_error *error = at != WR_NO_DEADLINE ? wr_deadline_thread() : NULL;
  if (error) return error;
  if (move_deadline(r, at) && wr_request_ended(r)) take_back_all(r);
  return NULL;
}

struct wr_error *wr_request_check(struct wr_request *r) {
  struct wr_error *error = wr_request_error(r);
  if (error || !r || wr_request_deadline(r) == WR_NO_DEADLINE) return error;
  return wr_deadline_thread();
}

/* ---- the budget ---- */

struct wr_request_budget *wr_request_budget(struct wr_request *r) {
  return &r->budget;
}

struct wr_error *wr_request_set_budget(struct wr_request *r, uint64_t bytes) {
  struct wr_budget *made = wr_budget_new();
  if (!made) return wr_error_out_of_memory();
  wr_mutex_lock(&r->lock);
  r->budget.most = bytes;
  if (!wr_request_account(&r->budget)) {
    wr_store_release(&r->budget.account, made); /* release: all of it */
    made = NULL;
  }
  wr_mutex_unlock(&r->lock);
  wr_budget_release(made);
  return NULL;
}

struct wr_error *wr_request_budget_error(struct wr_request *r) {
  wr_mutex_lock(&r->lock);
  struct wr_error *error = r->budget.error ? wr_error_retain(r->budget.error) : NULL;
  wr_mutex_unlock(&r->lock);
  return error;
}

/* ---- sleeping ---- */

void wr_request_sleep_begin(struct wr_request *r, struct wr_request_sleeper *s) {
  wr_mutex_lock(&r->bell);
  wr_listed_enter(&s->listed, &r->sleepers);
  wr_mutex_unlock(&r->bell);
}

void wr_request_sleep_end(struct wr_request *r, struct wr_request_sleeper *s) {
  wr_mutex_lock(&r->bell);
  wr_listed_leave(&s->listed);
  wr_mutex_unlock(&r->bell);
}

/* ---- for weir_dump: by peeks ---- */

static bool look_at(const struct wr_request *at, struct wr_request *copy) {
  return at && wr_peek(copy, at, sizeof *copy) &&
         wr_load_relaxed(&copy->head.kind.word) == WR_KIND_REQUEST;
}

static void name_of(const struct wr_request *copy, char text[WR_DUMP_WORDS]) {
  const int length = (int)strnlen(copy->label, sizeof copy->label);
  snprintf(text, WR_DUMP_WORDS, "request %u%s%.*s%s", (unsigned)copy->head.number,
           length ? " \"" : "", length, copy->label, length ? "\"" : "");
}

void wr_dump_request_name(const struct wr_request *request, char text[WR_DUMP_WORDS]) {
  struct wr_request copy;
  if (look_at(request, &copy)) {
    name_of(&copy, text);
  } else {
    snprintf(text, WR_DUMP_WORDS, "a request that is gone");
  }
}

static void tell_first_work(struct wr_dump *d, const struct wr_request *copy) {
  struct wr_dump_work told;
  struct wr_request_work work;
  struct wr_request_work_kind kind;
  char stream[WR_DUMP_WORDS];
  if (!copy->first || !wr_peek(&work, copy->first, sizeof work) ||
      !wr_peek(&kind, work.kind, sizeof kind) ||
      !wr_dump_tell((void (*)(void))kind.take_back, copy->first, &told)) {
    return;
  }
  wr_dump_say(d, "    next is %s", told.what);
  if (wr_dump_stream_name(told.stream, stream)) {
    wr_dump_say(d, " of %s, behind %llu commands", stream,
                (unsigned long long)wr_dump_before(told.stream, told.task));
  }
  wr_dump_say(d, "\n");
}

static void tell_request(struct wr_dump *d, const struct wr_request *copy) {
  char name[WR_DUMP_WORDS];
  struct wr_request_numbers n = copy->numbers;
  add_at_once(copy, &n);
  name_of(copy, name);
  wr_dump_say(d, "  %s: %llu commands submitted, %llu begun, %llu taken back%s\n", name,
              (unsigned long long)n.submitted, (unsigned long long)n.begun,
              (unsigned long long)n.taken_back,
              wr_load_relaxed(&copy->head.end) == WR_REQUEST_OPEN ? "" : "; it has ended");
  tell_first_work(d, copy);
}

void wr_dump_requests(struct wr_dump *d) {
  enum { MOST = 1 << 16, MOST_TOLD = 256 };
  struct wr_listed *at;
  struct wr_request copy;
  int idle = 0, told = 0, left_out = 0;
  wr_dump_say(d, "requests:\n");
  if (!wr_peek((void *)&at, &list.first, sizeof at)) return;
  for (int i = 0; i < MOST && at; i++, at = copy.listed.next) {
    if (!look_at(WR_CONTAINER_OF(at, struct wr_request, listed), &copy)) break;
    if (!copy.first) {
      idle++;
    } else if (told++ < MOST_TOLD) {
      tell_request(d, &copy);
    } else {
      left_out++;
    }
  }
  if (left_out) wr_dump_say(d, "  and %d more with work that has not begun\n", left_out);
  wr_dump_say(d, "  %d without work that has not begun\n", idle);
}
