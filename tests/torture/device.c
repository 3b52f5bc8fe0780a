/* A device that works asynchronously, with the n-th allocation failing: values that cross devices,
   views of what is only queued, groups, failures of the device itself, printing: K5, E1. */

#include "fake_device.h"
#include "sweep.h"

enum { N = 240 }; /* few enough to move as commands */

static bool submitted(mlx_array a) {
  mlx_vector_array v = mlx_vector_array_new_value(a);
  bool done = got(v.ctx) && ok(mlx_async_eval(v));
  mlx_vector_array_free(v);
  return done;
}

static mlx_array ones(void) {
  static float data[N];
  const int shape[2] = {10, N / 10};
  for (int i = 0; i < N; i++) data[i] = 1;
  mlx_array a = mlx_array_new_data(data, shape, 2, MLX_FLOAT32);
  got(a.ctx);
  return a;
}

static void expect(mlx_array a, float value) {
  if (!ok(mlx_array_eval(a))) return;
  const float *data = mlx_array_data_float32(a);
  if (got(data)) CHECK(data[0] == value && data[N - 1] == value);
}

static void across_devices(void) {
  mlx_stream gpu = mlx_default_gpu_stream_new(), cpu = mlx_default_cpu_stream_new();
  mlx_array a = ones(), b = mlx_array_new(), c = mlx_array_new();
  if (got(gpu.ctx) && got(cpu.ctx) && a.ctx && ok(mlx_add(&b, a, a, gpu)) &&
      ok(mlx_multiply(&c, b, b, cpu)) && ok(mlx_subtract(&c, c, b, gpu))) {
    expect(c, 2);
    expect(b, 2);
  }
  mlx_array all[] = {a, b, c};
  for (int i = 0; i < 3; i++) mlx_array_free(all[i]);
  mlx_stream_free(cpu);
  mlx_stream_free(gpu);
}

/* A chain that becomes a group, a view of it while it is queued, and a sum. */
static void groups_and_views(void) {
  mlx_stream gpu = mlx_default_gpu_stream_new();
  mlx_array a = ones(), b = mlx_array_new(), turned = mlx_array_new(), sum = mlx_array_new();
  float total = 0;
  bool made = got(gpu.ctx) && a.ctx && ok(mlx_add(&b, a, a, gpu));
  for (int i = 0; i < 8 && made; i++) made = ok(mlx_negative(&b, b, gpu));
  if (made && ok(mlx_transpose(&turned, b, gpu)) && ok(mlx_sum(&sum, turned, false, gpu))) {
    submitted(turned);
    expect(turned, 2);
    if (ok(mlx_array_item_float32(&total, sum))) CHECK(total == 2 * N);
  }
  mlx_array all[] = {a, b, turned, sum};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
  mlx_stream_free(gpu);
}

/* The device's own failure, or the one for want of memory, whichever comes first. */
static void failing_commands(void) {
  mlx_stream gpu = mlx_default_gpu_stream_new();
  mlx_array a = ones(), b = mlx_array_new(), c = mlx_array_new();
  if (got(gpu.ctx) && a.ctx && ok(mlx_exp(&b, a, gpu)) && ok(mlx_add(&c, b, a, gpu))) {
    fake_device_fail_next(1, WEIR_ERROR_DEVICE, "on purpose");
    if (mlx_array_eval(c) == 0) {
      /* What failed brought `a`, for an attempt that had no memory; the next one brought it anew.
       */
      const float *data = mlx_array_data_float32(c);
      if (got(data)) CHECK(data[0] > 3.71f && data[N - 1] < 3.72f);
    } else {
      CHECK(weir_last_status() == WEIR_ERROR_DEVICE ||
            weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
    }
    fake_device_fail_next(0, WEIR_ERROR_DEVICE, "");
  }
  mlx_array all[] = {a, b, c};
  for (int i = 0; i < 3; i++) mlx_array_free(all[i]);
  if (gpu.ctx) ok(mlx_synchronize(gpu));
  mlx_stream_free(gpu);
}

static void printing(void) {
  mlx_stream gpu = mlx_default_gpu_stream_new();
  mlx_string text = mlx_string_new();
  mlx_array a = ones(), b = mlx_array_new();
  static const mlx_dtype dtypes[] = {MLX_BOOL, MLX_INT8, MLX_UINT64, MLX_BFLOAT16, MLX_COMPLEX64};
  for (int i = 0; i < 5 && got(gpu.ctx) && a.ctx; i++) {
    if (!ok(mlx_astype(&b, a, dtypes[i], gpu)) || !ok(mlx_array_tostring(&text, b))) continue;
    CHECK(strstr(mlx_string_data(text), "array(["));
  }
  if (gpu.ctx && ok(mlx_stream_tostring(&text, gpu))) CHECK(strstr(mlx_string_data(text), "gpu"));
  mlx_string_free(text);
  mlx_array_free(b);
  mlx_array_free(a);
  mlx_stream_free(gpu);
}

int main(void) {
  fake_device_install();
  fake_device_take_groups();
  fake_device_take_few_bytes();
  mlx_set_error_handler(quiet, NULL, NULL);
  sweep(across_devices, "across devices");
  sweep(groups_and_views, "groups and views");
  sweep(failing_commands, "failing commands");
  sweep(printing, "printing");
  sweep_all_threads(across_devices, "across devices, all threads");
  sweep_all_threads(groups_and_views, "groups and views, all threads");
  settle();
  CHECK(fake_device_stats().violations == 0);
  mlx_set_error_handler(NULL, NULL, NULL);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
