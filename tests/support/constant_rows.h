#ifndef WR_TESTS_SUPPORT_CONSTANT_ROWS_H
#define WR_TESTS_SUPPORT_CONSTANT_ROWS_H

/* Further rows of tests/unit/derivatives.c: operations that give counts, comparisons and whole
   numbers, which do not change as their inputs do, in float64. */

#include "derivative_rows.h"

static struct wr_error *ended(struct wr_compose *c, struct wr_node **out, struct wr_node *r) {
  return wr_compose_end(c, out, wr_compose_astype(c, r, WR_FLOAT64));
}

static struct wr_node *whole_of(struct wr_compose *c, struct wr_node *x) {
  struct wr_node *ten = wr_compose_scalar(c, 10, WR_FLOAT64);
  return wr_compose_astype(c, wr_compose_binary(c, WR_OP_MULTIPLY, x, ten), WR_INT32);
}

#define FLAT_UNARY(ID)                                              \
  BODY(flat_##ID) {                                                 \
    struct wr_compose c = wr_compose_begin(s);                      \
    return ended(&c, out, wr_compose_unary(&c, WR_OP_##ID, in[0])); \
  }
#define FLAT_BINARY(ID)                                                     \
  BODY(flat_##ID) {                                                         \
    struct wr_compose c = wr_compose_begin(s);                              \
    return ended(&c, out, wr_compose_binary(&c, WR_OP_##ID, in[0], in[1])); \
  }
#define FLAT_WHOLE(ID)                                                 \
  BODY(flat_##ID) {                                                    \
    struct wr_compose c = wr_compose_begin(s);                         \
    struct wr_node *x = whole_of(&c, in[0]), *y = whole_of(&c, in[1]); \
    return ended(&c, out, wr_compose_binary(&c, WR_OP_##ID, x, y));    \
  }
#define FLAT_REDUCE(ID)                                                            \
  BODY(flat_##ID) {                                                                \
    struct wr_compose c = wr_compose_begin(s);                                     \
    struct wr_node *up = wr_compose_binary(&c, WR_OP_GREATER, in[0], in[1]);       \
    return ended(&c, out, wr_compose_reduce(&c, WR_OP_##ID, up, first, 1, false)); \
  }
#define FLAT_ARG(ID)                                                                  \
  BODY(flat_##ID) {                                                                   \
    struct wr_compose c = wr_compose_begin(s);                                        \
    struct wr_node **slot = wr_compose_slot(&c);                                      \
    struct wr_node *r =                                                               \
        wr_compose_step(&c, wr_ops_arg_reduce(slot, WR_OP_##ID, in[0], 1, false, s)); \
    return ended(&c, out, r);                                                         \
  }
/* clang-format off */
FLAT_UNARY(CEIL) FLAT_UNARY(FLOOR) FLAT_UNARY(ROUND) FLAT_UNARY(ISFINITE) FLAT_UNARY(ISINF)
FLAT_UNARY(ISNAN) FLAT_UNARY(ISNEGINF) FLAT_UNARY(ISPOSINF) FLAT_UNARY(LOGICAL_NOT)
FLAT_BINARY(EQUAL) FLAT_BINARY(EQUAL_NAN) FLAT_BINARY(FLOOR_DIVIDE) FLAT_BINARY(GREATER)
FLAT_BINARY(GREATER_EQUAL) FLAT_BINARY(LESS) FLAT_BINARY(LESS_EQUAL) FLAT_BINARY(LOGICAL_AND)
FLAT_BINARY(LOGICAL_OR) FLAT_BINARY(NOT_EQUAL)
FLAT_WHOLE(BITWISE_AND) FLAT_WHOLE(BITWISE_OR) FLAT_WHOLE(BITWISE_XOR) FLAT_WHOLE(LEFT_SHIFT)
FLAT_WHOLE(RIGHT_SHIFT)
FLAT_REDUCE(ALL) FLAT_REDUCE(ANY)
FLAT_ARG(ARGMAX) FLAT_ARG(ARGMIN)
    /* clang-format on */
    BODY(flat_ARGSORT) {
  struct wr_compose c = wr_compose_begin(s);
  return ended(&c, out, wr_compose_sort(&c, WR_OP_ARGSORT, in[0], 1));
}

#define ONE(ID) \
  { "constant " #ID, flat_##ID, 1, {{3, 4}}, .2, 2.9, false, false }
#define TWO(ID) \
  { "constant " #ID, flat_##ID, 2, {{3, 4}, {3, 4}}, .2, 2.9, false, false }
static const struct row constant_rows[] = {
    ONE(CEIL),       ONE(FLOOR),        ONE(ROUND),      ONE(ISFINITE),      ONE(ISINF),
    ONE(ISNAN),      ONE(ISNEGINF),     ONE(ISPOSINF),   ONE(LOGICAL_NOT),   TWO(EQUAL),
    TWO(EQUAL_NAN),  TWO(FLOOR_DIVIDE), TWO(GREATER),    TWO(GREATER_EQUAL), TWO(LESS),
    TWO(LESS_EQUAL), TWO(LOGICAL_AND),  TWO(LOGICAL_OR), TWO(NOT_EQUAL),     TWO(BITWISE_AND),
    TWO(BITWISE_OR), TWO(BITWISE_XOR),  TWO(LEFT_SHIFT), TWO(RIGHT_SHIFT),   TWO(ALL),
    TWO(ANY),        ONE(ARGMAX),       ONE(ARGMIN),     ONE(ARGSORT),
};
#undef ONE
#undef TWO

/* What has no row, and why. */
static const struct without {
  enum wr_op op;
  const char *why;
} without_rows[] = {
    {WR_OP_DATA, "no operation"},
    {WR_OP_PLACEHOLDER, "no operation"},
    {WR_OP_CUSTOM, "a user's function: tests/capi/transforms.c"},
    {WR_OP_STOP_GRADIENT, "0 where differences are not: tests/capi/transforms.c"},
    {WR_OP_CALL, "collectives: tests/distributed; loads have no inputs"},
    {WR_OP_ARANGE, "no inputs"},
    {WR_OP_RANDOM_BITS, "its input is a key"},
    {WR_OP_ATTENTION, "composed while it may be differentiated"},
    {WR_OP_ROW_NORM, "composed while it may be differentiated"},
    {WR_OP_VARIANCE, "composed while it may be differentiated"},
    {WR_OP_PART, "refuses, as what it is a part of"},
    {WR_OP_VIEW, "refuses: bits of another type"},
    {WR_OP_BITWISE_INVERT, "refuses, as in MLX: of whole numbers"},
    {WR_OP_QUANTIZE, "refuses, as in MLX"},
    {WR_OP_KERNEL, "refuses: a user's kernel"},
    {WR_OP_EIG, "refuses, as in MLX"},
    {WR_OP_EIGH, "refuses, as in MLX"},
    {WR_OP_LU, "refuses, as in MLX"},
    {WR_OP_LU_FACTOR, "refuses, as in MLX"},
    {WR_OP_QR, "refuses, as in MLX"},
    {WR_OP_SVD, "refuses, as in MLX"},
};

#endif
