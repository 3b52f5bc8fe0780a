#ifndef MLX_EXPORT_H
#define MLX_EXPORT_H

/* Functions in files (.mlxfn), in MLX's form: files of 0.31 and 0.32 are read, and files are
   written as by 0.32.4. They hold what a function recorded for certain inputs, as operations and
   the constants that it captured. Functions return 0, or 1 after an error. Any thread may call
   them; one at a time uses an exporter.

   A function is called once for each trace, on arrays that have no value: what it does may depend
   on their shapes and dtypes alone, and forcing one is an error. Arrays that it captures are
   computed and stored. What MLX cannot store is stored as what it is made of, where that can be;
   else it is an error that names it, as of loads and collectives. docs/export.md has the list.

   Files are read as what a stranger may have made: whatever is wrong with one is an error in words,
   when it is read or when the function is called. A kernel of the caller's in a file is code all
   the same, which runs on the GPU where the function is evaluated. */

#include <stdbool.h>

#include "mlx/c/closure.h"
#include "mlx/c/map.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the file anew, with one trace for inputs like args. Calls then match on shapes and dtypes,
   and of a shapeless one on numbers of dimensions and dtypes; what the function made of an extent
   stays as it was all the same. */
int mlx_export_function(const char *file, const mlx_closure fun, const mlx_vector_array args,
                        bool shapeless);
/* The same for a function with named arguments, which follow the others, sorted by name. */
int mlx_export_function_kwargs(const char *file, const mlx_closure_kwargs fun,
                               const mlx_vector_array args, const mlx_map_string_to_array kwargs,
                               bool shapeless);

/* A file of several traces. It is made anew, with no trace; each call adds one, after which the
   file is whole. Inputs like those of a trace that is there are an error, and so is what fails on
   the way: the file is then what it was. The function sees no named arguments. */
typedef struct mlx_function_exporter_ {
  void *ctx;
} mlx_function_exporter;

mlx_function_exporter mlx_function_exporter_new(const char *file, const mlx_closure fun,
                                                bool shapeless);
int mlx_function_exporter_free(mlx_function_exporter xfunc);
int mlx_function_exporter_apply(const mlx_function_exporter xfunc, const mlx_vector_array args);
int mlx_function_exporter_apply_kwargs(const mlx_function_exporter xfunc,
                                       const mlx_vector_array args,
                                       const mlx_map_string_to_array kwargs);

/* The functions of a file. Constants are read when they are first needed, so the file stays until
   then. Any number of threads may call one at once. */
typedef struct mlx_imported_function_ {
  void *ctx;
} mlx_imported_function;

mlx_imported_function mlx_imported_function_new(const char *file);
int mlx_imported_function_free(mlx_imported_function xfunc);
/* Records the first trace that fits the arguments, on the calling thread's default streams; of a
   device of which the file has several, the others are streams of the function's. The results are
   lazy. Named arguments of which a trace has no name are, in order of name, its positional inputs
   behind those that are given. Where none fits, the error lists what there is. */
int mlx_imported_function_apply(mlx_vector_array *res, const mlx_imported_function xfunc,
                                const mlx_vector_array args);
int mlx_imported_function_apply_kwargs(mlx_vector_array *res, const mlx_imported_function xfunc,
                                       const mlx_vector_array args,
                                       const mlx_map_string_to_array kwargs);

#ifdef __cplusplus
}
#endif

#endif
