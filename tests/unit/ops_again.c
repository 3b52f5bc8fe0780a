/* Every operation once more on other inputs: a function is recorded on some inputs, each entry of
   the log is repeated on what its inputs were repeated as, from other values, and the result is
   compared, bit for bit, with the function's own on those; the same by a capture, and by its plan.
   The rows of derivative_rows.h, and others here for what has no derivatives; inputs that lie
   otherwise in memory, and for some, other shapes. Each operation with inputs has to be among them.
 */

#include <math.h>
#include <string.h>

#include "again_rows.h"
#include "check.h"
#include "graph/trace.h"
#include "ops/again.h"
#include "ops/capture.h"
#include "ops/internal.h"
#include "stream/stream.h"

enum { MOST = 4096 };

static bool seen[WR_OP_COUNT];
static struct wr_stream *stream;
static int wrong;
static const char *at; /* the row */

static void expect(struct wr_error *error) {
  if (!error) return;
  fprintf(stderr, "%s: %s\n", at, wr_error_message(error));
  exit(1);
}

/* ---- inputs ---- */

static uint32_t state = 1;
static double next_number(void) {
  state = state * 1664525u + 1013904223u;
  return state / 4294967296.0;
}

static enum wr_dtype type_of(const struct row *row) {
  if (row->complex) return WR_COMPLEX64;
  return row->narrow ? WR_FLOAT32 : WR_FLOAT64;
}

static struct wr_node *draw_input(const struct row *row, const int32_t *shape) {
  static double wide[MOST];
  static float parts[2 * MOST];
  int ndim = 0;
  int64_t n = 1;
  struct wr_node *out = NULL;
  while (shape[ndim]) n *= shape[ndim++];
  CHECK(n <= MOST);
  const enum wr_dtype t = type_of(row);
  for (int64_t i = 0; i < n; i++) {
    wide[i] = row->low + (row->high - row->low) * next_number();
    parts[t == WR_COMPLEX64 ? 2 * i : i] = (float)wide[i];
    if (t == WR_COMPLEX64) parts[2 * i + 1] = (float)(2 * next_number() - 1);
  }
  const void *data = t == WR_FLOAT64 ? (const void *)wide : parts;
  expect(wr_node_from_data(&out, data, ndim, shape, t));
  return out;
}

/* The same array, column by column in memory. */
static struct wr_node *turned(struct wr_node *taken) {
  struct wr_compose c = wr_compose_begin(stream);
  struct wr_node *out = NULL;
  int order[WR_MAX_NDIM];
  for (int i = 0; i < wr_node_ndim(taken); i++) order[i] = wr_node_ndim(taken) - 1 - i;
  struct wr_node *x = wr_compose_transpose(&c, taken, order), **slot = wr_compose_slot(&c);
  if (!c.error) x = wr_compose_step(&c, wr_ops_copy(slot, x, stream));
  x = wr_compose_transpose(&c, x, order);
  expect(wr_compose_end(&c, &out, x));
  wr_node_release(taken);
  return out;
}

/* ---- repeating ---- */

static struct wr_node *value_of(const struct wr_trace *t, struct wr_node **values,
                                struct wr_node *node, struct wr_node *const *from,
                                struct wr_node *const *to, int n) {
  for (int i = 0; i < n; i++) {
    if (from[i] == node) return to[i];
  }
  const size_t place = wr_trace_find(t, node);
  return place == SIZE_MAX ? node : values[place];
}

/* What was recorded from `from`, of `to`; `out` is the result there. */
static struct wr_node *repeat(struct wr_trace *t, struct wr_node *out, struct wr_node *const *from,
                              struct wr_node *const *to, int n) {
  struct wr_node **values = calloc(t->count + 1, sizeof(struct wr_node *));
  CHECK(values != NULL);
  for (size_t i = 0; i < t->count; i++) {
    struct wr_node *in[16];
    const struct wr_trace_entry *e = &t->entries[i];
    CHECK(e->n_in <= 16);
    for (uint32_t k = 0; k < e->n_in; k++) {
      in[k] = value_of(t, values, wr_trace_in(t, i)[k], from, to, n);
    }
    seen[wr_node_op(e->node)] = true;
    const struct wr_record like = wr_ops_record_of(e->node, in, (int)e->n_in, e->stream);
    struct wr_trace *paused = wr_trace_pause();
    expect(wr_ops_again(&values[i], &like));
    wr_trace_resume(paused);
    CHECK(wr_node_dtype(values[i]) == wr_node_dtype(e->node));
  }
  struct wr_node *made = wr_node_retain(value_of(t, values, out, from, to, n));
  for (size_t i = 0; i < t->count; i++) wr_node_release(values[i]);
  free(values);
  return made;
}

static void same(struct wr_node *a, struct wr_node *b) {
  struct wr_node *dense[2];
  const void *data[2];
  if (wr_node_dtype(a) != wr_node_dtype(b) ||
      !wr_shape_equal(wr_node_shape(a), wr_node_ndim(a), wr_node_shape(b), wr_node_ndim(b))) {
    fprintf(stderr, "%s: another shape or dtype\n", at);
    wrong++;
    return;
  }
  struct wr_node *pair[2] = {a, b};
  for (int i = 0; i < 2; i++) {
    expect(wr_ops_contiguous(&dense[i], pair[i], false, stream));
    expect(wr_node_host_data(dense[i], &data[i]));
  }
  const size_t bytes = (size_t)wr_node_size(a) * wr_dtype_size(wr_node_dtype(a));
  if (memcmp(data[0], data[1], bytes) != 0) {
    fprintf(stderr, "%s: other values\n", at);
    wrong++;
  }
  for (int i = 0; i < 2; i++) wr_node_release(dense[i]);
}

/* ---- the same by captures ---- */

struct function {
  struct wr_function base;
  body *of;
};

static struct wr_error *call(struct wr_function *base, const struct wr_arguments *arguments,
                             struct wr_results *results) {
  struct wr_node *out = NULL;
  struct wr_error *error =
      ((struct function *)(void *)base)->of(&out, arguments->in[0].items, stream);
  if (!error) CHECK(wr_ptrs_push(&results->out[0], out));
  return error;
}

static void leave(struct wr_function *f) { (void)f; }

static void check_run(struct wr_capture *c, struct wr_node **to, struct wr_node *want) {
  struct wr_results results = {0};
  expect(wr_capture_run(c, to, &results.out[0]));
  CHECK(results.out[0].count == 1);
  same(results.out[0].items[0], want);
  wr_results_end(&results);
}

static void check_capture(const struct row *row, struct wr_node **from, struct wr_node **to,
                          struct wr_node *want, bool plan) {
  struct function f = {.of = row->of};
  struct wr_capture *c, *planned;
  wr_function_init(&f.base, call, leave);
  const struct wr_node_list list = {from, (size_t)row->n};
  expect(wr_capture_function(&c, &f.base, &list, 0));
  check_run(c, to, want);
  for (int fuse = 0; plan && fuse < 2; fuse++) {
    expect(wr_capture_plan(&planned, c, fuse));
    check_run(planned, to, want);
    wr_capture_release(planned);
  }
  wr_capture_release(c);
}

/* Recorded on one set of inputs, repeated on another. */
static void check_on(const struct row *row, struct wr_node **from, struct wr_node **to, bool plan) {
  struct wr_trace *t;
  struct wr_node *out = NULL, *want = NULL;
  at = row->name;
  expect(row->of(&want, to, stream));
  expect(wr_trace_open(&t));
  t->captures = 1;
  expect(row->of(&out, from, stream));
  struct wr_node *made = repeat(t, out, from, to, row->n);
  t->captures = 0;
  wr_trace_close(t);
  same(made, want);
  check_capture(row, from, to, want, plan);
  wr_node_release(made);
  wr_node_release(want);
  wr_node_release(out);
}

static void check_row(const struct row *row) {
  struct wr_node *from[3], *to[3];
  at = row->name;
  for (int lies = 0; lies < 2; lies++) {
    for (int k = 0; k < row->n; k++) {
      from[k] = draw_input(row, row->shape[k]);
      to[k] = draw_input(row, row->shape[k]);
      if (lies) to[k] = turned(to[k]);
    }
    check_on(row, from, to, true);
    for (int k = 0; k < row->n; k++) {
      wr_node_release(from[k]);
      wr_node_release(to[k]);
    }
  }
}

/* ---- other extents ---- */

static const struct {
  struct row row;
  int32_t other[3][6];
} grown[] = {
    {U(EXP, -1, 1), {{5, 2}}},
    {G(b_ADD, 2, {3, 4}, {3, 4}), {{5, 2}, {1, 2}}},
    {G(where, 3, {3, 4}, {3, 4}, {3, 4}), {{2, 6}, {2, 6}, {1, 6}}},
    {F(r_SUM, {2, 3, 2}), {{4, 5, 3}}},
    {F(k_MAX, {3, 4}), {{6, 2}}},
    {Q(argmax, 1, {3, 4}), {{5, 7}}},
    {Q(again_argmin, 1, {3, 4}), {{5, 7}}},
    {F(softmax, {3, 4}), {{2, 9}}},
    {F(logsumexp, {3, 4}), {{5, 2}}},
    {Q(again_logsumexp_kept, 1, {3, 4}), {{5, 2}}},
    {F(s_ADD, {3, 4}), {{2, 7}}},
    {F(sort, {3, 4}), {{7, 2}}},
    {F(partition, {3, 5}), {{2, 4}}},
    {F(flatten, {3, 4}), {{5, 2}}},
    {Q(again_flatten_some, 1, {2, 3, 2}), {{4, 2, 5}}},
    {F(expand, {3, 4}), {{2, 5}}},
    {F(squeeze, {1, 4}), {{1, 7}}},
    {F(transpose, {2, 3, 2}), {{4, 1, 3}}},
    {F(copy, {3, 4}), {{1, 9}}},
    {Q(again_stop, 1, {3, 4}), {{2, 2}}},
    {Q(again_view, 1, {3, 4}), {{2, 6}}},
    {G(concatenate, 3, {2, 1}, {2, 3}, {2, 2}), {{4, 5}, {4, 1}, {4, 3}}},
    {F(take, {2, 3}), {{5, 4}}},
    {Q(again_conv, 2, {2, 7, 4}, {4, 3, 2}), {{1, 9, 4}, {6, 3, 2}}},
    {Q(again_quantize, 1, {2, 32}), {{2, 32}}},
};

static void check_grown(void) {
  for (size_t i = 0; i < sizeof grown / sizeof grown[0]; i++) {
    const struct row *row = &grown[i].row;
    struct wr_node *from[3], *to[3];
    at = row->name;
    for (int k = 0; k < row->n; k++) {
      from[k] = draw_input(row, row->shape[k]);
      to[k] = draw_input(row, grown[i].other[k]);
    }
    check_on(row, from, to, false);
    for (int k = 0; k < row->n; k++) {
      wr_node_release(from[k]);
      wr_node_release(to[k]);
    }
  }
}

/* ---- what does not fit ---- */

static void refuses(body *of, const int32_t *was, const int32_t *is, const char *word) {
  const struct row row = {.name = word, .low = -1, .high = 1, .narrow = true};
  struct wr_trace *t;
  struct wr_node *from = draw_input(&row, was), *to = draw_input(&row, is), *out, *made;
  expect(wr_trace_open(&t));
  expect(of(&out, &from, stream));
  const struct wr_record like = wr_ops_record_of(t->entries[0].node, &to, 1, stream);
  struct wr_error *error = wr_ops_again(&made, &like);
  CHECK(error && strstr(wr_error_message(error), word));
  wr_error_release(error);
  wr_trace_close(t);
  wr_node_release(out);
  wr_node_release(from);
  wr_node_release(to);
}

/* Indices along `axis` of a matrix, whose axes are said to stand before its axis `before`. */
static void refuses_gather(uint8_t before, uint8_t axis, const char *word) {
  const int32_t index = 0, shape[] = {1, 4};
  const struct row row = {.low = -1, .high = 1, .narrow = true};
  const struct wr_gather_params params = {
      .n_axes = 1, .before = before, .dropped = true, .axes = {axis}};
  struct wr_node *in[2] = {draw_input(&row, (const int32_t[]){3, 4, 0})}, *made;
  expect(wr_node_from_data(&in[1], &index, 1, (const int32_t[]){1}, WR_INT32));
  const struct wr_record like = {.op = WR_OP_GATHER,
                                 .dtype = WR_FLOAT32,
                                 .ndim = 2,
                                 .shape = shape,
                                 .n_in = 2,
                                 .in = in,
                                 .params = &params,
                                 .params_bytes = sizeof params,
                                 .stream = stream};
  struct wr_error *error = wr_ops_again(&made, &like);
  CHECK(error && strstr(wr_error_message(error), word));
  wr_error_release(error);
  for (int i = 0; i < 2; i++) wr_node_release(in[i]);
}

static void check_refusals(void) {
  refuses(reshape, (const int32_t[]){3, 4, 0}, (const int32_t[]){5, 2, 0}, "cannot be reshaped");
  refuses(slice, (const int32_t[]){3, 4, 0}, (const int32_t[]){2, 4, 0}, "no such part");
  refuses(broadcast, (const int32_t[]){3, 1, 0}, (const int32_t[]){2, 1, 0}, "broadcast");
  refuses(squeeze, (const int32_t[]){1, 4, 0}, (const int32_t[]){2, 4, 0}, "squeezed");
  refuses(partition, (const int32_t[]){3, 5, 0}, (const int32_t[]){3, 2, 0}, "kth");
  refuses_gather(3, 1, "before axis 3 of 2");
  refuses_gather(1, 0, "before axis 1 of 2");
  struct wr_node *data = draw_input(&others[0], (const int32_t[]){2, 0}), *made;
  const struct wr_record like = wr_ops_record_of(data, NULL, 0, stream);
  struct wr_error *error = wr_ops_again(&made, &like);
  CHECK(error && strstr(wr_error_message(error), "data"));
  wr_error_release(error);
  wr_node_release(data);
}

#define EACH(list) \
  for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) check_row(&list[i])

int main(void) {
  expect(wr_stream_default((struct wr_device){WR_DEVICE_CPU, 0}, &stream));
  EACH(rows);
  EACH(others);
  EACH(attention_rows);
  check_grown();
  check_refusals();
  for (int op = 0; op < WR_OP_COUNT; op++) {
    const struct wr_op_info *info = wr_op_info((enum wr_op)op);
    if (seen[op] || info->arity == 0) continue;
    if (op == WR_OP_KERNEL) continue; /* of GPUs alone: tests/cuda_host/users_kernels.c */
    fprintf(stderr, "%s has no row\n", info->name);
    wrong++;
  }
  CHECK(wrong == 0);
  return 0;
}
