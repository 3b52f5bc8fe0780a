/* The curve of losses as a picture. */
#ifndef WR_EXAMPLES_TRAIN_CURVE_H
#define WR_EXAMPLES_TRAIN_CURVE_H

#include <stddef.h>

/* Writes an SVG file: the losses by step, and their running mean. 1 after an error, which stderr
   has. count is at least 1. */
int curve_write(const char *path, const float *losses, size_t count, const char *title);

#endif
