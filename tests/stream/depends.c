/* Views of several inputs (mlx_depends): over when all are, on a stream of the CPU and on a device
   where an input is only queued; failing with any of them (E5); made again after many. */

#include "fake_device.h"
#include "fixtures.h"

/* a, once `on` is over. */
static mlx_array depending(mlx_array a, mlx_array on) {
  mlx_vector_array in = mlx_vector_array_new_value(a), to = mlx_vector_array_new_value(on);
  mlx_vector_array out = mlx_vector_array_new();
  mlx_array res = mlx_array_new();
  CHECK(mlx_depends(&out, in, to) == 0 && mlx_vector_array_size(out) == 1);
  CHECK(mlx_vector_array_get(&res, out, 0) == 0);
  mlx_vector_array_free(out);
  mlx_vector_array_free(to);
  mlx_vector_array_free(in);
  return res;
}

/* The dependency stands behind a stall on another stream. */
static void waits_for_all(void) {
  mlx_device device = mlx_device_new_type(MLX_CPU, 0);
  mlx_stream other = mlx_stream_new_device(device);
  mlx_device_free(device);
  struct stall stall;
  stall_begin(&stall, other);
  mlx_array a = mlx_array_new_float(7), slow = chain(1, 3, other), b = depending(a, slow);
  mlx_array c = chain(0, 0, (mlx_stream){0});
  CHECK(mlx_add(&c, b, b, (mlx_stream){0}) == 0);
  CHECK(submit(c) == 0);
  CHECK(!available(b) && !available(c));
  stall_end(&stall);
  CHECK(float_of(c) == 14 && available(slow) && float_of(b) == 7);
  mlx_array_free(c);
  mlx_array_free(b);
  mlx_array_free(slow);
  mlx_array_free(a);
  mlx_stream_free(other);
}

static void fails_with_any(void) {
  mlx_array a = mlx_array_new_float(7), bad = failing((mlx_stream){0});
  mlx_array b = depending(a, bad), c = depending(bad, a), d = depending(a, a);
  CHECK(mlx_array_eval(b) == 1 && mlx_array_eval(c) == 1 && mlx_array_eval(b) == 1);
  CHECK(mlx_array_eval(d) == 0 && float_of(d) == 7 && float_of(a) == 7);
  mlx_array all[] = {a, bad, b, c, d};
  for (int i = 0; i < 5; i++) mlx_array_free(all[i]);
}

/* The dependency is queued on the view's own stream of the device. */
static void waits_on_a_device(mlx_stream gpu) {
  mlx_device device = mlx_device_new_type(MLX_GPU, 0);
  CHECK(mlx_set_default_device(device) == 0);
  mlx_array a = mlx_array_new_float(1), e = mlx_array_new(), sum = mlx_array_new();
  CHECK(mlx_exp(&e, a, gpu) == 0 && mlx_array_eval(e) == 0);
  fake_device_hold();
  mlx_array slow = mlx_array_new();
  CHECK(mlx_negative(&slow, a, gpu) == 0 && submit(slow) == 0);
  mlx_array b = depending(e, slow);
  CHECK(submit(b) == 0 && !available(b) && !available(slow));
  CHECK(mlx_add(&sum, b, slow, (mlx_stream){0}) == 0 && submit(sum) == 0);
  fake_device_release();
  CHECK(float_of(sum) > 1.71f && float_of(sum) < 1.72f && available(b) && available(slow));
  fake_device_fail_next(1, WEIR_ERROR_DEVICE, "told to fail");
  mlx_array bad = mlx_array_new();
  CHECK(mlx_sin(&bad, a, gpu) == 0);
  mlx_array c = depending(e, bad);
  CHECK(mlx_array_eval(c) == 1 && strstr(weir_last_error(), "told to fail"));
  mlx_array all[] = {a, e, sum, slow, b, bad, c};
  for (int i = 0; i < 7; i++) mlx_array_free(all[i]);
  mlx_device_free(device);
  mean_cpu();
}

/* More inputs than stand on a stack, each a view of the one before: deep and wide. */
static void deep_and_wide(void) {
  enum { DEEP = 300, WIDE = 20 };
  mlx_array a = mlx_array_new_float(3), last = chain(1, 2, (mlx_stream){0});
  for (int i = 0; i < DEEP; i++) {
    mlx_vector_array in = mlx_vector_array_new(), out = mlx_vector_array_new();
    for (int k = 0; k < WIDE; k++) CHECK(mlx_vector_array_append_value(in, k % 2 ? a : last) == 0);
    CHECK(mlx_depends(&out, in, in) == 0 && mlx_vector_array_size(out) == WIDE);
    CHECK(mlx_vector_array_get(&last, out, WIDE - 1) == 0);
    mlx_vector_array_free(out);
    mlx_vector_array_free(in);
  }
  CHECK(float_of(last) == 3);
  mlx_vector_array none = mlx_vector_array_new(), out = mlx_vector_array_new();
  CHECK(mlx_depends(&out, none, none) == 0 && mlx_vector_array_size(out) == 0);
  mlx_vector_array_free(out);
  mlx_vector_array_free(none);
  mlx_array_free(last);
  mlx_array_free(a);
}

int main(void) {
  mean_cpu();
  fake_device_install();
  mlx_set_error_handler(quiet, NULL, NULL);
  waits_for_all();
  fails_with_any();
  deep_and_wide();
  mlx_stream gpu = mlx_default_gpu_stream_new();
  waits_on_a_device(gpu);
  mlx_stream_free(gpu);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(fake_device_stats().violations == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
