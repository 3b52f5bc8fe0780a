/* Each function of the driver fails once, at each of its calls in turn, over the stand-in: E1 to
   E5. What fails says so in words, wherever it is forced, and nothing else has a wrong value;
   afterwards all is given back, and the next round has no failure left. Memory that is refused, at
   each request, is a case of it; so is a driver or a compiler that fails before there is a stream.
 */

#include <sched.h>

#include "stand_in_case.h"

enum { UNKNOWN = 999, OUT_OF_MEMORY = 2 };

static mlx_array one;

/* A call's rc: true when it has succeeded, else there is a message. */
static bool ok(int rc) {
  if (rc == 0) return true;
  CHECK(rc == 1 && weir_last_status() != WEIR_OK && *weir_last_error());
  return false;
}

/* The failure of an array is told in words, and again. */
static bool good(mlx_array a) {
  const bool is = mlx_array_eval(a) == 0;
  if (is) return true;
  CHECK(strstr(weir_last_error(), "gpu:0") || strstr(weir_last_error(), "memory") ||
        strstr(weir_last_error(), "NVRTC"));
  CHECK(mlx_array_eval(a) == 1 && mlx_array_data_float32(a) == NULL);
  return false;
}

/* Where it is good, that its values are. */
static bool good_turned(mlx_array a, float v, int times) {
  if (!good(a)) return false;
  const int n = (int)mlx_array_size(a);
  const float *data = mlx_array_data_float32(a);
  if (!data) CHECK(*weir_last_error());
  for (int i = 0; data && i < n; i++) CHECK(data[i] == v + (float)((i + times) % n));
  return true;
}

static mlx_stream try_stream(void) {
  mlx_device device = mlx_device_new_type(MLX_GPU, 0);
  mlx_stream s = mlx_stream_new_device(device);
  if (!s.ctx) CHECK(*weir_last_error());
  mlx_device_free(device);
  return s;
}

/* Kernels, copies, and results of one stream that the other needs, there and on the CPU. */
static void work(mlx_stream s, mlx_stream other, mlx_stream host) {
  mlx_array sum = floats(40, 0), after = mlx_array_new(), on_host = mlx_array_new();
  mlx_array turned = floats(40, 1), across = mlx_array_new(), plain = floats(40, 2);
  for (int i = 0; i < 5; i++) {
    CHECK(mlx_cumsum(&sum, sum, 0, false, true, s) == 0); /* does not fuse */
    turn(&turned, s);
  }
  mlx_array_set(&across, turned);
  turn(&across, other);
  CHECK(mlx_add(&after, sum, one, other) == 0 && mlx_add(&on_host, after, one, host) == 0);
  weir_event event = weir_event_new();
  (void)ok(async_eval(sum));
  (void)ok(async_eval(across));
  CHECK(weir_event_record(event, s) == 0 && weir_event_wait(event, other) == 0);
  turn(&plain, other);
  const bool sum_is = good(sum), turned_is = good_turned(turned, 1, 5);
  const bool after_is = good(after), across_is = good_turned(across, 1, 6);
  CHECK((sum_is || !after_is) && (after_is || !good(on_host)));
  CHECK(turned_is || !across_is);
  (void)good(on_host);
  (void)good_turned(plain, 2, 1);
  CHECK(weir_event_synchronize(event, INT64_MAX) == 0 && weir_event_free(event) == 0);
  CHECK(mlx_synchronize(s) == 0 && mlx_synchronize(other) == 0);
  mlx_array all[] = {sum, after, on_host, turned, across, plain};
  for (int i = 0; i < 6; i++) mlx_array_free(all[i]);
}

static void scenario(void) {
  mlx_stream s = try_stream(), other = try_stream(), host = new_stream();
  for (int i = 0; i < 4 && s.ctx && other.ctx; i++) work(s, other, host);
  mlx_stream_free(s);
  mlx_stream_free(other);
  mlx_stream_free(host);
}

static void check_all_given_back(const char *symbol, uint64_t n) {
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  CHECK(mlx_clear_cache() == 0);
  CHECK(streams_become(0));
  if (!allocations_become(0)) {
    fprintf(stderr, "%s, call %llu: %llu allocations are left\n", symbol, (unsigned long long)n,
            (unsigned long long)stand_in_now().allocations);
  }
  CHECK(stand_in_now().allocations == 0);
  const struct stand_in_counts now = stand_in_now();
  CHECK(now.graphs == now.graph_execs && now.streams <= 8);
}

/* A round without a failure is right: the failure has left nothing behind. */
static void sound_round(void) {
  mlx_stream s = new_gpu_stream();
  mlx_array a = floats(20, 3);
  turn(&a, s);
  CHECK(good_turned(a, 3, 1));
  mlx_array_free(a);
  mlx_stream_free(s);
}

/* A call that is to tell whether work is over fails, so that nobody knows what the device still
   does: the device is out of use from then on. */
static bool is_fault(const char *symbol) {
  return strstr(symbol, "Synchronize") || strstr(symbol, "cuEventQuery") ||
         strstr(symbol, "cuEventRecord") || strstr(symbol, "cuEventCreate");
}

/* Not those that let go of something: what is not given back is nobody's any more, and a thread
   would keep its context. Nor the push of a context, after which nothing could be done at all. */
static bool can_be_swept(const char *symbol) {
  return !strstr(symbol, "cuCtxP") && !strstr(symbol, "Destroy") && !strstr(symbol, "MemFree");
}

static void sweep(const char *symbol, int result) {
  uint64_t n = 1;
  if (!can_be_swept(symbol) || (is_fault(symbol) && result != OUT_OF_MEMORY)) return;
  for (;; n++) {
    cuda->fail(symbol, n, result);
    scenario();
    const bool failed = cuda->has_failed();
    cuda->fail(symbol, 0, 0);
    if (!failed) break;
    sound_round();
    check_all_given_back(symbol, n);
  }
  check_all_given_back("none", 0);
  if (n > 1) printf("%s, %d: %llu calls\n", symbol, result, (unsigned long long)n - 1);
}

/* The same for faults, each in a child of its own; what works there after that is the CPU. */
static const char *fault_symbol;
static uint64_t fault_call;

static void one_fault(void) {
  mlx_stream host = new_stream();
  cuda->fail(fault_symbol, fault_call, UNKNOWN);
  scenario();
  const bool failed = cuda->has_failed();
  cuda->fail(fault_symbol, 0, 0);
  mlx_array sum = mlx_array_new();
  CHECK(mlx_add(&sum, one, one, host) == 0 && float_of(sum) == 2);
  mlx_array_free(sum);
  mlx_stream_free(host);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0 && streams_become(0));
  _exit(failed ? 42 : 43);
}

static void sweep_faults(const char *symbol) {
  int status = 42;
  fault_symbol = symbol;
  for (fault_call = 1; status == 42; fault_call++) status = in_child(one_fault, 60);
  if (status != 43) fprintf(stderr, "%s, call %d: %d\n", symbol, (int)fault_call - 1, status);
  CHECK(status == 43);
  printf("%s: %d calls\n", symbol, (int)fault_call - 2);
}

static mlx_array sum_of(mlx_array a, mlx_stream s) {
  mlx_array out = mlx_array_new();
  CHECK(mlx_cumsum(&out, a, 0, false, true, s) == 0 && async_eval(out) == 0);
  return out;
}

static uint64_t launches(void) {
  return cuda->calls("cuLaunchKernel") + cuda->calls("cuGraphLaunch");
}

/* The next launch fails, also where it goes as a graph, which is launched by itself when the graph
   has failed. */
static mlx_array failing_sum_of(mlx_array a, mlx_stream s) {
  const uint64_t alone = cuda->calls("cuLaunchKernel");
  cuda->fail("cuGraphLaunch", 1, UNKNOWN);
  cuda->fail("cuLaunchKernel", 1, UNKNOWN);
  mlx_array bad = sum_of(a, s);
  while (cuda->calls("cuLaunchKernel") == alone) sched_yield();
  cuda->fail("cuGraphLaunch", 0, 0);
  return bad;
}

/* E1: a launch fails whose result another stream waits for on the device, behind a kernel that is
   held. Who forces what depends on it looks at the other stream alone, and still gets the failure.
 */
static void failure_is_known_first(void) {
  mlx_stream s = new_gpu_stream(), other = new_gpu_stream();
  mlx_array host = floats(40, 0), a = sum_of(host, s);
  CHECK(mlx_array_eval(a) == 0); /* on the device, so that nothing is launched to bring it there */
  const uint64_t before = launches();
  cuda->hold();
  mlx_array held = sum_of(a, s);
  while (launches() == before) sched_yield();
  mlx_array bad = failing_sum_of(a, s);
  const uint64_t waits = cuda->calls("cuStreamWaitEvent");
  mlx_array after = sum_of(bad, other);
  while (cuda->calls("cuStreamWaitEvent") == waits) sched_yield();
  cuda->release();
  CHECK(mlx_array_eval(after) == 1 && strstr(weir_last_error(), "cuLaunchKernel"));
  CHECK(mlx_array_eval(bad) == 1 && mlx_array_eval(held) == 0);
  mlx_array all[] = {host, a, held, bad, after};
  for (int i = 0; i < 5; i++) mlx_array_free(all[i]);
  mlx_stream_free(s);
  mlx_stream_free(other);
}

/* Until the launches have gone as graphs too, which failed then. */
static void failures_are_known_first(void) {
  enum { TIMES = 40 };
  const uint64_t graphs = cuda->calls("cuGraphLaunch");
  for (int i = 0; i < TIMES; i++) failure_is_known_first();
  CHECK(cuda->calls("cuGraphLaunch") > graphs);
}

/* In a child, before the driver is open: each call up to the first result fails in turn. Then the
   next stream that is made, or the next array, is right, but where the driver is not there at all.
 */
static uint64_t first_call;

static void from_the_start(void) {
  cuda->fail_any(first_call, UNKNOWN);
  scenario();
  const bool failed = cuda->has_failed();
  cuda->fail_any(0, 0);
  int count = 0;
  if (mlx_device_count(&count, MLX_GPU) == 0 && count > 0) {
    mlx_stream s = try_stream();
    if (s.ctx) {
      sound_round();
    } else {
      CHECK(strstr(weir_last_error(), "out of use")); /* since a fault */
    }
    mlx_stream_free(s);
  }
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  CHECK(streams_become(0));
  _exit(failed ? 42 : 43);
}

static void compiler_refuses(void) {
  const char *const calls[] = {"nvrtcCreateProgram", "nvrtcCompileProgram", "nvrtcGetCUBINSize",
                               "nvrtcGetCUBIN", "nvrtcGetProgramLogSize"};
  for (int i = 0; i < 5; i++) {
    stand_in_nvrtc_order(calls[i], 1, 6);
    scenario();
  }
  sound_round();
  check_all_given_back("none", 0);
  _exit(42);
}

int main(void) {
  stand_in_start();
  setvbuf(stdout, NULL, _IOLBF, 0);
  mlx_set_error_handler(quiet, NULL, NULL);
  one = mlx_array_new_float(1);
  CHECK(in_child(compiler_refuses, 60) == 42);
  int status = 42;
  for (first_call = 1; status == 42 && first_call < 60; first_call++) {
    status = in_child(from_the_start, 60);
    if (status != 42)
      fprintf(stderr, "call %llu ended with %d\n", (unsigned long long)first_call, status);
  }
  CHECK(status == 42 || status == 43);
  for (int i = 0; cuda->symbol(i); i++) {
    if (is_fault(cuda->symbol(i))) sweep_faults(cuda->symbol(i));
  }
  scenario();
  failures_are_known_first();
  for (int i = 0; cuda->symbol(i); i++) sweep(cuda->symbol(i), UNKNOWN);
  sweep("cuMemAllocFromPoolAsync", OUT_OF_MEMORY);
  sweep("cuLaunchKernel", OUT_OF_MEMORY);
  sweep("cuGraphLaunch", OUT_OF_MEMORY);
  sweep("cuEventCreate", OUT_OF_MEMORY);
  mlx_array_free(one);
  CHECK(weir_shutdown(INT64_C(20000000000)) == 0);
  return 0;
}
