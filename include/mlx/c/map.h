#ifndef MLX_MAP_H
#define MLX_MAP_H

/* Maps from text to arrays and to text. They own copies of their keys and of what is put in (for
   arrays: counted references). A copy of the struct names the same map: it follows what the map is
   set to, and ends with its one free. What was freed, was never set or is no map of that kind is an
   error, as mlx/c/array.h says, and so is an iterator of such a map. Iterators go through the keys
   in the order in which they were first inserted; a value that is replaced keeps its place. Threads
   may read one map at once; while one changes it, no other may use it.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle return an empty handle instead. get and next return 2, without an
   error, when there is nothing to give. Any function may be called from any thread with any
   handle; only changing one handle variable while another thread uses that same variable needs a
   lock of the caller's. */

#include "mlx/c/array.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mlx_map_string_to_array_ {
  void *ctx; /* NULL: empty */
} mlx_map_string_to_array;

typedef struct mlx_map_string_to_array_iterator_ {
  void *ctx; /* NULL: empty */
  void *map_ctx;
} mlx_map_string_to_array_iterator;

typedef struct mlx_map_string_to_string_ {
  void *ctx; /* NULL: empty */
} mlx_map_string_to_string;

typedef struct mlx_map_string_to_string_iterator_ {
  void *ctx; /* NULL: empty */
  void *map_ctx;
} mlx_map_string_to_string_iterator;

/* Maps from text to arrays. */

/* A new map without entries. */
mlx_map_string_to_array mlx_map_string_to_array_new(void);

/* Makes *map a copy of src. */
int mlx_map_string_to_array_set(mlx_map_string_to_array *map, const mlx_map_string_to_array src);

/* Releases the map and what it owns. */
int mlx_map_string_to_array_free(mlx_map_string_to_array map);

/* Puts the array under the key, in the place of what was there. */
int mlx_map_string_to_array_insert(mlx_map_string_to_array map, const char *key,
                                   const mlx_array value);

/* Makes *value another reference to the array under the key. 2, and *value is left alone, when
   there is none. */
int mlx_map_string_to_array_get(mlx_array *value, const mlx_map_string_to_array map,
                                const char *key);

/* A new iterator before the first entry. It refers to the map, which has to be there while it is
   used, and sees what is inserted meanwhile. */
mlx_map_string_to_array_iterator mlx_map_string_to_array_iterator_new(mlx_map_string_to_array map);

/* Releases the iterator, not the map. */
int mlx_map_string_to_array_iterator_free(mlx_map_string_to_array_iterator it);

/* Writes the next key, which belongs to the map and lives as long, and makes *value another
   reference to its array. 2, and both are left alone, at the end. */
int mlx_map_string_to_array_iterator_next(const char **key, mlx_array *value,
                                          mlx_map_string_to_array_iterator it);

/* Maps from text to text. */

/* A new map without entries. */
mlx_map_string_to_string mlx_map_string_to_string_new(void);

/* Makes *map a copy of src. */
int mlx_map_string_to_string_set(mlx_map_string_to_string *map, const mlx_map_string_to_string src);

/* Releases the map and what it owns. */
int mlx_map_string_to_string_free(mlx_map_string_to_string map);

/* Puts a copy of the text under the key, in the place of what was there. */
int mlx_map_string_to_string_insert(mlx_map_string_to_string map, const char *key,
                                    const char *value);

/* Writes the text under the key, which belongs to the map and lives until it is replaced. 2, and
 *value is left alone, when there is none. */
int mlx_map_string_to_string_get(const char **value, const mlx_map_string_to_string map,
                                 const char *key);

/* A new iterator before the first entry. It refers to the map, which has to be there while it is
   used, and sees what is inserted meanwhile. */
mlx_map_string_to_string_iterator mlx_map_string_to_string_iterator_new(
    mlx_map_string_to_string map);

/* Releases the iterator, not the map. */
int mlx_map_string_to_string_iterator_free(mlx_map_string_to_string_iterator it);

/* Writes the next key and its text, which belong to the map: the key lives as long as it, the text
   until it is replaced. 2, and both are left alone, at the end. */
int mlx_map_string_to_string_iterator_next(const char **key, const char **value,
                                           mlx_map_string_to_string_iterator it);

#ifdef __cplusplus
}
#endif

#endif
