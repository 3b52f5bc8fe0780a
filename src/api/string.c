/* Strings: a handle leads to an object that owns a zero-terminated copy on the heap. The object
   stays when its text is replaced, so that copies of the handle follow. No locks. */

#include "mlx/c/string.h"

#include <string.h>

#include "api/api.h"
#include "base/base.h"
#include "base/text.h"

struct string {
  struct wr_kind_word kind;
  char *text;
};

/* Takes the text. */
static struct wr_error *set_new(mlx_string *str, char *text) {
  struct string *string = wr_calloc(sizeof *string);
  if (string) {
    wr_kind_begin(&string->kind, WR_KIND_STRING);
    string->text = text;
    if (wr_handle_give(&str->ctx, string, WR_KIND_STRING)) return NULL;
  }
  wr_free(string);
  wr_free(text);
  return wr_error_out_of_memory();
}

struct wr_error *wr_api_set_string(mlx_string *str, const char *text) {
  struct string *string = wr_handle_object(str->ctx, WR_KIND_STRING);
  char *copy = wr_text_copy(text);
  if (!copy) return wr_error_out_of_memory();
  if (!string) return set_new(str, copy);
  wr_free(string->text);
  string->text = copy;
  return NULL;
}

/* The text of the handle, borrowed; NULL unless it is a string. */
static const char *check_string(mlx_string str, const char *param, struct wr_error **error) {
  const struct string *string =
      wr_api_object(str.ctx, WR_KIND_STRING, param, "is an empty string handle", error);
  return string ? string->text : NULL;
}

mlx_string mlx_string_new(void) { return (mlx_string){NULL}; }

mlx_string mlx_string_new_data(const char *str) {
  mlx_string made = {NULL};
  struct wr_error *error = NULL;
  wr_api_result(str, "str", &error);
  if (!error) error = wr_api_set_string(&made, str);
  wr_api_return("mlx_string_new_data", error);
  return made;
}

int mlx_string_set(mlx_string *str, const mlx_string src) {
  struct wr_error *error = NULL;
  wr_api_result_handle(str, WR_KIND_STRING, "str", &error);
  const char *text = check_string(src, "src", &error);
  if (!error) error = wr_api_set_string(str, text);
  return wr_api_return("mlx_string_set", error);
}

const char *mlx_string_data(mlx_string str) {
  struct wr_error *error = NULL;
  const char *text = check_string(str, "str", &error);
  wr_api_return("mlx_string_data", error);
  return text;
}

int mlx_string_free(mlx_string str) {
  struct wr_error *error = NULL;
  struct string *string = wr_api_take(str.ctx, WR_KIND_STRING, "str", &error);
  if (string) wr_free(string->text);
  wr_free(string);
  return wr_api_return("mlx_string_free", error);
}
