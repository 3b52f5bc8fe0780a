/* What makes rows of texts: the model, or trigrams where there is no model. Counted, so that a new
   one takes its place while requests still use the old one. */
#ifndef WR_EXAMPLES_SERVE_EMBEDDER_H
#define WR_EXAMPLES_SERVE_EMBEDDER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "minilm.h"
#include "tokens.h"
#include "trigrams.h"

enum { EMBEDDER_TOKENS_MOST = TRIGRAMS_MOST };

/* Immutable but for the count: any thread, any stream. */
struct embedder {
  atomic_int references;
  const char *name; /* as clients call it */
  int width;        /* of a row */
  bool has_model;
  struct minilm minilm; /* where there is a model */
};

/* A new embedder, of the model in `folder` if it is there, evaluated on `s`; without one, trigrams
   when `need_model` is not set, which is said on stderr. NULL after an error, also said. The caller
   releases it. */
struct embedder *embedder_load(const char *folder, bool need_model, mlx_stream s);
struct embedder *embedder_keep(struct embedder *embedder);
void embedder_release(struct embedder *embedder); /* NULL is a no-op */

/* Writes a text's tokens to `ids`, which has room for EMBEDDER_TOKENS_MOST; what is beyond the
   model's length is left out. Returns how many, at least 1. Never fails. */
int embedder_encode(const struct embedder *embedder, int32_t *ids, const char *text, size_t size);

/* More bytes than the results of embedder_rows take at a time, while rows of these texts are made
   in batches of `most` texts or fewer. */
size_t embedder_bytes_bound(const struct token_batch *texts, int most);

/* *rows becomes float32 [batch->count, width], rows of length 1, recorded on `s`; the batch may go.
   Returns 0, or 1 (weir_last_error). */
int embedder_rows(mlx_array *rows, const struct embedder *embedder, const struct token_batch *batch,
                  mlx_stream s);

#endif
