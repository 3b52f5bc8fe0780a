/* Template: the row functions of one type, and their table. Included with
     INPUTS            of the operations: 1 or 2
     EL                the element type
     ROW(name)         the name of a row function
     FORM_<cpu>(name, rule)  the row function of an operation, in the form that its row of ops.def
                       names in the column cpu; its types are by the rule
   It undefines these, and the names of elementwise_names.h. */

#include "core/families.h"
#if INPUTS == 1
#define TABLE WR_ROW_TABLE(unary, EL)
#undef OF_unary
#define OF_unary MAKE_ROW
#else
#define TABLE WR_ROW_TABLE(binary, EL)
#undef OF_binary
#define OF_binary MAKE_ROW
#endif

#define MAKE_ROW(ID, name, arity, rule, types, params, fusable, cpu, cuda) \
  WR_TAKES(EL, types, FORM_##cpu(name, rule))
#include "core/ops.def"
#undef MAKE_ROW
#define MAKE_ROW(ID, name, arity, rule, types, params, fusable, cpu, cuda) \
  WR_TAKES(EL, types, [WR_OP_##ID] = ROW(_##name), )
const wr_row_fn TABLE[WR_OP_COUNT] = {
#include "core/ops.def"
};
#undef MAKE_ROW
#include "core/families_end.h"

#undef TABLE
#undef INPUTS
#undef FORM_unary
#undef FORM_unary_magnitude
#undef FORM_unary_test
#undef FORM_unary_turn
#undef FORM_unary_usual
#undef FORM_binary
#undef FORM_binary_far
#undef FORM_binary_product
#undef FORM_binary_test
#undef E
#undef C
#undef LOAD
#undef STORE
#undef ROW
#undef OP
#undef EL
#undef CT
