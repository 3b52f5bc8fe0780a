/* Long lines of keys: parting by each of the ways that this processor has, against what is below
   the pivot and what is not; sorting them against qsort, of many kinds of keys, with as much depth
   as there is and so little that digits are counted, which must not be seen. */

#include <stdlib.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/sort_long.h"
#include "core/dtype.h"
#include "kernel_case.h"

enum { MOST = 70000, GUARD = 16 };

static uint64_t from[MOST], to[MOST + GUARD], want[MOST];
static uint32_t seed = 5;

static uint64_t drawn(int kind, int64_t i, int64_t n) {
  const uint64_t any = (uint64_t)kernel_case_next(&seed) << 32 ^ kernel_case_next(&seed);
  switch (kind) {
    case 0:
      return any;
    case 1:
      return any % 33u;
    case 2:
      return UINT64_MAX - any % 3u;
    case 3:
      return (uint64_t)i << 7;
    case 4:
      return (uint64_t)(n - i) << 7;
    case 5: /* few of one, and all others are the greatest */
      return any % 1000u ? UINT64_MAX : 0;
    default:
      return 9;
  }
}

static uint64_t key(const void *keys, int item, int64_t i) {
  return item == 4 ? ((const uint32_t *)keys)[i] : ((const uint64_t *)keys)[i];
}

static int compare_32(const void *a, const void *b) {
  const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static int compare_64(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void fill(int item, int kind, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    const uint64_t v = drawn(kind, i, n);
    if (item == 4) {
      ((uint32_t *)(void *)from)[i] = (uint32_t)v;
    } else {
      from[i] = v;
    }
  }
  memcpy(want, from, (size_t)(n * item));
  qsort(want, (size_t)n, (size_t)item, item == 4 ? compare_32 : compare_64);
}

static void check_part(wr_sort_part divide, int item, int64_t n) {
  const int64_t place = kernel_case_next(&seed) / 5u % n;
  bool above, right = true;
  memset(to, 0x5a, sizeof to);
  const int64_t less = divide(from, to, n, (const char *)from + place * item, &above);
  const uint64_t by = key(from, item, place);
  for (int64_t i = 0; i < n; i++) right = right && (key(to, item, i) < by) == (i < less);
  EXPECT(right);
  EXPECT(above == (key(want, item, n - 1) > by));
  EXPECT(key(to, item, n) == (item == 4 ? 0x5a5a5a5au : UINT64_C(0x5a5a5a5a5a5a5a5a)));
  qsort(to, (size_t)n, (size_t)item, item == 4 ? compare_32 : compare_64);
  EXPECT(memcmp(to, want, (size_t)(n * item)) == 0);
}

static void test_parts(wr_sort_part part_32, wr_sort_part part_64) {
  for (int kind = 0; kind < 7; kind++) {
    for (int64_t n = 1; n < 200; n += n < 40 ? 1 : 13) {
      fill(4, kind, n);
      check_part(part_32, 4, n);
      fill(8, kind, n);
      check_part(part_64, 8, n);
    }
  }
}

/* The kernel itself, for the types whose elements are their keys. */
static void check_line(int item, int32_t n) {
  struct kernel_operand in, out;
  const enum wr_dtype dtype = item == 4 ? WR_UINT32 : WR_UINT64;
  operand_dense(&in, from, dtype, 1, SHAPE(n));
  operand_dense(&out, to, dtype, 1, SHAPE(n));
  EXPECT(kernel_run(WR_OP_SORT, &in.t, 1, &out.t, &(struct wr_axis_params){.axis = 0}));
  EXPECT(memcmp(to, want, (size_t)n * (size_t)item) == 0);
}

static int digits_counted;

static void digits_32(void *line, void *scratch, int64_t n) {
  (void)scratch;
  digits_counted++;
  qsort(line, (size_t)n, 4, compare_32);
}

static void digits_64(void *line, void *scratch, int64_t n) {
  (void)scratch;
  digits_counted++;
  qsort(line, (size_t)n, 8, compare_64);
}

/* Lines of rows one by one. */
static void lanes_32(void *rows, int64_t n) {
  static uint32_t lane[MOST];
  for (int j = 0; j < 16; j++) {
    for (int64_t i = 0; i < n; i++) lane[i] = ((uint32_t *)rows)[i * 16 + j];
    qsort(lane, (size_t)n, 4, compare_32);
    for (int64_t i = 0; i < n; i++) ((uint32_t *)rows)[i * 16 + j] = lane[i];
  }
}

static void lanes_64(void *rows, int64_t n) {
  static uint64_t lane[MOST];
  for (int j = 0; j < 8; j++) {
    for (int64_t i = 0; i < n; i++) lane[i] = ((uint64_t *)rows)[i * 8 + j];
    qsort(lane, (size_t)n, 8, compare_64);
    for (int64_t i = 0; i < n; i++) ((uint64_t *)rows)[i * 8 + j] = lane[i];
  }
}

static void check_depth(int item, int64_t n, int depth, wr_sort_part divide) {
  static uint64_t scratch[MOST];
  char *room = aligned_alloc(64, (wr_sort_long_room() + 63) / 64 * 64);
  if (!room) return;
  memset(room, 0, wr_sort_long_room());
  memcpy(to, from, (size_t)(n * item));
  const struct wr_sort_long s = {.item = item,
                                 .depth = depth,
                                 .divide = divide,
                                 .line = to,
                                 .scratch = scratch,
                                 .room = room,
                                 .lanes = item == 4 ? lanes_32 : lanes_64,
                                 .digits = item == 4 ? digits_32 : digits_64};
  wr_sort_long(&s, n);
  EXPECT(memcmp(to, want, (size_t)(n * item)) == 0);
  free(room);
}

static void test_lines(void) {
  static const int32_t lengths[] = {4096, 4097, 5000, 8193, MOST};
  for (int kind = 0; kind < 7; kind++) {
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
      for (int item = 4; item <= 8; item += 4) {
        fill(item, kind, lengths[l]);
        check_line(item, lengths[l]);
        check_depth(item, lengths[l], kind, item == 4 ? wr_sort_part_u32 : wr_sort_part_u64);
        check_depth(item, lengths[l], kind, wr_sort_part_of(item));
      }
    }
  }
  EXPECT(digits_counted > 0);
}

int main(void) {
  test_parts(wr_sort_part_u32, wr_sort_part_u64);
  test_parts(wr_sort_part_of(4), wr_sort_part_of(8));
  test_lines();
  return kernel_case_failures() != 0;
}
