/* What moves elements, on the GPU against the CPU: copies, concatenation, writing into a slice,
   arange, gather and take_along_axis with indices of every type and out of range, scatter in each
   of its ways, random bits. */

#include "gpu_case.h"

static void run(enum wr_op op, enum wr_dtype to, int ndim, const int32_t *shape, int n_in,
                struct wr_node *const *in, const void *params, size_t bytes, const char *form) {
  char what[128];
  snprintf(what, sizeof what, "%s of %s, %s", wr_op_info(op)->name, wr_dtype_name(to), form);
  const struct gpu_case c = {
      .op = op,
      .dtype = to,
      .ndim = ndim,
      .shape = shape,
      .n_in = n_in,
      .in = in,
      .params = params,
      .params_bytes = bytes,
      .tolerance =
          op == WR_OP_SCATTER && wr_dtype_is_floating(to) && wr_dtype_size(to) == 2 ? 0.05 : 0};
  gpu_case_run(&c, what);
}

static void release_all(struct wr_node **nodes, int n) {
  for (int i = 0; i < n; i++) wr_node_release(nodes[i]);
}

static void concatenates(enum wr_dtype t) {
  struct wr_node *in[] = {gpu_case_form_array(GPU_DENSE, t, 1u, true),
                          gpu_case_form_array(GPU_TURNED, t, 2u, true),
                          gpu_case_form_array(GPU_BACKWARD, t, 3u, true)};
  for (int axis = 0; axis < 2; axis++) {
    const struct wr_axis_params params = {axis};
    int32_t shape[] = {17, 23};
    shape[axis] *= 3;
    run(WR_OP_CONCATENATE, t, 2, shape, 3, in, &params, sizeof params, axis ? "cols" : "rows");
  }
  release_all(in, 3);
}

/* Axes in every order, extents of tiles and packs and not, and parts that begin on packs and not.
 */
static void copies(enum wr_dtype t) {
  static const int32_t cubes[][3] = {{33, 40, 64}, {5, 34, 36}, {32, 2, 35}};
  static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  for (int i = 0; i < 3 * 6 * 2; i++) {
    const int32_t *cube = cubes[i % 3];
    const int *order = orders[i / 3 % 6], left = i / 18 * 16;
    const int64_t dense[] = {(int64_t)cube[1] * cube[2], cube[2], 1};
    int32_t shape[3];
    int64_t strides[3];
    for (int d = 0; d < 3; d++) {
      shape[d] = order[d] == 2 ? cube[2] - left : cube[order[d]];
      strides[d] = dense[order[d]];
    }
    struct wr_node *in = gpu_case_array(t, 3, cube, 4u, true);
    in = gpu_case_view(in, 3, shape, strides, left);
    run(WR_OP_COPY, t, 3, shape, 1, &in, NULL, 0, left ? "part of turned" : "turned");
    wr_node_release(in);
  }
}

/* Along the last axis, of packs. */
static void concatenates_packs(enum wr_dtype t) {
  const struct wr_axis_params params = {1};
  struct wr_node *in[] = {gpu_case_array(t, 2, (const int32_t[]){40, 48}, 5u, true),
                          gpu_case_array(t, 2, (const int32_t[]){40, 16}, 6u, true)};
  run(WR_OP_CONCATENATE, t, 2, (const int32_t[]){40, 64}, 2, in, &params, sizeof params, "packs");
  release_all(in, 2);
}

/* More arrays than a kernel joins, of which the places of some are no packs', some are a row for
   all, and some are empty; along the first, a middle and the last axis. */
static void concatenates_many(enum wr_dtype t) {
  enum { MANY = 11 };
  for (int axis = 0; axis < 3; axis++) {
    const struct wr_axis_params params = {axis};
    int32_t shape[] = {6, 8, 16};
    struct wr_node *in[MANY];
    shape[axis] = 0;
    for (int i = 0; i < MANY; i++) {
      const bool last = axis == 2;
      int32_t own[] = {6, 8, 16};
      own[axis] = i == 4 ? 0 : i < 3 ? 16 : i;
      shape[axis] += own[axis];
      in[i] = gpu_case_array(t, 3, own, (uint32_t)(20 + i), true);
      if (i == 6 && axis > 0) {
        const int64_t same[] = {0, last ? own[2] : 16, 1};
        in[i] = gpu_case_view(in[i], 3, own, last ? (const int64_t[]){0, 0, 1} : same, 0);
      }
    }
    run(WR_OP_CONCATENATE, t, 3, shape, MANY, in, &params, sizeof params, "many");
    release_all(in, MANY);
  }
}

static void slice_updates(enum wr_dtype t) {
  static const enum wr_op by[] = {WR_OP_COPY, WR_OP_ADD, WR_OP_MULTIPLY, WR_OP_MAXIMUM,
                                  WR_OP_MINIMUM};
  struct wr_node *in[] = {gpu_case_form_array(GPU_TURNED, t, 1u, true),
                          gpu_case_array(t, 2, (const int32_t[]){5, 5}, 2u, true)};
  for (int i = 0; i < 5; i++) {
    const struct wr_slice_update_params params = {by[i], {{{1, 3}, {20, -4}}}};
    run(WR_OP_SLICE_UPDATE, t, 2, (const int32_t[]){17, 23}, 2, in, &params, sizeof params,
        wr_op_info(by[i])->name);
  }
  release_all(in, 2);
}

static void aranges(enum wr_dtype t) {
  const struct wr_arange_params params = {-3.5, 0.75};
  run(WR_OP_ARANGE, t, 1, (const int32_t[]){t == WR_BOOL ? 3 : 100}, 0, NULL, &params,
      sizeof params, "from -3.5");
}

/* Indices around a range of 17, some of them outside. */
static struct wr_node *indices(enum wr_dtype t, int ndim, const int32_t *shape) {
  uint64_t values[512];
  int64_t size;
  struct wr_node *node = NULL;
  uint32_t seed = 11u;
  wr_shape_size(shape, ndim, &size);
  char bytes[512 * 8];
  for (int64_t i = 0; i < size; i++) {
    int64_t v = (int64_t)(gpu_case_next(&seed) % 50) - (wr_dtype_is_unsigned(t) ? 0 : 25);
    values[i] = t == WR_BOOL ? (uint64_t)(v & 1) : (uint64_t)v;
    memcpy(bytes + (size_t)i * wr_dtype_size(t), &values[i], wr_dtype_size(t));
  }
  if (wr_node_from_data(&node, bytes, ndim, shape, t)) exit(1);
  return node;
}

static void takes(enum wr_dtype t, enum wr_dtype index) {
  char form[64];
  snprintf(form, sizeof form, "by %s", wr_dtype_name(index));
  struct wr_node *in[] = {gpu_case_form_array(GPU_TURNED, t, 1u, true),
                          indices(index, 2, (const int32_t[]){4, 6})};
  const struct wr_gather_params rows = {.n_axes = 1, .dropped = true},
                                columns = {.n_axes = 1, .before = 1, .dropped = true, .axes = {1}},
                                slices = {.n_axes = 1, .axes = {1}};
  const struct wr_axis_params params = {0};
  run(WR_OP_GATHER, t, 3, (const int32_t[]){4, 6, 23}, 2, in, &rows, sizeof rows, form);
  run(WR_OP_GATHER, t, 3, (const int32_t[]){17, 4, 6}, 2, in, &columns, sizeof columns, form);
  run(WR_OP_GATHER, t, 4, (const int32_t[]){4, 6, 3, 5}, 2, in, &slices, sizeof slices, form);
  wr_node_release(in[1]);
  in[1] = indices(index, 2, (const int32_t[]){9, 23});
  run(WR_OP_GATHER_AXIS, t, 2, (const int32_t[]){9, 23}, 2, in, &params, sizeof params, form);
  release_all(in, 2);
}

/* Rows that are whole packs, between other axes and one element behind a pack too. */
static void takes_rows(enum wr_dtype t) {
  const struct wr_gather_params rows = {.n_axes = 1, .dropped = true},
                                between = {.n_axes = 1, .before = 1, .dropped = true, .axes = {1}};
  struct wr_node *index = indices(WR_INT32, 2, (const int32_t[]){4, 60});
  struct wr_node *in[] = {gpu_case_array(t, 2, (const int32_t[]){17, 48}, 2u, true), index};
  run(WR_OP_GATHER, t, 3, (const int32_t[]){4, 60, 48}, 2, in, &rows, sizeof rows, "rows");
  in[0] = gpu_case_view(in[0], 2, (const int32_t[]){16, 48}, (const int64_t[]){48, 1}, 1);
  run(WR_OP_GATHER, t, 3, (const int32_t[]){4, 60, 48}, 2, in, &rows, sizeof rows, "behind one");
  wr_node_release(in[0]);
  in[0] = gpu_case_array(t, 3, (const int32_t[]){3, 17, 32}, 3u, true);
  run(WR_OP_GATHER, t, 4, (const int32_t[]){3, 4, 60, 32}, 2, in, &between, sizeof between,
      "rows between");
  release_all(in, 2);
}

/* Slices (3,5) at places of two index arrays of different types, and of none. */
static void gathers(enum wr_dtype t) {
  const struct wr_gather_params places = {.n_axes = 2, .axes = {1, 0}}, none = {.n_axes = 0};
  struct wr_node *in[] = {gpu_case_form_array(GPU_BACKWARD, t, 1u, true),
                          indices(WR_INT64, 2, (const int32_t[]){4, 6}),
                          indices(WR_UINT8, 2, (const int32_t[]){4, 6})};
  run(WR_OP_GATHER, t, 4, (const int32_t[]){4, 6, 3, 5}, 3, in, &places, sizeof places, "places");
  run(WR_OP_GATHER, t, 2, (const int32_t[]){3, 5}, 1, in, &none, sizeof none, "no indices");
  release_all(in, 3);
}

/* Copies, one to each element; what stays of several is any. */
static void scattered_copies(enum wr_dtype t) {
  const int32_t values[] = {3, -1, 40, 0, -90, 7, 12};
  const struct wr_scatter_params params = {.by = WR_OP_COPY, .n_axes = 1};
  struct wr_node *in[] = {gpu_case_form_array(GPU_STEPPED, t, 1u, true),
                          gpu_case_array(t, 3, (const int32_t[]){7, 1, 20}, 2u, true), NULL};
  if (wr_node_from_data(&in[2], values, 1, (const int32_t[]){7}, WR_INT32)) exit(1);
  run(WR_OP_SCATTER, t, 2, (const int32_t[]){17, 23}, 3, in, &params, sizeof params, "copies");
  release_all(in, 3);
}

static void scatters(enum wr_op by, enum wr_dtype t, enum wr_dtype index) {
  char form[64];
  snprintf(form, sizeof form, "%s by %s", wr_op_info(by)->name, wr_dtype_name(index));
  const struct wr_scatter_params rows = {.by = by, .n_axes = 1}, points = {by, 2, {0, 1}, 0};
  struct wr_node *in[] = {gpu_case_form_array(GPU_DENSE, t, 1u, false),
                          gpu_case_array(t, 3, (const int32_t[]){30, 1, 23}, 2u, false),
                          indices(index, 1, (const int32_t[]){30}),
                          indices(WR_INT32, 1, (const int32_t[]){30})};
  run(WR_OP_SCATTER, t, 2, (const int32_t[]){17, 23}, 3, in, &rows, sizeof rows, form);
  wr_node_release(in[1]);
  in[1] = gpu_case_array(t, 3, (const int32_t[]){30, 1, 2}, 3u, false);
  run(WR_OP_SCATTER, t, 2, (const int32_t[]){17, 23}, 4, in, &points, sizeof points, form);
  release_all(in, 4);
}

static void random_bits(void) {
  static const enum wr_dtype types[] = {WR_UINT8, WR_UINT16, WR_UINT32};
  const uint32_t key_values[] = {1u, 2u, 0xffffffffu, 0u, 77u, 78u};
  struct wr_node *keys = NULL;
  if (wr_node_from_data(&keys, key_values, 2, (const int32_t[]){3, 2}, WR_UINT32)) exit(1);
  for (int i = 0; i < 3; i++) {
    for (int32_t n = 1; n < 40; n += 3) {
      const struct wr_bits_params params = {1 << i};
      run(WR_OP_RANDOM_BITS, types[i], 2, (const int32_t[]){3, n}, 1, &keys, &params, sizeof params,
          "three keys");
    }
    const struct wr_bits_params params = {1 << i};
    run(WR_OP_RANDOM_BITS, types[i], 2, (const int32_t[]){3, 100001}, 1, &keys, &params,
        sizeof params, "long");
  }
  wr_node_release(keys);
  if (wr_node_from_data(&keys, key_values, 1, (const int32_t[]){2}, WR_UINT32)) exit(1);
  for (int i = 0; i < 12; i++) {
    const struct wr_bits_params params = {1 << i % 3};
    const int32_t n[] = {32, 96, 100000, 99996};
    run(WR_OP_RANDOM_BITS, types[i % 3], 1, &n[i / 3], 1, &keys, &params, sizeof params, "one key");
  }
  wr_node_release(keys);
}

int main(void) {
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  for (int i = 0; i < WR_DTYPE_COUNT; i++) {
    enum wr_dtype t = (enum wr_dtype)i;
    concatenates(t);
    concatenates_packs(t);
    concatenates_many(t);
    copies(t);
    slice_updates(t);
    aranges(t);
    for (int index = WR_BOOL; index <= WR_INT64; index++) takes(t, (enum wr_dtype)index);
    gathers(t);
    takes_rows(t);
    scattered_copies(t);
    scatters(WR_OP_ADD, t, WR_INT32);
    scatters(WR_OP_ADD, t, WR_UINT32);
    scatters(WR_OP_ADD, t, WR_INT64);
    scatters(WR_OP_MULTIPLY, t, WR_INT32);
    scatters(WR_OP_MAXIMUM, t, WR_INT32);
    scatters(WR_OP_MINIMUM, t, WR_INT32);
  }
  random_bits();
  return gpu_case_end();
}
