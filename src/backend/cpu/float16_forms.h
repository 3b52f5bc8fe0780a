/* Template: the rows of float16 by way of those of float32 (float16_rows.h), which the file that
   includes this has made. Included with
     INPUTS   of the operations: 1 or 2 */

#define EL f16
#define ROW(name) WR_PASTE(f16_row, name)
#define FORM_unary(name) \
  static void f16_row_##name(const struct wr_row *r) { wr_f16_row(r, f32_row_##name); }
#define FORM_unary_test(name) \
  static void f16_row_##name(const struct wr_row *r) { wr_f16_row_test(r, f32_row_##name); }
#define FORM_unary_magnitude FORM_unary
#define FORM_unary_turn FORM_unary
#define FORM_binary FORM_unary
#define FORM_binary_far FORM_unary
#define FORM_binary_product FORM_unary
#define FORM_binary_test FORM_unary_test
#include "backend/cpu/elementwise_rows.h"
