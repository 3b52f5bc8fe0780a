/* Attention of float32 and of 16-bit floats, which has a kernel of its own, against that of the
   same numbers in float64, which is composed: more keys and rows than a tile has, several query
   heads for one of keys, every kind of mask, sinks, views. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"

static const mlx_stream cpu = {NULL};
static const mlx_array none = {NULL};
static uint32_t seed = 1;

static float noise(void) {
  seed = seed * 1664525u + 1013904223u;
  return (float)(seed >> 8) * 0x1p-23f - 1.0f;
}

static mlx_array drawn(const int *shape, int ndim) {
  int size = 1;
  for (int i = 0; i < ndim; i++) size *= shape[i];
  float *data = malloc((size_t)size * sizeof *data);
  CHECK(data != NULL);
  for (int i = 0; i < size; i++) data[i] = 2 * noise();
  mlx_array a = mlx_array_new_data(data, shape, ndim, MLX_FLOAT32);
  free(data);
  return a;
}

/* Heads behind positions, and seen the other way round. */
static mlx_array drawn_turned(int b, int h, int l, int d) {
  mlx_array a = drawn((const int[]){b, l, h, d}, 4);
  CHECK(mlx_swapaxes(&a, a, 1, 2, cpu) == 0);
  return a;
}

static mlx_array as(mlx_array a, mlx_dtype t) {
  mlx_array r = mlx_array_new();
  if (a.ctx) CHECK(mlx_astype(&r, a, t, cpu) == 0);
  return r;
}

struct given {
  mlx_array in[3], mask, sinks;
  const char *mode;
};

static void attend(mlx_array *out, const struct given *g, mlx_dtype t) {
  mlx_array x[3], mask = g->mask, sinks = as(g->sinks, t);
  for (int i = 0; i < 3; i++) x[i] = as(g->in[i], t);
  const bool cast = mask.ctx && mlx_array_dtype(mask) != MLX_BOOL;
  if (cast) mask = as(mask, t);
  CHECK(mlx_fast_scaled_dot_product_attention(out, x[0], x[1], x[2], 0.5f, g->mode, mask, sinks,
                                              cpu) == 0);
  CHECK(mlx_astype(out, *out, MLX_FLOAT64, cpu) == 0);
  for (int i = 0; i < 3; i++) mlx_array_free(x[i]);
  if (cast) mlx_array_free(mask);
  mlx_array_free(sinks);
}

/* The inputs are such as 16-bit floats hold, or they would differ before anything is computed. */
static void compare(struct given g, mlx_dtype t, double tolerance) {
  for (int i = 0; i < 3; i++) g.in[i] = as(g.in[i], t);
  mlx_array a = mlx_array_new(), b = mlx_array_new(), d = mlx_array_new();
  double most = 1;
  attend(&a, &g, t);
  attend(&b, &g, MLX_FLOAT64);
  CHECK(mlx_subtract(&d, a, b, cpu) == 0 && mlx_abs(&d, d, cpu) == 0);
  CHECK(mlx_max(&d, d, false, cpu) == 0 && mlx_array_item_float64(&most, d) == 0);
  if (!(most <= tolerance)) fprintf(stderr, "%s, type %d: off by %g\n", g.mode, (int)t, most);
  CHECK(most <= tolerance);
  for (int i = 0; i < 3; i++) mlx_array_free(g.in[i]);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(d);
}

static void compare_types(struct given g) {
  compare(g, MLX_FLOAT32, 1e-5);
  compare(g, MLX_FLOAT16, 2e-3);
  compare(g, MLX_BFLOAT16, 1.6e-2);
}

/* B, H, L, D; K, M; E. */
static void test_shape(const int *x) {
  const int b = x[0], h = x[1], l = x[2], d = x[3], k = x[4], m = x[5], e = x[6];
  struct given g = {.in = {drawn_turned(b, h, l, d), drawn((const int[]){b, k, m, d}, 4),
                           drawn_turned(b, k, m, e)},
                    .mode = ""};
  mlx_array numbers = drawn((const int[]){b, h, l, m}, 4), bools = mlx_array_new();
  mlx_array zero = mlx_array_new_float(0.6f), row = drawn((const int[]){h, 1, m}, 3);
  mlx_array sinks = drawn(&h, 1);
  CHECK(mlx_less(&bools, numbers, zero, cpu) == 0);
  compare_types(g);
  g.sinks = sinks;
  g.mode = "causal";
  compare_types(g);
  g.mode = "array";
  g.mask = bools;
  compare_types(g);
  g.sinks = none;
  g.mask = row;
  compare(g, MLX_FLOAT32, 1e-5);
  const mlx_array all[] = {g.in[0], g.in[1], g.in[2], numbers, bools, zero, row, sinks};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) mlx_array_free(all[i]);
}

int main(void) {
  static const int shapes[][7] = {
      {1, 1, 1, 8, 1, 1000, 8},    {2, 4, 1, 16, 2, 513, 12}, {1, 6, 70, 32, 2, 300, 40},
      {2, 2, 150, 64, 2, 150, 64}, {1, 3, 300, 8, 1, 20, 8},  {1, 2, 7, 128, 1, 257, 1},
  };
  mean_cpu();
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) test_shape(shapes[i]);
  return 0;
}
