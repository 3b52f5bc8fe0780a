/* Arrays, devices and memory as a user of mlx-c's headers has them: making, replacing, asking,
   items with conversion, user memory, wrong arguments. */

#include <math.h>
#include <string.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"

static void silent(const char *message, void *data) {
  (void)message;
  (void)data;
}

static void scalars(void) {
  mlx_array a = mlx_array_new_int(-7);
  int64_t i;
  uint8_t u;
  double d;
  float f;
  bool b;
  CHECK(mlx_array_dtype(a) == MLX_INT32 && mlx_array_ndim(a) == 0 && mlx_array_size(a) == 1);
  CHECK(mlx_array_item_int64(&i, a) == 0 && i == -7);
  CHECK(mlx_array_item_uint8(&u, a) == 0 && u == 249);
  CHECK(mlx_array_item_float64(&d, a) == 0 && d == -7);
  CHECK(mlx_array_item_bool(&b, a) == 0 && b);
  CHECK(mlx_array_set_float32(&a, 2.75f) == 0 && mlx_array_dtype(a) == MLX_FLOAT32);
  CHECK(mlx_array_item_int64(&i, a) == 0 && i == 2);
  CHECK(mlx_array_set_double(&a, 1e300) == 0 && mlx_array_dtype(a) == MLX_FLOAT64);
  CHECK(mlx_array_item_float32(&f, a) == 0 && isinf(f));
  CHECK(mlx_array_item_int64(&i, a) == 0); /* out of range: a value, not a signal */
  CHECK(mlx_array_set_float(&a, NAN) == 0 && mlx_array_item_int64(&i, a) == 0 && i == 0);
  CHECK(mlx_array_set_complex(&a, 3, 4) == 0 && mlx_array_dtype(a) == MLX_COMPLEX64);
  CHECK(mlx_array_item_float32(&f, a) == 0 && f == 3);
  CHECK(mlx_array_set_bool(&a, true) == 0 && mlx_array_item_float32(&f, a) == 0 && f == 1);
  mlx_array_free(a);
}

static void shapes(void) {
  float data[6] = {1, 2, 3, 4, 5, 6};
  int shape[2] = {2, 3};
  bool yes;
  mlx_array a = mlx_array_new_data(data, shape, 2, MLX_FLOAT32);
  data[0] = 99; /* copied */
  CHECK(mlx_array_ndim(a) == 2 && mlx_array_size(a) == 6 && mlx_array_nbytes(a) == 24);
  CHECK(mlx_array_itemsize(a) == 4 && mlx_array_dim(a, 0) == 2 && mlx_array_dim(a, -1) == 3);
  CHECK(mlx_array_shape(a)[1] == 3 && mlx_array_strides(a)[0] == 3);
  CHECK(mlx_array_data_float32(a)[0] == 1 && mlx_array_data_float32(a)[5] == 6);
  CHECK(mlx_array_data_float64(a) == NULL && strstr(weir_last_error(), "float32"));
  CHECK(_mlx_array_is_row_contiguous(&yes, a) == 0 && yes);
  CHECK(_mlx_array_is_col_contiguous(&yes, a) == 0 && !yes);
  mlx_array t = mlx_array_new();
  CHECK(mlx_transpose(&t, a, (mlx_stream){0}) == 0);
  CHECK(_mlx_array_is_contiguous(&yes, t) == 0 && yes);
  CHECK(_mlx_array_is_row_contiguous(&yes, t) == 0 && !yes);
  CHECK(mlx_array_eval(t) == 0 && _mlx_array_wait(t) == 0);
  CHECK(_mlx_array_is_available(&yes, t) == 0 && yes);
  CHECK(mlx_array_set(&t, a) == 0 && mlx_array_dim(t, 0) == 2);
  CHECK(mlx_array_set(&t, t) == 0 && mlx_array_dim(t, 0) == 2);
  mlx_array_free(t);
  mlx_array_free(a);
}

/* Repeated elements lie without gaps, but in no order. */
static void repeated(void) {
  mlx_array a = mlx_array_new_data((float[]){1, 2, 3}, (int[]){3}, 1, MLX_FLOAT32);
  mlx_array b = mlx_array_new();
  bool yes;
  CHECK(mlx_broadcast_to(&b, a, (int[]){2, 3}, 2, (mlx_stream){0}) == 0);
  CHECK(mlx_array_strides(b)[0] == 0 && mlx_array_strides(b)[1] == 1);
  CHECK(_mlx_array_is_contiguous(&yes, b) == 0 && yes);
  CHECK(_mlx_array_is_row_contiguous(&yes, b) == 0 && !yes);
  CHECK(_mlx_array_is_col_contiguous(&yes, b) == 0 && !yes);
  CHECK(mlx_slice(&a, a, (int[]){0}, 1, (int[]){3}, 1, (int[]){2}, 1, (mlx_stream){0}) == 0);
  CHECK(mlx_broadcast_to(&b, a, (int[]){2, 2}, 2, (mlx_stream){0}) == 0);
  CHECK(_mlx_array_is_contiguous(&yes, b) == 0 && !yes);
  mlx_array_free(b);
  mlx_array_free(a);
}

static void empty_arrays(void) {
  mlx_array a = mlx_array_new_data(NULL, (int[]){0, 3}, 2, MLX_FLOAT64), b = mlx_array_new();
  CHECK(mlx_array_data_float64(a) != NULL); /* NULL is for errors */
  CHECK(mlx_square(&b, a, (mlx_stream){0}) == 0 && mlx_array_data_float64(b) != NULL);
  CHECK(mlx_array_nbytes(b) == 0 && mlx_array_dim(b, 1) == 3 && mlx_array_size(b) == 0);
  mlx_array_free(b);
  mlx_array_free(a);
}

static void bools_are_0_or_1(void) {
  const unsigned char data[4] = {0, 255, 2, 1};
  mlx_array a = mlx_array_new_data(data, (int[]){4}, 1, MLX_BOOL), sum = mlx_array_new();
  int32_t n;
  CHECK(mlx_sum(&sum, a, false, (mlx_stream){NULL}) == 0);
  CHECK(mlx_array_item_int32(&n, sum) == 0 && n == 3);
  CHECK(!memcmp(mlx_array_data_bool(a), (char[]){0, 1, 1, 1}, 4));
  mlx_array_free(sum);
  mlx_array_free(a);
}

/* A result handle may be one of the inputs, and one handle may stand for two results. */
static void results_in_place(void) {
  mlx_stream s = {NULL};
  mlx_array a = mlx_array_new_float(1), b = mlx_array_new(), key = mlx_array_new();
  float f;
  for (int i = 0; i < 10; i++) CHECK(mlx_add(&a, a, a, s) == 0);
  CHECK(mlx_array_item_float32(&f, a) == 0 && f == 1024);
  CHECK(mlx_array_set(&b, a) == 0 && mlx_where(&a, a, b, a, s) == 0);
  CHECK(mlx_reshape(&a, a, (int[]){1, 1}, 2, s) == 0 && mlx_matmul(&a, a, a, s) == 0);
  CHECK(mlx_array_item_float32(&f, a) == 0 && f == 1024 * 1024);
  CHECK(mlx_random_key(&key, 3) == 0 && mlx_random_split(&key, &b, key, s) == 0);
  CHECK(mlx_random_split(&key, &key, key, s) == 0 && mlx_array_eval(key) == 0);
  CHECK(mlx_array_dim(key, 0) == 2 && mlx_array_eval(b) == 0);
  mlx_array_free(key);
  mlx_array_free(b);
  mlx_array_free(a);
}

static float item(mlx_array a) {
  float f;
  CHECK(mlx_array_item_float32(&f, a) == 0);
  return f;
}

/* Programs copy the struct: into a list of parameters, as an argument. The copies are one handle,
   as in mlx-c: they follow what one of them is set to, and end with one free. */
static void copies_follow(void) {
  mlx_stream s = {NULL};
  mlx_array w = mlx_array_new_float(1), step = mlx_array_new_float(0.25f);
  mlx_array other = mlx_array_new(), list[2] = {w, step};
  for (int i = 0; i < 2; i++) CHECK(mlx_subtract(&list[0], list[0], list[1], s) == 0);
  CHECK(list[0].ctx == w.ctx && item(w) == 0.5f);
  CHECK(mlx_array_set(&other, w) == 0 && mlx_array_set_int(&list[0], 7) == 0);
  CHECK(mlx_array_dtype(w) == MLX_INT32 && item(other) == 0.5f); /* not a copy: a reference */
  mlx_array copy = other;
  CHECK(mlx_square(&copy, copy, s) == 0 && item(other) == 0.25f);
  CHECK(mlx_array_set(&copy, w) == 0 && mlx_array_set(&w, w) == 0 && item(other) == 7);
  CHECK(mlx_add(&w, w, step, s) == 0 && item(list[0]) == 7.25f && item(other) == 7);
  mlx_array_free(list[0]);
  CHECK(item(copy) == 7);
  mlx_array_free(copy);
  mlx_array_free(step);
}

/* What a handle was set from may come back to it, and outlive it. */
static void there_and_back(void) {
  mlx_array a = mlx_array_new_float(1), copy = a, b = mlx_array_new(), c = mlx_array_new();
  CHECK(mlx_array_set(&b, a) == 0 && mlx_array_set_float(&a, 2) == 0);
  CHECK(item(copy) == 2 && item(b) == 1);
  CHECK(mlx_array_set(&a, b) == 0 && item(copy) == 1);
  CHECK(mlx_array_set(&c, copy) == 0);
  mlx_array_free(b);
  mlx_array_free(a);
  CHECK(item(c) == 1);
  mlx_array_free(c);
}

static void expect_refused(mlx_array a, const char *word) {
  CHECK(a.ctx == NULL && strstr(weir_last_error(), word));
  CHECK(weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT);
}

static void wrong_arguments(void) {
  float data[6] = {0};
  int negative[2] = {2, -3}, huge[3] = {1 << 30, 1 << 30, 1 << 30}, many[64];
  for (int i = 0; i < 64; i++) many[i] = 1;
  expect_refused(mlx_array_new_data(data, negative, 2, MLX_FLOAT32), "shape");
  expect_refused(mlx_array_new_data(data, huge, 3, MLX_FLOAT32), "shape");
  expect_refused(mlx_array_new_data(data, many, 64, MLX_FLOAT32), "shape");
  expect_refused(mlx_array_new_data(data, negative, -1, MLX_FLOAT32), "dim");
  expect_refused(mlx_array_new_data(data, many, 1, (mlx_dtype)99), "dtype");
  CHECK(mlx_dtype_size((mlx_dtype)99) == 0 && mlx_dtype_size(MLX_COMPLEX64) == 8);
  mlx_array a = mlx_array_new_data(data, (int[]){6}, 1, MLX_FLOAT32);
  float f;
  CHECK(mlx_array_dim(a, 1) == 0 && strstr(weir_last_error(), "[array_dim] dim 1"));
  CHECK(mlx_array_dim(a, -2) == 0);
  CHECK(mlx_array_item_float32(&f, a) == 1 && strstr(weir_last_error(), "6 elements"));
  CHECK(mlx_array_set_data(&a, data, negative, 2, MLX_FLOAT32) == 1);
  CHECK(mlx_array_size(a) == 6); /* a failed call leaves the result alone */
  mlx_array_free(a);
}

static void count(void *payload) { ++*(int *)payload; }

static void user_memory(void) {
  int ends = 0;
  float data[4] = {1, 2, 3, 4};
  int shape[1] = {4}, negative[1] = {-4};
  mlx_array a = mlx_array_new_data_managed_payload(data, shape, 1, MLX_FLOAT32, &ends, count);
  mlx_array b = mlx_array_new();
  CHECK(mlx_array_data_float32(a) == data);
  CHECK(mlx_array_set(&b, a) == 0);
  mlx_array_free(a);
  CHECK(ends == 0);
  mlx_array_free(b);
  CHECK(ends == 1); /* inside the caller's own free */
  a = mlx_array_new_data_managed_payload(data, negative, 1, MLX_FLOAT32, &ends, count);
  CHECK(a.ctx == NULL && ends == 1);
  a = mlx_array_new_data_managed_payload(data, shape, 1, MLX_FLOAT32, &ends, count);
  b = a;
  CHECK(mlx_array_set_float(&b, 1) == 0 && ends == 2); /* let go of, though the handle lives */
  CHECK(mlx_array_ndim(a) == 0);
  mlx_array_free(a);
}

static void devices(void) {
  mlx_device d = mlx_device_new_type(MLX_CPU, 0), e = mlx_device_new();
  mlx_device_info info = mlx_device_info_new();
  mlx_string s = mlx_string_new();
  mlx_vector_string keys = mlx_vector_string_new();
  mlx_device_type type;
  const char *text;
  size_t size;
  bool yes;
  int n;
  CHECK(mlx_device_tostring(&s, d) == 0 && !strcmp(mlx_string_data(s), "Device(cpu, 0)"));
  CHECK(mlx_device_get_type(&type, d) == 0 && type == MLX_CPU);
  CHECK(mlx_device_get_index(&n, d) == 0 && n == 0);
  CHECK(mlx_get_default_device(&e) == 0 && mlx_device_equal(d, e));
  CHECK(mlx_device_is_available(&yes, d) == 0 && yes);
  CHECK(mlx_device_count(&n, MLX_CPU) == 0 && n == 1);
  CHECK(mlx_device_info_get(&info, d) == 0);
  CHECK(mlx_device_info_get_keys(&keys, info) == 0 && mlx_vector_string_size(keys) == 2);
  CHECK(mlx_device_info_has_key(&yes, info, "architecture") == 0 && yes);
  CHECK(mlx_device_info_get_string(&text, info, "device_name") == 0 && text[0]);
  CHECK(mlx_device_info_get_string(&text, info, "no such key") == 2);
  CHECK(mlx_device_info_get_size(&size, info, "device_name") == 2);
  mlx_vector_string_free(keys);
  mlx_device_info_free(info);
  mlx_string_free(s);
  mlx_device_free(e);
  mlx_device_free(d);
}

/* D6: on a machine with a GPU there is nothing to see here. */
static void an_absent_gpu_is_told_in_words(void) {
  int n;
  CHECK(mlx_device_count(&n, MLX_GPU) == 0);
  if (n) return;
  mlx_device gpu = mlx_device_new_type(MLX_GPU, 0);
  bool yes;
  CHECK(mlx_device_is_available(&yes, gpu) == 0 && !yes);
  CHECK(mlx_set_default_device(gpu) == 1 && weir_last_status() == WEIR_ERROR_NO_DEVICE);
  CHECK(mlx_stream_new_device(gpu).ctx == NULL);
  CHECK(mlx_default_gpu_stream_new().ctx == NULL && strlen(weir_last_error()) > 30);
  mlx_device_free(gpu);
}

static void memory(void) {
  size_t before, after, old, again, usual;
  CHECK(mlx_get_active_memory(&before) == 0);
  CHECK(mlx_set_cache_limit(&usual, 64 << 20) == 0); /* in a torture build it is a page */
  int shape[1] = {1 << 20};
  float *data = calloc(1 << 20, sizeof *data);
  mlx_array a = mlx_array_new_data(data, shape, 1, MLX_FLOAT32);
  free(data);
  CHECK(mlx_get_active_memory(&after) == 0 && after - before >= 4 << 20);
  CHECK(mlx_get_peak_memory(&old) == 0 && old >= after);
  mlx_array_free(a);
  CHECK(mlx_get_active_memory(&after) == 0 && after == before);
  CHECK(mlx_get_cache_memory(&after) == 0 && after >= 4 << 20);
  CHECK(mlx_clear_cache() == 0 && mlx_get_cache_memory(&after) == 0 && after == 0);
  CHECK(mlx_set_cache_limit(&old, 5) == 0 && mlx_set_cache_limit(&again, old) == 0 && again == 5);
  CHECK(mlx_get_memory_limit(&old) == 0 && mlx_set_memory_limit(&again, 7) == 0 && again == old);
  CHECK(mlx_set_memory_limit(&again, old) == 0 && again == 7);
  CHECK(mlx_set_wired_limit(&old, 9) == 0 && mlx_set_wired_limit(&again, old) == 0 && again == 9);
  CHECK(mlx_set_cache_limit(&again, usual) == 0 && again == 64 << 20);
  CHECK(mlx_reset_peak_memory() == 0);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(silent, NULL, NULL);
  scalars();
  shapes();
  repeated();
  empty_arrays();
  bools_are_0_or_1();
  results_in_place();
  copies_follow();
  there_and_back();
  wrong_arguments();
  user_memory();
  devices();
  an_absent_gpu_is_told_in_words();
  memory();
  return 0;
}
