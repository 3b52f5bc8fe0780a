/* Groups on an asynchronous device with memory of its own (the fake device): one command each,
   which fails, waits and reads other devices' arrays like any other. And on a device that runs no
   groups, a command for each operation. */

#include "fake_device.h"
#include "programs.h"

enum { N = 5000 };

static mlx_stream gpu, cpu;

/* -sqrt(a + b): 3 operations. */
static mlx_array chain(mlx_array a, mlx_array b, mlx_stream s) {
  mlx_array t = mlx_array_new();
  CHECK(mlx_add(&t, a, b, s) == 0 && mlx_sqrt(&t, t, s) == 0 && mlx_negative(&t, t, s) == 0);
  return t;
}

static uint64_t commands_of(mlx_array a) {
  uint64_t before = fake_device_stats().commands;
  CHECK(mlx_array_eval(a) == 0);
  return fake_device_stats().commands - before;
}

static void one_command_for_each(uint64_t expected) {
  mlx_array a = floats(N, 0), b = floats(N, 0), y = chain(a, b, gpu), sum = mlx_array_new();
  CHECK(commands_of(y) == expected);
  CHECK(mlx_array_data_float32(y)[8] == -4 && mlx_array_data_float32(y)[2] == -2);
  mlx_array z = chain(a, a, gpu);
  CHECK(mlx_array_set(&sum, z) == 0);
  mlx_array_free(z);
  CHECK(mlx_max(&sum, sum, false, gpu) == 0);
  CHECK(commands_of(sum) == (expected > 1 ? 4 : 1) && float_of(sum) == 0);
  mlx_array all[] = {a, b, y, sum};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

/* Groups that read one another, queued while the device stands still: each is encoded on what the
   one before has not computed yet. */
static void groups_queue_up(void) {
  enum { LINKS = 50 };
  mlx_array a = floats(N, 1), one = mlx_array_new_float(1), link = mlx_array_new();
  CHECK(mlx_array_set(&link, a) == 0);
  fake_device_hold();
  for (int i = 0; i < LINKS; i++) {
    CHECK(mlx_add(&link, link, one, gpu) == 0 && mlx_subtract(&link, link, one, gpu) == 0);
    add_to(&link, one, gpu);
    CHECK(async_eval(link) == 0);
  }
  mlx_array across = chain(link, link, cpu);
  CHECK(async_eval(across) == 0);
  fake_device_release();
  CHECK(mlx_array_data_float32(link)[7] == 8 + LINKS);
  CHECK(mlx_array_eval(across) == 0);
  mlx_array all[] = {a, one, link, across};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

/* A group that fails by itself, and one that ran on what had failed: the first error counts. */
static void failures(void) {
  mlx_array a = floats(N, 0), bad = chain(a, a, gpu), after = chain(bad, a, gpu);
  fake_device_hold();
  fake_device_fail_next(1, WEIR_ERROR_DEVICE, "told to fail");
  CHECK(async_eval(bad) == 0 && async_eval(after) == 0);
  fake_device_release();
  for (int i = 0; i < 2; i++) {
    CHECK(mlx_array_eval(i ? bad : after) == 1);
    CHECK(strstr(weir_last_error(), "told to fail") && strstr(weir_last_error(), "negative to"));
  }
  mlx_array good = chain(a, a, gpu);
  CHECK(mlx_array_data_float32(good)[2] == -2);
  mlx_array all[] = {a, bad, after, good};
  for (int i = 0; i < 4; i++) mlx_array_free(all[i]);
}

static void with_groups(void) {
  gpu = mlx_default_gpu_stream_new();
  cpu = mlx_default_cpu_stream_new();
  one_command_for_each(1);
  groups_queue_up();
  failures();
}

static void without_groups(void) {
  fake_device_install();
  gpu = mlx_default_gpu_stream_new();
  one_command_for_each(3);
}

int main(void) {
  mlx_set_error_handler(quiet, NULL, NULL);
  CHECK(in_child(without_groups, 30) == 0);
  fake_device_take_groups();
  fake_device_install();
  with_groups();
  mlx_stream_free(gpu);
  mlx_stream_free(cpu);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(fake_device_stats().violations == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
