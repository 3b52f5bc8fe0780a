/* Commands that write their result over an input, and forks (K11). In the child of a fork, what was
   in flight is computed anew from its inputs, so no input may be half overwritten at the moment of
   the fork. Each stream has a word that says whether its drainer is inside such a command. While a
   fork is about to happen, results get memory of their own, and the fork waits for the commands
   that are inside already. These are single commands on the CPU, which wait for nothing but slices
   of their own that other threads have begun. As long as there is no fork, all this costs a command
   two exchanges of its stream's word, which no other thread uses.

   Why neither misses the other. The drainer sets its stream's word, then reads `forking`. The
   thread that forks sets `forking`, then reads the words of all streams. The four operations are
   sequentially consistent, so at least one of the two threads sees what the other has set: the
   drainer, which then does not write over its input; or the thread that forks, which then waits.
   Lock: EVENT, for that wait. */

#include "base/base.h"
#include "base/fork.h"
#include "stream/internal.h"

/* A stream's word. AWAITED: inside, and the drainer has to tell the fork when it is outside again.
 */
enum { OUTSIDE, INSIDE, AWAITED };

static wr_atomic_bool forking; /* atomic SEQ_CST: see above */
static struct wr_mutex lock = WR_MUTEX_INIT(WR_RANK_EVENT);
static struct wr_cond all_out = {PTHREAD_COND_INITIALIZER}; /* with LOCK */
static int left; /* under LOCK: how many streams are AWAITED, less those that told before they were
                    counted */

bool wr_stream_begin_in_place(struct wr_stream *s) {
  (void)wr_exchange_seq_cst(&s->in_place, INSIDE);
  wr_torture_point();
  if (!wr_load_seq_cst(&forking)) return true;
  wr_stream_end_in_place(s);
  return false;
}

void wr_stream_end_in_place(struct wr_stream *s) {
  /* Sequentially consistent, so also a release: what the command wrote is there in the child. */
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

/* The lock is made anew: a drainer of the parent's may have held it, to set its word to OUTSIDE. */
static void begin_in_child(void) {
  wr_mutex_init(&lock, WR_RANK_EVENT);
  wr_cond_init(&all_out);
  left = 0;
  let_in();
}

WR_AT_FORK(.rank = WR_RANK_NONE, .before = keep_out, .parent = let_in, .child = begin_in_child)
