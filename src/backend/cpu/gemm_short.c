/* The types of two bytes that products read; see gemm_short.h. No locks, no allocation. */

#include "backend/cpu/gemm_short.h"

#include "backend/cpu/float16_rows.h"
#include "core/half.h"

static void widen_f16(float *out, const uint16_t *in, int64_t n) { wr_f16_widen(out, in, 1, n); }

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void widen_bf16_avx2(float *out, const uint16_t *in,
                                                            int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = wr_bf16_to_f32(in[i]);
}
#endif

static void widen_bf16(float *out, const uint16_t *in, int64_t n) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    widen_bf16_avx2(out, in, n);
    return;
  }
#endif
  for (int64_t i = 0; i < n; i++) out[i] = wr_bf16_to_f32(in[i]);
}

const struct wr_gemm_short *wr_cpu_gemm_short(enum wr_dtype t) {
  static const struct wr_gemm_short f16 = {WR_HALF_F16, widen_f16};
  static const struct wr_gemm_short bf16 = {WR_HALF_BF16, widen_bf16};
  return t == WR_FLOAT16 ? &f16 : t == WR_BFLOAT16 ? &bf16 : NULL;
}
