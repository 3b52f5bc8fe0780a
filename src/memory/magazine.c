/* Magazines: a few idle small host buffers per thread, so that most allocations touch nothing that
   other threads write. What they hold counts as cache, and clear_cache empties those of all
   threads: a flag in each, taken by its thread for a push or a pop and by whoever empties it, is a
   lock that is nearly never contended. It is the flag of the thread's credit (credit.h), by which a
   push or a pop is counted too. Its holder takes no lock and waits for nothing. The list of
   magazines is that of the credits; its lock has the rank ALLOCATOR, and flags are taken inside it.
 */

#include <pthread.h>
#include <string.h>

#include "base/handlers.h"
#include "memory/credit.h"
#include "memory/internal.h"

enum { MAX_PER_CLASS = WR_TORTURED ? 1 : 32, MAX_BYTES = WR_TORTURED ? 4096 : 1 << 20 };

/* On lines of memory of its own. */
struct magazine {
  struct wr_credit credit;                    /* the first member */
  uint32_t bytes;                             /* under the flag */
  uint8_t counts[WR_CLASS_MAGAZINES];         /* under the flag */
  struct wr_buffer *idle[WR_CLASS_MAGAZINES]; /* under the flag */
};

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made; /* immutable after key_once; else the C library's other means is used */

static struct magazine closed; /* immutable: of threads that are ending, which get none any more */
static _Thread_local struct magazine *mine;

static struct magazine *mine_if_any(void) { return mine == &closed ? NULL : mine; }

/* ---- life ---- */

static struct wr_buffer *empty(struct magazine *m, struct wr_buffer *onto) {
  wr_credit_take_flag(&m->credit);
  for (int c = 0; c < WR_CLASS_MAGAZINES; c++) {
    while (m->idle[c]) {
      struct wr_buffer *b = m->idle[c];
      m->idle[c] = b->next;
      b->next = onto;
      onto = b;
    }
    m->counts[c] = 0;
  }
  m->bytes = 0;
  wr_credit_drop_flag(&m->credit);
  return onto;
}

/* Gives what the thread has to the shared cache. */
static void thread_ends(void *unused) {
  struct magazine *m = mine_if_any();
  (void)unused;
  mine = &closed;
  if (!m) return;
  wr_credit_close(&m->credit);
  struct wr_buffer *idle = empty(m, NULL);
  while (idle) {
    struct wr_buffer *b = idle;
    idle = b->next;
    wr_cache_put(b);
  }
  wr_free(m);
}

void wr_memory_thread_exit(void) { thread_ends(NULL); }

static void make_key(void) { key_made = pthread_key_create(&key, thread_ends) == 0; }

/* At load: later another library may have taken the last one. */
__attribute__((constructor)) static void key_at_load(void) { pthread_once(&key_once, make_key); }

static bool watch_end(struct magazine *m) {
  if (!key_made) return wr_handlers_as_thread_leaves(thread_ends, NULL);
  return pthread_setspecific(key, m) == 0;
}

static struct magazine *magazine_new(void) {
  struct magazine *m = wr_alloc_aligned(64, (sizeof *m + 63) / 64 * 64);
  if (m) memset(m, 0, sizeof *m);
  return m;
}

/* Without a magazine (memory refused, thread ending) the shared cache serves. */
static struct magazine *open_slow(void) {
  if (mine) return NULL;
  pthread_once(&key_once, make_key);
  struct magazine *m = magazine_new();
  if (!m) return NULL;
  if (!watch_end(m)) {
    wr_free(m);
    return NULL;
  }
  wr_credit_open(&m->credit);
  mine = m;
  return m;
}

static struct wr_credit *credit_of(struct magazine *m) { return m ? &m->credit : NULL; }

struct wr_credit *wr_magazine_credit(void) {
  return credit_of(mine_if_any());
}

struct wr_credit *wr_magazine_credit_open(void) {
  struct magazine *m = mine_if_any();
  return credit_of(m ? m : open_slow());
}

/* ---- use ---- */

struct wr_buffer *wr_magazine_take(uint32_t size_class, bool *counted) {
  struct magazine *m = mine_if_any();
  if (!m) return NULL;
  wr_credit_take_flag(&m->credit);
  struct wr_buffer *b = m->idle[size_class];
  if (b) {
    m->idle[size_class] = b->next;
    m->counts[size_class]--;
    m->bytes -= (uint32_t)b->bytes;
    *counted = wr_credit_pay(&m->credit, b->bytes);
  }
  wr_credit_drop_flag(&m->credit);
  return b;
}

static bool push(struct magazine *m, struct wr_buffer *buffer) {
  uint32_t c = buffer->size_class;
  if (m->counts[c] >= MAX_PER_CLASS || m->bytes + buffer->bytes > MAX_BYTES) return false;
  buffer->next = m->idle[c];
  m->idle[c] = buffer;
  m->counts[c]++;
  m->bytes += (uint32_t)buffer->bytes;
  return true;
}

/* It is counted before the look at the limit, and both under the flag: another thread that frees,
   and counts and looks in that order, finds this one counted, or this one finds it. For where that
   one does not take this flag it has reckoned with the most that may stand here. */
enum wr_magazine_put wr_magazine_put(struct wr_buffer *buffer) {
  struct magazine *m = mine_if_any();
  if (!m) m = open_slow();
  if (!m) return WR_PUT_NOTHING;
  wr_credit_take_flag(&m->credit);
  wr_credit_pay_back(&m->credit, buffer->bytes);
  bool kept = wr_account_roomy() && push(m, buffer);
  bool due = wr_credit_is_due(&m->credit);
  wr_credit_drop_flag(&m->credit);
  if (due) wr_credit_begin(&m->credit);
  return kept ? WR_PUT_KEPT : WR_PUT_COUNTED;
}

static struct magazine *magazine_of(struct wr_credit *c) {
  return WR_CONTAINER_OF(c, struct magazine, credit);
}

struct wr_buffer *wr_magazine_take_all(void) {
  struct wr_buffer *all = NULL;
  wr_credits_lock();
  for (struct wr_credit *c = NULL; (c = wr_credits_next_locked(c));)
    all = empty(magazine_of(c), all);
  wr_credits_unlock();
  return all;
}

/* The memory in the others' is lost to the child, at most MAX_BYTES each. */
size_t wr_magazine_fork_child(void) {
  struct magazine *m = mine_if_any();
  return m ? m->bytes : 0;
}
