/* The blocks of gguf, as ggml lays them out, and the other byte order. Pure functions of bytes;
   what a block holds is a value, whatever it is. */

#include "io/decode.h"

#include <string.h>

#include "core/half.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files are little-endian, and read without a swap"
#endif

static uint16_t half_at(const unsigned char *p) {
  uint16_t h;
  memcpy(&h, p, sizeof h);
  return h;
}

static float float_at(const unsigned char *p) { return wr_f16_to_f32(half_at(p)); }

static void put_half(void *out, size_t i, float value) {
  uint16_t h = wr_f32_to_f16(value);
  memcpy((char *)out + i * sizeof h, &h, sizeof h);
}

/* ---- 32 elements in a block, to weights, scales and biases ---- */

enum { Q4 = 18, Q41 = 20, Q8 = 34 };

/* Byte i holds element i in its low half and element i + 16 in its high one; in the result element
   i comes i-th. */
static void nibbles(unsigned char *out, const unsigned char *in) {
  for (int i = 0; i < 8; i++) {
    out[i] = (unsigned char)((in[2 * i] & 0xf) | in[2 * i + 1] << 4);
    out[i + 8] = (unsigned char)(in[2 * i] >> 4 | (in[2 * i + 1] & 0xf0));
  }
}

static void q4_weights(void *out, const unsigned char *in, size_t blocks) {
  unsigned char *to = out;
  for (size_t i = 0; i < blocks; i++) nibbles(to + 16 * i, in + Q4 * i + 2);
}

static void q41_weights(void *out, const unsigned char *in, size_t blocks) {
  unsigned char *to = out;
  for (size_t i = 0; i < blocks; i++) nibbles(to + 16 * i, in + Q41 * i + 4);
}

/* From -128 .. 127 to 0 .. 255. */
static void q8_weights(void *out, const unsigned char *in, size_t blocks) {
  unsigned char *to = out;
  for (size_t i = 0; i < blocks; i++) {
    for (int k = 0; k < 32; k++) to[32 * i + (size_t)k] = in[Q8 * i + 2 + (size_t)k] ^ 0x80;
  }
}

static void halves(void *out, const unsigned char *in, size_t blocks, size_t stride) {
  unsigned char *to = out;
  for (size_t i = 0; i < blocks; i++) memcpy(to + 2 * i, in + stride * i, 2);
}

static void q4_scales(void *out, const unsigned char *in, size_t blocks) {
  halves(out, in, blocks, Q4);
}

static void q41_scales(void *out, const unsigned char *in, size_t blocks) {
  halves(out, in, blocks, Q41);
}

static void q41_biases(void *out, const unsigned char *in, size_t blocks) {
  halves(out, in + 2, blocks, Q41);
}

static void q8_scales(void *out, const unsigned char *in, size_t blocks) {
  halves(out, in, blocks, Q8);
}

static void q4_biases(void *out, const unsigned char *in, size_t blocks) {
  for (size_t i = 0; i < blocks; i++) put_half(out, i, -8.0f * float_at(in + Q4 * i));
}

static void q8_biases(void *out, const unsigned char *in, size_t blocks) {
  for (size_t i = 0; i < blocks; i++) put_half(out, i, -128.0f * float_at(in + Q8 * i));
}

/* ---- to float16 ---- */

static void bf16(void *out, const unsigned char *in, size_t blocks) {
  for (size_t i = 0; i < blocks; i++) put_half(out, i, wr_bf16_to_f32(half_at(in + 2 * i)));
}

enum { K = 256, Q2_K = 84, Q4_K = 144, Q6_K = 210 };

/* 16 groups of 16 elements, each with a scale and a minimum of 4 bits; elements of 2 bits. */
static void q2_k_block(void *out, size_t at, const unsigned char *in) {
  const unsigned char *scales = in, *bits = in + 16;
  const float d = float_at(in + 80), min = float_at(in + 82);
  for (int i = 0; i < K; i++) {
    const int half = i / 128, shift = i % 128 / 32 * 2;
    const unsigned scale = scales[i / 16];
    const int q = bits[32 * half + i % 32] >> shift & 3;
    const float step = d * (float)(scale & 0xf), low = min * (float)(scale >> 4);
    put_half(out, at + (size_t)i, step * (float)q - low);
  }
}

/* The j-th of 8 scales and minima of 6 bits, in 12 bytes. */
static void scale_and_min(const unsigned char *s, int j, float *scale, float *min) {
  if (j < 4) {
    *scale = (float)(s[j] & 63);
    *min = (float)(s[j + 4] & 63);
  } else {
    *scale = (float)((s[j + 4] & 0xf) | s[j - 4] >> 6 << 4);
    *min = (float)(s[j + 4] >> 4 | s[j] >> 6 << 4);
  }
}

/* 8 groups of 32 elements of 4 bits. */
static void q4_k_block(void *out, size_t at, const unsigned char *in) {
  const unsigned char *bits = in + 16;
  const float d = float_at(in), dmin = float_at(in + 2);
  for (int i = 0; i < K; i++) {
    const int group = i / 32;
    const unsigned char byte = bits[32 * (group / 2) + i % 32];
    float scale, min;
    scale_and_min(in + 4, group, &scale, &min);
    const float step = d * scale, low = dmin * min;
    put_half(out, at + (size_t)i, step * (float)(group % 2 ? byte >> 4 : byte & 0xf) - low);
  }
}

/* 16 groups of 16 elements of 6 bits, 4 of them in one place and 2 in another. */
static void q6_k_block(void *out, size_t at, const unsigned char *in) {
  const float d = float_at(in + 208);
  for (int i = 0; i < K; i++) {
    const int half = i / 128, quarter = i % 128 / 32, l = i % 32;
    const unsigned char low = in[64 * half + 32 * (quarter % 2) + l];
    const unsigned char high = in[128 + 32 * half + l];
    const int q = (quarter < 2 ? low & 0xf : low >> 4) | (high >> 2 * quarter & 3) << 4;
    const float scale = (float)(signed char)in[192 + i / 16];
    put_half(out, at + (size_t)i, d * scale * (float)(q - 32));
  }
}

static void q2_k(void *out, const unsigned char *in, size_t blocks) {
  for (size_t i = 0; i < blocks; i++) q2_k_block(out, K * i, in + Q2_K * i);
}

static void q4_k(void *out, const unsigned char *in, size_t blocks) {
  for (size_t i = 0; i < blocks; i++) q4_k_block(out, K * i, in + Q4_K * i);
}

static void q6_k(void *out, const unsigned char *in, size_t blocks) {
  for (size_t i = 0; i < blocks; i++) q6_k_block(out, K * i, in + Q6_K * i);
}

/* ---- the table ---- */

const struct wr_decoder *wr_decoder_of(enum wr_load_form form) {
  static const struct wr_decoder decoders[WR_LOAD_FORMS] = {
      [WR_LOAD_Q4_WEIGHTS] = {Q4, 16, q4_weights}, [WR_LOAD_Q4_SCALES] = {Q4, 2, q4_scales},
      [WR_LOAD_Q4_BIASES] = {Q4, 2, q4_biases},    [WR_LOAD_Q41_WEIGHTS] = {Q41, 16, q41_weights},
      [WR_LOAD_Q41_SCALES] = {Q41, 2, q41_scales}, [WR_LOAD_Q41_BIASES] = {Q41, 2, q41_biases},
      [WR_LOAD_Q8_WEIGHTS] = {Q8, 32, q8_weights}, [WR_LOAD_Q8_SCALES] = {Q8, 2, q8_scales},
      [WR_LOAD_Q8_BIASES] = {Q8, 2, q8_biases},    [WR_LOAD_BF16] = {2, 2, bf16},
      [WR_LOAD_Q2_K] = {Q2_K, 2 * K, q2_k},        [WR_LOAD_Q4_K] = {Q4_K, 2 * K, q4_k},
      [WR_LOAD_Q6_K] = {Q6_K, 2 * K, q6_k}};
  return &decoders[form];
}

static void swap(unsigned char *data, size_t bytes, size_t width) {
  for (size_t i = 0; i + width <= bytes; i += width) {
    for (size_t k = 0; k < width / 2; k++) {
      unsigned char byte = data[i + k];
      data[i + k] = data[i + width - 1 - k];
      data[i + width - 1 - k] = byte;
    }
  }
}

/* Kernels count on bools that are 0 or 1. */
void wr_decode_in_place(void *data, size_t bytes, enum wr_dtype dtype, enum wr_load_form form) {
  unsigned char *at = data;
  if (form == WR_LOAD_SWAPPED) {
    swap(at, bytes, dtype == WR_COMPLEX64 ? sizeof(float) : wr_dtype_size(dtype));
  }
  for (size_t i = 0; dtype == WR_BOOL && i < bytes; i++) at[i] = at[i] != 0;
}
