/* The table of live streams. A stream's index is its place in the table; so no two live streams
   have the same, and an index is given again only when nothing refers to the old stream (H2). A
   stream's id is its index together with the number of streams that were made before it. So an id
   that outlives its stream finds nothing, and never another stream. A bitmap says which places are
   taken. Lock: REGISTRY; in a walk over all streams, each stream's own inside it. */

#include <string.h>

#include "base/base.h"
#include "base/fork.h"
#include "stream/dump.h"
#include "stream/internal.h"

enum { BITS = 64 };

static struct {
  struct wr_mutex lock;
  uint64_t *words;            /* under LOCK; bit set: in use */
  struct wr_stream **streams; /* under LOCK; by index */
  size_t count;               /* under LOCK; words */
  size_t first_hint;          /* under LOCK; no word before it has a free bit */
  size_t live;                /* under LOCK */
  uint32_t made;              /* under LOCK; modulo 2^32 */
} registry = {.lock = WR_MUTEX_INIT(WR_RANK_REGISTRY)};

static bool grow_locked(void) {
  size_t count = registry.count ? registry.count * 2 : 16;
  struct wr_stream **streams = wr_realloc(registry.streams, count * BITS * sizeof *streams);
  if (!streams) return false;
  registry.streams = streams;
  uint64_t *words = wr_realloc(registry.words, count * sizeof *words);
  if (!words) return false;
  memset(words + registry.count, 0, (count - registry.count) * sizeof *words);
  registry.words = words;
  registry.count = count;
  return true;
}

static bool take_locked(struct wr_stream *stream) {
  size_t w = registry.first_hint;
  while (w < registry.count && registry.words[w] == UINT64_MAX) w++;
  registry.first_hint = w;
  if (w == registry.count && !grow_locked()) return false;
  size_t bit = (size_t)__builtin_ctzll(~registry.words[w]);
  registry.words[w] |= UINT64_C(1) << bit;
  registry.live++;
  stream->index = (int)(w * BITS + bit);
  stream->id = (uint64_t)registry.made++ << 32 | (uint32_t)stream->index;
  registry.streams[stream->index] = stream;
  return true;
}

bool wr_registry_add(struct wr_stream *stream) {
  wr_mutex_lock(&registry.lock);
  bool added = take_locked(stream);
  wr_mutex_unlock(&registry.lock);
  return added;
}

static bool taken_locked(size_t index) {
  return index < registry.count * BITS && registry.words[index / BITS] >> (index % BITS) & 1;
}

void wr_registry_remove(struct wr_stream *stream) {
  size_t index = (size_t)stream->index;
  wr_mutex_lock(&registry.lock);
  WR_ASSERT(taken_locked(index) && registry.streams[index] == stream);
  registry.words[index / BITS] &= ~(UINT64_C(1) << (index % BITS));
  if (index / BITS < registry.first_hint) registry.first_hint = index / BITS;
  registry.live--;
  wr_mutex_unlock(&registry.lock);
}

bool wr_registry_visit(uint64_t id, void (*visit)(struct wr_stream *stream, void *arg), void *arg) {
  size_t index = (uint32_t)id;
  wr_mutex_lock(&registry.lock);
  bool found = taken_locked(index) && registry.streams[index]->id == id;
  if (found) visit(registry.streams[index], arg);
  wr_mutex_unlock(&registry.lock);
  return found;
}

static void visit_all_locked(void (*visit)(struct wr_stream *stream, void *arg), void *arg) {
  size_t left = registry.live;
  for (size_t index = 0; left > 0; index++) {
    if (!taken_locked(index)) continue;
    left--;
    visit(registry.streams[index], arg);
  }
}

void wr_registry_visit_all(void (*visit)(struct wr_stream *stream, void *arg), void *arg) {
  wr_mutex_lock(&registry.lock);
  visit_all_locked(visit, arg);
  wr_mutex_unlock(&registry.lock);
}

/* Of the table by peeks, which may be replaced meanwhile. */
const struct wr_stream *wr_registry_peek(size_t *index) {
  const struct wr_stream *found;
  uint64_t *words, word;
  struct wr_stream **streams;
  size_t count;
  if (!wr_peek(&words, &registry.words, sizeof words) ||
      !wr_peek(&streams, &registry.streams, sizeof streams) ||
      !wr_peek(&count, &registry.count, sizeof count)) {
    return NULL;
  }
  for (; *index < count * BITS; (*index)++) {
    if (!wr_peek(&word, words + *index / BITS, sizeof word)) return NULL;
    if (word >> (*index % BITS) == 0) *index |= BITS - 1; /* on to the next word */
    if (!(word >> (*index % BITS) & 1)) continue;
    return wr_peek((void *)&found, streams + *index, sizeof found) ? found : NULL;
  }
  return NULL;
}

size_t wr_registry_live(void) {
  wr_mutex_lock(&registry.lock);
  size_t live = registry.live;
  wr_mutex_unlock(&registry.lock);
  return live;
}

void wr_registry_trim(void) {
  wr_mutex_lock(&registry.lock);
  if (registry.live == 0) {
    wr_free(registry.words);
    wr_free(registry.streams);
    registry.words = NULL;
    registry.streams = NULL;
    registry.count = 0;
    registry.first_hint = 0;
  }
  wr_mutex_unlock(&registry.lock);
}

static void forget_in_child(void) { visit_all_locked(wr_stream_fork_child, NULL); }

WR_AT_FORK(.rank = WR_RANK_REGISTRY, .lock = &registry.lock, .child = forget_in_child)
