/* The text that the model learns. */
#ifndef WR_EXAMPLES_TRAIN_TEXT_H
#define WR_EXAMPLES_TRAIN_TEXT_H

#include <mlx/c/mlx.h>

/* The file's characters, int32 [length], '?' for what is not ASCII. A file that cannot be read, or
   is too short for one context and what follows it, is an error that stderr explains. */
int text_read(mlx_array *text, const char *path);

/* Draws `batch` places, and gives the contexts that begin there and those one character further,
   int32 [batch, context]. */
int text_draw(mlx_array *now, mlx_array *next, mlx_array text, int batch, mlx_stream s);

#endif
