/* Errors as values, on the CPU. F1 stands in exit.c; F3 and F5 on a device in device.c too; F12 in
   tests/capi/empty_handles.c, function by function. */

#include "fixtures.h"

/* F3: async_eval of a failing array, then each way to force it: the same error from each. */
static char first_message[512];

static void same_error(void) {
  CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
  const char *message = strstr(weir_last_error(), "exp");
  CHECK(message != NULL);
  if (!first_message[0]) snprintf(first_message, sizeof first_message, "%s", message);
  CHECK(strcmp(message, first_message) == 0);
}

static void force_in_all_ways(mlx_array bad) {
  float value = 0;
  mlx_string text = mlx_string_new();
  CHECK(mlx_array_eval(bad) == 1);
  same_error();
  CHECK(mlx_array_item_float32(&value, bad) == 1);
  CHECK(mlx_array_data_float32(bad) == NULL);
  same_error();
  CHECK(mlx_array_tostring(&text, bad) == 1);
  same_error();
  CHECK(_mlx_array_wait(bad) == 1);
  same_error();
  CHECK(submit(bad) == 1); /* known by now */
  same_error();
  mlx_string_free(text);
}

static mlx_array shared_bad;

static void force_on_a_thread(int i) {
  (void)i;
  for (int k = 0; k < 10; k++) CHECK(mlx_array_eval(shared_bad) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
}

static void f3_every_way_to_force(void) {
  shared_bad = failing((mlx_stream){0});
  CHECK(submit(shared_bad) == 0);
  for (int i = 0; i < 3; i++) force_in_all_ways(shared_bad);
  run_threads(many(8), force_on_a_thread);
  mlx_array_free(shared_bad);
}

/* F5: unrelated work on the same stream, before, between and after. */
static void f5_unrelated_work(void) {
  mlx_stream s = new_stream();
  for (int i = 0; i < 50; i++) {
    mlx_array before = chain(1, 3, s), bad = failing(s), after = chain(2, 3, s);
    CHECK(submit(before) == 0 && submit(bad) == 0 && submit(after) == 0);
    CHECK(float_of(after) == 5);
    CHECK(float_of(before) == 4);
    CHECK(mlx_array_eval(bad) == 1);
    mlx_array_free(before);
    mlx_array_free(bad);
    mlx_array_free(after);
  }
  mlx_stream_free(s);
}

/* F14: the result of a failed call, which is empty, used in 20 more. */
static void f14_result_of_a_failed_call(void) {
  mlx_array a = floats(3, 0), b = floats(4, 0), bad = mlx_array_new(), out = mlx_array_new();
  CHECK(mlx_add(&bad, a, b, (mlx_stream){0}) == 1);
  CHECK(bad.ctx == NULL);
  for (int i = 0; i < 20; i++) {
    CHECK(mlx_multiply(&out, i % 2 ? a : bad, i % 2 ? bad : a, (mlx_stream){0}) == 1);
    CHECK(weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(weir_last_error(), i % 2 ? "b" : "a") != NULL);
    CHECK(out.ctx == NULL);
    CHECK(mlx_array_eval(bad) == 1);
  }
  mlx_array_free(out);
  mlx_array_free(bad);
  mlx_array_free(b);
  mlx_array_free(a);
}

/* F14, lazily: a result that has failed, used in 20 more, each of which fails when forced. */
static void f14_result_that_failed(void) {
  int start[3] = {0, 0, 0}, stop[3] = {1, 1, 1}, step[3] = {1, 1, 1};
  mlx_array bad = failing((mlx_stream){0}), one = mlx_array_new();
  CHECK(mlx_array_eval(bad) == 1);
  CHECK(mlx_slice(&one, bad, start, 3, stop, 3, step, 3, (mlx_stream){0}) == 0);
  for (int i = 0; i < 20; i++) {
    add_to(&one, one, (mlx_stream){0});
    CHECK(mlx_array_eval(one) == 1);
    CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
  }
  mlx_array_free(one);
  mlx_array_free(bad);
}

/* F15: out of memory in operations of several threads, and small work goes on meanwhile. */
static void small_or_huge(int i) {
  for (int k = 0; k < 50; k++) {
    if (i % 2) {
      mlx_array bad = failing((mlx_stream){0});
      CHECK(mlx_array_eval(bad) == 1);
      CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY);
      mlx_array_free(bad);
    } else {
      mlx_array good = chain(0, 10, (mlx_stream){0});
      CHECK(float_of(good) == 10);
      mlx_array_free(good);
    }
  }
}

static void f15_out_of_memory(void) { run_threads(many(8), small_or_huge); }

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  f3_every_way_to_force();
  f5_unrelated_work();
  f14_result_of_a_failed_call();
  f14_result_that_failed();
  f15_out_of_memory();
  mlx_set_error_handler(NULL, NULL, NULL);
  return 0;
}
