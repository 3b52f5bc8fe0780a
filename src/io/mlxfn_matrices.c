/* Operations on whole matrices as MLX's: quantised ones, linear algebra, and kernels of the user's.
   MLX stores no LU factors: a system is solved by its QR factors, of which it stores all, and what
   gives the factors themselves has a name here that MLX does not know. No locks. */

#include <string.h>

#include "backend/backend.h"
#include "core/kernel_text.h"
#include "core/quantized.h"
#include "io/mlxfn_step.h"

/* ---- several results ---- */

/* The ids of the results follow that of the first; the state is taken. */
static void put_all(struct wr_fn_step *s, enum wr_fn_kind kind, const struct wr_fn_value *out,
                    size_t n) {
  s->id = wr_fn_put_entry(s->w, kind, s->in, s->n, &s->state, out, n);
  s->state = (struct wr_bytes){0};
}

/* The command of several results, of which its PARTs say which; or of one, which is itself. */
static void put_parts(struct wr_fn_step *s, enum wr_fn_kind kind) {
  struct wr_fn_value out[WR_KERNEL_ARGUMENTS];
  int n;
  const struct wr_part *parts = wr_node_parts(s->like, &n);
  for (int i = 0; i < n && i < WR_KERNEL_ARGUMENTS; i++) {
    out[i] = (struct wr_fn_value){parts[i].dtype, parts[i].ndim, parts[i].shape};
  }
  put_all(s, kind, n ? out : &s->out, n ? (size_t)n : 1);
}

/* ---- quantised ---- */

static void put_how(struct wr_fn_step *s, const struct wr_quantized_params *p) {
  wr_fn_step_i32(s, p->group);
  wr_fn_step_i32(s, p->bits);
  wr_fn_step_i32(s, p->mode);
}

/* Codes, scales and biases, where here there are bytes, which views show. */
static void put_quantize(struct wr_fn_step *s, const struct wr_quantized_params *p) {
  int32_t words[WR_MAX_NDIM], groups[WR_MAX_NDIM];
  const struct wr_fn_value w = wr_fn_value_of(s->from[0]);
  const bool affine = p->mode == WR_AFFINE;
  if (p->even && p->mode != WR_MXFP8) { /* as a product that quantises rounds */
    if (!s->w->error) {
      s->w->error = wr_error_new(WEIR_ERROR_UNSUPPORTED,
                                 "[export_function] Unable to serialize primitive QQMatmul");
    }
    return;
  }
  for (int d = 0; d < w.ndim; d++) words[d] = groups[d] = w.shape[d];
  words[w.ndim - 1] = (int32_t)((int64_t)w.shape[w.ndim - 1] * p->bits / 32);
  groups[w.ndim - 1] = w.shape[w.ndim - 1] / p->group;
  const struct wr_fn_value scales = {affine ? w.dtype : WR_UINT8, w.ndim, groups};
  const struct wr_fn_value out[3] = {{WR_UINT32, w.ndim, words}, scales, scales};
  put_how(s, p);
  wr_fn_step_flag(s, false);
  put_all(s, WR_FN_Quantize, out, affine ? 3 : 2);
}

/* Which of them a view shows: the first are the only ones at 0, and biases are behind scales. */
static void put_quantized_view(struct wr_fn_step *s) {
  const int64_t at = ((const struct wr_view_params *)s->params)->at;
  const struct wr_quantized_params *p = wr_node_params(s->from[0]);
  const int64_t elements = wr_node_size(s->like) * p->group;
  const struct wr_quantized_layout l = wr_quantized_layout_of(elements, p, s->out.dtype);
  s->id = s->in[0] + (at == 0 ? 0 : at == l.scales ? 1 : 2);
}

/* MLX reads the numbers of matrices as uint32. */
static void number_as_mlx(struct wr_fn_step *s, size_t i) {
  struct wr_fn_value as = wr_fn_value_of(s->from[i]);
  if (as.dtype == WR_UINT32) return;
  as.dtype = WR_UINT32;
  wr_fn_put_dtype(&s->state, WR_UINT32);
  s->in[i] = wr_fn_step_put(s, WR_FN_AsType, &s->in[i], 1, &as);
}

void wr_fn_step_quantized(struct wr_fn_step *s) {
  const struct wr_quantized_params *p = s->params;
  switch ((int)s->op) {
    case WR_OP_VIEW:
      put_quantized_view(s);
      return;
    case WR_OP_QUANTIZE:
      put_quantize(s, p);
      return;
    case WR_OP_DEQUANTIZE:
      put_how(s, p);
      wr_fn_step_flag(s, true);
      wr_fn_step_whole(s, WR_FN_Quantize);
      return;
    default:
      if (p->gathers) {
        number_as_mlx(s, s->n - 2);
        number_as_mlx(s, s->n - 1);
      }
      put_how(s, p);
      wr_fn_step_flag(s, p->transpose);
      if (p->gathers) {
        wr_fn_step_flag(s, false);
        wr_fn_step_flag(s, false);
      }
      wr_fn_step_whole(s, p->gathers ? WR_FN_GatherQMM : WR_FN_QuantizedMatmul);
  }
}

/* ---- linear algebra ---- */

static uint64_t inverse(struct wr_fn_step *s, uint64_t in, bool triangle, bool upper,
                        const struct wr_fn_value *out) {
  wr_fn_step_flag(s, triangle);
  wr_fn_step_flag(s, upper);
  return wr_fn_step_put(s, WR_FN_Inverse, &in, 1, out);
}

static uint64_t transposed(struct wr_fn_step *s, uint64_t in, const struct wr_fn_value *square) {
  wr_fn_put_u64(&s->state, (uint64_t)square->ndim);
  for (int d = 0; d < square->ndim - 2; d++) wr_fn_step_i32(s, d);
  wr_fn_step_i32(s, square->ndim - 1);
  wr_fn_step_i32(s, square->ndim - 2);
  return wr_fn_step_put(s, WR_FN_Transpose, &in, 1, square);
}

/* a x = b: a = q r, so that x is the inverse of r times q' b. Of a triangle as MLX does it. */
static void put_solve(struct wr_fn_step *s) {
  const struct wr_triangle_params *triangle = s->params;
  const struct wr_fn_value a = wr_fn_value_of(s->from[0]);
  uint64_t b = s->in[1], inverted;
  if (s->op == WR_OP_SOLVE_TRIANGULAR) {
    inverted = inverse(s, s->in[0], true, triangle->upper, &a);
  } else {
    const struct wr_fn_value both[2] = {a, a};
    const uint64_t q = wr_fn_put_entry(s->w, WR_FN_QRF, s->in, 1, NULL, both, 2);
    b = wr_fn_step_two(s, WR_FN_Matmul, transposed(s, q, &a), b, &s->out);
    inverted = inverse(s, q + 1, true, true, &a);
  }
  s->id = wr_fn_step_two(s, WR_FN_Matmul, inverted, b, &s->out);
}

static void put_vectors(struct wr_fn_step *s) {
  wr_fn_step_flag(s, ((const struct wr_vectors_params *)s->params)->vectors);
}

static void put_eigh(struct wr_fn_step *s) {
  const struct wr_eigh_params *p = s->params;
  wr_fn_put_text(&s->state, p->upper ? "U" : "L");
  wr_fn_step_flag(s, p->vectors);
}

static void put_triangle(struct wr_fn_step *s) {
  wr_fn_step_flag(s, ((const struct wr_triangle_params *)s->params)->upper);
}

/* What MLX has too, or as good as: what the parameters say, and what it is called. */
static const struct {
  enum wr_op op;
  enum wr_fn_kind kind;
  void (*parameters)(struct wr_fn_step *s); /* NULL: none */
} same[] = {
    {WR_OP_CHOLESKY, WR_FN_Cholesky, put_triangle},
    {WR_OP_EIG, WR_FN_Eig, put_vectors},
    {WR_OP_EIGH, WR_FN_Eigh, put_eigh},
    {WR_OP_LU, WR_FN_LU, NULL},
    {WR_OP_LU_FACTOR, WR_FN_LUFactor, NULL},
    {WR_OP_QR, WR_FN_QRF, NULL},
    {WR_OP_SVD, WR_FN_SVD, put_vectors},
};

void wr_fn_step_linalg(struct wr_fn_step *s) {
  const struct wr_triangle_params *triangle = s->params;
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
    if (same[i].op != s->op) continue;
    if (same[i].parameters) same[i].parameters(s);
    put_parts(s, same[i].kind);
    return;
  }
  if (s->op == WR_OP_INV) {
    s->id = inverse(s, s->in[0], false, false, &s->out);
  } else if (s->op == WR_OP_TRI_INV) {
    s->id = inverse(s, s->in[0], true, triangle->upper, &s->out);
  } else {
    put_solve(s);
  }
}

/* ---- kernels ---- */

/* Without the linkage that the name in the machine code is known by here: MLX knows it by C++'s. */
static void put_source(struct wr_fn_step *s, const struct wr_kernel_text *text) {
  const char *linkage = wr_kernel_text_linkage(text);
  const size_t skipped = linkage ? strlen(WR_KERNEL_LINKAGE) : 0;
  const size_t before = linkage ? (size_t)(linkage - text->text) : 0;
  wr_fn_put_u64(&s->state, strlen(text->text) - skipped);
  wr_bytes_add(&s->state, text->text, before);
  wr_bytes_add_text(&s->state, text->text + before + skipped);
}

void wr_fn_step_kernel(struct wr_fn_step *s) {
  const struct wr_kernel_params *p = s->params;
  const float value = p->value;
  wr_fn_put_text(&s->state, p->text->entry);
  put_source(s, p->text);
  for (int i = 0; i < 3; i++) wr_fn_step_i32(s, p->grid[i]);
  for (int i = 0; i < 3; i++) wr_fn_step_i32(s, p->block[i]);
  wr_fn_put_u64(&s->state, s->n);
  for (size_t i = 0; i < s->n; i++) {
    wr_fn_step_flag(s, p->shapes >> i & 1);
    wr_fn_step_flag(s, p->strides >> i & 1);
    wr_fn_step_flag(s, p->ndims >> i & 1);
  }
  wr_fn_step_flag(s, p->contiguous);
  wr_fn_step_flag(s, p->begins);
  if (p->begins) wr_bytes_add(&s->state, &value, sizeof value);
  wr_fn_put_u64(&s->state, 0); /* numbers beside the arrays: of kernels in machine code */
  wr_fn_step_flag(s, false);   /* it is none */
  wr_fn_step_i32(s, p->shared_bytes);
  wr_fn_step_i32(s, 0); /* how a compiler of other makers' GPUs rounds */
  put_parts(s, WR_FN_CustomKernel);
}
