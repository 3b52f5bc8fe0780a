/* Sorting long lines; see sort_long.h. */

#include "backend/cpu/sort_long.h"

#include <string.h>

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/sort_elements.h"

/* As many keys as are sorted in rows at once: parting goes on for longer, joining rows for fewer.
 */
enum { SHORT = 512, MOST_LANES = WR_SORT_ROW_BYTES / 4 };

struct part {
  int64_t at, n;
  int depth; /* times it may still be parted */
  bool in_scratch;
};

struct work {
  const struct wr_sort_long *s;
  int waiting;
  struct part part[MOST_LANES];
};

#define KEY u32
#define KEY_T uint32_t
#include "backend/cpu/sort_long.inc"
#define KEY u64
#define KEY_T uint64_t
#include "backend/cpu/sort_long.inc"

wr_sort_part wr_sort_part_of(int item) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return item == 4 ? wr_sort_part_u32_avx512 : wr_sort_part_u64_avx512;
  }
#endif
  return item == 4 ? wr_sort_part_u32 : wr_sort_part_u64;
}

/* Rows, and as many lines of a row more. */
size_t wr_sort_long_room(void) {
  return (size_t)SHORT * WR_SORT_ROW_BYTES + (size_t)(SHORT + MOST_LANES) * WR_SORT_ROW_BYTES;
}

void wr_sort_long(const struct wr_sort_long *s, int64_t n) {
  struct work w = {.s = s};
  const struct part all = {.n = n, .depth = s->depth};
  if (s->item == 4) {
    sort_long_u32(&w, all);
  } else {
    sort_long_u64(&w, all);
  }
}
