/* S1 on a GPU, over the stand-in for NVIDIA's driver: a device that stalls, one stream that waits
   there for another, a compiler that takes long, memory that others hold. The first line of a dump
   names the culprit. Each in a child, since a GPU is one process's. */

#include "dump_case.h"
#include "stand_in_case.h"

static mlx_array sum_of(mlx_array a, mlx_array b, mlx_stream s) {
  mlx_array out = mlx_array_new();
  CHECK(mlx_add(&out, a, b, s) == 0);
  return out;
}

/* The device takes commands and does not begin them. */
static void stalled(void) {
  mlx_stream s = new_gpu_stream();
  CHECK(weir_stream_set_label(s, "decode") == 0);
  mlx_array a = floats(300, 1), sum = sum_of(a, a, s);
  CHECK(submit(sum) == 0 && mlx_synchronize(s) == 0);
  cuda->hold();
  mlx_array more = sum_of(sum, sum, s);
  force_elsewhere(&more);
  culprit_is("gpu:0 has ended nothing of stream 0 \"decode\" (gpu:0) for|add float32[300]");
  dump_has("with the device: ");
  dump_has("\"forces\"");
  dump_has("waits for a command of a GPU, for");
}

/* The other one's device is what both wait for. */
static void behind(void) {
  mlx_stream s = new_gpu_stream(), t = new_gpu_stream();
  mlx_array a = floats(300, 1), one = sum_of(a, a, s), other = sum_of(a, a, t);
  CHECK(submit(one) == 0 && mlx_synchronize(s) == 0);
  CHECK(submit(other) == 0 && mlx_synchronize(t) == 0);
  cuda->hold();
  mlx_array first = sum_of(one, one, s), second = sum_of(first, other, t);
  CHECK(submit(first) == 0);
  culprit_is("gpu:0 has ended nothing of stream 0 (gpu:0) for|add float32[300]");
  CHECK(submit(second) == 0); /* what it reads is with the device by now */
  dump_has("it waits there for another stream");
  CHECK(strstr(first_line(), "gpu:0 has ended nothing of stream 0 (gpu:0) for"));
}

/* A call of the driver's that does not come back, since its queue is full. */
static void driver(void) {
  enum { MANY = 8 };
  mlx_stream s = new_gpu_stream();
  mlx_array a = floats(300, 1), sums[MANY];
  for (int i = 0; i < MANY; i++) sums[i] = sum_of(a, i ? sums[i - 1] : a, s);
  CHECK(submit(sums[0]) == 0 && mlx_synchronize(s) == 0);
  cuda->hold();
  cuda->queue(2);
  CHECK(submit(sums[MANY - 1]) == 0);
  culprit_is("for stream 0 (gpu:0), and has not come back from the driver for");
}

static void compiles(void) {
  mlx_stream s = new_gpu_stream();
  mlx_array a = floats(300, 1), sum = sum_of(a, a, s);
  force_elsewhere(&sum);
  culprit_is("has NVRTC compile binary.cu, add of float32");
}

int main(void) {
  stand_in_start();
  CHECK(sem_init(&never, 0, 0) == 0);
  HANGS(stalled);
  HANGS(behind);
  HANGS(driver);
  CHECK(setenv("WEIR_STAND_IN_COMPILE", "60000", 1) == 0);
  HANGS(compiles);
  return 0;
}
