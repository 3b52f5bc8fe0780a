/* Which key comes next when the caller gives none. Keys form one sequence per thread and epoch: the
   thread that seeds draws MLX's own for that seed, each other thread one derived from the seed and
   from how many threads drew before it in the epoch. Before any seed the epoch is a random one.

   The process state is one small struct under a lock of rank REGISTRY, taken by a seed and by each
   thread's first draw in an epoch; later draws touch thread-local memory and one relaxed load. No
   other lock is taken while it is held. */

#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/lock.h"
#include "core/threefry.h"
#include "ops/internal.h"
#include "stream/stream.h"

static struct {
  struct wr_mutex lock;
  wr_atomic_u64 epoch; /* atomic RELAXED; written under LOCK; 0: none yet */
  uint32_t key[2];     /* under LOCK: the epoch's seed as a key */
  uint64_t threads;    /* under LOCK: how many threads have derived a sequence in the epoch */
} process = {.lock = WR_MUTEX_INIT(WR_RANK_REGISTRY)};

/* Another thread may have held the lock when the process was forked; its holder is not in the
   child. The state it guards is whole enough: at worst the new seed serves the rest of the old
   epoch. */
static void child_after_fork(void) { wr_mutex_init(&process.lock, WR_RANK_REGISTRY); }

static void watch_forks(void) { (void)pthread_atfork(NULL, NULL, child_after_fork); }

static void lock_process(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  wr_mutex_lock(&process.lock);
}

static void key_of_seed(uint64_t seed, uint32_t key[2]) {
  key[0] = (uint32_t)(seed >> 32);
  key[1] = (uint32_t)seed;
}

/* The next epoch's number; the lock is held. */
static uint64_t begin_epoch_locked(uint64_t seed) {
  uint64_t epoch = wr_load_relaxed(&process.epoch) + 1;
  key_of_seed(seed, process.key);
  process.threads = 0;
  /* Relaxed: who reads it without the lock only compares, and takes the lock to read the rest. */
  wr_store_relaxed(&process.epoch, epoch);
  return epoch;
}

static uint64_t random_seed(void) {
  uint64_t seed;
  int before = wr_cancel_off();
  ssize_t got = getrandom(&seed, sizeof seed, GRND_NONBLOCK);
  wr_cancel_restore(before);
  if (got == (ssize_t)sizeof seed) return seed;
  /* No entropy yet, early in the system's life: time and process differ between runs. */
  return wr_clock_ns() ^ (uint64_t)getpid() << 32;
}

struct wr_error *wr_ops_random_seed(uint64_t seed) {
  struct wr_thread *t = wr_thread_own();
  if (!t) return wr_error_out_of_memory();
  lock_process();
  t->random.epoch = begin_epoch_locked(seed);
  wr_mutex_unlock(&process.lock);
  key_of_seed(seed, t->random.key);
  return NULL;
}

/* Hashing with one key is a bijection of counters, so each thread's start differs from the others'.
   The constant keeps them away from the counters that the seeding thread's own draws use. */
static void join_epoch(struct wr_thread *t) {
  lock_process();
  if (wr_load_relaxed(&process.epoch) == 0) begin_epoch_locked(random_seed());
  t->random.epoch = wr_load_relaxed(&process.epoch);
  uint64_t n = process.threads++;
  struct wr_threefry start =
      wr_threefry_hash(process.key, (uint32_t)n, 0x77656972u + (uint32_t)(n >> 32));
  wr_mutex_unlock(&process.lock);
  t->random.key[0] = start.v[0];
  t->random.key[1] = start.v[1];
}

void wr_ops_next_key(uint32_t key[2]) {
  struct wr_thread passing = {0}, *t = wr_thread_own();
  /* Where memory is refused each draw is as that of another thread. */
  if (!t) t = &passing;
  /* Relaxed is enough: a seed that happens before this draw is seen through coherence, and one that
     races with it may be seen now or at the next draw. */
  uint64_t epoch = wr_load_relaxed(&process.epoch);
  if (epoch == 0 || t->random.epoch != epoch) join_epoch(t);
  /* As a split in two: the first half goes on, the second is given out. */
  uint32_t words[4];
  for (size_t i = 0; i < 4; i++) words[i] = wr_threefry_word(t->random.key, 4, i);
  t->random.key[0] = words[0];
  t->random.key[1] = words[1];
  key[0] = words[2];
  key[1] = words[3];
}
