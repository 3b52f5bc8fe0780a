/* The Hadamard transform along the last axis. No locks. */

#include "core/hadamard.h"

#include <math.h>

#include "ops/internal.h"

static struct wr_error *check_extent(int64_t n) {
  const int m = wr_hadamard_factor(n);
  if (m == 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Only supports n = m*2^k where m in (1, 12, 20, 28).");
  }
  if (n / m <= INT64_C(1) << 26) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Only supports n = m*2^k where k <= 26");
}

static struct wr_error *check(const struct wr_node *a) {
  const int ndim = wr_node_ndim(a);
  if (wr_node_size(a) == 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "[hadamard_transform] Does not support empty arrays.");
  }
  return check_extent(ndim > 0 ? wr_node_shape(a)[ndim - 1] : 1);
}

struct wr_error *wr_ops_hadamard(struct wr_node **out, struct wr_node *a, const float *scale,
                                 struct wr_stream *s) {
  const int ndim = wr_node_ndim(a);
  const int64_t n = ndim > 0 ? wr_node_shape(a)[ndim - 1] : 1;
  struct wr_error *error = check(a);
  if (error) return error;
  const enum wr_dtype t = wr_dtype_is_floating(wr_node_dtype(a)) ? wr_node_dtype(a) : WR_FLOAT32;
  struct wr_hadamard_params params = {.scale = scale ? (double)*scale : 1 / sqrt((double)n)};
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *x = wr_compose_astype(&c, a, t == WR_FLOAT64 ? t : WR_FLOAT32);
  if (ndim == 0) x = wr_compose_flatten(&c, x);
  x = wr_compose_alike(&c, WR_OP_HADAMARD, x, &params);
  x = wr_compose_astype(&c, x, t);
  if (!c.error && ndim == 0) {
    x = wr_compose_step(&c, wr_ops_reshape(wr_compose_slot(&c), x, NULL, 0, s));
  }
  return wr_compose_end(&c, out, x);
}

struct wr_error *wr_again_hadamard(struct wr_node **out, const struct wr_record *like) {
  struct wr_error *error = check(like->in[0]);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(like->stream);
  struct wr_node *x = wr_compose_alike(&c, like->op, like->in[0], like->params);
  return wr_compose_end(&c, out, x);
}
