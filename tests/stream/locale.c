/* T3: printed arrays, messages and what is read from the environment are the same whatever locale
   the program, or a thread of it, has set: one with a comma before fractions, made here where the
   system has the means. FAILURES: P4. */

#include <locale.h>

#include "fixtures.h"

static char folder[] = "/tmp/weir-locale-XXXXXX";

/* Of what is installed, or made from what is; false when there is neither. */
static locale_t with_comma(void) {
  static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",  "fr_FR.UTF-8", "fr_FR.utf8",
                                      "ru_RU.UTF-8", "es_ES.UTF-8", "de_DE",       "fr_FR"};
  char command[200];
  locale_t found = (locale_t)0;
  for (size_t i = 0; !found && i < sizeof names / sizeof names[0]; i++) {
    found = newlocale(LC_ALL_MASK, names[i], (locale_t)0);
  }
  if (found || !mkdtemp(folder)) return found;
  snprintf(command, sizeof command,
           "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >%s/log 2>&1 </dev/null", folder, folder);
  if (system(command) == 0) {
    CHECK(setenv("LOCPATH", folder, 1) == 0);
    found = newlocale(LC_ALL_MASK, "de_DE.UTF-8", (locale_t)0);
  }
  return found;
}

static void clean_up(void) {
  char command[100];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  if (!strstr(folder, "XXXXXX")) CHECK(system(command) == 0);
}

static bool has_comma(void) {
  char text[8];
  snprintf(text, sizeof text, "%.1f", 1.5);
  return !strcmp(text, "1,5");
}

/* ---- what is printed ---- */

static void expect_printed(mlx_array a, const char *text) {
  mlx_string s = mlx_string_new();
  CHECK(mlx_array_tostring(&s, a) == 0);
  CHECK(!strcmp(mlx_string_data(s), text));
  mlx_string_free(s);
  mlx_array_free(a);
}

static mlx_array as(mlx_array a, mlx_dtype type) {
  CHECK(mlx_astype(&a, a, type, (mlx_stream){0}) == 0);
  return a;
}

static void printed(void) {
  expect_printed(floats(2, 1.5f), "array([1.5, 2.5], dtype=float32)");
  expect_printed(as(floats(1, -0.25f), MLX_FLOAT16), "array([-0.25], dtype=float16)");
  expect_printed(as(floats(1, -0.25f), MLX_BFLOAT16), "array([-0.25], dtype=bfloat16)");
  expect_printed(as(floats(1, 0.125f), MLX_FLOAT64), "array([0.125], dtype=float64)");
  expect_printed(as(floats(1, 1.5f), MLX_COMPLEX64), "array([1.5+0j], dtype=complex64)");
  expect_printed(mlx_array_new_float(1234567), "array(1.23457e+06, dtype=float32)");
  expect_printed(mlx_array_new_int(1234567), "array(1234567, dtype=int32)");
}

/* ---- what is said ---- */

static void messages(void) {
  mlx_array a = mlx_array_new();
  CHECK(mlx_arange(&a, 0.5, 1e300, 0.25, MLX_FLOAT32, (mlx_stream){0}) == 1);
  CHECK(strstr(weir_last_error(), "start 0.5") && strstr(weir_last_error(), "step 0.25"));
  _mlx_error("file", 1, "%.1f and %s", 1.5, "text");
  CHECK(strstr(weir_last_error(), "1.5 and text"));
  mlx_array_free(a);
}

static void all(void) {
  CHECK(has_comma());
  printed();
  messages();
  CHECK(has_comma()); /* the program's is as it was */
}

static void *on_a_thread(void *locale) {
  uselocale((locale_t)locale);
  all();
  return NULL;
}

static void beside(int i) {
  (void)i;
  for (int k = 0; k < 50; k++) printed();
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  locale_t comma = with_comma();
  if (!comma) {
    clean_up();
    printf("skipped: no locale with a comma, and none can be made\n");
    return 77;
  }
  run_one(on_a_thread, comma);
  CHECK(!has_comma());
  CHECK(setlocale(LC_ALL, "de_DE.UTF-8") || setlocale(LC_ALL, "fr_FR.UTF-8") ||
        setlocale(LC_ALL, "de_DE.utf8") || setlocale(LC_ALL, "fr_FR.utf8") || !has_comma());
  if (has_comma()) all();
  run_threads(many(4), beside);
  CHECK(setlocale(LC_ALL, "C") != NULL);
  freelocale(comma);
  clean_up();
  return 0;
}
