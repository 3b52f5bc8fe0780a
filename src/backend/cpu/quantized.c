/* Quantising and back, over dense operands; see core/quantized.h. Everything is computed in
   float32: the floats of microscaling formats by the steps that MLX takes in the type of the
   matrix, each rounded to it, so that 16-bit floats are packed to the same bits. Groups and chunks
   of rows spread over the pool. No locks, no allocation. */

#include <math.h>
#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/packed.h"

enum { GROUP_MOST = 128, LANES = 16 };

static float rounded(float x, enum wr_dtype t) {
  if (t == WR_FLOAT16) return wr_f16_to_f32(wr_f32_to_f16(x));
  return t == WR_BFLOAT16 ? wr_bf16_to_f32(wr_f32_to_bf16(x)) : x;
}

/* ---- quantize ---- */

struct quantizer {
  const struct wr_quantized_params *how;
  const void *w;
  enum wr_dtype dtype;
  uint8_t *codes;
  void *scales, *biases;
  float all; /* what scales for all multiply by */
};

/* To the nearest, of values that are far below 2^22. */
WR_WIDE static void affine_codes(uint8_t *restrict codes, const float *restrict x, int n,
                                 float scale, float bias, float most) {
  for (int i = 0; i < n; i++) {
    float q = (x[i] - bias) / scale;
    q = q > 0 ? q : 0;
    q = q < most ? q : most;
    codes[i] = (uint8_t)(int32_t)((q + 12582912.0f) - 12582912.0f); /* 1.5 * 2^23 */
  }
}

/* n is a multiple of LANES. */
WR_WIDE static void ends_of(const float *restrict x, int n, float *least, float *greatest) {
  float low[LANES], high[LANES];
  for (int l = 0; l < LANES; l++) low[l] = high[l] = x[l];
  for (int i = LANES; i < n; i += LANES) {
    for (int l = 0; l < LANES; l++) {
      low[l] = x[i + l] < low[l] ? x[i + l] : low[l];
      high[l] = x[i + l] > high[l] ? x[i + l] : high[l];
    }
  }
  *least = low[0];
  *greatest = high[0];
  for (int l = 1; l < LANES; l++) {
    *least = low[l] < *least ? low[l] : *least;
    *greatest = high[l] > *greatest ? high[l] : *greatest;
  }
}

/* Codes from 0 to `most`, so that 0 has one, but where there are only two. */
static void affine_group(const struct quantizer *z, int64_t g, const float *x, uint8_t *codes) {
  const int n = z->how->group;
  const float most = (float)((1 << z->how->bits) - 1);
  float least, greatest;
  ends_of(x, n, &least, &greatest);
  float scale = (greatest - least) / most, bias = 0;
  if (!(scale > 1e-7f)) scale = 1e-7f;
  const bool below = fabsf(least) > fabsf(greatest);
  const float edge = below ? least : greatest;
  if (!below) scale = -scale;
  const float steps = rintf(edge / scale);
  if (z->how->bits == 1) { /* the two are the ends */
    scale = fabsf(scale);
    bias = least;
  } else if (steps != 0) {
    scale = edge / steps;
    bias = edge;
  }
  affine_codes(codes, x, n, scale, bias, most);
  wr_packed_store(z->scales, z->dtype, g, scale);
  wr_packed_store(z->biases, z->dtype, g, bias);
}

static float largest(const float *x, int n) {
  float most = 0;
  for (int i = 0; i < n; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
  return most;
}

/* Scales that are powers of two: the least by which nothing is too large. */
static void mx_group(const struct quantizer *z, int64_t g, const float *x, uint8_t *codes) {
  const bool wide = z->how->mode == WR_MXFP8;
  const float most = wide ? WR_E4M3_MOST : WR_E2M1_MOST;
  const float size = rounded(largest(x, z->how->group) / most, z->dtype);
  const int power = size > 0 ? wr_power_above(size) : 0;
  const float scale = ldexpf(1.0f, power);
  for (int i = 0; i < z->how->group; i++) {
    const float v = rounded(x[i] / scale, z->dtype);
    codes[i] = wide ? wr_e4m3_code(v) : wr_e2m1_code(v, z->how->even);
  }
  ((uint8_t *)z->scales)[g] = (uint8_t)(power + 127);
}

static void nv_group(const struct quantizer *z, int64_t g, const float *x, uint8_t *codes) {
  const float size = rounded(largest(x, z->how->group) / WR_E2M1_MOST, z->dtype);
  const uint8_t scale = wr_e4m3_code(size * z->all);
  const float value = wr_e4m3_value(scale);
  for (int i = 0; i < z->how->group; i++) {
    const float v = value > 0 ? rounded(x[i] / value, z->dtype) * z->all : 0;
    codes[i] = wr_e2m1_code(v, z->how->even);
  }
  ((uint8_t *)z->scales)[g] = scale;
}

/* Eight at a time are as many bytes as a code has bits. */
static void pack(uint8_t *out, const uint8_t *codes, int n, int bits) {
  for (int i = 0; i < n; i += 8) {
    uint64_t word = 0;
    for (int k = 0; k < 8; k++) word |= (uint64_t)codes[i + k] << (k * bits);
    memcpy(out + i / 8 * bits, &word, (size_t)bits); /* little-endian */
  }
}

static void quantize_body(void *ctx, int64_t begin, int64_t end) {
  const struct quantizer *z = ctx;
  const int n = z->how->group, bits = z->how->bits;
  for (int64_t g = begin; g < end; g++) {
    float x[GROUP_MOST];
    uint8_t codes[GROUP_MOST];
    wr_packed_load(x, z->w, z->dtype, g * n, n);
    if (z->how->mode == WR_AFFINE) {
      affine_group(z, g, x, codes);
    } else if (z->how->mode == WR_NVFP4) {
      nv_group(z, g, x, codes);
    } else {
      mx_group(z, g, x, codes);
    }
    pack(z->codes + g * n / 8 * bits, codes, n, bits);
  }
}

struct wr_error *wr_cpu_quantize(const struct wr_call *call) {
  const struct wr_quantized_params *how = call->params;
  const struct wr_tensor *w = &call->in[0];
  const struct wr_quantized_layout l = wr_quantized_layout_of(w->size, how, w->dtype);
  uint8_t *out = call->out.data;
  const struct quantizer z = {
      .how = how,
      .w = w->data,
      .dtype = w->dtype,
      .codes = out,
      .scales = out + l.scales,
      .biases = out + l.biases,
      .all = call->n_in > 1 ? WR_NVFP4_MOST / *(const float *)call->in[1].data : 1,
  };
  wr_spread(w->size / how->group, WR_CPU_GRAIN / how->group, quantize_body, (void *)&z);
  return NULL;
}

/* ---- dequantize ---- */

struct unpacking {
  struct wr_packed_rows rows;
  void *out;
  enum wr_dtype dtype;
  int64_t n; /* elements of a row */
  int64_t chunks;
};

WR_WIDE static void affine_f32(float *restrict out, const uint8_t *restrict codes, int64_t n,
                               float scale, float bias) {
  for (int64_t i = 0; i < n; i++) out[i] = (float)codes[i] * scale + bias;
}

/* The product and the sum are rounded. */
WR_WIDE static void affine_f16(uint16_t *restrict out, const uint8_t *restrict codes, int64_t n,
                               float scale, float bias) {
  for (int64_t i = 0; i < n; i++) {
    const float product = wr_f16_to_f32(wr_f32_to_f16((float)codes[i] * scale));
    out[i] = wr_f32_to_f16(product + bias);
  }
}

WR_WIDE static void affine_bf16(uint16_t *restrict out, const uint8_t *restrict codes, int64_t n,
                                float scale, float bias) {
  for (int64_t i = 0; i < n; i++) {
    const float product = wr_bf16_to_f32(wr_f32_to_bf16((float)codes[i] * scale));
    out[i] = wr_f32_to_bf16(product + bias);
  }
}

static void affine_part(const struct unpacking *u, int64_t at, const uint8_t *codes, int64_t n,
                        int64_t row, int64_t g) {
  const struct wr_packed_rows *p = &u->rows;
  if (u->dtype == WR_FLOAT64) {
    const int64_t i = row * p->groups + g;
    const double scale = ((const double *)(const void *)p->scales)[i];
    const double bias = ((const double *)(const void *)p->biases)[i];
    for (int64_t k = 0; k < n; k++) ((double *)u->out)[at + k] = codes[k] * scale + bias;
    return;
  }
  float scale, bias;
  wr_packed_scales(&scale, p, row, g, 1);
  wr_packed_biases(&bias, p, row, g, 1);
  if (u->dtype == WR_FLOAT16) {
    affine_f16((uint16_t *)u->out + at, codes, n, scale, bias);
  } else if (u->dtype == WR_BFLOAT16) {
    affine_bf16((uint16_t *)u->out + at, codes, n, scale, bias);
  } else {
    affine_f32((float *)u->out + at, codes, n, scale, bias);
  }
}

/* A chunk of a row, group by group; groups may be of any length here. */
static void affine_chunk(const struct unpacking *u, int64_t row, int64_t first, int64_t last) {
  const int64_t group = u->rows.group;
  uint8_t codes[WR_PACKED_CHUNK];
  wr_packed_codes(codes, &u->rows, row, first, last - first);
  for (int64_t i = first, next; i < last; i = next) {
    const int64_t g = i / group;
    next = (g + 1) * group < last ? (g + 1) * group : last;
    affine_part(u, row * u->n + i, codes + (i - first), next - i, row, g);
  }
}

static void float_chunk(const struct unpacking *u, int64_t row, int64_t first, int64_t last) {
  float values[WR_PACKED_CHUNK];
  wr_packed_values(values, &u->rows, row, first, last - first);
  for (int64_t i = first; i < last; i++) {
    wr_packed_store(u->out, u->dtype, row * u->n + i, values[i - first]);
  }
}

static void unpack_body(void *ctx, int64_t begin, int64_t end) {
  const struct unpacking *u = ctx;
  for (int64_t c = begin; c < end; c++) {
    const int64_t row = c / u->chunks, first = c % u->chunks * WR_PACKED_CHUNK;
    const int64_t last = u->n - first < WR_PACKED_CHUNK ? u->n : first + WR_PACKED_CHUNK;
    (u->rows.mode == WR_AFFINE ? affine_chunk : float_chunk)(u, row, first, last);
  }
}

struct wr_error *wr_cpu_dequantize(const struct wr_call *call) {
  const struct wr_quantized_params *how = call->params;
  const struct wr_tensor *out = &call->out;
  struct unpacking u = {.out = out->data, .dtype = out->dtype, .n = out->shape[out->ndim - 1]};
  if (out->size == 0) return NULL;
  wr_packed_rows_of(&u.rows, call->in, how);
  if (how->mode == WR_NVFP4 && call->n_in > 2) {
    u.rows.all = *(const float *)call->in[2].data / WR_NVFP4_MOST;
  }
  u.chunks = (u.n + WR_PACKED_CHUNK - 1) / WR_PACKED_CHUNK;
  wr_spread(out->size / u.n * u.chunks, WR_CPU_GRAIN / WR_PACKED_CHUNK, unpack_body, &u);
  return NULL;
}
