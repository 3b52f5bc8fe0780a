#ifndef MLX_STRING_H
#define MLX_STRING_H

/* Strings: heap objects that own their text. A copy of the struct names the same string: it follows
   what the string is set to, and ends with its one free. What was freed, was never set or is no
   string is an error, as mlx/c/array.h says.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle, a pointer or a value return an empty handle, NULL or 0 instead.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mlx_string_ {
  void *ctx; /* NULL: empty */
} mlx_string;

/* A new empty handle. */
mlx_string mlx_string_new(void);

/* A copy of `str`; NULL is an error. */
mlx_string mlx_string_new_data(const char *str);

/* Makes *str a copy of src. */
int mlx_string_set(mlx_string *str, const mlx_string src);

/* The text, valid until the string is changed or freed; NULL for an empty handle. */
const char *mlx_string_data(mlx_string str);

/* Releases the string. */
int mlx_string_free(mlx_string str);

#ifdef __cplusplus
}
#endif

#endif
