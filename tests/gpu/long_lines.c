/* Sorts and scans on the GPU against the CPU where lines are cut: elements of any bits, so that
   every digit of a key matters, NaN and both zeros among them, in lines that end before, at and
   behind the end of a block's work; sums over many groups of tiles, which have the same bits each
   time. What is sorted has the bits that the CPU has, since both sort stably.

   Usage: long_lines [DTYPE...], numbers of types; else all. */

#include "gpu_case.h"
#include "ops/ops.h"

/* Any bits; in every eighth place one of a few values that are equal, or nearly so, to others. */
static struct wr_node *any_bits(enum wr_dtype t, int ndim, const int32_t *shape, uint32_t seed) {
  int64_t size;
  struct wr_node *node = NULL;
  const size_t item = wr_dtype_size(t);
  wr_shape_size(shape, ndim, &size);
  char *data = malloc((size_t)size * item + 8);
  for (int64_t i = 0; i < size; i++) {
    const uint64_t bits = (uint64_t)gpu_case_next(&seed) << 32 | gpu_case_next(&seed);
    memcpy(data + i * (int64_t)item, &bits, item);
    if (t == WR_BOOL) data[i] = bits & 1u;
    if (bits >> 40 & 7u) continue;
    gpu_case_put(data, i, t, &seed, true);
  }
  struct wr_error *error = wr_node_from_data(&node, data, ndim, shape, t);
  free(data);
  if (error) exit(1);
  return node;
}

/* Forced; NULL after an error, which is counted. */
static struct wr_node *done(enum wr_op op, struct wr_node *in, enum wr_dtype to, const void *params,
                            size_t bytes, struct wr_stream *stream, const char *what) {
  const struct wr_record record = {.op = op,
                                   .dtype = to,
                                   .ndim = wr_node_ndim(in),
                                   .shape = wr_node_shape(in),
                                   .n_in = 1,
                                   .in = &in,
                                   .params = params,
                                   .params_bytes = bytes,
                                   .stream = stream};
  struct wr_node *node = NULL;
  struct wr_error *error = wr_node_record(&node, &record);
  if (!error) error = wr_node_force(node);
  if (!error) return node;
  gpu_case_fail(what, wr_error_message(error));
  wr_error_release(error);
  return NULL;
}

/* Takes the references. */
static void same_bits(struct wr_node *a, struct wr_node *b, const char *what) {
  const void *x = NULL, *y = NULL;
  gpu_case_checks++;
  if (!a || !b) return;
  const size_t item = wr_dtype_size(wr_node_dtype(a));
  struct wr_error *error = wr_node_host_data(a, &x);
  if (!error) error = wr_node_host_data(b, &y);
  if (error) exit(1);
  for (int64_t i = 0; i < wr_node_size(a); i++) {
    const int64_t at = i * (int64_t)item;
    if (!memcmp((const char *)x + at, (const char *)y + at, item)) continue;
    char why[64];
    snprintf(why, sizeof why, "element %lld has other bits", (long long)i);
    gpu_case_fail(what, why);
    break;
  }
  wr_node_release(a);
  wr_node_release(b);
}

static struct wr_node *sorted(struct wr_node *in, int axis, const char *what) {
  const struct wr_axis_params params = {axis};
  return done(WR_OP_SORT, in, wr_node_dtype(in), &params, sizeof params, gpu_case_cpu, what);
}

/* Elements [begin, end) of each line along the axis of a dense array of 2 axes, line by line. Takes
   the reference. */
static struct wr_node *piece(struct wr_node *of, int axis, int32_t begin, int32_t end) {
  const void *from = NULL;
  struct wr_node *node = NULL;
  const size_t item = wr_dtype_size(wr_node_dtype(of));
  const int32_t lines = wr_node_shape(of)[1 - axis], n = wr_node_shape(of)[axis];
  if (wr_node_host_data(of, &from)) exit(1);
  char *data = malloc((size_t)lines * (size_t)n * item + 8), *to = data;
  for (int32_t line = 0; line < lines; line++) {
    for (int32_t i = begin; i < end; i++, to += item) {
      const int64_t at = axis == 1 ? (int64_t)line * n + i : (int64_t)i * lines + line;
      memcpy(to, (const char *)from + at * (int64_t)item, item);
    }
  }
  const int32_t shape[] = {lines, end - begin};
  if (wr_node_from_data(&node, data, 2, shape, wr_node_dtype(of))) exit(1);
  free(data);
  wr_node_release(of);
  return node;
}

/* Sorted by themselves, what a partition has before the kth element and from it on is what a sort
   has there. Equal elements keep their order, so bits are the same. */
static void parted(struct wr_node *in, int axis, int32_t kth, const char *form) {
  char what[128];
  const enum wr_dtype t = wr_node_dtype(in);
  const struct wr_partition_params params = {.axis = axis, .kth = kth};
  const int32_t n = wr_node_shape(in)[axis], ends[] = {0, kth, kth + 1, n};
  snprintf(what, sizeof what, "partition of %s at %d, %s", wr_dtype_name(t), (int)kth, form);
  for (int i = 0; i < 3; i++) {
    struct wr_node *on_gpu =
        done(WR_OP_PARTITION, in, t, &params, sizeof params, gpu_case_gpu, what);
    if (!on_gpu) return;
    on_gpu = piece(on_gpu, axis, ends[i], ends[i + 1]);
    same_bits(sorted(on_gpu, 1, what), piece(sorted(in, axis, what), axis, ends[i], ends[i + 1]),
              what);
    wr_node_release(on_gpu);
  }
}

static void sorts(struct wr_node *in, int axis, const char *form) {
  const enum wr_op ops[] = {WR_OP_SORT, WR_OP_ARGSORT};
  const struct wr_axis_params params = {axis};
  const int32_t n = wr_node_shape(in)[axis];
  for (int i = 0; i < 2; i++) {
    char what[128];
    const enum wr_dtype t = wr_node_dtype(in), to = ops[i] == WR_OP_ARGSORT ? WR_UINT32 : t;
    snprintf(what, sizeof what, "%s of %s, %s", wr_op_info(ops[i])->name, wr_dtype_name(t), form);
    struct wr_node *on_gpu = done(ops[i], in, to, &params, sizeof params, gpu_case_gpu, what);
    same_bits(on_gpu, done(ops[i], in, to, &params, sizeof params, gpu_case_cpu, what), what);
  }
  parted(in, axis, 0, form);
  parted(in, axis, n / 3, form);
  parted(in, axis, n - 1, form);
}

static void sorts_of(enum wr_dtype t) {
  static const int32_t lengths[] = {2,    31,   33,   511,  512,  513,  1024,  1025,
                                    2048, 2049, 4096, 4097, 8192, 8193, 16384, 50001};
  for (int i = 0; i < 16; i++) {
    char form[64];
    snprintf(form, sizeof form, "lines of %d", lengths[i]);
    struct wr_node *in = any_bits(t, 2, (const int32_t[]){2, lengths[i]}, 21u);
    sorts(in, 1, form);
    wr_node_release(in);
  }
  /* Along an axis whose elements do not lie side by side, in the input, in the result, in both. */
  struct wr_node *in = any_bits(t, 2, (const int32_t[]){9001, 3}, 22u);
  sorts(in, 0, "columns");
  in = gpu_case_view(in, 2, (const int32_t[]){3, 9001}, (const int64_t[]){1, 3}, 0);
  sorts(in, 1, "turned");
  in = gpu_case_view(in, 2, (const int32_t[]){3, 1500}, (const int64_t[]){9001, -6}, 9000);
  sorts(in, 1, "backward");
  wr_node_release(in);
}

/* ---- partitions of lines that a block does not hold ---- */

enum form { ALIKE, THREE_VALUES, LAST_BYTES, ASCENDING, DESCENDING, ANY, FORMS };

static const char *const form_names[] = {"equal elements", "three values", "other last bytes",
                                         "in order",       "in reverse",   "any bits"};

/* Of the elements of any_bits: the first everywhere, the first three, the first with another last
   byte each, so that all keys begin alike. */
static struct wr_node *drawn(enum wr_dtype t, const int32_t *shape, enum form form) {
  struct wr_node *node = any_bits(t, 2, shape, 31u);
  const void *from = NULL;
  const size_t item = wr_dtype_size(t);
  const int64_t size = wr_node_size(node);
  uint32_t seed = 32u;
  if (form > LAST_BYTES) return node;
  if (wr_node_host_data(node, &from)) exit(1);
  char *data = malloc((size_t)size * item);
  for (int64_t i = 0; i < size; i++) {
    const size_t which = form == THREE_VALUES ? gpu_case_next(&seed) % 3 : 0;
    memcpy(data + (size_t)i * item, (const char *)from + which * item, item);
    if (form == LAST_BYTES)
      data[(size_t)i * item] = (char)(gpu_case_next(&seed) & (t == WR_BOOL ? 1u : 255u));
  }
  wr_node_release(node);
  if (wr_node_from_data(&node, data, 2, shape, t)) exit(1);
  free(data);
  return node;
}

/* Takes the reference. */
static struct wr_node *in_order(struct wr_node *in, enum form form) {
  const int32_t *shape = wr_node_shape(in);
  if (form != ASCENDING && form != DESCENDING) return in;
  struct wr_node *node = sorted(in, 1, "in order");
  wr_node_release(in);
  if (form == ASCENDING || !node) return node;
  shape = wr_node_shape(node);
  return gpu_case_view(node, 2, (const int32_t[]){shape[0], shape[1]},
                       (const int64_t[]){shape[1], -1}, shape[1] - 1);
}

static void parted_twice(struct wr_node *in, int32_t kth) {
  const enum wr_dtype t = wr_node_dtype(in);
  const struct wr_partition_params params = {.axis = 1, .kth = kth};
  struct wr_node *of[2];
  for (int i = 0; i < 2; i++) {
    of[i] = done(WR_OP_PARTITION, in, t, &params, sizeof params, gpu_case_gpu, "partition, twice");
  }
  same_bits(of[0], of[1], "partition, twice");
}

static void partitions_of(enum wr_dtype t, int32_t lines, int32_t n) {
  for (int form = 0; form < FORMS; form++) {
    struct wr_node *in =
        in_order(drawn(t, (const int32_t[]){lines, n}, (enum form)form), (enum form)form);
    if (!in) continue;
    const int32_t places[] = {1, n / 2, n - 10};
    for (int i = 0; i < 3; i++) parted(in, 1, places[i], form_names[form]);
    parted_twice(in, n / 2);
    wr_node_release(in);
  }
}

/* ---- medians, of which long ones are made of partitions ---- */

static struct wr_node *median(struct wr_node *in, struct wr_stream *stream) {
  struct wr_node *node = NULL;
  const int axis = 1;
  struct wr_error *error = wr_ops_median(&node, in, &axis, 1, false, stream);
  if (!error) error = wr_node_force(node);
  if (!error) return node;
  gpu_case_fail("median", wr_error_message(error));
  wr_error_release(error);
  return NULL;
}

static void medians_of(enum wr_dtype t, int32_t n) {
  for (int form = 0; form <= FORMS; form++) {
    char what[64];
    struct wr_node *in = form == FORMS ? gpu_case_array(t, 2, (const int32_t[]){3, n}, 33u, false)
                                       : drawn(t, (const int32_t[]){3, n}, (enum form)form);
    snprintf(what, sizeof what, "median of %s, %d", wr_dtype_name(t), form);
    struct wr_node *on_gpu = median(in, gpu_case_gpu), *on_cpu = median(in, gpu_case_cpu);
    if (on_gpu && on_cpu) gpu_case_compare(on_gpu, on_cpu, 0, what);
    wr_node_release(in);
  }
}

/* ---- scans ---- */

static void scan(enum wr_op by, struct wr_node *in, int axis, int way, const char *form) {
  char what[128];
  const enum wr_dtype t = wr_node_dtype(in);
  const struct wr_scan_params params = {by, axis, way % 2 == 1, way < 2};
  snprintf(what, sizeof what, "scan of %s by %s, %s, way %d", wr_dtype_name(t),
           wr_op_info(by)->name, form, way);
  const struct gpu_case c = {.op = WR_OP_SCAN,
                             .dtype = t,
                             .ndim = wr_node_ndim(in),
                             .shape = wr_node_shape(in),
                             .n_in = 1,
                             .in = &in,
                             .params = &params,
                             .params_bytes = sizeof params,
                             .tolerance = t == WR_FLOAT32 || t == WR_COMPLEX64 ? 2e-5 : 0};
  gpu_case_run(&c, what);
  struct wr_node *once = done(WR_OP_SCAN, in, t, &params, sizeof params, gpu_case_gpu, what);
  struct wr_node *again = done(WR_OP_SCAN, in, t, &params, sizeof params, gpu_case_gpu, what);
  same_bits(once, again, what);
}

static void scans_of(enum wr_dtype t) {
  static const int32_t lengths[] = {33, 256, 257, 512, 513, 2048, 4096, 4097, 40001};
  for (int i = 0; i < 9; i++) {
    char form[64];
    snprintf(form, sizeof form, "lines of %d", lengths[i]);
    struct wr_node *in = gpu_case_array(t, 2, (const int32_t[]){3, lengths[i]}, 23u, false);
    for (int way = 0; way < 4; way++) scan(WR_OP_ADD, in, 1, way, form);
    scan(WR_OP_MAXIMUM, in, 1, i % 4, form);
    wr_node_release(in);
  }
  /* One behind a multiple of 16 bytes. */
  struct wr_node *in = gpu_case_array(t, 1, (const int32_t[]){16385}, 24u, false);
  in = gpu_case_view(in, 1, (const int32_t[]){16384}, (const int64_t[]){1}, 1);
  for (int way = 0; way < 4; way++) scan(WR_OP_ADD, in, 0, way, "behind one");
  wr_node_release(in);
  in = gpu_case_array(t, 2, (const int32_t[]){20001, 3}, 25u, false);
  for (int way = 0; way < 4; way++) scan(WR_OP_ADD, in, 0, way, "columns");
  wr_node_release(in);
}

/* Lines side by side: as many blocks as half of the multiprocessors of a large GPU have, each of 32
   lines; the last of a run has fewer; turns of 256 or 128 elements that the lines fill or not. */
static void tall_scans_of(enum wr_dtype t) {
  static const int32_t shapes[][3] = {
      {1, 513, 2117}, {2, 300, 1100}, {40, 128, 65}, {1, 1024, 4096}};
  for (int i = 0; i < 4; i++) {
    struct wr_node *in = gpu_case_array(t, 3, shapes[i], 28u, false);
    for (int way = 0; way < 4; way++) scan(WR_OP_ADD, in, 1, way, "tall columns");
    scan(WR_OP_MAXIMUM, in, 1, i, "tall columns");
    /* Products of complex numbers overflow, and which part is NaN then depends on the order. */
    if (t != WR_COMPLEX64) scan(WR_OP_MULTIPLY, in, 1, 3 - i, "tall columns");
    wr_node_release(in);
  }
  /* Lines whose elements are neighbours, and every other line. */
  struct wr_node *in = gpu_case_array(t, 2, (const int32_t[]){4400, 300}, 29u, false);
  in = gpu_case_view(in, 2, (const int32_t[]){300, 2200}, (const int64_t[]){1, 600}, 0);
  for (int way = 0; way < 4; way++) scan(WR_OP_ADD, in, 0, way, "tall columns, turned");
  wr_node_release(in);
}

/* Tiles of 4,096 or 2,048 elements, groups of 32 tiles, spans of 224 groups. */
static void many_groups(enum wr_dtype t) {
  struct wr_node *in = gpu_case_array(t, 2, (const int32_t[]){2, 2200004}, 26u, false);
  for (int way = 0; way < 4; way++) scan(WR_OP_ADD, in, 1, way, "groups");
  scan(WR_OP_MINIMUM, in, 1, 0, "groups");
  wr_node_release(in);
  if (wr_dtype_size(t) < 8) return;
  in = gpu_case_array(t, 1, (const int32_t[]){30000002}, 27u, false);
  scan(WR_OP_ADD, in, 0, 0, "spans");
  scan(WR_OP_ADD, in, 0, 3, "spans");
  wr_node_release(in);
}

static void all_of(enum wr_dtype t) {
  sorts_of(t);
  partitions_of(t, 3, 70001);
  medians_of(t, 70000);
  medians_of(t, 9001);
  if (t == WR_FLOAT32 || t == WR_INT64 || t == WR_BFLOAT16) partitions_of(t, 1, 600007);
  scans_of(t);
  tall_scans_of(t);
  if (t == WR_FLOAT32 || t == WR_FLOAT64 || t == WR_UINT8) many_groups(t);
}

int main(int argc, char **argv) {
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  for (int i = 1; i < argc; i++) all_of((enum wr_dtype)atoi(argv[i]));
  for (int t = 0; argc == 1 && t < WR_DTYPE_COUNT; t++) all_of((enum wr_dtype)t);
  return gpu_case_end();
}
