/* Data at addresses that its type does not allow: copied, also where it was to be taken as it lies,
   and then its destructor has run before the call returns. At allowed ones it is not. */

#include <stdint.h>
#include <string.h>

#include "check.h"
#include "mlx/c/mlx.h"

enum { ELEMENTS = 100 };

static int ended;
static void end(void *payload) {
  CHECK(payload == &ended);
  ended++;
}

static double sum_of(mlx_array a, mlx_stream s) {
  mlx_array sum = mlx_array_new(), wide = mlx_array_new();
  double value = -1;
  CHECK(mlx_astype(&wide, a, MLX_FLOAT64, s) == 0);
  CHECK(mlx_sum(&sum, wide, false, s) == 0);
  CHECK(mlx_array_item_float64(&value, sum) == 0);
  CHECK(mlx_array_free(sum) == 0 && mlx_array_free(wide) == 0);
  return value;
}

/* `ones` are elements of 1, put `offset` bytes behind an address that every type allows. */
static void managed(mlx_dtype dtype, const void *ones, int offset, bool copied, mlx_stream s) {
  static _Alignas(16) unsigned char room[8 * ELEMENTS + 16];
  const int shape[1] = {ELEMENTS};
  const size_t bytes = ELEMENTS * mlx_dtype_size(dtype);
  memcpy(room + offset, ones, bytes);
  ended = 0;
  mlx_array a = mlx_array_new_data_managed_payload(room + offset, shape, 1, dtype, &ended, end);
  CHECK(a.ctx != NULL && ended == copied);
  if (copied) memset(room, 0, sizeof room);
  CHECK(sum_of(a, s) == ELEMENTS);
  CHECK(mlx_array_free(a) == 0);
  CHECK(mlx_synchronize(s) == 0 && ended <= 1);
  mlx_array b = mlx_array_new_data(ones, shape, 1, dtype);
  CHECK(sum_of(b, s) == ELEMENTS && mlx_array_free(b) == 0);
}

int main(void) {
  static double doubles[ELEMENTS];
  static float floats[2 * ELEMENTS + 1];
  static float complexes[2 * ELEMENTS];
  static int16_t shorts[ELEMENTS];
  static int8_t bytes[ELEMENTS];
  mlx_stream s = mlx_default_cpu_stream_new();
  for (int i = 0; i < ELEMENTS; i++) {
    doubles[i] = 1;
    floats[i] = 1;
    complexes[2 * i] = 1;
    shorts[i] = 1;
    bytes[i] = 1;
  }
  for (int offset = 0; offset < 16; offset++) {
    managed(MLX_FLOAT64, doubles, offset, offset % 8 != 0, s);
    managed(MLX_FLOAT32, floats, offset, offset % 4 != 0, s);
    managed(MLX_COMPLEX64, complexes, offset, offset % 4 != 0, s);
    managed(MLX_INT16, shorts, offset, offset % 2 != 0, s);
    managed(MLX_INT8, bytes, offset, false, s);
  }
  return mlx_stream_free(s);
}
