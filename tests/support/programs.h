#ifndef WR_TESTS_SUPPORT_PROGRAMS_H
#define WR_TESTS_SUPPORT_PROGRAMS_H

/* What tests of streams share: threads in bulk, children with a time limit, counts of what the
   process holds, and short ways to make and read arrays. Header-only, on the public API alone. */

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/weir.h"

/* Sanitizers keep records of threads and freed memory, need larger stacks and address space, and
   slow everything down. In the child of a process with threads ThreadSanitizer allows none, and
   AddressSanitizer's allocator keeps the locks of those that are gone. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* How many threads a program has where any number will do: its own, or WEIR_TEST_THREADS. */
enum { MOST_THREADS = 64 };

static inline int many(int usual) {
  const char *text = getenv("WEIR_TEST_THREADS");
  int n = text ? atoi(text) : usual;
  CHECK(n >= 1 && n <= MOST_THREADS);
  return n;
}

/* Runs fn(i) on n threads at once and joins them. */
struct program_thread {
  pthread_t thread;
  void (*fn)(int);
  int i;
};

static inline void *program_thread_main(void *arg) {
  struct program_thread *t = arg;
  t->fn(t->i);
  return NULL;
}

static inline void run_threads(int n, void (*fn)(int)) {
  struct program_thread *all = calloc((size_t)n, sizeof *all);
  CHECK(all != NULL);
  for (int i = 0; i < n; i++) {
    all[i] = (struct program_thread){.fn = fn, .i = i};
    CHECK(pthread_create(&all[i].thread, NULL, program_thread_main, &all[i]) == 0);
  }
  for (int i = 0; i < n; i++) pthread_join(all[i].thread, NULL);
  free(all);
}

/* Runs fn(arg) on a thread with a stack of 64 KB (K13), or the least that the system gives its
   threads, where no sanitizer needs more; joins it. */
static inline void run_on_small_stack(void *(*fn)(void *), void *arg) {
  pthread_attr_t attr;
  pthread_t thread;
  long least = sysconf(_SC_THREAD_STACK_MIN);
  size_t bytes = least > 64 * 1024 ? (size_t)least : 64 * 1024;
  CHECK(pthread_attr_init(&attr) == 0);
  if (!SANITIZED) CHECK(pthread_attr_setstacksize(&attr, bytes) == 0);
  CHECK(pthread_create(&thread, &attr, fn, arg) == 0);
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attr);
}

/* OS threads of this process. */
static inline int os_threads(void) {
  int n = 0;
  DIR *dir = opendir("/proc/self/task");
  if (!dir) return -1;
  for (struct dirent *e; (e = readdir(dir));) n += e->d_name[0] != '.';
  closedir(dir);
  return n;
}

/* Resident memory in bytes. */
static inline size_t rss_bytes(void) {
  unsigned long total = 0, resident = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f) return 0;
  int got = fscanf(f, "%lu %lu", &total, &resident);
  fclose(f);
  return got == 2 ? resident * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static inline size_t live_streams(void) {
  weir_runtime_stats_t stats;
  CHECK(weir_runtime_stats(&stats) == 0);
  return stats.live_streams;
}

/* True once no more than `n` streams are alive. A worker that has drained a stream may hold it for
   a moment after the result is out, also when the baseline was taken: so it is awaited, for ten
   seconds at most, and may be passed. */
static inline bool streams_become(size_t n) {
  for (int i = 0; i < 10000 && live_streams() > n; i++) usleep(1000);
  return live_streams() <= n;
}

/* How many times longer a child may take: WEIR_TEST_PATIENCE, where every instruction is looked
   at. */
static inline unsigned patience(void) {
  const char *text = getenv("WEIR_TEST_PATIENCE");
  return text ? (unsigned)atoi(text) : 1;
}

/* Runs fn in a child, whose exit status is what fn leaves it with; 1000 + signal when one killed
   it, SIGALRM when it took longer than `seconds`. *used says what it took of the machine. */
static inline int in_child_used(void (*fn)(void), unsigned seconds, struct rusage *used) {
  int status = 0;
  fflush(NULL);
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    alarm(seconds * patience());
    fn();
    _exit(0);
  }
  CHECK(wait4(pid, &status, 0, used) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static inline int in_child(void (*fn)(void), unsigned seconds) {
  struct rusage used;
  return in_child_used(fn, seconds, &used);
}

/* Runs the program in children, one after another, each of which must leave with 42: n, or as many
   as WEIR_TEST_RUNS says. */
static inline void repeat(void (*program)(void), const char *name, int n) {
  const char *text = getenv("WEIR_TEST_RUNS");
  if (text) n = atoi(text);
  for (int i = 0; i < n; i++) {
    int status = in_child(program, SANITIZED ? 100 : 30);
    if (status != 42) fprintf(stderr, "%s: status %d in run %d\n", name, status, i);
    CHECK(status == 42);
  }
  if (text) printf("%s: 42 in %d runs of %d\n", name, n, n);
}

/* Of this process: from now on it uses the GPU. Says so where there is none; exit with 77 then. */
static inline bool has_gpu(void) {
  int count = 0;
  CHECK(mlx_device_count(&count, MLX_GPU) == 0);
  if (count == 0) printf("skipped: there is no GPU\n");
  return count > 0;
}

static inline mlx_stream new_stream_on(mlx_device_type type) {
  mlx_device device = mlx_device_new_type(type, 0);
  mlx_stream s = mlx_stream_new_device(device);
  if (!s.ctx) fprintf(stderr, "%s\n", weir_last_error());
  CHECK(s.ctx != NULL);
  mlx_device_free(device);
  return s;
}

/* New streams on the CPU, and on the GPU or what stands in for it. */
static inline mlx_stream new_stream(void) { return new_stream_on(MLX_CPU); }
static inline mlx_stream new_gpu_stream(void) { return new_stream_on(MLX_GPU); }

static inline int async_eval(mlx_array a) {
  mlx_vector_array v = mlx_vector_array_new_value(a);
  int rc = mlx_async_eval(v);
  mlx_vector_array_free(v);
  return rc;
}

/* Synchronizes the calling thread's default CPU stream. */
static inline int synchronize_default(void) {
  mlx_stream s = mlx_default_cpu_stream_new();
  int rc = mlx_synchronize(s);
  mlx_stream_free(s);
  return rc;
}

/* An array of n floats v, v+1, ... */
static inline mlx_array floats(int n, float v) {
  float *data = malloc((size_t)n * sizeof *data + 1);
  CHECK(data != NULL);
  for (int i = 0; i < n; i++) data[i] = v + (float)i;
  mlx_array a = mlx_array_new_data(data, &n, 1, MLX_FLOAT32);
  free(data);
  return a;
}

/* The float in a one-element array; forces it. */
static inline float float_of(mlx_array a) {
  float v = -1;
  CHECK(mlx_array_item_float32(&v, a) == 0);
  return v;
}

/* *a = *a + b, lazily, on s. */
static inline void add_to(mlx_array *a, mlx_array b, mlx_stream s) {
  mlx_array sum = mlx_array_new();
  CHECK(mlx_add(&sum, *a, b, s) == 0);
  mlx_array_free(*a);
  *a = sum;
}

/* A handler for errors that a test makes on purpose: no line on stderr. */
static inline void quiet(const char *message, void *data) {
  (void)message;
  (void)data;
}

#endif
