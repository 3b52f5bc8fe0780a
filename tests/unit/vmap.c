/* Every operation under vmap against a stack of calls: each input along its first, its last or no
   axis, in all combinations, and the parts of the output along each of its axes in turn; vmap in
   vmap, vmap of gradients and gradients of vmap. A row is a function of up to three arrays; the
   operations that the rows record are counted, and each that has a rule has to be among them. */

#include <math.h>
#include <string.h>

#include "check.h"
#include "stream/stream.h"
#include "transforms/batch.h"
#include "transforms/rules.h"
#include "transforms/transforms.h"
#include "vmap_rows.h"

enum { MOST = 4096, PARTS_OF = 3, OUTER = 2 };

static bool seen[WR_OP_COUNT];
static struct wr_stream *stream;
static int wrong, compared;

static void expect(struct wr_error *error, const char *name) {
  if (!error) return;
  fprintf(stderr, "%s: %s\n", name, wr_error_message(error));
  exit(1);
}

static struct wr_node *made(struct wr_error *error, struct wr_node **out) {
  expect(error, "a step of the test");
  return *out;
}

/* ---- functions of functions ---- */

struct function {
  struct wr_function base;
  body *of;              /* a row's */
  struct wr_function *f; /* what vmap and gradients are of */
  size_t n;              /* inputs */
  int axes[3], out;
};

static void leave(struct wr_function *f) { (void)f; }

static struct wr_error *call_row(struct wr_function *base, const struct wr_arguments *arguments,
                                 struct wr_results *results) {
  const struct function *f = (struct function *)(void *)base;
  struct wr_node *out = NULL;
  struct wr_error *error = f->of(&out, arguments->in[0].items, stream);
  if (!error) CHECK(wr_ptrs_push(&results->out[0], out));
  return error;
}

static void note_operations(const struct wr_node *node) {
  int n;
  if (!wr_node_stands_in(node)) return;
  seen[wr_node_op(node)] = true;
  struct wr_node *const *in = wr_node_stand_in_inputs(node, &n);
  for (int i = 0; i < n; i++) note_operations(in[i]);
}

static struct wr_error *call_vmap(struct wr_function *base, const struct wr_arguments *arguments,
                                  struct wr_results *results) {
  const struct function *f = (struct function *)(void *)base;
  struct wr_ptrs traced = {0}, outputs = {0};
  const struct wr_node_list *in = &arguments->in[0];
  struct wr_error *error = wr_vmap_trace(f->f, in, f->axes, f->n, &traced, &outputs);
  if (error) return error;
  int *out_axes = calloc(outputs.count + 1, sizeof *out_axes);
  CHECK(out_axes != NULL);
  for (size_t i = 0; i < outputs.count; i++) {
    note_operations(outputs.items[i]);
    out_axes[i] = f->out;
  }
  const struct wr_vmap_lists lists = {
      .inputs = *in,
      .traced = {(struct wr_node *const *)traced.items, traced.count},
      .outputs = {(struct wr_node *const *)outputs.items, outputs.count}};
  error = wr_vmap_replace(&lists, f->axes, f->n, out_axes, outputs.count, &results->out[0]);
  struct wr_results rest = {.out = {traced, outputs}};
  wr_results_end(&rest);
  free(out_axes);
  return error;
}

/* Gradients for all inputs, of the sum of the first output. */
static struct wr_error *call_gradients(struct wr_function *base,
                                       const struct wr_arguments *arguments,
                                       struct wr_results *results) {
  const struct function *f = (struct function *)(void *)base;
  struct wr_results plain = {0};
  struct wr_ptrs outputs = {0};
  struct wr_node *one = NULL;
  struct wr_error *error = wr_function_call(f->f, arguments, &plain);
  if (error) return error;
  error = wr_ops_fill_like(&one, plain.out[0].items[0], 1, stream);
  const struct wr_node_list d = {&one, 1};
  if (!error) error = wr_vjp(f->f, &arguments->in[0], &d, &outputs, &results->out[0]);
  wr_node_release(one);
  wr_results_end(&plain);
  struct wr_results rest = {.out = {outputs}};
  wr_results_end(&rest);
  return error;
}

static struct function row_function(const struct row *row) {
  struct function f = {.of = row->of, .n = (size_t)row->n};
  wr_function_init(&f.base, call_row, leave);
  return f;
}

static struct function vmap_of(struct function *of, const int *axes, int out) {
  struct function f = {.f = &of->base, .n = of->n, .out = out};
  wr_function_init(&f.base, call_vmap, leave);
  memcpy(f.axes, axes, f.n * sizeof *axes);
  return f;
}

static struct function gradients_of(struct function *of) {
  struct function f = {.f = &of->base, .n = of->n};
  wr_function_init(&f.base, call_gradients, leave);
  return f;
}

static struct wr_ptrs call(struct function *f, struct wr_node *const *in, const char *name) {
  struct wr_results results = {0};
  const struct wr_arguments arguments = {.in = {{in, f->n}}};
  expect(wr_function_call(&f->base, &arguments, &results), name);
  return results.out[0];
}

static void drop(struct wr_ptrs *nodes) {
  struct wr_results rest = {.out = {*nodes}};
  wr_results_end(&rest);
}

/* ---- numbers ---- */

static double next_number(void) {
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (double)(state >> 11) / 9007199254740992.0;
}

/* An input of a row with an axis of n at its place; -1: none. */
static struct wr_node *draw_input(const struct row *row, int k, int axis, int32_t n) {
  static double real[MOST];
  static float parts[2 * MOST];
  int32_t shape[8];
  int from = 0, ndim = 0;
  int64_t size = 1;
  struct wr_node *out = NULL;
  while (row->shape[k][from] || ndim == axis) {
    shape[ndim] = ndim == axis ? n : row->shape[k][from++];
    size *= shape[ndim++];
  }
  CHECK(size <= MOST);
  for (int64_t i = 0; i < size; i++) {
    real[i] = row->low + (row->high - row->low) * next_number();
    if (row->complex) parts[2 * i] = (float)real[i];
    if (row->complex) parts[2 * i + 1] = (float)(2 * next_number() - 1);
    if (row->narrow) parts[i] = (float)real[i];
  }
  const enum wr_dtype t = row->complex ? WR_COMPLEX64 : row->narrow ? WR_FLOAT32 : WR_FLOAT64;
  const void *data = t == WR_FLOAT64 ? (const void *)real : parts;
  expect(wr_node_from_data(&out, data, ndim, shape, t), row->name);
  return out;
}

static int own_ndim(const struct row *row, int k) {
  int n = 0;
  while (row->shape[k][n]) n++;
  return n;
}

/* Part i along the axis, without it. */
static struct wr_node *part_of(struct wr_node *a, int axis, int32_t i) {
  struct wr_node *cut = NULL, *part = NULL;
  if (axis < 0) return wr_node_retain(a);
  made(wr_ops_slice_axis(&cut, WR_OP_SLICE, a, axis, i, i + 1, stream), &cut);
  made(wr_ops_squeeze(&part, cut, &axis, 1, stream), &part);
  wr_node_release(cut);
  return part;
}

/* Output k of a stack of calls. */
static struct wr_node *stacked(struct function *f, struct wr_node *const *in, const int *axes,
                               int32_t n, size_t k, int out_axis, const char *name) {
  struct wr_node *each[4] = {NULL}, *out = NULL;
  for (int32_t i = 0; i < n; i++) {
    struct wr_node *parts[3] = {NULL};
    for (size_t j = 0; j < f->n; j++) parts[j] = part_of(in[j], axes[j], i);
    struct wr_ptrs results = call(f, parts, name);
    each[i] = wr_node_retain(results.items[k]);
    drop(&results);
    for (size_t j = 0; j < f->n; j++) wr_node_release(parts[j]);
  }
  made(wr_ops_stack(&out, each, n, out_axis, stream), &out);
  for (int32_t i = 0; i < n; i++) wr_node_release(each[i]);
  return out;
}

static void read(struct wr_node *node, float *x, double *y) {
  const enum wr_dtype t = wr_node_dtype(node) == WR_COMPLEX64 ? WR_COMPLEX64 : WR_FLOAT64;
  struct wr_node *typed = NULL, *dense = NULL;
  const void *data = NULL;
  const size_t n = (size_t)wr_node_size(node);
  CHECK(n <= MOST);
  made(wr_ops_astype(&typed, node, t, stream), &typed);
  made(wr_ops_copy(&dense, typed, stream), &dense);
  expect(wr_node_host_data(dense, &data), "values");
  if (t == WR_COMPLEX64) memcpy(x, data, 2 * n * sizeof *x);
  if (t == WR_FLOAT64) memcpy(y, data, n * sizeof *y);
  wr_node_release(typed);
  wr_node_release(dense);
}

static double away(double a, double b) {
  if (a == b || (isnan(a) && isnan(b))) return 0;
  return fabs(a - b) / (1 + fabs(b));
}

static void compare(const char *name, const char *what, struct wr_node *a, struct wr_node *b) {
  static float fa[2 * MOST], fb[2 * MOST];
  static double da[MOST], db[MOST];
  const bool complex = wr_node_dtype(a) == WR_COMPLEX64;
  double most = 0;
  char sa[128], sb[128];
  compared++;
  if (wr_node_dtype(a) != wr_node_dtype(b) ||
      !wr_shape_equal(wr_node_shape(a), wr_node_ndim(a), wr_node_shape(b), wr_node_ndim(b))) {
    wr_shape_format(wr_node_shape(a), wr_node_ndim(a), sa, (int)sizeof sa);
    wr_shape_format(wr_node_shape(b), wr_node_ndim(b), sb, (int)sizeof sb);
    if (wrong++ < 40) fprintf(stderr, "%s, %s: %s and %s\n", name, what, sa, sb);
    return;
  }
  read(a, fa, da);
  read(b, fb, db);
  for (int64_t i = 0; i < wr_node_size(a) * (complex ? 2 : 1); i++) {
    most = fmax(most, complex ? away((double)fa[i], (double)fb[i]) : away(da[i], db[i]));
  }
  const bool wide = wr_node_dtype(a) == WR_FLOAT64;
  if (most <= (wide ? 1e-12 : 1e-5)) return;
  if (wrong++ < 40) fprintf(stderr, "%s, %s: values differ by %g\n", name, what, most);
}

/* ---- one row ---- */

/* Axes of the inputs by number: first, last, one between or none, in all combinations. */
static bool choose_axes(const struct row *row, int number, int *axes) {
  bool any = false;
  for (int k = 0; k < row->n; k++, number /= 3) {
    const int ndim = own_ndim(row, k);
    axes[k] = number % 3 == 0 ? 0 : number % 3 == 1 ? (ndim > 1 ? ndim / 2 + 1 : ndim) : -1;
    any = any || axes[k] >= 0;
  }
  return any;
}

static void check_vmap(const struct row *row, struct function *f, const int *axes, int number) {
  struct wr_node *in[3] = {NULL};
  char what[64];
  for (int k = 0; k < row->n; k++) in[k] = draw_input(row, k, axes[k], PARTS_OF);
  struct wr_node *plain = stacked(f, in, axes, PARTS_OF, 0, 0, row->name);
  const int out_axis = number % wr_node_ndim(plain);
  wr_node_release(plain);
  struct wr_node *want = stacked(f, in, axes, PARTS_OF, 0, out_axis, row->name);
  struct function g = vmap_of(f, axes, out_axis);
  struct wr_ptrs found = call(&g, in, row->name);
  snprintf(what, sizeof what, "axes %d %d %d to %d", axes[0], row->n > 1 ? axes[1] : -1,
           row->n > 2 ? axes[2] : -1, out_axis);
  compare(row->name, what, found.items[0], want);
  drop(&found);
  wr_node_release(want);
  for (int k = 0; k < row->n; k++) wr_node_release(in[k]);
}

/* All inputs twice: an axis of OUTER in front of what `axes` are counted in. */
static void check_nested(const struct row *row, struct function *f, const int *axes) {
  const int front[3] = {0, 0, 0};
  struct wr_node *in[3] = {NULL};
  for (int k = 0; k < row->n; k++) {
    struct wr_node *each[OUTER] = {NULL};
    for (int i = 0; i < OUTER; i++) each[i] = draw_input(row, k, axes[k], PARTS_OF);
    made(wr_ops_stack(&in[k], each, OUTER, 0, stream), &in[k]);
    for (int i = 0; i < OUTER; i++) wr_node_release(each[i]);
  }
  struct function inner = vmap_of(f, axes, 0), outer = vmap_of(&inner, front, 0);
  struct wr_ptrs found = call(&outer, in, row->name);
  struct wr_node *want = stacked(&inner, in, front, OUTER, 0, 0, row->name);
  compare(row->name, "vmap in vmap", found.items[0], want);
  wr_node_release(want);
  drop(&found);
  for (int k = 0; k < row->n; k++) wr_node_release(in[k]);
}

static void check_gradients(const struct row *row, struct function *f, const int *axes) {
  struct wr_node *in[3] = {NULL};
  for (int k = 0; k < row->n; k++) in[k] = draw_input(row, k, axes[k], PARTS_OF);
  struct function each = gradients_of(f), all = vmap_of(&each, axes, 0), g = vmap_of(f, axes, 0);
  struct function of_all = gradients_of(&g);
  struct wr_ptrs found = call(&all, in, row->name), summed = call(&of_all, in, row->name);
  for (size_t k = 0; k < f->n; k++) {
    struct wr_node *want = stacked(&each, in, axes, PARTS_OF, k, 0, row->name), *moved = NULL;
    compare(row->name, "vmap of gradients", found.items[k], want);
    if (axes[k] >= 0) {
      made(wr_ops_moveaxis(&moved, want, 0, axes[k], stream), &moved);
    } else {
      made(wr_ops_reduce(&moved, WR_OP_SUM, want, first, 1, false, stream), &moved);
    }
    compare(row->name, "gradients of vmap", summed.items[k], moved);
    wr_node_release(moved);
    wr_node_release(want);
  }
  drop(&found);
  drop(&summed);
  for (int k = 0; k < row->n; k++) wr_node_release(in[k]);
}

/* Products with quantised matrices say that they have none. */
static bool is_refused(const struct row *row) {
  return row->of == quantized_rows || row->of == quantized_columns || row->of == gathered_rows ||
         row->of == gathered_columns;
}

static void check_refused(const struct row *row, struct function *f) {
  const int axes[3] = {0, 0, 0};
  struct wr_node *in[3] = {NULL};
  for (int k = 0; k < row->n; k++) in[k] = draw_input(row, k, axes[k], PARTS_OF);
  struct function g = vmap_of(f, axes, 0);
  struct wr_results results = {0};
  const struct wr_arguments arguments = {.in = {{in, f->n}}};
  struct wr_error *error = wr_function_call(&g.base, &arguments, &results);
  CHECK(error && strstr(wr_error_message(error), "::vmap] NYI"));
  wr_error_release(error);
  for (int k = 0; k < row->n; k++) wr_node_release(in[k]);
}

static void check_row(const struct row *row, bool derives) {
  struct function f = row_function(row);
  int axes[3] = {-1, -1, -1};
  if (is_refused(row)) {
    check_refused(row, &f);
    return;
  }
  for (int number = 0; number < 27; number++) {
    if (row->n < 3 && number >= (row->n == 1 ? 3 : 9)) break;
    if (!choose_axes(row, number, axes)) continue;
    check_vmap(row, &f, axes, number);
    if (derives && number % 2 == 0) check_gradients(row, &f, axes);
  }
  CHECK(choose_axes(row, 1, axes));
  check_nested(row, &f, axes);
}

int main(void) {
  expect(wr_stream_default((struct wr_device){WR_DEVICE_CPU, 0}, &stream), "stream");
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) check_row(&rows[i], true);
  for (size_t i = 0; i < sizeof vmap_rows / sizeof vmap_rows[0]; i++) {
    check_row(&vmap_rows[i], false);
  }
  for (int op = 0; op < WR_OP_COUNT; op++) {
    if (op == WR_OP_CALL) continue; /* of collectives, which need processes */
    if (wr_vmap_rules[op] == wr_vmap_none || seen[op]) continue;
    fprintf(stderr, "%s has a rule and no row\n", wr_op_info((enum wr_op)op)->name);
    wrong++;
  }
  printf("%d comparisons, %d differ\n", compared, wrong);
  CHECK(wrong == 0);
  return 0;
}
