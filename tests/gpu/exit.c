/* A process that uses the GPU ends at once with its own status, at any moment and from any thread:
   K8. FAILURES: G2, G3, G5. Each way runs in a child that is the first of its process to use the
   GPU, and CMake gives them no folder for compiled kernels, so that the end comes upon the driver's
   start, the compiler's and its work. */

#include <time.h>

#include "fixtures.h"
#include "programs.h"

static mlx_array work(mlx_stream s) {
  mlx_array a = floats(1 << 16, 0), one = mlx_array_new_float(1);
  for (int i = 0; i < 100; i++) add_to(&a, one, s);
  mlx_vector_array v = mlx_vector_array_new_value(a);
  mlx_async_eval(v);
  mlx_vector_array_free(v);
  mlx_array_free(one);
  return a;
}

/* Everything used, nothing freed, work in flight. */
static void leave_by_exit(void) {
  work(mlx_default_gpu_stream_new());
  exit(42);
}

static void leave_after_waiting(void) {
  mlx_array a = work(mlx_default_gpu_stream_new());
  CHECK(mlx_array_data_float32(a)[0] == 100);
  exit(42);
}

/* Once the process is ending, evaluations fail in words. */
static void *busy(void *arg) {
  mlx_stream s = mlx_default_gpu_stream_new();
  mlx_set_error_handler(quiet, NULL, NULL);
  for (;;) {
    mlx_array a = work(s);
    if (mlx_array_eval(a)) return arg;
    mlx_array_free(a);
  }
}

static int turn;

static void leave_while_others_work(void) {
  pthread_t thread;
  for (int i = 0; i < 4; i++) {
    CHECK(pthread_create(&thread, NULL, busy, NULL) == 0);
    CHECK(pthread_detach(thread) == 0);
  }
  const struct timespec a_while = {.tv_nsec = turn * 70L * 1000 * 1000};
  nanosleep(&a_while, NULL);
  exit(42);
}

static void leave_at_once(void) {
  work(mlx_default_gpu_stream_new());
  _exit(42);
}

/* Asked in a child, so that this process never uses the GPU itself. */
static void look_for_gpu(void) { _exit(has_gpu() ? 42 : 77); }

int main(void) {
  void (*const ways[])(void) = {leave_by_exit, leave_after_waiting, leave_while_others_work,
                                leave_at_once};
  if (in_child(look_for_gpu, 60) != 42) {
    printf("skipped: there is no GPU\n");
    return 77;
  }
  for (turn = 0; turn < 12; turn++) {
    for (int way = turn < 3 ? 0 : 2; way < 4; way++) {
      const double start = seconds_now();
      int status = in_child(ways[way], 60);
      if (status != 42) {
        fprintf(stderr, "way %d, turn %d ended with %d after %.1f s\n", way, turn, status,
                seconds_now() - start);
      }
      CHECK(status == 42);
    }
  }
  return 0;
}
