/* Magazines: a few idle small host buffers per thread, so that most allocations touch nothing that
   other threads write. What they hold counts as cache, and clear_cache empties those of all
   threads: a flag in each, taken by its thread for a push or a pop and by whoever empties it, is a
   lock that is nearly never contended. Its holder takes no other lock and calls nothing. The list
   of magazines has the lock of rank ALLOCATOR below; the flag is taken inside it. */

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/handlers.h"
#include "base/list.h"
#include "memory/internal.h"

enum { MAX_PER_CLASS = WR_TORTURED ? 1 : 32, MAX_BYTES = WR_TORTURED ? 4096 : 1 << 20 };

struct magazine {
  wr_atomic_bool busy; /* atomic ACQ_REL: the flag */
  struct wr_listed listed;
  uint32_t bytes;                             /* under the flag */
  uint8_t counts[WR_CLASS_MAGAZINES];         /* under the flag */
  struct wr_buffer *idle[WR_CLASS_MAGAZINES]; /* under the flag */
};

static struct wr_list list = {.lock = WR_MUTEX_INIT(WR_RANK_ALLOCATOR),
                              .offset = offsetof(struct magazine, listed)};

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made; /* immutable after key_once; else the C library's other means is used */

static struct magazine closed; /* immutable: of threads that are ending, which get none any more */
static _Thread_local struct magazine *mine;

static struct magazine *mine_if_any(void) { return mine == &closed ? NULL : mine; }

/* A thread for real time that only yielded could keep the holder off its processor for ever. */
static void flag_take_slow(struct magazine *m) {
  enum { YIELDS = 16, NAP_NS = 20 * 1000 };
  for (int i = 0; wr_exchange_acq_rel(&m->busy, true); i++) {
    if (i < YIELDS) {
      sched_yield();
    } else {
      wr_nap(NAP_NS);
    }
  }
}

/* Acquire: see what the flag's last holder did. */
static void flag_take(struct magazine *m) {
  if (wr_exchange_acq_rel(&m->busy, true)) flag_take_slow(m);
}

/* Release: pairs with the next holder's acquire. */
static void flag_drop(struct magazine *m) { wr_store_release(&m->busy, false); }

/* ---- life ---- */

static struct wr_buffer *empty(struct magazine *m, struct wr_buffer *onto) {
  flag_take(m);
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
  flag_drop(m);
  return onto;
}

/* Gives what the thread has to the shared cache. */
static void thread_ends(void *unused) {
  struct magazine *m = mine_if_any();
  (void)unused;
  mine = &closed;
  if (!m) return;
  wr_list_leave(&list, m);
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

/* Without a magazine (memory refused, thread ending) the shared cache serves. */
static struct magazine *open_slow(void) {
  if (mine) return NULL;
  pthread_once(&key_once, make_key);
  struct magazine *m = wr_calloc(sizeof *m);
  if (!m) return NULL;
  if (!watch_end(m)) {
    wr_free(m);
    return NULL;
  }
  wr_list_enter(&list, m);
  mine = m;
  return m;
}

/* ---- use ---- */

struct wr_buffer *wr_magazine_take(uint32_t size_class) {
  struct magazine *m = mine_if_any();
  if (!m) return NULL;
  flag_take(m);
  struct wr_buffer *b = m->idle[size_class];
  if (b) {
    m->idle[size_class] = b->next;
    m->counts[size_class]--;
    m->bytes -= (uint32_t)b->bytes;
  }
  flag_drop(m);
  return b;
}

bool wr_magazine_put(struct wr_buffer *buffer) {
  struct magazine *m = mine_if_any();
  if (!m) m = open_slow();
  if (!m) return false;
  uint32_t c = buffer->size_class;
  flag_take(m);
  bool fits = m->counts[c] < MAX_PER_CLASS && m->bytes + buffer->bytes <= MAX_BYTES;
  if (fits) {
    buffer->next = m->idle[c];
    m->idle[c] = buffer;
    m->counts[c]++;
    m->bytes += (uint32_t)buffer->bytes;
  }
  flag_drop(m);
  return fits;
}

struct wr_buffer *wr_magazine_take_all(void) {
  struct wr_buffer *all = NULL;
  wr_mutex_lock(&list.lock);
  for (struct magazine *m = wr_list_first(&list); m; m = wr_list_next(&list, m))
    all = empty(m, all);
  wr_mutex_unlock(&list.lock);
  return all;
}

/* The other threads are gone, perhaps in the middle of a push: their lists cannot be trusted, nor
   this thread's where one of them was emptying it. The memory in them is lost to the child, at most
   MAX_BYTES each. */
size_t wr_magazine_fork_child(void) {
  wr_mutex_init(&list.lock, WR_RANK_ALLOCATOR);
  list.first = NULL;
  struct magazine *m = mine_if_any();
  if (!m) return 0;
  if (wr_load_relaxed(&m->busy)) memset(m, 0, sizeof *m); /* relaxed: the only thread */
  wr_list_enter(&list, m);
  return m->bytes;
}
