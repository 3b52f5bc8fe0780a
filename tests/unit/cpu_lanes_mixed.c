/* Groups in registers that have more than one type give, bit for bit, what their steps give one
   after the other: numbers, bfloat16 and bool, comparisons, choices, logical operations and casts,
   in drawn programs of every set of steps that this processor runs, and in whole groups, whose
   inputs are dense, one number, or walked. The operations of numbers are those that are exact, so
   that all sets give the same. */

#include "backend/cpu/lanes_set.h"
#include "kernel_case.h"

enum { BLOCKS = 3, MOST = 4096, INPUTS = 6, STEPS = WR_GROUP_STEPS, VALUES = INPUTS + STEPS };

static uint32_t seed = 20261130;

static uint32_t draw(uint32_t n) { return kernel_case_next(&seed) % n; }

/* ---- numbers ---- */

static float draw_number(void) {
  static const float edges[] = {0,         -0.0f, 1,      -1,    INFINITY,
                                -INFINITY, NAN,   1e-40f, 3e38f, 1.00390625f};
  const float x = (float)draw(1 << 16) / (1 << 14) - 2;
  const uint32_t kind = draw(30);
  return kind < sizeof edges / sizeof *edges ? edges[kind] : x;
}

static void fill(char *to, int n, enum wr_dtype dtype) {
  const bool few = draw(2) != 0; /* so that many are equal */
  for (int i = 0; i < n; i++) {
    const float x = few ? (float)draw(3) : draw_number();
    const double d = (double)x;
    const uint16_t h = wr_f32_to_bf16(x);
    const uint8_t b = (uint8_t)draw(2);
    const void *from = dtype == WR_FLOAT32    ? (const void *)&x
                       : dtype == WR_FLOAT64  ? (const void *)&d
                       : dtype == WR_BFLOAT16 ? (const void *)&h
                                              : (const void *)&b;
    memcpy(to + (size_t)i * wr_dtype_size(dtype), from, wr_dtype_size(dtype));
  }
}

static bool is_nan(const char *p, enum wr_dtype dtype) {
  float f = 0;
  double d = 0;
  uint16_t h = 0;
  if (dtype == WR_FLOAT32) memcpy(&f, p, sizeof f);
  if (dtype == WR_FLOAT64) memcpy(&d, p, sizeof d);
  if (dtype == WR_BFLOAT16) memcpy(&h, p, sizeof h);
  return isnan(f) || isnan(d) || (h & 0x7fffu) > 0x7f80u;
}

/* ---- groups ---- */

static enum wr_dtype dtypes[VALUES];
static struct wr_group_step steps[STEPS];

static const uint8_t numeric[] = {
    WR_OP_ADD,       WR_OP_SUBTRACT,   WR_OP_MULTIPLY,     WR_OP_DIVIDE,   WR_OP_MAXIMUM,
    WR_OP_MINIMUM,   WR_OP_ABS,        WR_OP_NEGATIVE,     WR_OP_SQRT,     WR_OP_FLOOR,
    WR_OP_SIGN,      WR_OP_EQUAL,      WR_OP_LESS,         WR_OP_GREATER,  WR_OP_ISNAN,
    WR_OP_ISINF,     WR_OP_ISFINITE,   WR_OP_ISNEGINF,     WR_OP_ISPOSINF, WR_OP_EQUAL_NAN,
    WR_OP_NOT_EQUAL, WR_OP_LESS_EQUAL, WR_OP_GREATER_EQUAL};

/* The latest more often than not; -1: there is none of the type. */
static int draw_value(enum wr_dtype dtype, int n) {
  if (draw(2) && dtypes[n - 1] == dtype) return n - 1;
  for (int times = 0; times < 50; times++) {
    const int value = (int)draw((uint32_t)n);
    if (dtypes[value] == dtype) return value;
  }
  return -1;
}

static enum wr_dtype result_of(enum wr_op op, enum wr_dtype in) {
  const int rule = wr_op_info(op)->rule;
  return rule == WR_RULE_COMPARE || rule == WR_RULE_PREDICATE ? WR_BOOL : in;
}

static enum wr_dtype draw_dtype(enum wr_dtype main) {
  const uint32_t kind = draw(5);
  if (kind == 0) return WR_BOOL;
  return kind == 1 && main == WR_FLOAT32 ? WR_BFLOAT16 : main;
}

static void draw_step(int i, enum wr_dtype main) {
  static const uint16_t logical[] = {WR_OP_LOGICAL_AND, WR_OP_LOGICAL_OR, WR_OP_LOGICAL_NOT};
  const enum wr_dtype dtype = draw_dtype(main);
  const uint32_t kind = draw(8);
  const int latest = INPUTS + i - 1, condition = draw_value(WR_BOOL, INPUTS + i);
  enum wr_op op =
      dtype == WR_BOOL ? (enum wr_op)logical[draw(3)] : (enum wr_op)numeric[draw(sizeof numeric)];
  struct wr_group_step s = {.in = {(uint8_t)latest}};
  if (kind == 0) op = WR_OP_ASTYPE;
  if (kind == 1 && condition >= 0) op = WR_OP_WHERE;
  s.op = (uint16_t)op;
  s.n_in = (uint8_t)wr_op_info(op)->arity;
  s.dtype = (uint8_t)result_of(op, dtype);
  for (int k = 0; k < s.n_in && op != WR_OP_ASTYPE; k++) {
    const int value = draw_value(dtype, INPUTS + i);
    s.in[k] = (uint8_t)value;
    if (value < 0) { /* a cast instead, so that there will be one */
      s = (struct wr_group_step){.op = WR_OP_ASTYPE, .n_in = 1, .dtype = (uint8_t)dtype};
      s.in[0] = (uint8_t)latest;
      break;
    }
  }
  if (s.op == WR_OP_WHERE) s.in[0] = (uint8_t)condition;
  steps[i] = s;
  dtypes[INPUTS + i] = (enum wr_dtype)s.dtype;
}

static void draw_group(int n_steps, enum wr_dtype main) {
  for (int i = 0; i < INPUTS; i++) dtypes[i] = i == 0 ? main : draw_dtype(main);
  for (int i = 0; i < n_steps; i++) draw_step(i, main);
}

/* Each step by the kernel that it has by itself, to a place of its own. */
static char by_steps[VALUES][8 * MOST];

static void run_steps(int n_steps, int n) {
  for (int i = 0; i < n_steps; i++) {
    struct kernel_operand operands[3], out;
    struct wr_tensor in[3];
    for (int k = 0; k < steps[i].n_in; k++) {
      const int value = steps[i].in[k];
      in[k] = *operand_dense(&operands[k], by_steps[value], dtypes[value], 1, SHAPE(n));
    }
    operand_dense(&out, by_steps[INPUTS + i], dtypes[INPUTS + i], 1, SHAPE(n));
    EXPECT(kernel_run((enum wr_op)steps[i].op, in, steps[i].n_in, &out.t, NULL));
  }
}

static void expect_same(const char *a, int n_steps, int n) {
  const enum wr_dtype dtype = dtypes[INPUTS + n_steps - 1];
  const size_t width = wr_dtype_size(dtype);
  const char *b = by_steps[INPUTS + n_steps - 1];
  for (size_t i = 0; i < (size_t)n; i++, a += width, b += width) {
    if (!memcmp(a, b, width) || (is_nan(a, dtype) && is_nan(b, dtype))) continue;
    fprintf(stderr, "element %zu of %d differs:", i, n);
    for (int s = 0; s < n_steps; s++) {
      fprintf(stderr, " %s", wr_op_info((enum wr_op)steps[s].op)->name);
    }
    fprintf(stderr, "\n");
    EXPECT(!"the same");
    return;
  }
}

/* ---- programs ---- */

static int n_blocks; /* drawn programs that a group would be computed by */

static void try_program(const struct wr_lanes_set *set, enum wr_dtype main, int n_steps) {
  static _Alignas(64) char places[VALUES + WR_LANES_ROOMS][8 * MOST];
  const int n = BLOCKS * (int)set->block, last = INPUTS + n_steps - 1;
  struct wr_tensor in[INPUTS];
  struct wr_lanes lanes;
  char *value[VALUES + WR_LANES_ROOMS];
  draw_group(n_steps, main);
  for (int v = 0; v <= last + WR_LANES_ROOMS; v++) value[v] = places[v];
  for (int i = 0; i < INPUTS; i++) {
    in[i].dtype = dtypes[i];
    fill(by_steps[i], n, dtypes[i]);
    memcpy(places[i], by_steps[i], sizeof places[i]);
  }
  const struct wr_group g = {.n_in = INPUTS, .n_steps = n_steps, .in = in, .steps = steps};
  n_blocks += wr_lanes_block(&g, n_steps) > 0;
  wr_lanes_make_of(set, &lanes, &g, n_steps, (1u << INPUTS) - 1);
  EXPECT(lanes.n <= WR_LANES_STEPS);
  if (draw(2)) (void)wr_lanes_go_past(&lanes);
  wr_lanes_run(&lanes, value, n);
  run_steps(n_steps, n);
  expect_same(value[last], n_steps, n);
}

static void test_set(const struct wr_lanes_set *set, enum wr_dtype main) {
  for (int times = 0; times < 1000; times++) try_program(set, main, 1 + (int)draw(6));
  for (int times = 0; times < 300; times++) try_program(set, main, 1 + (int)draw(STEPS));
}

/* ---- whole groups ---- */

enum { ROWS = 30 };

/* Dense; a number; a matrix turned; a row for all rows. */
static void draw_input(struct kernel_operand *o, char *data, int i, int columns) {
  const int64_t strides[][2] = {{columns, 1}, {0, 0}, {1, ROWS}, {0, 1}};
  const uint32_t kind = i == 0 ? 0 : draw(4);
  const size_t width = wr_dtype_size(dtypes[i]);
  fill(data, ROWS * columns, dtypes[i]);
  operand_strided(o, data, dtypes[i], 2, SHAPE(ROWS, columns), strides[kind]);
  for (int64_t r = 0; r < ROWS; r++) {
    for (int64_t c = 0; c < columns; c++) {
      const size_t from = (size_t)(r * strides[kind][0] + c * strides[kind][1]);
      memcpy(by_steps[i] + (size_t)(r * columns + c) * width, data + from * width, width);
    }
  }
}

static void try_group(enum wr_dtype main, int columns, int n_steps) {
  static _Alignas(64) char data[INPUTS][8 * MOST], result[8 * MOST];
  struct kernel_operand operands[INPUTS], out;
  struct wr_tensor in[INPUTS];
  draw_group(n_steps, main);
  const enum wr_dtype dtype = dtypes[INPUTS + n_steps - 1];
  for (int i = 0; i < INPUTS; i++) {
    draw_input(&operands[i], data[i], i, columns);
    in[i] = operands[i].t;
  }
  operand_dense(&out, dtype == main && draw(2) ? data[0] : result, dtype, 2, SHAPE(ROWS, columns));
  const struct wr_group g = {
      .n_in = INPUTS, .n_steps = n_steps, .in = in, .steps = steps, .out = out.t};
  struct wr_error *error = NULL;
  (void)wr_backend_cpu.encode_group(NULL, &g, NULL, &error);
  EXPECT(!error);
  run_steps(n_steps, ROWS * columns);
  expect_same(out.t.data, n_steps, ROWS * columns);
}

static void test_both(enum wr_dtype main) {
  for (int times = 0; times < 1500; times++) {
    try_group(main, 1 + (int)draw(130), 2 + (int)draw(times < 1000 ? 6 : STEPS - 1));
  }
}

int main(void) {
  test_both(WR_FLOAT32);
  test_both(WR_FLOAT64);
  for (enum wr_level level = WR_LEVEL_BASE; level <= wr_level(); level++) {
    test_set(wr_lanes_set_of(level, WR_FLOAT32), WR_FLOAT32);
    test_set(wr_lanes_set_of(level, WR_FLOAT64), WR_FLOAT64);
  }
  EXPECT(n_blocks > 1000);
  return kernel_case_failures() != 0;
}
