/* The end of a process comes upon first calls on a GPU: NVIDIA's libraries are being opened, NVRTC
   compiles its first kernels, cuBLASLt makes its handle, a queue is full. From main, from a thread
   that works with the library and from one that never did, at moments spread over the first second
   or two: the program's status, in under a second, its own handlers run. K8, P1. Each run is the
   first of its process to use the GPU and has no folder for compiled kernels. WEIR_TEST_RUNS says
   how often, 500 to believe it; several of these can run side by side, each with another
   WEIR_TEST_FIRST, the number of its first run. */

#include "endings.h"
#include "fixtures.h"

enum { STREAMS = 4, GRAPHS = 100, LENGTH = 20 };

static mlx_array matrix(int n, mlx_stream s) {
  mlx_array a = mlx_array_new(), value = mlx_array_new_float(0.001f);
  const int shape[] = {n, n};
  CHECK(mlx_full(&a, shape, 2, value, MLX_FLOAT32, s) == 0);
  mlx_array_free(value);
  return a;
}

/* Until an evaluation is refused because the process ends. Now and then it waits for one of `often`
   graphs: without that it would be the host's memory that fills, with graphs that are not launched
   yet, and the system takes seconds to give so much back. */
static void *products_of(int n, int often) {
  mlx_stream streams[STREAMS];
  mlx_set_error_handler(quiet, NULL, NULL);
  for (int i = 0; i < STREAMS; i++) streams[i] = new_gpu_stream();
  for (int g = 0;; g++) {
    mlx_stream s = streams[g % STREAMS];
    mlx_array a = matrix(n, s), b = matrix(n, s);
    for (int i = 0; i < LENGTH; i++) {
      if (mlx_matmul(&a, a, b, s)) return NULL;
    }
    if (async_eval(a)) return NULL;
    if (g % often == often - 1 && mlx_array_eval(a)) return NULL;
    mlx_array_free(a);
    mlx_array_free(b);
  }
}

static void *products(void *arg) {
  (void)arg;
  return products_of(256, GRAPHS);
}

/* So much that the driver's queue would fill: 2,000 products on each stream, of 2.7 ms. */
static void *full_queue(void *arg) {
  (void)arg;
  return products_of(4096, GRAPHS * STREAMS);
}

static void *sorts_and_sines(void *arg) {
  mlx_stream streams[STREAMS];
  mlx_set_error_handler(quiet, NULL, NULL);
  for (int i = 0; i < STREAMS; i++) streams[i] = new_gpu_stream();
  for (int g = 0;; g++) {
    mlx_stream s = streams[g % STREAMS];
    mlx_array a = matrix(512, s);
    for (int i = 0; i < LENGTH; i++) {
      if (mlx_sort(&a, a, s) || mlx_sin(&a, a, s)) return arg;
    }
    if (async_eval(a)) return arg;
    if (g % GRAPHS == GRAPHS - 1 && mlx_array_eval(a)) return arg;
    mlx_array_free(a);
  }
}

/* Kernels of one step, which launches fill a queue with. */
static void *small_kernels(void *arg) {
  mlx_stream s = new_gpu_stream();
  mlx_set_error_handler(quiet, NULL, NULL);
  mlx_array a = matrix(4096, s);
  for (int i = 0;; i++) {
    if (mlx_cumsum(&a, a, 0, false, true, s) || async_eval(a)) return arg;
    if (i % 10000 == 9999 && mlx_array_eval(a)) return arg;
  }
}

static const struct {
  const char *name;
  void *(*work)(void *);
  int threads;
  int spread; /* microseconds over which the ends are spread */
} programs[] = {{"products", products, 1, 1000000},
                {"sorts and sines", sorts_and_sines, 1, 1000000},
                {"products of four threads", products, 4, 800000},
                {"a full queue", full_queue, 2, 3000000},
                {"small kernels", small_kernels, 1, 2000000}};

enum { PROGRAMS = sizeof programs / sizeof programs[0] };

/* Asked in a child, so that this process never uses the GPU itself. */
static void look_for_gpu(void) { _exit(has_gpu() ? 42 : 77); }

static int number(const char *name, int usual) {
  const char *text = getenv(name);
  return text ? atoi(text) : usual;
}

int main(void) {
  const int runs = number("WEIR_TEST_RUNS", 30), first = number("WEIR_TEST_FIRST", 0);
  struct ending_took worst[PROGRAMS] = {0};
  CHECK(setenv("XDG_CACHE_HOME", "/dev/null", 1) == 0);
  if (in_child(look_for_gpu, 60) != 42) {
    printf("skipped: there is no GPU\n");
    return 77;
  }
  int late = 0;
  for (int i = first; i < first + runs; i++) {
    const int p = i % PROGRAMS;
    const enum end_from from = (enum end_from)(i / PROGRAMS % END_WAYS);
    const int after = (int)((unsigned)i * 2654435761u % (unsigned)programs[p].spread);
    const struct ending_took took =
        ending_run(programs[p].name, programs[p].work, programs[p].threads, from, after);
    if (took.seconds > worst[p].seconds) worst[p].seconds = took.seconds;
    if (took.peak_gb > worst[p].peak_gb) worst[p].peak_gb = took.peak_gb;
    late += took.seconds >= 1;
  }
  for (int p = 0; p < PROGRAMS; p++) {
    printf("%s: worst %.2f s, %.2f GB of memory\n", programs[p].name, worst[p].seconds,
           worst[p].peak_gb);
  }
  printf("42 in %d runs of %d, late %d\n", runs, runs, late);
  fflush(stdout);
  CHECK(late == 0);
  return 0;
}
