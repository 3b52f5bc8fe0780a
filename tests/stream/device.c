/* The same rules on an asynchronous device with memory of its own (the fake device), and between it
   and the CPU: D2, D5, O2, O3, E1 to E5, K6, W3. FAILURES: D1, D4, D5, D9, F3, F5. */

#include <sched.h>

#include "fake_device.h"
#include "programs.h"

static mlx_stream gpu, cpu;

static mlx_array lazy_exp(mlx_array a, mlx_stream s) {
  mlx_array out = mlx_array_new();
  CHECK(mlx_exp(&out, a, s) == 0);
  return out;
}

static void values_cross_devices(void) {
  mlx_array a = floats(100, 1), t = mlx_array_new();
  int stop = 90, start = 10, step = 2;
  CHECK(mlx_slice(&t, a, &start, 1, &stop, 1, &step, 1, gpu) ==
        0); /* a strided view of host data */
  for (int i = 0; i < 20; i++) add_to(&t, t, i % 3 ? gpu : cpu);
  const float *data = mlx_array_data_float32(t);
  CHECK(data != NULL);
  for (int i = 0; i < 40; i++) CHECK(data[i] == (float)(11 + 2 * i) * 0x1p20f);
  mlx_array_free(t);
  mlx_array_free(a);
}

/* D1: a stream that stalls stops nobody else; O2: submitting to it never blocks. */
static void d1_no_foreign_backlog(void) {
  mlx_array a = floats(4, 0), one = mlx_array_new_float(1);
  fake_device_hold();
  mlx_array held = mlx_array_new();
  mlx_array_set(&held, a);
  for (int i = 0; i < 400; i++) {
    add_to(&held, one, gpu);
    CHECK(async_eval(held) == 0);
  }
  mlx_array free_work = mlx_array_new();
  mlx_array_set(&free_work, a);
  for (int i = 0; i < 3; i++) add_to(&free_work, one, cpu);
  CHECK(mlx_array_data_float32(free_work)[0] == 3);
  mlx_array dependent = lazy_exp(held, cpu); /* waits on the device's result, not on this thread */
  CHECK(async_eval(dependent) == 0);
  bool available = true;
  CHECK(_mlx_array_is_available(&available, dependent) == 0 && !available);
  fake_device_release();
  CHECK(mlx_array_data_float32(held)[0] == 400);
  CHECK(mlx_array_eval(dependent) == 0);
  mlx_array_free(dependent);
  mlx_array_free(free_work);
  mlx_array_free(held);
  mlx_array_free(one);
  mlx_array_free(a);
}

/* D5, F3, F5, D9: a failure reaches every forcer, again and again, and nobody else. */
static void d5_errors_follow_the_data(void) {
  mlx_array a = floats(4, 0), other = lazy_exp(a, gpu);
  CHECK(mlx_array_eval(other) == 0);
  mlx_array bad = lazy_exp(a, gpu);
  mlx_array after = lazy_exp(bad, gpu), across = lazy_exp(bad, cpu), good = lazy_exp(a, gpu);
  fake_device_fail_next(1, WEIR_ERROR_DEVICE, "told to fail");
  CHECK(async_eval(bad) == 0); /* not known before submission */
  mlx_array all[] = {across, good, after};
  mlx_vector_array v = mlx_vector_array_new_data(all, 3);
  CHECK(mlx_eval(v) == 1);
  CHECK(strstr(weir_last_error(), "told to fail") && strstr(weir_last_error(), "exp"));
  CHECK(weir_last_status() == WEIR_ERROR_DEVICE);
  CHECK(mlx_array_data_float32(good)[0] == 1);
  mlx_string text = mlx_string_new();
  float f = 0;
  for (int i = 0; i < 3; i++) {
    CHECK(mlx_array_eval(after) == 1);
    CHECK(mlx_array_data_float32(across) == NULL);
    CHECK(mlx_array_tostring(&text, bad) == 1);
    CHECK(_mlx_array_wait(bad) == 1);
    CHECK(mlx_array_item_float32(&f, bad) == 1);
    CHECK(async_eval(bad) == 1); /* known now */
    CHECK(mlx_synchronize(gpu) == 0);
  }
  bool available = false;
  CHECK(_mlx_array_is_available(&available, bad) == 0 && available);
  mlx_array late = lazy_exp(bad, gpu); /* E5: recording succeeds, forcing fails */
  CHECK(mlx_array_eval(late) == 1);
  mlx_array fresh = lazy_exp(a, gpu);
  CHECK(mlx_array_data_float32(fresh)[0] == 1);
  mlx_array everything[] = {a, other, bad, after, across, good, late, fresh};
  for (size_t i = 0; i < 8; i++) mlx_array_free(everything[i]);
  mlx_string_free(text);
  mlx_vector_array_free(v);
}

/* D4: streams that wait for one another in a chain, submitted from the far end. */
static void d4_reverse_chain(void) {
  enum { STREAMS = 16, EACH = 50 };
  mlx_stream streams[STREAMS];
  mlx_array link[STREAMS + 1], one = mlx_array_new_float(1);
  link[0] = mlx_array_new_float(0);
  for (int i = 0; i < STREAMS; i++) {
    mlx_device device = mlx_device_new_type(i % 4 == 3 ? MLX_GPU : MLX_CPU, 0);
    streams[i] = mlx_stream_new_device(device);
    mlx_device_free(device);
    link[i + 1] = mlx_array_new();
    mlx_array_set(&link[i + 1], link[i]);
    for (int k = 0; k < EACH; k++) add_to(&link[i + 1], one, streams[i]);
  }
  for (int i = STREAMS; i > 0; i--) CHECK(async_eval(link[i]) == 0);
  for (int i = STREAMS; i > 0; i--) CHECK(float_of(link[i]) == (float)(i * EACH));
  for (int i = 0; i <= STREAMS; i++) mlx_array_free(link[i]);
  for (int i = 0; i < STREAMS; i++) mlx_stream_free(streams[i]);
  mlx_array_free(one);
}

/* E2: 16 threads on the device, each with its own default stream there; then nothing is left. */
static void device_thread(int i) {
  mlx_stream s = mlx_default_gpu_stream_new();
  CHECK(s.ctx != NULL);
  mlx_array a = mlx_array_new_float((float)i), one = mlx_array_new_float(1);
  for (int k = 0; k < 50; k++) add_to(&a, one, k % 7 ? s : (mlx_stream){0});
  CHECK(float_of(a) == (float)i + 50);
  mlx_array_free(one);
  mlx_array_free(a);
  mlx_stream_free(s);
}

static void refused_memory(void) {
  mlx_array a = floats(1 << 20, 0), out = lazy_exp(a, gpu);
  CHECK(mlx_clear_cache() == 0);
  fake_device_fail_alloc(100);
  CHECK(mlx_array_eval(out) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
  fake_device_fail_alloc(0);
  mlx_array again = lazy_exp(a, gpu);
  CHECK(mlx_array_data_float32(again)[0] == 1);
  mlx_array_free(again);
  mlx_array_free(out);
  mlx_array_free(a);
}

/* W3: what the device has accepted and not finished is neither idle nor done. */
static void w3_in_flight_is_not_idle(void) {
  mlx_array a = floats(4, 0), out = lazy_exp(a, gpu);
  weir_stream_stats_t before, held;
  bool idle = true;
  CHECK(mlx_synchronize(gpu) == 0 && weir_stream_stats(&before, gpu) == 0);
  fake_device_hold();
  CHECK(async_eval(out) == 0);
  while (!fake_device_stats().queued) sched_yield();
  CHECK(weir_stream_query(&idle, gpu) == 0 && !idle);
  CHECK(weir_stream_stats(&held, gpu) == 0 && held.queued + held.running == 1);
  fake_device_release();
  CHECK(mlx_synchronize(gpu) == 0 && weir_stream_query(&idle, gpu) == 0 && idle);
  CHECK(weir_stream_stats(&held, gpu) == 0 && held.done == before.done + 1);
  mlx_array_free(out);
  mlx_array_free(a);
}

static bool is_on_gpu_1(mlx_stream s) {
  mlx_device d = mlx_device_new();
  int index = -1;
  mlx_device_type type = MLX_CPU;
  CHECK(mlx_stream_get_device(&d, s) == 0);
  CHECK(mlx_device_get_index(&index, d) == 0 && mlx_device_get_type(&type, d) == 0);
  mlx_device_free(d);
  return type == MLX_GPU && index == 1;
}

/* D5: the default stream of gpu:1 is on gpu:1. D2: an operation without a stream runs on the
   calling thread's default stream of the default device, and keeps to it when the default changes.
 */
static void d5_d2_default_device(void) {
  mlx_device second = mlx_device_new_type(MLX_GPU, 1), before = mlx_device_new();
  mlx_stream of_second = mlx_stream_new(), again = mlx_stream_new();
  CHECK(mlx_get_default_stream(&of_second, second) == 0 && is_on_gpu_1(of_second));
  CHECK(mlx_get_default_device(&before) == 0 && mlx_set_default_device(second) == 0);
  CHECK(mlx_get_default_stream(&again, second) == 0 && mlx_stream_equal(again, of_second));
  CHECK(!mlx_stream_equal(gpu, of_second));
  mlx_array a = floats(4, 1), out = lazy_exp(a, (mlx_stream){0});
  CHECK(mlx_set_default_device(before) == 0);
  weir_stream_stats_t ran;
  CHECK(mlx_array_eval(out) == 0 && weir_stream_stats(&ran, of_second) == 0 && ran.done == 1);
  mlx_array_free(out);
  mlx_array_free(a);
  mlx_stream_free(again);
  mlx_stream_free(of_second);
  mlx_device_free(before);
  mlx_device_free(second);
}

/* E3, E5: nobody waits for what fails on the library's own threads; the process goes on. */
static void e3_failures_nobody_forces(void) {
  mlx_array a = floats(4, 1);
  for (int i = 0; i < 20; i++) {
    fake_device_fail_next(1, WEIR_ERROR_DEVICE, "ordered");
    mlx_array out = lazy_exp(a, gpu);
    CHECK(async_eval(out) == 0);
    mlx_array_free(out);
    CHECK(mlx_synchronize(gpu) == 0);
  }
  mlx_array fine = lazy_exp(a, gpu);
  CHECK(mlx_array_eval(fine) == 0);
  mlx_array_free(fine);
  mlx_array_free(a);
}

int main(void) {
  mean_cpu();
  fake_device_install();
  mlx_set_error_handler(quiet, NULL, NULL);
  gpu = mlx_default_gpu_stream_new();
  cpu = mlx_default_cpu_stream_new();
  CHECK(gpu.ctx && cpu.ctx);
  values_cross_devices();
  d1_no_foreign_backlog();
  d5_errors_follow_the_data();
  d4_reverse_chain();
  refused_memory();
  w3_in_flight_is_not_idle();
  d5_d2_default_device();
  e3_failures_nobody_forces();
  run_threads(many(16), device_thread);
  mlx_stream_free(gpu);
  mlx_stream_free(cpu);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(fake_device_stats().violations == 0);
  CHECK(fake_device_stats().encoders == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
