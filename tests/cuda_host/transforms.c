/* Linear algebra for a stream of a GPU, which the CPU computes: what goes there comes from the GPU
   and goes back. And Fourier transforms over the stand-in for cuFFT: every kind along every axis,
   more layouts than plans are kept, and threads that use one layout at once, whose plans the
   stand-in watches; no transform of what was not written. */

#include "mlx/c/fft.h"
#include "mlx/c/linalg.h"
#include "stand_in_case.h"

static const struct stand_in_fft *transforms(void) {
  void *library = dlopen("libcufft.so.12", RTLD_NOW | RTLD_LOCAL);
  const struct stand_in_fft *found = library ? dlsym(library, STAND_IN_FFT_SYMBOL) : NULL;
  CHECK(found != NULL);
  return found;
}

static void forced(int rc, mlx_array a) {
  CHECK(rc == 0 && mlx_array_eval(a) == 0);
  mlx_array_free(a);
}

static void each_kind(mlx_array a, mlx_stream s) {
  for (int axis = 0; axis < (int)mlx_array_ndim(a); axis++) {
    const int n = mlx_array_dim(a, axis);
    mlx_array r[4] = {{0}};
    for (int i = 0; i < 4; i++) r[i] = mlx_array_new();
    forced(mlx_fft_fft(&r[0], a, n, axis, MLX_FFT_NORM_ORTHO, s), r[0]);
    forced(mlx_fft_ifft(&r[1], a, n, axis, MLX_FFT_NORM_BACKWARD, s), r[1]);
    forced(mlx_fft_rfft(&r[2], a, n, axis, MLX_FFT_NORM_BACKWARD, s), r[2]);
    forced(mlx_fft_irfft(&r[3], a, n + 1, axis, MLX_FFT_NORM_FORWARD, s), r[3]);
  }
}

static void kinds(void) {
  mlx_stream s = new_gpu_stream();
  const int shape[] = {3, 4, 5};
  static const float data[60];
  mlx_array a = mlx_array_new_data(data, shape, 3, MLX_FLOAT32), turned = mlx_array_new();
  each_kind(a, s);
  CHECK(mlx_transpose(&turned, a, s) == 0);
  each_kind(turned, s);
  mlx_array_free(turned);
  mlx_array_free(a);
  mlx_stream_free(s);
}

static void on_the_cpu(void) {
  mlx_stream s = new_gpu_stream();
  const int shape[] = {2, 2};
  const float data[] = {2, 0, 0, 4};
  mlx_array a = mlx_array_new_data(data, shape, 2, MLX_FLOAT32), r = mlx_array_new();
  const mlx_array both[] = {a, a};
  mlx_vector_array v = mlx_vector_array_new_data(both, 2);
  CHECK(mlx_stack_axis(&r, v, 0, s) == 0 && mlx_linalg_inv(&r, r, s) == 0);
  const mlx_array twice[] = {r, r};
  mlx_vector_array w = mlx_vector_array_new_data(twice, 2);
  CHECK(mlx_concatenate_axis(&r, w, 0, s) == 0);
  const float *inverse = mlx_array_data_float32(r);
  CHECK(inverse != NULL);
  for (int i = 0; i < 4; i++) CHECK(inverse[4 * i] == 0.5f && inverse[4 * i + 3] == 0.25f);
  mlx_vector_array_free(v);
  mlx_vector_array_free(w);
  mlx_array_free(a);
  mlx_array_free(r);
  mlx_stream_free(s);
}

static void many_layouts(int i) {
  mlx_stream s = new_gpu_stream();
  for (int n = 1; n < 100; n++) {
    mlx_array a = floats(n, (float)i), r = mlx_array_new();
    CHECK(mlx_fft_fft(&r, a, n, 0, MLX_FFT_NORM_BACKWARD, s) == 0 && async_eval(r) == 0);
    if (n % 10 == 0) CHECK(mlx_synchronize(s) == 0);
    mlx_array_free(a);
    mlx_array_free(r);
  }
  CHECK(mlx_synchronize(s) == 0);
  mlx_stream_free(s);
}

static int transformed(int n, mlx_stream s) {
  mlx_array a = floats(n, 0), r = mlx_array_new();
  CHECK(mlx_fft_fft(&r, a, n, 0, MLX_FFT_NORM_BACKWARD, s) == 0);
  const int rc = mlx_array_eval(r);
  mlx_array_free(a);
  mlx_array_free(r);
  return rc;
}

/* A kernel before the transform is refused, each in turn; a stream each, since what comes again
   becomes a graph. The transform would read what was not written. */
static void nothing_after_a_refused_launch(void) {
  enum { REFUSED = 701 };
  bool failed = true;
  uint64_t without = 0;
  for (uint64_t n = 1; failed; n++) {
    mlx_stream s = new_gpu_stream();
    CHECK(transformed(10, s) == 0 && mlx_synchronize(s) == 0);
    const uint64_t before = transforms()->transforms();
    cuda->fail("cuLaunchKernel", n, REFUSED);
    const int rc = transformed(10, s);
    failed = cuda->has_failed();
    cuda->fail("cuLaunchKernel", 0, 0);
    CHECK(rc == failed && (!rc || strstr(weir_last_error(), "cuLaunchKernel")));
    const uint64_t ran = transforms()->transforms() - before;
    CHECK(ran == 1 || (failed && ran == 0));
    without += ran == 0;
    CHECK(transformed(10, s) == 0);
    mlx_stream_free(s);
  }
  CHECK(without > 0);
}

int main(void) {
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  kinds();
  on_the_cpu();
  nothing_after_a_refused_launch();
  many_layouts(0);
  run_threads(4, many_layouts);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  return 0;
}
