/* What mlx-c's examples of closures and derivatives call: a closure, one with a payload that fails,
   jvp, value_and_grad. */

#include <math.h>
#include <mlx/c/mlx.h>
#include <stdio.h>

static int failures, told, ended;
static const mlx_stream none;

static void expect(int right, const char *what) {
  if (right) return;
  fprintf(stderr, "not true: %s\n", what);
  failures++;
}
#define EXPECT(condition) expect(condition, #condition)

static float first(mlx_vector_array v) {
  mlx_array a = mlx_array_new();
  float value = NAN;
  if (mlx_vector_array_get(&a, v, 0) || mlx_array_item_float32(&value, a)) failures++;
  mlx_array_free(a);
  return value;
}

static int square(mlx_array *res, mlx_array in) { return mlx_multiply(res, in, in, none); }

/* in + payload, unless the payload is NaN. */
static int add_payload(mlx_vector_array *res, mlx_vector_array in, void *payload) {
  mlx_array *value = payload;
  mlx_array a = mlx_array_new(), is_nan = mlx_array_new();
  bool flag = false;
  int rc = mlx_isnan(&is_nan, *value, none) || mlx_any(&is_nan, is_nan, false, none) ||
           mlx_array_item_bool(&flag, is_nan) || flag;
  rc = rc || mlx_vector_array_get(&a, in, 0) || mlx_add(&a, a, *value, none) ||
       mlx_vector_array_set_value(res, a);
  mlx_array_free(is_nan);
  mlx_array_free(a);
  return rc;
}

static void end_payload(void *payload) {
  mlx_array_free(*(mlx_array *)payload);
  ended++;
}

static void hear(const char *message, void *data) {
  (void)data;
  told += message[0] != '\0';
}

static void closures(mlx_vector_array x) {
  mlx_array value = mlx_array_new_float(2);
  mlx_closure simple = mlx_closure_new_unary(square);
  mlx_closure with_payload = mlx_closure_new_func_payload(add_payload, &value, end_payload);
  mlx_vector_array y = mlx_vector_array_new();
  EXPECT(mlx_closure_apply(&y, simple, x) == 0 && first(y) == 9);
  EXPECT(mlx_closure_apply(&y, with_payload, x) == 0 && first(y) == 5);
  mlx_set_error_handler(hear, NULL, NULL);
  EXPECT(mlx_array_set_float(&value, NAN) == 0);
  EXPECT(mlx_closure_apply(&y, with_payload, x) == 1 && told == 1);
  mlx_set_error_handler(NULL, NULL, NULL);
  mlx_closure_free(with_payload);
  mlx_closure_free(simple);
  mlx_vector_array_free(y);
  EXPECT(ended == 1);
}

static void derivatives(mlx_vector_array x) {
  const int which = 0;
  mlx_array one = mlx_array_new_float(1);
  mlx_vector_array tangents = mlx_vector_array_new_value(one);
  mlx_vector_array y = mlx_vector_array_new(), dy = mlx_vector_array_new();
  mlx_closure f = mlx_closure_new_unary(square);
  mlx_closure_value_and_grad both = mlx_closure_value_and_grad_new();
  EXPECT(mlx_jvp(&y, &dy, f, x, tangents) == 0 && first(y) == 9 && first(dy) == 6);
  EXPECT(mlx_value_and_grad(&both, f, &which, 1) == 0);
  EXPECT(mlx_closure_value_and_grad_apply(&y, &dy, both, x) == 0);
  EXPECT(first(y) == 9 && first(dy) == 6);
  mlx_closure_value_and_grad_free(both);
  mlx_closure_free(f);
  mlx_vector_array_free(dy);
  mlx_vector_array_free(y);
  mlx_vector_array_free(tangents);
  mlx_array_free(one);
}

int main(void) {
  mlx_array three = mlx_array_new_float(3);
  mlx_vector_array x = mlx_vector_array_new_value(three);
  closures(x);
  derivatives(x);
  mlx_vector_array_free(x);
  mlx_array_free(three);
  return failures;
}
