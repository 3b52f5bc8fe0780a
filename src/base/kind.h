#ifndef WR_BASE_KIND_H
#define WR_BASE_KIND_H

/* What tells apart the objects that handles lead to: each begins with a word that says its kind, so
   that a handle of another kind, or one that was freed, shows by one load (api/handle.h). What ends
   an object writes over the word; and a block that went back to the C library begins with what that
   keeps there, which is no kind either. No locks. */

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"

enum wr_kind_number {
  WR_NUMBER_FREED,
#define WR_KIND(ID, words) WR_NUMBER_##ID,
#include "base/kinds.def"
#undef WR_KIND
  WR_KIND_COUNT
};

/* The words. Their two lowest bits are 0: each kind may keep something of its own there. */
#define WR_KIND_WORD(number) (0x5e9ab700 | (number) << 2)
#define WR_KIND_OWN_BITS 3u

enum wr_kind {
  WR_KIND_FREED = WR_KIND_WORD(WR_NUMBER_FREED),
#define WR_KIND(ID, words) WR_KIND_##ID = WR_KIND_WORD(WR_NUMBER_##ID),
#include "base/kinds.def"
#undef WR_KIND
};

_Static_assert(WR_KIND_COUNT <= 64, "numbers stand in the word's lowest byte");

/* An object's first member. Atomic RELAXED, but where a kind says more: written as the object is
   made, and as it ends. */
struct wr_kind_word {
  wr_atomic_u32 word;
};

static inline uint32_t wr_kind_of(const void *object) {
  return wr_load_relaxed(&((struct wr_kind_word *)object)->word) & ~WR_KIND_OWN_BITS;
}

static inline void wr_kind_begin(struct wr_kind_word *kind, enum wr_kind is) {
  wr_store_relaxed(&kind->word, (uint32_t)is);
}

/* Volatile: no compiler drops it because the memory is freed next. */
static inline void wr_kind_end(struct wr_kind_word *kind) {
  atomic_store_explicit((volatile wr_atomic_u32 *)&kind->word, (uint32_t)WR_KIND_FREED,
                        memory_order_relaxed);
}

#endif
