/* Texts as numbers, which is all that an embedder sees of them. */
#ifndef WR_EXAMPLES_SERVE_TOKENS_H
#define WR_EXAMPLES_SERVE_TOKENS_H

#include <stdint.h>

/* Several texts as tokens, one behind the other. */
struct token_batch {
  int32_t *ids; /* `total` of them */
  int *lengths; /* of each text */
  int count;    /* of texts */
  int total;    /* of tokens */
};

#endif
