// What the machine itself needs for each row: hand-written loops on as many threads as there are
// cores, cblas_sgemm, pthread create and join. No library of arrays; nothing here is a promise.
// Threads share only disjoint slices, joined before the result is read.
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

enum { MAX_SLICES = 64, NODE_BYTES = 192 };

struct job {
  const float *a, *b, *c;
  float *y;
  float total;
};

typedef void (*slice_body)(struct job *job, size_t from, size_t to);

struct slice {
  pthread_t thread;
  slice_body body;
  struct job job;
  size_t from, to;
};

enum { ROW_MAJOR = 101, NO_TRANS = 111 };  // of cblas.h
typedef void (*gemm_function)(int, int, int, int, int, int, float, const float *, int,
                              const float *, int, float, float *, int);
static gemm_function sgemm;

// The same library as Weir opens, where it is in the loader's path; single-threaded: the rows
// spread over the cores themselves.
static void open_blas(void) {
  const char *chosen = getenv("WEIR_OPENBLAS");
  void *library = dlopen(chosen ? chosen : "libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  void (*set_threads)(int);
  void *address = library ? dlsym(library, "cblas_sgemm") : NULL;
  void *setter = library ? dlsym(library, "openblas_set_num_threads") : NULL;
  if (!address || !setter) return;
  memcpy(&sgemm, &address, sizeof address);
  memcpy(&set_threads, &setter, sizeof setter);
  set_threads(1);
}

static int cores(void) {
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n < 1 ? 1 : n > MAX_SLICES ? MAX_SLICES : (int)n;
}

static void *slice_main(void *arg) {
  struct slice *s = arg;
  s->body(&s->job, s->from, s->to);
  return NULL;
}

// Slices 0..count over the cores; the caller does the first; returns the sum of their totals.
static float over_cores(slice_body body, const struct job *job, size_t count) {
  struct slice slices[MAX_SLICES];
  int n = cores();
  for (int i = 0; i < n; i++) {
    slices[i] = (struct slice){.body = body,
                               .job = *job,
                               .from = count * (size_t)i / (size_t)n,
                               .to = count * (size_t)(i + 1) / (size_t)n};
    if (i && pthread_create(&slices[i].thread, NULL, slice_main, &slices[i])) {
      bench_fail("no thread");
    }
  }
  slice_main(&slices[0]);
  float total = slices[0].job.total;
  for (int i = 1; i < n; i++) {
    pthread_join(slices[i].thread, NULL);
    total += slices[i].job.total;
  }
  return total;
}

static _Thread_local atomic_int *local_count;

static void step_default_stream(void *state) {
  (void)state;
  // relaxed: only the cost of the instruction is wanted.
  atomic_fetch_add_explicit(local_count, 1, memory_order_relaxed);
  __asm__ volatile("" ::: "memory");
}

static void run_default_stream(const struct bench_row *row) {
  atomic_int count = 0;
  local_count = &count;
  bench_emit(row, "s", bench_time(step_default_stream, NULL));
  local_count = NULL;
}

static void step_record(void *state) {
  void *node = malloc(NODE_BYTES);
  *(void *volatile *)state = node;
  free(node);
}

static void run_record(const struct bench_row *row) {
  void *node = NULL;
  bench_emit(row, "s", bench_time(step_record, &node));
}

static void add_slice(struct job *job, size_t from, size_t to) {
  const float *restrict a = job->a, *restrict b = job->b;
  float *restrict y = job->y;
  for (size_t i = from; i < to; i++) y[i] = a[i] + b[i];
}

static void step_small(void *state) {
  struct job *job = state;
  void *node = malloc(NODE_BYTES);
  __asm__ volatile("" : : "r"(node) : "memory");
  add_slice(job, 0, BENCH_SMALL);
  free(node);
}

static void *open_small(void) {
  struct job *job = malloc(sizeof *job);
  if (!job) bench_fail("out of memory");
  *job = (struct job){.a = bench_data(BENCH_SMALL, 1),
                      .b = bench_data(BENCH_SMALL, 2),
                      .y = bench_floats(BENCH_SMALL)};
  return job;
}

static void close_job(struct job *job) {
  free((void *)job->a);
  free((void *)job->b);
  free((void *)job->c);
  free(job->y);
}

static void close_small(void *state) {
  close_job(state);
  free(state);
}

static void run_small_eval(const struct bench_row *row) {
  struct job *job = open_small();
  bench_emit(row, "s", bench_time(step_small, job));
  bench_check_add(row, job->y, job->a, job->b, BENCH_SMALL);
  close_small(job);
}

// A transpose costs nothing in a lazy library: it changes how the next sum reads.
static void step_chain(void *state) {
  enum { SIDE = BENCH_CHAIN_SIDE };
  struct job *job = state;
  float x[SIDE * SIDE], sum[SIDE * SIDE];
  memcpy(x, job->a, sizeof x);
  for (int k = 0; k < BENCH_CHAIN / 4; k++) {
    for (int i = 0; i < SIDE * SIDE; i++) sum[i] = x[i] + job->b[i];
    for (int i = 0; i < SIDE; i++) {
      for (int j = 0; j < SIDE; j++) x[i * SIDE + j] = sum[i * SIDE + j] + job->b[j * SIDE + i];
    }
    __asm__ volatile("" ::: "memory");
  }
  memcpy(job->y, x, sizeof x);
}

// As one loop over the elements, which is what compiling can come to.
static void step_steps(void *state) {
  struct job *job = state;
  for (int i = 0; i < BENCH_SMALL; i++) {
    float x = job->a[i];
    for (int k = 0; k < BENCH_STEPS / 2; k++) x = fabsf(x + job->b[i]);
    job->y[i] = x;
  }
  __asm__ volatile("" ::: "memory");
}

static void run_steps(const struct bench_row *row) {
  struct job *job = open_small();
  bench_emit(row, "s", bench_time(step_steps, job));
  bench_check_steps(row, job->y, job->a, job->b);
  close_small(job);
}

static void run_chain(const struct bench_row *row) {
  enum { COUNT = BENCH_CHAIN_SIDE * BENCH_CHAIN_SIDE };
  struct job job = {.a = bench_data(COUNT, 1), .b = bench_data(COUNT, 2), .y = bench_floats(COUNT)};
  bench_emit(row, "s", bench_time(step_chain, &job) / BENCH_CHAIN);
  bench_check_chain(row, job.y, job.a, job.b);
  close_job(&job);
}

static void product(const float *a, const float *b, float *y, int side) {
  sgemm(ROW_MAJOR, NO_TRANS, NO_TRANS, side, side, side, 1, a, side, b, side, 0, y, side);
}

static void step_products(void *state) {
  enum { SIDE = BENCH_PRODUCT_SIDE };
  struct job *job = state;
  float x[SIDE * SIDE];
  memcpy(x, job->a, sizeof x);
  for (int i = 0; i < BENCH_PRODUCTS / 2; i++) {
    product(x, job->b, job->y, SIDE);
    product(job->y, job->b, x, SIDE);
  }
  memcpy(job->y, x, sizeof x);
}

static void run_matmul_chain(const struct bench_row *row) {
  if (!sgemm) return;  // a row without a floor
  enum { COUNT = BENCH_PRODUCT_SIDE * BENCH_PRODUCT_SIDE };
  struct job job = {.a = bench_data(COUNT, 1), .b = bench_rotation(1), .y = bench_floats(COUNT)};
  bench_emit(row, "s", bench_time(step_products, &job) / BENCH_PRODUCTS);
  bench_check_products(row, job.y, job.a);
  close_job(&job);
}

static void fused_slice(struct job *job, size_t from, size_t to) {
  const float *restrict a = job->a, *restrict b = job->b, *restrict c = job->c;
  float *restrict y = job->y;
  for (size_t i = from; i < to; i++) y[i] = sqrtf(fabsf(a[i] * b[i] + c[i])) * expf(-a[i]);
}

static void sum_slice(struct job *job, size_t from, size_t to) {
  const float *restrict a = job->a;
  float total = 0;
  for (size_t i = from; i < to; i++) total += a[i];
  job->total = total;
}

static void softmax_row(const float *restrict x, float *restrict y) {
  enum { SIDE = BENCH_SOFTMAX_SIDE };
  float most = x[0], total = 0;
  for (int j = 1; j < SIDE; j++) most = x[j] > most ? x[j] : most;
  for (int j = 0; j < SIDE; j++) {
    y[j] = expf(x[j] - most);
    total += y[j];
  }
  float scale = 1 / total;
  for (int j = 0; j < SIDE; j++) y[j] *= scale;
}

static void softmax_slice(struct job *job, size_t from, size_t to) {
  for (size_t r = from; r < to; r++) {
    softmax_row(job->a + r * BENCH_SOFTMAX_SIDE, job->y + r * BENCH_SOFTMAX_SIDE);
  }
}

static void step_fused(void *job) { over_cores(fused_slice, job, BENCH_LARGE); }
static void step_add(void *job) { over_cores(add_slice, job, BENCH_LARGE); }
static void step_softmax(void *job) { over_cores(softmax_slice, job, BENCH_SOFTMAX_SIDE); }

static void step_sum(void *state) {
  struct job *job = state;
  job->total = over_cores(sum_slice, job, BENCH_LARGE);
}

// A band of rows for each core, the BLAS itself on one thread: whichever variant is installed.
static void matmul_slice(struct job *job, size_t from, size_t to) {
  enum { SIDE = BENCH_MATMUL_SIDE };
  sgemm(ROW_MAJOR, NO_TRANS, NO_TRANS, (int)(to - from), SIDE, SIDE, 1, job->a + from * SIDE, SIDE,
        job->b, SIDE, 0, job->y + from * SIDE, SIDE);
}

static void step_matmul(void *job) { over_cores(matmul_slice, job, BENCH_MATMUL_SIDE); }

static struct job large_job(void) {
  return (struct job){.a = bench_data(BENCH_LARGE, 1),
                      .b = bench_data(BENCH_LARGE, 2),
                      .c = bench_data(BENCH_LARGE, 3),
                      .y = bench_floats(BENCH_LARGE)};
}

static void run_fused(const struct bench_row *row) {
  struct job job = large_job();
  bench_emit(row, "s", bench_time(step_fused, &job));
  bench_check_fused(row, job.y, job.a, job.b, job.c);
  close_job(&job);
}

static void run_add(const struct bench_row *row) {
  struct job job = large_job();
  bench_emit(row, "s", bench_time(step_add, &job));
  bench_check_add(row, job.y, job.a, job.b, BENCH_LARGE);
  close_job(&job);
}

static void run_sum(const struct bench_row *row) {
  struct job job = large_job();
  bench_emit(row, "s", bench_time(step_sum, &job));
  bench_check_sum(row, job.total, job.a);
  close_job(&job);
}

static void run_softmax(const struct bench_row *row) {
  struct job job = large_job();
  bench_emit(row, "s", bench_time(step_softmax, &job));
  bench_check_softmax(row, job.y, job.a);
  close_job(&job);
}

static void run_matmul(const struct bench_row *row) {
  if (!sgemm) return;  // a row without a floor
  enum { SIDE = BENCH_MATMUL_SIDE };
  struct job job = {.a = bench_data(SIDE * SIDE, 1),
                    .b = bench_data(SIDE * SIDE, 2),
                    .y = bench_floats(SIDE * SIDE)};
  bench_emit(row, "flop/s", 2.0 * SIDE * SIDE * SIDE / bench_time(step_matmul, &job));
  bench_check_matmul(row, job.y, job.a, job.b);
  close_job(&job);
}

static void *request_main(void *state) {
  add_slice(state, 0, BENCH_SMALL);
  return NULL;
}

static void step_thread_request(void *state) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, request_main, state)) bench_fail("no thread");
  pthread_join(thread, NULL);
}

static void run_thread_request(const struct bench_row *row) {
  struct job *job = open_small();
  bench_requests(row, step_thread_request, job);
  bench_check_add(row, job->y, job->a, job->b, BENCH_SMALL);
  close_small(job);
}

static void run_evals(const struct bench_row *row, int threads) {
  static const struct bench_worker worker = {open_small, step_small, close_small};
  bench_parallel(row, &worker, threads);
}

static void run_evals_1(const struct bench_row *row) { run_evals(row, 1); }
static void run_evals_2(const struct bench_row *row) { run_evals(row, 2); }
static void run_evals_4(const struct bench_row *row) { run_evals(row, 4); }
static void run_evals_8(const struct bench_row *row) { run_evals(row, 8); }

static const struct bench_row rows[] = {
    {"default_stream", run_default_stream},
    {"record", run_record},
    {"small_eval", run_small_eval},
    {"chain", run_chain},
    {"steps_called", run_steps},
    {"steps_compiled", run_steps},
    {"matmul_chain", run_matmul_chain},
    {"fused", run_fused},
    {"add", run_add},
    {"sum", run_sum},
    {"softmax", run_softmax},
    {"matmul", run_matmul},
    {"thread_request", run_thread_request},
    {"evals_1", run_evals_1},
    {"evals_2", run_evals_2},
    {"evals_4", run_evals_4},
    {"evals_8", run_evals_8},
};

int main(int argc, char **argv) {
  open_blas();
  return bench_main(argc, argv, rows, sizeof rows / sizeof rows[0]);
}
