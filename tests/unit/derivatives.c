/* Every operation against finite differences: tangents against the difference of values, cotangents
   against tangents, and both once more for the function that gives cotangents. In float64; complex
   functions in complex64, where the differences are coarser. A row is a function of up to three
   arrays, and its points; the operations that the rows record are counted, and each has to be among
   them, or among those that say why not. */

#include <math.h>
#include <string.h>

#include "check.h"
#include "constant_rows.h"
#include "derivative_rows.h"
#include "graph/trace.h"
#include "ops/steps.h"
#include "stream/stream.h"
#include "transforms/rules.h"
#include "transforms/transforms.h"

enum { MOST = 128 };

static bool seen[WR_OP_COUNT];
static struct wr_stream *stream;
static int wrong;

static void expect(struct wr_error *error, const char *name) {
  if (!error) return;
  fprintf(stderr, "%s: %s\n", name, wr_error_message(error));
  exit(1);
}

/* ---- functions ---- */

struct function {
  struct wr_function base;
  body *of;
  size_t n;
  struct wr_node *d; /* of a function that gives cotangents: the output's */
};

static void note_operations(void) {
  const struct wr_trace *t = wr_trace_current();
  for (size_t i = 0; t && i < t->count; i++) seen[wr_node_op(t->entries[i].node)] = true;
}

static struct wr_error *call(struct wr_function *base, const struct wr_arguments *arguments,
                             struct wr_results *results) {
  const struct function *f = (struct function *)(void *)base;
  struct wr_node *out = NULL;
  struct wr_error *error = f->of(&out, arguments->in[0].items, stream);
  note_operations();
  if (!error) CHECK(wr_ptrs_push(&results->out[0], out));
  return error;
}

static void leave(struct wr_function *f) { (void)f; }

static struct function function_of(body *of, size_t n) {
  struct function f = {.of = of, .n = n};
  wr_function_init(&f.base, call, leave);
  return f;
}

/* The sum of all cotangents' elements, each by itself in one flat list. */
static struct wr_error *call_gradient(struct wr_function *base,
                                      const struct wr_arguments *arguments,
                                      struct wr_results *results) {
  const struct function *g = (struct function *)(void *)base;
  struct function f = function_of(g->of, g->n);
  const struct wr_node_list d = {&((struct function *)g)->d, 1};
  struct wr_ptrs outputs = {0}, grads = {0};
  struct wr_error *error = wr_vjp(&f.base, &arguments->in[0], &d, &outputs, &grads);
  if (!error) {
    struct wr_node *out = NULL;
    error = wr_ops_concatenate_all(&out, (struct wr_node *const *)grads.items, (int)grads.count,
                                   stream);
    if (!error) CHECK(wr_ptrs_push(&results->out[0], out));
  }
  struct wr_results rest = {.out = {outputs, grads}};
  wr_results_end(&rest);
  return error;
}

/* ---- numbers ---- */

static double next_number(void) {
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (double)(state >> 11) / 9007199254740992.0;
}

static struct wr_node *node_of(const double *x, const struct wr_node *like, enum wr_dtype t) {
  struct wr_node *out = NULL;
  float parts[2 * MOST];
  const size_t n = (size_t)wr_node_size(like);
  for (size_t i = 0; i < 2 * n; i++) parts[i] = (float)x[i];
  double real[MOST];
  for (size_t i = 0; i < n; i++) real[i] = x[2 * i];
  if (t == WR_FLOAT32) {
    for (size_t i = 0; i < n; i++) parts[i] = (float)real[i];
  }
  const void *data = t == WR_FLOAT64 ? (const void *)real : parts;
  expect(wr_node_from_data(&out, data, wr_node_ndim(like), wr_node_shape(like), t), "data");
  return out;
}

/* Real and imaginary parts. */
static void read(struct wr_node *node, double *x) {
  const void *data;
  struct wr_node *dense = NULL;
  expect(wr_ops_copy(&dense, node, stream), "copy");
  expect(wr_node_host_data(dense, &data), "values");
  CHECK(wr_node_size(node) <= MOST);
  for (int64_t i = 0; i < wr_node_size(node); i++) {
    const bool complex = wr_node_dtype(node) == WR_COMPLEX64;
    if (!complex) CHECK(wr_node_dtype(node) == WR_FLOAT64 || wr_node_dtype(node) == WR_FLOAT32);
    const bool narrow = wr_node_dtype(node) == WR_FLOAT32;
    x[2 * i] = complex || narrow ? (double)((const float *)data)[complex ? 2 * i : i]
                                 : ((const double *)data)[i];
    x[2 * i + 1] = complex ? (double)((const float *)data)[2 * i + 1] : 0;
  }
  wr_node_release(dense);
}

static double product(const double *a, const double *b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < 2 * n; i++) sum += a[i] * b[i];
  return sum;
}

/* ---- one point ---- */

struct point {
  const char *name;
  struct wr_function *f;
  struct wr_node_list x;
  double step, bound;
};

static void value_at(const struct point *p, double *const *t, double by, double *y) {
  struct wr_node *moved[3];
  struct wr_results results = {0};
  for (size_t k = 0; k < p->x.n; k++) {
    double x[2 * MOST];
    read(p->x.items[k], x);
    for (int64_t i = 0; i < 2 * wr_node_size(p->x.items[k]); i++) x[i] += by * t[k][i];
    moved[k] = node_of(x, p->x.items[k], wr_node_dtype(p->x.items[k]));
  }
  const struct wr_arguments arguments = {.in = {{moved, p->x.n}}};
  expect(wr_function_call(p->f, &arguments, &results), p->name);
  read(results.out[0].items[0], y);
  wr_results_end(&results);
  for (size_t k = 0; k < p->x.n; k++) wr_node_release(moved[k]);
}

static void compare(const struct point *p, const char *what, double a, double b, double size) {
  if (fabs(a - b) <= p->bound * (1 + size)) return;
  if (wrong++ < 60) fprintf(stderr, "%s: %s: %.10g and %.10g\n", p->name, what, a, b);
}

static void draw(double *x, int64_t n, bool complex) {
  for (int64_t i = 0; i < n; i++) {
    x[2 * i] = 2 * next_number() - 1;
    x[2 * i + 1] = complex ? 2 * next_number() - 1 : 0;
  }
}

static void check_point(const struct point *p) {
  static double t[3][2 * MOST], y[2 * MOST], more[2 * MOST], less[2 * MOST], dy[2 * MOST];
  static double d[2 * MOST], g[2 * MOST];
  double *tangents[3] = {t[0], t[1], t[2]};
  struct wr_node *nodes[3];
  struct wr_ptrs outputs = {0}, out = {0}, again = {0}, grads = {0};
  for (size_t k = 0; k < p->x.n; k++) {
    const enum wr_dtype type = wr_node_dtype(p->x.items[k]);
    draw(t[k], wr_node_size(p->x.items[k]), type == WR_COMPLEX64);
    nodes[k] = node_of(t[k], p->x.items[k], type);
  }
  const struct wr_node_list list = {nodes, p->x.n};
  expect(wr_jvp(p->f, &p->x, &list, &outputs, &out), p->name);
  struct wr_node *output = outputs.items[0];
  const int64_t n = wr_node_size(output);
  read(output, y);
  read(out.items[0], dy);
  value_at(p, tangents, p->step, more);
  value_at(p, tangents, -p->step, less);
  for (int64_t i = 0; i < 2 * n; i++) {
    compare(p, "tangent and difference", dy[i], (more[i] - less[i]) / (2 * p->step), fabs(dy[i]));
  }
  draw(d, n, wr_node_dtype(output) == WR_COMPLEX64);
  struct wr_node *cotangent = node_of(d, output, wr_node_dtype(output));
  const struct wr_node_list ds = {&cotangent, 1};
  expect(wr_vjp(p->f, &p->x, &ds, &again, &grads), p->name);
  double sum = 0;
  for (size_t k = 0; k < p->x.n; k++) {
    CHECK(wr_node_dtype(grads.items[k]) == wr_node_dtype(p->x.items[k]));
    read(grads.items[k], g);
    sum += product(g, t[k], wr_node_size(p->x.items[k]));
  }
  compare(p, "cotangent and tangent", sum, product(d, dy, n), fabs(sum));
  struct wr_results all = {.out = {outputs, out}}, rest = {.out = {again, grads}};
  wr_node_release(cotangent);
  wr_results_end(&all);
  wr_results_end(&rest);
  for (size_t k = 0; k < p->x.n; k++) wr_node_release(nodes[k]);
}

static void check_second(const struct point *p, body *of) {
  struct wr_results results = {0};
  const struct wr_arguments arguments = {.in = {p->x}};
  double d[2 * MOST];
  struct function g = function_of(of, p->x.n);
  g.base.call = call_gradient;
  expect(wr_function_call(p->f, &arguments, &results), p->name);
  struct wr_node *y = results.out[0].items[0];
  draw(d, wr_node_size(y), wr_node_dtype(y) == WR_COMPLEX64);
  g.d = node_of(d, y, wr_node_dtype(y));
  char name[64];
  snprintf(name, sizeof name, "%s, second", p->name);
  const struct point second = {name, &g.base, p->x, p->step, 10 * p->bound};
  check_point(&second);
  wr_node_release(g.d);
  wr_results_end(&results);
}

/* ---- the table ---- */

static enum wr_dtype type_of(const struct row *row) {
  if (row->complex) return WR_COMPLEX64;
  return row->narrow ? WR_FLOAT32 : WR_FLOAT64;
}

static struct wr_node *draw_input(const struct row *row, int k) {
  double x[2 * MOST];
  float parts[2 * MOST];
  double real[MOST];
  int ndim = 0;
  int64_t n = 1;
  struct wr_node *out = NULL;
  while (row->shape[k][ndim]) n *= row->shape[k][ndim++];
  CHECK(n <= MOST);
  draw(x, n, row->complex);
  for (int64_t i = 0; i < n; i++) {
    real[i] = row->low + (row->high - row->low) * (x[2 * i] + 1) / 2;
    parts[2 * i] = (float)real[i];
    parts[2 * i + 1] = (float)x[2 * i + 1];
  }
  for (int64_t i = 0; i < n && row->narrow; i++) parts[i] = (float)real[i];
  const bool wide = type_of(row) == WR_FLOAT64;
  const void *data = wide ? (const void *)real : parts;
  expect(wr_node_from_data(&out, data, ndim, row->shape[k], type_of(row)), row->name);
  return out;
}

static void check_row(const struct row *row) {
  struct wr_node *x[3];
  struct function f = function_of(row->of, (size_t)row->n);
  for (int k = 0; k < row->n; k++) x[k] = draw_input(row, k);
  const bool wide = type_of(row) == WR_FLOAT64;
  const double step = wide ? 1e-6 : row->narrow ? 0.25 : 2e-3;
  const double bound = wide ? 1e-7 : row->narrow ? 1e-4 : 4e-3;
  const struct point p = {row->name, &f.base, {x, (size_t)row->n}, step, bound};
  check_point(&p);
  check_second(&p, row->of);
  for (int k = 0; k < row->n; k++) wr_node_release(x[k]);
}

/* Each operation has a row, or stands among those that have none, with the reason. */
static void count_operations(void) {
  int with = 0, without = 0;
  for (int op = 0; op < WR_OP_COUNT; op++) {
    const char *name = wr_op_info((enum wr_op)op)->name, *why = NULL;
    for (size_t i = 0; i < sizeof without_rows / sizeof without_rows[0]; i++) {
      if ((int)without_rows[i].op == op) why = without_rows[i].why;
    }
    with += seen[op];
    without += why != NULL;
    if (seen[op] ? !why : why != NULL) {
      if (why) printf("no row: %s: %s\n", name, why);
      continue;
    }
    fprintf(stderr, seen[op] ? "%s has a row, and a reason for none\n" : "%s has no row\n", name);
    wrong++;
  }
  printf("%d operations: %d in rows, %d not\n", (int)WR_OP_COUNT, with, without);
}

int main(void) {
  expect(wr_stream_default((struct wr_device){WR_DEVICE_CPU, 0}, &stream), "stream");
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) check_row(&rows[i]);
  for (size_t i = 0; i < sizeof constant_rows / sizeof constant_rows[0]; i++) {
    check_row(&constant_rows[i]);
  }
  count_operations();
  CHECK(wrong == 0);
  return 0;
}
