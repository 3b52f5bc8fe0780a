/* The line of a GPU: encoders whose commands were refused memory, in the order in which they came.
   graph/room.c says who waits there, and why nobody does for ever. Lock: the GPU's; hooks are
   called without it.

   A command holds memory from the moment at which it takes some, and is found among the commands of
   its encoder only later. So the first in the line also waits for attempts that began before it
   came. `taking` counts attempts: a thread adds itself, then looks whether there is a line; who
   comes to the line says so, then looks at the count. One of the two sees the other. So once the
   first has found the count at 0, nobody else takes memory as long as it stands there, and what can
   still give some back are the commands that have been encoded by then. An attempt that ends tells
   the first. */

#include "backend/cuda/queue/internal.h"

/* Of the oldest command of an encoder that is busy; those it has reported have released memory. */
static uint64_t oldest_locked(const struct wr_encoder *e) {
  if (e->reporting) return e->reporting;
  return e->first ? e->first->stamp : e->opened;
}

/* Some other encoder's command that was held back or in flight when this one came to be alone has
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
  e->line_alone = false;
  (void)wr_exchange_seq_cst(&q->lined, true);
}

/* Whether the first in the line has nothing left to wait for. Of attempts that begin from now on
   none takes memory, so that it does not matter when they are counted. */
static bool is_alone_locked(struct wr_gpu_queues *q, struct wr_encoder *first) {
  if (!first->line_alone && wr_load_seq_cst(&q->taking) == 0) {
    first->line_alone = true;
    first->line_until = q->stamp;
  }
  return first->line_alone && !others_hold_locked(q, first);
}

/* The hook of who is first now, and was not; or NULL. */
static struct wr_completion_hook *leave_locked(struct wr_gpu_queues *q, struct wr_encoder *e) {
  struct wr_encoder **link = &q->line;
  while (*link != e) link = &(*link)->line_next;
  *link = e->line_next;
  e->in_line = false;
  (void)wr_exchange_seq_cst(&q->lined, q->line != NULL);
  if (link != &q->line || !q->line) return NULL;
  return wr_line_told_locked(q);
}

struct wr_completion_hook *wr_line_told_locked(struct wr_gpu_queues *q) {
  if (!q->line) return NULL;
  struct wr_completion_hook *hook = q->line->line_hook;
  q->line->line_hook = NULL;
  return hook;
}

static bool is_before(const struct wr_encoder *e) {
  struct wr_gpu *gpu = e->gpu;
  if (!wr_load_seq_cst(&gpu->queues->lined)) return false;
  wr_mutex_lock(&gpu->lock);
  bool before = gpu->queues->line && gpu->queues->line != e;
  wr_mutex_unlock(&gpu->lock);
  return before;
}

bool wr_gpu_take_begin(struct wr_encoder *e, bool anyway) {
  wr_fetch_add_seq_cst(&e->gpu->queues->taking, 1u);
  if (anyway || !is_before(e)) return true;
  wr_gpu_take_end(e);
  return false;
}

void wr_gpu_take_end(struct wr_encoder *e) {
  struct wr_gpu *gpu = e->gpu;
  wr_fetch_sub_seq_cst(&gpu->queues->taking, 1u);
  if (!wr_load_seq_cst(&gpu->queues->lined)) return;
  wr_mutex_lock(&gpu->lock);
  struct wr_completion_hook *hook = wr_line_told_locked(gpu->queues);
  wr_mutex_unlock(&gpu->lock);
  if (hook) hook->fn(hook, NULL);
}

enum wr_encode_status wr_gpu_line_wait(struct wr_encoder *e, struct wr_completion_hook *hook) {
  struct wr_gpu_queues *q = e->gpu->queues;
  if (wr_gpu_forked()) return WR_ENCODE_DONE;
  wr_mutex_lock(&e->gpu->lock);
  if (!e->in_line) join_locked(q, e);
  bool waits = q->line != e || !is_alone_locked(q, e);
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
  wr_store_relaxed(&q->taking, 0u);   /* the same; who took memory is not there */
}
