/* Workers that are awake without work: they look for what comes soon. Where they look there is more
   than one processor. */

#include <sched.h>

#include "base/base.h"
#include "stream/pool.h"

uint64_t wr_pool_awake_until(void) { return wr_clock_ns() + WR_POOL_AWAKE_NS; }

/* Workers that look, in the upper half of wr_pool.awake, and how many of them there is work for, in
   the lower one, which is never larger. */
static const uint64_t LOOKS = UINT64_C(1) << 32;
static uint32_t looking(uint64_t awake) { return (uint32_t)(awake >> 32); }
static uint32_t told(uint64_t awake) { return (uint32_t)awake; }

enum looks { LOOKS_ON, TOLD, LEFT };

/* Takes this worker from those that look: where there is work for one of them, or `anyway`. */
static enum looks end_look(bool anyway) {
  uint64_t awake = wr_load_relaxed(&wr_pool.awake), after;
  do {
    if (told(awake) == 0 && !anyway) return LOOKS_ON;
    after = awake - LOOKS - (told(awake) > 0 ? 1 : 0);
  } while (!wr_cas_weak_release(&wr_pool.awake, &awake, after));
  return told(awake) > 0 ? TOLD : LEFT;
}

/* Gives the processor to whoever has work for it, which may keep it for milliseconds: meanwhile
   nobody counts on this worker. Where somebody did, others need the processors (WR_POOL_BUSY_NS).
 */
static enum looks yield_and_look_on(void) {
  enum { KEPT_NS = 10 * 1000 };
  if (end_look(true) == TOLD) return TOLD;
  const uint64_t before = wr_clock_ns();
  sched_yield();
  const uint64_t now = wr_clock_ns();
  if (now - before > KEPT_NS) {
    wr_store_relaxed(&wr_pool.busy_until, now + WR_POOL_BUSY_NS); /* relaxed: a hint */
    return LEFT;
  }
  if (wr_pool_has_ready() || wr_load_relaxed(&wr_pool.open_class)) return TOLD;
  wr_fetch_add_relaxed(&wr_pool.awake, LOOKS);
  return LOOKS_ON;
}

/* Behind it all is looked at again under the lock, which only those take that are told, lest all do
   at once. */
bool wr_pool_look_out_locked(uint64_t until, unsigned *count) {
  enum looks now;
  wr_fetch_add_relaxed(&wr_pool.awake, LOOKS);
  wr_mutex_unlock(&wr_pool.lock);
  do {
    now = ++*count % WR_POOL_LOOKS == 0 ? yield_and_look_on() : LOOKS_ON;
    if (now == LOOKS_ON) now = end_look(wr_clock_ns() >= until);
    if (now == LOOKS_ON) wr_pause();
  } while (now == LOOKS_ON);
  wr_mutex_lock_awake(&wr_pool.lock);
  return now == TOLD;
}

uint32_t wr_pool_looking(void) { return looking(wr_load_relaxed(&wr_pool.awake)); }

int wr_pool_tell_awake_locked(int wanted) {
  uint64_t awake = wr_load_relaxed(&wr_pool.awake);
  int left;
  do {
    left = (int)(looking(awake) - told(awake));
    if (left > wanted) left = wanted;
    if (left <= 0) return 0;
  } while (!wr_cas_weak_release(&wr_pool.awake, &awake, awake + (uint64_t)left));
  return left;
}

/* Small kernels one behind the other. Each of them is over before a worker that sleeps would be
   there, but many are not: where a thread has run them, one soon behind the other, for as long as a
   worker looks in vain, one is woken, whom the next ones find awake. In vain that costs as much
   once for each such time.

   Where there are as many threads with work as processors, a worker would take one from them: it
   notices, as it loses its processor when it yields, and for a while none is woken so. */

enum { SMALL_LOOKS = 8, SMALL_APART_NS = WR_POOL_AWAKE_NS / 2 };

/* Looks at the clock at some of them only, as one may take a microsecond. */
bool wr_pool_is_row_of_small(struct wr_thread *me) {
  if (!me->is_own || ++me->small.count % SMALL_LOOKS != 0) return false;
  const uint64_t now = wr_clock_ns(), took = now - me->small.since_ns;
  const bool soon = took <= me->small.count * (uint64_t)SMALL_APART_NS;
  if (soon && took < WR_POOL_AWAKE_NS) return false;
  me->small.since_ns = now;
  me->small.count = 0;
  return soon && now >= wr_load_relaxed(&wr_pool.busy_until); /* relaxed: a hint */
}
