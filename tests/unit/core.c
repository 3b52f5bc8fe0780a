/* Dtypes, shapes, errors and the table of operations. */

#include <string.h>

#include "check.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/half.h"
#include "core/op.h"
#include "core/shape.h"

static void promotion(void) {
  for (int a = 0; a < WR_DTYPE_COUNT; a++) {
    CHECK(wr_dtype_promote(a, a) == (enum wr_dtype)a);
    CHECK(wr_dtype_promote(WR_BOOL, a) == (enum wr_dtype)a);
    CHECK(wr_dtype_promote(a, WR_COMPLEX64) == WR_COMPLEX64);
    for (int b = 0; b < WR_DTYPE_COUNT; b++) {
      CHECK(wr_dtype_promote(a, b) == wr_dtype_promote(b, a));
    }
  }
  CHECK(wr_dtype_promote(WR_UINT8, WR_INT8) == WR_INT16);
  CHECK(wr_dtype_promote(WR_UINT16, WR_INT8) == WR_INT32);
  CHECK(wr_dtype_promote(WR_UINT32, WR_INT32) == WR_INT64);
  CHECK(wr_dtype_promote(WR_UINT8, WR_INT64) == WR_INT64);
  CHECK(wr_dtype_promote(WR_UINT64, WR_INT8) == WR_FLOAT32);
  CHECK(wr_dtype_promote(WR_FLOAT16, WR_BFLOAT16) == WR_FLOAT32);
  CHECK(wr_dtype_promote(WR_FLOAT16, WR_INT64) == WR_FLOAT16);
  CHECK(wr_dtype_promote(WR_FLOAT32, WR_FLOAT64) == WR_FLOAT64);
  CHECK(wr_dtype_to_inexact(WR_INT64) == WR_FLOAT32 &&
        wr_dtype_to_inexact(WR_FLOAT16) == WR_FLOAT16);
}

static void sizes(void) {
  int64_t n;
  CHECK(wr_shape_size(NULL, 0, &n) && n == 1);
  CHECK(wr_shape_size((int32_t[]){3, 0, INT32_MAX, INT32_MAX, INT32_MAX}, 5, &n) && n == 0);
  CHECK(wr_shape_size((int32_t[]){INT32_MAX, INT32_MAX, INT32_MAX, 0}, 4, &n) && n == 0);
  CHECK(!wr_shape_size((int32_t[]){INT32_MAX, INT32_MAX, INT32_MAX}, 3, &n));
}

static void layouts(void) {
  int32_t shape[3] = {2, 3, 4};
  int64_t strides[3];
  wr_shape_row_strides(shape, 3, strides);
  CHECK(strides[0] == 12 && strides[1] == 4 && strides[2] == 1);
  CHECK(wr_shape_is_row_contiguous(shape, strides, 3));
  CHECK(!wr_shape_is_col_contiguous(shape, strides, 3));
  CHECK(wr_shape_is_col_contiguous(shape, (int64_t[]){1, 2, 6}, 3));
  CHECK(wr_shape_is_row_contiguous((int32_t[]){1, 4}, (int64_t[]){99, 1}, 2));
}

static void broadcasting(void) {
  int32_t out[WR_MAX_NDIM];
  int n;
  CHECK(wr_shape_broadcast((int32_t[]){2, 1}, 2, (int32_t[]){3}, 1, out, &n) && n == 2);
  CHECK(wr_shape_equal(out, n, (int32_t[]){2, 3}, 2));
  CHECK(wr_shape_broadcast((int32_t[]){0}, 1, (int32_t[]){1}, 1, out, &n) && out[0] == 0);
  CHECK(!wr_shape_broadcast((int32_t[]){2}, 1, (int32_t[]){3}, 1, out, &n));
  CHECK(wr_shape_broadcasts_to((int32_t[]){1, 3}, 2, (int32_t[]){4, 2, 3}, 3));
  CHECK(wr_shape_broadcasts_to(NULL, 0, NULL, 0) && wr_shape_broadcasts_to(NULL, 0, out, 1));
  CHECK(wr_shape_broadcasts_to((int32_t[]){1}, 1, (int32_t[]){0}, 1));
  CHECK(!wr_shape_broadcasts_to((int32_t[]){0}, 1, (int32_t[]){1}, 1));
  CHECK(!wr_shape_broadcasts_to((int32_t[]){2}, 1, (int32_t[]){1}, 1));
  CHECK(!wr_shape_broadcasts_to((int32_t[]){1, 1}, 2, (int32_t[]){1}, 1));
}

static void formatting(void) {
  char buf[16];
  CHECK(!strcmp(wr_shape_format((int32_t[]){2, 3}, 2, buf, sizeof buf), "(2,3)"));
  CHECK(!strcmp(wr_shape_format(NULL, 0, buf, sizeof buf), "()"));
  CHECK(!strcmp(wr_shape_format((int32_t[]){1000, 2000, 3000, 4000}, 4, buf, sizeof buf),
                "(1000,2000,3000"));
}

static void errors(void) {
  struct wr_error *e = wr_error_new(WEIR_ERROR_STATE, "%d of %s", 3, "these");
  struct wr_error *second = wr_error_retain(e);
  e = wr_error_prefix_take(e, "why: ");
  CHECK(!strcmp(wr_error_message(e), "why: 3 of these") && wr_error_status(e) == WEIR_ERROR_STATE);
  CHECK(!strcmp(wr_error_message(second), "3 of these"));
  wr_error_release(e);
  wr_error_release(second);
  wr_error_release(NULL);
  e = wr_error_out_of_memory();
  for (int i = 0; i < 3; i++) wr_error_release(wr_error_retain(e));
  CHECK(wr_error_status(e) == WEIR_ERROR_OUT_OF_MEMORY);
}

static void operations(void) {
  for (int op = 0; op < WR_OP_COUNT; op++) CHECK(wr_op_info((enum wr_op)op)->name != NULL);
  CHECK(!strcmp(wr_op_info(WR_OP_ADD)->name, "add") && wr_op_info(WR_OP_ADD)->arity == 2);
  CHECK(wr_op_info(WR_OP_ADD)->fusable && !wr_op_info(WR_OP_ADD)->view);
  CHECK(wr_op_info(WR_OP_TRANSPOSE)->view && !wr_op_info(WR_OP_TRANSPOSE)->fusable);
  CHECK(wr_op_info(WR_OP_CONCATENATE)->arity == WR_ARITY_VARIADIC);
}

/* Every half, and every rounding between two neighbours. */
static void halves(void) {
  for (uint32_t h = 0; h < 0x7c00; h++) {
    float low = wr_f16_to_f32((uint16_t)h);
    CHECK(wr_f32_to_f16(low) == h && wr_f32_to_f16(-low) == (h | 0x8000));
    if (h == 0x7bff) break;
    float middle = (low + wr_f16_to_f32((uint16_t)(h + 1))) / 2;
    CHECK(wr_f32_to_f16(middle) == (h & 1 ? h + 1 : h));
  }
  CHECK(wr_f32_to_f16(65520.0f) == 0x7c00 && wr_f32_to_f16(65519.0f) == 0x7bff);
  for (uint32_t h = 0; h < 0x7f80; h++) {
    CHECK(wr_f32_to_bf16(wr_bf16_to_f32((uint16_t)h)) == h);
  }
}

int main(void) {
  promotion();
  sizes();
  layouts();
  broadcasting();
  formatting();
  errors();
  operations();
  halves();
  return 0;
}
