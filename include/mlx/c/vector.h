#ifndef MLX_VECTOR_H
#define MLX_VECTOR_H

/* Vectors: growable lists of arrays, of such lists, of integers and of strings. They own copies
   of what is put in (for arrays: counted references), and give out copies. A copy of the struct
   names the same vector: it follows what the vector is set to, and ends with its one free. What was
   freed, was never set or is no vector of that kind is an error, as mlx/c/array.h says. Threads may
   read one vector at once; while one changes it, no other may use it.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle, a pointer or a value return an empty handle, NULL or 0 instead.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include <stddef.h>

#include "mlx/c/array.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mlx_vector_array_ {
  void *ctx; /* NULL: empty */
} mlx_vector_array;

typedef struct mlx_vector_vector_array_ {
  void *ctx; /* NULL: empty */
} mlx_vector_vector_array;

typedef struct mlx_vector_int_ {
  void *ctx; /* NULL: empty */
} mlx_vector_int;

typedef struct mlx_vector_string_ {
  void *ctx; /* NULL: empty */
} mlx_vector_string;

/* Vectors of arrays. */

/* A new empty vector. */
mlx_vector_array mlx_vector_array_new(void);

/* Makes *vec a copy of src. */
int mlx_vector_array_set(mlx_vector_array *vec, const mlx_vector_array src);

/* Releases the vector and what it owns. */
int mlx_vector_array_free(mlx_vector_array vec);

/* A vector of `size` items, of one item. */
mlx_vector_array mlx_vector_array_new_data(const mlx_array *data, size_t size);
mlx_vector_array mlx_vector_array_new_value(const mlx_array val);

/* Replaces the items. */
int mlx_vector_array_set_data(mlx_vector_array *vec, const mlx_array *data, size_t size);
int mlx_vector_array_set_value(mlx_vector_array *vec, const mlx_array val);

/* Adds at the end. */
int mlx_vector_array_append_data(mlx_vector_array vec, const mlx_array *data, size_t size);
int mlx_vector_array_append_value(mlx_vector_array vec, const mlx_array val);

/* Number of items. */
size_t mlx_vector_array_size(mlx_vector_array vec);

/* Copies item idx into *res; past the end is an error. */
int mlx_vector_array_get(mlx_array *res, const mlx_vector_array vec, size_t idx);

/* Vectors of vectors of arrays. */

/* A new empty vector. */
mlx_vector_vector_array mlx_vector_vector_array_new(void);

/* Makes *vec a copy of src. */
int mlx_vector_vector_array_set(mlx_vector_vector_array *vec, const mlx_vector_vector_array src);

/* Releases the vector and what it owns. */
int mlx_vector_vector_array_free(mlx_vector_vector_array vec);

/* A vector of `size` items, of one item. */
mlx_vector_vector_array mlx_vector_vector_array_new_data(const mlx_vector_array *data, size_t size);
mlx_vector_vector_array mlx_vector_vector_array_new_value(const mlx_vector_array val);

/* Replaces the items. */
int mlx_vector_vector_array_set_data(mlx_vector_vector_array *vec, const mlx_vector_array *data,
                                     size_t size);
int mlx_vector_vector_array_set_value(mlx_vector_vector_array *vec, const mlx_vector_array val);

/* Adds at the end. */
int mlx_vector_vector_array_append_data(mlx_vector_vector_array vec, const mlx_vector_array *data,
                                        size_t size);
int mlx_vector_vector_array_append_value(mlx_vector_vector_array vec, const mlx_vector_array val);

/* Number of items. */
size_t mlx_vector_vector_array_size(mlx_vector_vector_array vec);

/* Copies item idx into *res; past the end is an error. */
int mlx_vector_vector_array_get(mlx_vector_array *res, const mlx_vector_vector_array vec,
                                size_t idx);

/* Vectors of integers. */

/* A new empty vector. */
mlx_vector_int mlx_vector_int_new(void);

/* Makes *vec a copy of src. */
int mlx_vector_int_set(mlx_vector_int *vec, const mlx_vector_int src);

/* Releases the vector and what it owns. */
int mlx_vector_int_free(mlx_vector_int vec);

/* A vector of `size` items, of one item. */
mlx_vector_int mlx_vector_int_new_data(int *data, size_t size);
mlx_vector_int mlx_vector_int_new_value(int val);

/* Replaces the items. */
int mlx_vector_int_set_data(mlx_vector_int *vec, int *data, size_t size);
int mlx_vector_int_set_value(mlx_vector_int *vec, int val);

/* Adds at the end. */
int mlx_vector_int_append_data(mlx_vector_int vec, int *data, size_t size);
int mlx_vector_int_append_value(mlx_vector_int vec, int val);

/* Number of items. */
size_t mlx_vector_int_size(mlx_vector_int vec);

/* Copies item idx into *res; past the end is an error. */
int mlx_vector_int_get(int *res, const mlx_vector_int vec, size_t idx);

/* Vectors of strings. */

/* A new empty vector. */
mlx_vector_string mlx_vector_string_new(void);

/* Makes *vec a copy of src. */
int mlx_vector_string_set(mlx_vector_string *vec, const mlx_vector_string src);

/* Releases the vector and what it owns. */
int mlx_vector_string_free(mlx_vector_string vec);

/* A vector of `size` items, of one item. */
mlx_vector_string mlx_vector_string_new_data(const char **data, size_t size);
mlx_vector_string mlx_vector_string_new_value(const char *val);

/* Replaces the items. */
int mlx_vector_string_set_data(mlx_vector_string *vec, const char **data, size_t size);
int mlx_vector_string_set_value(mlx_vector_string *vec, const char *val);

/* Adds at the end. */
int mlx_vector_string_append_data(mlx_vector_string vec, const char **data, size_t size);
int mlx_vector_string_append_value(mlx_vector_string vec, const char *val);

/* Number of items. */
size_t mlx_vector_string_size(mlx_vector_string vec);

/* Copies item idx into *res; past the end is an error. The text belongs to the vector and lives
   as long as the item. */
int mlx_vector_string_get(char **res, const mlx_vector_string vec, size_t idx);

#ifdef __cplusplus
}
#endif

#endif
