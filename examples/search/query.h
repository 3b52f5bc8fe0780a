/* One question, answered. */
#ifndef WR_EXAMPLES_SEARCH_QUERY_H
#define WR_EXAMPLES_SEARCH_QUERY_H

#include <mlx/c/mlx.h>
#include <stdbool.h>
#include <stddef.h>

#include "index.h"

enum { ANSWER_MOST = 20 };

struct hit {
  int row; /* the paragraph's number */
  float score;
};

/* The best paragraphs, the best first; of equal ones the first in the corpus first. Those that have
   nothing in common with the question are left out. */
struct answer {
  struct hit hits[ANSWER_MOST];
  int count;
};

/* Answers from `index`, with at most `top` hits, on `stream`. A question without a letter or digit
   has an answer without hits. Returns 0, or 1: an array operation failed, which Weir has reported,
   or there was no memory. Any thread. */
int query_answer(struct answer *answer, const struct index *index, const char *question,
                 size_t size, int top, mlx_stream stream);

/* Equal to the last bit. */
bool answer_equal(const struct answer *a, const struct answer *b);

#endif
