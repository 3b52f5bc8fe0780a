/* The rows of the operations of two inputs for float32, and for float16 by way of it. No locks, no
   allocation. */

#include "backend/cpu/elementwise_tables.h"
#include "backend/cpu/float16_rows.h"
#include "backend/cpu/scalar/scalar.h"

#define NEAR_REMAINDER
#define EL f32
#define CT f32
#include "backend/cpu/binary_rows.h"

#define EL f16
#define ROW(name) WR_PASTE(f16_row, name)
#define FORM_binary(name) \
  static void f16_row_##name(const struct wr_row *r) { wr_f16_row(r, f32_row_##name); }
#define FORM_binary_far FORM_binary
#define FORM_binary_product FORM_binary
#define FORM_binary_test(name) \
  static void f16_row_##name(const struct wr_row *r) { wr_f16_row_test(r, f32_row_##name); }
#define INPUTS 2
#include "backend/cpu/elementwise_rows.h"
