// The table of requests and rings, with one thread and with 64: from a cancel, and from a deadline,
// to the return of the call that waits; completions a second; what it costs a small evaluation to
// be in a request, and small commands that a trace runs. Prints name, value and unit, separated by
// tabs. --quick divides the counts by 10. Where a call waits, a queue of sorts of 2,000 floats, a
// command of some tens of microseconds each, is in its way.

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calls.h"
#include "mlx/c/mlx.h"
#include "weir/weir.h"

enum { MOST = 64, SORT = 2000, QUEUED = 4000, MANY = 120000, WINDOW = 64 };
static const double PLANNING = 200e-6;  // of so many commands, in seconds

static int divisor = 1;
static mlx_device cpu;

static void report(const char *name, double value, const char *unit) {
  printf("%s\t%.4g\t%s\n", name, value, unit);
  fflush(stdout);
}

static void nap(long us) {
  const struct timespec t = {0, us * 1000};
  nanosleep(&t, NULL);
}

static void run(int threads, void *(*fn)(void *), void *args, size_t size) {
  pthread_t all[MOST];
  for (int i = 0; i < threads; i++) {
    if (pthread_create(&all[i], NULL, fn, (char *)args + (size_t)i * size)) exit(1);
  }
  for (int i = 0; i < threads; i++) pthread_join(all[i], NULL);
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void report_late(const char *name, double *late, int n) {
  char text[128];
  qsort(late, (size_t)n, sizeof *late, by_size);
  snprintf(text, sizeof text, "%s, median", name);
  report(text, late[n / 2] * 1e6, "us");
  report("  longest", late[n - 1] * 1e6, "us");
}

// ---- from a cancel to the return ----

static void ignore(const char *message, void *data) { (void)message, (void)data; }

struct waiter {
  weir_request request;
  mlx_stream stream;
  atomic_int waits;  // 1: is in the call, or about to be; 2: has returned
  double returned;
};

// Waits for what stands behind thousands of commands of its own.
static void *wait_for_sorts(void *arg) {
  struct waiter *w = arg;
  int n = SORT;
  mlx_array y = mlx_array_new();
  must(mlx_zeros(&y, &n, 1, MLX_FLOAT32, w->stream));
  for (int i = 0; i < QUEUED; i++) must(mlx_sort(&y, y, w->stream));
  must(weir_request_enter(w->request));
  w->waits = 1;
  if (mlx_array_eval(y) == 0) must(1);  // it was too short
  w->returned = seconds();
  w->waits = 2;
  must(weir_request_leave());
  mlx_array_free(y);
  return NULL;
}

static void *cancel_all(struct waiter *waiters, int threads, double *late) {
  for (int i = 0; i < threads; i++) {
    while (!waiters[i].waits) nap(50);
  }
  nap(500);
  for (int i = 0; i < threads; i++) {
    const double start = seconds();
    must(weir_request_cancel(waiters[i].request));
    while (waiters[i].waits < 2) nap(20);
    late[i] = waiters[i].returned - start;
  }
  return NULL;
}

static void cancels(int threads) {
  const int rounds = 640 / threads / divisor > 0 ? 640 / threads / divisor : 1;
  static double late[640];
  int n = 0;
  for (int round = 0; round < rounds; round++) {
    struct waiter waiters[MOST];
    pthread_t all[MOST];
    for (int i = 0; i < threads; i++) {
      waiters[i] = (struct waiter){weir_request_new(), mlx_stream_new_device(cpu), 0, 0};
      if (pthread_create(&all[i], NULL, wait_for_sorts, &waiters[i])) exit(1);
    }
    cancel_all(waiters, threads, late + n);
    n += threads;
    for (int i = 0; i < threads; i++) {
      pthread_join(all[i], NULL);
      must(weir_request_free(waiters[i].request));
      mlx_stream_free(waiters[i].stream);
    }
  }
  report_late(
      threads == 1 ? "cancel to return, 1 thread waits" : "cancel to return, 64 threads wait", late,
      n);
}

// ---- from a deadline to the return ----

struct late {
  double late[64];  // in seconds
  int count;
  bool by_itself;
};

static double own_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// What a call could do at best: it computes for as long as planning takes, looks at the clock
// meanwhile, then sleeps until the moment. How late that is, is the system's.
static void wait_by_itself(double end) {
  const struct timespec at = {(time_t)end, (long)((end - (double)(time_t)end) * 1e9)};
  const double start = own_seconds();
  while (seconds() < end && own_seconds() - start < PLANNING) continue;
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL)) continue;
}

// Deadlines of some milliseconds, for what stands behind thousands of commands of its own.
static void *miss_deadlines(void *arg) {
  struct late *l = arg;
  int n = SORT;
  mlx_stream s = mlx_stream_new_device(cpu);
  mlx_array y = mlx_array_new();
  for (int i = 0; i < l->count; i++) {
    weir_request request = weir_request_new();
    must(mlx_zeros(&y, &n, 1, MLX_FLOAT32, s));
    for (int k = 0; k < QUEUED; k++) must(mlx_sort(&y, y, s));
    must(weir_request_enter(request));
    const double end = seconds() + 0.004;
    must(weir_request_set_deadline(request, (int64_t)((end - seconds()) * 1e9)));
    if (l->by_itself) {
      wait_by_itself(end);
    } else if (mlx_array_eval(y) == 0) {
      must(1);  // it was too short
    }
    l->late[i] = seconds() - end;
    must(weir_request_leave());
    must(weir_request_free(request));
  }
  mlx_array_free(y);
  mlx_stream_free(s);
  return NULL;
}

static void deadlines(const char *name, int threads, bool by_itself) {
  static struct late all[MOST];
  static double late[64 * MOST];
  const int each = (threads == 1 ? 64 : 10) / (divisor > 1 ? 5 : 1);
  int n = 0;
  for (int i = 0; i < threads; i++) {
    all[i].count = each;
    all[i].by_itself = by_itself;
  }
  run(threads, miss_deadlines, all, sizeof *all);
  for (int i = 0; i < threads; i++) {
    for (int k = 0; k < each; k++) late[n++] = all[i].late[k];
  }
  report_late(name, late, n);
}

// ---- the same with a hundred thousand commands in the queue ----

static double end_of_many;  // in seconds; 0: it is cancelled
static struct waiter many;

// All of it stands in the queue when the wait begins, so that this is no matter of planning.
static void *wait_for_many(void *arg) {
  int n = 100;
  mlx_array y = mlx_array_new();
  must(mlx_zeros(&y, &n, 1, MLX_FLOAT32, many.stream));
  for (int i = 0; i < MANY; i++) must(mlx_sort(&y, y, many.stream));
  mlx_vector_array outputs = mlx_vector_array_new_value(y);
  must(weir_request_enter(many.request));
  must(mlx_async_eval(outputs));
  if (end_of_many > 0) {
    end_of_many = seconds() + 0.004;
    must(weir_request_set_deadline(many.request, 4000000));
  }
  many.waits = 1;
  if (mlx_array_eval(y) == 0) must(1);  // it was too short
  many.returned = seconds();
  many.waits = 2;
  must(weir_request_leave());
  mlx_vector_array_free(outputs);
  mlx_array_free(y);
  return arg;
}

static void ends_of_many(const char *name, bool by_cancel) {
  const int rounds = 30 / (divisor > 1 ? 5 : 1);
  double late[30];
  many.stream = mlx_stream_new_device(cpu);
  for (int i = 0; i < rounds; i++) {
    pthread_t thread;
    many.request = weir_request_new();
    many.waits = 0;
    end_of_many = by_cancel ? 0 : 1;
    if (pthread_create(&thread, NULL, wait_for_many, NULL)) exit(1);
    if (by_cancel) {
      while (!many.waits) nap(50);
      nap(2000);
      end_of_many = seconds();
      must(weir_request_cancel(many.request));
    }
    pthread_join(thread, NULL);
    late[i] = many.returned - end_of_many;
    must(weir_request_free(many.request));
  }
  mlx_stream_free(many.stream);
  report_late(name, late, rounds);
}

// ---- completions ----

struct starter {
  mlx_stream stream;
  int count, size;  // of evaluations; 0: a scalar, else products of matrices of that size
};

static weir_ring ring;

static mlx_array input_of(const struct starter *s) {
  const int shape[] = {s->size, s->size};
  mlx_array one = mlx_array_new_float(1), out = mlx_array_new();
  must(s->size ? mlx_full(&out, shape, 2, one, MLX_FLOAT32, s->stream) : mlx_array_set(&out, one));
  must(mlx_array_eval(out));
  mlx_array_free(one);
  return out;
}

// Keeps WINDOW evaluations in flight. What it takes may be another thread's.
static void *start_and_take(void *arg) {
  const struct starter *s = arg;
  const weir_request none = {NULL};
  weir_completion done[WINDOW];
  mlx_array x = input_of(s), out = mlx_array_new();
  size_t taken = 0;
  for (int started = 0, ended = 0; ended < s->count; ended += (int)taken) {
    for (; started < s->count && started - ended < WINDOW; started++) {
      must(s->size ? mlx_matmul(&out, x, x, s->stream) : mlx_add(&out, x, x, s->stream));
      mlx_vector_array v = mlx_vector_array_new_value(out);
      must(weir_ring_eval(ring, v, none, NULL));
      mlx_vector_array_free(v);
    }
    size_t most = (size_t)(s->count - ended < WINDOW ? s->count - ended : WINDOW);
    must(weir_ring_take(&taken, ring, done, most, 1000000));
  }
  mlx_array_free(out);
  mlx_array_free(x);
  return NULL;
}

static void completions(int threads, int size, const char *name) {
  struct starter all[MOST];
  const int count = (size ? 200000 : 600000) / divisor / threads;
  ring = weir_ring_new();
  for (int i = 0; i < threads; i++) {
    all[i] = (struct starter){mlx_stream_new_device(cpu), count, size};
  }
  const double start = seconds();
  run(threads, start_and_take, all, sizeof *all);
  report(name, count * (double)threads / (seconds() - start) / 1e3, "k/s");
  for (int i = 0; i < threads; i++) mlx_stream_free(all[i].stream);
  must(weir_ring_free(ring));
}

// ---- a small evaluation ----

enum { BATCH = 1000 };

struct evaluator {
  weir_request request;
  int batches;
  double outside, inside;  // the least of the batches, in seconds
};

static double evaluate(mlx_array x) {
  mlx_array out = mlx_array_new();
  const double start = seconds();
  for (int i = 0; i < BATCH; i++) {
    must(mlx_add(&out, x, x, (mlx_stream){NULL}));
    must(mlx_array_eval(out));
  }
  const double took = seconds() - start;
  mlx_array_free(out);
  return took;
}

static double less(double a, double b) { return a < b ? a : b; }

// Inside and outside in turns, so that both see the same machine.
static void *evaluate_both(void *arg) {
  struct evaluator *e = arg;
  mlx_array x = mlx_array_new_float(1);
  e->inside = e->outside = 1e9;
  for (int i = 0; i < e->batches; i++) {
    e->outside = less(e->outside, evaluate(x));
    must(weir_request_enter(e->request));
    e->inside = less(e->inside, evaluate(x));
    must(weir_request_leave());
  }
  mlx_array_free(x);
  return NULL;
}

static void small_evals(int threads) {
  static struct evaluator all[MOST];
  double outside = 0, inside = 0;
  for (int i = 0; i < threads; i++) {
    all[i] = (struct evaluator){weir_request_new(), (threads == 1 ? 1000 : 100) / divisor, 0, 0};
  }
  run(threads, evaluate_both, all, sizeof *all);
  for (int i = 0; i < threads; i++) {
    outside += all[i].outside / BATCH / threads;
    inside += all[i].inside / BATCH / threads;
    must(weir_request_free(all[i].request));
  }
  report(threads == 1 ? "a small evaluation in no request, 1 thread"
                      : "a small evaluation in no request, 64 threads",
         outside * 1e9, "ns");
  report("  in a request, how much more", (inside - outside) * 1e9, "ns");
}

// ---- what a trace costs ----

// Commands on one float each, whose handles keep them from becoming one; for each of them.
static double evaluate_steps(mlx_array x) {
  enum { STEPS = 16, TIMES = 20 };
  mlx_array y[STEPS];
  for (int i = 0; i < STEPS; i++) y[i] = mlx_array_new();
  const double start = seconds();
  for (int t = 0; t < TIMES; t++) {
    for (int i = 0; i < STEPS; i++) must(mlx_erfinv(&y[i], i ? y[i - 1] : x, (mlx_stream){NULL}));
    must(mlx_array_eval(y[STEPS - 1]));
  }
  const double took = seconds() - start;
  for (int i = 0; i < STEPS; i++) mlx_array_free(y[i]);
  return took / STEPS / TIMES;
}

static void traced(void) {
  char file[] = "/tmp/weir-bench-XXXXXX";
  const int fd = mkstemp(file), turns = 1000 / divisor;
  mlx_array x = mlx_array_new_float(0);
  double without = 1e9, with = 1e9;
  if (fd < 0) exit(1);
  for (int i = 0; i < turns; i++) {
    for (int k = 0; k < 10; k++) without = less(without, evaluate_steps(x));
    must(weir_trace_start(file));
    for (int k = 0; k < 10; k++) with = less(with, evaluate_steps(x));
    must(weir_trace_stop());
  }
  mlx_array_free(x);
  close(fd);
  unlink(file);
  report("a small command in an evaluation of 16, no trace", without * 1e9, "ns");
  report("  while a trace runs, how much more", (with - without) * 1e9, "ns");
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "--quick")) divisor = 10;
  cpu = mlx_device_new_type(MLX_CPU, 0);
  must(mlx_set_default_device(cpu));  // also where there is a GPU
  mlx_set_error_handler(ignore, NULL, NULL);
  cancels(1);
  cancels(MOST);
  deadlines("deadline to return, 1 thread waits", 1, false);
  deadlines("deadline to return, 64 threads wait", MOST, false);
  deadlines("  the same of threads that look at the clock", MOST, true);
  ends_of_many("deadline to return, 120,000 commands queued", false);
  ends_of_many("cancel to return, 120,000 commands queued", true);
  completions(1, 0, "completions, scalars, 1 thread");
  completions(MOST, 0, "completions, scalars, 64 threads");
  completions(1, 32, "completions, products of 32x32 by the workers, 1 thread");
  completions(MOST, 32, "completions, products of 32x32 by the workers, 64 threads");
  small_evals(1);
  small_evals(MOST);
  traced();
  mlx_device_free(cpu);
  return 0;
}
