/* C3 to C6: mlx_clear_streams retires its thread, every function that would work says so there, and
   nobody else is harmed. All mlx_* functions that take a stream, force, or draw are rows of
   retired_calls.def, which tools/generate makes from the headers; what is left are frees, empty
   handles, sizes and shapes, containers of handles, strings, memory settings and what is about
   devices. */

#include <complex.h>

#include "bracket.h"
#include "call_arguments.h"
#include "good_kernels.h"
#include "programs.h"

/* What the calls are given, and where they write. */
#define CASE(function, failed)
#define RESULT(type, member)
#define HANDLE(type, member) type member;
static struct {
#include "retired_calls.def"
} good;
#undef RESULT
#undef HANDLE
#define HANDLE(type, member)
#define RESULT(type, member) type member;
static struct {
#include "retired_calls.def"
} out;
#undef RESULT
#undef CASE

static weir_wired_guard guard;
static int wrong;

static bool names(const char *part) { return strstr(weir_last_error(), part) != NULL; }

static void check_retired(const char *function, bool failed) {
  if (failed && weir_last_status() == WEIR_ERROR_THREAD_RETIRED &&
      after_bracket(function, weir_last_error()) && names("mlx_clear_streams") &&
      names("weir_thread_revive") && names("\"cleaner\"")) {
    return;
  }
  fprintf(stderr, "%s: %s, \"%s\"\n", function, failed ? "failed" : "worked", weir_last_error());
  wrong++;
}

#define RESULT(type, member)
#define CASE(function, condition) check_retired(function, condition);

static void all_calls(void) {
#include "retired_calls.def"
}

static void idle(void *data) { (void)data; }

static void own_calls(void) {
  weir_event event = weir_event_new();
  CASE("weir_stream_scope_push", weir_stream_scope_push(good.stream) == 1)
  CASE("weir_stream_wait", weir_stream_wait(good.stream, 0) == 1)
  CASE("weir_stream_on_idle", weir_stream_on_idle(good.stream, idle, NULL) == 1)
  CASE("weir_stream_hand_over", weir_stream_hand_over(good.stream, 0) == 1)
  CASE("weir_stream_adopt", weir_stream_adopt(good.stream) == 1)
  CASE("weir_event_record", weir_event_record(event, good.stream) == 1)
  CASE("weir_event_wait", weir_event_wait(event, good.stream) == 1)
  CASE("weir_event_synchronize", weir_event_synchronize(event, 0) == 1)
  weir_event_free(event);
}

/* C5, and what C4 exempts. */
static void exempt_calls(void) {
  mlx_string text = mlx_string_new();
  mlx_stream s = mlx_stream_new();
  CHECK(weir_thread_retired());
  CHECK(weir_try_synchronize(good.stream) == 0);
  CHECK(weir_try_default_stream(&s, good.device) == 0 && !s.ctx);
  CHECK(mlx_clear_streams() == 0 && mlx_clear_streams() == 0);
  CHECK(weir_wired_guard_end(&guard) == 0 && !guard.ctx); /* W1 */
  CHECK(mlx_stream_tostring(&text, good.stream) == 0);
  CHECK(!strncmp(mlx_string_data(text), "Stream(", 7));
  mlx_string_free(text);
}

static void *clear_and_try_all(void *arg) {
  pthread_setname_np(pthread_self(), "cleaner");
  CHECK(!weir_thread_retired());
  mlx_stream own = mlx_default_cpu_stream_new();
  good.array = mlx_array_new_complex(7, 0); /* as wide as any element */
  good.vector_array = mlx_vector_array_new_value(good.array);
  good.device = mlx_device_new_type(MLX_CPU, 0);
  good.stream = new_stream();
  good.fast_metal_kernel = good_metal_kernel();
  good.fast_metal_kernel_config = mlx_fast_metal_kernel_config_new();
  CHECK(weir_wired_guard_begin(&guard, 1 << 20, &good.stream, 1) == 0);
  CHECK(mlx_clear_streams() == 0);
  all_calls();
  own_calls();
  exempt_calls();
  CHECK(weir_thread_revive() == 0 && !weir_thread_retired());
  /* C6: new defaults; what was cleared stays finished. */
  mlx_stream fresh = mlx_default_cpu_stream_new();
  CHECK(fresh.ctx && !mlx_stream_equal(own, fresh));
  mlx_array sum = mlx_array_new();
  CHECK(mlx_add(&sum, good.array, good.array, fresh) == 0 && mlx_array_eval(sum) == 0);
  CHECK(crealf(mlx_array_data_complex64(sum)[0]) == 14);
  CHECK(mlx_add(&sum, good.array, good.array, own) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_STATE && names("mlx_clear_streams"));
  mlx_array_free(sum);
  mlx_stream_free(fresh);
  mlx_stream_free(own);
  mlx_stream_free(good.stream);
  mlx_fast_metal_kernel_free(good.fast_metal_kernel);
  mlx_fast_metal_kernel_config_free(good.fast_metal_kernel_config);
  mlx_device_free(good.device);
  mlx_vector_array_free(good.vector_array);
  mlx_array_free(good.array);
  return arg;
}

/* C3: submitted work is finished, lazy work is left; all of the thread's streams are gone after the
   last handle. */
static void *finish_all(void *arg) {
  mlx_stream several[8];
  mlx_array x[8], one = mlx_array_new_float(1);
  for (int i = 0; i < 8; i++) {
    several[i] = new_stream();
    x[i] = floats(1 << 14, 0);
    for (int k = 0; k < 20; k++) add_to(&x[i], one, several[i]);
    mlx_vector_array v = mlx_vector_array_new_value(x[i]);
    CHECK(mlx_async_eval(v) == 0);
    mlx_vector_array_free(v);
  }
  mlx_array lazy = mlx_array_new();
  CHECK(mlx_add(&lazy, one, one, several[0]) == 0);
  CHECK(mlx_clear_streams() == 0);
  for (int i = 0; i < 8; i++) {
    bool available = false;
    CHECK(_mlx_array_is_available(&available, x[i]) == 0 && available);
    mlx_array_free(x[i]);
    mlx_stream_free(several[i]);
  }
  CHECK(mlx_array_eval(lazy) == 1);
  mlx_array_free(lazy);
  mlx_array_free(one);
  return arg;
}

static void *clear_first_thing(void *arg) {
  CHECK(mlx_clear_streams() == 0 && mlx_clear_streams() == 0);
  return arg;
}

/* C7 */
static void *end_without_clearing(void *arg) {
  mlx_array x = floats(8, 0), one = mlx_array_new_float(1);
  mlx_stream s = new_stream();
  add_to(&x, one, s);
  add_to(&x, one, (mlx_stream){0});
  mlx_array_free(x);
  mlx_array_free(one);
  mlx_stream_free(s);
  return arg;
}

static void on_a_thread(void *(*fn)(void *)) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, fn, NULL) == 0);
  pthread_join(thread, NULL);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  CHECK(weir_set_thread_policy(WEIR_THREADS_CHECKED) == 0);
  mlx_stream mine = mlx_default_cpu_stream_new();
  on_a_thread(clear_and_try_all);
  on_a_thread(finish_all);
  on_a_thread(clear_first_thing);
  on_a_thread(end_without_clearing);
  /* C6: other threads' streams and defaults are untouched. */
  mlx_stream still = mlx_default_cpu_stream_new();
  CHECK(mlx_stream_equal(mine, still) && !weir_thread_retired());
  CHECK(streams_become(1));
  mlx_stream_free(still);
  mlx_stream_free(mine);
  return wrong != 0;
}
