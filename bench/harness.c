// Timing, threads and output of the bench programs. The clock is CLOCK_MONOTONIC. A measured value
// is the median of batches within one process; the driver adds the spread over processes. The only
// shared state is the one stop flag of bench_parallel.
#include "harness.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_BATCHES = 64, MAX_THREADS = 64 };

static bool quick;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void bench_fail(const char *what) {
  fprintf(stderr, "bench: %s\n", what);
  exit(1);
}

void bench_emit(const struct bench_row *row, const char *unit, double value) {
  printf("%s\t%s\t%.9g\n", row->name, unit, value);
}

void bench_emit_part(const struct bench_row *row, const char *part, const char *unit,
                     double value) {
  printf("%s.%s\t%s\t%.9g\n", row->name, part, unit, value);
}

static double time_batch(bench_step step, void *state, long calls) {
  double start = now();
  for (long i = 0; i < calls; i++) step(state);
  return now() - start;
}

// Doubles the calls until a batch is long beside the clock's own cost: the warm-up as well.
static long batch_size(bench_step step, void *state, double least) {
  long calls = 1;
  while (time_batch(step, state, calls) < least) calls *= 2;
  return calls;
}

static int by_value(const void *x, const void *y) {
  double a = *(const double *)x, b = *(const double *)y;
  return (a > b) - (a < b);
}

static double median_batch(bench_step step, void *state) {
  double batch = quick ? 0.002 : 0.01, total = quick ? 0.05 : 0.5;
  long calls = batch_size(step, state, batch);
  double each[MAX_BATCHES];
  int n = 0;
  for (double start = now(); n < MAX_BATCHES && (n < 3 || now() - start < total); n++) {
    each[n] = time_batch(step, state, calls) / (double)calls;
  }
  qsort(each, (size_t)n, sizeof each[0], by_value);
  return each[n / 2];
}

static void empty_step(void *state) { (void)state; }

// The loop around the step is the harness's own: a nanosecond or two, which is much of the
// shortest rows.
double bench_time(bench_step step, void *state) {
  double loop = median_batch(empty_step, NULL), whole = median_batch(step, state);
  return whole > loop ? whole - loop : 0;
}

static long os_threads(void) {
  DIR *tasks = opendir("/proc/self/task");
  if (!tasks) return 0;
  long n = 0;
  for (struct dirent *e; (e = readdir(tasks));) n += e->d_name[0] != '.';
  closedir(tasks);
  return n;
}

static long resident_bytes(void) {
  long total = 0, resident = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f) return 0;
  if (fscanf(f, "%ld %ld", &total, &resident) != 2) resident = 0;
  fclose(f);
  return resident * sysconf(_SC_PAGESIZE);
}

// A thread that was joined may be listed for a moment more.
static long settled_threads(long baseline) {
  long n = os_threads();
  for (int i = 0; i < 50 && n > baseline; i++) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    n = os_threads();
  }
  return n;
}

void bench_requests(const struct bench_row *row, bench_step step, void *state) {
  long count = quick ? 200 : 1000;
  time_batch(step, state, count / 10);
  long threads = os_threads(), bytes = resident_bytes();
  double seconds = time_batch(step, state, count);
  bench_emit(row, "s", seconds / (double)count);
  long left = settled_threads(threads) - threads;
  bench_emit_part(row, "threads", "threads", (double)left / (double)count);
  bench_emit_part(row, "bytes", "bytes", (double)(resident_bytes() - bytes) / (double)count);
}

struct crew {
  const struct bench_worker *worker;
  atomic_bool stop;
  pthread_barrier_t ready;
};

struct member {
  struct crew *crew;
  pthread_t thread;
  long calls;
  double start, end;
};

static void *crew_main(void *arg) {
  struct member *me = arg;
  const struct bench_worker *worker = me->crew->worker;
  void *state = worker->open();
  time_batch(worker->step, state, 100);
  pthread_barrier_wait(&me->crew->ready);
  me->start = now();
  // relaxed: the flag carries no data, only the wish to end.
  while (!atomic_load_explicit(&me->crew->stop, memory_order_relaxed)) {
    for (int i = 0; i < 16; i++) worker->step(state);
    me->calls += 16;
  }
  me->end = now();
  worker->close(state);
  return NULL;
}

// Calls per second from the first member's start to the last one's end: on a busy machine the
// thread that gives the signals may itself run late. The members have ended.
static double crew_rate(const struct member *members, int threads) {
  double start = members[0].start, end = members[0].end;
  long calls = 0;
  for (int i = 0; i < threads; i++) {
    if (members[i].start < start) start = members[i].start;
    if (members[i].end > end) end = members[i].end;
    calls += members[i].calls;
  }
  return (double)calls / (end - start);
}

void bench_parallel(const struct bench_row *row, const struct bench_worker *worker, int threads) {
  struct member members[MAX_THREADS] = {{0}};
  struct crew crew = {.worker = worker};
  pthread_barrier_init(&crew.ready, NULL, (unsigned)threads + 1);
  for (int i = 0; i < threads; i++) {
    members[i].crew = &crew;
    if (pthread_create(&members[i].thread, NULL, crew_main, &members[i])) {
      bench_fail("no thread");
    }
  }
  pthread_barrier_wait(&crew.ready);
  nanosleep(&(struct timespec){.tv_nsec = quick ? 50000000 : 500000000}, NULL);
  atomic_store_explicit(&crew.stop, true, memory_order_relaxed);
  for (int i = 0; i < threads; i++) pthread_join(members[i].thread, NULL);
  bench_emit(row, "1/s", crew_rate(members, threads));
  pthread_barrier_destroy(&crew.ready);
}

// Whether `name` is an item of the comma-separated list; no list asks for everything.
static bool listed(const char *list, const char *name) {
  if (!list) return true;
  size_t length = strlen(name);
  for (const char *item = list; item; item = strchr(item, ',')) {
    item += *item == ',';
    if (strcspn(item, ",") == length && !strncmp(item, name, length)) return true;
  }
  return false;
}

int bench_main(int argc, char **argv, const struct bench_row *rows, size_t count) {
  const char *list = NULL;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--quick")) {
      quick = true;
    } else if (!strcmp(argv[i], "--rows") && i + 1 < argc) {
      list = argv[++i];
    } else {
      fprintf(stderr, "usage: %s [--quick] [--rows NAME,...]\n", argv[0]);
      return 2;
    }
  }
  for (size_t i = 0; i < count; i++) {
    if (!listed(list, rows[i].name)) continue;
    rows[i].run(&rows[i]);
    fflush(stdout);
  }
  return 0;
}
