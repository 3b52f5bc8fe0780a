#ifndef WR_TESTS_SUPPORT_KERNEL_CASE_H
#define WR_TESTS_SUPPORT_KERNEL_CASE_H

/* Calling one CPU kernel on host memory: tensors with strides over plain arrays, and checks that
   count failures instead of ending the program. A test's main returns kernel_case_failures() != 0.
 */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "core/shape.h"

static int kernel_case_count;

static inline int kernel_case_failures(void) { return kernel_case_count; }

static inline void kernel_case_expect(bool ok, const char *file, int line, const char *what) {
  if (ok) return;
  kernel_case_count++;
  fprintf(stderr, "%s:%d: expected %s\n", file, line, what);
}

#define EXPECT(cond) kernel_case_expect((cond), __FILE__, __LINE__, #cond)

/* A tensor that owns its extents and strides; `t` points into it, so it stays where it is. */
struct kernel_operand {
  int32_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM];
  struct wr_tensor t;
};

/* Row-major and dense. */
static inline struct wr_tensor *operand_dense(struct kernel_operand *o, void *data,
                                              enum wr_dtype dtype, int ndim, const int32_t *shape) {
  int64_t size = 1;
  for (int d = 0; d < ndim; d++) {
    o->shape[d] = shape[d];
    size *= shape[d];
  }
  wr_shape_row_strides(o->shape, ndim, o->strides);
  o->t = (struct wr_tensor){.data = data,
                            .shape = o->shape,
                            .strides = o->strides,
                            .size = size,
                            .dtype = dtype,
                            .ndim = ndim,
                            .dense = true};
  return &o->t;
}

static inline struct wr_tensor *operand_strided(struct kernel_operand *o, void *data,
                                                enum wr_dtype dtype, int ndim, const int32_t *shape,
                                                const int64_t *strides) {
  operand_dense(o, data, dtype, ndim, shape);
  for (int d = 0; d < ndim; d++) o->strides[d] = strides[d];
  o->t.dense = wr_shape_is_row_contiguous(o->shape, o->strides, ndim);
  return &o->t;
}

/* Runs the operation's CPU kernel; true when it succeeded. */
static inline bool kernel_run(enum wr_op op, const struct wr_tensor *in, int n_in,
                              const struct wr_tensor *out, const void *params) {
  struct wr_call call = {.op = op, .n_in = n_in, .in = in, .out = *out, .params = params};
  struct wr_error *error = NULL;
  (void)wr_backend_cpu.encode(NULL, &call, NULL, &error);
  if (error) fprintf(stderr, "kernel failed: %s\n", wr_error_message(error));
  wr_error_release(error);
  return error == NULL;
}

/* A small, reproducible generator of test values: 32 bits from a seed that it moves on. */
static inline uint32_t kernel_case_next(uint32_t *seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8 ^ *seed;
}

#define SHAPE(...) ((const int32_t[]){__VA_ARGS__})
#define STRIDES(...) ((const int64_t[]){__VA_ARGS__})

#endif
