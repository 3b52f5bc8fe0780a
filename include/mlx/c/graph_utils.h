#ifndef MLX_GRAPH_UTILS_H
#define MLX_GRAPH_UTILS_H

/* Graphs of lazy arrays as text, in MLX's form. Functions return 0, or 1 after an error. Any thread
   may call them; one at a time uses a namer.

   Arrays that have a value are inputs, and so is what another thread forces at this moment. The
   operations of all else are shown as they were recorded, before they are fused, and nothing is
   computed. While a transform (mlx/c/transforms.h) runs a function, what it has recorded so far is
   shown. */

#include <stdio.h>

#include "mlx/c/array.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Names of arrays: A to Z, AA, AB, ... as each is first asked for, or what is set. It holds the
   arrays that it has named. */
typedef struct mlx_node_namer_ {
  void *ctx;
} mlx_node_namer;

/* An empty handle when memory is refused. */
mlx_node_namer mlx_node_namer_new(void);
int mlx_node_namer_free(mlx_node_namer namer);
int mlx_node_namer_set_name(mlx_node_namer namer, const mlx_array arr, const char *name);
/* *name is the namer's, until the array gets another name or the namer is freed. */
int mlx_node_namer_get_name(const char **name, mlx_node_namer namer, const mlx_array arr);

/* Writes what leads to the outputs in the language of Graphviz: inputs, a rectangle for each
   operation, and an arrow for each array that goes into it or comes out. Names that the namer has
   are used; those that it has not are given for this text alone. */
int mlx_export_to_dot(FILE *os, const mlx_node_namer namer, const mlx_vector_array outputs);
/* The same in lines: inputs, outputs, then each operation with its inputs and results, as
   "Add A [(3), float32], B [(3), float32] -> C [(3), float32]". */
int mlx_print_graph(FILE *os, const mlx_node_namer namer, const mlx_vector_array outputs);

#ifdef __cplusplus
}
#endif

#endif
