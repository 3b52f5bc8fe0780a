/* Running sums along one axis, from either end, with or without the element itself. Whole numbers
   wrap; floats of 16 and 32 bits add up in double and are rounded once for each result. Lines
   spread over the pool; takes no locks, allocates nothing. */

#include "backend/cpu/kernels.h"
#include "backend/cpu/walk.h"
#include "core/half.h"

struct sum_complex {
  double re, im;
};

static inline uint64_t add_whole(uint64_t a, uint64_t b) { return a + b; }
static inline double add_real(double a, double b) { return a + b; }
static inline struct sum_complex add_complex(struct sum_complex a, struct sum_complex b) {
  return (struct sum_complex){a.re + b.re, a.im + b.im};
}

static inline double load_f16(uint16_t x) { return (double)wr_f16_to_f32(x); }
static inline double load_bf16(uint16_t x) { return (double)wr_bf16_to_f32(x); }
static inline struct sum_complex load_complex(wr_complex64 x) {
  return (struct sum_complex){(double)x.re, (double)x.im};
}

static inline uint8_t to_bool(uint64_t x) { return x != 0; }
static inline uint16_t store_f16(double x) { return wr_f64_to_f16(x); }
static inline uint16_t store_bf16(double x) { return wr_f64_to_bf16(x); }
static inline wr_complex64 store_complex(struct sum_complex x) {
  return (wr_complex64){(float)x.re, (float)x.im};
}

#define SCAN_ACC uint64_t
#define SCAN_ADD add_whole
#define SCAN_ZERO 0u
#define SCAN_NAME scan_bool
#define SCAN_IN uint8_t
#define SCAN_OUT uint8_t
#define SCAN_LOAD (uint64_t)
#define SCAN_STORE to_bool
#include "backend/cpu/scan_kernel.inc"
#define SCAN_NAME scan_bool_i32
#define SCAN_IN uint8_t
#define SCAN_OUT int32_t
#define SCAN_LOAD (uint64_t)
#define SCAN_STORE (int32_t)
#include "backend/cpu/scan_kernel.inc"
#define SCAN_NAME scan_u8
#define SCAN_IN uint8_t
#define SCAN_OUT uint8_t
#define SCAN_LOAD (uint64_t)
#define SCAN_STORE (uint8_t)
#include "backend/cpu/scan_kernel.inc"
#define SCAN_NAME scan_u16
#define SCAN_IN uint16_t
#define SCAN_OUT uint16_t
#define SCAN_LOAD (uint64_t)
#define SCAN_STORE (uint16_t)
#include "backend/cpu/scan_kernel.inc"
#define SCAN_NAME scan_u32
#define SCAN_IN uint32_t
#define SCAN_OUT uint32_t
#define SCAN_LOAD (uint64_t)
#define SCAN_STORE (uint32_t)
#include "backend/cpu/scan_kernel.inc"
#define SCAN_NAME scan_u64
#define SCAN_IN uint64_t
#define SCAN_OUT uint64_t
#define SCAN_LOAD (uint64_t)
#define SCAN_STORE (uint64_t)
#include "backend/cpu/scan_kernel.inc"
#define SCAN_NAME scan_i8
#define SCAN_IN int8_t
#define SCAN_OUT int8_t
#define SCAN_LOAD (uint64_t)
#define SCAN_STORE (int8_t)
#include "backend/cpu/scan_kernel.inc"
#define SCAN_NAME scan_i16
#define SCAN_IN int16_t
#define SCAN_OUT int16_t
#define SCAN_LOAD (uint64_t)
#define SCAN_STORE (int16_t)
#include "backend/cpu/scan_kernel.inc"
#define SCAN_NAME scan_i32
#define SCAN_IN int32_t
#define SCAN_OUT int32_t
#define SCAN_LOAD (uint64_t)
#define SCAN_STORE (int32_t)
#include "backend/cpu/scan_kernel.inc"
#define SCAN_NAME scan_i64
#define SCAN_IN int64_t
#define SCAN_OUT int64_t
#define SCAN_LOAD (uint64_t)
#define SCAN_STORE (int64_t)
#include "backend/cpu/scan_kernel.inc"
#undef SCAN_ACC
#undef SCAN_ADD
#undef SCAN_ZERO

#define SCAN_ACC double
#define SCAN_ADD add_real
#define SCAN_ZERO 0.0
#define SCAN_NAME scan_f16
#define SCAN_IN uint16_t
#define SCAN_OUT uint16_t
#define SCAN_LOAD load_f16
#define SCAN_STORE store_f16
#include "backend/cpu/scan_kernel.inc"
#define SCAN_NAME scan_bf16
#define SCAN_IN uint16_t
#define SCAN_OUT uint16_t
#define SCAN_LOAD load_bf16
#define SCAN_STORE store_bf16
#include "backend/cpu/scan_kernel.inc"
#define SCAN_NAME scan_f32
#define SCAN_IN float
#define SCAN_OUT float
#define SCAN_LOAD (double)
#define SCAN_STORE (float)
#include "backend/cpu/scan_kernel.inc"
#define SCAN_NAME scan_f64
#define SCAN_IN double
#define SCAN_OUT double
#define SCAN_LOAD (double)
#define SCAN_STORE (double)
#include "backend/cpu/scan_kernel.inc"
#undef SCAN_ACC
#undef SCAN_ADD
#undef SCAN_ZERO

#define SCAN_ACC struct sum_complex
#define SCAN_ADD add_complex
#define SCAN_ZERO ((struct sum_complex){0.0, 0.0})
#define SCAN_NAME scan_c64
#define SCAN_IN wr_complex64
#define SCAN_OUT wr_complex64
#define SCAN_LOAD load_complex
#define SCAN_STORE store_complex
#include "backend/cpu/scan_kernel.inc"
#undef SCAN_ACC
#undef SCAN_ADD
#undef SCAN_ZERO

typedef void (*scan_fn)(const void *in, int64_t in_stride, void *out, int64_t out_stride, int64_t n,
                        bool inclusive);

static const scan_fn scans[WR_DTYPE_COUNT] = {
    [WR_BOOL] = scan_bool,     [WR_UINT8] = scan_u8,      [WR_UINT16] = scan_u16,
    [WR_UINT32] = scan_u32,    [WR_UINT64] = scan_u64,    [WR_INT8] = scan_i8,
    [WR_INT16] = scan_i16,     [WR_INT32] = scan_i32,     [WR_INT64] = scan_i64,
    [WR_FLOAT16] = scan_f16,   [WR_FLOAT32] = scan_f32,   [WR_FLOAT64] = scan_f64,
    [WR_BFLOAT16] = scan_bf16, [WR_COMPLEX64] = scan_c64,
};

struct scan {
  scan_fn line;
  const char *in;
  char *out;
  int64_t in_item; /* bytes of an element */
  int64_t out_item;
  struct wr_lines lines;
  bool reverse;
  bool inclusive;
};

static void scan_line(const struct scan *s, int64_t in_offset, int64_t out_offset) {
  const struct wr_lines *l = &s->lines;
  int64_t last = s->reverse ? l->n - 1 : 0;
  int64_t sign = s->reverse ? -1 : 1;
  s->line(s->in + (in_offset + last * l->stride) * s->in_item, sign * l->stride,
          s->out + (out_offset + last * l->inner) * s->out_item, sign * l->inner, l->n,
          s->inclusive);
}

static void scan_body(void *ctx, int64_t begin, int64_t end) {
  const struct scan *s = ctx;
  struct wr_cursor c;
  wr_cursor_start(&c, &s->lines.walk, begin, end);
  int64_t stride = wr_walk_stride(&s->lines.walk, 0);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n, o = begin; (n = wr_cursor_next(&c, at)) > 0;) {
    for (int64_t k = 0; k < n; k++, o++) {
      scan_line(s, at[0] + k * stride, wr_lines_out(&s->lines, o));
    }
  }
}

struct wr_error *wr_cpu_cumsum(const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0];
  const struct wr_scan_params *params = call->params;
  if (in->size == 0) return NULL;
  bool widens = in->dtype == WR_BOOL && call->out.dtype == WR_INT32;
  struct scan s = {
      .line = widens ? scan_bool_i32 : scans[in->dtype],
      .in = in->data,
      .out = call->out.data,
      .in_item = (int64_t)wr_dtype_size(in->dtype),
      .out_item = (int64_t)wr_dtype_size(call->out.dtype),
      .reverse = params->reverse,
      .inclusive = params->inclusive,
  };
  wr_lines_of(&s.lines, in, params->axis);
  wr_spread(s.lines.walk.size, wr_lines_grain(&s.lines), scan_body, &s);
  return NULL;
}
