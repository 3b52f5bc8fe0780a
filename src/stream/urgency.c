/* How urgent streams are: see urgency.h. Lock: STREAM. */

#include "stream/urgency.h"

#include "base/base.h"
#include "stream/internal.h"

static enum wr_class own_class(const struct wr_queue_urgency *q) {
  return q->own ? q->own : WR_CLASS_NORMAL;
}

static enum wr_class class_of(const struct wr_queue_urgency *q) {
  for (int c = WR_CLASS_HIGH; c <= WR_CLASS_LOW; c++) {
    if (q->until[c - 1] > q->finished) return (enum wr_class)c;
  }
  return own_class(q);
}

static bool is_sooner(uint64_t deadline, uint64_t than) {
  return deadline && (!than || deadline < than);
}

static struct wr_task *due_task(struct wr_link *due) {
  return WR_CONTAINER_OF(due, struct wr_task, due);
}

static uint64_t deadline_of(const struct wr_queue_urgency *q) {
  const uint64_t raised = q->raised_until > q->finished ? q->raised_deadline : 0;
  const uint64_t first = q->due.head ? due_task(q->due.head)->wants.deadline : 0;
  return is_sooner(raised, first) ? raised : first;
}

/* Relaxed: under LOCK; read without it as a hint. */
static bool is_used(const struct wr_stream *s) {
  return wr_load_relaxed(&((struct wr_stream *)s)->has_urgency);
}

struct wr_urgency wr_urgency_locked(const struct wr_stream *s) {
  if (!is_used(s)) return (struct wr_urgency){.class = WR_CLASS_NORMAL};
  return (struct wr_urgency){.class = class_of(&s->urgency), .deadline = deadline_of(&s->urgency)};
}

/* Tells the pool what has changed. */
static void tell_locked(struct wr_stream *s) {
  const struct wr_urgency now = wr_urgency_locked(s), *listed = &s->urgency.listed_as;
  bool changed = wr_load_relaxed(&s->class_now) != (uint32_t)now.class;
  if (changed) wr_store_relaxed(&s->class_now, (uint32_t)now.class);
  if (s->state == WR_STREAM_READY) {
    if (now.class == listed->class && now.deadline == listed->deadline) return;
    s->urgency.listed_as = now;
    wr_pool_move(s, now);
  } else if (changed && s->state == WR_STREAM_RUNNING) {
    wr_pool_note_class();
  }
}

/* What stands in the queue without a word is of normal class. */
static void begin_use_locked(struct wr_stream *s) {
  if (is_used(s)) return;
  s->urgency.until[WR_CLASS_NORMAL - 1] = s->urgency.appended;
  wr_store_relaxed(&s->has_urgency, true);
}

/* ---- tasks ---- */

/* Those of which a later task has an earlier deadline do not count. */
static void append_due(struct wr_queue_urgency *q, struct wr_task *task) {
  struct wr_dlist *due = &q->due;
  while (due->tail && due_task(due->tail)->wants.deadline >= task->wants.deadline) {
    wr_dlist_remove(due, due->tail);
  }
  wr_dlist_append(due, &task->due);
}

bool wr_urgency_append_locked(struct wr_stream *s, struct wr_task *task) {
  struct wr_queue_urgency *q = &s->urgency;
  const enum wr_class class = task->wants.class ? task->wants.class : own_class(q);
  if (!is_used(s)) {
    if (class == WR_CLASS_NORMAL && !task->wants.deadline) {
      q->appended++;
      return false;
    }
    begin_use_locked(s);
  }
  q->until[class - 1] = ++q->appended;
  if (task->wants.deadline) append_due(q, task);
  tell_locked(s);
  return s->blocked_by != NULL;
}

void wr_urgency_pop_locked(struct wr_stream *s, struct wr_task *task) {
  struct wr_dlist *due = &s->urgency.due;
  if (due->head == &task->due) wr_dlist_remove(due, &task->due);
}

void wr_urgency_unpop_locked(struct wr_stream *s, struct wr_task *task) {
  struct wr_dlist *due = &s->urgency.due;
  const uint64_t deadline = task->wants.deadline;
  if (!deadline || (due->head && due_task(due->head)->wants.deadline <= deadline)) return;
  wr_dlist_prepend(due, &task->due);
}

void wr_urgency_finish_locked(struct wr_stream *s) {
  s->urgency.finished++;
  if (is_used(s)) tell_locked(s);
}

void wr_urgency_begin_in_child(struct wr_stream *s) {
  s->urgency = (struct wr_queue_urgency){.own = s->urgency.own};
  wr_store_relaxed(&s->class_now, (uint32_t)own_class(&s->urgency)); /* the only thread */
}

/* ---- from without ---- */

/* What stands in the queue keeps the class that it was submitted with. */
void wr_stream_set_class(struct wr_stream *s, enum wr_class class) {
  wr_mutex_lock(&s->lock);
  begin_use_locked(s);
  s->urgency.own = class;
  tell_locked(s);
  wr_mutex_unlock(&s->lock);
}

/* True where a stream so urgent raises nothing that this one has in its queue. */
static bool is_plain(const struct wr_stream *s, struct wr_urgency other) {
  return other.class >= WR_CLASS_NORMAL && !other.deadline && !is_used(s);
}

/* False where all that is in flight is as urgent already. */
static bool raise_locked(struct wr_stream *s, struct wr_urgency to) {
  struct wr_queue_urgency *q = &s->urgency;
  if (q->appended == q->finished || is_plain(s, to)) return false;
  begin_use_locked(s);
  bool higher = to.class && to.class < WR_CLASS_LOW, sooner = false;
  for (int c = WR_CLASS_HIGH; higher && c <= (int)to.class; c++) {
    higher = q->until[c - 1] < q->appended;
  }
  if (higher) q->until[to.class - 1] = q->appended;
  if (s->tail) {
    sooner = is_sooner(to.deadline, s->tail->wants.deadline);
    if (sooner) s->tail->wants.deadline = to.deadline;
    if (sooner) append_due(q, s->tail);
  } else if (q->raised_until < q->appended || is_sooner(to.deadline, q->raised_deadline)) {
    sooner = to.deadline != 0;
    q->raised_deadline = to.deadline;
    q->raised_until = q->appended;
  }
  if (higher || sooner) tell_locked(s);
  return higher || sooner;
}

/* What it is raised to, not what it is: that may be more, of which what blocks it knows. */
void wr_stream_raise(struct wr_stream *stream, struct wr_urgency to) {
  struct wr_stream *s = stream ? wr_stream_retain(stream) : NULL;
  while (s) {
    wr_mutex_lock(&s->lock);
    bool raised = raise_locked(s, to);
    struct wr_stream *by = raised && s->blocked_by ? wr_stream_retain(s->blocked_by) : NULL;
    wr_mutex_unlock(&s->lock);
    wr_stream_release(s);
    s = by;
  }
}

/* The drainer of the stream, which has seen that what it waits for stands in a queue, has seen too
   whether that stream has anything but normal class. */
void wr_stream_raise_blocker(struct wr_stream *s) {
  wr_mutex_lock(&s->lock);
  const struct wr_urgency urgency = wr_urgency_locked(s);
  struct wr_stream *by = s->blocked_by;
  by = by && !is_plain(by, urgency) ? wr_stream_retain(by) : NULL;
  wr_mutex_unlock(&s->lock);
  wr_stream_raise(by, urgency);
  wr_stream_release(by);
}
