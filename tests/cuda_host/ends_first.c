/* The end of the process comes upon first calls, over the stand-in, whose libraries take their time
   as they are opened and in their first calls, register handlers all the while, and end the process
   when one of these runs while a thread is inside: K8, P1. And upon a launch that the driver
   blocks, since its queue is full; which Weir's own work does not make it (R8). */

#include "endings.h"
#include "fixtures.h"
#include "median.h"
#include "stand_in_case.h"

static mlx_array filled(const int *shape, size_t ndim, mlx_stream s) {
  mlx_array out = mlx_array_new(), value = mlx_array_new_float(1);
  CHECK(mlx_full(&out, shape, ndim, value, MLX_FLOAT32, s) == 0);
  mlx_array_free(value);
  return out;
}

static mlx_array grid(mlx_stream s) { return filled((const int[]){8, 8}, 2, s); }

/* A convolution that is cuDNN's: the status of its evaluation. */
static int convolved(mlx_stream s) {
  mlx_array x = filled((const int[]){4, 30, 30, 128}, 4, s);
  mlx_array w = filled((const int[]){128, 3, 3, 4}, 4, s);
  int status = mlx_conv2d(&x, x, w, 1, 1, 0, 0, 1, 1, 32, s);
  if (!status) status = mlx_array_eval(x);
  mlx_array_free(x);
  mlx_array_free(w);
  return status;
}

/* Products, convolutions, sums that do not fuse, and transfers, until one is refused. */
static void *everything(void *arg) {
  mlx_stream s = new_gpu_stream();
  mlx_set_error_handler(quiet, NULL, NULL);
  for (int i = 0;; i++) {
    mlx_array a = grid(s);
    if (i % 2 == 0 && mlx_matmul(&a, a, a, s)) return arg;
    if (i % 3 == 0 && convolved(s)) return arg;
    if (mlx_cumsum(&a, a, 0, false, true, s)) return arg;
    if (mlx_array_eval(a)) return arg;
    mlx_array_free(a);
  }
}

/* More launches than the driver's queue takes, none of which is over. */
static void *too_many_launches(void *arg) {
  mlx_stream s = new_gpu_stream();
  mlx_set_error_handler(quiet, NULL, NULL);
  cuda->queue(20);
  cuda->hold();
  mlx_array a = grid(s);
  for (;;) {
    if (mlx_cumsum(&a, a, 0, false, true, s) || async_eval(a)) return arg;
    usleep(100);
  }
}

/* Keeps standard input locked, as a thread does that waits for a line. */
static void *reads_a_line(void *arg) {
  int ends[2];
  char line[8];
  pthread_t thread;
  CHECK(pipe(ends) == 0 && dup2(ends[0], 0) == 0);
  CHECK(pthread_create(&thread, NULL, everything, NULL) == 0);
  CHECK(fgets(line, sizeof line, stdin) == NULL);
  return arg;
}

static const struct {
  const char *name;
  void *(*work)(void *);
  int threads;
  const char *slow; /* milliseconds */
  int spread;       /* microseconds */
} programs[] = {{"quick libraries", everything, 3, "0", 20000},
                {"slow libraries", everything, 3, "100", 500000},
                {"very slow libraries", everything, 2, "900", 2500000},
                {"a full queue", too_many_launches, 1, "0", 60000},
                {"a thread reads a line", reads_a_line, 1, "600", 900000}};

enum { PROGRAMS = sizeof programs / sizeof programs[0] };

/* An end is prompt in most runs of each program, and bounded in all: it waited for ten seconds
   where it waited for the driver. */
static void ends(int runs) {
  const double prompt = (SANITIZED ? 5 : 1) * (double)patience();
  const int most = runs / PROGRAMS + 1;
  double *took = calloc((size_t)most * PROGRAMS, sizeof *took);
  CHECK(took != NULL);
  for (int i = 0; i < runs; i++) {
    const int p = i % PROGRAMS;
    const enum end_from from = (enum end_from)(i / PROGRAMS % END_WAYS);
    const int after = (int)((unsigned)i * 2654435761u % (unsigned)programs[p].spread);
    CHECK(setenv("WEIR_STAND_IN_SLOW", programs[p].slow, 1) == 0);
    const struct ending_took end =
        ending_run(programs[p].name, programs[p].work, programs[p].threads, from, after);
    CHECK(end.seconds < 5 * prompt);
    took[p * most + i / PROGRAMS] = end.seconds;
  }
  for (int p = 0; p < PROGRAMS && p < runs; p++) {
    CHECK(median(took + p * most, (size_t)((runs - 1 - p) / PROGRAMS + 1)) < prompt);
  }
  free(took);
  CHECK(unsetenv("WEIR_STAND_IN_SLOW") == 0);
}

/* R8: thousands of launches are submitted while none begins; no call is blocked, and all are run in
   the end. Each result is read by the next. */
static void bounded_ahead(void) {
  enum { LAUNCHES = 4000 };
  mlx_stream s = new_gpu_stream(), other = new_gpu_stream();
  mlx_array a = grid(s), b = grid(other);
  CHECK(mlx_array_eval(a) == 0 && mlx_array_eval(b) == 0);
  cuda->hold();
  const uint64_t before = stand_in_now().kernels;
  for (int i = 0; i < LAUNCHES; i++) {
    CHECK(mlx_cumsum(&a, a, 0, false, true, s) == 0 && async_eval(a) == 0);
    if (i % 100 == 0) CHECK(mlx_cumsum(&b, b, 0, false, true, other) == 0 && async_eval(b) == 0);
  }
  usleep(50000);
  CHECK(cuda->blocked() == 0);
  cuda->release();
  CHECK(mlx_array_eval(a) == 0 && mlx_array_eval(b) == 0);
  CHECK(cuda->blocked() == 0 && stand_in_now().kernels >= before + LAUNCHES);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_stream_free(s);
  mlx_stream_free(other);
}

int main(void) {
  stand_in_start();
  CHECK(setenv("XDG_CACHE_HOME", "/dev/null", 1) == 0); /* so that all is compiled */
  mlx_set_error_handler(quiet, NULL, NULL);
#ifndef __SANITIZE_THREAD__ /* it stands where Weir would come before the handlers of libraries */
  const char *text = getenv("WEIR_TEST_RUNS");
  ends(text ? atoi(text) : 30);
#else
  (void)ends;
#endif
  bounded_ahead();
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  CHECK(streams_become(0));
  return 0;
}
