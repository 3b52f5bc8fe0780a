/* How many kernels and copies operations take whose kernels go by rows: padding writes everything
   once, tril has no mask as an array, and indices along an axis are read as they are. Sums of
   transposes take one too. */

#include "stand_in_case.h"

enum { SIDE = 1100 };

struct taken {
  uint64_t kernels, copies;
};

/* What the evaluation of *a takes, beside reading nothing back; frees it. */
static struct taken taken_by(mlx_array a, mlx_stream s) {
  const struct stand_in_counts before = stand_in_now();
  CHECK(mlx_array_eval(a) == 0 && mlx_synchronize(s) == 0);
  const struct stand_in_counts after = stand_in_now();
  mlx_array_free(a);
  return (struct taken){after.kernels - before.kernels, after.copies - before.copies};
}

/* A matrix that lies on the device. */
static mlx_array matrix(int rows, int columns, mlx_dtype dtype, mlx_stream s) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_zeros(&a, (const int[]){rows, columns}, 2, dtype, s) == 0);
  CHECK(mlx_contiguous(&a, a, false, s) == 0 && mlx_array_eval(a) == 0);
  return a;
}

static void pads(mlx_stream s) {
  const int axes[] = {0, 1}, one[] = {1, 1};
  mlx_array a = matrix(SIDE, SIDE, MLX_FLOAT32, s), zero = matrix(1, 1, MLX_FLOAT32, s);
  mlx_array r = mlx_array_new();
  CHECK(mlx_pad(&r, a, axes, 2, one, 2, one, 2, zero, "constant", s) == 0);
  const struct taken t = taken_by(r, s);
  CHECK(t.kernels == 1 && t.copies == 0);
  mlx_array_free(a);
  mlx_array_free(zero);
}

/* Two ranges of positions, and the choice. */
static void triangles(mlx_stream s) {
  mlx_array a = matrix(SIDE, SIDE, MLX_FLOAT32, s), r = mlx_array_new();
  CHECK(mlx_tril(&r, a, 0, s) == 0);
  const struct taken t = taken_by(r, s);
  CHECK(t.kernels == 3 && t.copies == 0);
  mlx_array_free(a);
}

static void along(mlx_dtype dtype, int columns, mlx_stream s) {
  mlx_array a = matrix(SIDE, columns, MLX_FLOAT32, s), index = matrix(SIDE, columns, dtype, s);
  mlx_array r = mlx_array_new();
  CHECK(mlx_put_along_axis(&r, a, index, a, 1, s) == 0);
  const bool by_rows = columns == SIDE;
  const struct taken t = taken_by(r, s);
  CHECK(t.kernels == 3 && t.copies == (by_rows ? 0 : 1));
  mlx_array_free(a);
  mlx_array_free(index);
}

/* One kernel, whether transposes are read by tiles or, where they are small, as they come. */
static void sums_of_transposes(int rows, int columns, mlx_stream s) {
  mlx_array a = matrix(rows, columns, MLX_FLOAT32, s), b = matrix(columns, rows, MLX_FLOAT32, s);
  mlx_array r = mlx_array_new();
  CHECK(mlx_transpose(&b, b, s) == 0 && mlx_add(&r, a, b, s) == 0);
  struct taken t = taken_by(r, s);
  CHECK(t.kernels == 1 && t.copies == 0);
  r = mlx_array_new();
  CHECK(mlx_add(&r, b, a, s) == 0 && mlx_multiply(&r, r, b, s) == 0);
  t = taken_by(r, s);
  CHECK(t.kernels == (rows == SIDE ? 1 : 2) && t.copies == 0); /* a small group is compiled later */
  mlx_array_free(a);
  mlx_array_free(b);
}

int main(void) {
  stand_in_start();
  mlx_stream s = new_gpu_stream();
  pads(s);
  triangles(s);
  along(MLX_INT32, SIDE, s);
  along(MLX_INT64, SIDE, s);
  along(MLX_INT32, 100, s);
  sums_of_transposes(SIDE, SIDE - 1, s);
  sums_of_transposes(30, 40, s);
  mlx_stream_free(s);
  printf("rows: ok\n");
  return 0;
}
