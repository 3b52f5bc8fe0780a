/* F12, H1: every function with each of its handles and pointers in turn empty, and all others good:
   rc 1, NULL, 0 or an empty handle, and a message that names the operation and the parameter. The
   calls are rows of empty_calls.def, which tools/generate makes from the headers. */

#include <string.h>

#include "bracket.h"
#include "check.h"
#include "good_closures.h"
#include "good_imported.h"
#include "good_kernels.h"
#include "mlx/c/mlx.h"
#include "no_file.h"
#include "weir/error.h"
#include "wrong_arguments.h"

#define CASE(function, parameter, failed)
#define RESULT(type, member)
#define HANDLE(type, member) type member;
struct handles {
#include "empty_calls.def"
};
#undef RESULT
#undef HANDLE

/* Where results go; none of the calls may write here. */
#define HANDLE(type, member)
#define RESULT(type, member) type member;
struct results {
#include "empty_calls.def"
};
#undef RESULT
#undef CASE

static struct handles good;
static const struct handles none;
static struct results out;
static bool message_names(const char *function, const char *parameter) {
  const char *text = after_bracket(function, heard);
  return text && strstr(text, parameter);
}

static void check_case(const char *function, const char *parameter, bool failed) {
  bool named = message_names(function, parameter);
  bool kept = !strcmp(weir_last_error(), heard) && weir_last_status() != WEIR_OK;
  if (!failed || calls != 1 || !named || !kept) {
    fprintf(stderr, "%s with an empty %s: %s, %d reports, message \"%s\"\n", function, parameter,
            failed ? "failed" : "did not fail", calls, heard);
    wrong++;
  }
  heard[0] = '\0';
  calls = 0;
}

#define CASE(function, parameter, condition) check_case(function, parameter, condition);
#define RESULT(type, member)

static void f12(void) {
#include "empty_calls.def"
}

static void free_is_a_no_op(void) {
  CHECK(mlx_array_free(none.array) == 0);
  FREE_CLOSURES(none);
  mlx_fast_cuda_kernel_free((mlx_fast_cuda_kernel){NULL});
  mlx_fast_cuda_kernel_config_free(none.fast_cuda_kernel_config);
  mlx_fast_metal_kernel_free(none.fast_metal_kernel);
  mlx_fast_metal_kernel_config_free(none.fast_metal_kernel_config);
  CHECK(mlx_node_namer_free(none.node_namer) == 0);
  CHECK(mlx_function_exporter_free(none.function_exporter) == 0);
  CHECK(mlx_imported_function_free(none.imported_function) == 0);
  CHECK(mlx_device_free(none.device) == 0);
  CHECK(mlx_device_info_free(none.device_info) == 0);
  CHECK(mlx_stream_free(none.stream) == 0);
  CHECK(mlx_string_free(none.string) == 0);
  CHECK(mlx_distributed_group_free(none.distributed_group) == 0);
  CHECK(mlx_io_gguf_free(none.io_gguf) == 0);
  CHECK(mlx_io_reader_free(none.io_reader) == 0);
  CHECK(mlx_io_writer_free(none.io_writer) == 0);
  CHECK(mlx_map_string_to_array_iterator_free(none.map_string_to_array_iterator) == 0);
  CHECK(mlx_map_string_to_array_free(none.map_string_to_array) == 0);
  CHECK(mlx_map_string_to_string_iterator_free(none.map_string_to_string_iterator) == 0);
  CHECK(mlx_map_string_to_string_free(none.map_string_to_string) == 0);
  CHECK(mlx_vector_array_free(none.vector_array) == 0);
  CHECK(mlx_vector_vector_array_free(none.vector_vector_array) == 0);
  CHECK(mlx_vector_int_free(none.vector_int) == 0);
  CHECK(mlx_vector_string_free(none.vector_string) == 0);
  CHECK(calls == 0);
}

static void make_good(void) {
  int shape[1] = {1};
  good.array = mlx_array_new_data(memory, shape, 1, MLX_FLOAT32);
  good.stream = mlx_default_cpu_stream_new();
  MAKE_CLOSURES(good);
  good.fast_cuda_kernel_config = mlx_fast_cuda_kernel_config_new();
  good.fast_metal_kernel = good_metal_kernel();
  good.fast_metal_kernel_config = mlx_fast_metal_kernel_config_new();
  good.node_namer = mlx_node_namer_new();
  good.function_exporter = mlx_function_exporter_new("/dev/null", good.closure, false);
  good.device = mlx_device_new_type(MLX_CPU, 0);
  good.device_info = mlx_device_info_new();
  CHECK(mlx_device_info_get(&good.device_info, good.device) == 0);
  good.string = mlx_string_new_data("text");
  CHECK(mlx_distributed_init(&good.distributed_group, false, "jaccl") == 0);
  good.io_gguf = mlx_io_gguf_new();
  good.io_reader = mlx_io_reader_new(NULL, no_file);
  good.io_writer = mlx_io_writer_new(NULL, no_file);
  good.map_string_to_array = mlx_map_string_to_array_new();
  good.map_string_to_array_iterator =
      mlx_map_string_to_array_iterator_new(good.map_string_to_array);
  good.map_string_to_string = mlx_map_string_to_string_new();
  good.map_string_to_string_iterator =
      mlx_map_string_to_string_iterator_new(good.map_string_to_string);
  good.vector_array = mlx_vector_array_new_value(good.array);
  good.imported_function = good_imported_function(good.vector_array);
  good.vector_vector_array = mlx_vector_vector_array_new_value(good.vector_array);
  good.vector_int = mlx_vector_int_new_value(1);
  good.vector_string = mlx_vector_string_new_value("text");
}

static void free_good(void) {
  FREE_CLOSURES(good);
  mlx_node_namer_free(good.node_namer);
  mlx_function_exporter_free(good.function_exporter);
  mlx_imported_function_free(good.imported_function);
  mlx_fast_cuda_kernel_config_free(good.fast_cuda_kernel_config);
  mlx_fast_metal_kernel_free(good.fast_metal_kernel);
  mlx_fast_metal_kernel_config_free(good.fast_metal_kernel_config);
  mlx_array_free(good.array);
  mlx_stream_free(good.stream);
  mlx_device_free(good.device);
  mlx_device_info_free(good.device_info);
  mlx_string_free(good.string);
  mlx_distributed_group_free(good.distributed_group);
  mlx_io_gguf_free(good.io_gguf);
  mlx_io_reader_free(good.io_reader);
  mlx_io_writer_free(good.io_writer);
  mlx_map_string_to_array_iterator_free(good.map_string_to_array_iterator);
  mlx_map_string_to_array_free(good.map_string_to_array);
  mlx_map_string_to_string_iterator_free(good.map_string_to_string_iterator);
  mlx_map_string_to_string_free(good.map_string_to_string);
  mlx_vector_array_free(good.vector_array);
  mlx_vector_vector_array_free(good.vector_vector_array);
  mlx_vector_int_free(good.vector_int);
  mlx_vector_string_free(good.vector_string);
}

int main(void) {
  static const struct results untouched;
  mlx_set_error_handler(hear, &calls, NULL);
  make_good();
  f12();
  free_is_a_no_op();
  free_good();
  CHECK(!memcmp(&out, &untouched, sizeof out));
  mlx_set_error_handler(NULL, NULL, NULL);
  return wrong != 0;
}
