/* Products of many segments: what is outside of a segment does not count, NaN neither, and the
   masked copies of the factors are never there for all segments at once. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"

static const mlx_stream cpu = {NULL};

/* Masked copies for one segment take 1 MB. */
enum { M = 32, K = 4096, N = 32, ROWS = 4, COLUMNS = 50, COUNT = ROWS * COLUMNS };

/* Ones, with a NaN where column or row 0 of the summed axis is. */
static mlx_array ones(int rows, int columns) {
  float *data = malloc((size_t)rows * (size_t)columns * sizeof *data);
  CHECK(data != NULL);
  for (int i = 0; i < rows * columns; i++) data[i] = 1;
  data[0] = NAN;
  mlx_array a = mlx_array_new_data(data, (const int[]){rows, columns}, 2, MLX_FLOAT32);
  free(data);
  return a;
}

static int start_of(int i) { return 1 + i * 7; }
static int end_of(int i) { return start_of(i) + (i % 5 == 4 ? -1 : i * 3); }

int main(void) {
  mean_cpu();
  int ends[2 * COUNT];
  for (int i = 0; i < COUNT; i++) {
    ends[2 * i] = start_of(i);
    ends[2 * i + 1] = end_of(i);
  }
  mlx_array a = ones(M, K), b = ones(K, N), r = mlx_array_new();
  mlx_array segments = mlx_array_new_data(ends, (const int[]){ROWS, COLUMNS, 2}, 3, MLX_INT32);
  size_t before, peak;
  CHECK(mlx_get_active_memory(&before) == 0 && mlx_reset_peak_memory() == 0);
  CHECK(mlx_segmented_mm(&r, a, b, segments, cpu) == 0 && mlx_array_eval(r) == 0);
  CHECK(mlx_get_peak_memory(&peak) == 0);
  CHECK(peak - before < (size_t)COUNT << 19);
  CHECK(mlx_array_ndim(r) == 4 && mlx_array_dim(r, 0) == ROWS && mlx_array_dim(r, 1) == COLUMNS);
  CHECK(mlx_array_dim(r, 2) == M && mlx_array_dim(r, 3) == N);
  const float *got = mlx_array_data_float32(r);
  for (int i = 0; i < COUNT * M * N; i++) {
    const int k = i / (M * N), length = end_of(k) - start_of(k);
    CHECK(got[i] == (float)(length > 0 ? length : 0));
  }
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(r);
  mlx_array_free(segments);
  return 0;
}
