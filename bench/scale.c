// The table of scale: streams and threads by the million, many threads on one stream and on many,
// what a dependency between streams and a hand-over between threads cost, and a graph of a million
// nodes. Prints name, value and unit, separated by tabs. --quick divides the counts by 100. Memory
// is what the system says is resident.

#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calls.h"
#include "mlx/c/mlx.h"
#include "weir/weir.h"

static int divisor = 1;

static void report(const char *name, double value, const char *unit) {
  printf("%s\t%.4g\t%s\n", name, value, unit);
  fflush(stdout);
}

// A number from /proc/self: the second of statm is resident pages, stat's 20th is threads.
static double resident(void) {
  long size, pages;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f || fscanf(f, "%ld %ld", &size, &pages) != 2) exit(1);
  fclose(f);
  return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static int os_threads(void) {
  char line[256];
  int n = 0;
  FILE *f = fopen("/proc/self/status", "r");
  if (!f) exit(1);
  while (fgets(line, sizeof line, f)) {
    if (sscanf(line, "Threads: %d", &n) == 1) break;
  }
  fclose(f);
  return n;
}

static mlx_device cpu;
static const mlx_stream none;

static mlx_array sum_on(mlx_array a, mlx_array b, mlx_stream s) {
  mlx_array out = mlx_array_new();
  must(mlx_add(&out, a, b, s));
  return out;
}

static void add_into(mlx_array *a, mlx_array b, mlx_stream s) { must(mlx_add(a, *a, b, s)); }

// ---- streams ----

static void streams_in_turn(void) {
  const int n = 1000000 / divisor;
  const double before = resident(), start = seconds();
  for (int i = 0; i < n; i++) mlx_stream_free(mlx_stream_new_device(cpu));
  report("streams, made and freed one after another", (seconds() - start) / n * 1e9, "ns each");
  report("  resident afterwards", (resident() - before) / 1024, "KB more");
}

static void streams_alive(void) {
  const int n = 100000 / divisor;
  mlx_stream *all = malloc((size_t)n * sizeof *all);
  if (!all) exit(1);
  memset(all, 0, (size_t)n * sizeof *all);
  const int threads = os_threads();
  const double before = resident(), start = seconds();
  for (int i = 0; i < n; i++) all[i] = mlx_stream_new_device(cpu);
  report("streams alive at once, each", (resident() - before) / n, "bytes");
  report("  made in", (seconds() - start) / n * 1e9, "ns each");
  report("  threads of the system's for them", os_threads() - threads, "threads");
  for (int i = 0; i < n; i++) mlx_stream_free(all[i]);
  free(all);
}

// ---- threads ----

static void *one_operation(void *arg) {
  mlx_array a = mlx_array_new_float(1), b = sum_on(a, a, none);
  must(mlx_array_eval(b));
  mlx_array_free(a);
  mlx_array_free(b);
  return arg;
}

static void run_thread(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, one_operation, NULL)) exit(1);
  pthread_join(thread, NULL);
}

static void threads_in_turn(void) {
  const int n = 1000000 / divisor;
  for (int i = 0; i < 1000; i++) run_thread();
  const double before = resident(), start = seconds();
  for (int i = 0; i < n; i++) run_thread();
  report("threads one after another, an operation each", (seconds() - start) / n * 1e6, "us each");
  report("  resident after the first 1,000", (resident() - before) / 1024, "KB more");
}

// ---- 64 threads ----

enum { MANY = 64 };

static mlx_stream shared[MANY];
static int operations;
static pthread_barrier_t barrier;

struct evaluator {
  pthread_t thread;
  mlx_stream stream;
  double start, end;  // its own: who gives the signal may itself wake up after the work is over
};

static void *evaluate(void *arg) {
  struct evaluator *me = arg;
  mlx_array one = mlx_array_new_float(1);
  pthread_barrier_wait(&barrier);
  me->start = seconds();
  for (int i = 0; i < operations; i++) {
    mlx_array b = sum_on(one, one, me->stream);
    must(mlx_array_eval(b));
    mlx_array_free(b);
  }
  me->end = seconds();
  mlx_array_free(one);
  return NULL;
}

static double rate(int threads, int streams) {
  struct evaluator all[MANY];
  pthread_barrier_init(&barrier, NULL, (unsigned)threads);
  operations = 1280000 / divisor / threads;
  for (int i = 0; i < threads; i++) {
    all[i].stream = shared[i % streams];
    if (pthread_create(&all[i].thread, NULL, evaluate, &all[i])) exit(1);
  }
  double start = 0, end = 0;
  for (int i = 0; i < threads; i++) {
    pthread_join(all[i].thread, NULL);
    if (i == 0 || all[i].start < start) start = all[i].start;
    if (i == 0 || all[i].end > end) end = all[i].end;
  }
  pthread_barrier_destroy(&barrier);
  return operations * (double)threads / (end - start);
}

static void many_threads(void) {
  for (int i = 0; i < MANY; i++) shared[i] = mlx_stream_new_device(cpu);
  report("evals by 1 thread on its stream", rate(1, 1) / 1e3, "k/s");
  report("evals by 64 threads on 1 stream", rate(MANY, 1) / 1e3, "k/s");
  report("evals by 64 threads on 64 streams", rate(MANY, MANY) / 1e3, "k/s");
  for (int i = 0; i < MANY; i++) mlx_stream_free(shared[i]);
}

// ---- latencies ----

static void across_streams(void) {
  enum { HOPS = 1000 };
  const int rounds = 2000 / divisor;
  mlx_stream s[2] = {mlx_stream_new_device(cpu), mlx_stream_new_device(cpu)};
  mlx_array one = mlx_array_new_float(1);
  for (int streams = 1; streams <= 2; streams++) {
    const double start = seconds();
    for (int r = 0; r < rounds; r++) {
      mlx_array a = mlx_array_new_float(0);
      for (int i = 0; i < HOPS; i++) add_into(&a, one, s[i % streams]);
      must(mlx_array_eval(a));
      mlx_array_free(a);
    }
    report(streams == 1 ? "1,000 operations on one stream, each"
                        : "the same from stream to stream and back, each",
           (seconds() - start) / rounds / HOPS * 1e9, "ns");
  }
  mlx_array_free(one);
  for (int i = 0; i < 2; i++) mlx_stream_free(s[i]);
}

static mlx_array passed;  // between the barrier's two phases
static mlx_stream passed_stream;
static int passes;

// Takes what the other thread has recorded on its stream, and forces it.
static void *receive(void *arg) {
  for (int i = 0; i < passes; i++) {
    pthread_barrier_wait(&barrier);
    must(mlx_array_eval(passed));
    pthread_barrier_wait(&barrier);
  }
  return arg;
}

static void *wait_only(void *arg) {
  for (int i = 0; i < 2 * passes; i++) pthread_barrier_wait(&barrier);
  return arg;
}

static double pass_arrays(void *(*other)(void *)) {
  pthread_t thread;
  pthread_barrier_init(&barrier, NULL, 2);
  if (pthread_create(&thread, NULL, other, NULL)) exit(1);
  mlx_array one = mlx_array_new_float(1);
  const double start = seconds();
  for (int i = 0; i < passes; i++) {
    passed = sum_on(one, one, passed_stream);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    mlx_array_free(passed);
  }
  const double took = seconds() - start;
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&barrier);
  mlx_array_free(one);
  return took / passes * 1e6;
}

static void hand_over(void) {
  passes = 100000 / divisor;
  passed_stream = mlx_stream_new_device(cpu);
  report("an array recorded here and forced on another thread", pass_arrays(receive), "us");
  report("  of which two barriers between the threads", pass_arrays(wait_only), "us");
  mlx_stream_free(passed_stream);
}

// One thread gives a stream away and takes it back. Under the free policy, which this process has
// unless WEIR_THREADS says otherwise, that changes nothing: what remains is the calls.
static void adoption(void) {
  const int n = 1000000 / divisor;
  mlx_stream s = mlx_stream_new_device(cpu);
  const double start = seconds();
  for (int i = 0; i < n; i++) {
    must(weir_stream_hand_over(s, 0));
    must(weir_stream_adopt(s));
  }
  report("weir_stream_hand_over and adopt, both", (seconds() - start) / n * 1e9, "ns");
  mlx_stream_free(s);
}

// ---- a large graph ----

static void *large_graph(void *arg) {
  const int n = 1000000 / divisor;
  mlx_array one = mlx_array_new_float(1), a = mlx_array_new_float(0);
  must(mlx_array_eval(a));
  const double before = resident(), start = seconds();
  for (int i = 0; i < n; i++) add_into(&a, one, none);
  const double recorded = seconds();
  report("a chain of 1,000,000 nodes, memory of each", (resident() - before) / n, "bytes");
  report("  to record", (recorded - start) / n * 1e9, "ns each");
  must(mlx_array_eval(a));
  const double evaluated = seconds();
  report("  to evaluate", (evaluated - recorded) / n * 1e9, "ns each");
  for (int i = 0; i < n; i++) add_into(&a, one, none);
  const double again = seconds();
  mlx_array_free(a);
  report("  to free without evaluating", (seconds() - again) / n * 1e9, "ns each");
  mlx_array_free(one);
  return arg;
}

static void on_a_small_stack(void *(*fn)(void *)) {
  pthread_attr_t attr;
  pthread_t thread;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 64 << 10);
  if (pthread_create(&thread, &attr, fn, NULL)) exit(1);
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attr);
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "--quick")) divisor = 100;
  cpu = mlx_device_new_type(MLX_CPU, 0);
  must(mlx_set_default_device(cpu));  // also where there is a GPU
  on_a_small_stack(large_graph);      // first, while all that is resident is the graph's
  streams_in_turn();
  streams_alive();
  threads_in_turn();
  many_threads();
  across_streams();
  hand_over();
  adoption();
  mlx_device_free(cpu);
  return 0;
}
