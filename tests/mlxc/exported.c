/* What mlx-c's examples of exported functions, of graphs and of kernels call: functions written to
   files in the folder at hand and read back, with arrays by place and by name; a graph as text for
   dot; a kernel of Metal's, which is an error in words on other GPUs. */

#include <mlx/c/mlx.h>
#include <stdio.h>
#include <string.h>

static int failures, told;
static const mlx_stream none;

static void expect(int right, const char *what) {
  if (right) return;
  fprintf(stderr, "not true: %s\n", what);
  failures++;
}
#define EXPECT(condition) expect(condition, #condition)

static void count(const char *message, void *data) {
  (void)data;
  told += message && *message;
}

static float first(mlx_vector_array v) {
  mlx_array a = mlx_array_new();
  float value = 0;
  EXPECT(mlx_vector_array_get(&a, v, 0) == 0 && mlx_array_item_float32(&value, a) == 0);
  mlx_array_free(a);
  return value;
}

/* ---- functions in files ---- */

static int next(mlx_array *res, mlx_array in) {
  mlx_array one = mlx_array_new_float(1);
  const int rc = mlx_add(res, in, one, none);
  mlx_array_free(one);
  return rc;
}

static int quotient(mlx_vector_array *res, mlx_vector_array args, mlx_map_string_to_array named) {
  mlx_array above = mlx_array_new(), below = mlx_array_new();
  const int rc = mlx_vector_array_size(args) != 0 ||
                 mlx_map_string_to_array_get(&above, named, "above") ||
                 mlx_map_string_to_array_get(&below, named, "below") ||
                 mlx_divide(&above, above, below, none) || mlx_vector_array_set_value(res, above);
  mlx_array_free(above);
  mlx_array_free(below);
  return rc;
}

/* An array that is given by place when the function is written may come by place alone. */
static void by_place(void) {
  mlx_array x = mlx_array_new_float(41);
  mlx_vector_array args = mlx_vector_array_new_value(x), res = mlx_vector_array_new();
  mlx_closure f = mlx_closure_new_unary(next);
  EXPECT(mlx_export_function("next.mlxfn", f, args, false) == 0);
  mlx_closure_free(f);
  mlx_imported_function again = mlx_imported_function_new("next.mlxfn");
  EXPECT(mlx_imported_function_apply(&res, again, args) == 0 && first(res) == 42);
  mlx_imported_function_free(again);
  mlx_vector_array_free(res);
  mlx_vector_array_free(args);
  mlx_array_free(x);
}

static void by_name(void) {
  mlx_array above = mlx_array_new_float(42), below = mlx_array_new_float(6);
  mlx_vector_array no_args = mlx_vector_array_new(), res = mlx_vector_array_new();
  mlx_map_string_to_array named = mlx_map_string_to_array_new();
  EXPECT(mlx_map_string_to_array_insert(named, "above", above) == 0);
  EXPECT(mlx_map_string_to_array_insert(named, "below", below) == 0);
  mlx_closure_kwargs f = mlx_closure_kwargs_new_func(quotient);
  EXPECT(mlx_export_function_kwargs("quotient.mlxfn", f, no_args, named, false) == 0);
  mlx_closure_kwargs_free(f);
  mlx_imported_function again = mlx_imported_function_new("quotient.mlxfn");
  EXPECT(mlx_imported_function_apply_kwargs(&res, again, no_args, named) == 0 && first(res) == 7);
  EXPECT(mlx_map_string_to_array_insert(named, "below", above) == 0);
  EXPECT(mlx_imported_function_apply_kwargs(&res, again, no_args, named) == 0 && first(res) == 1);
  mlx_imported_function_free(again);
  mlx_map_string_to_array_free(named);
  mlx_vector_array_free(no_args);
  mlx_vector_array_free(res);
  mlx_array_free(above);
  mlx_array_free(below);
}

/* ---- a graph as text ---- */

static void as_dot(void) {
  static char text[4096];
  mlx_array x = mlx_array_new_float(2), y = mlx_array_new();
  mlx_node_namer namer = mlx_node_namer_new();
  mlx_vector_array all = mlx_vector_array_new();
  FILE *file = fmemopen(text, sizeof text, "w");
  EXPECT(mlx_divide(&y, x, x, none) == 0 && mlx_log(&y, y, none) == 0);
  EXPECT(mlx_node_namer_set_name(namer, x, "given") == 0);
  EXPECT(mlx_node_namer_set_name(namer, y, "result") == 0);
  EXPECT(mlx_vector_array_append_value(all, x) == 0 && mlx_vector_array_append_value(all, y) == 0);
  EXPECT(file && mlx_export_to_dot(file, namer, all) == 0 && fclose(file) == 0);
  EXPECT(strstr(text, "digraph") && strstr(text, "given") && strstr(text, "result"));
  EXPECT(strstr(text, "Divide") && strstr(text, "Log"));
  mlx_vector_array_free(all);
  mlx_node_namer_free(namer);
  mlx_array_free(x);
  mlx_array_free(y);
}

/* ---- a kernel of Metal's ---- */

static void metal_kernel(void) {
  const int shape[] = {4};
  mlx_vector_string in = mlx_vector_string_new_value("inp"),
                    out = mlx_vector_string_new_value("out");
  mlx_fast_metal_kernel kernel = mlx_fast_metal_kernel_new(
      "squares", in, out, "uint i = thread_position_in_grid.x; out[i] = inp[i] * inp[i];", "", true,
      false);
  mlx_fast_metal_kernel_config config = mlx_fast_metal_kernel_config_new();
  mlx_array x = mlx_array_new();
  mlx_vector_array inputs = mlx_vector_array_new(), outputs = mlx_vector_array_new();
  EXPECT(mlx_ones(&x, shape, 1, MLX_FLOAT32, none) == 0);
  EXPECT(mlx_vector_array_append_value(inputs, x) == 0);
  told = 0;
  int rc = mlx_fast_metal_kernel_config_add_template_arg_dtype(config, "T", MLX_FLOAT32) ||
           mlx_fast_metal_kernel_config_set_grid(config, 4, 1, 1) ||
           mlx_fast_metal_kernel_config_set_thread_group(config, 4, 1, 1) ||
           mlx_fast_metal_kernel_config_add_output_arg(config, shape, 1, MLX_FLOAT32) ||
           mlx_fast_metal_kernel_apply(&outputs, kernel, inputs, config, none);
  if (!rc) rc = mlx_eval(outputs);
  EXPECT(rc != 0 && told > 0);
  mlx_fast_metal_kernel_config_free(config);
  mlx_fast_metal_kernel_free(kernel);
  mlx_vector_string_free(in);
  mlx_vector_string_free(out);
  mlx_vector_array_free(inputs);
  mlx_vector_array_free(outputs);
  mlx_array_free(x);
}

int main(void) {
  mlx_set_error_handler(count, NULL, NULL);
  by_place();
  by_name();
  as_dot();
  EXPECT(told == 0);
  metal_kernel();
  return failures != 0;
}
