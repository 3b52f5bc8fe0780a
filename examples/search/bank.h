/* The questions of the demonstration: words out of the corpus itself, with the answers that one
   thread alone gave to them. */
#ifndef WR_EXAMPLES_SEARCH_BANK_H
#define WR_EXAMPLES_SEARCH_BANK_H

#include <stddef.h>

#include "corpus.h"
#include "index.h"
#include "query.h"

enum { BANK_MOST = 512 };

struct question {
  const char *text; /* inside the corpus, not terminated */
  size_t size;
  int row; /* the paragraph that it was taken from */
  struct answer answer;
};

/* Immutable once made. */
struct bank {
  struct question questions[BANK_MOST];
  int count;
};

/* Takes questions evenly from the corpus. */
void bank_fill(struct bank *bank, const struct corpus *corpus);

/* Answers all of them in turn, on the calling thread. Returns 0, or 1 when one failed. */
int bank_answer(struct bank *bank, const struct index *index, int top, mlx_stream stream);

/* How many have the paragraph that they were taken from among their hits. */
int bank_found(const struct bank *bank);

#endif
