/* POST /search: {"query": a text, "top": how many, 1 to 20, 5 unless given}. The answer has the
   nearest paragraphs, the best first: their cosine, file, first line and text. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

#include "api.h"
#include "gauge.h"

enum { TOP_UNLESS_GIVEN = 5 };

struct question {
  const json_t *text;
  int top;
};

static bool read_question(struct question *question, const json_t *json, struct reply *reply) {
  const json_t *const top = json_object_get(json, "top");
  question->text = json_object_get(json, "query");
  if (json_string_length(question->text) == 0) {
    api_fail(reply, 400, "query", NULL, "'query' must be a text that is not empty");
    return false;
  }
  if (top != NULL && (json_integer_value(top) < 1 || json_integer_value(top) > ANSWER_MOST)) {
    api_fail(reply, 400, "top", NULL, "'top' is a whole number from 1 to 20");
    return false;
  }
  question->top = top != NULL ? (int)json_integer_value(top) : TOP_UNLESS_GIVEN;
  return true;
}

static void write_hit(struct text *body, const struct corpus *corpus, struct hit hit) {
  const struct paragraph *const paragraph = &corpus->paragraphs[hit.row];
  const struct corpus_file *const file = &corpus->files[paragraph->file];
  text_print(body, "{\"score\":%.6f,\"line\":%d,\"file\":", (double)hit.score, paragraph->line);
  text_add_json(body, file->path, strlen(file->path));
  text_puts(body, ",\"text\":");
  text_add_json(body, file->text + paragraph->begin, paragraph->size);
  text_puts(body, "}");
}

static void write_answer(struct reply *reply, const struct corpus *corpus,
                         const struct answer *answer, double seconds) {
  struct text *const body = &reply->body;
  reply->type = "application/json";
  text_puts(body, "{\"hits\":[");
  for (int i = 0; i < answer->count; i++) {
    if (i > 0) text_puts(body, ",");
    write_hit(body, corpus, answer->hits[i]);
  }
  text_print(body, "],\"milliseconds\":%.2f}\n", 1e3 * seconds);
}

/* Returns 0, or 1 with the reason in `error`. */
static int find(struct service *service, const struct index *index, const struct question *question,
                struct answer *answer, char *error) {
  const mlx_stream mine = {0}; /* this thread's default */
  struct api_texts texts = {.ids_room = 0};
  float *const row = malloc(sizeof(*row) * (size_t)index->embedder->width);
  int rc = row == NULL || api_texts_add(&texts, index->embedder, json_string_value(question->text),
                                        json_string_length(question->text)) != 0;
  if (rc != 0) {
    snprintf(error, BATCHER_ERROR_BYTES, "out of memory");
  } else {
    rc = batcher_embed(&service->batcher, index->embedder, &texts.tokens, row, error);
  }
  if (rc == 0 && index_search(answer, index, row, question->top, mine) != 0) {
    snprintf(error, BATCHER_ERROR_BYTES, "%s", weir_last_error());
    rc = 1;
  }
  api_texts_free(&texts);
  free(row);
  return rc;
}

static void answer_question(struct service *service, const struct question *question,
                            struct reply *reply) {
  struct answer answer;
  char error[BATCHER_ERROR_BYTES];
  const double begin = gauge_seconds();
  struct index *const index = service_index(service);
  if (index == NULL) {
    api_fail(reply, 503, NULL, "indexing", "the first index is still being made");
  } else if (find(service, index, question, &answer, error) != 0) {
    api_fail(reply, 500, NULL, NULL, error);
  } else {
    write_answer(reply, &index->corpus, &answer, gauge_seconds() - begin);
  }
  index_release(index);
}

void api_search(struct service *service, const struct text *body, struct reply *reply) {
  json_error_t error;
  struct question question;
  json_t *const json =
      json_loadb(body->bytes != NULL ? body->bytes : "", body->size, JSON_ALLOW_NUL, &error);
  if (!json_is_object(json)) {
    api_fail(reply, 400, NULL, NULL, json == NULL ? error.text : "the body is no object");
  } else if (read_question(&question, json, reply)) {
    answer_question(service, &question, reply);
  }
  json_decref(json);
}
