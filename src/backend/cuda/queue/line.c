/* The line of a GPU: encoders whose commands were refused memory, in the order in which they came.
   graph/room.c says who waits there, and why nobody does for ever. Lock: the GPU's; hooks are
   called without it. */

#include "backend/cuda/queue/internal.h"

/* Of the oldest command of an encoder that is busy; those it has reported have released memory. */
static uint64_t oldest_locked(const struct wr_encoder *e) {
  if (e->reporting) return e->reporting;
  return e->first ? e->first->stamp : e->opened;
}

/* Some other encoder's command that was held back or in flight when this one came to be first has
   not been reported to the end. */
static bool others_hold_locked(const struct wr_gpu_queues *q, const struct wr_encoder *first) {
  for (const struct wr_encoder *e = q->busy; e; e = e->busy_next) {
    if (e != first && oldest_locked(e) <= first->line_until) return true;
  }
  return false;
}

static void join_locked(struct wr_gpu_queues *q, struct wr_encoder *e) {
  struct wr_encoder **end = &q->line;
  while (*end) end = &(*end)->line_next;
  *end = e;
  e->line_next = NULL;
  e->in_line = true;
  e->line_until = q->stamp; /* if it is first */
  wr_store_relaxed(&q->lined, true);
}

/* The hook of who is first now, and was not; or NULL. */
static struct wr_completion_hook *leave_locked(struct wr_gpu_queues *q, struct wr_encoder *e) {
  struct wr_encoder **link = &q->line;
  while (*link != e) link = &(*link)->line_next;
  *link = e->line_next;
  e->in_line = false;
  wr_store_relaxed(&q->lined, q->line != NULL);
  if (link != &q->line || !q->line) return NULL;
  q->line->line_until = q->stamp;
  return wr_line_told_locked(q);
}

struct wr_completion_hook *wr_line_told_locked(struct wr_gpu_queues *q) {
  if (!q->line) return NULL;
  struct wr_completion_hook *hook = q->line->line_hook;
  q->line->line_hook = NULL;
  return hook;
}

/* Relaxed: who comes too early or too late for a change of the line asks for memory, or stands in
   the line, without need. */
bool wr_gpu_line_before(const struct wr_encoder *e) {
  struct wr_gpu *gpu = e->gpu;
  if (!wr_load_relaxed(&gpu->queues->lined)) return false;
  wr_mutex_lock(&gpu->lock);
  bool before = gpu->queues->line && gpu->queues->line != e;
  wr_mutex_unlock(&gpu->lock);
  return before;
}

enum wr_encode_status wr_gpu_line_wait(struct wr_encoder *e, struct wr_completion_hook *hook) {
  struct wr_gpu_queues *q = e->gpu->queues;
  if (wr_gpu_forked()) return WR_ENCODE_DONE;
  wr_mutex_lock(&e->gpu->lock);
  if (!e->in_line) join_locked(q, e);
  bool waits = q->line != e || others_hold_locked(q, e);
  if (waits) e->line_hook = hook;
  wr_mutex_unlock(&e->gpu->lock);
  return waits ? WR_ENCODE_PENDING : WR_ENCODE_DONE;
}

void wr_gpu_line_leave(struct wr_encoder *e) {
  struct wr_completion_hook *hook = NULL;
  wr_mutex_lock(&e->gpu->lock);
  if (e->in_line) hook = leave_locked(e->gpu->queues, e);
  wr_mutex_unlock(&e->gpu->lock);
  if (hook) hook->fn(hook, NULL);
}

/* The encoders are left alone as they are, and what is encoded on them fails. */
void wr_line_forget(struct wr_gpu_queues *q) {
  for (struct wr_encoder *e = q->line; e; e = e->line_next) e->in_line = false;
  q->line = NULL;
  wr_store_relaxed(&q->lined, false); /* relaxed: the only thread */
}
