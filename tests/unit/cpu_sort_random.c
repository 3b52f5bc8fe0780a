/* Sort, argsort and partition of drawn arrays against plain steps, bit by bit: every type, lines up
   to 600 elements and a few thousand, along any of three axes, with strides of either sign and of
   0; elements of which many or all are equal, of any bits, in order, or such as defeat pivots. A
   partition is held against the steps of std::nth_element, whose order of the others topk shows.
   WEIR_TEST_FULL=1 draws fifty times as many, and WEIR_TEST_SEED others. */

#include <stdlib.h>

#include "backend/cpu/elements.h"
#include "backend/cpu/kernels.h"
#include "kernel_case.h"

enum { MOST = 1 << 16, GUARD = 64, MOST_LINE = 12000 };

static _Alignas(64) char from[MOST * 8];
static _Alignas(64) char to[MOST * 8 + GUARD];
static _Alignas(64) char places[MOST * 4 + GUARD];
static _Alignas(64) char line[MOST_LINE * 8];
static int32_t at[MOST_LINE], other[MOST_LINE];

static uint32_t seed;

static uint32_t below(uint32_t n) { return kernel_case_next(&seed) / 7u % n; }

/* ---- elements ---- */

static const enum wr_dtype types[] = {WR_BOOL,    WR_UINT8,   WR_UINT16,   WR_UINT32,   WR_UINT64,
                                      WR_INT8,    WR_INT16,   WR_INT32,    WR_INT64,    WR_FLOAT16,
                                      WR_FLOAT32, WR_FLOAT64, WR_BFLOAT16, WR_COMPLEX64};

#define LESS(ID, el)                           \
  case ID: {                                   \
    wr_el_##el a, b;                           \
    memcpy(&a, line + i * sizeof a, sizeof a); \
    memcpy(&b, line + j * sizeof b, sizeof b); \
    return less_##el(a, b);                    \
  }

/* Of a line of which nothing is known yet: what is compared becomes known so that the pivot is
   always one of the least (M. D. McIlroy, A killer adversary for quicksort). */
static int32_t *ranks; /* NULL: the line is there */
static int32_t unknown, known, candidate;

static bool defeats(int64_t i, int64_t j) {
  if (ranks[i] == unknown && ranks[j] == unknown) ranks[i == candidate ? i : j] = known++;
  if (ranks[i] == unknown) {
    candidate = (int32_t)i;
  } else if (ranks[j] == unknown) {
    candidate = (int32_t)j;
  }
  return ranks[i] < ranks[j];
}

/* Of elements of the line. */
static bool less(enum wr_dtype dtype, int64_t i, int64_t j) {
  if (ranks) return defeats(i, j);
  switch ((int)dtype) {
#define WR_EL(ID, el) LESS(ID, el)
#include "backend/cpu/types.def"
#undef WR_EL
  }
  return false;
}

/* Words of the type's floats that are at the ends of what it has, and both zeros. */
static uint64_t edge(int bytes, uint64_t infinity) {
  const uint64_t sign = (uint64_t)1 << (8 * bytes - 1), most = sign | (sign - 1);
  const uint64_t edges[] = {0,
                            sign,
                            infinity,
                            infinity | sign,
                            infinity + 1,
                            most,
                            most ^ sign,
                            infinity - 1,
                            1,
                            sign + 1,
                            sign / 2,
                            sign / 2 + 3,
                            sign - 1,
                            most - 1,
                            infinity | sign | 1};
  return edges[below(sizeof edges / sizeof *edges)];
}

static uint64_t infinity_of(enum wr_dtype dtype) {
  return dtype == WR_FLOAT16    ? 0x7c00u
         : dtype == WR_BFLOAT16 ? 0x7f80u
         : dtype == WR_FLOAT64  ? UINT64_C(0x7ff0000000000000)
                                : UINT64_C(0x7f800000);
}

static uint64_t word(enum wr_dtype dtype, int bytes, int kind, int64_t i) {
  const uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
  const uint64_t any = (uint64_t)kernel_case_next(&seed) << 32 ^ kernel_case_next(&seed);
  switch (kind) {
    case 0:
      return any;
    case 1: /* many of the same */
      return below(3) ? any % 5u << (8 * bytes - 7) : edge(bytes, infinity_of(dtype));
    case 2:
      return edge(bytes, infinity_of(dtype));
    case 3: /* zeros of either sign, and a few others */
      return below(9) ? any % 2u * sign : any;
    case 4: /* in order, or the other way round where they are below 0 */
      return ((uint64_t)i + 1) << (8 * bytes / 2 - 1);
    case 5:
      return sign | (uint64_t)i << (8 * bytes / 2 - 1);
    case 6: /* as in a pipe of an organ */
      return (uint64_t)(i % 50 < 25 ? i % 50 : 50 - i % 50) << (8 * bytes - 7);
    default:
      return sign | 1;
  }
}

static void fill(enum wr_dtype dtype, int64_t n) {
  const int kind = (int)below(8), item = (int)wr_dtype_size(dtype);
  const int bytes = dtype == WR_COMPLEX64 ? 4 : item;
  for (int64_t i = 0; i < n * item / bytes; i++) {
    uint64_t w = word(dtype, bytes, kind, i);
    if (dtype == WR_BOOL) w = w >> 1 & 1u;
    memcpy(from + i * bytes, &w, (size_t)bytes); /* the low bytes come first */
  }
}

/* ---- plain steps on places in the line ---- */

static void plain_sort(enum wr_dtype dtype, int32_t *x, int32_t n) {
  if (n < 2) return;
  const int32_t half = n / 2;
  plain_sort(dtype, x, half);
  plain_sort(dtype, x + half, n - half);
  memcpy(other, x, (size_t)n * sizeof *x);
  for (int32_t i = 0, j = half, k = 0; k < n; k++) {
    const bool second = i == half || (j < n && less(dtype, other[j], other[i]));
    x[k] = second ? other[j++] : other[i++];
  }
}

static void swap(int32_t *a, int32_t *b) {
  const int32_t t = *a;
  *a = *b;
  *b = t;
}

static void plain_pivot(enum wr_dtype dtype, int32_t *x, int32_t n) {
  const int32_t a = 1, b = n / 2, c = n - 1;
  const bool ab = less(dtype, x[a], x[b]), bc = less(dtype, x[b], x[c]),
             ac = less(dtype, x[a], x[c]);
  const int32_t middle = ab ? (bc ? b : ac ? c : a) : ac ? a : bc ? c : b;
  swap(&x[0], &x[middle]);
}

static int32_t plain_part(enum wr_dtype dtype, int32_t *x, int32_t n) {
  for (int32_t i = 1, j = n;;) {
    while (less(dtype, x[i], x[0])) i++;
    do j--;
    while (less(dtype, x[0], x[j]));
    if (i >= j) return i;
    swap(&x[i++], &x[j]);
  }
}

/* Whether the pivots had not to be given up. */
static bool plain_select(enum wr_dtype dtype, int32_t n, int32_t kth) {
  int32_t low = 0, high = n;
  int depth = 0;
  for (int32_t size = n; size > 1; size /= 2) depth += 2;
  for (; high - low > 3 && depth > 0; depth--) {
    plain_pivot(dtype, at + low, high - low);
    const int32_t cut = low + plain_part(dtype, at + low, high - low);
    if (cut <= kth) {
      low = cut;
    } else {
      high = cut;
    }
  }
  plain_sort(dtype, at + low, high - low);
  return depth > 0 || high - low <= 3;
}

/* ---- arrays ---- */

struct drawn {
  enum wr_dtype dtype;
  int item, axis;
  int32_t shape[3];
  int64_t strides[3], first;
};

/* Axes in any order in memory, with room between, backwards, or of one element again and again. */
static int64_t draw_strides(struct drawn *d) {
  static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                   {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  const int *order = orders[below(2) ? 0 : below(6)];
  const bool plain = below(2);
  int64_t size = 1;
  d->first = 0;
  for (int k = 2; k >= 0; k--) {
    const int axis = order[k];
    const int64_t extent = d->shape[axis];
    d->strides[axis] = plain || below(8) ? size : 0;
    if (d->strides[axis]) size *= extent + (plain ? 0 : below(3));
    if (plain || below(4)) continue;
    d->first += (extent - 1) * d->strides[axis];
    d->strides[axis] = -d->strides[axis];
  }
  return size;
}

static int32_t length(void) {
  static const int32_t edges[] = {1,   2,   3,   4,   7,   8,   9,   15,  16,  17,
                                  31,  32,  33,  63,  64,  65,  127, 128, 129, 255,
                                  256, 257, 258, 259, 511, 512, 513, 599, 600};
  const uint32_t k = below(16);
  if (k == 0) return (int32_t)below(2) ? 8185 + (int32_t)below(16) : 600 + (int32_t)below(4000);
  return k < 6 ? edges[below(sizeof edges / sizeof *edges)] : 1 + (int32_t)below(600);
}

static void draw(struct drawn *d, enum wr_dtype dtype) {
  int64_t size;
  do {
    const int32_t n = length();
    d->axis = (int)below(3);
    for (int k = 0; k < 3; k++) {
      d->shape[k] = k == d->axis ? n : below(3) ? 1 + (int32_t)below(70) : 1 + (int32_t)below(3);
    }
    size = draw_strides(d);
  } while (size > MOST || (int64_t)d->shape[0] * d->shape[1] * d->shape[2] > MOST);
  d->dtype = dtype;
  d->item = (int)wr_dtype_size(dtype);
  fill(dtype, size);
}

/* The line through the o-th place of the other axes; where its result begins, and how far apart. */
static int64_t bring(const struct drawn *d, int64_t o, int64_t *stride) {
  const int32_t *shape = d->shape;
  const int64_t dense[3] = {(int64_t)shape[1] * shape[2], shape[2], 1};
  int64_t in = d->first, out = 0;
  for (int k = 2; k >= 0; k--) {
    if (k == d->axis) continue;
    in += o % shape[k] * d->strides[k];
    out += o % shape[k] * dense[k];
    o /= shape[k];
  }
  for (int64_t i = 0; i < shape[d->axis]; i++) {
    at[i] = (int32_t)i;
    memcpy(line + i * d->item, from + (in + i * d->strides[d->axis]) * d->item, (size_t)d->item);
  }
  *stride = dense[d->axis];
  return out;
}

static bool same_line(const struct drawn *d, int64_t first, int64_t stride, bool elements) {
  for (int64_t i = 0; i < d->shape[d->axis]; i++) {
    uint32_t place;
    memcpy(&place, places + (first + i * stride) * 4, sizeof place);
    if (elements ? memcmp(to + (first + i * stride) * d->item, line + at[i] * d->item,
                          (size_t)d->item) != 0
                 : place != (uint32_t)at[i]) {
      return false;
    }
  }
  return true;
}

static bool guarded(const char *end) {
  for (int i = 0; i < GUARD; i++) {
    if (end[i] != 0x5a) return false;
  }
  return true;
}

static void say(const struct drawn *d, const char *what, uint32_t was) {
  fprintf(stderr, "%s of type %d: shape %d %d %d, strides %lld %lld %lld, axis %d, seed %u\n", what,
          (int)d->dtype, d->shape[0], d->shape[1], d->shape[2], (long long)d->strides[0],
          (long long)d->strides[1], (long long)d->strides[2], d->axis, was);
  EXPECT(!"as by plain steps");
}

static void check(enum wr_dtype dtype) {
  const uint32_t was = seed;
  struct kernel_operand in, out, indices;
  struct drawn d;
  draw(&d, dtype);
  const int32_t n = d.shape[d.axis];
  const int64_t size = (int64_t)d.shape[0] * d.shape[1] * d.shape[2];
  operand_strided(&in, from + d.first * d.item, dtype, 3, d.shape, d.strides);
  operand_dense(&out, to, dtype, 3, d.shape);
  operand_dense(&indices, places, WR_UINT32, 3, d.shape);
  memset(to, 0x5a, sizeof to);
  memset(places, 0x5a, sizeof places);
  const struct wr_axis_params axis = {.axis = d.axis};
  EXPECT(kernel_run(WR_OP_SORT, &in.t, 1, &out.t, &axis));
  EXPECT(kernel_run(WR_OP_ARGSORT, &in.t, 1, &indices.t, &axis));
  bool sorted = guarded(to + size * d.item), argsorted = guarded(places + size * 4), parted = true;
  for (int64_t o = 0; o < size / n; o++) {
    int64_t stride, first = bring(&d, o, &stride);
    plain_sort(dtype, at, n);
    sorted = sorted && same_line(&d, first, stride, true);
    argsorted = argsorted && same_line(&d, first, stride, false);
  }
  if (!sorted) say(&d, "sort", was);
  if (!argsorted) say(&d, "argsort", was);
  const int32_t kth = below(4) ? (int32_t)below((uint32_t)n) : below(2) ? n - 1 : 0;
  EXPECT(kernel_run(WR_OP_PARTITION, &in.t, 1, &out.t,
                    &(struct wr_partition_params){.axis = d.axis, .kth = kth}));
  parted = guarded(to + size * d.item);
  for (int64_t o = 0; o < size / n; o++) {
    int64_t stride, first = bring(&d, o, &stride);
    plain_select(dtype, n, kth);
    parted = parted && same_line(&d, first, stride, true);
  }
  if (!parted) say(&d, "partition", was);
}

/* The element found is at the end, so each pivot takes a few elements away only. */
static void test_defeated(void) {
  enum { N = 3000 };
  struct kernel_operand in, out;
  ranks = (int32_t *)(void *)from;
  unknown = N;
  known = candidate = 0;
  for (int32_t i = 0; i < N; i++) {
    ranks[i] = unknown;
    at[i] = i;
  }
  plain_select(WR_INT32, N, N - 1);
  ranks = NULL;
  memcpy(line, from, N * sizeof(int32_t));
  for (int32_t i = 0; i < N; i++) at[i] = i;
  EXPECT(!plain_select(WR_INT32, N, N - 1));
  operand_dense(&in, from, WR_INT32, 1, SHAPE(N));
  EXPECT(kernel_run(WR_OP_PARTITION, &in.t, 1, operand_dense(&out, to, WR_INT32, 1, SHAPE(N)),
                    &(struct wr_partition_params){.axis = 0, .kth = N - 1}));
  bool right = true;
  for (int32_t i = 0; i < N; i++) {
    right = right && memcmp(to + i * 4, line + at[i] * 4, 4) == 0;
  }
  EXPECT(right);
}

int main(void) {
  const char *full = getenv("WEIR_TEST_FULL");
  const int times = full && *full == '1' ? 1000 : 20;
  const char *begin = getenv("WEIR_TEST_SEED");
  seed = begin ? (uint32_t)strtoul(begin, NULL, 10) : 20u;
  for (int i = 0; i < times && kernel_case_failures() == 0; i++) {
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) check(types[t]);
  }
  test_defeated();
  return kernel_case_failures() != 0;
}
