/* The index: for each paragraph a row of weighted, hashed character trigrams of length one, all
   made by array operations. The product of the index and a question's row gives the cosine of the
   angle between the question and each paragraph. */
#ifndef WR_EXAMPLES_SEARCH_INDEX_H
#define WR_EXAMPLES_SEARCH_INDEX_H

#include <mlx/c/mlx.h>

#include "corpus.h"

/* A prime, so that each of a trigram's three letters decides where it goes (index.c). */
enum { INDEX_BUCKETS = 2039 };

/* What the index is made from: the corpus as arrays. Immutable once made, so that any thread may
   build from it. */
struct index_source {
  mlx_array letters; /* uint8 [letters] */
  mlx_array rows;    /* int32 [letters], the paragraph of each letter */
  int row_count;
};

/* Evaluated and immutable once built; shared by copying the handles. */
struct index {
  mlx_array weights; /* float32 [paragraphs, INDEX_BUCKETS], each row of length one */
  mlx_array rarity;  /* float32 [1, INDEX_BUCKETS], the inverse document frequency */
};

/* All functions return 0, or 1 when an array operation failed, which Weir has then reported.
   Results replace what the caller initialised with the matching `_empty`, and are freed by it. */

struct index_source index_source_empty(void);
int index_source_make(struct index_source *source, const struct corpus *corpus);
void index_source_free(struct index_source *source);

struct index index_empty(void);
int index_build(struct index *index, const struct index_source *source, mlx_stream stream);
int index_copy(struct index *index, const struct index *from);
void index_free(struct index *index);

/* Makes `res` the row, or rows, of weighted trigrams of some letters, by the rarities of an index.
   Recorded, not evaluated. */
int index_weigh_letters(mlx_array *res, mlx_array letters, mlx_array rows, int row_count,
                        mlx_array rarity, mlx_stream stream);

#endif
