/* The counters by which the blocks of a split reduction hear which is the last: there are as many
   as the most results need that have splits, of each width of elements, by packs and one by one.
   In debug builds a kernel that is given fewer ends the process; nothing is computed. */

#include "stand_in_case.h"

enum { MULTIPROCESSORS = 16, MOST_BLOCKS = 4 * MULTIPROCESSORS /* that have splits */ };

typedef int (*reduction)(mlx_array *, const mlx_array, int, bool, const mlx_stream);

/* n elements to each of `results` columns, all of one row in memory. */
static void columns(mlx_dtype dtype, int results, int n, mlx_stream s) {
  const reduction all[] = {mlx_sum_axis, mlx_max_axis, mlx_argmax_axis};
  const int row[] = {1, results}, shape[] = {n, results};
  mlx_array one = mlx_array_new(), a = mlx_array_new(), out = mlx_array_new();
  CHECK(mlx_ones(&one, row, 2, dtype, s) == 0 && mlx_array_eval(one) == 0);
  CHECK(mlx_broadcast_to(&a, one, shape, 2, s) == 0);
  for (int i = 0; i < 3; i++) {
    CHECK(all[i](&out, a, 0, false, s) == 0);
    const uint64_t kernels = stand_in_now().kernels;
    CHECK(mlx_array_eval(out) == 0 && stand_in_now().kernels > kernels);
  }
  mlx_array_free(one);
  mlx_array_free(a);
  mlx_array_free(out);
}

int main(void) {
  stand_in_start();
  mlx_stream s = new_gpu_stream();
  const mlx_dtype types[] = {MLX_BOOL, MLX_UINT8, MLX_INT16, MLX_FLOAT16, MLX_FLOAT32, MLX_INT64};
  const int bytes[] = {1, 1, 2, 2, 4, 8};
  for (int i = 0; i < 6; i++) {
    const int most = MOST_BLOCKS * 32 * (bytes[i] < 4 ? 16 / bytes[i] : 1);
    for (int less = -1; less < 2; less++) columns(types[i], most - less, 512, s);
    columns(types[i], most / 2, 1024, s);
  }
  mlx_stream_free(s);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  return 0;
}
