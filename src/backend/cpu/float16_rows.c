/* float16 and bfloat16 by way of float32; see float16_rows.h. */

#include "backend/cpu/float16_rows.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define WITH_F16C __attribute__((target("avx,f16c")))

/* All processors with AVX2 have these instructions. */
static bool has_f16c(void) { return __builtin_cpu_supports("avx2"); }

WITH_F16C static void widen_strided_f16c(float *out, const uint16_t *in, int64_t s, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8, in += 8 * s) {
    const __m128i eight =
        _mm_setr_epi16((short)in[0], (short)in[s], (short)in[2 * s], (short)in[3 * s],
                       (short)in[4 * s], (short)in[5 * s], (short)in[6 * s], (short)in[7 * s]);
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(eight));
  }
  for (; i < n; i++, in += s) out[i] = _cvtsh_ss(*in);
}

WITH_F16C static void widen_f16c(float *out, const uint16_t *in, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(in + i))));
  }
  for (; i < n; i++) out[i] = _cvtsh_ss(in[i]);
}

/* What wr_f32_to_f16 makes of a NaN is its sign and the first bit; the instruction would keep more
   bits of it. */
WITH_F16C static __m256 plain_nan(__m256 x) {
  const __m256 is_nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
  const __m256 drop = _mm256_and_ps(is_nan, _mm256_set1_ps(wr_f32_from_bits(0x7fffffffu)));
  const __m256 nan = _mm256_and_ps(is_nan, _mm256_set1_ps(wr_f32_from_bits(0x7fc00000u)));
  return _mm256_or_ps(_mm256_andnot_ps(drop, x), nan);
}

WITH_F16C static void narrow_f16c(uint16_t *out, const float *in, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 x = plain_nan(_mm256_loadu_ps(in + i));
    _mm_storeu_si128((__m128i *)(out + i), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
  }
  for (; i < n; i++) out[i] = wr_f32_to_f16(in[i]);
}
#endif

static inline void widen(float *out, const uint16_t *in, int64_t stride, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = wr_f16_to_f32(in[i * stride]);
}

void wr_f16_widen(float *out, const uint16_t *in, int64_t stride, int64_t n) {
#if defined(__x86_64__)
  if (has_f16c()) {
    if (stride == 1) {
      widen_f16c(out, in, n);
    } else {
      widen_strided_f16c(out, in, stride, n);
    }
    return;
  }
#endif
  if (stride == 1) {
    widen(out, in, 1, n);
  } else {
    widen(out, in, stride, n);
  }
}

void wr_f16_narrow(uint16_t *out, const float *in, int64_t n) {
#if defined(__x86_64__)
  if (has_f16c()) {
    narrow_f16c(out, in, n);
    return;
  }
#endif
  for (int64_t i = 0; i < n; i++) out[i] = wr_f32_to_f16(in[i]);
}

WR_WIDE static void bf16_widen(float *out, const uint16_t *in, int64_t stride, int64_t n) {
  if (stride == 1) {
    for (int64_t i = 0; i < n; i++) out[i] = wr_bf16_to_f32(in[i]);
  } else {
    for (int64_t i = 0; i < n; i++) out[i] = wr_bf16_to_f32(in[i * stride]);
  }
}

WR_WIDE static void bf16_narrow(uint16_t *out, const float *in, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = wr_f32_to_bf16(in[i]);
}

/* How a type becomes float32 and back. */
struct kind {
  void (*widen)(float *out, const uint16_t *in, int64_t stride, int64_t n);
  void (*narrow)(uint16_t *out, const float *in, int64_t n);
};

static const struct kind f16 = {wr_f16_widen, wr_f16_narrow};
static const struct kind bf16 = {bf16_widen, bf16_narrow};

/* Elements at once: as float32 three times that lie on a stack that may be small (K13), beside what
   a function of float32 has there. */
enum { STRETCH = 512 };

/* Elements [at, at + n) of an input, as float32. A broadcast one is widened once, at the start. */
static void widen_input(const struct kind *kind, float *out, const uint16_t *in, int64_t stride,
                        int64_t at, int64_t n) {
  if (stride != 0) {
    kind->widen(out, in + at * stride, stride, n);
  } else if (at == 0) {
    kind->widen(out, in, 1, 1);
  }
}

/* `result` has room for a stretch of results of the type; NULL: they are bool, and go where they
   belong at once. */
static void run_stretches(const struct kind *kind, const struct wr_row *r, wr_row_fn row,
                          float *result) {
  float x[STRETCH], y[STRETCH];
  const int64_t s = r->stride[0], t = r->stride[1];
  struct wr_row part = {.out = result, .in = {x, y}, .stride = {s != 0, t != 0}};
  for (int64_t at = 0; at < r->n; at += STRETCH) {
    part.n = r->n - at < STRETCH ? r->n - at : STRETCH;
    widen_input(kind, x, r->in[0], s, at, part.n);
    if (r->in[1]) widen_input(kind, y, r->in[1], t, at, part.n);
    if (!result) part.out = (uint8_t *)r->out + at;
    row(&part);
    if (result) kind->narrow((uint16_t *)r->out + at, result, part.n);
  }
}

static void run(const struct kind *kind, const struct wr_row *r, wr_row_fn row) {
  float result[STRETCH];
  run_stretches(kind, r, row, result);
}

void wr_f16_row(const struct wr_row *r, wr_row_fn row) { run(&f16, r, row); }
void wr_f16_row_test(const struct wr_row *r, wr_row_fn row) { run_stretches(&f16, r, row, NULL); }
void wr_bf16_row(const struct wr_row *r, wr_row_fn row) { run(&bf16, r, row); }
void wr_bf16_row_test(const struct wr_row *r, wr_row_fn row) { run_stretches(&bf16, r, row, NULL); }
