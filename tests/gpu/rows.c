/* Ways of kernels that go by rows, on the GPU against the CPU: elementwise operations on packs of
   rows that are dense or one element, copies of long rows, parts of arrays and what lies around
   them, rows of which elements are taken, or with which updates are joined, in shared memory. */

#include "gpu_case.h"

static void run(enum wr_op op, enum wr_dtype to, int ndim, const int32_t *shape, int n_in,
                struct wr_node *const *in, const void *params, size_t bytes, const char *form) {
  char what[128];
  if (!wr_backend_for(WR_DEVICE_GPU)->supports(op, wr_node_dtype(in[op == WR_OP_WHERE ? 1 : 0])))
    return;
  const bool rounds = op == WR_OP_SCATTER && wr_dtype_is_floating(to) && wr_dtype_size(to) == 2;
  snprintf(what, sizeof what, "%s of %s, %s", wr_op_info(op)->name, wr_dtype_name(to), form);
  const struct gpu_case c = {.op = op,
                             .dtype = to,
                             .ndim = ndim,
                             .shape = shape,
                             .n_in = n_in,
                             .in = in,
                             .params = params,
                             .params_bytes = bytes,
                             .tolerance = rounds ? 0.05 : 0};
  gpu_case_run(&c, what);
}

static void release_all(struct wr_node **nodes, int n) {
  for (int i = 0; i < n; i++) wr_node_release(nodes[i]);
}

/* ---- elementwise ---- */

/* Of one shape: dense, part of a wider one that begins on 16 bytes or one element behind, a row, a
   column, one element. */
enum { FORMS = 6 };

static struct wr_node *form_array(int form, enum wr_dtype t, const int32_t *shape, uint32_t seed) {
  const int32_t wide[] = {shape[0], shape[1] + 48}, line[] = {shape[form == 4 ? 0 : 1]};
  const int64_t strides[][2] = {{0, 0}, {wide[1], 1}, {wide[1], 1}, {0, 1}, {1, 0}, {0, 0}};
  if (form == 0) return gpu_case_array(t, 2, shape, seed, false);
  struct wr_node *base =
      form == 5 ? gpu_case_array(t, 0, NULL, seed, false)
                : gpu_case_array(t, form < 3 ? 2 : 1, form < 3 ? wide : line, seed, false);
  return gpu_case_view(base, 2, shape, strides[form], form == 1 ? 16 : form == 2);
}

static void elementwise(enum wr_dtype t, const int32_t *shape) {
  for (int i = 0; i < FORMS * FORMS; i++) {
    char form[64];
    snprintf(form, sizeof form, "%d columns, forms %d and %d", (int)shape[1], i / FORMS, i % FORMS);
    struct wr_node *in[] = {form_array(5 - i % FORMS, WR_BOOL, shape, 3u),
                            form_array(i / FORMS, t, shape, 1u),
                            form_array(i % FORMS, t, shape, 2u)};
    run(WR_OP_EQUAL, WR_BOOL, 2, shape, 2, in + 1, NULL, 0, form);
    run(WR_OP_MAXIMUM, t, 2, shape, 2, in + 1, NULL, 0, form);
    run(WR_OP_WHERE, t, 2, shape, 3, in, NULL, 0, form);
    if (i % FORMS == 0) {
      run(WR_OP_SQUARE, t, 2, shape, 1, in + 1, NULL, 0, form);
      run(WR_OP_LOGICAL_NOT, WR_BOOL, 2, shape, 1, in + 1, NULL, 0, form);
      for (int to = 0; to < WR_DTYPE_COUNT; to++) {
        if (to == (int)t) continue;
        run(WR_OP_ASTYPE, (enum wr_dtype)to, 2, shape, 1, in + 1, NULL, 0, form);
      }
    }
    release_all(in, 3);
  }
}

/* ---- moves ---- */

static void copies(enum wr_dtype t) {
  static const int32_t columns[] = {1024, 1025, 4098, 16400};
  const struct wr_axis_params axis = {1};
  for (int i = 0; i < 4; i++) {
    const int32_t n = columns[i], wide[] = {9, 2 * n + 16}, shape[] = {3, 3, n};
    for (int step = 1; step <= 2; step++) {
      struct wr_node *in = gpu_case_array(t, 2, wide, 4u, true);
      in = gpu_case_view(in, 3, shape, (const int64_t[]){3 * wide[1], wide[1], step},
                         step == 1 ? 16 : 1);
      run(WR_OP_COPY, t, 3, shape, 1, &in, NULL, 0, "long rows");
      wr_node_release(in);
    }
    struct wr_node *in[] = {gpu_case_array(t, 2, (const int32_t[]){5, n}, 5u, true),
                            gpu_case_array(t, 2, (const int32_t[]){5, 3}, 6u, true),
                            gpu_case_array(t, 2, (const int32_t[]){5, n - 3}, 7u, true)};
    run(WR_OP_CONCATENATE, t, 2, (const int32_t[]){5, 2 * n}, 3, in, &axis, sizeof axis,
        "long rows");
    release_all(in, 3);
  }
}

static void parts(enum wr_dtype t) {
  static const struct {
    int32_t shape[3], start[3], count[3];
  } cases[] = {{{1, 1, 1100}, {0, 0, 2}, {1, 1, 1090}}, {{1, 9, 1600}, {0, 1, 1}, {1, 7, 1598}},
               {{5, 7, 1300}, {1, 0, 3}, {4, 7, 1290}}, {{5, 9, 1024}, {0, 2, 0}, {5, 6, 1024}},
               {{2, 3, 2048}, {0, 0, 0}, {2, 3, 2047}}, {{2, 3, 2048}, {0, 1, 1}, {2, 2, 2047}},
               {{4, 5, 1030}, {0, 0, 0}, {4, 5, 1030}}, {{4, 5, 1030}, {1, 1, 1}, {2, 2, 2}},
               {{4, 5, 33}, {0, 1, 1}, {4, 4, 31}},     {{6, 50, 17}, {1, 0, 0}, {5, 50, 16}}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct wr_slice_update_params params = {.by = WR_OP_COPY};
    struct wr_node *in[] = {gpu_case_array(t, 3, cases[i].shape, 1u, true),
                            gpu_case_array(t, 3, cases[i].count, 2u, true)};
    for (int d = 0; d < 3; d++) {
      params.at.axis[d].start = cases[i].start[d];
      params.at.axis[d].step = 1;
    }
    run(WR_OP_SLICE_UPDATE, t, 3, cases[i].shape, 2, in, &params, sizeof params, "into an array");
    wr_node_release(in[0]);
    in[0] = gpu_case_view(gpu_case_array(t, 0, NULL, 3u, true), 3, cases[i].shape,
                          (const int64_t[]){0, 0, 0}, 0);
    run(WR_OP_SLICE_UPDATE, t, 3, cases[i].shape, 2, in, &params, sizeof params,
        "into one element");
    release_all(in, 2);
  }
}

/* ---- rows in shared memory ---- */

enum { ROWS = 300, EXTENT = 521 };

/* Places in a row, some of them outside. With `once`, each but those at most once. */
static struct wr_node *places(enum wr_dtype t, int ndim, const int32_t *shape, bool once) {
  int64_t size;
  struct wr_node *node = NULL;
  uint32_t seed = 11u;
  wr_shape_size(shape, ndim, &size);
  char *bytes = malloc((size_t)size * 8);
  for (int64_t i = 0; i < size; i++) {
    int64_t v =
        once ? (i * 7 + i / EXTENT) % EXTENT : (int64_t)(gpu_case_next(&seed) % (2 * EXTENT));
    if (!once && !wr_dtype_is_unsigned(t)) v -= EXTENT;
    memcpy(bytes + (size_t)i * wr_dtype_size(t), &v, wr_dtype_size(t));
  }
  if (wr_node_from_data(&node, bytes, ndim, shape, t)) exit(1);
  free(bytes);
  return node;
}

static void takes(enum wr_dtype t, enum wr_dtype index) {
  const struct wr_gather_params columns = {.n_axes = 1, .before = 2, .dropped = true, .axes = {2}};
  const struct wr_axis_params last = {2};
  const int32_t shape[] = {3, ROWS / 3, EXTENT}, taken[] = {3, ROWS / 3, 600};
  struct wr_node *in[] = {gpu_case_array(t, 3, shape, 1u, true), NULL};
  in[1] = places(index, 1, (const int32_t[]){600}, false);
  run(WR_OP_GATHER, t, 3, taken, 2, in, &columns, sizeof columns, "columns");
  wr_node_release(in[1]);
  in[1] = places(index, 3, taken, false);
  run(WR_OP_GATHER_AXIS, t, 3, taken, 2, in, &last, sizeof last, "in rows");
  release_all(in, 2);
}

static struct wr_node *count(enum wr_dtype t, int32_t n, int axis) {
  struct wr_node *node = NULL;
  char bytes[ROWS * 8];
  for (int64_t i = 0; i < n; i++)
    memcpy(bytes + (size_t)i * wr_dtype_size(t), &i, wr_dtype_size(t));
  if (wr_node_from_data(&node, bytes, 1, &n, t)) exit(1);
  return gpu_case_view(node, 3, (const int32_t[]){ROWS, EXTENT, 1},
                       (const int64_t[]){axis == 0 && n > 1, 0, 0}, 0);
}

static void puts_in_rows(enum wr_op by, enum wr_dtype t, enum wr_dtype index) {
  const struct wr_scatter_params params = {by, 3, {0, 1, 2}, 2};
  const int32_t shape[] = {ROWS, EXTENT, 1}, updates[] = {ROWS, EXTENT, 1, 1, 1, 1};
  struct wr_node *in[] = {gpu_case_array(t, 3, shape, 1u, false),
                          gpu_case_array(t, 6, updates, 2u, false), count(index, ROWS, 0),
                          places(index, 3, shape, by == WR_OP_COPY), count(index, 1, 2)};
  run(WR_OP_SCATTER, t, 3, shape, 5, in, &params, sizeof params, wr_op_info(by)->name);
  release_all(in, 5);
}

int main(void) {
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  static const enum wr_op by[] = {WR_OP_COPY, WR_OP_ADD, WR_OP_MAXIMUM, WR_OP_MINIMUM};
  for (int i = 0; i < WR_DTYPE_COUNT; i++) {
    enum wr_dtype t = (enum wr_dtype)i;
    elementwise(t, (const int32_t[]){5, 48});
    elementwise(t, (const int32_t[]){3, 8});
    copies(t);
    parts(t);
    takes(t, WR_INT32);
    takes(t, WR_INT64);
    takes(t, WR_UINT16);
    for (int k = 0; k < 4; k++) puts_in_rows(by[k], t, k % 2 ? WR_INT64 : WR_INT32);
  }
  return gpu_case_end();
}
