/* A result handle that holds an array is replaced, so that one handle carries a value through the
   steps; the chains stop at the first call that fails. */
#include "model.h"

#include <math.h>

enum { HEAD_WIDTH = MODEL_WIDTH / MODEL_HEADS };

static const float norm_eps = 1e-5f;

/* ---- weights ---- */

static int append(mlx_vector_array weights, mlx_array weight, int rc) {
  if (rc == 0) rc = mlx_vector_array_append_value(weights, weight);
  mlx_array_free(weight);
  return rc;
}

/* Such that what is a sum over `summed` of its elements is about 1. */
static int append_drawn(mlx_vector_array weights, int rows, int columns, int summed, mlx_stream s) {
  const int shape[] = {rows, columns};
  const float scale = 1 / sqrtf((float)summed);
  const mlx_array next_key = {0};
  mlx_array weight = mlx_array_new();
  const int rc = mlx_random_normal(&weight, shape, 2, MLX_FLOAT32, 0, scale, next_key, s);
  return append(weights, weight, rc);
}

static int append_norm(mlx_vector_array weights, mlx_stream s) {
  const int width = MODEL_WIDTH;
  mlx_array weight = mlx_array_new();
  const int rc = mlx_ones(&weight, &width, 1, MLX_FLOAT32, s);
  return append(weights, weight, rc);
}

static int append_product(mlx_vector_array weights, int rows, int columns, mlx_stream s) {
  return append_drawn(weights, rows, columns, rows, s);
}

static int append_layer(mlx_vector_array weights, mlx_stream s) {
  return append_norm(weights, s) || append_product(weights, MODEL_WIDTH, 3 * MODEL_WIDTH, s) ||
         append_product(weights, MODEL_WIDTH, MODEL_WIDTH, s) || append_norm(weights, s) ||
         append_product(weights, MODEL_WIDTH, MODEL_HIDDEN, s) ||
         append_product(weights, MODEL_HIDDEN, MODEL_WIDTH, s);
}

int model_weights(mlx_vector_array weights, mlx_stream s) {
  int rc = append_drawn(weights, MODEL_CHARACTERS, MODEL_WIDTH, MODEL_WIDTH, s) ||
           append_drawn(weights, MODEL_CONTEXT, MODEL_WIDTH, MODEL_WIDTH, s);
  for (int i = 0; rc == 0 && i < MODEL_LAYERS; i++) rc = append_layer(weights, s);
  return rc || append_norm(weights, s) || append_product(weights, MODEL_WIDTH, MODEL_CHARACTERS, s);
}

/* ---- layers ---- */

/* The weights, taken in the order in which model_weights appends them. */
struct taken {
  mlx_vector_array weights;
  size_t next;
};

static int look_up(mlx_array *res, struct taken *from, mlx_array places, mlx_stream s) {
  mlx_array table = mlx_array_new();
  const int rc = mlx_vector_array_get(&table, from->weights, from->next++) ||
                 mlx_take_axis(res, table, places, 0, s);
  mlx_array_free(table);
  return rc;
}

static int norm(mlx_array *res, struct taken *from, mlx_array x, mlx_stream s) {
  mlx_array weight = mlx_array_new();
  const int rc = mlx_vector_array_get(&weight, from->weights, from->next++) ||
                 mlx_fast_rms_norm(res, x, weight, norm_eps, s);
  mlx_array_free(weight);
  return rc;
}

static int product(mlx_array *x, struct taken *from, mlx_stream s) {
  mlx_array weight = mlx_array_new();
  const int rc =
      mlx_vector_array_get(&weight, from->weights, from->next++) || mlx_matmul(x, *x, weight, s);
  mlx_array_free(weight);
  return rc;
}

/* Queries, keys or values: [batch, heads, context, 16] of the third `which` of the last axis. */
static int heads_of(mlx_array *res, mlx_array qkv, int which, mlx_stream s) {
  const int batch = mlx_array_dim(qkv, 0);
  const int length = mlx_array_dim(qkv, 1);
  const int start[] = {0, 0, which * MODEL_WIDTH};
  const int stop[] = {batch, length, (which + 1) * MODEL_WIDTH};
  const int strides[] = {1, 1, 1};
  const int apart[] = {batch, length, MODEL_HEADS, HEAD_WIDTH};
  const int heads_first[] = {0, 2, 1, 3};
  return mlx_slice(res, qkv, start, 3, stop, 3, strides, 3, s) ||
         mlx_reshape(res, *res, apart, 4, s) || mlx_transpose_axes(res, *res, heads_first, 4, s);
}

/* Each character looks at itself and at those before it. */
static int attend(mlx_array *x, mlx_stream s) {
  const int shape[] = {mlx_array_dim(*x, 0), mlx_array_dim(*x, 1), MODEL_WIDTH};
  const int heads_last[] = {0, 2, 1, 3};
  const float scale = 1 / sqrtf((float)HEAD_WIDTH);
  const mlx_array none = {0};
  mlx_array q = mlx_array_new();
  mlx_array k = mlx_array_new();
  mlx_array v = mlx_array_new();
  const int rc =
      heads_of(&q, *x, 0, s) || heads_of(&k, *x, 1, s) || heads_of(&v, *x, 2, s) ||
      mlx_fast_scaled_dot_product_attention(x, q, k, v, scale, "causal", none, none, s) ||
      mlx_transpose_axes(x, *x, heads_last, 4, s) || mlx_reshape(x, *x, shape, 3, s);
  mlx_array_free(v);
  mlx_array_free(k);
  mlx_array_free(q);
  return rc;
}

/* x sigmoid(x). Hendrycks, Gimpel: Gaussian Error Linear Units, 2016. */
static int silu(mlx_array *x, mlx_stream s) {
  mlx_array gate = mlx_array_new();
  const int rc = mlx_sigmoid(&gate, *x, s) || mlx_multiply(x, *x, gate, s);
  mlx_array_free(gate);
  return rc;
}

static int run_layer(mlx_array *x, struct taken *from, mlx_stream s) {
  mlx_array y = mlx_array_new();
  const int rc = norm(&y, from, *x, s) || product(&y, from, s) || attend(&y, s) ||
                 product(&y, from, s) || mlx_add(x, *x, y, s) || norm(&y, from, *x, s) ||
                 product(&y, from, s) || silu(&y, s) || product(&y, from, s) ||
                 mlx_add(x, *x, y, s);
  mlx_array_free(y);
  return rc;
}

int model_guess(mlx_array *guess, mlx_vector_array weights, mlx_array text, mlx_stream s) {
  struct taken from = {.weights = weights};
  mlx_array places = mlx_array_new();
  int rc = mlx_arange(&places, 0, mlx_array_dim(text, 1), 1, MLX_INT32, s) ||
           look_up(guess, &from, text, s) || look_up(&places, &from, places, s) ||
           mlx_add(guess, *guess, places, s);
  for (int i = 0; rc == 0 && i < MODEL_LAYERS; i++) rc = run_layer(guess, &from, s);
  mlx_array_free(places);
  return rc || norm(guess, &from, *guess, s) || product(guess, &from, s);
}

int model_loss(mlx_array *loss, mlx_vector_array weights, mlx_array text, mlx_array next,
               mlx_stream s) {
  mlx_array guess = mlx_array_new();
  mlx_array right = mlx_array_new();
  const int rc = model_guess(&guess, weights, text, s) || mlx_expand_dims(&right, next, -1, s) ||
                 mlx_take_along_axis(&right, guess, right, -1, s) ||
                 mlx_squeeze_axis(&right, right, -1, s) ||
                 mlx_logsumexp_axis(loss, guess, -1, false, s) ||
                 mlx_subtract(loss, *loss, right, s) || mlx_mean(loss, *loss, false, s);
  mlx_array_free(right);
  mlx_array_free(guess);
  return rc;
}
