/* Groups in registers give, bit for bit, what their steps give one after the other: every operation
   that has steps, in drawn programs, at every level that this processor has; whose stack does not
   grow with them; and whole groups, of lengths that blocks do not divide, whose inputs are dense,
   one number, or walked, and whose result takes an input's place. */

#include <pthread.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/lanes_set.h"
#include "kernel_case.h"

enum { BLOCKS = 3, MOST = BLOCKS * 128, INPUTS = 4, STEPS = WR_GROUP_STEPS };

static uint32_t seed = 20261130;

static uint32_t draw(uint32_t n) { return kernel_case_next(&seed) % n; }

/* Numbers of all sizes, and those at the edges. */
static double draw_number(void) {
  static const double edges[] = {0.0, -0.0, 1, -1, INFINITY, -INFINITY, NAN, 1e-310, 88.5, -103.9};
  const double x = (double)draw(1 << 20) / (1 << 20) * 2 - 1;
  switch (draw(8)) {
    case 0:
      return edges[draw(sizeof edges / sizeof *edges)];
    case 1:
      return ldexp(x, (int)draw(300) - 150);
    default:
      return x * 4;
  }
}

/* Of some blocks all are near, which steps may have versions for. */
static void fill(void *to, int n, enum wr_dtype dtype) {
  const bool near = draw(2) != 0;
  for (int i = 0; i < n; i++) {
    const double x = near ? (double)draw(1 << 20) / (1 << 20) * 172 - 86 : draw_number();
    if (dtype == WR_FLOAT32) {
      ((float *)to)[i] = (float)x;
    } else {
      ((double *)to)[i] = x;
    }
  }
}

static bool same_bits(const void *a, const void *b, enum wr_dtype dtype) {
  if (memcmp(a, b, wr_dtype_size(dtype)) == 0) return true;
  if (dtype == WR_FLOAT32) return isnan(*(const float *)a) && isnan(*(const float *)b);
  return isnan(*(const double *)a) && isnan(*(const double *)b);
}

static void expect_same(const char *a, const char *b, int n, enum wr_dtype dtype,
                        const struct wr_group *g) {
  const size_t width = wr_dtype_size(dtype);
  for (int i = 0; i < n; i++) {
    if (same_bits(a + (size_t)i * width, b + (size_t)i * width, dtype)) continue;
    fprintf(stderr, "element %d of %d differs:", i, n);
    for (int s = 0; s < g->n_steps; s++) {
      fprintf(stderr, " %s", wr_op_info((enum wr_op)g->steps[s].op)->name);
    }
    fprintf(stderr, "\n");
    EXPECT(false);
    return;
  }
}

/* ---- programs ---- */

static enum wr_op operations[WR_OP_COUNT];
static int n_operations;

/* Those to bool and of it are in cpu_lanes_mixed.c. */
static bool is_of_numbers(int op) {
  const int rule = wr_op_info((enum wr_op)op)->rule;
  return rule != WR_RULE_COMPARE && rule != WR_RULE_PREDICATE && rule != WR_RULE_LOGICAL;
}

static void find_operations(const struct wr_lanes_set *set) {
  n_operations = 0;
  for (int op = 0; op < WR_OP_COUNT; op++) {
    if (is_of_numbers(op) && (set->unary[op] || set->binary[op]))
      operations[n_operations++] = (enum wr_op)op;
    EXPECT(!set->binary[op] == !set->reversed[op]);
  }
}

/* Of n steps, the last `op`; each reads the one before it more often than not. */
static void draw_steps(struct wr_group_step *steps, int n, enum wr_op op, enum wr_dtype dtype) {
  for (int i = 0; i < n; i++) {
    const enum wr_op some = i == n - 1 ? op : operations[draw((uint32_t)n_operations)];
    steps[i] = (struct wr_group_step){.op = (uint16_t)some, .dtype = (uint8_t)dtype};
    steps[i].n_in = wr_op_info(some)->arity == 2 ? 2 : 1;
    for (int k = 0; k < steps[i].n_in; k++) {
      const int latest = INPUTS + i - 1;
      steps[i].in[k] = (uint8_t)(draw(2) ? latest : (int)draw((uint32_t)latest + 1));
    }
  }
}

/* Each step by the row function that it has by itself at the level, to a place of its own. */
static char by_steps[INPUTS + STEPS][8 * 6000];

static void run_steps(const struct wr_group *g, int n, enum wr_dtype dtype, enum wr_level level) {
  for (int i = 0; i < g->n_steps; i++) {
    const struct wr_group_step *s = &g->steps[i];
    struct wr_row row = {.out = by_steps[g->n_in + i], .stride = {1, 1}, .n = n};
    for (int k = 0; k < s->n_in; k++) row.in[k] = by_steps[s->in[k]];
    (s->n_in == 1 ? wr_cpu_unary_row_of : wr_cpu_binary_row_of)(level, (enum wr_op)s->op,
                                                                dtype)(&row);
  }
}

static void try_program(enum wr_level level, enum wr_dtype dtype, int n_steps, enum wr_op op) {
  const struct wr_lanes_set *set = wr_lanes_set_of(level, dtype);
  static _Alignas(64) char places[INPUTS + STEPS + WR_LANES_ROOMS][8 * MOST];
  struct wr_group_step steps[STEPS];
  struct wr_tensor in[INPUTS];
  struct wr_group g = {.n_in = INPUTS, .n_steps = n_steps, .in = in, .steps = steps};
  const int n = BLOCKS * (int)set->block;
  char *value[INPUTS + STEPS + WR_LANES_ROOMS];
  struct wr_lanes lanes;
  draw_steps(steps, n_steps, op, dtype);
  for (int v = 0; v < INPUTS + n_steps + WR_LANES_ROOMS; v++) value[v] = places[v];
  for (int i = 0; i < INPUTS; i++) {
    in[i].dtype = dtype;
    fill(by_steps[i], n, dtype);
    memcpy(places[i], by_steps[i], sizeof places[i]);
  }
  if (draw(2)) value[INPUTS + n_steps - 1] = places[draw(INPUTS)];
  wr_lanes_make_of(set, &lanes, &g, n_steps, (1u << INPUTS) - 1);
  wr_lanes_run(&lanes, value, n);
  run_steps(&g, n, dtype, level);
  expect_same(value[INPUTS + n_steps - 1], by_steps[INPUTS + n_steps - 1], n, dtype, &g);
}

static void test_level(enum wr_level level, enum wr_dtype dtype) {
  find_operations(wr_lanes_set_of(level, dtype));
  EXPECT(n_operations > 30);
  for (int i = 0; i < n_operations; i++) {
    for (int times = 0; times < 20; times++) try_program(level, dtype, 1, operations[i]);
    for (int times = 0; times < 10; times++) {
      try_program(level, dtype, 2 + (int)draw(STEPS - 1), operations[i]);
    }
  }
}

/* ---- the stack ---- */

/* A long program of calls that all follow one another, on a stack that shows what was used of it.
 */
static void *run_long(void *arg) {
  static _Alignas(64) char places[1 + STEPS + WR_LANES_ROOMS][8 * MOST];
  struct wr_lanes lanes;
  struct wr_group_step steps[STEPS];
  struct wr_tensor in = {.dtype = WR_FLOAT32};
  struct wr_group g = {.n_in = 1, .n_steps = STEPS, .in = &in, .steps = steps};
  char *value[1 + STEPS + WR_LANES_ROOMS];
  for (int i = 0; i < STEPS; i++) {
    steps[i] =
        (struct wr_group_step){.op = WR_OP_EXP, .dtype = WR_FLOAT32, .n_in = 1, .in = {(uint8_t)i}};
  }
  for (int v = 0; v <= STEPS + WR_LANES_ROOMS; v++) value[v] = places[v];
  EXPECT(wr_lanes_block(&g, STEPS) > 0);
  wr_lanes_make(&lanes, &g, STEPS, 1);
  wr_lanes_run(&lanes, value, wr_lanes_block(&g, STEPS));
  return arg;
}

/* ThreadSanitizer has nearly a megabyte of its own on each stack. */
#if defined(__SANITIZE_THREAD__)
enum { SHOWN = 0 };
#else
enum { SHOWN = 1 };
#endif

static void test_stack(void) {
  enum { SIZE = 1 << 18, UNUSED = 0x5a };
  static _Alignas(4096) unsigned char stack[SIZE];
  pthread_attr_t attributes;
  pthread_t thread;
  int untouched = 0;
  if (!SHOWN) return;
  memset(stack, UNUSED, SIZE);
  EXPECT(!pthread_attr_init(&attributes) && !pthread_attr_setstack(&attributes, stack, SIZE));
  EXPECT(!pthread_create(&thread, &attributes, run_long, NULL) && !pthread_join(thread, NULL));
  pthread_attr_destroy(&attributes);
  while (untouched < SIZE && stack[untouched] == UNUSED) untouched++;
  EXPECT(SIZE - untouched < 24 * 1024);
}

/* ---- groups ---- */

enum { ROWS = 30 };

/* Dense; a number; a matrix turned; a row for all rows. What it is is also written to `by_steps`.
 */
static void draw_input(struct kernel_operand *o, char *data, int i, int kind, int columns,
                       enum wr_dtype dtype) {
  const int64_t strides[][2] = {{columns, 1}, {0, 0}, {1, ROWS}, {0, 1}};
  const size_t width = wr_dtype_size(dtype);
  fill(data, ROWS * columns, dtype);
  operand_strided(o, data, dtype, 2, SHAPE(ROWS, columns), strides[kind]);
  for (int64_t r = 0; r < ROWS; r++) {
    for (int64_t c = 0; c < columns; c++) {
      const size_t from = (size_t)(r * strides[kind][0] + c * strides[kind][1]);
      memcpy(by_steps[i] + (size_t)(r * columns + c) * width, data + from * width, width);
    }
  }
}

static void try_group(enum wr_dtype dtype, int columns, int n_steps) {
  static _Alignas(64) char data[INPUTS][sizeof by_steps[0]], result[sizeof by_steps[0]];
  struct wr_group_step steps[STEPS];
  struct kernel_operand operands[INPUTS], out;
  struct wr_tensor in[INPUTS];
  const int kinds[INPUTS] = {0, (int)draw(4), (int)draw(4), (int)draw(4)};
  const int n = ROWS * columns;
  for (int i = 0; i < INPUTS; i++) {
    draw_input(&operands[i], data[i], i, kinds[i], columns, dtype);
    in[i] = operands[i].t;
  }
  draw_steps(steps, n_steps, operations[draw((uint32_t)n_operations)], dtype);
  operand_dense(&out, draw(2) ? result : data[0], dtype, 2, SHAPE(ROWS, columns));
  const struct wr_group g = {
      .n_in = INPUTS, .n_steps = n_steps, .in = in, .steps = steps, .out = out.t};
  struct wr_error *error = NULL;
  (void)wr_backend_cpu.encode_group(NULL, &g, NULL, &error);
  EXPECT(!error);
  run_steps(&g, n, dtype, wr_level());
  expect_same(out.t.data, by_steps[INPUTS + n_steps - 1], n, dtype, &g);
}

static void test_groups(enum wr_dtype dtype) {
  for (int times = 0; times < 200; times++) {
    try_group(dtype, 1 + (int)draw(200), 2 + (int)draw(times < 150 ? 8 : STEPS - 1));
  }
}

int main(void) {
  test_stack();
  for (enum wr_level level = WR_LEVEL_BASE; level <= wr_level(); level++) {
    test_level(level, WR_FLOAT32);
    test_level(level, WR_FLOAT64);
  }
  test_groups(WR_FLOAT32);
  test_groups(WR_FLOAT64);
  return kernel_case_failures() != 0;
}
