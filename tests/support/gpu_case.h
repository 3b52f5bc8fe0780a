#ifndef WR_TESTS_SUPPORT_GPU_CASE_H
#define WR_TESTS_SUPPORT_GPU_CASE_H

/* One operation on the GPU against the same on the CPU: arrays of any dtype with odd values among
   them, views of them, and a comparison that knows how far results may lie apart. Failures are
   counted; a test's main returns gpu_case_end(). Without a GPU the test is skipped and says so. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "core/half.h"
#include "graph/node.h"
#include "stream/stream.h"

enum { GPU_CASE_SKIPPED = 77, GPU_CASE_SHOWN = 20 };

static struct wr_stream *gpu_case_gpu, *gpu_case_cpu;
static int gpu_case_checks, gpu_case_failed;

static inline bool gpu_case_start(void) {
  const struct wr_backend *backend = wr_backend_for(WR_DEVICE_GPU);
  if (backend->device_count() == 0) {
    printf("skipped: %s\n", backend->absent_reason());
    return false;
  }
  struct wr_error *error = wr_stream_default((struct wr_device){WR_DEVICE_CPU, 0}, &gpu_case_cpu);
  if (!error) error = wr_stream_default((struct wr_device){WR_DEVICE_GPU, 0}, &gpu_case_gpu);
  if (error) {
    fprintf(stderr, "no stream: %s\n", wr_error_message(error));
    exit(1);
  }
  return true;
}

static inline int gpu_case_end(void) {
  printf("%d checks, %d failed\n", gpu_case_checks, gpu_case_failed);
  return gpu_case_failed != 0;
}

static inline void gpu_case_fail(const char *what, const char *why) {
  if (gpu_case_failed++ < GPU_CASE_SHOWN) fprintf(stderr, "%s: %s\n", what, why);
}

/* ---- values ---- */

static inline uint32_t gpu_case_next(uint32_t *seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8 ^ *seed;
}

/* Multiples of 1/8 from -4 to 4, and with `odd` the values at which functions go wrong. */
static inline double gpu_case_real(uint32_t *seed, bool odd) {
  static const double values[] = {0.0, -0.0, 1.0, -1.0, 0.5, 1e-3, 30.0, -30.0, 1e30, -1e30};
  uint32_t r = gpu_case_next(seed);
  if (!odd || r % 4) return (double)((int)(r / 4 % 65) - 32) / 8.0;
  r = r / 4 % 13;
  if (r < 10) return values[r];
  return r == 10 ? (double)INFINITY : r == 11 ? -(double)INFINITY : (double)NAN;
}

static inline void gpu_case_put(void *data, int64_t i, enum wr_dtype t, uint32_t *seed, bool odd) {
  uint32_t r = gpu_case_next(seed);
  uint64_t bits = odd && r % 4 == 0
                      ? (uint64_t)gpu_case_next(seed) << 32 | gpu_case_next(seed)
                      : (uint64_t)((int64_t)(r / 4 % 17) - (wr_dtype_is_unsigned(t) ? 0 : 8));
  switch (t) {
    case WR_BOOL:
      ((uint8_t *)data)[i] = r / 8 % 2;
      break;
    case WR_FLOAT16:
      ((uint16_t *)data)[i] = wr_f32_to_f16((float)gpu_case_real(seed, odd));
      break;
    case WR_BFLOAT16:
      ((uint16_t *)data)[i] = wr_f32_to_bf16((float)gpu_case_real(seed, odd));
      break;
    case WR_FLOAT32:
      ((float *)data)[i] = (float)gpu_case_real(seed, odd);
      break;
    case WR_FLOAT64:
      ((double *)data)[i] = gpu_case_real(seed, odd);
      break;
    case WR_COMPLEX64:
      ((wr_complex64 *)data)[i] =
          (wr_complex64){(float)gpu_case_real(seed, false), (float)gpu_case_real(seed, false)};
      break;
    default:
      memcpy((char *)data + i * (int64_t)wr_dtype_size(t), &bits, wr_dtype_size(t));
      break;
  }
}

/* A dense array on the host. */
static inline struct wr_node *gpu_case_array(enum wr_dtype t, int ndim, const int32_t *shape,
                                             uint32_t seed, bool odd) {
  int64_t size;
  struct wr_node *node = NULL;
  wr_shape_size(shape, ndim, &size);
  void *data = malloc((size_t)size * wr_dtype_size(t) + 8);
  for (int64_t i = 0; i < size; i++) gpu_case_put(data, i, t, &seed, odd);
  struct wr_error *error = wr_node_from_data(&node, data, ndim, shape, t);
  free(data);
  if (error) exit(1);
  return node;
}

/* A view with these strides, from element `offset` on; takes the array's reference. */
static inline struct wr_node *gpu_case_view(struct wr_node *taken, int ndim, const int32_t *shape,
                                            const int64_t *strides, int64_t offset) {
  struct wr_node *view = NULL;
  const struct wr_record record = {.op = WR_OP_SLICE,
                                   .dtype = wr_node_dtype(taken),
                                   .ndim = ndim,
                                   .shape = shape,
                                   .n_in = 1,
                                   .in = &taken,
                                   .stream = gpu_case_cpu};
  struct wr_error *error = wr_node_view(&view, &record, strides, offset);
  if (!error) error = wr_node_force(view);
  if (error) exit(1);
  wr_node_release(taken);
  return view;
}

/* How an operand lies in memory. */
enum gpu_case_form {
  GPU_DENSE,
  GPU_LARGE,
  GPU_TURNED,
  GPU_STEPPED,
  GPU_BACKWARD,
  GPU_BROADCAST,
  GPU_SCALAR,
  GPU_EMPTY,
  GPU_FORMS
};

/* An array of the form: 2 axes, or none, or an empty one. */
static inline struct wr_node *gpu_case_form_array(enum gpu_case_form form, enum wr_dtype t,
                                                  uint32_t seed, bool odd) {
  const int32_t small[] = {17, 23}, large[] = {65, 1031}, empty[] = {0, 5};
  struct wr_node *base;
  switch (form) {
    case GPU_LARGE:
      return gpu_case_array(t, 2, large, seed, odd);
    case GPU_SCALAR:
      return gpu_case_array(t, 0, NULL, seed, odd);
    case GPU_EMPTY:
      return gpu_case_array(t, 2, empty, seed, odd);
    case GPU_TURNED:
      base = gpu_case_array(t, 2, (const int32_t[]){23, 17}, seed, odd);
      return gpu_case_view(base, 2, small, (const int64_t[]){1, 17}, 0);
    case GPU_STEPPED:
      base = gpu_case_array(t, 2, (const int32_t[]){40, 50}, seed, odd);
      return gpu_case_view(base, 2, small, (const int64_t[]){100, 2}, 51);
    case GPU_BACKWARD:
      base = gpu_case_array(t, 2, small, seed, odd);
      return gpu_case_view(base, 2, small, (const int64_t[]){-23, -1}, 17 * 23 - 1);
    case GPU_BROADCAST:
      base = gpu_case_array(t, 1, (const int32_t[]){23}, seed, odd);
      return gpu_case_view(base, 2, small, (const int64_t[]){0, 1}, 0);
    default:
      return gpu_case_array(t, 2, small, seed, odd);
  }
}

/* ---- comparing ---- */

/* How far a result of the type may lie from the CPU's, relative to its size. */
static inline double gpu_case_tolerance(enum wr_dtype t) {
  switch (t) {
    case WR_FLOAT16:
      return 2e-3;
    case WR_BFLOAT16:
      return 1.6e-2;
    case WR_FLOAT64:
      return 1e-12;
    default:
      return 3e-6;
  }
}

static inline bool gpu_case_close(double x, double y, double tolerance) {
  if (isnan(x) || isnan(y)) return isnan(x) && isnan(y);
  if (isinf(x) || isinf(y)) return x == y;
  return fabs(x - y) <= tolerance * (1.0 + fabs(y));
}

static inline double gpu_case_value(const void *data, int64_t i, enum wr_dtype t) {
  switch (t) {
    case WR_FLOAT16:
      return (double)wr_f16_to_f32(((const uint16_t *)data)[i]);
    case WR_BFLOAT16:
      return (double)wr_bf16_to_f32(((const uint16_t *)data)[i]);
    case WR_FLOAT64:
      return ((const double *)data)[i];
    default:
      return (double)((const float *)data)[i];
  }
}

static inline bool gpu_case_same(const void *x, const void *y, int64_t i, enum wr_dtype t,
                                 double tolerance) {
  const size_t item = wr_dtype_size(t);
  if (t == WR_COMPLEX64) {
    return gpu_case_same(x, y, 2 * i, WR_FLOAT32, tolerance) &&
           gpu_case_same(x, y, 2 * i + 1, WR_FLOAT32, tolerance);
  }
  if (!wr_dtype_is_floating(t)) {
    return memcmp((const char *)x + i * (int64_t)item, (const char *)y + i * (int64_t)item, item) ==
           0;
  }
  return gpu_case_close(gpu_case_value(x, i, t), gpu_case_value(y, i, t), tolerance);
}

static inline void gpu_case_show(char *out, size_t n, const void *data, int64_t i,
                                 enum wr_dtype t) {
  uint64_t bits = 0;
  memcpy(&bits, (const char *)data + i * (int64_t)wr_dtype_size(t), wr_dtype_size(t));
  if (wr_dtype_is_floating(t)) {
    snprintf(out, n, "%.9g", gpu_case_value(data, i, t));
  } else {
    snprintf(out, n, "0x%llx", (unsigned long long)bits);
  }
}

/* Both results, dense, element by element. Takes the references. */
static inline void gpu_case_compare(struct wr_node *on_gpu, struct wr_node *on_cpu,
                                    double tolerance, const char *what) {
  const void *x = NULL, *y = NULL;
  struct wr_error *error = wr_node_host_data(on_cpu, &y);
  if (!error) error = wr_node_host_data(on_gpu, &x);
  gpu_case_checks++;
  if (error) {
    gpu_case_fail(what, wr_error_message(error));
    wr_error_release(error);
  } else {
    enum wr_dtype t = wr_node_dtype(on_cpu);
    for (int64_t i = 0; i < wr_node_size(on_cpu); i++) {
      if (gpu_case_same(x, y, i, t, tolerance)) continue;
      char got[40], wanted[40], why[128];
      gpu_case_show(got, sizeof got, x, i, t);
      gpu_case_show(wanted, sizeof wanted, y, i, t);
      snprintf(why, sizeof why, "element %lld is %s, not %s", (long long)i, got, wanted);
      gpu_case_fail(what, why);
      break;
    }
  }
  wr_node_release(on_gpu);
  wr_node_release(on_cpu);
}

/* ---- one operation on both ---- */

struct gpu_case {
  enum wr_op op;
  enum wr_dtype dtype; /* of the result */
  int ndim;
  const int32_t *shape;
  int n_in;
  struct wr_node *const *in;
  const void *params;
  size_t params_bytes;
  double tolerance; /* 0: the dtype's */
};

static inline void gpu_case_run(const struct gpu_case *c, const char *what) {
  struct wr_record record = {.op = c->op,
                             .dtype = c->dtype,
                             .ndim = c->ndim,
                             .shape = c->shape,
                             .n_in = c->n_in,
                             .in = c->in,
                             .params = c->params,
                             .params_bytes = c->params_bytes,
                             .stream = gpu_case_gpu};
  struct wr_node *on_gpu = NULL, *on_cpu = NULL;
  struct wr_error *error = wr_node_record(&on_gpu, &record);
  record.stream = gpu_case_cpu;
  if (!error) error = wr_node_record(&on_cpu, &record);
  if (error) {
    gpu_case_fail(what, wr_error_message(error));
    wr_error_release(error);
    return;
  }
  double tolerance = c->tolerance > 0 ? c->tolerance : gpu_case_tolerance(c->dtype);
  gpu_case_compare(on_gpu, on_cpu, tolerance, what);
}

#endif
