/* Template: the row functions of one type, and their table ROW(s), from the rows of ops.def.
   Included by unary_int.h, unary_float.h and unary_complex.h with

     ROW(name)          the name of a row function, and of the table
     FORM_<cpu>(name)   a row function in the form that the row's cpu cell names
     TAKES_<types>(..)  its arguments where the set has this type, else nothing */

#include "core/families.h"
#undef OF_unary
#define OF_unary(ID, name, arity, rule, types, params, fusable, cpu, cuda) \
  TAKES_##types(FORM_##cpu(name))
#include "core/ops.def"
#undef OF_unary
#define OF_unary(ID, name, arity, rule, types, params, fusable, cpu, cuda) \
  TAKES_##types([WR_OP_##ID] = ROW(_##name), )
static const wr_row_fn ROW(s)[WR_OP_COUNT] = {
#include "core/ops.def"
};
#include "core/families_end.h"

#undef FORM_unary
#undef FORM_unary_magnitude
#undef FORM_unary_test
#undef FORM_unary_turn
#undef TAKES_any
#undef TAKES_boolean
#undef TAKES_complex64
#undef TAKES_floating
#undef TAKES_inexact
#undef TAKES_integer
#undef TAKES_number
#undef TAKES_real
#undef TAKES_whole
