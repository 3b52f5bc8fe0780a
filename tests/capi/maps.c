/* Maps own copies, keep the order of insertion, and say 2 where there is nothing; a failed call
   changes nothing. */

#include <string.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"

enum { MANY = 5000 };

static int reports;

static void count(const char *message, void *data) {
  (void)message;
  ++*(int *)data;
}

static float value_of(mlx_array a) {
  float f = -1;
  CHECK(mlx_array_item_float32(&f, a) == 0);
  return f;
}

static void put(mlx_map_string_to_array map, const char *key, float value) {
  mlx_array a = mlx_array_new_float(value);
  CHECK(mlx_map_string_to_array_insert(map, key, a) == 0);
  mlx_array_free(a);
}

static void arrays(void) {
  mlx_map_string_to_array map = mlx_map_string_to_array_new(), copy = map;
  mlx_array got = mlx_array_new();
  CHECK(mlx_map_string_to_array_get(&got, map, "none") == 2 && !got.ctx);
  char key[] = "weight";
  put(map, key, 1);
  key[0] = 'X';
  put(map, "", 2);
  put(map, "weight", 3);
  CHECK(mlx_map_string_to_array_get(&got, copy, "weight") == 0 && value_of(got) == 3);
  CHECK(mlx_map_string_to_array_get(&got, map, "") == 0 && value_of(got) == 2);
  CHECK(mlx_map_string_to_array_get(&got, map, "Xeight") == 2 && value_of(got) == 2);
  mlx_map_string_to_array other = mlx_map_string_to_array_new();
  put(other, "else", 9);
  CHECK(mlx_map_string_to_array_set(&other, map) == 0);
  put(map, "weight", 4);
  CHECK(mlx_map_string_to_array_get(&got, other, "weight") == 0 && value_of(got) == 3);
  CHECK(mlx_map_string_to_array_get(&got, other, "else") == 2);
  CHECK(mlx_map_string_to_array_set(&copy, other) == 0); /* map follows */
  CHECK(mlx_map_string_to_array_get(&got, map, "weight") == 0 && value_of(got) == 3);
  CHECK(mlx_map_string_to_array_set(&map, map) == 0);
  CHECK(mlx_map_string_to_array_get(&got, map, "weight") == 0 && value_of(got) == 3);
  mlx_map_string_to_array_free(map);
  CHECK(value_of(got) == 3);
  mlx_map_string_to_array_free(other);
  mlx_array_free(got);
}

static void array_iterators(void) {
  static const char *const names[] = {"z", "a", "m"};
  mlx_map_string_to_array map = mlx_map_string_to_array_new();
  for (int i = 0; i < 3; i++) put(map, names[i], (float)i);
  put(map, "z", 7);
  mlx_map_string_to_array_iterator it = mlx_map_string_to_array_iterator_new(map);
  mlx_array value = mlx_array_new();
  const char *key = NULL;
  for (int i = 0; i < 3; i++) {
    CHECK(mlx_map_string_to_array_iterator_next(&key, &value, it) == 0);
    CHECK(!strcmp(key, names[i]) && value_of(value) == (i ? (float)i : 7));
  }
  const char *before = key;
  CHECK(mlx_map_string_to_array_iterator_next(&key, &value, it) == 2);
  CHECK(key == before && value_of(value) == 2);
  put(map, "later", 5);
  CHECK(mlx_map_string_to_array_iterator_next(&key, &value, it) == 0 && value_of(value) == 5);
  CHECK(mlx_map_string_to_array_iterator_free(it) == 0);
  CHECK(mlx_map_string_to_array_iterator_free((mlx_map_string_to_array_iterator){0}) == 0);
  mlx_map_string_to_array_free(map);
  mlx_array_free(value);
}

static void texts(void) {
  mlx_map_string_to_string map = mlx_map_string_to_string_new();
  mlx_map_string_to_string other = {NULL};
  const char *got = NULL, *key = NULL;
  CHECK(mlx_map_string_to_string_get(&got, map, "k") == 2 && !got);
  char value[] = "one";
  CHECK(mlx_map_string_to_string_insert(map, "k", value) == 0);
  value[0] = 'X';
  CHECK(mlx_map_string_to_string_get(&got, map, "k") == 0 && !strcmp(got, "one"));
  CHECK(mlx_map_string_to_string_insert(map, "k", got) == 0); /* the map's own text */
  CHECK(mlx_map_string_to_string_set(&other, map) == 0);
  CHECK(mlx_map_string_to_string_insert(map, "k", "two") == 0);
  CHECK(mlx_map_string_to_string_insert(map, "l", "three") == 0);
  CHECK(mlx_map_string_to_string_get(&got, other, "k") == 0 && !strcmp(got, "one"));
  mlx_map_string_to_string_iterator it = mlx_map_string_to_string_iterator_new(map);
  CHECK(mlx_map_string_to_string_iterator_next(&key, &got, it) == 0);
  CHECK(!strcmp(key, "k") && !strcmp(got, "two"));
  CHECK(mlx_map_string_to_string_iterator_next(&key, &got, it) == 0);
  CHECK(!strcmp(key, "l") && !strcmp(got, "three"));
  CHECK(mlx_map_string_to_string_iterator_next(&key, &got, it) == 2 && !strcmp(key, "l"));
  mlx_map_string_to_string_iterator_free(it);
  mlx_map_string_to_string_free(other);
  mlx_map_string_to_string_free(map);
}

static void many(void) {
  mlx_map_string_to_string map = mlx_map_string_to_string_new();
  char key[32], text[32];
  for (int i = 0; i < MANY; i++) {
    snprintf(key, sizeof key, "layers.%d.weight", i);
    snprintf(text, sizeof text, "%d", i);
    CHECK(mlx_map_string_to_string_insert(map, key, text) == 0);
  }
  mlx_map_string_to_string_iterator it = mlx_map_string_to_string_iterator_new(map);
  for (int i = 0; i < MANY; i++) {
    const char *k, *v, *found;
    CHECK(mlx_map_string_to_string_iterator_next(&k, &v, it) == 0 && atoi(v) == i);
    CHECK(mlx_map_string_to_string_get(&found, map, k) == 0 && found == v);
  }
  mlx_map_string_to_string_iterator_free(it);
  mlx_map_string_to_string_free(map);
}

/* The values of one map end inside the caller's own free. */
static void gone(void *count) { ++*(int *)count; }

static void ends(void) {
  static float data[4];
  int n = 0;
  mlx_map_string_to_array map = mlx_map_string_to_array_new();
  for (int i = 0; i < 3; i++) {
    mlx_array a = mlx_array_new_data_managed_payload(data, (int[]){4}, 1, MLX_FLOAT32, &n, gone);
    CHECK(mlx_map_string_to_array_insert(map, i < 2 ? "a" : "b", a) == 0);
    mlx_array_free(a);
  }
  CHECK(n == 1);
  mlx_map_string_to_array_free(map);
  CHECK(n == 3);
}

static void failures(void) {
  const mlx_map_string_to_array none = {NULL};
  mlx_map_string_to_array map = mlx_map_string_to_array_new();
  mlx_array value = mlx_array_new_float(1);
  void *before = value.ctx;
  reports = 0;
  CHECK(mlx_map_string_to_array_insert(map, "k", mlx_array_empty) == 1);
  CHECK(mlx_map_string_to_array_insert(map, NULL, value) == 1);
  CHECK(mlx_map_string_to_array_get(&value, none, "k") == 1 && value.ctx == before);
  CHECK(strstr(weir_last_error(), "expected a non-empty mlx_map_string_to_array"));
  CHECK(mlx_map_string_to_array_iterator_new(none).ctx == NULL && reports == 4);
  CHECK(mlx_map_string_to_array_get(&value, map, "k") == 2 && reports == 4);
  CHECK(mlx_map_string_to_array_free(none) == 0 && reports == 4);
  mlx_array_free(value);
  mlx_map_string_to_array_free(map);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(count, &reports, NULL);
  arrays();
  array_iterators();
  texts();
  many();
  ends();
  failures();
  mlx_set_error_handler(NULL, NULL, NULL);
  return 0;
}
