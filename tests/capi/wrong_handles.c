/* H4: every function with each of its handles in turn, in a parameter or where a result goes, of
   each other kind, never set, and freed: rc 1, NULL, 0 or an empty handle, a message that names the
   operation and the parameter, and nothing was changed. The calls are rows of wrong_calls.def,
   which tools/generate makes from the headers. As handles are addresses what is freed or no address
   is tried only where that memory is still there; under WEIR_CHECK=handles all of it. */

#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "anew.h"
#include "bracket.h"
#include "good_closures.h"
#include "good_imported.h"
#include "good_kernels.h"
#include "mean_cpu.h"
#include "no_file.h"
#include "weir/weir.h"
#include "wrong_arguments.h"

#define CASE(function, parameter, failed)
#define RESULT(type, member)
#define HANDLE(type, member) type member;
struct handles {
#include "wrong_calls.def"
};
#undef RESULT
#undef HANDLE

/* Where results go; none of the calls may write here. */
#define HANDLE(type, member)
#define RESULT(type, member) type member;
struct results {
#include "wrong_calls.def"
};
#undef CASE
#undef RESULT
#undef HANDLE

/* Where each has its ctx. */
#define RESULT(type, member)
#define CASE(function, parameter, failed)
#define HANDLE(type, member) offsetof(struct handles, member),
static const size_t places[] = {
#include "wrong_calls.def"
};
#undef CASE
#undef RESULT
#undef HANDLE

enum { KINDS = sizeof places / sizeof places[0] };

static void **ctx_of(struct handles *h, int kind) {
  return (void **)(void *)((char *)h + places[kind]);
}

static struct handles good, bad;
static struct results out;
static bool message_names(const char *function, const char *parameter, const char *what) {
  const char *text = after_bracket(function, heard);
  size_t n = strlen(parameter);
  return text && !strncmp(text, parameter, n) && text[n] == ' ' && strstr(text, what);
}

static void check_case(const char *function, const char *parameter, const char *what, bool failed) {
  bool named = message_names(function, parameter, what);
  bool kept = !strcmp(weir_last_error(), heard);
  if (!failed || calls != 1 || !named || !kept ||
      weir_last_status() != WEIR_ERROR_INVALID_ARGUMENT) {
    fprintf(stderr, "%s with a %s that %s: %s, %d reports, message \"%s\"\n", function, parameter,
            what, failed ? "failed" : "did not fail", calls, heard);
    wrong++;
  }
  heard[0] = '\0';
  calls = 0;
}

/* Of a guard that is not empty `begin` says something else. */
static const char *expected(const char *function, const char *parameter, const char *what) {
  bool begins = !strcmp(function, "weir_wired_guard_begin") && !strcmp(parameter, "guard");
  return begins ? "has begun already" : what;
}

static void try_all(const char *what) {
  static const struct results untouched;
  const struct handles before = bad;
#define HANDLE(type, member)
#define RESULT(type, member)
#define CASE(function, parameter, condition) \
  check_case(function, parameter, expected(function, parameter, what), condition);
#include "wrong_calls.def"
#undef CASE
#undef RESULT
#undef HANDLE
  CHECK(!memcmp(&out, &untouched, sizeof out));
  CHECK(!memcmp(&bad, &before, sizeof bad));
}

static struct handles make(void) {
  struct handles h = {0};
  int shape[1] = {1};
  h.array = mlx_array_new_data(memory, shape, 1, MLX_FLOAT32);
  h.device = mlx_device_new_type(MLX_CPU, 0);
  h.stream = mlx_stream_new_device(h.device);
  h.device_info = mlx_device_info_new();
  CHECK(mlx_device_info_get(&h.device_info, h.device) == 0);
  h.string = mlx_string_new_data("text");
  h.vector_array = mlx_vector_array_new_value(h.array);
  h.vector_vector_array = mlx_vector_vector_array_new_value(h.vector_array);
  h.vector_int = mlx_vector_int_new_value(1);
  h.vector_string = mlx_vector_string_new_value("text");
  MAKE_CLOSURES(h);
  h.fast_cuda_kernel_config = mlx_fast_cuda_kernel_config_new();
  h.fast_metal_kernel = good_metal_kernel();
  h.fast_metal_kernel_config = mlx_fast_metal_kernel_config_new();
  h.node_namer = mlx_node_namer_new();
  h.function_exporter = mlx_function_exporter_new("/dev/null", h.closure, false);
  h.imported_function = good_imported_function(h.vector_array);
  h.event = weir_event_new();
  CHECK(weir_event_record(h.event, h.stream) == 0);
  CHECK(weir_wired_guard_begin(&h.wired_guard, 1, &h.stream, 1) == 0);
  CHECK(mlx_distributed_init(&h.distributed_group, false, "jaccl") == 0);
  h.request = weir_request_new();
  h.ring = weir_ring_new();
  h.io_gguf = mlx_io_gguf_new();
  h.io_reader = mlx_io_reader_new(NULL, no_file);
  h.io_writer = mlx_io_writer_new(NULL, no_file);
  h.map_string_to_array = mlx_map_string_to_array_new();
  h.map_string_to_array_iterator = mlx_map_string_to_array_iterator_new(h.map_string_to_array);
  h.map_string_to_string = mlx_map_string_to_string_new();
  h.map_string_to_string_iterator = mlx_map_string_to_string_iterator_new(h.map_string_to_string);
  for (int i = 0; i < KINDS; i++) CHECK(*ctx_of(&h, i) != NULL);
  return h;
}

static void end(struct handles h) {
  CHECK(mlx_array_free(h.array) == 0);
  CHECK(mlx_device_free(h.device) == 0);
  CHECK(mlx_stream_free(h.stream) == 0);
  CHECK(mlx_device_info_free(h.device_info) == 0);
  CHECK(mlx_string_free(h.string) == 0);
  CHECK(mlx_vector_array_free(h.vector_array) == 0);
  CHECK(mlx_vector_vector_array_free(h.vector_vector_array) == 0);
  CHECK(mlx_vector_int_free(h.vector_int) == 0);
  CHECK(mlx_vector_string_free(h.vector_string) == 0);
  CHECK(mlx_distributed_group_free(h.distributed_group) == 0);
  CHECK(mlx_io_gguf_free(h.io_gguf) == 0);
  CHECK(mlx_io_reader_free(h.io_reader) == 0);
  CHECK(mlx_io_writer_free(h.io_writer) == 0);
  CHECK(mlx_map_string_to_array_iterator_free(h.map_string_to_array_iterator) == 0);
  CHECK(mlx_map_string_to_array_free(h.map_string_to_array) == 0);
  CHECK(mlx_map_string_to_string_iterator_free(h.map_string_to_string_iterator) == 0);
  CHECK(mlx_map_string_to_string_free(h.map_string_to_string) == 0);
  CHECK(mlx_node_namer_free(h.node_namer) == 0);
  CHECK(mlx_function_exporter_free(h.function_exporter) == 0);
  CHECK(mlx_imported_function_free(h.imported_function) == 0);
  FREE_CLOSURES(h);
  mlx_fast_cuda_kernel_config_free(h.fast_cuda_kernel_config);
  mlx_fast_metal_kernel_free(h.fast_metal_kernel);
  mlx_fast_metal_kernel_config_free(h.fast_metal_kernel_config);
  CHECK(weir_event_free(h.event) == 0);
  CHECK(weir_request_free(h.request) == 0);
  CHECK(weir_ring_free(h.ring) == 0);
  CHECK(weir_wired_guard_end(&h.wired_guard) == 0);
}

/* Each handle takes the place of each other kind's. */
static void of_another_kind(void) {
  bad = good;
  for (int by = 1; by < KINDS; by++) {
    for (int i = 0; i < KINDS; i++) *ctx_of(&bad, i) = *ctx_of(&good, (i + by) % KINDS);
    try_all("not a");
  }
}

static void never_set(void *garbage) {
  bad = good;
  for (int i = 0; i < KINDS; i++) *ctx_of(&bad, i) = garbage;
  try_all("never set");
}

static void expect_freed(mlx_array a) {
  CHECK(mlx_array_free(a) == 1 && strstr(weir_last_error(), "arr was freed"));
  CHECK(mlx_array_ndim(a) == 0 && strstr(weir_last_error(), "arr was freed"));
  CHECK(mlx_array_set_int(&a, 1) == 1 && strstr(weir_last_error(), "arr was freed"));
}

/* The arrays live on, and so does the memory of their handles. */
static void freed_arrays(void) {
  mlx_array a = mlx_array_new_float(1), moved = mlx_array_new_float(2), b = mlx_array_new();
  mlx_vector_array both = mlx_vector_array_new_value(a);
  CHECK(mlx_vector_array_append_value(both, moved) == 0);
  CHECK(mlx_array_set(&moved, a) == 0);
  CHECK(mlx_array_free(a) == 0 && mlx_array_free(moved) == 0);
  expect_freed(a);
  expect_freed(moved);
  CHECK(mlx_vector_array_get(&b, both, 0) == 0 && mlx_array_ndim(b) == 0 && mlx_array_size(b) == 1);
  CHECK(mlx_array_free(b) == 0 && mlx_vector_array_free(both) == 0);
  calls = 0;
}

/* The same for a handle whose event is waited for. */
static void freed_event(void) {
  weir_event e = weir_event_new();
  mlx_stream s = mlx_stream_new_device(good.device);
  CHECK(weir_event_record(e, s) == 0);
  CHECK(mlx_stream_free(s) == 0 && weir_event_free(e) == 0);
}

/* ---- under WEIR_CHECK=handles ---- */

/* However many were made since. */
static void freed(void) {
  bad = make();
  struct handles ended = bad;
  end(ended);
  try_all("was freed");
  for (int i = 0; i < 2000; i++) end(make());
  try_all("was freed");
}

/* The place that was freed last is given first. */
static void no_number_comes_again(void) {
  enum { MANY = 5000 };
  mlx_array first = mlx_array_new_float(1), last = first;
  CHECK(mlx_array_free(first) == 0);
  for (int i = 0; i < MANY; i++) {
    mlx_array a = mlx_array_new_float(1);
    CHECK(a.ctx != first.ctx && a.ctx != last.ctx && mlx_array_free(a) == 0);
    CHECK(mlx_array_free(first) == 1 && mlx_array_free(last) == 1);
    last = a;
  }
  calls = 0;
}

/* One stream, and each handle by itself. */
static void handles_of_one_stream(void) {
  mlx_stream s = mlx_default_cpu_stream_new(), t = mlx_stream_new(), u = mlx_stream_new();
  CHECK(mlx_stream_set(&t, s) == 0 && mlx_stream_set(&u, s) == 0);
  mlx_stream stale = u;
  CHECK(mlx_stream_set(&u, s) == 0); /* what u was is over */
  CHECK(mlx_stream_free(stale) == 1 && mlx_stream_equal(s, u));
  CHECK(mlx_stream_free(s) == 0 && mlx_stream_free(s) == 1 && mlx_synchronize(s) == 1);
  CHECK(mlx_stream_equal(t, u) && mlx_stream_free(t) == 0 && mlx_stream_free(u) == 0);
  CHECK(weir_try_synchronize(s) == 0); /* which never fails */
  mlx_stream again = mlx_default_cpu_stream_new();
  CHECK(mlx_synchronize(again) == 0 && mlx_stream_free(again) == 0);
  calls = 0;
}

static void copies_end_together(void) {
  mlx_array a = mlx_array_new_float(1), copy = a;
  CHECK(mlx_array_set_float(&copy, 2) == 0 && a.ctx == copy.ctx && mlx_array_free(a) == 0);
  CHECK(mlx_array_free(copy) == 1);
  weir_wired_guard guard = {0};
  CHECK(weir_wired_guard_begin(&guard, 1, NULL, 0) == 0);
  weir_wired_guard other = guard;
  CHECK(weir_wired_guard_end(&guard) == 0 && weir_wired_guard_end(&guard) == 0);
  CHECK(weir_wired_guard_end(&other) == 1);
  calls = 0;
}

static void iterators_outlive_maps(void) {
  mlx_map_string_to_string map = mlx_map_string_to_string_new();
  CHECK(mlx_map_string_to_string_insert(map, "key", "value") == 0);
  mlx_map_string_to_string_iterator it = mlx_map_string_to_string_iterator_new(map);
  const char *key, *value;
  CHECK(mlx_map_string_to_string_free(map) == 0);
  CHECK(mlx_map_string_to_string_iterator_next(&key, &value, it) == 1);
  CHECK(strstr(weir_last_error(), "it's map was freed"));
  CHECK(mlx_map_string_to_string_iterator_free(it) == 0);
  calls = 0;
}

/* K11: the child has the parent's handles, and what one of them frees the other still has. */
static void in_a_child(void) {
  mlx_array a = mlx_array_new_float(1);
  pid_t child = fork();
  if (child == 0) {
    float value;
    CHECK(mlx_array_item_float32(&value, a) == 0 && value == 1);
    CHECK(mlx_array_free(a) == 0 && mlx_array_free(a) == 1);
    _exit(0);
  }
  int status;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
  CHECK(mlx_array_free(a) == 0 && mlx_array_free(a) == 1);
  calls = 0;
}

static void after_shutdown(void) {
  mlx_array a = mlx_array_new_float(1);
  CHECK(mlx_array_free(a) == 0 && weir_shutdown(INT64_MAX) == 0);
  mlx_array b = mlx_array_new_float(1);
  CHECK(mlx_array_free(a) == 1 && mlx_array_free(b) == 0 && mlx_array_free(b) == 1);
}

static void with_numbers(void) {
  never_set((void *)(uintptr_t)0x5555555555555550u);
  never_set((void *)(uintptr_t)8);
  never_set((void *)memory);
  freed();
  no_number_comes_again();
  handles_of_one_stream();
  copies_end_together();
  iterators_outlive_maps();
  in_a_child();
}

int main(int argc, char **argv) {
  (void)argv;
  mean_cpu();
  mlx_set_error_handler(hear, &calls, NULL);
  good = make();
  of_another_kind();
  never_set((void *)(UINTPTR_MAX - 2));
  freed_arrays();
  freed_event();
  if (argc > 1) with_numbers();
  end(good);
  if (argc > 1) after_shutdown();
  mlx_set_error_handler(NULL, NULL, NULL);
  if (wrong || argc > 1) return wrong != 0;
  CHECK(setenv("WEIR_CHECK", "handles", 1) == 0);
  run_anew("numbers");
}
