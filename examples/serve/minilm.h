/* Sentence embeddings by all-MiniLM-L6-v2: a BERT of six layers, twelve heads and rows of 384,
   whose outputs are averaged over a text's tokens and divided by their length.
   Wang et al.: MiniLM, 2020; Reimers, Gurevych: Sentence-BERT, 2019. */
#ifndef WR_EXAMPLES_SERVE_MINILM_H
#define WR_EXAMPLES_SERVE_MINILM_H

#include <mlx/c/mlx.h>

#include "tokens.h"
#include "wordpiece.h"

enum { MINILM_WIDTH = 384, MINILM_LAYERS = 6, MINILM_HEADS = 12, MINILM_TOKENS_MOST = 256 };

/* Weights lie as products take them: (inputs, outputs), row by row. */
struct minilm_linear {
  mlx_array weight, bias;
};

struct minilm_norm {
  mlx_array weight, bias;
};

struct minilm_layer {
  struct minilm_linear qkv; /* queries, keys and values side by side */
  struct minilm_linear out;
  struct minilm_norm attention_norm;
  struct minilm_linear up, down;
  struct minilm_norm norm;
};

/* Filled by minilm_load, then only read: any thread may use it without a lock, on any stream. */
struct minilm {
  struct wordpiece pieces;
  mlx_array words;     /* [vocabulary, 384] */
  mlx_array positions; /* [512, 384]; the first token type's row is added */
  struct minilm_norm norm;
  struct minilm_layer layers[MINILM_LAYERS];
};

/* Reads model.safetensors and vocab.txt of a folder, and evaluates the weights on `s`. Returns 0,
   or 1 with the reason on stderr and nothing kept. */
int minilm_load(struct minilm *model, const char *folder, mlx_stream s);
void minilm_free(struct minilm *model);

/* *rows becomes float32 [batch->count, 384], recorded on `s` and not evaluated; the batch may go.
   Returns 0, or 1 (weir_last_error). */
int minilm_embed(mlx_array *rows, const struct minilm *model, const struct token_batch *batch,
                 mlx_stream s);

#endif
