/* Normal vectors with a covariance, with MLX's formula step by step, so that a key gives the
   numbers that it gives there. No locks. */

#include "ops/internal.h"

#define INVALID(...) wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, __VA_ARGS__)

static struct wr_error *check(const struct wr_node *mean, const struct wr_node *cov,
                              enum wr_dtype dtype) {
  const int mean_ndim = wr_node_ndim(mean), ndim = wr_node_ndim(cov);
  if (dtype != WR_FLOAT32) return INVALID("dtype must be float32, it is %s", wr_dtype_name(dtype));
  if (mean_ndim < 1) return INVALID("mean must have at least one dimension.");
  if (ndim < 2) return INVALID("cov must have at least two dimensions.");
  const int32_t *shape = wr_node_shape(cov);
  if (shape[ndim - 1] != shape[ndim - 2]) {
    return INVALID("last two dimensions of cov must be equal.");
  }
  if (shape[ndim - 1] == wr_node_shape(mean)[mean_ndim - 1]) return NULL;
  return INVALID("mean and cov must have compatible shapes.");
}

/* What is drawn: the shape given with the batches of both, then a vector. */
static struct wr_error *drawn_shape(const struct wr_node *mean, const struct wr_node *cov,
                                    const int32_t *shape, int n, int32_t *out, int *ndim) {
  int32_t batch[WR_MAX_NDIM];
  int batches;
  const int mean_ndim = wr_node_ndim(mean);
  if (!wr_shape_broadcast(wr_node_shape(cov), wr_node_ndim(cov) - 2, wr_node_shape(mean),
                          mean_ndim - 1, batch, &batches)) {
    return wr_ops_broadcast_error(wr_node_shape(cov), wr_node_ndim(cov) - 2, wr_node_shape(mean),
                                  mean_ndim - 1, "the batches of cov and mean");
  }
  if (!wr_shape_broadcast(batch, batches, shape, n, out, ndim)) {
    return wr_ops_broadcast_error(batch, batches, shape, n, "the batches and shape");
  }
  if (*ndim == WR_MAX_NDIM) return INVALID("shape has too many dimensions for vectors");
  out[(*ndim)++] = wr_node_shape(mean)[mean_ndim - 1];
  return NULL;
}

/* A root of the covariance: U sqrt(S) Vt. */
static struct wr_node *root_of(struct wr_compose *c, struct wr_node *cov) {
  struct wr_node *parts[3], *x = wr_compose_astype(c, cov, WR_FLOAT32);
  if (c->error) return NULL;
  c->error = wr_ops_svd(parts, x, true, c->stream);
  if (c->error) return NULL;
  struct wr_node *scale =
      wr_compose_expand(c, wr_compose_unary(c, WR_OP_SQRT, parts[1]), wr_node_ndim(cov) - 2);
  x = wr_compose_binary(c, WR_OP_MULTIPLY, parts[0], scale);
  x = wr_compose_matmul(c, x, parts[2]);
  for (int i = 0; i < 3; i++) wr_node_release(parts[i]);
  return x;
}

struct wr_error *wr_ops_random_multivariate_normal(struct wr_node **out, struct wr_node *mean,
                                                   struct wr_node *cov, const int32_t *shape, int n,
                                                   enum wr_dtype dtype, struct wr_node *key,
                                                   struct wr_stream *s) {
  int32_t drawn[WR_MAX_NDIM];
  int ndim;
  struct wr_error *error = check(mean, cov, dtype);
  if (!error) error = wr_ops_check_shape("shape", shape, n);
  if (!error) error = drawn_shape(mean, cov, shape, n, drawn, &ndim);
  if (error) return error;
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *root = root_of(&c, cov), *x = NULL;
  if (!c.error) {
    x = wr_compose_step(
        &c, wr_ops_random_normal(wr_compose_slot(&c), drawn, ndim, WR_FLOAT32, 0, 1, key, s));
  }
  /* Many covariances take a vector each; one takes all of them. */
  const bool many = wr_node_ndim(cov) > 2;
  if (many && !c.error) x = wr_compose_expand(&c, x, ndim - 1);
  x = wr_compose_matmul(&c, x, root);
  if (many) x = wr_compose_reshape(&c, x, ndim, drawn);
  return wr_compose_end(&c, out, wr_compose_binary(&c, WR_OP_ADD, mean, x));
}
