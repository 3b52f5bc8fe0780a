/* A question becomes a row as the paragraphs did; one product gives all scores. topk gives the best
   scores, without saying whose they are; argsort of the negated scores says that, and as the sort
   is stable, equal scores stay in the order of the corpus. */
#include "query.h"

#include <stdlib.h>

#include "letters.h"

static int weigh_question(mlx_array *row, const struct index *index, const char *letters, int count,
                          mlx_stream s) {
  const int shape[] = {count};
  mlx_array text = mlx_array_new_data(letters, shape, 1, MLX_UINT8);
  mlx_array rows = mlx_array_new();
  const int rc = mlx_zeros(&rows, shape, 1, MLX_INT32, s) ||
                 index_weigh_letters(row, text, rows, 1, index->rarity, s) ||
                 mlx_flatten(row, *row, 0, -1, s);
  mlx_array_free(rows);
  mlx_array_free(text);
  return rc;
}

/* best: float32 [top], ascending. order: uint32 [top], the rows, the best first. */
static int rank(mlx_array *best, mlx_array *order, mlx_array scores, int top, mlx_stream s) {
  const int start = 0;
  const int stride = 1;
  return mlx_topk(best, scores, top, s) || mlx_sort(best, *best, s) ||
         mlx_negative(order, scores, s) || mlx_argsort(order, *order, s) ||
         mlx_slice(order, *order, &start, 1, &top, 1, &stride, 1, s);
}

static int eval_ranked(mlx_array best, mlx_array order) {
  const mlx_array parts[] = {best, order};
  mlx_vector_array both = mlx_vector_array_new_data(parts, 2);
  const int rc = mlx_eval(both);
  mlx_vector_array_free(both);
  return rc;
}

static int read_ranked(struct answer *answer, mlx_array best, mlx_array order, int top) {
  const float *const scores = mlx_array_data_float32(best);
  const uint32_t *const rows = mlx_array_data_uint32(order);
  if (scores == NULL || rows == NULL) return 1;
  answer->count = 0;
  for (int i = 0; i < top && scores[top - 1 - i] > 0; i++) {
    answer->hits[answer->count++] = (struct hit){(int)rows[i], scores[top - 1 - i]};
  }
  return 0;
}

static int answer_letters(struct answer *answer, const struct index *index, const char *letters,
                          int count, int top, mlx_stream s) {
  mlx_array row = mlx_array_new();
  mlx_array scores = mlx_array_new();
  mlx_array best = mlx_array_new();
  mlx_array order = mlx_array_new();
  const int rc = weigh_question(&row, index, letters, count, s) ||
                 mlx_matmul(&scores, index->weights, row, s) ||
                 rank(&best, &order, scores, top, s) || eval_ranked(best, order) ||
                 read_ranked(answer, best, order, top);
  mlx_array_free(order);
  mlx_array_free(best);
  mlx_array_free(scores);
  mlx_array_free(row);
  return rc;
}

int query_answer(struct answer *answer, const struct index *index, const char *question,
                 size_t size, int top, mlx_stream stream) {
  answer->count = 0;
  char *const letters = malloc(size + 2);
  if (letters == NULL) return 1;
  const size_t count = letters_from(letters, question, size);
  const int rows = mlx_array_dim(index->weights, 0);
  int rc = 0;
  if (count > 0) {
    rc = answer_letters(answer, index, letters, (int)count, top < rows ? top : rows, stream);
  }
  free(letters);
  return rc;
}

bool answer_equal(const struct answer *a, const struct answer *b) {
  if (a->count != b->count) return false;
  for (int i = 0; i < a->count; i++) {
    if (a->hits[i].row != b->hits[i].row || a->hits[i].score != b->hits[i].score) return false;
  }
  return true;
}
