/* Functions in files, through the library alone (tests/parity/functions.py has MLX at the other
   end): several traces, constants, named arguments, calls on many threads, and what goes wrong: in
   the function, in the file system, in each byte of a file. */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"
#include "weir/weir.h"

static char name[] = "/tmp/weir-export-XXXXXX";
static mlx_stream cpu;
static mlx_array captured;

static bool said(const char *part) { return strstr(weir_last_error(), part) != NULL; }

static mlx_array ramp(int n, float from) {
  float data[64];
  CHECK(n <= 64);
  for (int i = 0; i < n; i++) data[i] = from + (float)i;
  return mlx_array_new_data(data, &n, 1, MLX_FLOAT32);
}

static mlx_vector_array one(mlx_array taken) {
  mlx_vector_array v = mlx_vector_array_new_value(taken);
  mlx_array_free(taken);
  return v;
}

/* x times what was captured, plus x; and x turned around. */
static int two_results(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = mlx_array_new(), y = mlx_array_new(), z = mlx_array_new();
  const int step = -1;
  CHECK(mlx_vector_array_get(&x, in, 0) == 0);
  const int start = (int)mlx_array_size(x) - 1, stop = -(int)mlx_array_size(x) - 1;
  int rc = mlx_multiply(&y, x, captured, cpu);
  if (rc == 0) rc = mlx_add(&y, y, x, (mlx_stream){NULL});
  if (rc == 0) rc = mlx_slice(&z, x, &start, 1, &stop, 1, &step, 1, cpu);
  const mlx_array both[] = {y, z};
  if (rc == 0) rc = mlx_vector_array_set_data(res, both, 2);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(z);
  return rc;
}

static void expect(mlx_vector_array out, int n, float from) {
  mlx_array y = mlx_array_new(), z = mlx_array_new();
  CHECK(mlx_vector_array_size(out) == 2);
  CHECK(mlx_vector_array_get(&y, out, 0) == 0 && mlx_vector_array_get(&z, out, 1) == 0);
  CHECK(mlx_contiguous(&z, z, false, cpu) == 0);
  const float *a = mlx_array_data_float32(y), *b = mlx_array_data_float32(z);
  CHECK(a && b);
  for (int i = 0; i < n; i++) {
    CHECK(a[i] == (from + (float)i) * 4 && b[i] == from + (float)(n - 1 - i));
  }
  mlx_array_free(y);
  mlx_array_free(z);
}

static void call(mlx_imported_function f, int n, float from) {
  mlx_vector_array out = mlx_vector_array_new(), in = one(ramp(n, from));
  CHECK(mlx_imported_function_apply(&out, f, in) == 0);
  expect(out, n, from);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
}

static void write_two(void) {
  mlx_closure f = mlx_closure_new_func(two_results);
  mlx_function_exporter x = mlx_function_exporter_new(name, f, false);
  CHECK(x.ctx);
  for (int n = 3; n <= 5; n += 2) {
    mlx_vector_array in = one(ramp(n, 0));
    CHECK(mlx_function_exporter_apply(x, in) == 0);
    CHECK(mlx_function_exporter_apply(x, in) == 1 && said("twice with the same signature"));
    mlx_vector_array_free(in);
  }
  CHECK(mlx_function_exporter_free(x) == 0 && mlx_closure_free(f) == 0);
}

static mlx_imported_function shared;

static void *call_many(void *arg) {
  for (int i = 0; i < 50; i++) call(shared, i % 2 ? 3 : 5, (float)i);
  return arg;
}

static void traces(void) {
  write_two();
  shared = mlx_imported_function_new(name);
  CHECK(shared.ctx);
  call(shared, 3, 1);
  call(shared, 5, 2);
  pthread_t threads[8];
  for (int i = 0; i < 8; i++) CHECK(pthread_create(&threads[i], NULL, call_many, NULL) == 0);
  for (int i = 0; i < 8; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  mlx_vector_array out = mlx_vector_array_new(), in = one(ramp(4, 0));
  CHECK(mlx_imported_function_apply(&out, shared, in) == 1);
  CHECK(said("[import_function::call] No imported function found which matches the given"));
  CHECK(said("2. Function with 1 positional inputs and 0 keyword inputs:\n   1: (5) float32"));
  CHECK(said("Called with 1 positional inputs and 0 keyword inputs:\n  1: (4) float32\n"));
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
  CHECK(mlx_imported_function_free(shared) == 0);
}

/* ---- named arguments ---- */

static int named(mlx_vector_array *res, const mlx_vector_array in,
                 const mlx_map_string_to_array kwargs) {
  mlx_array x = mlx_array_new(), y = mlx_array_new();
  CHECK(mlx_vector_array_get(&x, in, 0) == 0);
  CHECK(mlx_map_string_to_array_get(&y, kwargs, "less") == 0);
  int rc = mlx_subtract(&x, x, y, cpu);
  if (rc == 0) rc = mlx_vector_array_set_value(res, x);
  mlx_array_free(x);
  mlx_array_free(y);
  return rc;
}

static void named_arguments(void) {
  mlx_closure_kwargs f = mlx_closure_kwargs_new_func(named);
  mlx_map_string_to_array kwargs = mlx_map_string_to_array_new();
  mlx_array a = ramp(4, 10), b = ramp(4, 1), r = mlx_array_new();
  mlx_vector_array in = mlx_vector_array_new_value(a), out = mlx_vector_array_new();
  CHECK(mlx_map_string_to_array_insert(kwargs, "more", a) == 0);
  CHECK(mlx_map_string_to_array_insert(kwargs, "less", b) == 0);
  CHECK(mlx_export_function_kwargs(name, f, in, kwargs, true) == 0);
  mlx_imported_function read = mlx_imported_function_new(name);
  CHECK(read.ctx && mlx_imported_function_apply_kwargs(&out, read, in, kwargs) == 0);
  CHECK(mlx_vector_array_get(&r, out, 0) == 0 && mlx_array_data_float32(r)[3] == 9);
  CHECK(mlx_imported_function_apply(&out, read, in) == 1 && said("   \"less\": (4) float32"));
  /* what the trace has no name for, in order of name, is positional */
  mlx_vector_array none = mlx_vector_array_new();
  CHECK(mlx_imported_function_apply_kwargs(&out, read, none, kwargs) == 1);
  CHECK(said("Called with 0 positional inputs and 2 keyword inputs:\n  \"less\": (4) float32\n"));
  CHECK(mlx_map_string_to_array_insert(kwargs, "also", b) == 0);
  CHECK(mlx_imported_function_apply_kwargs(&out, read, none, kwargs) == 0);
  CHECK(mlx_vector_array_get(&r, out, 0) == 0 && mlx_array_data_float32(r)[3] == 0);
  mlx_vector_array_free(none);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(r);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
  mlx_map_string_to_array_free(kwargs);
  mlx_imported_function_free(read);
  mlx_closure_kwargs_free(f);
}

/* ---- what goes wrong ---- */

static int failing(mlx_vector_array *res, const mlx_vector_array in) {
  mlx_array x = mlx_array_new();
  CHECK(mlx_vector_array_get(&x, in, 0) == 0);
  const int rc = mlx_reshape(&x, x, (const int[]){7}, 1, cpu);
  mlx_array_free(x);
  return rc ? rc : mlx_vector_array_set(res, in);
}

static int forcing(mlx_vector_array *res, const mlx_vector_array in) {
  return mlx_eval(in) ? 1 : mlx_vector_array_set(res, in);
}

/* Which rounds as MLX's own primitive for it does, and that one is not stored. */
static int quantising(mlx_vector_array *res, const mlx_vector_array in) {
  const mlx_optional_int usual = {0, false};
  mlx_array x = mlx_array_new(), w = mlx_array_new(), none = {NULL};
  CHECK(mlx_vector_array_get(&x, in, 0) == 0);
  int rc = mlx_broadcast_to(&x, x, (const int[]){32, 4}, 2, cpu);
  if (rc == 0) rc = mlx_reshape(&w, x, (const int[]){2, 64}, 2, cpu);
  if (rc == 0) rc = mlx_qqmm(&x, w, w, none, usual, usual, "nvfp4", none, none, cpu);
  if (rc == 0) rc = mlx_vector_array_set_value(res, x);
  mlx_array_free(x);
  mlx_array_free(w);
  return rc;
}

static long size_of_file(void) {
  FILE *file = fopen(name, "r");
  CHECK(file && fseek(file, 0, SEEK_END) == 0);
  const long size = ftell(file);
  CHECK(fclose(file) == 0);
  return size;
}

static void refused(void) {
  static int (*const bad[])(mlx_vector_array *, const mlx_vector_array) = {failing, forcing,
                                                                           quantising};
  static const char *const words[] = {"reshape", "eval", "Unable to serialize primitive QQMatmul"};
  mlx_vector_array in = one(ramp(4, 0));
  for (int i = 0; i < 3; i++) {
    mlx_closure f = mlx_closure_new_func(bad[i]);
    mlx_function_exporter x = mlx_function_exporter_new(name, f, false);
    const long before = size_of_file();
    CHECK(mlx_function_exporter_apply(x, in) == 1 && said(words[i]));
    CHECK(size_of_file() == before);
    CHECK(mlx_export_function("/nowhere/at/all", f, in, false) == 1);
    CHECK(mlx_function_exporter_free(x) == 0 && mlx_closure_free(f) == 0);
  }
  mlx_closure f = mlx_closure_new_func(two_results);
  CHECK(mlx_export_function("/nowhere/at/all", f, in, false) == 1);
  CHECK(said("[export_function] Failed to open /nowhere/at/all"));
  CHECK(mlx_export_function("/dev/full", f, in, false) == 1 && said("[export_function] Unable"));
  CHECK(!mlx_imported_function_new("/nowhere/at/all").ctx);
  CHECK(said("[import_function] Failed to open"));
  mlx_vector_array_free(in);
  mlx_closure_free(f);
}

static void put(const unsigned char *bytes, size_t n) {
  FILE *file = fopen(name, "w");
  CHECK(file && fwrite(bytes, 1, n, file) == n && fclose(file) == 0);
}

/* What is left of it is called, and nothing is computed. */
static void try_file(void) {
  mlx_imported_function f = mlx_imported_function_new(name);
  if (!f.ctx) {
    CHECK(weir_last_error()[0] == '[');
    return;
  }
  mlx_vector_array out = mlx_vector_array_new(), in = one(ramp(3, 0));
  (void)mlx_imported_function_apply(&out, f, in);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
  mlx_imported_function_free(f);
}

static void damaged(void) {
  static const unsigned char values[] = {0, 1, 2, 0x7f, 0x80, 0xff};
  unsigned char bytes[4096];
  write_two();
  FILE *file = fopen(name, "r");
  CHECK(file != NULL);
  const size_t n = fread(bytes, 1, sizeof bytes, file);
  CHECK(fclose(file) == 0 && n > 0 && n < sizeof bytes);
  for (size_t cut = 0; cut < n; cut++) {
    put(bytes, cut);
    CHECK(!mlx_imported_function_new(name).ctx);
  }
  for (size_t at = 0; at < n; at++) {
    const unsigned char whole = bytes[at];
    for (size_t v = 0; v < sizeof values; v++) {
      bytes[at] = values[v];
      put(bytes, n);
      try_file();
    }
    bytes[at] = whole;
  }
}

/* The file of named_arguments, with both by one name. */
static void named_twice(void) {
  unsigned char bytes[4096];
  named_arguments();
  FILE *file = fopen(name, "r");
  CHECK(file != NULL);
  const size_t n = fread(bytes, 1, sizeof bytes, file);
  unsigned char *more = memmem(bytes, n, "more", 4);
  CHECK(fclose(file) == 0 && more != NULL);
  memcpy(more, "less", 4);
  put(bytes, n);
  CHECK(!mlx_imported_function_new(name).ctx && said("a keyword that was there before"));
}

static void quiet(const char *message, void *data) {
  (void)message;
  (void)data;
}

/* What is one operation in MLX's files too, and those on bits, which are one there, by a number. */
static int single_operations(mlx_vector_array *res, const mlx_vector_array in) {
  enum { COUNT = 11 };
  mlx_array x = mlx_array_new(), whole = mlx_array_new(), z = mlx_array_new();
  mlx_array more = mlx_array_new(), out[COUNT];
  for (int i = 0; i < COUNT; i++) out[i] = mlx_array_new();
  CHECK(mlx_vector_array_get(&x, in, 0) == 0);
  int rc = mlx_astype(&whole, x, MLX_INT32, cpu) || mlx_astype(&z, x, MLX_COMPLEX64, cpu) ||
           mlx_greater(&more, x, captured, cpu);
  rc = rc || mlx_bitwise_and(&out[0], whole, whole, cpu) || mlx_divide(&out[1], x, captured, cpu) ||
       mlx_bitwise_or(&out[2], whole, out[0], cpu) ||
       mlx_bitwise_xor(&out[3], whole, out[2], cpu) || mlx_left_shift(&out[4], whole, whole, cpu) ||
       mlx_right_shift(&out[5], out[4], whole, cpu) || mlx_where(&out[6], more, x, captured, cpu) ||
       mlx_conjugate(&out[7], z, cpu) || mlx_real(&out[8], out[7], cpu) ||
       mlx_imag(&out[9], out[7], cpu) || mlx_round(&out[10], out[1], 0, cpu);
  if (rc == 0) rc = mlx_vector_array_set_data(res, out, COUNT);
  for (int i = 0; i < COUNT; i++) mlx_array_free(out[i]);
  mlx_array_free(more);
  mlx_array_free(z);
  mlx_array_free(whole);
  mlx_array_free(x);
  return rc;
}

static void expect_equal(mlx_vector_array direct, mlx_vector_array stored) {
  CHECK(mlx_vector_array_size(stored) == mlx_vector_array_size(direct));
  for (size_t i = 0; i < mlx_vector_array_size(direct); i++) {
    mlx_array a = mlx_array_new(), b = mlx_array_new(), same = mlx_array_new();
    bool equal = false;
    CHECK(mlx_vector_array_get(&a, direct, i) == 0 && mlx_vector_array_get(&b, stored, i) == 0);
    CHECK(mlx_array_dtype(a) == mlx_array_dtype(b));
    CHECK(mlx_array_equal(&same, a, b, false, cpu) == 0);
    CHECK(mlx_array_item_bool(&equal, same) == 0 && equal);
    mlx_array_free(a);
    mlx_array_free(b);
    mlx_array_free(same);
  }
}

typedef int function(mlx_vector_array *res, const mlx_vector_array in);

/* What is in the file, on other inputs, against the function. */
static void expect_stored(function *run, mlx_vector_array in) {
  mlx_vector_array direct = mlx_vector_array_new(), stored = mlx_vector_array_new();
  mlx_imported_function back = mlx_imported_function_new(name);
  CHECK(mlx_imported_function_apply(&stored, back, in) == 0 && run(&direct, in) == 0);
  expect_equal(direct, stored);
  CHECK(mlx_imported_function_free(back) == 0);
  mlx_vector_array_free(in);
  mlx_vector_array_free(direct);
  mlx_vector_array_free(stored);
}

static void store(function *run, mlx_vector_array in, bool shapeless) {
  mlx_closure f = mlx_closure_new_func(run);
  CHECK(mlx_export_function(name, f, in, shapeless) == 0 && mlx_closure_free(f) == 0);
  mlx_vector_array_free(in);
}

static void single(void) {
  store(single_operations, one(ramp(6, 1)), false);
  expect_stored(single_operations, one(ramp(6, 1)));
}

/* Operations that bring a number of their own, which is none of extents, here or in the file. */
static int with_numbers(mlx_vector_array *res, const mlx_vector_array in) {
  enum { N = 4 };
  mlx_array x = mlx_array_new(), y[N];
  for (int i = 0; i < N; i++) y[i] = mlx_array_new();
  CHECK(mlx_vector_array_get(&x, in, 0) == 0);
  int rc = mlx_degrees(&y[0], x, cpu);
  if (rc == 0) rc = mlx_isclose(&y[1], x, captured, 1e-3, 0.5, false, cpu);
  if (rc == 0) rc = mlx_reciprocal(&y[2], x, cpu);
  if (rc == 0) rc = mlx_bitwise_invert(&y[3], y[1], cpu);
  if (rc == 0) rc = mlx_vector_array_set_data(res, y, N);
  for (int i = 0; i < N; i++) mlx_array_free(y[i]);
  mlx_array_free(x);
  return rc;
}

static void shapeless(void) {
  store(with_numbers, one(ramp(6, 1)), true);
  for (int n = 1; n < 9; n++) expect_stored(with_numbers, one(ramp(n, 2)));
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  const int file = mkstemp(name);
  CHECK(file >= 0 && close(file) == 0);
  cpu = mlx_default_cpu_stream_new();
  captured = mlx_array_new_float(3);
  traces();
  named_arguments();
  refused();
  damaged();
  named_twice();
  single();
  shapeless();
  CHECK(unlink(name) == 0);
  mlx_array_free(captured);
  mlx_stream_free(cpu);
  return 0;
}
