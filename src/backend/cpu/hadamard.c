/* The Hadamard transform of each row along the last axis, of float32 and float64: y = scale H x,
   where H is a matrix of order m (core/hadamard.h) by one of order 2^k. Rows are copied into the
   result and transformed there; they spread over the pool. Takes no locks, allocates nothing. */

#include "core/hadamard.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"

struct hadamard {
  int m;
  int64_t segment; /* 2^k elements */
  double scale;
  uint32_t rows[WR_HADAMARD_MOST];
  char *out;
  int64_t bytes; /* of a row */
  void (*row)(const struct hadamard *g, void *row);
};

#define T float
#define NAME(f) f32_##f
#include "backend/cpu/hadamard_rows.h"
#define T double
#define NAME(f) f64_##f
#include "backend/cpu/hadamard_rows.h"

static void hadamard_body(void *ctx, int64_t begin, int64_t end) {
  const struct hadamard *g = ctx;
  for (int64_t r = begin; r < end; r++) g->row(g, g->out + r * g->bytes);
}

struct wr_error *wr_cpu_hadamard(const struct wr_call *call) {
  const struct wr_hadamard_params *params = call->params;
  const struct wr_tensor *out = &call->out;
  const struct wr_call copy = {.op = WR_OP_COPY, .n_in = 1, .in = call->in, .out = *out};
  if (out->size == 0) return NULL;
  const int64_t n = out->shape[out->ndim - 1];
  struct hadamard g = {.m = wr_hadamard_factor(n), .scale = params->scale, .out = out->data};
  struct wr_error *error = wr_cpu_copy(&copy);
  if (error) return error;
  g.segment = n / g.m; /* NOLINT(*-core.DivideZero): the rule has refused others */
  g.bytes = n * (int64_t)wr_dtype_size(out->dtype);
  g.row = out->dtype == WR_FLOAT64 ? f64_row : f32_row;
  wr_hadamard_rows(g.m, g.rows);
  wr_spread(out->size / n, wr_cpu_grain(n), hadamard_body, &g);
  return NULL;
}
