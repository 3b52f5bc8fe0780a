#ifndef WR_BACKEND_CPU_PACKED_H
#define WR_BACKEND_CPU_PACKED_H

/* Reading quantised matrices (core/quantized.h): codes out of bits, and values out of codes, some
   elements of a row at a time, so that the matrix is never written. Never reads past a row's bits.
   Plain functions; no locks, no allocation. */

#include "backend/backend.h"
#include "core/quantized.h"

enum { WR_PACKED_CHUNK = 512 }; /* elements that are unpacked at a time; whole groups of products */

/* Elements of a type of 16 bits or float32, from and to float32. */
void wr_packed_load(float *out, const void *in, enum wr_dtype t, int64_t first, int64_t n);
static inline void wr_packed_store(void *out, enum wr_dtype t, int64_t i, float x) {
  if (t == WR_FLOAT16) {
    ((uint16_t *)out)[i] = wr_f32_to_f16(x);
  } else if (t == WR_BFLOAT16) {
    ((uint16_t *)out)[i] = wr_f32_to_bf16(x);
  } else {
    ((float *)out)[i] = x;
  }
}

/* One matrix, or several behind one another. */
struct wr_packed_rows {
  const uint8_t *codes;
  const char *scales, *biases; /* biases: affine alone */
  enum wr_quantized_mode mode;
  enum wr_dtype dtype; /* of affine scales and biases: 16 bits or float32 */
  int bits;
  int group;
  int64_t row_bytes;
  int64_t groups; /* of a row */
  float all;      /* scale for all, 1 where there is none */
};

/* in: codes, scales, then biases of affine ones. */
void wr_packed_rows_of(struct wr_packed_rows *p, const struct wr_tensor *in,
                       const struct wr_quantized_params *how);
/* n <= WR_PACKED_CHUNK codes of a row from element `first`, a multiple of 8. */
void wr_packed_codes(uint8_t *out, const struct wr_packed_rows *p, int64_t row, int64_t first,
                     int64_t n);
/* Values, in float32; `first` a multiple of the group, and group and n of 16. */
void wr_packed_values(float *out, const struct wr_packed_rows *p, int64_t row, int64_t first,
                      int64_t n);
/* n scales of a row from number `first` on, and biases, which are 0 where the mode has none. */
void wr_packed_scales(float *out, const struct wr_packed_rows *p, int64_t row, int64_t first,
                      int64_t n);
void wr_packed_biases(float *out, const struct wr_packed_rows *p, int64_t row, int64_t first,
                      int64_t n);
/* The same where they are float32, or else in `own`. */
static inline const float *wr_packed_scales_at(float *own, const struct wr_packed_rows *p,
                                               int64_t row, int64_t first, int64_t n) {
  if (p->mode == WR_AFFINE && p->dtype == WR_FLOAT32) {
    return (const float *)(const void *)p->scales + row * p->groups + first;
  }
  wr_packed_scales(own, p, row, first, n);
  return own;
}
static inline const float *wr_packed_biases_at(float *own, const struct wr_packed_rows *p,
                                               int64_t row, int64_t first, int64_t n) {
  if (p->mode == WR_AFFINE && p->dtype == WR_FLOAT32) {
    return (const float *)(const void *)p->biases + row * p->groups + first;
  }
  wr_packed_biases(own, p, row, first, n);
  return own;
}

#endif
