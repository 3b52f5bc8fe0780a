#ifndef WR_BACKEND_CPU_FLOAT16_ROWS_H
#define WR_BACKEND_CPU_FLOAT16_ROWS_H

/* float16, and bfloat16 in operations of one input, by way of float32. Of an elementwise operation
   a stretch of each input is made float32, goes through the operation's row function for float32,
   and is rounded once: with the same bits as if each element went by itself, and faster than any
   row function that converts within its loop, since processors have instructions for rows of
   float16 that compilers do not find. On the caller's stack. No locks, no allocation. */

#include "backend/cpu/loop/loop.h"

/* n elements, `stride` apart where they are read. A NaN stays one, of the same sign. */
void wr_f16_widen(float *out, const uint16_t *in, int64_t stride, int64_t n);
void wr_f16_narrow(uint16_t *out, const float *in, int64_t n);

/* Runs `row`, a row function of float32 with up to two inputs, on the type; the result is of the
   type, or bool for a test. */
void wr_f16_row(const struct wr_row *r, wr_row_fn row);
void wr_f16_row_test(const struct wr_row *r, wr_row_fn row);
void wr_bf16_row(const struct wr_row *r, wr_row_fn row);
void wr_bf16_row_test(const struct wr_row *r, wr_row_fn row);

#endif
