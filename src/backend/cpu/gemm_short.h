#ifndef WR_BACKEND_CPU_GEMM_SHORT_H
#define WR_BACKEND_CPU_GEMM_SHORT_H

/* How products read float16 and bfloat16. */

#include "backend/cpu/product/product.h"

/* What a product's `from` is for operands of this type; NULL for types that it computes with. */
const struct wr_gemm_short *wr_cpu_gemm_short(enum wr_dtype t);

#endif
