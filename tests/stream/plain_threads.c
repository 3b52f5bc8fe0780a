/* T1: the thread that happens to be the first to use the library may flush to zero, round upward,
   trap, be bound to one processor, be nice, or be for real time. The library's threads are as if it
   had been a plain one, its own results too, and it has its environment back. FAILURES: P2. Each
   case in a child, since there is one first thread. */

#include <float.h>
#include <math.h>

#include "fixtures.h"
#include "library_threads.h"

enum { MANY = SANITIZED ? 1 << 18 : 1 << 21 }; /* enough that workers help */

static struct {
  void (*become)(void);
  bool (*is)(void);
} kind;

/* All elements are a (op) b, whichever thread computes them. */
static void expect_all(int (*op)(mlx_array *, mlx_array, mlx_array, mlx_stream), float a, float b,
                       float result, int n) {
  mlx_stream s = mlx_default_cpu_stream_new();
  mlx_array x = mlx_array_new_float(a), y = mlx_array_new_float(b), out = mlx_array_new();
  CHECK(mlx_broadcast_to(&x, x, &n, 1, s) == 0 && op(&out, x, y, s) == 0);
  const float *data = mlx_array_data_float32(out);
  CHECK(data != NULL);
  for (int i = 0; i < n; i++) CHECK(!memcmp(&data[i], &result, sizeof result));
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(out);
  mlx_stream_free(s);
}

/* A denormal, a quotient that rounds down, a division by zero; small ones, which the caller
   computes, and large ones, at which workers help. */
static void compute(void) {
  const int sizes[] = {1, MANY};
  for (int i = 0; i < 2; i++) {
    expect_all(mlx_multiply, FLT_MIN, 0.25f, 0x1p-128f, sizes[i]);
    expect_all(mlx_add, 0x1p-128f, 0x1p-128f, 0x1p-127f, sizes[i]);
    expect_all(mlx_divide, 1, 3, 0x1.555556p-2f, sizes[i]);
    expect_all(mlx_divide, -1, 3, -0x1.555556p-2f, sizes[i]);
    expect_all(mlx_divide, 1, 0, INFINITY, sizes[i]);
  }
}

/* By workers alone. */
static void compute_elsewhere(void) {
  mlx_stream s = new_stream();
  mlx_array a = mlx_array_new_float(1), b = mlx_array_new_float(-3);
  for (int i = 0; i < 30; i++) CHECK(mlx_divide(&a, a, b, s) == 0);
  CHECK(submit(a) == 0 && weir_stream_wait(s, INT64_C(60000000000)) == 0);
  float quotient = 1;
  for (int i = 0; i < 30; i++) quotient /= -3.0f;
  CHECK(float_of(a) == quotient);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_stream_free(s);
}

static void nothing(void *data) { (void)data; }

static void *first(void *arg) {
  mlx_stream s = mlx_default_cpu_stream_new();
  kind.become();
  compute();
  CHECK(kind.is());
  mlx_array a = chain(0, 20, s); /* something for each kind of thread */
  CHECK(submit(a) == 0 && weir_stream_on_idle(s, nothing, NULL) == 0);
  CHECK(weir_stream_wait(s, INT64_C(60000000000)) == 0);
  CHECK(kind.is());
  mlx_array_free(a);
  mlx_stream_free(s);
  return arg;
}

static void *plain(void *arg) {
  compute();
  compute_elsewhere();
  return arg;
}

static void nobody(pid_t tid) { (void)tid; }

static int processors(void) {
  cpu_set_t process;
  CHECK(sched_getaffinity(getpid(), sizeof process, &process) == 0);
  return CPU_COUNT(&process);
}

/* A thread has its name once all else is set. With one processor nobody helps who waits, so there
   may be no worker. */
static void expect_plain_threads(void) {
  weir_runtime_stats_t stats;
  CHECK(weir_runtime_stats(&stats) == 0);
  int n = (int)(stats.worker_threads + stats.other_threads);
  for (int i = 0; i < 10000 && each_library_thread(nobody) < n; i++) usleep(1000);
  CHECK(each_library_thread(looks_like_the_process) >= (processors() > 1 ? 2 : 1));
}

static void program(void) {
  run_one(first, NULL);
  expect_plain_threads();
  run_one(plain, NULL);
  expect_plain_threads();
  _exit(42);
}

static void expect_plain(void (*become)(void), bool (*is)(void)) {
  kind.become = become;
  kind.is = is;
  CHECK(in_child(program, SANITIZED ? 100 : 30) == 42);
}

/* ---- how many ---- */

/* Two workers are inside at once, where the process has two processors. */
static void stay_and_count(void) {
  static struct stall stalls[2];
  run_one(first, NULL);
  for (int i = 0; i < 2 && i < processors(); i++) stall_begin(&stalls[i], new_stream());
  _exit(42);
}

/* ---- what a caller has raised ---- */

static void *raises_nothing(void *arg) {
  CHECK(feclearexcept(FE_ALL_EXCEPT) == 0);
  expect_all(mlx_divide, 1, 3, 0x1.555556p-2f, 1);
  expect_all(mlx_divide, 1, 0, INFINITY, 1);
  CHECK(fetestexcept(FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW | FE_INVALID) == 0);
  CHECK(feraiseexcept(FE_OVERFLOW) == 0);
  expect_all(mlx_divide, 1, 0, INFINITY, 1);
  CHECK(fetestexcept(FE_OVERFLOW | FE_DIVBYZERO) == FE_OVERFLOW);
  return arg;
}

static void raised(void) {
  run_one(raises_nothing, NULL);
  _exit(42);
}

int main(void) {
  expect_plain(be_plain, anything);
  expect_plain(flush_to_zero, flushes_to_zero);
  expect_plain(round_upward, rounds_upward);
  expect_plain(trap, traps);
  expect_plain(stay_on_one, on_one);
  expect_plain(be_nice, anything);
  expect_plain(be_for_real_time, anything);
  kind.become = stay_on_one;
  kind.is = on_one;
  CHECK(in_child(stay_and_count, SANITIZED ? 100 : 30) == 42);
  CHECK(in_child(raised, SANITIZED ? 100 : 30) == 42);
  return 0;
}
