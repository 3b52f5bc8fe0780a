// A light request beside busy streams: one scalar addition, waited for in each way that there is,
// and a product of 64x64, by descriptor, beside 4, 16 and 32 streams of two kinds. Kernels: a
// thread each, which loops exp of 8M floats and evaluates it. Queues: a queue each that is never
// empty, of sorts of 2,000 floats, left to the workers. Then the same queues with classes (R5):
// they are low, and the light request is in one of high class. The last way is not so light: 20
// products of 256x256, of which each has to wait for its turn. Prints kind, streams, way, and
// median, 99th percentile and longest time in milliseconds, separated by tabs. The way "hop" is no
// request: two threads that wake each other, as a callback has to; what that takes is the system's.
// --quick takes fewer samples, --classes only 32 queues without and with classes.

#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "calls.h"
#include "mlx/c/mlx.h"
#include "weir/weir.h"

enum { MOST_STREAMS = 32, KERNEL = 8 << 20, SORT = 2000, QUEUED = 200, MOST_SAMPLES = 200 };

static void nap(long ms) {
  const struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&t, NULL);
}

static mlx_device cpu;
static atomic_bool stop;
static bool classes;  // the busy streams are low, the light request is high
static weir_request high;

static mlx_stream new_stream(void) {
  mlx_stream s = mlx_stream_new_device(cpu);
  if (!s.ctx) must(1);
  return s;
}

// ---- what is busy ----

static mlx_array zeros(int n, mlx_stream s) {
  mlx_array a = mlx_array_new();
  must(mlx_zeros(&a, &n, 1, MLX_FLOAT32, s));
  must(mlx_array_eval(a));
  return a;
}

static void *loop_kernels(void *arg) {
  mlx_stream s = new_stream();
  mlx_array x = zeros(KERNEL, s), y = mlx_array_new();
  while (!stop) {
    must(mlx_exp(&y, x, s));
    must(mlx_array_eval(y));
  }
  mlx_array_free(y);
  mlx_array_free(x);
  mlx_stream_free(s);
  return arg;
}

static void submit(mlx_array a) {
  mlx_vector_array v = mlx_vector_array_new_value(a);
  must(mlx_async_eval(v));
  mlx_vector_array_free(v);
}

// As long as it takes a worker to come round to the stream, there is more in its queue.
static void *keep_queue(void *arg) {
  weir_stream_stats_t stats;
  mlx_stream s = new_stream();
  if (classes) must(weir_stream_set_class(s, WEIR_CLASS_LOW));
  mlx_array x = zeros(SORT, s), y = mlx_array_new();
  must(mlx_array_set(&y, x));
  while (!stop) {
    for (int i = 0; i < QUEUED; i++) must(mlx_sort(&y, y, s));
    submit(y);
    do {
      nap(5);
      must(weir_stream_stats(&stats, s));
    } while (!stop && stats.queued > QUEUED);
  }
  must(mlx_synchronize(s));
  mlx_array_free(y);
  mlx_array_free(x);
  mlx_stream_free(s);
  return arg;
}

// ---- ways to wait ----

static mlx_stream light;
static mlx_array square;  // 64x64
static mlx_array large;   // 256x256
static sem_t told;

static mlx_array addition(void) {
  mlx_array one = mlx_array_new_float(1), sum = mlx_array_new();
  must(mlx_add(&sum, one, one, light));
  mlx_array_free(one);
  return sum;
}

static void by_eval(void) {
  mlx_array sum = addition();
  must(mlx_array_eval(sum));
  mlx_array_free(sum);
}

static void by_timed_wait(void) {
  mlx_array sum = addition();
  submit(sum);
  must(weir_stream_wait(light, INT64_MAX));
  mlx_array_free(sum);
}

static void tell(void *arg) {
  (void)arg;
  sem_post(&told);
}

static void wait_told(void) {
  while (sem_wait(&told)) continue;
}

static void by_callback(void) {
  mlx_array sum = addition();
  submit(sum);
  must(weir_stream_on_idle(light, tell, NULL));
  wait_told();
  mlx_array_free(sum);
}

static void by_descriptor(void) {
  int fd = -1;
  mlx_array sum = addition();
  weir_event done = weir_event_new();
  submit(sum);
  must(weir_event_record(done, light));
  must(weir_event_fd(&fd, done));
  struct pollfd p = {.fd = fd, .events = POLLIN};
  if (poll(&p, 1, 60000) != 1) exit(1);
  weir_event_free(done);
  mlx_array_free(sum);
}

// More than is done where it is submitted: a worker has to come.
static void by_descriptor_products(mlx_array of, int n) {
  int fd = -1;
  mlx_array product = mlx_array_new();
  weir_event done = weir_event_new();
  must(mlx_array_set(&product, of));
  for (int i = 0; i < n; i++) must(mlx_matmul(&product, product, of, light));
  submit(product);
  must(weir_event_record(done, light));
  must(weir_event_fd(&fd, done));
  struct pollfd p = {.fd = fd, .events = POLLIN};
  if (poll(&p, 1, 60000) != 1) exit(1);
  weir_event_free(done);
  mlx_array_free(product);
}

static void by_descriptor_product(void) { by_descriptor_products(square, 1); }
static void by_descriptor_burst(void) { by_descriptor_products(large, 20); }

static sem_t asked;

static void *answer(void *arg) {
  for (;;) {
    while (sem_wait(&asked)) continue;
    if (stop) return arg;
    sem_post(&told);
  }
}

static void by_hop(void) {
  sem_post(&asked);
  wait_told();
}

struct way {
  const char *name;
  void (*run)(void);
};

static const struct way ways[] = {{"hop", by_hop},
                                  {"eval", by_eval},
                                  {"timed wait", by_timed_wait},
                                  {"callback", by_callback},
                                  {"descriptor", by_descriptor},
                                  {"product, descriptor", by_descriptor_product}};
static const struct way burst = {"20 products, descr.", by_descriptor_burst};

// ---- measuring ----

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void measure(const char *kind, int n, const struct way *way, int samples) {
  double took[MOST_SAMPLES];
  for (int i = 0; i < samples; i++) {
    nap(5);
    const double start = seconds();
    if (classes) must(weir_request_enter(high));
    way->run();
    if (classes) must(weir_request_leave());
    took[i] = seconds() - start;
  }
  qsort(took, (size_t)samples, sizeof *took, by_size);
  printf("%s\t%d\t%s\t%.3f\t%.3f\t%.3f\n", kind, n, way->name, took[samples / 2] * 1e3,
         took[samples * 99 / 100] * 1e3, took[samples - 1] * 1e3);
  fflush(stdout);
}

static void beside(const char *kind, void *(*busy)(void *), int n, int samples) {
  pthread_t threads[MOST_STREAMS], other;
  stop = false;
  if (pthread_create(&other, NULL, answer, NULL)) exit(1);
  for (int i = 0; i < n; i++) {
    if (pthread_create(&threads[i], NULL, busy, NULL)) exit(1);
  }
  nap(1000);
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) measure(kind, n, &ways[i], samples);
  if (busy == keep_queue && n == MOST_STREAMS) measure(kind, n, &burst, samples / 2);
  stop = true;
  sem_post(&asked);
  pthread_join(other, NULL);
  for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
}

int main(int argc, char **argv) {
  const int quick = argc > 1 && !strcmp(argv[1], "--quick"), samples = quick ? 20 : MOST_SAMPLES;
  const bool only_classes = argc > 1 && !strcmp(argv[1], "--classes");
  cpu = mlx_device_new_type(MLX_CPU, 0);
  must(mlx_set_default_device(cpu));  // also where there is a GPU
  sem_init(&told, 0, 0);
  sem_init(&asked, 0, 0);
  light = new_stream();
  const int sides[] = {64, 64};
  square = mlx_array_new();
  must(mlx_ones(&square, sides, 2, MLX_FLOAT32, light));
  must(mlx_array_eval(square));
  const int larger[] = {256, 256};
  large = mlx_array_new();
  must(mlx_zeros(&large, larger, 2, MLX_FLOAT32, light));
  must(mlx_array_eval(large));
  high = weir_request_new();
  must(weir_request_set_class(high, WEIR_CLASS_HIGH));
  for (int n = only_classes ? MOST_STREAMS : 4; n <= MOST_STREAMS; n = n == 4 ? 16 : 2 * n) {
    if (!only_classes) beside("kernels", loop_kernels, n, samples);
    beside("queues", keep_queue, n, samples);
  }
  classes = true;
  beside("low queues", keep_queue, MOST_STREAMS, samples);
  weir_request_free(high);
  mlx_array_free(large);
  mlx_array_free(square);
  mlx_stream_free(light);
  mlx_device_free(cpu);
  return 0;
}
