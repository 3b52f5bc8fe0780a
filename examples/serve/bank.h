/* Questions with the answers that one thread gives to them, which every other answer is held
   against. */
#ifndef WR_EXAMPLES_SERVE_BANK_H
#define WR_EXAMPLES_SERVE_BANK_H

#include <stdbool.h>

#include "index.h"
#include "text.h"

enum { BANK_MOST = 256, BANK_TOP = 5 };

struct question {
  struct text body;     /* of the request */
  float *scores;        /* of every paragraph */
  struct answer answer; /* the best of them */
};

/* Filled once, then only read: any thread. */
struct bank {
  struct corpus corpus; /* read anew, so that the index may go when another takes its place */
  struct question *questions;
  int count;
};

/* Takes up to BANK_MOST questions from the paragraphs of the index, which was made of `paths`, and
   answers them, one by one, on `s`. Returns 0, or 1 with the reason on stderr and nothing kept. */
int bank_fill(struct bank *bank, const struct index *index, const char *const *paths,
              int path_count, mlx_stream s);

/* Whether an answer of the server's to question `number` is the same: as many paragraphs, with the
   scores that they have when they are computed alone, and those the best there are. Texts that are
   computed together, and padded, differ in the last bits: two scores count as equal up to 2e-5. */
bool bank_same(const struct bank *bank, int number, const struct text *answer);

void bank_free(struct bank *bank);

#endif
