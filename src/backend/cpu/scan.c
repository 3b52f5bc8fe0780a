/* Scans along one axis: running sums, products, maxima, minima and logarithms of sums of
   exponentials, from either end, with or without the element itself. Whole numbers wrap; sums and
   products of floats of 16 and 32 bits are joined in double and rounded once for each result. What
   comes before the first element is the total of nothing: 0, 1, the type's least or greatest value,
   -inf. Lines spread over the pool; takes no locks, allocates nothing. */

#include "backend/cpu/kernels.h"
#include "backend/cpu/log_scan.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/scalar/scalar.h"
#include "backend/cpu/totals.h"

/* Bytes. Totals of lines side by side stay in the first-level cache; as many as there is room for
   are scanned at a time, for memory is read fastest without gaps. What is written is asked for so
   much ahead, in whole steps, a stripe at a time: the processor does not foresee that by itself. */
enum { SCAN_TOTALS = 16384, SCAN_STRIPE = 512, SCAN_AHEAD = 2048 };

/* Lines side by side that pay for a thread: the cache lines at both ends of each step are written
   by two threads, which with 12 lines each took three times as long as one thread alone. */
enum { SCAN_COLUMNS = 256 };

/* Logarithms of sums along shorter lines of floats are joined. */
enum { LOG_LINE = 64 };

/* Lines at equal distances. */
struct line {
  const void *in;
  void *out;
  int64_t in_stride; /* elements */
  int64_t out_stride;
  int64_t in_step; /* from line to line, elements */
  int64_t out_step;
  int64_t n;
  int64_t count;
  bool is_beside; /* both steps are 1 */
  bool inclusive;
};

typedef void (*scan_fn)(struct line *l);

/* From an element to one of the same line that is written later. To ask for lines beside these
   would take what another thread is writing from its cache. */
WR_INLINE int64_t scan_ahead(const struct line *l, int64_t item) {
  const int64_t step = l->out_stride * item;
  return step * (1 + SCAN_AHEAD / (step < 0 ? -step : step));
}

WR_INLINE void ask_for(const void *p, int64_t ahead, int64_t bytes) {
  const uintptr_t soon = (uintptr_t)p + (uintptr_t)ahead, over = soon + (uintptr_t)bytes;
  for (uintptr_t at = soon; at < over; at += 64) __builtin_prefetch((const void *)at, 1);
}

typedef uint64_t total_u;
typedef int64_t total_i;
typedef float total_f;
typedef double total_d;
typedef struct wr_complex_total total_w;

static const uint64_t none_u = 0, one_u = 1;
static const int64_t none_i = 0, one_i = 1;
static const float least_f = -INFINITY, most_f = INFINITY;
static const double none_d = 0, one_d = 1, least_d = -(double)INFINITY, most_d = (double)INFINITY;
static const struct wr_complex_total none_w = {0, 0}, one_w = {1, 0};
static const struct wr_complex_total least_w = {-(double)INFINITY, -(double)INFINITY};
static const struct wr_complex_total most_w = {(double)INFINITY, (double)INFINITY};
/* What is added to the first element of a line that begins with it: -0 stays -0, as in MLX. */
static const uint64_t before_u = 0;
static const int64_t before_i = 0;
static const double before_d = -0.0;
static const struct wr_complex_total before_w = {-0.0, -0.0};
static const double log_none_d = -(double)INFINITY;
static const struct wr_complex_total log_none_w = {-(double)INFINITY, 0};

/* Maxima, of equal numbers the later one, as in MLX: of zeros of both signs. */
WR_INLINE uint64_t late_max_u(uint64_t a, uint64_t b) { return max_u(a, b); }
WR_INLINE int64_t late_max_i(int64_t a, int64_t b) { return max_i(a, b); }
WR_INLINE float late_max_f(float a, float b) {
  const float m = a > b ? a : b;
  return a != a ? a : m;
}
WR_INLINE double late_max_d(double a, double b) {
  const double m = a > b ? a : b;
  return a != a ? a : m;
}
WR_INLINE struct wr_complex_total late_max_w(struct wr_complex_total a, struct wr_complex_total b) {
  return max_w(a, b);
}

WR_INLINE double log_sum_d(double a, double b) { return f64_logaddexp(a, b); }

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

static struct wr_complex_total load_c64(wr_complex64 x) {
  return (struct wr_complex_total){(double)x.re, (double)x.im};
}
static uint8_t to_bool(uint64_t x) { return x != 0; }
static wr_complex64 to_c64(struct wr_complex_total x) {
  return (wr_complex64){(float)x.re, (float)x.im};
}

/* Lines that do not lie side by side are scanned so many at a time; of logarithms, in vectors. */
#define FEW 1
#define MANY 1
#define WIDE
#define KIND u
#define BEST u
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
#undef KIND
#undef BEST

#define KIND i
#define BEST i
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
#undef KIND
#undef BEST

#define FLOATING
#define NARROW
#define KIND d
#define BEST f
#define EL f16
#define LOAD wr_f16_to_f32
#define STORE wr_f64_to_f16
#define LEAST least_f
#define MOST most_f
#include "backend/cpu/scan_lines.h"
#define EL bf16
#define LOAD wr_bf16_to_f32
#define STORE wr_f64_to_bf16
#define LEAST least_f
#define MOST most_f
#include "backend/cpu/scan_lines.h"
#undef WIDE
#undef FEW
#undef MANY
#define WIDE WR_WIDE
#define FEW 4
#define MANY 16
#define EL f32
#define LOAD
#define STORE (float)
#define LEAST least_f
#define MOST most_f
#include "backend/cpu/scan_lines.h"
#undef NARROW
#undef BEST
#define BEST d
#define EL f64
#define LOAD
#define STORE
#define LEAST least_d
#define MOST most_d
#include "backend/cpu/scan_lines.h"
#undef KIND
#undef BEST

#undef WIDE
#undef FEW
#undef MANY
#define WIDE
#define FEW 1
#define MANY 1
#define KIND w
#define BEST w
#define EL c64
#define LOAD load_c64
#define STORE to_c64
#define LEAST least_w
#define MOST most_w
#include "backend/cpu/scan_lines.h"
#undef KIND
#undef BEST
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
  bool is_beside; /* lines side by side in both arrays */
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
                         .in_step = wr_walk_stride(&l->walk, 0),
                         .out_step = l->inner > 1 ? 1 : l->n,
                         .n = l->n,
                         .count = count,
                         .is_beside = s->is_beside,
                         .inclusive = s->inclusive});
}

/* How many lines from the o-th on, of n, stand at equal distances in the result. */
static int64_t together(const struct scan *s, int64_t o, int64_t n) {
  if (s->lines.inner == 1) return n;
  const int64_t left = s->lines.inner - o % s->lines.inner;
  return n < left ? n : left;
}

static void scan_body(void *ctx, int64_t begin, int64_t end) {
  const struct scan *s = ctx;
  struct wr_cursor c;
  wr_cursor_start(&c, &s->lines.walk, begin, end);
  int64_t stride = wr_walk_stride(&s->lines.walk, 0);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n, o = begin; (n = wr_cursor_next(&c, at)) > 0;) {
    for (int64_t k = 0, count; k < n; k += count, o += count) {
      count = together(s, o, n - k);
      scan_line(s, at[0] + k * stride, wr_lines_out(&s->lines, o), count);
    }
  }
}

/* Lines that make a piece of work; side by side at least so many as stand together. */
static int64_t grain_of(const struct scan *s) {
  const int64_t grain = wr_lines_grain(&s->lines), inner = s->lines.inner;
  const int64_t least = !s->is_beside ? 1 : inner < SCAN_COLUMNS ? inner : SCAN_COLUMNS;
  return grain < least ? least : grain;
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
  s.is_beside = wr_walk_stride(&s.lines.walk, 0) == 1 && s.lines.inner > 1;
  wr_spread(s.lines.walk.size, grain_of(&s), scan_body, &s);
  return NULL;
}
