/* The shared cache of idle buffers and the accounts of all memories. A freed buffer is kept when
   all that is idle, in its memory or, where a limit was set, in all of them, stays within the
   limit; older ones make room, the largest first. Lock: ALLOCATOR, held for a few pointer moves;
   sources are called without it.

   Idle bytes are not counted by themselves: they are what is held less what is active, so that a
   small allocation changes no shared number but that of active bytes, and that seldom (active.c).
   Each is exact; limits.c says what the numbers make that were read one after the other. */

#include <malloc.h>
#include <pthread.h>

#include "base/fork.h"
#include "base/lock.h"
#include "memory/derived.h"
#include "memory/internal.h"

/* MLX's limit on CPU is 32 MB, which no array of 16M floats fits: each is mapped anew, and the
   faults of its first write take longer than a sum of two. */
enum { MAX_ENTRIES = 8192, DEFAULT_CACHE_LIMIT = WR_TORTURED ? 4096 : 256 << 20 };

struct wr_accounts wr_accounts = {.cache_limit = DEFAULT_CACHE_LIMIT,
                                  .memory_limit = WR_LIMIT_UNSET};

/* Relaxed: a count that orders nothing. */
void wr_account_hold(struct wr_memory *memory, uint64_t bytes) {
  const bool host = memory == wr_memory_host();
  wr_fetch_add_relaxed(host ? &wr_accounts.host.made : &wr_accounts.devices.made, bytes);
  if (!host) wr_fetch_add_relaxed(&memory->held.made, bytes);
}

/* Release, for who reads it with acquire: the buffer's end is counted for it, too (limits.c). */
void wr_account_give_back(struct wr_memory *memory, uint64_t bytes) {
  const bool host = memory == wr_memory_host();
  wr_fetch_add_acq_rel(host ? &wr_accounts.host.returned : &wr_accounts.devices.returned, bytes);
  if (!host) wr_fetch_add_acq_rel(&memory->held.returned, bytes);
}

static struct {
  struct wr_mutex lock;
  struct wr_memory *memories; /* under LOCK; but the host's, which always is */
  size_t entries;             /* under LOCK */
} cache = {.lock = WR_MUTEX_INIT(WR_RANK_ALLOCATOR)};

/* ---- lists ---- */

static void push_locked(struct wr_buffer *b) {
  struct wr_buffer **head = &b->memory->idle[b->size_class];
  b->next = *head;
  *head = b;
  cache.entries++;
}

static struct wr_buffer *pop_locked(struct wr_memory *memory, uint32_t size_class) {
  struct wr_buffer *b = memory->idle[size_class];
  if (!b) return NULL;
  memory->idle[size_class] = b->next;
  cache.entries--;
  return b;
}

/* Moves idle buffers to *out, the largest classes first, until `excess` bytes are moved. Returns
   how many are still missing. */
static size_t evict_locked(struct wr_memory *memory, size_t excess, struct wr_buffer **out) {
  for (uint32_t c = WR_CLASS_COUNT; c-- > 0 && excess;) {
    struct wr_buffer *b;
    while (excess && (b = pop_locked(memory, c))) {
      b->next = *out;
      *out = b;
      excess -= b->bytes < excess ? b->bytes : excess;
    }
  }
  return excess;
}

/* Small buffers are the cheapest to make again: the smallest makes room for a new entry. */
static struct wr_buffer *evict_smallest_locked(struct wr_memory *memory) {
  for (uint32_t c = 0; c < WR_CLASS_COUNT; c++) {
    struct wr_buffer *b = pop_locked(memory, c);
    if (b) return b;
  }
  return NULL;
}

void wr_buffer_return(struct wr_buffer *b) {
  const struct wr_memory_source *source = b->memory->source;
  source->free(source, b->data, b->bytes);
  wr_free(b);
}

/* Gives a list of idle buffers back to their sources. */
static void destroy(struct wr_buffer *list) {
  while (list) {
    struct wr_buffer *b = list;
    list = b->next;
    wr_account_give_back(b->memory, b->bytes);
    bool mapped = wr_memory_maps(b->memory, b->bytes);
    if (!mapped || wr_wired_remove(wr_mapped_buffer(b))) wr_buffer_return(b);
  }
}

/* ---- taking and putting ---- */

struct wr_buffer *wr_cache_take(struct wr_memory *memory, uint32_t size_class) {
  wr_mutex_lock(&cache.lock);
  struct wr_buffer *b = pop_locked(memory, size_class);
  wr_mutex_unlock(&cache.lock);
  return b;
}

/* Called when the buffer no longer counts as active. */
void wr_cache_put(struct wr_buffer *buffer) {
  size_t excess = wr_account_excess(buffer->memory);
  struct wr_buffer *out = NULL;
  if (wr_account_oversized(buffer->memory, buffer->bytes)) {
    buffer->next = NULL;
    destroy(buffer);
    return;
  }
  wr_mutex_lock(&cache.lock);
  if (excess && evict_locked(buffer->memory, excess, &out)) {
    /* The rest of what is idle stands in magazines, or is another memory's. */
    buffer->next = out;
    out = buffer;
  } else {
    if (cache.entries >= MAX_ENTRIES) {
      struct wr_buffer *small = evict_smallest_locked(buffer->memory);
      if (small) {
        small->next = out;
        out = small;
      }
    }
    push_locked(buffer);
  }
  wr_mutex_unlock(&cache.lock);
  destroy(out);
}

/* Takes so many bytes from a memory; those of threads' magazines come last, and all at once. */
static void trim_one(struct wr_memory *memory, size_t excess) {
  struct wr_buffer *out = NULL;
  if (excess) {
    wr_mutex_lock(&cache.lock);
    excess = evict_locked(memory, excess, &out);
    wr_mutex_unlock(&cache.lock);
    destroy(out);
  }
  if (excess && memory == wr_memory_host()) destroy(wr_magazine_take_all());
  if (memory->source->release) memory->source->release(memory->source);
}

void wr_cache_empty(struct wr_memory *memory) { trim_one(memory, SIZE_MAX); }

static size_t cached_above(size_t limit) {
  size_t cached = wr_memory_cached();
  return cached > limit ? cached - limit : 0;
}

/* Memories are only ever added, but by tests that let no other thread work meanwhile. */
static void trim_all(size_t limit) {
  trim_one(wr_memory_host(), cached_above(limit));
  wr_mutex_lock(&cache.lock);
  struct wr_memory *memory = cache.memories;
  wr_mutex_unlock(&cache.lock);
  for (; memory; memory = memory->next) trim_one(memory, cached_above(limit));
}

/* Derived forms last: they become idle buffers. */
void wr_cache_trim(size_t limit) {
  trim_all(limit);
  if (cached_above(limit) && wr_forms_drop()) trim_all(limit);
}

/* ---- memories ---- */

void wr_cache_register(struct wr_memory *memory) {
  wr_mutex_lock(&cache.lock);
  memory->next = cache.memories;
  cache.memories = memory;
  wr_mutex_unlock(&cache.lock);
}

void wr_cache_unregister(struct wr_memory *memory) {
  struct wr_buffer *out = NULL;
  wr_mutex_lock(&cache.lock);
  struct wr_memory **link = &cache.memories;
  while (*link != memory) link = &(*link)->next;
  *link = memory->next;
  evict_locked(memory, SIZE_MAX, &out);
  wr_mutex_unlock(&cache.lock);
  destroy(out);
}

/* Small blocks: what malloc keeps goes back to the system too, where it can be asked to.

   Where another malloc stands in for the C library's (a sanitizer's, jemalloc's), the first call is
   the first that its own hears: it sets itself up then, which two threads must not make it do at
   once. */
static void trim_malloc(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void wr_memory_clear_cache(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  wr_cache_trim(0);
  int before = wr_cancel_off(); /* its first call may ask the system for random bytes (K7) */
  pthread_once(&once, trim_malloc);
  trim_malloc();
  wr_cancel_restore(before);
}

/* Relaxed, all here: the only thread. */
static void set_held(struct wr_held *held, uint64_t bytes) {
  wr_store_relaxed(&held->made, bytes);
  wr_store_relaxed(&held->returned, 0u);
}

static void forget_idle(struct wr_memory *m) {
  for (int c = 0; c < WR_CLASS_COUNT; c++) m->idle[c] = NULL;
  set_held(&m->held, wr_load_relaxed(&m->active));
}

/* The lists may have been in the middle of a change by a thread that the child does not have; what
   they held is lost to the child and no longer counted. The forking thread's magazine stays. */
static void forget_in_child(void) {
  size_t kept = wr_magazine_fork_child();
  uint64_t active = wr_active_fork_child(), devices = wr_account_active_in_devices();
  wr_wired_fork_child();
  forget_idle(wr_memory_host());
  for (struct wr_memory *m = cache.memories; m; m = m->next) forget_idle(m);
  cache.entries = 0;
  set_held(&wr_accounts.host, (active > devices ? active - devices : 0) + kept);
  set_held(&wr_accounts.devices, devices);
}

WR_AT_FORK(.rank = WR_RANK_ALLOCATOR, .lock = &cache.lock, .child = forget_in_child)
