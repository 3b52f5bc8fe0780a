/* E4, H1: what programs written against mlx-c rely on: the words and brackets that messages begin
   with, what is asked of a GPU or of Metal that is not there, the version, and the kind of
   float16_t. */

#include <string.h>

#include "check.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"

static const mlx_stream none = {NULL};

static void quiet(const char *message, void *data) {
  (void)message;
  (void)data;
}

static void says(int rc, const char *beginning) {
  CHECK(rc == 1);
  if (strncmp(weir_last_error(), beginning, strlen(beginning)) != 0) {
    fprintf(stderr, "\"%s\" does not begin with \"%s\"\n", weir_last_error(), beginning);
    CHECK(!"the message begins as MLX's");
  }
}

static mlx_array zeros(const int *shape, int ndim) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_zeros(&a, shape, (size_t)ndim, MLX_FLOAT32, none) == 0);
  return a;
}

static void messages_begin_with_the_operation(void) {
  mlx_array three = zeros((int[]){3}, 1), two = zeros((int[]){2}, 1), m = zeros((int[]){2, 3}, 2);
  mlx_array empty = zeros((int[]){0, 3}, 2), res = mlx_array_new();
  mlx_vector_array parts = mlx_vector_array_new();
  float item;
  says(mlx_add(&res, three, two, none),
       "[broadcast_shapes] Shapes (3) and (2) cannot be broadcast.");
  says(mlx_where(&res, three, two, m, none),
       "[broadcast_shapes] Shapes (3) and (2) cannot be broadcast.");
  says(mlx_broadcast_to(&res, three, (int[]){2}, 1, none),
       "[broadcast_shapes] Shapes (3) and (2) cannot be broadcast.");
  says(mlx_reshape(&res, m, (int[]){4}, 1, none), "[reshape] ");
  says(mlx_matmul(&res, m, m, none), "[matmul] ");
  says(mlx_squeeze_axis(&res, m, 0, none), "[squeeze] ");
  says(mlx_expand_dims_axes(&res, m, (int[]){9}, 1, none), "[expand_dims] ");
  says(mlx_transpose_axes(&res, m, (int[]){0, 0}, 2, none), "[transpose] ");
  says(mlx_max(&res, empty, false, none), "[max] ");
  says(mlx_max_axes(&res, empty, NULL, 0, false, none), "[max] Cannot max reduce zero size array");
  says(mlx_min_axes(&res, empty, NULL, 0, false, none), "[min] Cannot min reduce zero size array");
  says(mlx_argmax(&res, empty, false, none), "[argmax] ");
  says(mlx_split(&parts, m, 2, 7, none), "[split] ");
  says(mlx_take_along_axis(&res, m, m, 9, none), "[take_along_axis] ");
  says(mlx_zeros(&res, (int[]){-1}, 1, MLX_FLOAT32, none), "[full] ");
  says(mlx_identity(&res, -1, MLX_FLOAT32, none), "[eye] ");
  says(mlx_array_eval(res), "[eval] ");
  CHECK(mlx_array_item_float32(&item, m) == 1 && weir_last_error()[0] != '[');
  CHECK(res.ctx == NULL);
  mlx_vector_array_free(parts);
  mlx_array_free(empty);
  mlx_array_free(m);
  mlx_array_free(two);
  mlx_array_free(three);
}

static char first_words[80];

/* As some programs do it: what stands before ". at" is the message. */
static void keep_words(const char *message, void *data) {
  (void)data;
  snprintf(first_words, sizeof first_words, "%s", message);
  char *at = strstr(first_words, ". at");
  if (at) *at = '\0';
}

static void messages_end_at_a_place(void) {
  mlx_array a = zeros((int[]){2, 5}, 2), b = zeros((int[]){3, 5}, 2), res = mlx_array_new();
  mlx_set_error_handler(keep_words, NULL, NULL);
  CHECK(mlx_add(&res, a, b, none) == 1);
  CHECK(!strcmp(first_words, "[broadcast_shapes] Shapes (2,5) and (3,5) cannot be broadcast"));
  mlx_set_error_handler(quiet, NULL, NULL);
  mlx_array_free(b);
  mlx_array_free(a);
}

static void absent_gpu_has_no_facts(void) {
  mlx_device gpu = mlx_device_new_type(MLX_GPU, 15);
  mlx_device_info info = mlx_device_info_new();
  mlx_vector_string keys = mlx_vector_string_new();
  bool there = true;
  CHECK(mlx_device_is_available(&there, gpu) == 0);
  if (there) return;
  CHECK(mlx_device_info_get(&info, gpu) == 0);
  CHECK(mlx_device_info_get_keys(&keys, info) == 0 && mlx_vector_string_size(keys) == 0);
  there = true;
  CHECK(mlx_device_info_has_key(&there, info, "device_name") == 0 && !there);
  const char *name;
  CHECK(mlx_device_info_get_string(&name, info, "device_name") == 2);
  mlx_vector_string_free(keys);
  mlx_device_info_free(info);
  mlx_device_free(gpu);
}

static void metal_is_not_there(void) {
  bool there = true;
  CHECK(mlx_metal_is_available(&there) == 0 && !there);
  says(mlx_metal_start_capture("trace"), "[metal_start_capture] Metal is not available");
  CHECK(weir_last_status() == WEIR_ERROR_UNSUPPORTED);
  says(mlx_metal_stop_capture(), "[metal_stop_capture] Metal is not available");
}

static void version_is_that_of_the_functions(void) {
  mlx_string text = mlx_string_new();
  CHECK(mlx_version(&text) == 0 && !strcmp(mlx_string_data(text), "0.31.2"));
  mlx_string_free(text);
}

/* More than the machine has: nothing is made until somebody asks. */
static void full_arrays_wait(void) {
  size_t before, after;
  CHECK(mlx_get_active_memory(&before) == 0);
  mlx_array a = zeros((int[]){128 << 20}, 1);
  CHECK(mlx_get_active_memory(&after) == 0 && after < before + (1 << 20));
  mlx_array_free(a);
}

int main(void) {
#if defined(__x86_64__) && defined(__FLT16_MANT_DIG__)
  CHECK((float)(float16_t)1.5f == 1.5f); /* a number, not its bits */
#endif
  mlx_set_error_handler(quiet, NULL, NULL);
  messages_begin_with_the_operation();
  messages_end_at_a_place();
  absent_gpu_has_no_facts();
  metal_is_not_there();
  version_is_that_of_the_functions();
  full_arrays_wait();
  return 0;
}
