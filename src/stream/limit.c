/* Room on streams: see limit.h. Lock: STREAM. */

#include "stream/limit.h"

#include "base/base.h"
#include "stream/internal.h"
#include "stream/request.h"

wr_atomic_bool wr_limits_are_used;

/* A call that waits. Two references: its own, and the list's, which goes to who lets it in. */
struct wr_limit_wait {
  struct wr_completion over;  /* it was let in */
  wr_atomic_u32 refs;         /* atomic ACQ_REL */
  bool is_in;                 /* under LOCK */
  struct wr_limit_wait *next; /* under LOCK; then who lets it in only */
};

bool wr_limit_is_used(const struct wr_stream *s) {
  /* Seq_cst, as all here but a count that is only told: a command ends, and then looks whether
     there is a limit; a limit is set, and then who waits looks what has ended. One sees the other.
   */
  return wr_load_seq_cst(&((struct wr_stream *)s)->limit.is_used);
}

static void drop(struct wr_limit_wait *w) {
  if (w && wr_ref_drop(&w->refs)) wr_free(w);
}

/* ---- who may come in ---- */

/* Finished ones are read first, as in wr_stream_numbers. */
static uint64_t in_flight(struct wr_stream *s) {
  const uint64_t finished = wr_load_seq_cst(&s->done) + wr_load_seq_cst(&s->failed);
  const uint64_t submitted = wr_load_seq_cst(&s->submitted);
  return submitted > finished ? submitted - finished : 0;
}

static bool has_room_locked(struct wr_stream *s) {
  const struct wr_limit *l = &s->limit;
  if (l->bytes && l->bytes_in_flight >= l->bytes) return false;
  return !l->commands || in_flight(s) + l->let_in < l->commands;
}

/* Puts those who may come in in front of the list. */
static void let_in_locked(struct wr_stream *s, struct wr_limit_wait **list) {
  struct wr_limit *l = &s->limit;
  while (l->first && has_room_locked(s)) {
    struct wr_limit_wait *w = l->first;
    l->first = w->next;
    if (!l->first) l->last = NULL;
    l->let_in++;
    w->is_in = true;
    w->next = *list;
    *list = w;
  }
}

void wr_limit_tell(struct wr_limit_wait *list) {
  while (list) {
    struct wr_limit_wait *w = list;
    list = w->next;
    (void)wr_completion_finish(&w->over, WR_PHASE_DONE);
    drop(w);
  }
}

/* ---- what is in flight ---- */

void wr_limit_note_submitted(struct wr_stream *s, uint64_t bytes) {
  wr_mutex_lock(&s->lock);
  s->limit.bytes_in_flight += bytes;
  wr_mutex_unlock(&s->lock);
}

void wr_limit_note_taken_back(struct wr_stream *s, uint64_t bytes, struct wr_limit_wait **let_in) {
  wr_mutex_lock(&s->lock);
  s->limit.bytes_in_flight -= bytes;
  let_in_locked(s, let_in);
  wr_mutex_unlock(&s->lock);
}

void wr_limit_note_over(struct wr_stream *s, uint64_t bytes) {
  struct wr_limit_wait *let_in = NULL;
  wr_limit_note_taken_back(s, bytes, &let_in);
  wr_limit_tell(let_in);
}

void wr_stream_set_limit(struct wr_stream *s, uint64_t commands, uint64_t bytes) {
  struct wr_limit_wait *let_in = NULL;
  wr_store_relaxed(&wr_limits_are_used, true);
  wr_mutex_lock(&s->lock);
  (void)wr_exchange_seq_cst(&s->limit.is_used, true); /* see wr_limit_is_used */
  s->limit.commands = commands;
  s->limit.bytes = bytes;
  let_in_locked(s, &let_in);
  wr_mutex_unlock(&s->lock);
  wr_limit_tell(let_in);
}

/* ---- coming in ---- */

static bool try_locked(struct wr_stream *s) {
  if (s->limit.first || !has_room_locked(s)) return false;
  s->limit.let_in++;
  return true;
}

bool wr_limit_try(struct wr_stream *s) {
  wr_mutex_lock(&s->lock);
  bool in = try_locked(s);
  wr_mutex_unlock(&s->lock);
  return in;
}

void wr_limit_leave(struct wr_stream *s) {
  struct wr_limit_wait *let_in = NULL;
  wr_mutex_lock(&s->lock);
  s->limit.let_in--;
  let_in_locked(s, &let_in);
  wr_mutex_unlock(&s->lock);
  wr_limit_tell(let_in);
}

static struct wr_limit_wait *wait_new(void) {
  struct wr_limit_wait *w = wr_calloc(sizeof *w);
  if (!w) return NULL;
  wr_store_relaxed(&w->refs, 2u); /* relaxed: not yet shared */
  wr_completion_init(&w->over, WR_PHASE_LAZY);
  (void)wr_completion_claim(&w->over, 0);
  (void)wr_completion_mark_submitted(&w->over);
  return w;
}

/* True when it has come in already. */
static bool join(struct wr_stream *s, struct wr_limit_wait *w) {
  wr_mutex_lock(&s->lock);
  w->is_in = try_locked(s);
  bool waits = !w->is_in;
  if (waits && s->limit.last) s->limit.last->next = w;
  if (waits && !s->limit.last) s->limit.first = w;
  if (waits) s->limit.last = w;
  wr_mutex_unlock(&s->lock);
  return !waits;
}

/* True when it was let in before. Who came after it may come in now. */
static bool leave_line(struct wr_stream *s, struct wr_limit_wait *w) {
  struct wr_limit_wait *let_in = NULL, *before = NULL;
  wr_mutex_lock(&s->lock);
  bool in = w->is_in;
  if (!in) {
    struct wr_limit_wait **link = &s->limit.first;
    for (; *link != w; link = &(*link)->next) before = *link;
    *link = w->next;
    if (s->limit.last == w) s->limit.last = before;
    let_in_locked(s, &let_in);
  }
  wr_mutex_unlock(&s->lock);
  wr_limit_tell(let_in);
  return in;
}

static void wait_for(struct wr_limit_wait *w, struct wr_stream *s, struct wr_request *request) {
  if (!request) wr_stream_help(s, &w->over);
  while (!wr_completion_over(&w->over) && !wr_request_ended(request)) {
    wr_stream_help_in(request, s, &w->over);
  }
}

struct wr_error *wr_limit_enter(struct wr_stream *s, struct wr_request *request) {
  if (wr_limit_try(s)) return NULL;
  struct wr_limit_wait *w = wait_new();
  if (!w) return wr_error_out_of_memory();
  const bool waits = !join(s, w);
  if (waits) wait_for(w, s, request);
  const bool in = !waits || leave_line(s, w);
  /* wait_for may have left a marker behind `over`, which keeps the stream alive until that is. */
  if (!in) (void)wr_completion_finish(&w->over, WR_PHASE_DONE);
  if (!waits || !in) drop(w); /* the list's */
  drop(w);
  return in ? NULL : wr_request_error(request);
}

struct wr_error *wr_limit_error(struct wr_stream *s) {
  char text[WR_STREAM_TEXT];
  (void)wr_stream_describe(s, text);
  wr_mutex_lock(&s->lock);
  const struct wr_limit l = s->limit;
  const uint64_t commands = in_flight(s);
  wr_mutex_unlock(&s->lock);
  return wr_error_new(WEIR_ERROR_AGAIN,
                      "%s has %llu commands and %llu bytes in flight, of %llu and %llu", text,
                      (unsigned long long)commands, (unsigned long long)l.bytes_in_flight,
                      (unsigned long long)l.commands, (unsigned long long)l.bytes);
}

void wr_limit_begin_in_child(struct wr_stream *s) {
  s->limit.bytes_in_flight = 0;
  s->limit.let_in = 0;
  s->limit.first = NULL;
  s->limit.last = NULL;
}
