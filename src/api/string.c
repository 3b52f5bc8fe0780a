/* Strings: the handle's ctx is a zero-terminated copy on the heap. No locks. */

#include "mlx/c/string.h"

#include <string.h>

#include "api/api.h"
#include "base/base.h"

struct wr_error *wr_api_set_string(mlx_string *str, const char *text) {
  size_t bytes = strlen(text) + 1;
  char *copy = wr_alloc(bytes);
  if (!copy) return wr_error_out_of_memory();
  memcpy(copy, text, bytes);
  wr_free(str->ctx);
  str->ctx = copy;
  return NULL;
}

mlx_string mlx_string_new(void) { return (mlx_string){NULL}; }

mlx_string mlx_string_new_data(const char *str) {
  mlx_string made = {NULL};
  struct wr_error *error = NULL;
  wr_api_result(str, "str", &error);
  if (!error) error = wr_api_set_string(&made, str);
  wr_api_finish("mlx_string_new_data", error);
  return made;
}

int mlx_string_set(mlx_string *str, const mlx_string src) {
  struct wr_error *error = NULL;
  wr_api_result(str, "str", &error);
  if (!src.ctx) wr_api_reject(&error, "src", "is an empty string handle");
  if (!error) error = wr_api_set_string(str, src.ctx);
  return wr_api_finish("mlx_string_set", error);
}

const char *mlx_string_data(mlx_string str) {
  struct wr_error *error = NULL;
  if (!str.ctx) wr_api_reject(&error, "str", "is an empty string handle");
  wr_api_finish("mlx_string_data", error);
  return str.ctx;
}

int mlx_string_free(mlx_string str) {
  wr_free(str.ctx);
  return 0;
}
