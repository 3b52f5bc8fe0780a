/* Strings are copies; streams and the version as text. */

#include <string.h>

#include "check.h"
#include "mlx/c/mlx.h"

static void copies(void) {
  char text[] = "one";
  mlx_string a = mlx_string_new_data(text), b = mlx_string_new();
  text[0] = 'X';
  CHECK(!strcmp(mlx_string_data(a), "one"));
  CHECK(mlx_string_set(&b, a) == 0 && mlx_string_data(b) != mlx_string_data(a));
  CHECK(mlx_string_set(&b, b) == 0 && !strcmp(mlx_string_data(b), "one"));
  CHECK(mlx_string_free(a) == 0);
  CHECK(!strcmp(mlx_string_data(b), "one"));
  CHECK(mlx_string_free(b) == 0);
}

static void streams(void) {
  mlx_stream s = mlx_default_cpu_stream_new();
  mlx_string text = mlx_string_new_data("replaced");
  char expected[64];
  int index;
  CHECK(mlx_stream_get_index(&index, s) == 0);
  snprintf(expected, sizeof expected, "Stream(Device(cpu, 0), %d)", index);
  CHECK(mlx_stream_tostring(&text, s) == 0 && !strcmp(mlx_string_data(text), expected));
  mlx_string_free(text);
  mlx_stream_free(s);
}

static void version(void) {
  mlx_string text = mlx_string_new();
  int major, minor;
  CHECK(mlx_version(&text) == 0);
  CHECK(sscanf(mlx_string_data(text), "%d.%d", &major, &minor) == 2);
  mlx_string_free(text);
}

int main(void) {
  copies();
  streams();
  version();
  return 0;
}
