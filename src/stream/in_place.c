/* Commands that write their result over an input, and forks (K11). In a child, what was in flight
   is computed anew from its inputs, so none of them may be half overwritten. Most of the time no
   fork is on its way, and such a command costs two exchanges of a word that its drainer has to
   itself; while one is, results get room of their own, and the fork waits for the commands that are
   inside already. Those are single commands on the CPU, which wait for nothing but the slices of
   them that other threads have begun.

   Neither is missed. The drainer raises its stream's word, then looks at `forking`; who forks sets
   `forking`, then looks at the words of all streams. These four are sequentially consistent, so one
   of the two sees the other: the drainer, and then it does not write; or who forks, and then it
   waits; or both. Lock: EVENT, for the wait. */

#include "base/base.h"
#include "base/fork.h"
#include "stream/internal.h"

/* A stream's word. AWAITED: whoever lowers it tells the fork. */
enum { OUTSIDE, INSIDE, AWAITED };

static wr_atomic_bool forking; /* atomic SEQ_CST: see above */
static struct wr_mutex lock = WR_MUTEX_INIT(WR_RANK_EVENT);
static struct wr_cond all_out = {PTHREAD_COND_INITIALIZER}; /* with LOCK */
static int left; /* under LOCK: AWAITED, less those that told before they were counted */

bool wr_stream_begin_in_place(struct wr_stream *s) {
  (void)wr_exchange_seq_cst(&s->in_place, INSIDE);
  wr_torture_point();
  if (!wr_load_seq_cst(&forking)) return true;
  wr_stream_end_in_place(s);
  return false;
}

void wr_stream_end_in_place(struct wr_stream *s) {
  /* Acq_rel, within sequential consistency: what was written is there in the child. */
  if (wr_exchange_seq_cst(&s->in_place, OUTSIDE) != AWAITED) return;
  wr_mutex_lock(&lock);
  left--;
  wr_cond_signal(&all_out);
  wr_mutex_unlock(&lock);
}

/* ---- a fork ---- */

static void ask(struct wr_stream *s, void *count) {
  uint32_t inside = INSIDE;
  if (wr_cas_seq_cst(&s->in_place, &inside, AWAITED)) ++*(int *)count;
}

static void keep_out(void) {
  int asked = 0;
  (void)wr_exchange_seq_cst(&forking, true);
  wr_registry_visit_all(ask, &asked);
  wr_mutex_lock(&lock);
  left += asked;
  while (left > 0) wr_cond_wait(&all_out, &lock);
  wr_mutex_unlock(&lock);
}

static void let_in(void) { (void)wr_exchange_seq_cst(&forking, false); }

/* A drainer that found `forking` set may have been about to lower its word, with the lock held. */
static void begin_in_child(void) {
  wr_mutex_init(&lock, WR_RANK_EVENT);
  wr_cond_init(&all_out);
  left = 0;
  let_in();
}

static struct wr_fork_row fork_row = {
    .rank = WR_RANK_NONE, .before = keep_out, .parent = let_in, .child = begin_in_child};
__attribute__((constructor)) static void watch_forks(void) { wr_fork_register(&fork_row); }
