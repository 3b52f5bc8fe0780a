#ifndef WR_TESTS_SUPPORT_THREE_H
#define WR_TESTS_SUPPORT_THREE_H

/* An operation with three results, for tests alone: of a float32 vector its doubles (float32, as
   many), which elements are positive (bool, as many) and their sum (float64, one). A NaN in the
   first place makes it fail. Counts how often it has run. */

#include <math.h>

#include "backend/backend.h"
#include "fixtures.h"
#include "graph/node.h"
#include "inside.h"
#include "ops/internal.h"

static int three_runs;

static inline struct wr_error *three_run(const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0];
  const float *x = in->data;
  float *twice = wr_call_part(call, 0);
  bool *positive = wr_call_part(call, 1);
  double *sum = wr_call_part(call, 2);
  probe_count(&three_runs);
  if (call->n_parts != 3 || call->out.size % WR_PART_ALIGNMENT != 0) {
    return wr_error_new(WEIR_ERROR_INTERNAL, "three: %d parts", call->n_parts);
  }
  if (in->size && isnan(x[0])) return wr_error_new(WEIR_ERROR_DEVICE, "no number");
  *sum = 0;
  for (int64_t i = 0; i < in->size; i++) {
    const float value = x[i * in->strides[0]];
    twice[i] = 2 * value;
    positive[i] = value > 0;
    *sum += (double)value;
  }
  return NULL;
}

static const struct wr_callee three = {
    .name = "three", .params_bytes = sizeof(struct wr_call_params), .run = three_run};

/* A handle of an array, or none when memory is refused. Takes the reference. */
static inline mlx_array three_handle(struct wr_node *node) {
  mlx_array a = {0};
  struct wr_handle *handle = wr_handle_new(node);
  if (!handle) {
    wr_node_release(node);
  } else if (!wr_handle_give(&a.ctx, handle, WR_KIND_ARRAY)) {
    wr_handle_free(handle);
  }
  return a;
}

/* False, and all are empty, when memory is refused. */
static inline bool three_of(mlx_array out[3], mlx_array a, mlx_stream s) {
  const struct wr_handle *handle = wr_handle_object(a.ctx, WR_KIND_ARRAY);
  CHECK(handle != NULL);
  struct wr_node *in = handle->node, *nodes[3];
  const struct wr_call_params params = {.callee = &three};
  const int32_t n = wr_node_shape(in)[0];
  struct wr_part parts[3] = {{.shape = &n, .ndim = 1, .dtype = WR_FLOAT32},
                             {.shape = &n, .ndim = 1, .dtype = WR_BOOL},
                             {.ndim = 0, .dtype = WR_FLOAT64}};
  const struct wr_record record = {.op = WR_OP_CALL,
                                   .n_in = 1,
                                   .in = &in,
                                   .params = &params,
                                   .params_bytes = sizeof params,
                                   .stream = inside(s)};
  struct wr_error *error = wr_ops_record_parts(nodes, parts, 3, &record);
  wr_error_release(error);
  bool made = !error;
  for (int i = 0; i < 3; i++) {
    out[i] = error ? (mlx_array){0} : three_handle(nodes[i]);
    made = made && out[i].ctx;
  }
  if (made) return true;
  for (int i = 0; i < 3; i++) {
    mlx_array_free(out[i]);
    out[i].ctx = NULL;
  }
  return false;
}

static inline void three_free(mlx_array out[3]) {
  for (int i = 0; i < 3; i++) mlx_array_free(out[i]);
}

/* 1 - n/2, 2 - n/2, ..: sums to n/2 of even n. */
static inline mlx_array three_input(int n) {
  float *values = malloc((size_t)n * sizeof *values);
  CHECK(values != NULL);
  for (int i = 0; i < n; i++) values[i] = (float)(i + 1 - n / 2);
  mlx_array a = mlx_array_new_data(values, &n, 1, MLX_FLOAT32);
  free(values);
  return a;
}

/* Forces all and looks at each. */
static inline void three_expect(mlx_array out[3], int n) {
  double sum = 0;
  CHECK(mlx_array_item_float64(&sum, out[2]) == 0 && sum == n / 2.0);
  const float *twice = mlx_array_data_float32(out[0]);
  const bool *positive = mlx_array_data_bool(out[1]);
  CHECK(twice && positive);
  for (int i = 0; i < n; i++) {
    CHECK(twice[i] == 2 * (float)(i + 1 - n / 2) && positive[i] == (i + 1 > n / 2));
  }
}

#endif
