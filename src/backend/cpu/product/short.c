/* Operands of two bytes an element; see short.h. */

#include "backend/cpu/product/short.h"

#include <string.h>

#include "backend/cpu/product/product.h"

/* Places along k that are widened at once: 8 KB for the columns of a tile. */
enum { STRETCH = 64 };

void wr_gemm_widen(const struct wr_gemm_short *from, float *out, const void *in, int64_t ld,
                   int64_t rows, int64_t length) {
  if (ld == length) {
    from->widen(out, in, rows * length);
    return;
  }
  for (int64_t i = 0; i < rows; i++) {
    from->widen(out + i * length, (const uint16_t *)in + i * ld, length);
  }
}

/* Rows that lie as they are to lie, but for what pads them. */
static void pack_rows(const struct wr_gemm_short *from, float *out, int64_t width,
                      const uint16_t *in, int64_t ld, int64_t k, int64_t count) {
  for (int64_t p = 0; p < k; p++, out += width, in += ld) {
    from->widen(out, in, count);
    if (count < width) memset(out + count, 0, (size_t)(width - count) * sizeof *out);
  }
}

/* Lines along k become rows of `width`, by the kernels' own function for that. */
static void pack_turned(void (*pack)(void *, const void *, int64_t, bool, int64_t, int64_t),
                        bool transposed, const struct wr_gemm_short *from, float *out,
                        int64_t width, const uint16_t *in, int64_t ld, int64_t k, int64_t count) {
  float stretch[WR_TILE_COLS * STRETCH];
  for (int64_t p = 0; p < k; p += STRETCH) {
    const int64_t n = k - p < STRETCH ? k - p : STRETCH;
    wr_gemm_widen(from, stretch, in + p, ld, count, n);
    pack(out + p * width, stretch, n, transposed, n, count);
  }
}

void wr_gemm_pack_b(const struct wr_gemm_kernels *with, const struct wr_gemm_short *from, void *out,
                    const void *b, int64_t ldb, bool transposed, int64_t k, int64_t cols) {
  if (!from) {
    with->pack_b(out, b, ldb, transposed, k, cols);
  } else if (transposed) {
    pack_turned(with->pack_b, true, from, out, with->cols, b, ldb, k, cols);
  } else {
    pack_rows(from, out, with->cols, b, ldb, k, cols);
  }
}

void wr_gemm_pack_a(const struct wr_gemm_kernels *with, const struct wr_gemm_short *from, void *out,
                    const void *a, int64_t lda, bool transposed, int64_t k, int64_t count) {
  if (!from) {
    with->pack_a(out, a, lda, transposed, k, count);
  } else if (transposed) {
    pack_rows(from, out, with->rows, a, lda, k, count);
  } else {
    pack_turned(with->pack_a, false, from, out, with->rows, a, lda, k, count);
  }
}
