/* The operations as a table, made of the rows in ops.def. Constant data. */

#include "core/op.h"

/* What the words in the rows' columns mean. */
enum { ARITY_VARIADIC = WR_ARITY_VARIADIC, ARITY_0 = 0, ARITY_1, ARITY_2, ARITY_3 };
enum {
  ENDS_no = WR_ENDS_NOTHING,
  ENDS_yes = WR_ENDS_NOTHING,
  ENDS_last = WR_ENDS_REDUCED,
  ENDS_row = WR_ENDS_ROWS
};

/* What operations without parameters have; both compilers fold the builtin. */
struct wr_none_params {
  char unused;
};
#define PARAMS_BYTES(given) \
  (__builtin_strcmp(#given, "none") == 0 ? 0 : sizeof(struct wr_##given##_params))

/* Of the kernels' suffixes "view" is the one that is none. */
const struct wr_op_info wr_op_infos[WR_OP_COUNT] = {
#define WR_OP(ID, text, family, inputs, dtype_rule, set, given, fuse, cpu, cuda) \
  [WR_OP_##ID] = {.name = #text,                                                 \
                  .types = WR_TYPES_##set,                                       \
                  .params_bytes = PARAMS_BYTES(given),                           \
                  .arity = ARITY_##inputs,                                       \
                  .rule = WR_RULE_##dtype_rule,                                  \
                  .fusable = __builtin_strcmp(#fuse, "yes") == 0,                \
                  .ends_group = ENDS_##fuse,                                     \
                  .view = __builtin_strcmp(#cpu, "view") == 0},
#include "core/ops.def"
#undef WR_OP
};
