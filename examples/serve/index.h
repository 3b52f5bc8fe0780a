/* The paragraphs of a corpus and their rows, and who is nearest to a row. Counted, so that a new
   index takes the old one's place while questions still read that. */
#ifndef WR_EXAMPLES_SERVE_INDEX_H
#define WR_EXAMPLES_SERVE_INDEX_H

#include <mlx/c/mlx.h>
#include <stdatomic.h>

#include "corpus.h"
#include "embedder.h"

enum { ANSWER_MOST = 20 };

/* Immutable but for the count: any thread, any stream. */
struct index {
  atomic_int references;
  struct corpus corpus;
  struct embedder *embedder; /* what made the rows; a reference */
  mlx_array rows;            /* float32 [paragraphs, embedder->width], evaluated */
};

struct hit {
  int row; /* of the index, and of its corpus's paragraphs */
  float score;
};

struct answer {
  struct hit hits[ANSWER_MOST]; /* the best first */
  int count;
};

/* How far the making of an index has come. */
struct index_progress {
  atomic_int done, total; /* paragraphs of this one; relaxed, for whoever shows them */
  atomic_ullong made;     /* paragraphs of all that were made with it; relaxed */
  atomic_bool stop;       /* the making ends when it is set; relaxed */
};

/* Makes an index of the first `most` paragraphs of the files and folders, on `s`. Takes over
   nothing: the index has a reference of its own to the embedder. NULL after an error, said on
   stderr, or when it was stopped. The caller releases it. */
struct index *index_build(struct embedder *embedder, const char *const *paths, int path_count,
                          int most, struct index_progress *progress, mlx_stream s);
struct index *index_keep(struct index *index);
void index_release(struct index *index); /* NULL is a no-op */

/* *scores becomes the cosines of all paragraphs with a row, of which `row` is one or [1, width],
   recorded on `s`. Returns 0, or 1 (weir_last_error). */
int index_scores(mlx_array *scores, const struct index *index, mlx_array row, mlx_stream s);

/* The best `top` of the scores of all paragraphs; of equal ones the earlier first. */
void index_best(struct answer *answer, const struct index *index, const float *scores, int top);

/* The `top` paragraphs nearest to a row of the embedder's width, by their cosines; of equal ones
   the earlier first. Returns 0, or 1 (weir_last_error). */
int index_search(struct answer *answer, const struct index *index, const float *row, int top,
                 mlx_stream s);

#endif
