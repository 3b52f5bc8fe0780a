/* What is read from a file of functions, as mlxfn_run.c has it: quantised matrices, linear algebra,
   what models are made of, and kernels of the user's. What has no operation here is composed. No
   locks. */

#include <string.h>

#include "core/quantized.h"
#include "io/mlxfn_call.h"
#include "ops/kernel.h"
#include "ops/ops.h"
#include "ops/steps.h"

static const char *mode_of(const struct wr_fn_call *f, int i) {
  static const char *const modes[] = {"affine", "mxfp4", "mxfp8", "nvfp4"};
  const int64_t mode = wr_fn_arg(f, i);
  return mode >= 0 && mode < 4 ? modes[mode] : "none";
}

/* With room for as many results as there may be; the file says how many there are. */
static struct wr_error *several(struct wr_fn_call *f, struct wr_error *error, struct wr_node **made,
                                int n) {
  if (error) return error;
  for (int i = 0; i < n; i++) {
    if ((uint32_t)i < f->e->n_out) {
      f->out[i] = made[i];
    } else {
      wr_node_release(made[i]);
    }
  }
  return (uint32_t)n == f->e->n_out ? NULL : wr_fn_wrong(f, "another number of results");
}

struct wr_error *wr_fn_quantize(struct wr_fn_call *f) {
  const int group = wr_fn_arg_int(f, 0), bits = wr_fn_arg_int(f, 1);
  const struct wr_ops_how how = {&group, &bits, mode_of(f, 2)};
  const bool affine = wr_fn_arg(f, 2) == 0;
  if (wr_fn_arg_flag(f, 3)) {
    if (f->n < 2) return wr_fn_wrong(f, "scales are missing");
    struct wr_node *biases = affine && f->n > 2 ? f->in[2] : NULL;
    struct wr_node *all = !affine && f->n > 2 ? f->in[2] : NULL;
    return wr_ops_dequantize(f->out, f->in[0], f->in[1], biases, &how, all, &f->result->dtype,
                             f->s);
  }
  struct wr_node *parts[3];
  int n = 0;
  struct wr_error *error =
      wr_ops_quantize(parts, &n, f->in[0], &how, f->n > 1 ? f->in[1] : NULL, f->s);
  return several(f, error, parts, n);
}

struct wr_error *wr_fn_quantized_matmul(struct wr_fn_call *f) {
  const int group = wr_fn_arg_int(f, 0), bits = wr_fn_arg_int(f, 1);
  return wr_ops_quantized_matmul(f->out, f->in[0], f->in[1], f->in[2], f->n > 3 ? f->in[3] : NULL,
                                 wr_fn_arg_flag(f, 3), &group, &bits, mode_of(f, 2), f->s);
}

struct wr_error *wr_fn_gather_qmm(struct wr_fn_call *f) {
  const int group = wr_fn_arg_int(f, 0), bits = wr_fn_arg_int(f, 1), at = f->n - 2;
  return wr_ops_gather_qmm(f->out, f->in[0], f->in[1], f->in[2], at > 3 ? f->in[3] : NULL,
                           f->in[at], f->in[at + 1], wr_fn_arg_flag(f, 3), &group, &bits,
                           mode_of(f, 2), wr_fn_arg_flag(f, 4) || wr_fn_arg_flag(f, 5), f->s);
}

/* ---- linear algebra ---- */

struct wr_error *wr_fn_qr(struct wr_fn_call *f) {
  struct wr_node *made[3];
  return several(f, wr_ops_qr(made, f->in[0], f->s), made, 2);
}
struct wr_error *wr_fn_svd(struct wr_fn_call *f) {
  struct wr_node *made[3];
  return several(f, wr_ops_svd(made, f->in[0], wr_fn_arg_flag(f, 0), f->s), made,
                 wr_fn_arg_flag(f, 0) ? 3 : 1);
}
struct wr_error *wr_fn_eig(struct wr_fn_call *f) {
  struct wr_node *made[3];
  return several(f, wr_ops_eig(made, f->in[0], wr_fn_arg_flag(f, 0), f->s), made,
                 wr_fn_arg_flag(f, 0) ? 2 : 1);
}
struct wr_error *wr_fn_eigh(struct wr_fn_call *f) {
  struct wr_node *made[3];
  struct wr_error *error =
      wr_ops_eigh(made, f->in[0], f->e->field[0].text, wr_fn_arg_flag(f, 1), f->s);
  return several(f, error, made, wr_fn_arg_flag(f, 1) ? 2 : 1);
}
struct wr_error *wr_fn_cholesky(struct wr_fn_call *f) {
  return wr_ops_cholesky(f->out, f->in[0], wr_fn_arg_flag(f, 0), f->s);
}
struct wr_error *wr_fn_inverse(struct wr_fn_call *f) {
  return wr_fn_arg_flag(f, 0) ? wr_ops_tri_inv(f->out, f->in[0], wr_fn_arg_flag(f, 1), f->s)
                              : wr_ops_inv(f->out, f->in[0], f->s);
}

/* LU factors, which Weir alone stores. */
struct wr_error *wr_fn_lu(struct wr_fn_call *f) {
  struct wr_node *made[3];
  return several(f, wr_ops_lu(made, f->in[0], f->s), made, 3);
}
struct wr_error *wr_fn_lu_factor(struct wr_fn_call *f) {
  struct wr_node *made[3];
  return several(f, wr_ops_lu_factor(made, f->in[0], f->s), made, 2);
}

/* ---- what models are made of ---- */

/* A weight or bias that was not given is a number in MLX's files. */
static struct wr_node *given(struct wr_node *factor) {
  return wr_node_ndim(factor) > 0 ? factor : NULL;
}

struct wr_error *wr_fn_rms_norm(struct wr_fn_call *f) {
  return wr_ops_rms_norm(f->out, f->in[0], given(f->in[1]), wr_fn_arg_real(f, 0), f->s);
}
struct wr_error *wr_fn_layer_norm(struct wr_fn_call *f) {
  return wr_ops_layer_norm(f->out, f->in[0], given(f->in[1]), given(f->in[2]), wr_fn_arg_real(f, 0),
                           f->s);
}
struct wr_error *wr_fn_rope(struct wr_fn_call *f) {
  const float base = wr_fn_arg_real(f, 2);
  const float turn =
      wr_fn_arg_flag(f, 4) ? 1.0f : -1.0f; /* what it turns its derivative turns back */
  return wr_ops_rope_dynamic(f->out, f->in[0], wr_fn_arg_int(f, 0), wr_fn_arg_flag(f, 1),
                             f->n > 2 ? NULL : &base, turn * wr_fn_arg_real(f, 3), f->in[1],
                             f->n > 2 ? f->in[2] : NULL, f->s);
}
struct wr_error *wr_fn_attention(struct wr_fn_call *f) {
  const bool causal = wr_fn_arg_flag(f, 1), sinks = wr_fn_arg_flag(f, 2);
  const int n = f->n - sinks;
  if (n < 3 || n > 4 || (causal && n == 4) || wr_fn_arg_flag(f, 3))
    return wr_fn_wrong(f, "inputs that do not fit");
  return wr_ops_attention(f->out, f->in[0], f->in[1], f->in[2], wr_fn_arg_real(f, 0),
                          causal ? "causal" : "", n == 4 ? f->in[3] : NULL, sinks ? f->in[n] : NULL,
                          f->s);
}

/* ---- derivatives of norms ---- */

static struct wr_node *times(struct wr_compose *c, struct wr_node *a, struct wr_node *b) {
  return wr_compose_binary(c, WR_OP_MULTIPLY, a, b);
}

/* Along the last axis, which stays. */
static struct wr_node *mean_of(struct wr_compose *c, struct wr_node *x) {
  if (c->error) return NULL;
  const int last = -1;
  return wr_compose_step(c, wr_ops_mean(wr_compose_slot(c), x, &last, 1, true, c->stream));
}

/* Of a parameter that all rows share: a number stands for one that was not given. */
static struct wr_node *over_rows(struct wr_compose *c, struct wr_node *x, struct wr_node *factor) {
  int axes[WR_MAX_NDIM];
  if (c->error) return NULL;
  const enum wr_dtype t = wr_node_dtype(factor);
  if (wr_node_ndim(factor) == 0) return wr_compose_scalar(c, 0, t);
  const int n = wr_node_ndim(x) - 1;
  for (int i = 0; i < n; i++) axes[i] = i;
  struct wr_node *sum = n > 0 ? wr_compose_reduce(c, WR_OP_SUM, x, axes, n, false) : x;
  return wr_compose_astype(c, sum, t);
}

/* What both norms have: of x, centred or not, the row's factor and the derivatives of x and weight.
 */
struct norm {
  struct wr_node *x, *w, *g; /* in the type that it is computed in */
  struct wr_node *root;      /* 1 / sqrt(mean(x^2) + eps) */
};

static struct norm norm_of(struct wr_compose *c, struct wr_node *x, struct wr_node *w,
                           struct wr_node *g, float eps, bool centres) {
  const enum wr_dtype t = wr_node_dtype(x) == WR_FLOAT64 ? WR_FLOAT64 : WR_FLOAT32;
  struct norm n = {wr_compose_astype(c, x, t), wr_compose_astype(c, w, t),
                   wr_compose_astype(c, g, t), NULL};
  if (centres) n.x = wr_compose_binary(c, WR_OP_SUBTRACT, n.x, mean_of(c, n.x));
  struct wr_node *square = mean_of(c, wr_compose_unary(c, WR_OP_SQUARE, n.x));
  square = wr_compose_binary(c, WR_OP_ADD, square, wr_compose_scalar(c, (double)eps, t));
  n.root = wr_compose_unary(c, WR_OP_RSQRT, square);
  return n;
}

/* root (g w - x root^2 mean(g w x)), less the mean of g w where rows are centred. */
static struct wr_node *of_row(struct wr_compose *c, const struct norm *n, bool centres) {
  struct wr_node *gw = times(c, n->g, n->w);
  struct wr_node *along = times(c, times(c, n->root, n->root), mean_of(c, times(c, gw, n->x)));
  struct wr_node *r = wr_compose_binary(c, WR_OP_SUBTRACT, gw, times(c, n->x, along));
  if (centres) r = wr_compose_binary(c, WR_OP_SUBTRACT, r, mean_of(c, gw));
  return times(c, r, n->root);
}

static struct wr_error *norm_vjp(struct wr_fn_call *f, bool centres) {
  const int n = centres ? 3 : 2;
  if (f->e->n_out != (uint32_t)n) return wr_fn_wrong(f, "another number of results");
  struct wr_node *x = f->in[0], *g = f->in[n], *made[3];
  if (wr_node_ndim(x) == 0 || !wr_dtype_is_floating(wr_node_dtype(x))) {
    return wr_fn_wrong(f, "rows that are none");
  }
  struct wr_compose c = wr_compose_begin(f->s);
  const struct norm norm = norm_of(&c, x, f->in[1], g, wr_fn_arg_real(f, 0), centres);
  made[0] = wr_compose_astype(&c, of_row(&c, &norm, centres), wr_node_dtype(x));
  made[1] = over_rows(&c, times(&c, norm.g, times(&c, norm.x, norm.root)), f->in[1]);
  if (centres) made[2] = over_rows(&c, norm.g, f->in[2]);
  for (int i = 1; i < n && !c.error; i++) f->out[i] = wr_node_retain(made[i]);
  return wr_compose_end(&c, f->out, made[0]);
}

struct wr_error *wr_fn_rms_norm_vjp(struct wr_fn_call *f) {
  return norm_vjp(f, false);
}
struct wr_error *wr_fn_layer_norm_vjp(struct wr_fn_call *f) {
  return norm_vjp(f, true);
}

/* ---- searching ---- */

/* Whether a stands before b in order, where NaN is behind all numbers. */
static struct wr_node *before(struct wr_compose *c, struct wr_node *a, struct wr_node *b) {
  struct wr_node *a_number =
      wr_compose_unary(c, WR_OP_LOGICAL_NOT, wr_compose_unary(c, WR_OP_ISNAN, a));
  struct wr_node *last =
      wr_compose_binary(c, WR_OP_LOGICAL_AND, wr_compose_unary(c, WR_OP_ISNAN, b), a_number);
  return wr_compose_binary(c, WR_OP_LOGICAL_OR, wr_compose_binary(c, WR_OP_LESS, a, b), last);
}

/* How many elements of the sequence stand before each value, or not behind it: by halves. */
struct wr_error *wr_fn_search_sorted(struct wr_fn_call *f) {
  struct wr_node *all = f->in[0], *x = f->in[1];
  if (wr_node_ndim(all) != 1) return wr_fn_wrong(f, "a sequence of several axes");
  const int32_t n = wr_node_shape(all)[0];
  struct wr_compose c = wr_compose_begin(f->s);
  struct wr_node *at = wr_compose_zeros(&c, wr_node_ndim(x), wr_node_shape(x), WR_INT64);
  struct wr_node *end = wr_compose_scalar(&c, n, WR_INT64),
                 *one = wr_compose_scalar(&c, 1, WR_INT64);
  int32_t half = 1;
  while (half <= n / 2) half *= 2;
  for (; n > 0 && half > 0; half /= 2) {
    struct wr_node *next =
        wr_compose_binary(&c, WR_OP_ADD, at, wr_compose_scalar(&c, half, WR_INT64));
    struct wr_node *least = wr_compose_binary(&c, WR_OP_MINIMUM, next, end);
    struct wr_node *found =
        wr_compose_take(&c, all, wr_compose_binary(&c, WR_OP_SUBTRACT, least, one), 0);
    struct wr_node *counts = wr_fn_arg_flag(f, 0)
                                 ? wr_compose_unary(&c, WR_OP_LOGICAL_NOT, before(&c, x, found))
                                 : before(&c, found, x);
    counts = wr_compose_binary(&c, WR_OP_LOGICAL_AND, counts,
                               wr_compose_binary(&c, WR_OP_LESS_EQUAL, next, end));
    at = wr_compose_where(&c, counts, next, at);
  }
  return wr_compose_end(&c, f->out, wr_compose_astype(&c, at, WR_UINT32));
}

/* ---- kernels ---- */

/* What the file says of results is all that is known of them. */
static struct wr_error *record_kernel(struct wr_fn_call *f, struct wr_kernel_params *params) {
  struct wr_ops_kernel_result results[WR_KERNEL_ARGUMENTS];
  const int n = (int)f->e->n_out;
  for (int i = 0; i < n; i++) {
    results[i] =
        (struct wr_ops_kernel_result){.dtype = f->result[i].dtype, .ndim = f->result[i].ndim};
    if (f->result[i].ndim) {
      memcpy(results[i].shape, f->result[i].shape, (size_t)f->result[i].ndim * sizeof(int32_t));
    }
  }
  return wr_ops_kernel_stored(f->out, f->e->field[0].text, f->e->field[1].text, params, results, n,
                              f->in, f->n, f->s);
}

struct wr_error *wr_fn_kernel(struct wr_fn_call *f) {
  const struct wr_fn_field *field = f->e->field;
  const int64_t shared = wr_fn_arg(f, 9);
  struct wr_kernel_params params = {.contiguous = wr_fn_arg_flag(f, 5),
                                    .begins = field[6].n > 0,
                                    .value = (float)field[6].real,
                                    .shared_bytes = (uint32_t)shared};
  if (wr_fn_arg_flag(f, 8)) return wr_fn_wrong(f, "a kernel in machine code");
  if (field[4].n != (size_t)f->n || shared < 0) return wr_fn_wrong(f, "parameters that do not fit");
  if (f->n + (int64_t)f->e->n_out > WR_KERNEL_ARGUMENTS) return wr_fn_wrong(f, "too many arrays");
  for (int i = 0; i < 3; i++) {
    params.grid[i] = (uint32_t)field[2].items[i];
    params.block[i] = (uint32_t)field[3].items[i];
  }
  for (int i = 0; i < f->n; i++) {
    if (wr_node_ndim(f->in[i]) == 0) continue; /* what has no axes brings its address alone */
    params.shapes |= (uint64_t)field[4].items[3 * i] << i;
    params.strides |= (uint64_t)field[4].items[3 * i + 1] << i;
    params.ndims |= (uint64_t)field[4].items[3 * i + 2] << i;
  }
  return record_kernel(f, &params);
}
