#ifndef WR_TESTS_SUPPORT_OPS_CASE_H
#define WR_TESTS_SUPPORT_OPS_CASE_H

/* Calling operations below the API: making nodes, reading their values, looking at errors. Failures
   are counted; a test's main returns ops_case_failures() != 0. Nodes are released by the test. */

#include <stdio.h>
#include <string.h>

#include "ops/ops.h"
#include "stream/stream.h"

static int ops_case_count;

static inline int ops_case_failures(void) { return ops_case_count; }

static inline bool ops_case_expect(bool ok, const char *file, int line, const char *what) {
  if (ok) return true;
  ops_case_count++;
  fprintf(stderr, "%s:%d: expected %s\n", file, line, what);
  return false;
}

#define EXPECT(cond) ops_case_expect((cond), __FILE__, __LINE__, #cond)

/* The stream of all cases. */
static inline struct wr_stream *ops_stream(void) {
  struct wr_stream *s = NULL;
  if (wr_stream_default((struct wr_device){WR_DEVICE_CPU, 0}, &s)) fprintf(stderr, "no stream\n");
  return s;
}

/* 0, 1, 2, .. as float32 of the shape. */
static inline struct wr_node *ops_counting(int ndim, const int32_t *shape) {
  float values[512];
  struct wr_node *node = NULL;
  for (int i = 0; i < 512; i++) values[i] = (float)i;
  EXPECT(wr_node_from_data(&node, values, ndim, shape, WR_FLOAT32) == NULL);
  return node;
}

/* Any dtype, all bytes 0. */
static inline struct wr_node *ops_zeros(int ndim, const int32_t *shape, enum wr_dtype dtype) {
  static const char zeros[4096];
  struct wr_node *node = NULL;
  EXPECT(wr_node_from_data(&node, zeros, ndim, shape, dtype) == NULL);
  return node;
}

static inline bool ops_has_shape(const struct wr_node *a, int ndim, const int32_t *shape) {
  return wr_shape_equal(wr_node_shape(a), wr_node_ndim(a), shape, ndim);
}

/* True when the float32 values of a, in row-major order, are these. Forces a. */
static inline bool ops_has_values(struct wr_node *a, int n, const float *values) {
  struct wr_node *dense = NULL;
  const void *data = NULL;
  if (wr_node_size(a) != n || wr_node_dtype(a) != WR_FLOAT32) return false;
  if (wr_ops_contiguous(&dense, a, false, ops_stream())) return false;
  bool same = wr_node_host_data(dense, &data) == NULL &&
              (n == 0 || memcmp(data, values, (size_t)n * sizeof *values) == 0);
  wr_node_release(dense);
  return same;
}

/* True when the call failed with a message that has the word; takes the error. */
static inline bool ops_fails(struct wr_error *error, const char *word) {
  if (!error) return false;
  bool ok = wr_error_status(error) == WEIR_ERROR_INVALID_ARGUMENT &&
            strstr(wr_error_message(error), word) != NULL;
  if (!ok) fprintf(stderr, "message: %s\n", wr_error_message(error));
  wr_error_release(error);
  return ok;
}

#define SHAPE(...) ((const int32_t[]){__VA_ARGS__})
#define AXES(...) ((const int[]){__VA_ARGS__})
#define VALUES(...) ((const float[]){__VA_ARGS__})

#endif
