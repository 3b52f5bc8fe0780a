/* Strings are copies, their handles are not; facts about devices; streams and the version as text.
 */

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

/* As of every handle, copies of the struct follow what one of them is set to, and end with one
 * free.
 */
static void copies_of_a_handle(void) {
  mlx_string a = mlx_string_new_data("one"), copy = a, two = mlx_string_new_data("two");
  mlx_array seven = mlx_array_new_int(7);
  CHECK(mlx_string_set(&a, two) == 0 && !strcmp(mlx_string_data(copy), "two"));
  CHECK(mlx_string_set(&copy, a) == 0 && !strcmp(mlx_string_data(a), "two"));
  CHECK(mlx_array_tostring(&copy, seven) == 0 && strstr(mlx_string_data(a), "7, dtype=int32"));
  CHECK(mlx_string_free(copy) == 0 && !strcmp(mlx_string_data(two), "two"));
  CHECK(mlx_string_free(two) == 0 && mlx_array_free(seven) == 0);
}

static void facts(void) {
  mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  mlx_device_info info = mlx_device_info_new();
  CHECK(mlx_device_info_get(&info, cpu) == 0);
  mlx_device_info copy = info;
  const char *name;
  CHECK(mlx_device_info_get(&copy, cpu) == 0 && copy.ctx == info.ctx);
  CHECK(mlx_device_info_get_string(&name, info, "device_name") == 0 && name[0]);
  CHECK(mlx_device_info_free(info) == 0 && mlx_device_free(cpu) == 0);
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
  copies_of_a_handle();
  facts();
  streams();
  version();
  return 0;
}
