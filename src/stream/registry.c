/* Stream indices: unique among live streams, and reused only when nothing refers to the old one
   (H2). A bitmap that grows, and a hint where the first free bit may be. Lock: REGISTRY. */

#include <string.h>

#include "base/base.h"
#include "stream/internal.h"

enum { BITS = 64 };

static struct {
  struct wr_mutex lock;
  uint64_t *words;   /* under LOCK; bit set: in use */
  size_t count;      /* under LOCK; words */
  size_t first_hint; /* under LOCK; no word before it has a free bit */
  size_t live;       /* under LOCK */
} registry = {.lock = WR_MUTEX_INIT(WR_RANK_REGISTRY)};

static bool grow_locked(void) {
  size_t count = registry.count ? registry.count * 2 : 16;
  uint64_t *words = wr_realloc(registry.words, count * sizeof *words);
  if (!words) return false;
  memset(words + registry.count, 0, (count - registry.count) * sizeof *words);
  registry.words = words;
  registry.count = count;
  return true;
}

static int take_locked(void) {
  size_t w = registry.first_hint;
  while (w < registry.count && registry.words[w] == UINT64_MAX) w++;
  registry.first_hint = w;
  if (w == registry.count && !grow_locked()) return -1;
  int bit = __builtin_ctzll(~registry.words[w]);
  registry.words[w] |= UINT64_C(1) << bit;
  registry.live++;
  return (int)(w * BITS) + bit;
}

int wr_registry_take(void) {
  wr_mutex_lock(&registry.lock);
  int index = take_locked();
  wr_mutex_unlock(&registry.lock);
  return index;
}

void wr_registry_give(int index) {
  size_t w = (size_t)index / BITS;
  wr_mutex_lock(&registry.lock);
  WR_ASSERT(registry.words[w] >> (index % BITS) & 1);
  registry.words[w] &= ~(UINT64_C(1) << (index % BITS));
  if (w < registry.first_hint) registry.first_hint = w;
  registry.live--;
  wr_mutex_unlock(&registry.lock);
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
    registry.words = NULL;
    registry.count = 0;
    registry.first_hint = 0;
  }
  wr_mutex_unlock(&registry.lock);
}

void wr_registry_fork_prepare(void) { wr_mutex_lock(&registry.lock); }
void wr_registry_fork_done(void) { wr_mutex_unlock(&registry.lock); }
