/* What stands in for the model where that is not there: a text is the counts of its trigrams,
   hashed into buckets. It finds words and parts of words, and knows nothing of meaning. */
#ifndef WR_EXAMPLES_SERVE_TRIGRAMS_H
#define WR_EXAMPLES_SERVE_TRIGRAMS_H

#include <mlx/c/mlx.h>
#include <stddef.h>

#include "tokens.h"

enum { TRIGRAMS_WIDTH = 2048, TRIGRAMS_MOST = 4096 };

/* Writes the bucket of each trigram, `most` at most. Letters are compared in ASCII's lower case,
   and what is no letter or digit is one gap. Returns how many, at least 1. Never fails. */
size_t trigrams_encode(int32_t *ids, size_t most, const char *text, size_t size);

/* *rows becomes float32 [batch->count, TRIGRAMS_WIDTH], rows of length 1, recorded on `s` and not
   evaluated; the batch may go. Returns 0, or 1 (weir_last_error). */
int trigrams_embed(mlx_array *rows, const struct token_batch *batch, mlx_stream s);

#endif
