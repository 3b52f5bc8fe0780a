/* Quantising rows of WR_A and back, by the rules of backend/cpu/quantized.c. */

#include "types.cuh"
#include "packed.cuh"

enum { WARPS = 8, GROUP_MOST = 128, EACH = GROUP_MOST / 32 };

INLINE float as_element(float x) { return (float)load<WR_A>(store_as<WR_A>::of((value_t)x)); }

/* ---- codes ---- */

INLINE u32 e4m3_code(float x) {
  const u32 bits = __float_as_uint(x), size = bits & 0x7fffffffu, sign = bits >> 24 & 0x80u;
  u32 code;
  if (size < 0x3c800000u) { /* below 2^-6 steps are 2^-9 apart */
    code = (u32)rintf(__uint_as_float(size) * 512.0f);
  } else {
    code = ((size + 0x7ffffu + (size >> 20 & 1u)) >> 20) - (127 - 7) * 8;
  }
  return sign | (code < 0x7eu ? code : 0x7eu);
}

INLINE u32 e2m1_code(float x, bool even) {
  const float middle[7] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f};
  const float size = fabsf(x);
  u32 code = 0;
#pragma unroll
  for (int i = 0; i < 7; i++) {
    code += size > middle[i] || (even && i % 2 == 1 && size == middle[i]);
  }
  if (code == 0 && !even) return 0;
  return code | (__float_as_uint(x) >> 28 & 8u);
}

/* ---- a group to a warp ---- */

struct target {
  u8 *codes;
  void *scales;
  void *biases;
};

INLINE float least_of(float x) {
#pragma unroll
  for (int by = 16; by > 0; by /= 2) {
    const float y = __shfl_xor_sync(~0u, x, by);
    x = y < x ? y : x;
  }
  return x;
}
INLINE float greatest_of(float x) { return -least_of(-x); }

INLINE void affine_group(const target &to, i64 g, int lane, const float *x, int n, u8 *codes) {
  const float most = (float)MASK;
  float least = x[0], greatest = x[0];
#pragma unroll
  for (int j = 1; j < EACH; j++) {
    if (lane + 32 * j >= n) continue;
    least = x[j] < least ? x[j] : least;
    greatest = x[j] > greatest ? x[j] : greatest;
  }
  least = least_of(least);
  greatest = greatest_of(greatest);
  float scale = (greatest - least) / most, bias = 0;
  if (!(scale > 1e-7f)) scale = 1e-7f;
  const bool below = fabsf(least) > fabsf(greatest);
  const float edge = below ? least : greatest;
  if (!below) scale = -scale;
  const float steps = rintf(edge / scale);
  if (BITS == 1) { /* the two are the ends */
    scale = fabsf(scale);
    bias = least;
  } else if (steps != 0) {
    scale = edge / steps;
    bias = edge;
  }
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    if (lane + 32 * j >= n) continue;
    const float q = rintf((x[j] - bias) / scale);
    codes[lane + 32 * j] = (u8)(q > 0 ? (q < most ? q : most) : 0);
  }
  if (lane == 0) {
    ((WR_A *)to.scales)[g] = store_as<WR_A>::of((value_t)scale);
    ((WR_A *)to.biases)[g] = store_as<WR_A>::of((value_t)bias);
  }
}

INLINE float largest_of(const float *x, int lane, int n) {
  float most = 0;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    if (lane + 32 * j < n) most = fabsf(x[j]) > most ? fabsf(x[j]) : most;
  }
  return greatest_of(most);
}

/* Powers of two, and E4M3 with a scale for all. */
INLINE void float_group(const target &to, i64 g, int lane, const float *x, int n, u8 *codes,
                        float all, bool even) {
  const float most = MODE == MXFP8 ? 448.0f : 6.0f;
  const float size = as_element(largest_of(x, lane, n) / most);
  float scale;
  u32 code;
  if (MODE == NVFP4) {
    code = e4m3_code(size * all);
    scale = e4m3_value(code);
  } else {
    /* The least power of two by which nothing is too large. */
    const u32 bits = __float_as_uint(size), power = (bits >> 23) + ((bits & 0x7fffffu) != 0);
    code = size > 0 ? (power < 254 ? power : 254) : 127;
    scale = e8m0_value(code);
  }
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    if (lane + 32 * j >= n) continue;
    const float v = scale > 0 ? as_element(x[j] / scale) * all : 0;
    codes[lane + 32 * j] = (u8)(MODE == MXFP8 ? e4m3_code(v) : e2m1_code(v, even));
  }
  if (lane == 0) ((u8 *)to.scales)[g] = (u8)code;
}

/* `all` points to the scale for all, or nowhere. */
extern "C" __global__ void quantize(target to, const WR_A *w, const float *all, i64 groups, i64 n,
                                    i64 even) {
  __shared__ u8 shared[WARPS][GROUP_MOST];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  u8 *codes = shared[warp];
  const float factor = all ? 2688.0f / *all : 1.0f;
  for (i64 g = (i64)blockIdx.x * WARPS + warp; g < groups; g += (i64)gridDim.x * WARPS) {
    float x[EACH];
#pragma unroll
    for (int j = 0; j < EACH; j++) {
      const i64 i = lane + 32 * j < n ? lane + 32 * j : 0; /* the first stands for none */
      x[j] = (float)load<WR_A>(w[g * n + i]);
    }
    if (MODE == AFFINE) {
      affine_group(to, g, lane, x, (int)n, codes);
    } else {
      float_group(to, g, lane, x, (int)n, codes, factor, even != 0);
    }
    __syncwarp();
    for (int b = lane; b < (int)n / BLOCK; b += 32) {
      u64 word = 0;
#pragma unroll
      for (int k = 0; k < BLOCK; k++) word |= (u64)codes[b * BLOCK + k] << (k * BITS);
      u8 *out = to.codes + (g * n / BLOCK + b) * BITS;
#pragma unroll
      for (int k = 0; k < BITS; k++) out[k] = (u8)(word >> (8 * k));
    }
    __syncwarp();
  }
}

/* ---- and back ---- */

INLINE WR_A element(u32 code, value_t scale, value_t bias) {
  const WR_A product = store_as<WR_A>::of(code_value(code) * scale);
  return MODE == AFFINE ? store_as<WR_A>::of(load<WR_A>(product) + bias) : product;
}

/* A thread to BLOCK elements of a row of n. `packs`: they are written as one. */
extern "C" __global__ void dequantize(WR_A *out, const u8 *codes, const void *scales,
                                      const void *biases, const float *all, i64 rows, i64 n,
                                      i64 row_bytes, i64 group, i64 packs) {
  const i64 blocks = (n + BLOCK - 1) / BLOCK, groups = (n + group - 1) / group;
  const value_t factor = all ? (value_t)(*all / 2688.0f) : (value_t)1;
  for (i64 t = thread_index(); t < rows * blocks; t += thread_count()) {
    const i64 row = t / blocks, b = t - row * blocks;
    const int count = (int)(n - b * BLOCK < BLOCK ? n - b * BLOCK : BLOCK);
    const u64 word = block_bits(codes + row * row_bytes + b * BITS, count);
    WR_A *to = out + row * n + b * BLOCK;
    pack<WR_A, BLOCK> made;
    i64 last = -1;
    value_t scale = 0, bias = 0;
#pragma unroll
    for (int k = 0; k < BLOCK; k++) {
      if (k >= count) continue;
      const i64 g = row * groups + (b * BLOCK + k) / group;
      if (g != last) {
        scale = scale_value(scales, g) * factor;
        bias = bias_value(biases, g);
        last = g;
      }
      made.e[k] = element(code_of(word, k), scale, bias);
    }
    if (packs) {
      *(pack<WR_A, BLOCK> *)to = made;
      continue;
    }
#pragma unroll
    for (int k = 0; k < BLOCK; k++) {
      if (k < count) to[k] = made.e[k];
    }
  }
}
