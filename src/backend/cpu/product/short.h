#ifndef WR_BACKEND_CPU_PRODUCT_SHORT_H
#define WR_BACKEND_CPU_PRODUCT_SHORT_H

/* Operands of products whose elements have two bytes. They become float32 as they are packed, or,
   of those that are read where they lie, in stretches that the first-level cache has room for: so
   that each is read once, and no copy of a whole operand is made. No locks, no allocation. */

#include "backend/cpu/product/inner.h"

struct wr_gemm_short;

/* The kernels' pack_b and pack_a of such elements; with `from` NULL, of the kernels' own. */
void wr_gemm_pack_b(const struct wr_gemm_kernels *with, const struct wr_gemm_short *from, void *out,
                    const void *b, int64_t ldb, bool transposed, int64_t k, int64_t cols);
void wr_gemm_pack_a(const struct wr_gemm_kernels *with, const struct wr_gemm_short *from, void *out,
                    const void *a, int64_t lda, bool transposed, int64_t k, int64_t count);
/* Rows of `length` elements, which come to lie one behind the other. */
void wr_gemm_widen(const struct wr_gemm_short *from, float *out, const void *in, int64_t ld,
                   int64_t rows, int64_t length);

#endif
