#ifndef WR_BACKEND_CPU_SORT_LONG_H
#define WR_BACKEND_CPU_SORT_LONG_H

/* Sorting one long line of keys, unsigned numbers of 4 or 8 bytes that say all of their element: it
   is parted by pivots, between the line and scratch to and fro, until its parts are short enough to
   be lines of rows (sort_elements.h), which are sorted as many at a time as a row has keys. Equal
   keys are left alone as soon as they are a part of their own. Where pivots are bad again and again
   digits are counted instead. No locks, no allocation. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Brings keys below *by to the front of `to`, the others behind them; how many are below, and
   whether some are above. */
typedef int64_t (*wr_sort_part)(const void *from, void *to, int64_t n, const void *by, bool *above);

int64_t wr_sort_part_u32(const void *from, void *to, int64_t n, const void *by, bool *above);
int64_t wr_sort_part_u64(const void *from, void *to, int64_t n, const void *by, bool *above);
int64_t wr_sort_part_u32_avx512(const void *from, void *to, int64_t n, const void *by, bool *above);
int64_t wr_sort_part_u64_avx512(const void *from, void *to, int64_t n, const void *by, bool *above);

/* What this processor has. */
wr_sort_part wr_sort_part_of(int item);

struct wr_sort_long {
  int item;  /* 4 or 8 */
  int depth; /* how often a part may be one of another: wr_sort_depth */
  wr_sort_part divide;
  void *line, *scratch;
  char *room; /* wr_sort_long_room bytes, aligned to rows */
  void (*lanes)(void *rows, int64_t n);
  void (*digits)(void *line, void *scratch, int64_t n);
};

enum { WR_SORT_LEAST_LONG = 4096 };

/* Twice what good pivots take. */
static inline int wr_sort_depth(int64_t n) {
  int depth = 0;
  for (; n > 1; n /= 2) depth += 2;
  return depth;
}

size_t wr_sort_long_room(void);
void wr_sort_long(const struct wr_sort_long *s, int64_t n);

#endif
