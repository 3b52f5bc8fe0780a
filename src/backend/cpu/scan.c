/* Scans along one axis: running sums, products, maxima, minima and logarithms of sums of
   exponentials, from either end, with or without the element itself. Whole numbers wrap; floats of
   16 and 32 bits are joined in double and rounded once for each result. What comes before the first
   element is the total of nothing: 0, 1, the type's least or greatest value, -inf. Lines spread
   over the pool; takes no locks, allocates nothing. */

#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/scalar/scalar.h"
#include "backend/cpu/totals.h"

enum { LINES = 1024 }; /* side by side, at most: their totals stay in the first-level cache */

/* A line, or `count` of them, whose i-th elements lie side by side. */
struct line {
  const void *in;
  void *out;
  int64_t in_stride; /* elements */
  int64_t out_stride;
  int64_t n;
  int64_t count;
  bool inclusive;
};

typedef void (*scan_fn)(const struct line *l);

static const uint64_t none_u = 0, one_u = 1;
static const int64_t none_i = 0, one_i = 1;
static const double none_d = 0, one_d = 1, least_d = -(double)INFINITY, most_d = (double)INFINITY;
static const struct wr_complex_total none_w = {0, 0}, one_w = {1, 0};
static const struct wr_complex_total least_w = {-(double)INFINITY, -(double)INFINITY};
static const struct wr_complex_total most_w = {(double)INFINITY, (double)INFINITY};
static const double log_none_d = -(double)INFINITY;
static const struct wr_complex_total log_none_w = {-(double)INFINITY, 0};

static double log_sum_d(double a, double b) { return f64_logaddexp(a, b); }

/* log(1 + e^x), where the real part of x is at most 0. */
static struct wr_complex_total log1p_exp(struct wr_complex_total x) {
  const double e = exp(x.re), re = e * cos(x.im), im = e * sin(x.im);
  const double square =
      re * (2 + re) + im * im; /* |1 + e^x|^2 - 1; near -1 it has lost its digits */
  const double size = square < -0.5 ? log(hypot(1 + re, im)) : 0.5 * log1p(square);
  return (struct wr_complex_total){size, atan2(im, 1 + re)};
}

/* log(e^a + e^b) from the one that is greater in the order of complex numbers. */
static struct wr_complex_total log_sum_w(struct wr_complex_total a, struct wr_complex_total b) {
  const struct wr_complex_total most = max_w(a, b), least = min_w(a, b);
  if (most.re != most.re || most.im != most.im) return (struct wr_complex_total){NAN, NAN};
  if (least.re == -(double)INFINITY || most.re == (double)INFINITY) return most;
  return sum_w(most, log1p_exp((struct wr_complex_total){least.re - most.re, least.im - most.im}));
}

static double load_f16(uint16_t x) { return (double)wr_f16_to_f32(x); }
static double load_bf16(uint16_t x) { return (double)wr_bf16_to_f32(x); }
static struct wr_complex_total load_c64(wr_complex64 x) {
  return (struct wr_complex_total){(double)x.re, (double)x.im};
}
static uint8_t to_bool(uint64_t x) { return x != 0; }
static wr_complex64 to_c64(struct wr_complex_total x) {
  return (wr_complex64){(float)x.re, (float)x.im};
}

#define WIDE
#define TOTAL uint64_t
#define KIND u
#define EL b8
#define LOAD (uint64_t)
#define STORE to_bool
#define LEAST 0
#define MOST 1
#include "backend/cpu/scan_lines.h"
#define EL u8
#define LOAD (uint64_t)
#define STORE (uint8_t)
#define LEAST 0
#define MOST UINT8_MAX
#include "backend/cpu/scan_lines.h"
#define EL u16
#define LOAD (uint64_t)
#define STORE (uint16_t)
#define LEAST 0
#define MOST UINT16_MAX
#include "backend/cpu/scan_lines.h"
#define EL u32
#define LOAD (uint64_t)
#define STORE (uint32_t)
#define LEAST 0
#define MOST UINT32_MAX
#include "backend/cpu/scan_lines.h"
#define EL u64
#define LOAD (uint64_t)
#define STORE (uint64_t)
#define LEAST 0
#define MOST UINT64_MAX
#include "backend/cpu/scan_lines.h"
#undef TOTAL
#undef KIND

#define TOTAL int64_t
#define KIND i
#define EL i8
#define LOAD (int64_t)
#define STORE (int8_t)
#define LEAST INT8_MIN
#define MOST INT8_MAX
#include "backend/cpu/scan_lines.h"
#define EL i16
#define LOAD (int64_t)
#define STORE (int16_t)
#define LEAST INT16_MIN
#define MOST INT16_MAX
#include "backend/cpu/scan_lines.h"
#define EL i32
#define LOAD (int64_t)
#define STORE (int32_t)
#define LEAST INT32_MIN
#define MOST INT32_MAX
#include "backend/cpu/scan_lines.h"
#define EL i64
#define LOAD (int64_t)
#define STORE (int64_t)
#define LEAST INT64_MIN
#define MOST INT64_MAX
#include "backend/cpu/scan_lines.h"
#undef TOTAL
#undef KIND

#define FLOATING
#define TOTAL double
#define KIND d
#define EL f16
#define LOAD load_f16
#define STORE wr_f64_to_f16
#define LEAST least_d
#define MOST most_d
#include "backend/cpu/scan_lines.h"
#define EL bf16
#define LOAD load_bf16
#define STORE wr_f64_to_bf16
#define LEAST least_d
#define MOST most_d
#include "backend/cpu/scan_lines.h"
#undef WIDE
#define WIDE WR_WIDE
#define EL f32
#define LOAD (double)
#define STORE (float)
#define LEAST least_d
#define MOST most_d
#include "backend/cpu/scan_lines.h"
#undef WIDE
#define WIDE
#define EL f64
#define LOAD (double)
#define STORE (double)
#define LEAST least_d
#define MOST most_d
#include "backend/cpu/scan_lines.h"
#undef TOTAL
#undef KIND

#define TOTAL struct wr_complex_total
#define KIND w
#define EL c64
#define LOAD load_c64
#define STORE to_c64
#define LEAST least_w
#define MOST most_w
#include "backend/cpu/scan_lines.h"
#undef TOTAL
#undef KIND
#undef FLOATING

static const scan_fn *const scans[WR_DTYPE_COUNT] = {
#define WR_EL(ID, el) [ID] = el##_scans,
#include "backend/cpu/types.def"
#undef WR_EL
};

struct scan {
  scan_fn line;
  const char *in;
  char *out;
  int64_t item; /* bytes of an element */
  struct wr_lines lines;
  bool reverse;
  bool inclusive;
};

static void scan_line(const struct scan *s, int64_t in_offset, int64_t out_offset, int64_t count) {
  const struct wr_lines *l = &s->lines;
  const int64_t first = s->reverse ? l->n - 1 : 0, sign = s->reverse ? -1 : 1;
  s->line(&(struct line){.in = s->in + (in_offset + first * l->stride) * s->item,
                         .out = s->out + (out_offset + first * l->inner) * s->item,
                         .in_stride = sign * l->stride,
                         .out_stride = sign * l->inner,
                         .n = l->n,
                         .count = count,
                         .inclusive = s->inclusive});
}

/* How many lines from the o-th on, of n, lie side by side in both arrays. */
static int64_t beside(const struct wr_lines *l, int64_t stride, int64_t o, int64_t n) {
  if (stride != 1 || l->inner == 1) return 1;
  const int64_t left = l->inner - o % l->inner, count = n < left ? n : left;
  return count < LINES ? count : LINES;
}

static void scan_body(void *ctx, int64_t begin, int64_t end) {
  const struct scan *s = ctx;
  struct wr_cursor c;
  wr_cursor_start(&c, &s->lines.walk, begin, end);
  int64_t stride = wr_walk_stride(&s->lines.walk, 0);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n, o = begin; (n = wr_cursor_next(&c, at)) > 0;) {
    for (int64_t k = 0, count; k < n; k += count, o += count) {
      count = beside(&s->lines, stride, o, n - k);
      scan_line(s, at[0] + k * stride, wr_lines_out(&s->lines, o), count);
    }
  }
}

struct wr_error *wr_cpu_scan(const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0];
  const struct wr_scan_params *params = call->params;
  if (in->size == 0) return NULL;
  struct scan s = {
      .line = scans[in->dtype][params->by],
      .in = in->data,
      .out = call->out.data,
      .item = (int64_t)wr_dtype_size(in->dtype),
      .reverse = params->reverse,
      .inclusive = params->inclusive,
  };
  if (!s.line) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "no scan of %s by %s", wr_dtype_name(in->dtype),
                        wr_op_info(params->by)->name);
  }
  wr_lines_of(&s.lines, in, params->axis);
  wr_spread(s.lines.walk.size, wr_lines_grain(&s.lines), scan_body, &s);
  return NULL;
}
