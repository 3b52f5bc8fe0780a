/* Attention: a command of its own where the device has a kernel, else composed: all scores are
   made, in float32, of float64 in float64, and query heads that read one head of keys become more
   rows of one product. No locks. */

#include <float.h>
#include <string.h>

#include "backend/backend.h"
#include "graph/trace.h"
#include "ops/internal.h"
#include "stream/stream.h"

struct attention {
  struct wr_node *queries, *keys, *values;
  float scale;
  const char *mask_mode;
  struct wr_node *mask;  /* NULL: none */
  struct wr_node *sinks; /* NULL: none */
  int32_t precision;     /* enum wr_precision */
};

/* The extents (B, H, L, D) of queries, K heads and M keys, and E of values. */
struct extents {
  int32_t b, h, l, d, k, m, e;
};

static struct wr_error *check_ranks(const struct attention *a) {
  struct wr_node *const all[3] = {a->queries, a->keys, a->values};
  for (int i = 0; i < 3; i++) {
    if (wr_node_ndim(all[i]) == 4) continue;
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "input with shape %s expected to be rank 4",
                        wr_ops_shape_text(all[i]).s);
  }
  return NULL;
}

/* The first message is MLX's to the letter. */
static struct wr_error *check_mode(const struct attention *a) {
  const bool causal = strcmp(a->mask_mode, "causal") == 0;
  if (!causal && strcmp(a->mask_mode, "array") != 0 && a->mask_mode[0]) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Invalid mask_mode %s. mask_mode must be 'causal', 'array' or ''.",
                        a->mask_mode);
  }
  if (causal && a->mask) {
    return wr_error_new(
        WEIR_ERROR_INVALID_ARGUMENT,
        "Invalid mask_arr for mask_mode 'casusal'. No array mask should be passed.");
  }
  if (!a->mask || wr_node_ndim(a->mask) <= 4) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "the mask with shape %s expected to have at most rank 4.",
                      wr_ops_shape_text(a->mask).s);
}

static struct wr_error *check_heads(const struct extents *x, int32_t value_heads) {
  if (x->k != value_heads) {
    return wr_error_new(
        WEIR_ERROR_INVALID_ARGUMENT,
        "keys, values expected to have matching n_kv_heads; found keys with n_heads %d for values "
        "with n_heads %d.",
        x->k, value_heads);
  }
  if (x->k > 0 ? x->h % x->k == 0 : x->h == 0) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "n_heads must be a multiple of n_kv_heads, found n_heads %d for n_kv_heads "
                      "%d.",
                      x->h, x->k);
}

static struct wr_error *extents_of(struct extents *x, const struct attention *a) {
  const int32_t *q = wr_node_shape(a->queries), *k = wr_node_shape(a->keys);
  const int32_t *v = wr_node_shape(a->values);
  *x =
      (struct extents){.b = q[0], .h = q[1], .l = q[2], .d = q[3], .k = k[1], .m = k[2], .e = v[3]};
  if (k[0] != x->b || v[0] != x->b) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "mismatching batch dimension for input with shape %s.",
                        wr_ops_shape_text(k[0] != x->b ? a->keys : a->values).s);
  }
  if (k[3] != x->d) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "query, keys expected to have matching last dimension; found query shape "
                        "%s for keys shape %s.",
                        wr_ops_shape_text(a->queries).s, wr_ops_shape_text(a->keys).s);
  }
  struct wr_error *error = check_heads(x, v[1]);
  if (error || v[2] == x->m) return error;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "keys with shape %s and values with shape %s are not of one length.",
                      wr_ops_shape_text(a->keys).s, wr_ops_shape_text(a->values).s);
}

static struct wr_error *check_types(const struct attention *a, enum wr_dtype t) {
  if (!wr_dtype_is_floating(t)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Received unsupported type %s.",
                        wr_dtype_name(t));
  }
  if (a->mask && wr_dtype_promote(wr_node_dtype(a->mask), t) != t) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Mask type must promote to output type %s.",
                        wr_dtype_name(t));
  }
  if (a->sinks && wr_dtype_promote(wr_node_dtype(a->sinks), t) != t) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Type of sinks must promote to output type %s.", wr_dtype_name(t));
  }
  return NULL;
}

static struct wr_error *check_shapes(const struct attention *a, const struct extents *x) {
  const int32_t scores[4] = {x->b, x->h, x->l, x->m};
  if (a->mask &&
      !wr_shape_broadcasts_to(wr_node_shape(a->mask), wr_node_ndim(a->mask), scores, 4)) {
    return wr_ops_broadcast_to_error(a->mask, scores, 4, "mask_arr and the scores");
  }
  if (!a->sinks || (wr_node_ndim(a->sinks) == 1 && wr_node_shape(a->sinks)[0] == x->h)) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Received invalid shape for sinks %s.",
                      wr_ops_shape_text(a->sinks).s);
}

/* Which keys a causal query sees, (L, M). */
static struct wr_node *causal_mask(struct wr_compose *c, const struct extents *x) {
  struct wr_node *rows = wr_compose_count(c, (double)x->m - x->l, x->m, WR_INT64);
  struct wr_node *columns = wr_compose_count(c, 0, x->m, WR_INT64);
  return wr_compose_binary(c, WR_OP_GREATER_EQUAL, wr_compose_expand(c, rows, 1), columns);
}

static struct wr_node *masked(struct wr_compose *c, struct wr_node *scores, struct wr_node *mask,
                              enum wr_dtype t) {
  if (c->error || !mask) return scores;
  if (wr_node_dtype(mask) != WR_BOOL) {
    return wr_compose_binary(c, WR_OP_ADD, scores, wr_compose_astype(c, mask, t));
  }
  struct wr_node *least = wr_compose_scalar(c, t == WR_FLOAT64 ? -DBL_MAX : -(double)FLT_MAX, t);
  return wr_compose_where(c, mask, scores, least);
}

static struct wr_node *softmax(struct wr_compose *c, struct wr_node *scores) {
  if (c->error) return NULL;
  const int last = -1;
  return wr_compose_step(c, wr_ops_softmax(wr_compose_slot(c), scores, &last, 1, true, c->stream));
}

/* Weights of the keys, the sinks' share left out. */
static struct wr_node *weights(struct wr_compose *c, struct wr_node *scores, struct wr_node *sinks,
                               const struct extents *x, enum wr_dtype t) {
  if (!sinks) return softmax(c, scores);
  const int32_t column[3] = {x->h, 1, 1}, all[4] = {x->b, x->h, x->l, 1};
  struct wr_node *first = wr_compose_reshape(c, wr_compose_astype(c, sinks, t), 3, column);
  struct wr_node *both[2] = {wr_compose_broadcast(c, first, 4, all), scores};
  struct wr_node *p = softmax(c, wr_compose_join(c, both, 2, 3));
  return wr_compose_slice_axis(c, p, 3, 1, x->m + 1);
}

static struct wr_error *compose(struct wr_node **out, const struct attention *a,
                                const struct extents *x, enum wr_dtype t, struct wr_stream *s) {
  const enum wr_dtype wide = t == WR_FLOAT64 ? t : WR_FLOAT32;
  const int64_t count = x->k > 0 ? (int64_t)(x->h / x->k) * x->l : 0;
  if (count > INT32_MAX) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "queries with shape %s have more rows for a head of keys than an extent "
                        "counts.",
                        wr_ops_shape_text(a->queries).s);
  }
  const int32_t rows = (int32_t)count;
  const int32_t tall[4] = {x->b, x->k, rows, x->d}, scores[4] = {x->b, x->h, x->l, x->m};
  const int32_t part[4] = {x->b, x->k, rows, x->m}, result[4] = {x->b, x->h, x->l, x->e};
  const int turned[4] = {0, 1, 3, 2};
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *scale = wr_compose_scalar(&c, (double)a->scale, wide);
  struct wr_node *q = wr_compose_astype(&c, a->queries, wide);
  q = wr_compose_reshape(&c, wr_compose_binary(&c, WR_OP_MULTIPLY, q, scale), 4, tall);
  struct wr_node *k = wr_compose_transpose(&c, wr_compose_astype(&c, a->keys, wide), turned);
  struct wr_node *p = wr_compose_reshape(&c, wr_compose_matmul(&c, q, k), 4, scores);
  struct wr_node *mask = a->mask_mode[0] == 'c' ? causal_mask(&c, x) : a->mask;
  p = weights(&c, masked(&c, p, mask, wide), a->sinks, x, wide);
  struct wr_node *r = wr_compose_matmul(&c, wr_compose_reshape(&c, p, 4, part),
                                        wr_compose_astype(&c, a->values, wide));
  r = wr_compose_astype(&c, wr_compose_reshape(&c, r, 4, result), t);
  return wr_compose_end(&c, out, r);
}

static struct wr_error *record(struct wr_node **out, const struct attention *a,
                               const struct extents *x, enum wr_dtype t, struct wr_stream *s) {
  const struct wr_attention_params params = {.scale = a->scale,
                                             .causal = a->mask_mode[0] == 'c',
                                             .has_mask = a->mask != NULL,
                                             .has_sinks = a->sinks != NULL,
                                             .precision = a->precision};
  const int32_t scores[4] = {x->b, x->h, x->l, x->m}, shape[4] = {x->b, x->h, x->l, x->e};
  struct wr_compose c = wr_compose_begin(s);
  struct wr_node *in[5] = {wr_compose_astype(&c, a->queries, t), wr_compose_astype(&c, a->keys, t),
                           wr_compose_astype(&c, a->values, t)};
  int n = 3;
  if (a->mask) in[n++] = wr_compose_broadcast(&c, a->mask, 4, scores);
  if (a->sinks) in[n++] = a->sinks;
  struct wr_record command = wr_ops_command(WR_OP_ATTENTION, in, n, &params, s);
  command.dtype = t;
  command.ndim = 4;
  command.shape = shape;
  return wr_compose_end(&c, out, wr_compose_record(&c, &command));
}

/* GPUs have one for rows that their registers hold. While it may be
   differentiated it is composed, since the steps are what has derivatives; and in a file for CPUs,
   on which MLX has no kernel. */
static bool has_kernel(const struct extents *x, enum wr_dtype t, const struct wr_stream *s) {
  const bool on_gpu = wr_stream_backend(s)->type != WR_DEVICE_CPU;
  if (!on_gpu && wr_trace_stores()) return false;
  if (on_gpu && (x->d > 128 || x->e > 128)) return false;
  const bool whole = x->b > 0 && x->h > 0 && x->l > 0 && x->d > 0 && x->m > 0 && x->e > 0;
  return whole && !wr_trace_derives() && wr_stream_backend(s)->supports(WR_OP_ATTENTION, t);
}

static struct wr_error *attend(struct wr_node **out, const struct attention *a,
                               struct wr_stream *s) {
  struct extents x;
  enum wr_dtype t = wr_dtype_promote(wr_node_dtype(a->queries), wr_node_dtype(a->keys));
  t = wr_dtype_promote(t, wr_node_dtype(a->values));
  struct wr_error *error = check_ranks(a);
  if (!error) error = check_mode(a);
  if (!error) error = extents_of(&x, a);
  if (!error) error = check_types(a, t);
  if (!error) error = check_shapes(a, &x);
  if (error) return error;
  return (has_kernel(&x, t, s) ? record : compose)(out, a, &x, t, s);
}

struct wr_error *wr_ops_attention(struct wr_node **out, struct wr_node *queries,
                                  struct wr_node *keys, struct wr_node *values, float scale,
                                  const char *mask_mode, struct wr_node *mask_arr,
                                  struct wr_node *sinks, struct wr_stream *s) {
  const struct attention a = {.queries = queries,
                              .keys = keys,
                              .values = values,
                              .scale = scale,
                              .mask_mode = mask_mode,
                              .mask = mask_arr,
                              .sinks = sinks,
                              .precision = (int32_t)wr_ops_precision()};
  return attend(out, &a, s);
}

struct wr_error *wr_again_attention(struct wr_node **out, const struct wr_record *like) {
  const struct wr_attention_params *p = like->params;
  struct wr_node *const *in = like->in;
  const struct attention a = {.queries = in[0],
                              .keys = in[1],
                              .values = in[2],
                              .scale = p->scale,
                              .mask_mode = p->causal     ? "causal"
                                           : p->has_mask ? "array"
                                                         : "",
                              .mask = p->has_mask ? in[3] : NULL,
                              .sinks = p->has_sinks ? in[like->n_in - 1] : NULL,
                              .precision = p->precision};
  return attend(out, &a, like->stream);
}
