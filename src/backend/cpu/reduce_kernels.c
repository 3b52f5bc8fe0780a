/* Reducers: sum, product, maximum and minimum of every element type, instances of
   reduce_kernel.inc listed by reduce_types.inc. Whole numbers accumulate in 64 bits and wrap;
   16-bit floats and float32 accumulate in float32 lanes whose blocks add up in double; float64 in
   double; complex64 as two floats. Maximum and minimum return NaN when any element is NaN; complex
   numbers compare by real part, then by imaginary part. No state, no locks. */

#include <math.h>
#include <string.h>

#include "backend/cpu/loop/loop.h"
#include "backend/cpu/reduce_types.h"
#include "core/half.h"

enum { LANES = 16, STRIDED_BLOCK = 128 };
enum { FOUND_BLOCK = 64 };
enum { BYTES_OF_ENDS = 256, BYTES_OF_BEST = 16384 }; /* the latter stay in the first-level cache */

static inline uint64_t load_b8(uint8_t x) { return x; }
static inline uint64_t load_u8(uint8_t x) { return x; }
static inline uint64_t load_u16(uint16_t x) { return x; }
static inline uint64_t load_u32(uint32_t x) { return x; }
static inline uint64_t load_u64(uint64_t x) { return x; }
static inline int64_t load_i8(int8_t x) { return x; }
static inline int64_t load_i16(int16_t x) { return x; }
static inline int64_t load_i32(int32_t x) { return x; }
static inline int64_t load_i64(int64_t x) { return x; }
static inline float load_f16(uint16_t x) { return wr_f16_to_f32(x); }
static inline float load_bf16(uint16_t x) { return wr_bf16_to_f32(x); }
static inline float load_f32(float x) { return x; }
static inline double load_f64(double x) { return x; }
static inline wr_complex64 load_c64(wr_complex64 x) { return x; }

#define SPEED WR_WIDE
#define EL f32
#define SIGNED int32_t
#define UNSIGNED uint32_t
#include "backend/cpu/reduce_ends.h"
#define EL f64
#define SIGNED int64_t
#define UNSIGNED uint64_t
#include "backend/cpu/reduce_ends.h"

/* Types of the elements' size to find one in, and which are NaN. */
#define WHOLE(el, T)    \
  typedef T whole_##el; \
  static inline bool is_nan_##el(T x) { return (void)x, false; }
WHOLE(b8, uint8_t)
WHOLE(u8, uint8_t)
WHOLE(u16, uint16_t)
WHOLE(u32, uint32_t)
WHOLE(u64, uint64_t)
WHOLE(i8, int8_t)
WHOLE(i16, int16_t)
WHOLE(i32, int32_t)
WHOLE(i64, int64_t)
#undef WHOLE
typedef int32_t whole_f32;
typedef int64_t whole_f64;

/* A NaN of a total is always the same one, whichever elements had it and whatever they were cut in.
 */
static inline uint64_t one_nan_u(uint64_t x) { return x; }
static inline int64_t one_nan_i(int64_t x) { return x; }
static inline double one_nan_d(double x) { return x != x ? (double)NAN : x; }

static inline uint64_t widen_u(uint64_t x) { return x; }
static inline int64_t widen_i(int64_t x) { return x; }
static inline double widen_f(float x) { return (double)x; }
static inline double widen_d(double x) { return x; }
static inline struct wr_complex_total widen_c(wr_complex64 x) {
  return (struct wr_complex_total){(double)x.re, (double)x.im};
}

/* What a block adds up in, beside the totals (totals.h). */
static inline float sum_f(float a, float b) { return a + b; }
static inline wr_complex64 sum_c(wr_complex64 a, wr_complex64 b) {
  return (wr_complex64){a.re + b.re, a.im + b.im};
}

static inline float prod_f(float a, float b) { return a * b; }
static inline wr_complex64 prod_c(wr_complex64 a, wr_complex64 b) {
  return (wr_complex64){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static inline wr_complex64 narrow_c(struct wr_complex_total x) {
  return (wr_complex64){(float)x.re, (float)x.im};
}
static inline wr_complex64 max_c(wr_complex64 a, wr_complex64 b) {
  return narrow_c(max_w(widen_c(a), widen_c(b)));
}
static inline wr_complex64 min_c(wr_complex64 a, wr_complex64 b) {
  return narrow_c(min_w(widen_c(a), widen_c(b)));
}

/* Neutral elements. */
static const uint64_t sum_none_u = 0;
static const int64_t sum_none_i = 0;
static const float sum_none_f = 0.0f;
static const double sum_none_d = 0.0;
static const wr_complex64 sum_none_c = {0.0f, 0.0f};

static const uint64_t prod_none_u = 1;
static const int64_t prod_none_i = 1;
static const float prod_none_f = 1.0f;
static const double prod_none_d = 1.0;
static const wr_complex64 prod_none_c = {1.0f, 0.0f};

/* Of bool: past it there is no better one. */
enum { max_last_b8 = 1, min_last_b8 = 0 };

static const uint64_t max_none_u = 0;
static const int64_t max_none_i = INT64_MIN;
static const float max_none_f = -INFINITY;
static const double max_none_d = -(double)INFINITY;
static const wr_complex64 max_none_c = {-INFINITY, -INFINITY};

static const uint64_t min_none_u = UINT64_MAX;
static const int64_t min_none_i = INT64_MAX;
static const float min_none_f = INFINITY;
static const double min_none_d = (double)INFINITY;
static const wr_complex64 min_none_c = {INFINITY, INFINITY};

#define REDUCE_VERB(name) sum_##name
#include "backend/cpu/reduce_types.inc"

#define REDUCE_VERB(name) prod_##name
#include "backend/cpu/reduce_types.inc"

#define REDUCE_VERB(name) max_##name
#define REDUCE_BETTER >
#include "backend/cpu/reduce_types.inc"

#define REDUCE_VERB(name) min_##name
#define REDUCE_BETTER <
#include "backend/cpu/reduce_types.inc"

static const struct wr_reducer *const reducers[][WR_DTYPE_COUNT] = {
#define WR_EL(ID, el)                                                                     \
  [WR_REDUCE_SUM][ID] = &sum_##el##_reducer, [WR_REDUCE_PROD][ID] = &prod_##el##_reducer, \
  [WR_REDUCE_MAX][ID] = &max_##el##_reducer, [WR_REDUCE_MIN][ID] = &min_##el##_reducer,
#include "backend/cpu/types.def"
#undef WR_EL
};

const struct wr_reducer *wr_reducer_for(enum wr_reduce_op op, enum wr_dtype dtype) {
  return reducers[op][dtype];
}
