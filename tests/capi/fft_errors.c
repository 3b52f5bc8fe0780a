/* Wrong calls of mlx/c/fft.h: rc 1, MLX's message, the result left alone. */

#include "fails.h"
#include "mean_cpu.h"
#include "mlx/c/fft.h"

static const mlx_stream cpu = {NULL};
static const mlx_array none = {NULL};

int main(void) {
  static const char data[4096];
  mean_cpu();
  begin_failing();
  mlx_array x = mlx_array_new_data(data, INTS(2, 3, 4), 3, MLX_FLOAT32);
  mlx_array scalar = mlx_array_new_float(1);
  const mlx_fft_norm norm = MLX_FFT_NORM_BACKWARD;
  FAILS(mlx_fft_fft, "[fft] a is an empty array", &res, none, 2, 0, norm, cpu);
  FAILS(mlx_fft_fft, "[fftn] Requires array with at least one dimension.", &res, scalar, 2, 0, norm,
        cpu);
  FAILS(mlx_fft_rfft, "[fftn] Invalid axis received for array with 3 dimensions.", &res, x, 2, 3,
        norm, cpu);
  FAILS(mlx_fft_irfft, "[fftn] Invalid FFT output size requested (0)", &res, x, 0, 1, norm, cpu);
  FAILS(mlx_fft_ifft, "[fftn] norm is 3", &res, x, 2, 1, (mlx_fft_norm)3, cpu);
  FAILS(mlx_fft_fftn, "[fftn] Shape and axes have different sizes.", &res, x, INTS(2), 1,
        INTS(0, 1), 2, norm, cpu);
  FAILS(mlx_fft_fftn, "[fftn] n is NULL", &res, x, NULL, 2, INTS(0, 1), 2, norm, cpu);
  FAILS(mlx_fft_ifft2, "[fftn] Duplicated axis received (0,-3)", &res, x, INTS(2, 2), 2,
        INTS(0, -3), 2, norm, cpu);
  FAILS(mlx_fft_ifft2, "[fftn] Duplicated axis received (7,7)", &res, x, INTS(2, 2), 2, INTS(7, 7),
        2, norm, cpu);
  FAILS(mlx_fft_rfftn, "[fftn] Invalid FFT output size requested (2,-1)", &res, x, INTS(2, -1), 2,
        INTS(0, 1), 2, norm, cpu);
  FAILS(mlx_fft_fftshift, "[fftshift] Invalid axis 3 for array with 3 dimensions.", &res, x,
        INTS(0, 3), 2, cpu);
  FAILS(mlx_fft_ifftshift, "[ifftshift] Invalid axis -4 for array with 3 dimensions.", &res, x,
        INTS(-4), 1, cpu);
  FAILS(mlx_fft_fftfreq, "[fftfreq] `n` must be greater than 0.", &res, 0, 1, cpu);
  FAILS(mlx_fft_rfftfreq, "[rfftfreq] `d` must be non-zero.", &res, 4, 0, cpu);
  mlx_array_free(x);
  mlx_array_free(scalar);
  mlx_array_free(res);
  return failures != 0;
}
