/* Rotary positions of an array with as many axes as there can be, which leaves none for the pairs:
   those of the same elements in four axes. */

#include <stdio.h>
#include <string.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"

static const mlx_stream cpu = {NULL};
static const mlx_array none = {NULL};

enum { BATCH = 2, HEADS = 6, POSITIONS = 5, WIDTH = 4, SIZE = BATCH * HEADS * POSITIONS * WIDTH };

static void rope_of(mlx_array *out, const float *data, const int *shape, int ndim, int dims,
                    bool traditional, mlx_array offset) {
  const mlx_optional_float base = {100, true};
  mlx_array x = mlx_array_new_data(data, shape, ndim, MLX_FLOAT32);
  CHECK(mlx_fast_rope_dynamic(out, x, dims, traditional, base, 0.5f, offset, none, cpu) == 0);
  CHECK(mlx_array_eval(*out) == 0);
  CHECK(mlx_array_ndim(*out) == (size_t)ndim);
  for (int i = 0; i < ndim; i++) CHECK(mlx_array_dim(*out, i) == shape[i]);
  mlx_array_free(x);
}

static void compare(int dims, bool traditional, mlx_array offset) {
  const int few[4] = {BATCH, HEADS, POSITIONS, WIDTH};
  int many[32] = {BATCH, 3};
  for (int i = 2; i < 29; i++) many[i] = 1;
  memcpy(&many[29], (const int[]){2, POSITIONS, WIDTH}, 3 * sizeof *many);
  float data[SIZE];
  for (int i = 0; i < SIZE; i++) data[i] = (float)(i % 17) - 8;
  mlx_array all = mlx_array_new(), merged = mlx_array_new();
  rope_of(&all, data, many, 32, dims, traditional, offset);
  rope_of(&merged, data, few, 4, dims, traditional, offset);
  const float *got = mlx_array_data_float32(all), *expected = mlx_array_data_float32(merged);
  CHECK(memcmp(got, expected, sizeof data) == 0);
  CHECK(memcmp(got, data, sizeof data) != 0);
  mlx_array_free(all);
  mlx_array_free(merged);
}

int main(void) {
  mean_cpu();
  const int offsets[BATCH] = {3, -1};
  mlx_array one = mlx_array_new_int(7),
            each = mlx_array_new_data(offsets, (const int[]){BATCH}, 1, MLX_INT32);
  for (int traditional = 0; traditional < 2; traditional++) {
    for (int dims = 2; dims <= WIDTH; dims += 2) {
      compare(dims, traditional != 0, one);
      compare(dims, traditional != 0, each);
    }
  }
  mlx_array_free(one);
  mlx_array_free(each);
  return 0;
}
