/* Template: the rows of a 16-bit float by way of those of float32 (float16_rows.h), which the file
   that includes this has made. Included with EL       f16 or bf16 INPUTS   of the operations: 1 or
   2 */

#define ROW(name) WR_PASTE(EL, WR_PASTE(_row, WR_PASTE(INPUTS, name)))
#define ROW_BY_WAY(name) WR_PASTE(f32_row, WR_PASTE(INPUTS, name))
#define BY_WAY(kind) WR_PASTE(wr_, WR_PASTE(EL, kind))
#define FORM_unary(name, rule) \
  static void ROW(_##name)(const struct wr_row *r) { BY_WAY(_row)(r, ROW_BY_WAY(_##name)); }
#define FORM_unary_test(name, rule) \
  static void ROW(_##name)(const struct wr_row *r) { BY_WAY(_row_test)(r, ROW_BY_WAY(_##name)); }
#define FORM_unary_magnitude FORM_unary
#define FORM_unary_turn FORM_unary
#define FORM_unary_usual FORM_unary
#define FORM_binary FORM_unary
#define FORM_binary_far FORM_unary
#define FORM_binary_product FORM_unary
#define FORM_binary_test FORM_unary_test
#include "backend/cpu/elementwise_rows.h"

#undef BY_WAY
#undef ROW_BY_WAY
