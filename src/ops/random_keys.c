/* Which key comes next when the caller gives none. Keys form one sequence per thread and epoch: the
   thread that seeds draws MLX's own for that seed, each other thread one derived from the seed and
   from how many threads drew before it in the epoch. Before any seed the epoch is a random one. The
   child of a fork begins an epoch of its own.

   The process state is one small struct under a lock of rank REGISTRY, taken by a seed and by each
   thread's first draw in an epoch; later draws touch thread-local memory and one relaxed load. No
   other lock is taken while it is held. */

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/fork.h"
#include "base/lock.h"
#include "core/threefry.h"
#include "ops/internal.h"
#include "stream/stream.h"

static struct {
  struct wr_mutex lock;
  wr_atomic_u64 epoch; /* atomic RELAXED; written under LOCK; 0: none yet */
  uint32_t key[2];     /* under LOCK: the epoch's seed as a key */
  uint64_t threads;    /* under LOCK: how many threads have derived a sequence in the epoch */
  uint64_t children;   /* under LOCK: how often the process was forked in the epoch */
} process = {.lock = WR_MUTEX_INIT(WR_RANK_REGISTRY)};

static void key_of_seed(uint64_t seed, uint32_t key[2]) {
  key[0] = (uint32_t)(seed >> 32);
  key[1] = (uint32_t)seed;
}

/* The next epoch's number; the lock is held. */
static uint64_t begin_epoch_locked(const uint32_t key[2]) {
  uint64_t epoch = wr_load_relaxed(&process.epoch) + 1;
  memcpy(process.key, key, sizeof process.key);
  process.threads = 0;
  process.children = 0;
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
  key_of_seed(seed, t->random.key);
  wr_mutex_lock(&process.lock);
  t->random.epoch = begin_epoch_locked(t->random.key);
  wr_mutex_unlock(&process.lock);
  return NULL;
}

/* Hashing with one key is a bijection of counters, so what is derived from an epoch's key differs:
   each thread's start from the others', and each child's key from those and from its siblings'. The
   constants keep both away from the counters that the seeding thread's own draws use. */
enum { FOR_THREADS = 0x77656972, FOR_CHILDREN = 0x666f726b };

static void derive_locked(uint64_t n, uint32_t what, uint32_t key[2]) {
  struct wr_threefry derived =
      wr_threefry_hash(process.key, (uint32_t)n, what + (uint32_t)(n >> 32));
  key[0] = derived.v[0];
  key[1] = derived.v[1];
}

static void begin_random_epoch_locked(void) {
  uint32_t key[2];
  key_of_seed(random_seed(), key);
  begin_epoch_locked(key);
}

static void join_epoch(struct wr_thread *t) {
  wr_mutex_lock(&process.lock);
  if (wr_load_relaxed(&process.epoch) == 0) begin_random_epoch_locked();
  t->random.epoch = wr_load_relaxed(&process.epoch);
  derive_locked(process.threads++, FOR_THREADS, t->random.key);
  wr_mutex_unlock(&process.lock);
}

/* ---- fork (K11) ----

   The child begins an epoch of its own, whose key follows from the parent's and from how often that
   one was forked in it. So parent, children and theirs draw different numbers, and after a seed the
   same ones in each run that forks in the same order. Before any draw there is nothing to differ
   from. */

static void count_child(void) { process.children++; }

static void begin_in_child(void) {
  uint32_t key[2];
  if (wr_load_relaxed(&process.epoch) == 0) return;
  derive_locked(process.children, FOR_CHILDREN, key);
  begin_epoch_locked(key);
}

WR_AT_FORK(.rank = WR_RANK_REGISTRY, .lock = &process.lock, .parent = count_child,
           .child = begin_in_child)

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
