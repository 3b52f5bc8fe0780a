/* The n-th allocation fails, for each n until none does: every call succeeds or reports, results of
   failed calls are left alone, and nothing is lost. */

#include <string.h>

#include "base/base.h"
#include "check.h"
#include "memory/buffer.h"
#include "mlx/c/mlx.h"
#include "weir/error.h"

static int failures;

static void hear(const char *message, void *data) {
  CHECK(message[0] != '\0');
  ++*(int *)data;
}

static void vectors_and_strings(void) {
  mlx_array a = mlx_array_new_float(1);
  mlx_vector_array v = mlx_vector_array_new(), w = mlx_vector_array_new();
  for (int i = 0; i < 20 && v.ctx && a.ctx; i++) mlx_vector_array_append_value(v, a);
  if (v.ctx) mlx_vector_array_set(&w, v);
  mlx_vector_vector_array vv = mlx_vector_vector_array_new_data(&v, v.ctx ? 1 : 0);
  const char *texts[2] = {"one", "two"};
  mlx_vector_string s = mlx_vector_string_new_data(texts, 2);
  mlx_vector_string_free(s);
  mlx_vector_vector_array_free(vv);
  mlx_vector_array_free(w);
  mlx_vector_array_free(v);
  mlx_array_free(a);
}

static void arithmetic(void) {
  int shape[2] = {2, 3};
  float data[6] = {1, 2, 3, 4, 5, 6};
  mlx_array a = mlx_array_new_data(data, shape, 2, MLX_FLOAT32), b = mlx_array_new();
  mlx_string text = mlx_string_new();
  if (a.ctx && mlx_add(&b, a, a, (mlx_stream){0}) == 0) {
    bool turned = mlx_transpose(&b, b, (mlx_stream){0}) == 0;
    const char *row = turned ? "[6, 12]" : "[8, 10, 12]";
    if (mlx_array_tostring(&text, b) == 0) CHECK(strstr(mlx_string_data(text), row));
    mlx_array_eval(b);
  }
  mlx_string_free(text);
  mlx_array_free(b);
  mlx_array_free(a);
}

/* Groups: a chain that is fused, and one that ends in a sum. */
static void fusion(void) {
  static float data[2000];
  int n = 2000;
  mlx_stream s = {0};
  mlx_array a = mlx_array_new_data(data, &n, 1, MLX_FLOAT32), b = mlx_array_new();
  float total = 0;
  bool made =
      a.ctx && mlx_exp(&b, a, s) == 0 && mlx_add(&b, b, a, s) == 0 && mlx_negative(&b, b, s) == 0;
  if (made && mlx_array_eval(b) == 0) CHECK(mlx_array_data_float32(b)[n - 1] == -1);
  made = made && mlx_square(&b, b, s) == 0 && mlx_sum(&b, b, false, s) == 0;
  if (made && mlx_array_item_float32(&total, b) == 0) CHECK(total == (float)n);
  mlx_array_free(b);
  mlx_array_free(a);
}

static void handlers(void) { mlx_set_error_handler(hear, &failures, NULL); }

/* With the cache off, every buffer is an allocation. Returns at the first n that is never reached.
 */
static void sweep(void (*scenario)(void)) {
  scenario();
  size_t before = wr_memory_active();
  for (uint64_t n = 1;; n++) {
    failures = 0;
    wr_alloc_fail_at(n);
    scenario();
    wr_alloc_fail_at(0);
    CHECK(wr_memory_active() == before);
    CHECK(n < 100000);
    if (!failures && n > 500) return;
  }
}

int main(void) {
  mlx_set_error_handler(hear, &failures, NULL);
  wr_memory_set_cache_limit(0);
  sweep(vectors_and_strings);
  sweep(arithmetic);
  sweep(fusion);
  sweep(handlers);
  return 0;
}
