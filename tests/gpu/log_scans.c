/* Running logarithms of sums of exponentials on the GPU, of floats of 16 and 32 bits, against what
   they are: lines of one tile, of several and of several groups of them, short ones, and side by
   side. */

#include "gpu_case.h"
#include "log_sums.h"

enum { MOST = 300000 };

static float given[MOST], got[MOST];
static uint16_t narrow[MOST];

static float as_float(uint16_t x, enum wr_dtype t) {
  return t == WR_FLOAT16 ? wr_f16_to_f32(x) : wr_bf16_to_f32(x);
}

/* Fills `given` with what an array of the type holds of a kind of line. */
static struct wr_node *lines_of(int kind, enum wr_dtype t, const int32_t *shape, int axis) {
  const int64_t size = (int64_t)shape[0] * shape[1], n = shape[axis];
  uint32_t seed = 5;
  struct wr_node *node = NULL;
  for (int64_t i = 0; i < size; i++) {
    const int64_t along = axis == 1 ? i % n : i / shape[1];
    given[i] = log_sums_element(kind, along, n, &seed);
    if (t == WR_FLOAT32) continue;
    narrow[i] = t == WR_FLOAT16 ? wr_f32_to_f16(given[i]) : wr_f32_to_bf16(given[i]);
    given[i] = as_float(narrow[i], t);
  }
  const void *data = t == WR_FLOAT32 ? (const void *)given : narrow;
  struct wr_error *error = wr_node_from_data(&node, data, 2, shape, t);
  if (error) exit(1);
  return node;
}

/* The scan's results as floats. */
static bool scan(struct wr_node *in, const struct wr_scan_params *params, const char *what) {
  const enum wr_dtype t = wr_node_dtype(in);
  const struct wr_record record = {.op = WR_OP_SCAN,
                                   .dtype = t,
                                   .ndim = 2,
                                   .shape = wr_node_shape(in),
                                   .n_in = 1,
                                   .in = &in,
                                   .params = params,
                                   .params_bytes = sizeof *params,
                                   .stream = gpu_case_gpu};
  struct wr_node *out = NULL;
  const void *data = NULL;
  struct wr_error *error = wr_node_record(&out, &record);
  if (!error) error = wr_node_force(out);
  if (!error) error = wr_node_host_data(out, &data);
  if (error) {
    gpu_case_fail(what, wr_error_message(error));
    wr_error_release(error);
    return false;
  }
  for (int64_t i = 0; i < wr_node_size(in); i++) {
    got[i] = t == WR_FLOAT32 ? ((const float *)data)[i] : as_float(((const uint16_t *)data)[i], t);
  }
  wr_node_release(out);
  return true;
}

static void check(int kind, enum wr_dtype t, const int32_t *shape, int axis) {
  const int bits = t == WR_FLOAT32 ? 24 : t == WR_FLOAT16 ? 11 : 8;
  const int64_t n = shape[axis], lines = shape[1 - axis], step = axis == 1 ? 1 : shape[1];
  struct wr_node *in = lines_of(kind, t, shape, axis);
  for (int way = 0; way < 4; way++) {
    const struct wr_scan_params params = {WR_OP_LOGADDEXP, axis, way % 2 == 1, way < 2};
    char what[128], why[96];
    snprintf(what, sizeof what, "%s, kind %d, %d x %d along %d, way %d", wr_dtype_name(t), kind,
             shape[0], shape[1], axis, way);
    gpu_case_checks++;
    if (!scan(in, &params, what)) continue;
    for (int64_t line = 0; line < lines; line++) {
      const int64_t first = axis == 1 ? line * n : line;
      const int64_t at =
          log_sums_wrong(given + first, got + first, n, step, way % 2 == 1, way < 2, bits, kind);
      if (at < 0) continue;
      snprintf(why, sizeof why, "line %lld, %lld from its start: %a of %a", (long long)line,
               (long long)(at / step), (double)got[first + at], (double)given[first + at]);
      gpu_case_fail(what, why);
      break;
    }
  }
  wr_node_release(in);
}

int main(void) {
  static const enum wr_dtype types[] = {WR_FLOAT32, WR_FLOAT16, WR_BFLOAT16};
  static const int32_t shapes[][3] = {/* and the axis */
                                      {7, 300, 1},  {3, 4096, 1},  {2, 9001, 1},   {1, 140008, 1},
                                      {300, 17, 0}, {31, 9000, 0}, {1, 1, 1},      {2000, 33, 1},
                                      {5000, 3, 0}, {60, 4992, 0}, {130, 2130, 0}, {3000, 40, 0}};
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  for (int t = 0; t < 3; t++) {
    for (int kind = 0; kind < LOG_SUMS_KINDS; kind++) {
      for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        /* What they are takes its time: of long ones each type has some kinds. */
        const bool is_long = (int64_t)shapes[i][0] * shapes[i][1] > 50000;
        if (!is_long || (kind + t) % 4 == 0) check(kind, types[t], shapes[i], shapes[i][2]);
      }
    }
  }
  return gpu_case_end();
}
