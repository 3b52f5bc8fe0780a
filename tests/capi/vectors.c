/* Vectors own copies, of references for arrays; a failed call changes nothing. */

#include <string.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"

static void silent(const char *message, void *data) {
  (void)message;
  (void)data;
}

static float value_at(mlx_vector_array v, size_t i) {
  mlx_array a = mlx_array_new();
  float f = 0;
  CHECK(mlx_vector_array_get(&a, v, i) == 0 && mlx_array_item_float32(&f, a) == 0);
  mlx_array_free(a);
  return f;
}

static void arrays(void) {
  mlx_array two[2] = {mlx_array_new_float(1), mlx_array_new_float(2)};
  mlx_array broken[2] = {two[0], mlx_array_new()};
  mlx_vector_array v = mlx_vector_array_new_data(two, 2), w = mlx_vector_array_new();
  CHECK(mlx_vector_array_append_value(v, two[0]) == 0 && mlx_vector_array_size(v) == 3);
  mlx_array_free(two[1]);
  CHECK(value_at(v, 1) == 2 && value_at(v, 2) == 1);
  CHECK(mlx_vector_array_append_data(v, broken, 2) == 1 && mlx_vector_array_size(v) == 3);
  CHECK(mlx_vector_array_new_data(broken, 2).ctx == NULL);
  CHECK(mlx_vector_array_set(&w, v) == 0 && mlx_vector_array_append_value(w, two[0]) == 0);
  CHECK(mlx_vector_array_size(v) == 3 && mlx_vector_array_size(w) == 4);
  CHECK(mlx_vector_array_set(&w, w) == 0 && mlx_vector_array_size(w) == 4);
  CHECK(mlx_vector_array_set_value(&w, two[0]) == 0 && mlx_vector_array_size(w) == 1);
  CHECK(mlx_vector_array_set_data(&w, NULL, 0) == 0 && mlx_vector_array_size(w) == 0);
  mlx_array out = mlx_array_new();
  CHECK(mlx_vector_array_get(&out, v, 3) == 1 && out.ctx == NULL);
  CHECK(strstr(weir_last_error(), "[vector_array_get] idx 3"));
  CHECK(mlx_eval(v) == 0 && mlx_async_eval(v) == 0 && mlx_eval(w) == 0);
  mlx_vector_array_free(w);
  mlx_vector_array_free(v);
  mlx_array_free(two[0]);
}

/* A handle is a plain struct; after one copy of it was set, the others name the same vector. */
static void copies_of_a_handle(void) {
  mlx_array a = mlx_array_new_float(3);
  mlx_vector_array v = mlx_vector_array_new(), copy = v, split = mlx_vector_array_new_value(a);
  CHECK(mlx_vector_array_set_value(&v, a) == 0 && mlx_vector_array_size(copy) == 1);
  CHECK(mlx_vector_array_append_value(copy, a) == 0 && mlx_vector_array_size(v) == 2);
  CHECK(mlx_vector_array_set(&copy, split) == 0 && mlx_vector_array_size(v) == 1);
  mlx_vector_array parts = split;
  mlx_array pair = mlx_array_new_data((float[]){6, 7}, (int[]){2}, 1, MLX_FLOAT32);
  CHECK(mlx_split(&split, pair, 2, 0, (mlx_stream){NULL}) == 0);
  CHECK(mlx_vector_array_size(parts) == 2 && value_at(parts, 1) == 7 && value_at(copy, 0) == 3);
  mlx_array_free(pair);
  mlx_vector_array_free(parts);
  mlx_vector_array_free(copy);
  mlx_array_free(a);
}

static void vectors(void) {
  mlx_array a = mlx_array_new_float(5);
  mlx_vector_array v = mlx_vector_array_new_value(a), got = mlx_vector_array_new();
  mlx_vector_vector_array vv = mlx_vector_vector_array_new_value(v);
  mlx_vector_vector_array ww = mlx_vector_vector_array_new();
  CHECK(mlx_vector_array_append_value(v, a) == 0);
  CHECK(mlx_vector_vector_array_append_value(vv, v) == 0);
  CHECK(mlx_vector_vector_array_append_data(vv, &v, 1) == 0);
  CHECK(mlx_vector_vector_array_size(vv) == 3);
  CHECK(mlx_vector_vector_array_get(&got, vv, 0) == 0 && mlx_vector_array_size(got) == 1);
  CHECK(mlx_vector_vector_array_get(&got, vv, 2) == 0 && mlx_vector_array_size(got) == 2);
  CHECK(value_at(got, 1) == 5);
  CHECK(mlx_vector_vector_array_set(&ww, vv) == 0 && mlx_vector_vector_array_size(ww) == 3);
  CHECK(mlx_vector_vector_array_set_value(&ww, v) == 0 && mlx_vector_vector_array_size(ww) == 1);
  mlx_vector_vector_array_free(ww);
  mlx_vector_vector_array_free(vv);
  mlx_vector_array_free(got);
  mlx_vector_array_free(v);
  mlx_array_free(a);
}

static void ints(void) {
  int data[3] = {-1, 0, 1 << 30};
  int x;
  mlx_vector_int v = mlx_vector_int_new_data(data, 3), w = mlx_vector_int_new_value(4);
  for (size_t i = 0; i < 3; i++) CHECK(mlx_vector_int_get(&x, v, i) == 0 && x == data[i]);
  CHECK(mlx_vector_int_append_data(w, data, 3) == 0 && mlx_vector_int_size(w) == 4);
  CHECK(mlx_vector_int_append_value(w, -9) == 0);
  CHECK(mlx_vector_int_get(&x, w, 4) == 0 && x == -9 && mlx_vector_int_get(&x, w, 5) == 1);
  CHECK(mlx_vector_int_set(&v, w) == 0 && mlx_vector_int_size(v) == 5);
  CHECK(mlx_vector_int_new_data(data, SIZE_MAX / 2).ctx == NULL);
  CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
  mlx_vector_int_free(w);
  mlx_vector_int_free(v);
}

static void strings(void) {
  char text[] = "first";
  const char *data[2] = {text, "second"};
  const char *broken[2] = {text, NULL};
  char *got;
  mlx_vector_string v = mlx_vector_string_new_data(data, 2), w = mlx_vector_string_new();
  text[0] = 'X';
  CHECK(mlx_vector_string_get(&got, v, 0) == 0 && !strcmp(got, "first"));
  CHECK(mlx_vector_string_append_value(v, "third") == 0 && mlx_vector_string_size(v) == 3);
  CHECK(mlx_vector_string_append_data(v, broken, 2) == 1 && mlx_vector_string_size(v) == 3);
  CHECK(mlx_vector_string_set(&w, v) == 0);
  mlx_vector_string_free(v);
  CHECK(mlx_vector_string_get(&got, w, 2) == 0 && !strcmp(got, "third"));
  mlx_vector_string_free(w);
}

/* What is put in may be the vector's own. */
static void onto_themselves(void) {
  int x;
  char *text;
  mlx_vector_int v = mlx_vector_int_new_value(7), v_copy = v;
  mlx_vector_string s = mlx_vector_string_new_value("one"), s_copy = s;
  mlx_array a = mlx_array_new_float(5);
  mlx_vector_array inner = mlx_vector_array_new_value(a);
  mlx_vector_vector_array vv = mlx_vector_vector_array_new_value(inner), vv_copy = vv;
  CHECK(mlx_vector_int_set(&v, v) == 0 && mlx_vector_int_set(&v, v_copy) == 0);
  CHECK(mlx_vector_int_get(&x, v_copy, 0) == 0 && x == 7 && mlx_vector_int_size(v) == 1);
  for (int i = 0; i < 40; i++) {
    CHECK(mlx_vector_string_get(&text, s, (size_t)i) == 0);
    CHECK(mlx_vector_string_append_value(s_copy, text) == 0);
  }
  CHECK(mlx_vector_string_get(&text, s, 40) == 0 && mlx_vector_string_set_value(&s, text) == 0);
  CHECK(mlx_vector_string_set(&s, s_copy) == 0 && mlx_vector_string_size(s_copy) == 1);
  CHECK(mlx_vector_string_get(&text, s, 0) == 0 && !strcmp(text, "one"));
  CHECK(mlx_vector_vector_array_set(&vv, vv_copy) == 0);
  CHECK(mlx_vector_vector_array_get(&inner, vv, 0) == 0 && value_at(inner, 0) == 5);
  CHECK(mlx_vector_array_get(&a, inner, 0) == 0 && mlx_vector_array_set_value(&inner, a) == 0);
  CHECK(value_at(inner, 0) == 5);
  mlx_vector_vector_array_free(vv_copy);
  mlx_vector_array_free(inner);
  mlx_vector_string_free(s);
  mlx_vector_int_free(v);
  mlx_array_free(a);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(silent, NULL, NULL);
  arrays();
  copies_of_a_handle();
  vectors();
  ints();
  strings();
  onto_themselves();
  return 0;
}
