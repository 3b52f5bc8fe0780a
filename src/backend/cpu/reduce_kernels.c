/* Reducers: sum, product, maximum and minimum of every element type, instances of
   reduce_kernel.inc listed by reduce_types.inc. Whole numbers accumulate in 64 bits and wrap;
   16-bit floats and float32 accumulate in float32 lanes whose blocks add up in double; float64 in
   double; complex64 as two floats. Maximum and minimum return NaN when any element is NaN; complex
   numbers compare by real part, then by imaginary part. No state, no locks. */

#include <math.h>

#include "backend/cpu/reduce_types.h"
#include "core/half.h"

enum { LANES = 16, STRIDED_BLOCK = 128 };

static inline uint64_t load_bool(uint8_t x) { return x; }
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

/* A NaN in b is taken; a NaN in a stays, since nothing compares greater or less. */
static inline float max_f(float a, float b) {
  float m = b > a ? b : a;
  return b != b ? b : m;
}

static inline float min_f(float a, float b) {
  float m = b < a ? b : a;
  return b != b ? b : m;
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
#include "backend/cpu/reduce_types.inc"

#define REDUCE_VERB(name) min_##name
#include "backend/cpu/reduce_types.inc"

static const struct wr_reducer *const reducers[][WR_DTYPE_COUNT] = {
    [WR_REDUCE_SUM] =
        {
            [WR_BOOL] = &sum_bool_reducer,
            [WR_UINT8] = &sum_u8_reducer,
            [WR_UINT16] = &sum_u16_reducer,
            [WR_UINT32] = &sum_u32_reducer,
            [WR_UINT64] = &sum_u64_reducer,
            [WR_INT8] = &sum_i8_reducer,
            [WR_INT16] = &sum_i16_reducer,
            [WR_INT32] = &sum_i32_reducer,
            [WR_INT64] = &sum_i64_reducer,
            [WR_FLOAT16] = &sum_f16_reducer,
            [WR_FLOAT32] = &sum_f32_reducer,
            [WR_FLOAT64] = &sum_f64_reducer,
            [WR_BFLOAT16] = &sum_bf16_reducer,
            [WR_COMPLEX64] = &sum_c64_reducer,
        },
    [WR_REDUCE_PROD] =
        {
            [WR_BOOL] = &prod_bool_reducer,
            [WR_UINT8] = &prod_u8_reducer,
            [WR_UINT16] = &prod_u16_reducer,
            [WR_UINT32] = &prod_u32_reducer,
            [WR_UINT64] = &prod_u64_reducer,
            [WR_INT8] = &prod_i8_reducer,
            [WR_INT16] = &prod_i16_reducer,
            [WR_INT32] = &prod_i32_reducer,
            [WR_INT64] = &prod_i64_reducer,
            [WR_FLOAT16] = &prod_f16_reducer,
            [WR_FLOAT32] = &prod_f32_reducer,
            [WR_FLOAT64] = &prod_f64_reducer,
            [WR_BFLOAT16] = &prod_bf16_reducer,
            [WR_COMPLEX64] = &prod_c64_reducer,
        },
    [WR_REDUCE_MAX] =
        {
            [WR_BOOL] = &max_bool_reducer,
            [WR_UINT8] = &max_u8_reducer,
            [WR_UINT16] = &max_u16_reducer,
            [WR_UINT32] = &max_u32_reducer,
            [WR_UINT64] = &max_u64_reducer,
            [WR_INT8] = &max_i8_reducer,
            [WR_INT16] = &max_i16_reducer,
            [WR_INT32] = &max_i32_reducer,
            [WR_INT64] = &max_i64_reducer,
            [WR_FLOAT16] = &max_f16_reducer,
            [WR_FLOAT32] = &max_f32_reducer,
            [WR_FLOAT64] = &max_f64_reducer,
            [WR_BFLOAT16] = &max_bf16_reducer,
            [WR_COMPLEX64] = &max_c64_reducer,
        },
    [WR_REDUCE_MIN] =
        {
            [WR_BOOL] = &min_bool_reducer,
            [WR_UINT8] = &min_u8_reducer,
            [WR_UINT16] = &min_u16_reducer,
            [WR_UINT32] = &min_u32_reducer,
            [WR_UINT64] = &min_u64_reducer,
            [WR_INT8] = &min_i8_reducer,
            [WR_INT16] = &min_i16_reducer,
            [WR_INT32] = &min_i32_reducer,
            [WR_INT64] = &min_i64_reducer,
            [WR_FLOAT16] = &min_f16_reducer,
            [WR_FLOAT32] = &min_f32_reducer,
            [WR_FLOAT64] = &min_f64_reducer,
            [WR_BFLOAT16] = &min_bf16_reducer,
            [WR_COMPLEX64] = &min_c64_reducer,
        },
};

const struct wr_reducer *wr_reducer_for(enum wr_reduce_op op, enum wr_dtype dtype) {
  return reducers[op][dtype];
}
