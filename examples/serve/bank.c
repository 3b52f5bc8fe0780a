/* A question is some words from the middle of a paragraph, short as questions are. */
#include "bank.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

#include "complain.h"

enum { QUESTION_BYTES = 36 };

static const double tolerance = 2e-5;

static const char *text_of(const struct index *index, int row, size_t *size) {
  const struct paragraph *const paragraph = &index->corpus.paragraphs[row];
  const char *text = index->corpus.files[paragraph->file].text + paragraph->begin;
  *size = paragraph->size;
  if (*size > QUESTION_BYTES) {
    const char *const middle = text + (*size - QUESTION_BYTES) / 2;
    const char *const space = memchr(middle, ' ', QUESTION_BYTES / 2);
    text = space != NULL ? space + 1 : middle; /* begins with a whole word where there is one */
    *size = QUESTION_BYTES - (size_t)(text - middle);
  }
  return text;
}

static int embed_alone(mlx_array *row, const struct embedder *embedder, const char *text,
                       size_t size, mlx_stream s) {
  int32_t ids[EMBEDDER_TOKENS_MOST];
  int length = embedder_encode(embedder, ids, text, size);
  const struct token_batch batch = {ids, &length, 1, length};
  return embedder_rows(row, embedder, &batch, s) || mlx_array_eval(*row);
}

static int score_all(struct question *question, const struct index *index, const float *row,
                     mlx_stream s) {
  const int width = index->embedder->width;
  const size_t size = index->corpus.paragraph_count * sizeof(*question->scores);
  mlx_array turned = mlx_array_new_data(row, &width, 1, MLX_FLOAT32);
  mlx_array scores = mlx_array_new();
  int rc = mlx_matmul(&scores, index->rows, turned, s) || mlx_array_eval(scores);
  question->scores = malloc(size);
  rc = rc || question->scores == NULL;
  if (rc == 0) memcpy(question->scores, mlx_array_data_float32(scores), size);
  mlx_array_free(scores);
  mlx_array_free(turned);
  return rc;
}

/* Asks for what the server will read: JSON has no bytes that are not UTF-8, which a file may have.
 */
static int embed_query(mlx_array *row, const struct question *question,
                       const struct embedder *embedder, mlx_stream s) {
  json_t *const body = json_loadb(question->body.bytes, question->body.size, JSON_ALLOW_NUL, NULL);
  const json_t *const query = json_object_get(body, "query");
  const int rc = query == NULL ||
                 embed_alone(row, embedder, json_string_value(query), json_string_length(query), s);
  json_decref(body);
  return rc;
}

static int fill_one(struct question *question, const struct index *index, int row, mlx_stream s) {
  size_t size = 0;
  const char *const text = text_of(index, row, &size);
  mlx_array alone = mlx_array_new();
  text_puts(&question->body, "{\"query\":");
  text_add_json(&question->body, text, size);
  text_print(&question->body, ",\"top\":%d}", BANK_TOP);
  int rc = question->body.failed || embed_query(&alone, question, index->embedder, s);
  if (rc == 0) {
    const float *const data = mlx_array_data_float32(alone);
    rc = score_all(question, index, data, s) ||
         index_search(&question->answer, index, data, BANK_TOP, s);
  }
  mlx_array_free(alone);
  return rc;
}

static int fill(struct bank *bank, const struct index *index, mlx_stream s) {
  const int rows = (int)index->corpus.paragraph_count;
  const int count = rows < BANK_MOST ? rows : BANK_MOST;
  bank->questions = calloc((size_t)count, sizeof(*bank->questions));
  int rc = bank->questions == NULL;
  for (int i = 0; rc == 0 && i < count; i++) {
    rc = fill_one(&bank->questions[bank->count++], index, (int)((long)i * rows / count), s);
  }
  if (rc != 0) complain("the questions had no answer: %s", weir_last_error());
  return rc;
}

int bank_fill(struct bank *bank, const struct index *index, const char *const *paths,
              int path_count, mlx_stream s) {
  *bank = (struct bank){.count = 0};
  const int rc =
      corpus_read_all(&bank->corpus, paths, path_count, (int)index->corpus.paragraph_count) ||
      fill(bank, index, s);
  if (rc != 0) bank_free(bank);
  return rc;
}

void bank_free(struct bank *bank) {
  for (int i = 0; i < bank->count; i++) {
    text_free(&bank->questions[i].body);
    free(bank->questions[i].scores);
  }
  free(bank->questions);
  corpus_free(&bank->corpus);
  *bank = (struct bank){.count = 0};
}

/* The row of a paragraph, or -1. */
static int row_of(const struct corpus *corpus, const json_t *hit) {
  const char *const path = json_string_value(json_object_get(hit, "file"));
  const json_int_t line = json_integer_value(json_object_get(hit, "line"));
  for (size_t i = 0; path != NULL && i < corpus->paragraph_count; i++) {
    const struct paragraph *const paragraph = &corpus->paragraphs[i];
    if (paragraph->line == line && strcmp(corpus->files[paragraph->file].path, path) == 0) {
      return (int)i;
    }
  }
  return -1;
}

static bool same_hit(const struct bank *bank, const struct question *question, int place,
                     const json_t *hit) {
  const double score = json_real_value(json_object_get(hit, "score"));
  const int row = row_of(&bank->corpus, hit);
  return row >= 0 && fabs(score - (double)question->scores[row]) <= tolerance &&
         fabs(score - (double)question->answer.hits[place].score) <= tolerance;
}

bool bank_same(const struct bank *bank, int number, const struct text *answer) {
  const struct question *const question = &bank->questions[number];
  json_t *const json = json_loadb(answer->bytes, answer->size, JSON_ALLOW_NUL, NULL);
  const json_t *const hits = json_object_get(json, "hits");
  bool same = (int)json_array_size(hits) == question->answer.count;
  for (int i = 0; same && i < question->answer.count; i++) {
    same = same_hit(bank, question, i, json_array_get(hits, (size_t)i));
  }
  json_decref(json);
  return same;
}
