/* Elements as keys and back; see sort_elements.h. First they are moved, as bits of their size, then
   turned into keys where these lie, so that what differs by type runs over whole rows. No locks. */

#include "backend/cpu/sort_elements.h"

#include <string.h>

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/sort_bits.h"

enum { TILE = 16 };

/* ---- bits from place to place ---- */

#define KEY u16
#define KEY_T uint16_t
#include "backend/cpu/sort_turn.inc"
#define KEY u32
#define KEY_T uint32_t
#include "backend/cpu/sort_turn.inc"
#define KEY u64
#define KEY_T uint64_t
#include "backend/cpu/sort_turn.inc"

/* Distances of elements in lines, and of the lines. */
struct lie {
  int64_t stride, apart;
};

typedef void (*turn_fn)(void *to, int64_t to_apart, const void *from, int64_t from_apart,
                        int64_t rows, int64_t columns);

static turn_fn turn_of(int item) {
  return item == 2 ? turn_u16 : item == 4 ? turn_u32 : item == 8 ? turn_u64 : NULL;
}

void wr_sort_turn(int item, void *to, int64_t to_apart, const void *from, int64_t from_apart,
                  int64_t rows, int64_t columns) {
  turn_of(item)(to, to_apart, from, from_apart, rows, columns);
}

/* A few elements of each line, so that what lies side by side on one side is still in the cache. */
static void move_tiles(char *to, struct lie t, const char *from, struct lie f, int64_t n,
                       int64_t count, int item) {
  for (int64_t i = 0; i < n; i += TILE) {
    const int64_t here = n - i < TILE ? n - i : TILE;
    for (int64_t j = 0; j < count; j++) {
      wr_copy_run(to + (i * t.stride + j * t.apart) * item, t.stride,
                  from + (i * f.stride + j * f.apart) * item, f.stride, here, item);
    }
  }
}

/* n pieces of the same length, as far apart as is said in bytes. */
static void move_pieces(char *to, int64_t to_apart, const char *from, int64_t from_apart, int64_t n,
                        int64_t bytes) {
  if (bytes == WR_SORT_ROW_BYTES) {
    for (int64_t i = 0; i < n; i++) {
      memcpy(to + i * to_apart, from + i * from_apart, WR_SORT_ROW_BYTES);
    }
    return;
  }
  for (int64_t i = 0; i < n; i++) memcpy(to + i * to_apart, from + i * from_apart, (size_t)bytes);
}

static void move(char *to, struct lie t, const char *from, struct lie f, int64_t n, int64_t count,
                 int item) {
  const turn_fn turn = turn_of(item);
  if (count == 1) {
    wr_copy_run(to, t.stride, from, f.stride, n, item);
  } else if (t.stride == 1 && f.stride == 1) {
    move_pieces(to, t.apart * item, from, f.apart * item, count, n * item);
  } else if (t.apart == 1 && f.apart == 1) {
    move_pieces(to, t.stride * item, from, f.stride * item, n, count * item);
  } else if (turn && t.apart == 1 && f.stride == 1) {
    turn(to, t.stride, from, f.apart, count, n);
  } else if (turn && t.stride == 1 && f.apart == 1) {
    turn(to, t.apart, from, f.stride, n, count);
  } else {
    move_tiles(to, t, from, f, n, count, item);
  }
}

/* ---- bits and keys ---- */

#define KEY i8
#define KEY_T uint8_t
#define KEY_OF(x) ((uint8_t)((x) ^ 0x80u))
#define KEY_BITS(x) ((uint8_t)((x) ^ 0x80u))
#include "backend/cpu/sort_convert.inc"
#define KEY i16
#define KEY_T uint16_t
#define KEY_OF(x) ((uint16_t)((x) ^ 0x8000u))
#define KEY_BITS(x) ((uint16_t)((x) ^ 0x8000u))
#include "backend/cpu/sort_convert.inc"
#define KEY i32
#define KEY_T uint32_t
#define KEY_OF(x) ((x) ^ UINT32_C(1) << 31)
#define KEY_BITS(x) ((x) ^ UINT32_C(1) << 31)
#include "backend/cpu/sort_convert.inc"
#define KEY i64
#define KEY_T uint64_t
#define KEY_OF(x) ((x) ^ UINT64_C(1) << 63)
#define KEY_BITS(x) ((x) ^ UINT64_C(1) << 63)
#include "backend/cpu/sort_convert.inc"
#define KEY f16
#define KEY_T uint16_t
#define KEY_OF(x) wr_sort_key_f16(x)
#define KEY_BITS(x) wr_sort_bits_16(x)
#include "backend/cpu/sort_convert.inc"
#define KEY bf16
#define KEY_T uint16_t
#define KEY_OF(x) wr_sort_key_bf16(x)
#define KEY_BITS(x) wr_sort_bits_16(x)
#include "backend/cpu/sort_convert.inc"
#define KEY f32
#define KEY_T uint32_t
#define KEY_OF(x) wr_sort_key_f32(x)
#define KEY_BITS(x) wr_sort_bits_32(x)
#include "backend/cpu/sort_convert.inc"
#define KEY f64
#define KEY_T uint64_t
#define KEY_OF(x) wr_sort_key_f64(x)
#define KEY_BITS(x) wr_sort_bits_64(x)
#include "backend/cpu/sort_convert.inc"

#define KEY f16
#define KEY_T uint16_t
#define KEY_OF(x) wr_sort_key_f16(x)
#include "backend/cpu/sort_mend.inc"
#define KEY bf16
#define KEY_T uint16_t
#define KEY_OF(x) wr_sort_key_bf16(x)
#include "backend/cpu/sort_mend.inc"
#define KEY f32
#define KEY_T uint32_t
#define KEY_OF(x) wr_sort_key_f32(x)
#include "backend/cpu/sort_mend.inc"
#define KEY f64
#define KEY_T uint64_t
#define KEY_OF(x) wr_sort_key_f64(x)
#include "backend/cpu/sort_mend.inc"

#define KEY f32
#define KEY_T uint32_t
#define KEY_INFINITY UINT32_C(0x7f800000)
#include "backend/cpu/sort_places.inc"
#define KEY f64
#define KEY_T uint64_t
#define KEY_INFINITY UINT64_C(0x7ff0000000000000)
#include "backend/cpu/sort_places.inc"

/* The real part is the first word in memory. Nothing is made of these keys again. */
static bool to_keys_c64(void *keys, int64_t n) {
  uint64_t *x = keys;
  for (int64_t i = 0; i < n; i++) {
    uint32_t part[2];
    memcpy(part, &x[i], sizeof part);
    const uint32_t re = wr_sort_key_f32(part[0]), im = wr_sort_key_f32(part[1]);
    x[i] = re == UINT32_MAX || im == UINT32_MAX ? UINT64_MAX : (uint64_t)re << 32 | im;
  }
  return false;
}

/* NULL: there is nothing to do, or it is not known how. */
static const struct {
  bool (*to_keys)(void *keys, int64_t n);
  void (*to_bits)(void *keys, int64_t n);
  void (*mend)(const void *in, const struct wr_sort_block *b, void *bits);
  bool (*to_rows)(void *keys, int64_t n);
  void (*from_rows)(void *keys, int64_t n);
  void (*mend_rows)(const void *in, const struct wr_sort_block *b, void *bits);
} by_type[WR_DTYPE_COUNT] = {
    [WR_INT8] = {to_keys_i8, to_bits_i8, NULL, NULL, NULL, NULL},
    [WR_INT16] = {to_keys_i16, to_bits_i16, NULL, NULL, NULL, NULL},
    [WR_INT32] = {to_keys_i32, to_bits_i32, NULL, NULL, NULL, NULL},
    [WR_INT64] = {to_keys_i64, to_bits_i64, NULL, NULL, NULL, NULL},
    [WR_FLOAT16] = {to_keys_f16, to_bits_f16, mend_f16, NULL, NULL, NULL},
    [WR_BFLOAT16] = {to_keys_bf16, to_bits_bf16, mend_bf16, NULL, NULL, NULL},
    [WR_FLOAT32] = {to_keys_f32, to_bits_f32, mend_f32, to_rows_f32, from_rows_f32, mend_rows_f32},
    [WR_FLOAT64] = {to_keys_f64, to_bits_f64, mend_f64, to_rows_f64, from_rows_f64, mend_rows_f64},
    [WR_COMPLEX64] = {to_keys_c64, NULL, NULL, NULL, NULL, NULL},
};

/* ---- blocks ---- */

static bool in_rows(const struct wr_sort_block *b) { return b->key_apart == 1; }

/* Lanes without a line. */
static void clear_lanes(const struct wr_sort_block *b, char *keys, int item) {
  const size_t used = (size_t)(b->count * item);
  for (int64_t i = 0; i < b->n && used < WR_SORT_ROW_BYTES; i++) {
    memset(keys + i * WR_SORT_ROW_BYTES + used, 0, WR_SORT_ROW_BYTES - used);
  }
}

/* A part of a line at a time, which is in the cache for its second step. */
static bool load_line(enum wr_dtype dtype, const char *in, const struct wr_sort_block *b,
                      char *keys) {
  enum { NEAR = 2048 };
  const int item = (int)wr_dtype_size(dtype);
  bool lost = false;
  for (int64_t i = 0; i < b->n; i += NEAR) {
    const int64_t here = b->n - i < NEAR ? b->n - i : NEAR;
    wr_copy_run(keys + i * item, 1, in + i * b->in_stride * item, b->in_stride, here, item);
    if (by_type[dtype].to_keys) lost |= by_type[dtype].to_keys(keys + i * item, here);
  }
  return lost;
}

static bool load_rows(enum wr_dtype dtype, const char *in, const struct wr_sort_block *b,
                      char *keys) {
  const struct lie from = {b->in_stride, b->in_apart}, to = {b->key_stride, b->key_apart};
  const int item = (int)wr_dtype_size(dtype);
  clear_lanes(b, keys, item);
  move(keys, to, in, from, b->n, b->count, item);
  if (by_type[dtype].to_rows) return by_type[dtype].to_rows(keys, b->n);
  return by_type[dtype].to_keys && by_type[dtype].to_keys(keys, b->n * b->key_stride);
}

bool wr_sort_load(enum wr_dtype dtype, const void *in, const struct wr_sort_block *b, void *keys) {
  const struct lie from = {b->in_stride, b->in_apart}, to = {b->key_stride, b->key_apart};
  const int item = (int)wr_dtype_size(dtype);
  bool lost = false;
  if (in_rows(b)) return load_rows(dtype, in, b, keys);
  if (b->count == 1) return load_line(dtype, in, b, keys);
  move(keys, to, in, from, b->n, b->count, item);
  for (int64_t j = 0; j < b->count && by_type[dtype].to_keys; j++) {
    lost |= by_type[dtype].to_keys((char *)keys + j * b->key_apart * item, b->n);
  }
  return lost;
}

static void to_bits(enum wr_dtype dtype, const struct wr_sort_block *b, void *keys, int item) {
  if (in_rows(b)) {
    by_type[dtype].to_bits(keys, b->n * b->key_stride);
    return;
  }
  for (int64_t j = 0; j < b->count; j++) {
    by_type[dtype].to_bits((char *)keys + j * b->key_apart * item, b->n);
  }
}

static void store(const struct wr_sort_block *b, const void *bits, int item, void *out) {
  const struct lie from = {b->key_stride, b->key_apart}, to = {b->out_stride, b->out_apart};
  if (out != bits) move(out, to, bits, from, b->n, b->count, item);
}

void wr_sort_store(enum wr_dtype dtype, const void *in, const struct wr_sort_block *b, void *keys,
                   bool lost, void *out) {
  const int item = (int)wr_dtype_size(dtype);
  if (in_rows(b) && by_type[dtype].from_rows) {
    by_type[dtype].from_rows(keys, b->n);
    if (lost) by_type[dtype].mend_rows(in, b, keys);
  } else if (by_type[dtype].to_bits) {
    to_bits(dtype, b, keys, item);
    if (lost) by_type[dtype].mend(in, b, keys);
  }
  store(b, keys, item, out);
}

void wr_sort_store_places(const struct wr_sort_block *b, const uint32_t *places, void *out) {
  store(b, places, (int)sizeof *places, out);
}
