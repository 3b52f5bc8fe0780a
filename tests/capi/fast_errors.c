/* Wrong calls of mlx/c/fast.h: rc 1, MLX's message, the result left alone. */

#include <limits.h>

#include "fails.h"
#include "mean_cpu.h"
#include "mlx/c/fast.h"
#include "mlx/c/ops.h"

static const mlx_stream cpu = {NULL};
static const mlx_array none = {NULL};
static const mlx_optional_float no_base = {0, false}, base = {100, true};
static mlx_array x, weight, four, q, k, v, ints, offsets, scalar, heads;

static mlx_array zeros(mlx_dtype dtype, const int *shape, int ndim) {
  static const char data[4096];
  return mlx_array_new_data(data, shape, ndim, dtype);
}

static void make_arrays(void) {
  x = zeros(MLX_FLOAT32, INTS(2, 3, 4), 3);
  weight = zeros(MLX_FLOAT32, INTS(3), 1);
  four = zeros(MLX_FLOAT32, INTS(4), 1);
  q = zeros(MLX_FLOAT32, INTS(1, 4, 2, 8), 4);
  k = zeros(MLX_FLOAT32, INTS(1, 2, 3, 8), 4);
  v = zeros(MLX_FLOAT32, INTS(1, 2, 3, 5), 4);
  ints = zeros(MLX_INT32, INTS(2, 3, 4), 3);
  offsets = zeros(MLX_INT32, INTS(3), 1);
  scalar = mlx_array_new_float(1);
  heads = zeros(MLX_FLOAT32, INTS(1, 3, 2, 8), 4);
}

static void free_arrays(void) {
  const mlx_array all[] = {x, weight, four, q, k, v, ints, offsets, scalar, heads, res};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) mlx_array_free(all[i]);
}

static void test_norms(void) {
  FAILS(mlx_fast_rms_norm, "[rms_norm] x is an empty array", &res, none, none, 1, cpu);
  FAILS(mlx_fast_rms_norm, "[rms_norm] Input must have at least 1 dimension but got", &res, scalar,
        none, 1, cpu);
  FAILS(mlx_fast_rms_norm,
        "[rms_norm] (*weight) must have the same size as the last dimension of x", &res, x, weight,
        1, cpu);
  FAILS(mlx_fast_rms_norm, "[rms_norm] (*weight) must have 1 dimension but has 3 dimensions.", &res,
        x, x, 1, cpu);
  FAILS(mlx_fast_rms_norm, "[rms_norm] Received unsupported type int32.", &res, ints, none, 1, cpu);
  FAILS(mlx_fast_layer_norm, "[layer_norm] weight must have the same size", &res, x, weight, none,
        1, cpu);
  FAILS(mlx_fast_layer_norm, "[layer_norm] bias must have 1 dimension but has 3 dimensions.", &res,
        x, four, x, 1, cpu);
  FAILS(mlx_fast_layer_norm, "[layer_norm] Received unsupported type int32.", &res, ints, none,
        four, 1, cpu);
}

static void test_rope(void) {
  FAILS(mlx_fast_rope, "[rope] Input must have at least 3 dimensions but got input with 1 dim",
        &res, four, 2, false, base, 1, 0, none, cpu);
  FAILS(mlx_fast_rope, "[rope] Input must be a floating type but got int32.", &res, ints, 2, false,
        base, 1, 0, none, cpu);
  FAILS(mlx_fast_rope, "[rope] dims must be positive but got 0.", &res, x, 0, false, base, 1, 0,
        none, cpu);
  FAILS(mlx_fast_rope, "[rope] dims must be even but got 3.", &res, x, 3, false, base, 1, 0, none,
        cpu);
  FAILS(mlx_fast_rope, "[rope] dims must not exceed the input's last dimension (4) but got 6.",
        &res, x, 6, false, base, 1, 0, none, cpu);
  FAILS(mlx_fast_rope, "[rope] Only one of base or freqs can have a value.", &res, x, 4, false,
        base, 1, 0, four, cpu);
  FAILS(mlx_fast_rope, "[rope] Neither base nor freqs has a value.", &res, x, 4, false, no_base, 1,
        0, none, cpu);
  FAILS(mlx_fast_rope, "[rope] freqs must be one dimensional with size 2 but got shape (4).", &res,
        x, 4, false, no_base, 1, 0, four, cpu);
  FAILS(mlx_fast_rope_dynamic, "[rope] offset is an empty array", &res, x, 4, false, base, 1, none,
        none, cpu);
  FAILS(mlx_fast_rope_dynamic, "[rope] offset must be a scalar or vector with 2 elements but has",
        &res, x, 4, false, base, 1, offsets, none, cpu);
  FAILS(mlx_fast_rope_dynamic,
        "[rope] offset must have at most one dimension but has shape (2,3,4).", &res, x, 4, false,
        base, 1, ints, none, cpu);
  FAILS(mlx_fast_rope_dynamic, "[rope] offset must be an integer but got type float32.", &res, x, 4,
        false, base, 1, scalar, none, cpu);
}

#define ATTENTION(text, ...)                                                                 \
  FAILS(mlx_fast_scaled_dot_product_attention, "[scaled_dot_product_attention] " text, &res, \
        __VA_ARGS__)

static void test_attention(void) {
  ATTENTION("input with shape (4) expected to be rank 4", q, four, v, 1, "", none, none, cpu);
  ATTENTION("mask_mode is NULL", q, k, v, 1, NULL, none, none, cpu);
  ATTENTION("Invalid mask_mode causa. mask_mode must be 'causal', 'array' or ''.", q, k, v, 1,
            "causa", none, none, cpu);
  ATTENTION("Invalid mask_arr for mask_mode", q, k, v, 1, "causal", scalar, none, cpu);
  ATTENTION("query, keys expected to have matching last dimension; found query shape (1,4,2,8)", q,
            v, v, 1, "", none, none, cpu);
  ATTENTION("keys, values expected to have matching n_kv_heads; found keys with n_heads 4", q, q, v,
            1, "", none, none, cpu);
  ATTENTION("n_heads must be a multiple of n_kv_heads, found n_heads 3 for n_kv_heads 2.", heads, k,
            v, 1, "", none, none, cpu);
  ATTENTION("Received invalid shape for sinks (3).", q, k, v, 1, "", none, weight, cpu);
  FAILS(mlx_fast_scaled_dot_product_attention,
        "[broadcast_shapes] Shapes (4) and (1,4,2,3) cannot be broadcast.", &res, q, k, v, 1, "",
        four, none, cpu);
}

/* Where there is no kernel, as for float64, the rows of a group are one extent. */
static void test_many_rows(void) {
  mlx_array wide = zeros(MLX_FLOAT64, INTS(1, 1, 1, 1), 4), tall = mlx_array_new();
  failures += mlx_broadcast_to(&tall, scalar, INTS(1, 4, INT_MAX, 1), 4, cpu);
  ATTENTION("queries with shape (1,4,2147483647,1) have more rows", tall, wide, wide, 1, "", none,
            none, cpu);
  mlx_array_free(tall);
  mlx_array_free(wide);
}

int main(void) {
  mean_cpu();
  begin_failing();
  make_arrays();
  test_norms();
  test_rope();
  test_attention();
  test_many_rows();
  free_arrays();
  return failures != 0;
}
