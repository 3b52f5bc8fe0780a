/* F12, H1: every function with each of its handles and pointers in turn empty, and all others good:
   rc 1, NULL, 0 or an empty handle, and a message that names the function and the parameter. The
   calls are rows in empty_core.def and empty_ops.def. */

#include <string.h>

#include "check.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"

struct handles {
  mlx_array array;
  mlx_stream stream;
  mlx_device device;
  mlx_device_info info;
  mlx_string string;
  mlx_vector_array arrays;
  mlx_vector_vector_array vectors;
  mlx_vector_int ints;
  mlx_vector_string strings;
};

/* Where results go; none of the calls may write here. */
struct results {
  mlx_array array;
  mlx_stream stream;
  mlx_device device;
  mlx_device_info info;
  mlx_string string;
  mlx_vector_array arrays;
  mlx_vector_vector_array vectors;
  mlx_vector_int ints;
  mlx_vector_string strings;
  bool boolean;
  int integer;
  size_t size;
  uint8_t u8;
  uint16_t u16;
  uint32_t u32;
  uint64_t u64;
  int8_t i8;
  int16_t i16;
  int32_t i32;
  int64_t i64;
  float f32;
  double f64;
  float16_t f16;
  bfloat16_t bf16;
  mlx_complex64_t c64;
  mlx_device_type device_type;
  char *text;
  const char *const_text;
};

static struct handles good;
static const struct handles none;
static struct results out;
static int numbers[1] = {1};
static const char *texts[1] = {"text"};
static float memory[1] = {1};

static char heard[512];
static int calls;
static int wrong;

static void hear(const char *message, void *data) {
  snprintf(heard, sizeof heard, "%s", message);
  ++*(int *)data;
}

static bool message_names(const char *function, const char *parameter) {
  size_t n = strlen(function);
  if (strncmp(heard, function, n) || strncmp(heard + n, ": ", 2)) return false;
  return strstr(heard + n, parameter) != NULL;
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

static void f12_core(void) {
#include "empty_core.def"
}

static void f12_ops(void) {
#include "empty_ops.def"
}

static void free_is_a_no_op(void) {
  CHECK(mlx_array_free(none.array) == 0);
  CHECK(mlx_device_free(none.device) == 0);
  CHECK(mlx_device_info_free(none.info) == 0);
  CHECK(mlx_stream_free(none.stream) == 0);
  CHECK(mlx_string_free(none.string) == 0);
  CHECK(mlx_vector_array_free(none.arrays) == 0);
  CHECK(mlx_vector_vector_array_free(none.vectors) == 0);
  CHECK(mlx_vector_int_free(none.ints) == 0);
  CHECK(mlx_vector_string_free(none.strings) == 0);
  CHECK(calls == 0);
}

static void make_good(void) {
  int shape[1] = {1};
  good.array = mlx_array_new_data(memory, shape, 1, MLX_FLOAT32);
  good.stream = mlx_default_cpu_stream_new();
  good.device = mlx_device_new_type(MLX_CPU, 0);
  good.info = mlx_device_info_new();
  CHECK(mlx_device_info_get(&good.info, good.device) == 0);
  good.string = mlx_string_new_data("text");
  good.arrays = mlx_vector_array_new_value(good.array);
  good.vectors = mlx_vector_vector_array_new_value(good.arrays);
  good.ints = mlx_vector_int_new_value(1);
  good.strings = mlx_vector_string_new_value("text");
}

static void free_good(void) {
  mlx_array_free(good.array);
  mlx_stream_free(good.stream);
  mlx_device_free(good.device);
  mlx_device_info_free(good.info);
  mlx_string_free(good.string);
  mlx_vector_array_free(good.arrays);
  mlx_vector_vector_array_free(good.vectors);
  mlx_vector_int_free(good.ints);
  mlx_vector_string_free(good.strings);
}

int main(void) {
  static const struct results untouched;
  mlx_set_error_handler(hear, &calls, NULL);
  make_good();
  f12_core();
  f12_ops();
  free_is_a_no_op();
  free_good();
  CHECK(!memcmp(&out, &untouched, sizeof out));
  mlx_set_error_handler(NULL, NULL, NULL);
  return wrong != 0;
}
