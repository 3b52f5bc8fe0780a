/* Sort, argsort and partition along one axis. NaN comes last, and equal elements, among which are
   zeros of either sign and all NaN, stay in their order. What is sorted are keys: unsigned numbers
   in the order of the elements (sort_elements.h), so that no comparison asks for NaN and digits can
   be counted. Complex numbers are put in order by their places, and partitions of floats compare
   keys of the bits as they are.

   Many short lines are sorted side by side, in rows; long ones of 4 or 8 bytes an element are
   parted first (sort_long.h), and others are sorted by digits.

   Lines that lie side by side are brought and put back together, since each of their elements would
   read a cache line for itself. Short lines use the stack, longer ones one block of scratch for
   each piece of work; refused memory is the call's error. Takes no locks. */

#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/sort_bits.h"
#include "backend/cpu/sort_elements.h"
#include "backend/cpu/sort_long.h"
#include "base/atomic.h"
#include "base/base.h"

enum { RUN = 16, FEW = 64, DIGITS = 256, PART = 128, STACK_BYTES = 4096, NEAR_ROWS = 256 };

/* ---- lines of keys ---- */

/* A key of 64 bits and the place of its element; of shorter keys both are one number. */
struct wide {
  uint64_t key;
  uint32_t place;
};

#define KEY u8
#define KEY_T uint8_t
#define KEY_NUMBER uint8_t
#define KEY_OF(x) (*(x))
#include "backend/cpu/sort_keys.inc"
#define KEY u16
#define KEY_T uint16_t
#define KEY_NUMBER uint16_t
#define KEY_OF(x) (*(x))
#include "backend/cpu/sort_keys.inc"
#define KEY u32
#define KEY_T uint32_t
#define KEY_NUMBER uint32_t
#define KEY_OF(x) (*(x))
#include "backend/cpu/sort_keys.inc"
#define KEY u64
#define KEY_T uint64_t
#define KEY_NUMBER uint64_t
#define KEY_OF(x) (*(x))
#include "backend/cpu/sort_keys.inc"
#define KEY placed
#define KEY_T uint64_t
#define KEY_NUMBER uint32_t
#define KEY_OF(x) ((uint32_t)(*(x) >> 32))
#include "backend/cpu/sort_keys.inc"
#define KEY wide
#define KEY_T struct wide
#define KEY_NUMBER uint64_t
#define KEY_OF(x) ((x)->key)
#include "backend/cpu/sort_keys.inc"

/* Bits of floats, of which some keys are those of two. */
#define KEY f16
#define KEY_T uint16_t
#define KEY_NUMBER uint16_t
#define KEY_OF(x) wr_sort_key_f16(*(x))
#include "backend/cpu/sort_keys.inc"
#define KEY bf16
#define KEY_T uint16_t
#define KEY_NUMBER uint16_t
#define KEY_OF(x) wr_sort_key_bf16(*(x))
#include "backend/cpu/sort_keys.inc"
#define KEY f32
#define KEY_T uint32_t
#define KEY_NUMBER uint32_t
#define KEY_OF(x) wr_sort_key_f32(*(x))
#include "backend/cpu/sort_keys.inc"
#define KEY f64
#define KEY_T uint64_t
#define KEY_NUMBER uint64_t
#define KEY_OF(x) wr_sort_key_f64(*(x))
#include "backend/cpu/sort_keys.inc"

/* Where there is no NaN, < orders floats as they are. */
static inline float as_f32(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
static inline double as_f64(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

#define KEY_NAME(verb) verb##_number32
#define KEY_LESS(a, b) (KEY_OF(a) < KEY_OF(b))
#define KEY_T uint32_t
#define KEY_NUMBER float
#define KEY_OF(x) as_f32(*(x))
#define KEY_SORT sort_f32
#define KEY_INSERT insert_f32
#include "backend/cpu/sort_select.inc"
#undef KEY_NAME
#undef KEY_T
#undef KEY_NUMBER
#undef KEY_OF
#undef KEY_SORT
#undef KEY_INSERT
#define KEY_NAME(verb) verb##_number64
#define KEY_T uint64_t
#define KEY_NUMBER double
#define KEY_OF(x) as_f64(*(x))
#define KEY_SORT sort_f64
#define KEY_INSERT insert_f64
#include "backend/cpu/sort_select.inc"
#undef KEY_NAME
#undef KEY_LESS
#undef KEY_T
#undef KEY_NUMBER
#undef KEY_OF
#undef KEY_SORT
#undef KEY_INSERT

static void select_any_f32(void *line, void *scratch, int64_t n, int64_t kth) {
  const uint32_t *x = line;
  bool nan = false;
  for (int64_t i = 0; i < n; i++) nan |= x[i] << 1 > UINT32_C(0x7f800000) << 1;
  (nan ? select_f32 : select_number32)(line, scratch, n, kth);
}

static void select_any_f64(void *line, void *scratch, int64_t n, int64_t kth) {
  const uint64_t *x = line;
  bool nan = false;
  for (int64_t i = 0; i < n; i++) nan |= x[i] << 1 > UINT64_C(0x7ff0000000000000) << 1;
  (nan ? select_f64 : select_number64)(line, scratch, n, kth);
}

#define KEY u16
#define KEY_T uint16_t
#include "backend/cpu/sort_lanes.inc"
#define KEY u32
#define KEY_T uint32_t
#include "backend/cpu/sort_lanes.inc"
#define KEY u64
#define KEY_T uint64_t
#include "backend/cpu/sort_lanes.inc"

typedef void (*sort_fn)(void *line, void *scratch, int64_t n);
typedef void (*select_fn)(void *line, void *scratch, int64_t n, int64_t kth);
typedef void (*lanes_fn)(void *rows, int64_t n);

struct key_lines {
  int item; /* bytes */
  sort_fn sort;
  select_fn select;
  lanes_fn lanes; /* NULL: digits are quicker */
};

static const struct key_lines placed_lines = {sizeof(uint64_t), sort_placed, select_placed, NULL};
static const struct key_lines wide_lines = {sizeof(struct wide), sort_wide, select_wide, NULL};

static const struct key_lines *lines_of(int item) {
  static const struct key_lines by_size[] = {
      {1, sort_u8, select_u8, NULL},
      {2, sort_u16, select_u16, sort_lanes_u16},
      {4, sort_u32, select_u32, sort_lanes_u32},
      {8, sort_u64, select_u64, sort_lanes_u64},
  };
  return &by_size[item == 1 ? 0 : item == 2 ? 1 : item == 4 ? 2 : 3];
}

static void place(const void *keys, int item, int64_t n, void *placed) {
  uint64_t *to = placed;
  struct wide *wide = placed;
  for (int64_t i = 0; i < n; i++) {
    switch (item) {
      case 1:
        to[i] = (uint64_t)((const uint8_t *)keys)[i] << 32 | (uint64_t)i;
        break;
      case 2:
        to[i] = (uint64_t)((const uint16_t *)keys)[i] << 32 | (uint64_t)i;
        break;
      case 4:
        to[i] = (uint64_t)((const uint32_t *)keys)[i] << 32 | (uint64_t)i;
        break;
      default:
        wide[i] = (struct wide){((const uint64_t *)keys)[i], (uint32_t)i};
        break;
    }
  }
}

static void places_of(const void *placed, int item, int64_t n, uint32_t *places) {
  for (int64_t i = 0; i < n; i++) {
    places[i] = item == 8 ? ((const struct wide *)placed)[i].place
                          : (uint32_t)((const uint64_t *)placed)[i];
  }
}

/* Of floats a partition compares keys of the bits as they are. */
static const struct {
  select_fn select;
  enum wr_dtype bits;
} floats[WR_DTYPE_COUNT] = {
    [WR_FLOAT16] = {select_f16, WR_UINT16},
    [WR_BFLOAT16] = {select_bf16, WR_UINT16},
    [WR_FLOAT32] = {select_any_f32, WR_UINT32},
    [WR_FLOAT64] = {select_any_f64, WR_UINT64},
};

/* ---- lines of an array ---- */

enum what { SORT, PLACES, SELECT };

struct sort_job {
  enum what what;
  enum wr_dtype dtype;
  int item; /* bytes of an element, and of its key */
  int out_item;
  int64_t kth;
  int64_t beside; /* lines that are treated together, at most */
  int64_t pitch;  /* keys from a line to the next */
  lanes_fn lanes; /* NULL: lines are sorted one by one */
  const char *in;
  char *out;
  struct wr_lines lines;
  wr_atomic_bool refused; /* atomic RELAXED: read after the pool has joined */
};

/* A block of keys and scratch for a line; where places are needed, a line of keys with them, and a
   block of places, and where lines are long, the parts of one. */
struct room {
  char *keys;
  char *scratch;
  char *line;
  uint32_t *places;
  char *parts;
};

/* Whether lines are sorted by the places of elements. */
static bool needs_places(const struct sort_job *job) {
  return job->what == PLACES || job->dtype == WR_COMPLEX64;
}

static const struct key_lines *placed_of(const struct sort_job *job) {
  return job->item == 8 ? &wide_lines : &placed_lines;
}

static size_t whole_rows(size_t bytes) {
  return (bytes + WR_SORT_ROW_BYTES - 1) / WR_SORT_ROW_BYTES * WR_SORT_ROW_BYTES;
}

static size_t line_bytes(const struct sort_job *job) {
  const int item = needs_places(job) ? placed_of(job)->item : job->item;
  return whole_rows((size_t)job->pitch * (size_t)item);
}

static int64_t rows_of(int64_t n) { return (n + 7) / 8 * 8; }

static size_t keys_bytes(const struct sort_job *job) {
  const size_t lines = whole_rows((size_t)(job->beside * job->pitch * job->item));
  const size_t rows = job->lanes ? (size_t)rows_of(job->lines.n) * WR_SORT_ROW_BYTES : 0;
  return lines > rows ? lines : rows;
}

/* Whether lines are parted first, where they are not sorted in lanes. */
static bool is_long(const struct sort_job *job) {
  return job->what == SORT && !needs_places(job) && job->item >= 4 &&
         job->lines.n >= WR_SORT_LEAST_LONG;
}

static size_t room_bytes(const struct sort_job *job) {
  const size_t places = (size_t)(job->beside * job->pitch) * 4u;
  return keys_bytes(job) + line_bytes(job) + (needs_places(job) ? line_bytes(job) + places : 0) +
         (is_long(job) ? wr_sort_long_room() : 0);
}

static struct room room_of(const struct sort_job *job, char *memory) {
  struct room r = {.keys = memory};
  r.scratch = r.keys + keys_bytes(job);
  r.line = r.scratch + line_bytes(job);
  r.places = (uint32_t *)(void *)(r.line + line_bytes(job));
  r.parts = r.line;
  return r;
}

static void sort_long(const struct sort_job *job, const struct key_lines *by, void *line,
                      const struct room *r) {
  const struct wr_sort_long s = {.item = by->item,
                                 .depth = wr_sort_depth(job->lines.n),
                                 .divide = wr_sort_part_of(by->item),
                                 .line = line,
                                 .scratch = r->scratch,
                                 .room = r->parts,
                                 .lanes = by->lanes,
                                 .digits = by->sort};
  wr_sort_long(&s, job->lines.n);
}

static void treat(const struct sort_job *job, const struct key_lines *by, void *line,
                  const struct room *r) {
  if (job->what == SELECT) {
    by->select(line, r->scratch, job->lines.n, job->kth);
  } else if (is_long(job)) {
    sort_long(job, by, line, r);
  } else {
    by->sort(line, r->scratch, job->lines.n);
  }
}

static void write_elements(const struct sort_job *job, const struct wr_sort_block *b,
                           const uint32_t *places, const char *in, char *out) {
  const int64_t item = job->item;
  for (int64_t j = 0; j < b->count; j++) {
    for (int64_t i = 0; i < b->n; i++) {
      const int64_t from = places[j * b->key_apart + i] * b->in_stride + j * b->in_apart;
      wr_copy_run(out + (i * b->out_stride + j * b->out_apart) * item, 1, in + from * item, 1, 1,
                  (int)item);
    }
  }
}

static void treat_by_places(const struct sort_job *job, const struct wr_sort_block *b,
                            const struct room *r, const char *in, char *out) {
  for (int64_t j = 0; j < b->count; j++) {
    place(r->keys + j * b->key_apart * job->item, job->item, b->n, r->line);
    treat(job, placed_of(job), r->line, r);
    places_of(r->line, job->item, b->n, r->places + j * b->key_apart);
  }
  if (job->what == PLACES) {
    wr_sort_store_places(b, r->places, out);
  } else {
    write_elements(job, b, r->places, in, out);
  }
}

/* Rows behind the last one are the greatest keys. */
static void sort_rows(const struct sort_job *job, const struct wr_sort_block *b, char *keys) {
  memset(keys + b->n * WR_SORT_ROW_BYTES, 0xff, (size_t)(rows_of(b->n) - b->n) * WR_SORT_ROW_BYTES);
  job->lanes(keys, rows_of(b->n));
}

static void treat_lines(const struct sort_job *job, const struct wr_sort_block *b, char *keys,
                        const struct room *r, bool bits) {
  const struct key_lines *by = lines_of(job->item);
  const struct key_lines in_bits = {job->item, NULL, floats[job->dtype].select, NULL};
  for (int64_t j = 0; j < b->count; j++) {
    treat(job, bits ? &in_bits : by, keys + j * b->key_apart * job->item, r);
  }
}

/* A single line is treated where its result is to lie. */
static void treat_block(const struct sort_job *job, const struct wr_sort_block *b,
                        const struct room *r, const char *in, char *out) {
  const bool bits = job->what == SELECT && floats[job->dtype].select;
  const enum wr_dtype as = bits ? floats[job->dtype].bits : job->dtype;
  const bool in_place =
      !needs_places(job) && b->count == 1 && b->out_stride == 1 && b->key_stride == 1;
  char *keys = in_place ? out : r->keys;
  const bool lost = wr_sort_load(as, in, b, keys);
  if (needs_places(job)) {
    treat_by_places(job, b, r, in, out);
    return;
  }
  if (b->key_apart == 1) {
    sort_rows(job, b, keys);
  } else {
    treat_lines(job, b, keys, r, bits);
  }
  wr_sort_store(as, in, b, keys, lost, out);
}

/* The lines from the o-th on, of n whose first elements lie side by side in both arrays or, where
   lanes are filled, anyhow. */
static void block_of(const struct sort_job *job, struct wr_sort_block *b, int64_t o, int64_t n) {
  const struct wr_lines *l = &job->lines;
  const int64_t left = l->inner == 1 ? n : l->inner - o % l->inner,
                lanes = WR_SORT_ROW_BYTES / job->item;
  b->out_apart = l->inner == 1 ? l->n : 1;
  b->count = n < left ? n : left;
  if (b->count > job->beside) b->count = job->beside;
  const bool rows = job->lanes && b->count >= lanes / 2;
  b->key_apart = rows ? 1 : job->pitch;
  b->key_stride = rows ? lanes : 1;
}

static void sort_lines(const struct sort_job *job, const struct room *r, int64_t begin,
                       int64_t end) {
  const struct wr_lines *l = &job->lines;
  struct wr_sort_block b = {.n = l->n, .in_stride = l->stride, .out_stride = l->inner};
  struct wr_cursor c;
  wr_cursor_start(&c, &l->walk, begin, end);
  b.in_apart = wr_walk_stride(&l->walk, 0);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n, o = begin; (n = wr_cursor_next(&c, at)) > 0;) {
    for (int64_t k = 0; k < n; k += b.count, o += b.count) {
      block_of(job, &b, o, n - k);
      treat_block(job, &b, r, job->in + (at[0] + k * b.in_apart) * job->item,
                  job->out + wr_lines_out(l, o) * job->out_item);
    }
  }
}

static void sort_body(void *ctx, int64_t begin, int64_t end) {
  struct sort_job *job = ctx;
  _Alignas(WR_SORT_ROW_BYTES) char stack[STACK_BYTES];
  const size_t bytes = room_bytes(job);
  char *memory = bytes <= sizeof stack ? stack : wr_alloc(bytes + WR_SORT_ROW_BYTES);
  if (!memory) {
    wr_store_relaxed(&job->refused, true);
    return;
  }
  const size_t over = (uintptr_t)memory % WR_SORT_ROW_BYTES;
  const struct room r = room_of(job, memory + (over ? WR_SORT_ROW_BYTES - over : 0));
  sort_lines(job, &r, begin, end);
  if (memory != stack) wr_free(memory);
}

/* Lines are sorted in lanes where there are enough to fill them, and no line is so long that digits
   are quicker. Others are brought together where they lie side by side, as many as a cache line has
   elements, while their keys are not many. The pitch leaves a line whose length is a power of two
   to another part of the cache than the next one. */
static void sort_sizes(struct sort_job *job) {
  enum { MOST = 4 << 20 };
  const struct wr_lines *l = &job->lines;
  const int64_t lanes = WR_SORT_ROW_BYTES / job->item;
  const bool is_short = l->n <= WR_SORT_MOST_ROWS && l->walk.size >= lanes / 2;
  if (job->what == SORT && job->dtype != WR_COMPLEX64 && is_short) {
    job->lanes = lines_of(job->item)->lanes;
  }
  job->pitch = (l->n + lanes - 1) / lanes * lanes;
  job->beside = 1;
  if (job->lanes || (wr_walk_stride(&l->walk, 0) == 1 && l->inner > 1)) {
    job->pitch += lanes;
    job->beside = MOST / (job->pitch * job->item);
    if (job->beside > lanes) job->beside = lanes;
    if (job->beside < 1) job->beside = 1;
  }
}

static struct wr_error *sort_along(const struct wr_call *call, int axis, int64_t kth,
                                   enum what what) {
  const struct wr_tensor *in = &call->in[0];
  if (in->size == 0) return NULL;
  struct sort_job job = {
      .what = what,
      .dtype = in->dtype,
      .item = (int)wr_dtype_size(in->dtype),
      .out_item = (int)wr_dtype_size(call->out.dtype),
      .kth = kth,
      .in = in->data,
      .out = call->out.data,
  };
  wr_lines_of(&job.lines, in, axis);
  sort_sizes(&job);
  const int64_t grain = (wr_lines_grain(&job.lines) + job.beside - 1) / job.beside * job.beside;
  wr_spread(job.lines.walk.size, grain, sort_body, &job);
  return wr_load_relaxed(&job.refused) ? wr_error_out_of_memory() : NULL;
}

struct wr_error *wr_cpu_sort(const struct wr_call *call) {
  const struct wr_axis_params *params = call->params;
  return sort_along(call, params->axis, 0, SORT);
}

struct wr_error *wr_cpu_argsort(const struct wr_call *call) {
  const struct wr_axis_params *params = call->params;
  return sort_along(call, params->axis, 0, PLACES);
}

struct wr_error *wr_cpu_partition(const struct wr_call *call) {
  const struct wr_partition_params *params = call->params;
  return sort_along(call, params->axis, params->kth, SELECT);
}
