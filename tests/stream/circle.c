/* Streams of two devices that block each other in a circle, one of which waits for what another has
   with its device already: O2, K13. Who waits for such a stream sleeps, and keeps to its time. */

#include <sched.h>

#include "anew.h"
#include "fake_device.h"
#include "fixtures.h"

static mlx_stream gpu, cpu;

static mlx_array exp_of(mlx_array a, mlx_stream s) {
  mlx_array out = mlx_array_new();
  CHECK(mlx_exp(&out, a, s) == 0);
  return out;
}

/* The first result is held on the device, the CPU's stream waits for it, and the device's stream
   for that one's result. */
static mlx_array circle(mlx_array a) {
  mlx_array first = exp_of(a, gpu), second = exp_of(first, cpu), third = exp_of(second, gpu);
  const uint64_t queued = fake_device_stats().queued;
  CHECK(submit(third) == 0);
  while (fake_device_stats().queued == queued) sched_yield();
  mlx_array_free(first);
  mlx_array_free(second);
  return third;
}

static void *force(void *a) {
  CHECK(mlx_array_eval(*(mlx_array *)a) == 0);
  return NULL;
}

static double cpu_seconds_of(pthread_t thread) {
  clockid_t clock;
  struct timespec t;
  CHECK(pthread_getcpuclockid(thread, &clock) == 0 && clock_gettime(clock, &t) == 0);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Measured over a time in which a thread that goes round and round would do nothing else. */
static void who_forces_sleeps(mlx_array a) {
  fake_device_hold();
  mlx_array third = circle(a);
  pthread_t thread = start_thread(force, &third);
  usleep(400 * 1000);
  CHECK(cpu_seconds_of(thread) < 0.2);
  fake_device_release();
  pthread_join(thread, NULL);
  mlx_array_free(third);
}

/* The only worker is inside a long command and another stream is ready, so that who waits asks
   whether what it waits for is, too. */
static void who_has_a_deadline_keeps_it(mlx_array a) {
  struct stall inside, ready;
  mlx_stream one = new_stream(), other = new_stream();
  fake_device_hold();
  mlx_array third = circle(a);
  stall_begin(&inside, one);
  stall_submit(&ready, other);
  CHECK(weir_stream_wait(gpu, 50 * 1000 * 1000) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_TIMEOUT);
  fake_device_release();
  stall_end(&inside);
  stall_end(&ready);
  CHECK(mlx_array_eval(third) == 0);
  mlx_array_free(third);
  mlx_stream_free(one);
  mlx_stream_free(other);
}

int main(int argc, char **argv) {
  (void)argv;
  if (argc == 1) {
    CHECK(setenv("WEIR_NUM_THREADS", "1", 1) == 0);
    run_anew("go");
  }
  fake_device_install();
  mlx_set_error_handler(quiet, NULL, NULL);
  gpu = new_gpu_stream();
  cpu = new_stream();
  mlx_array a = floats(4, 0);
  who_forces_sleeps(a);
  who_has_a_deadline_keeps_it(a);
  mlx_array_free(a);
  mlx_stream_free(gpu);
  mlx_stream_free(cpu);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(fake_device_stats().violations == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
