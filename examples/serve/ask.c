/* POST /search: {"query": a text, "top": how many, 1 to 20, 5 unless given}. The answer has the
   nearest paragraphs, the best first: their cosine, file, first line and text. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

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

void api_search_end(const struct asked *asked, const float *scores, struct reply *reply) {
  struct answer answer;
  index_best(&answer, asked->index, scores, asked->top);
  write_answer(reply, &asked->index->corpus, &answer, gauge_seconds() - asked->begin);
}

static bool take_question(struct service *service, const struct question *question,
                          struct asked *asked, struct reply *reply) {
  asked->top = question->top;
  asked->index = service_index(service);
  if (asked->index == NULL) {
    api_fail(reply, 503, NULL, "indexing", "the first index is still being made");
    return false;
  }
  asked->embedder = embedder_keep(asked->index->embedder);
  if (api_texts_add(&asked->texts, asked->embedder, json_string_value(question->text),
                    json_string_length(question->text)) == 0) {
    return true;
  }
  api_fail(reply, 500, NULL, NULL, "out of memory");
  return false;
}

bool api_search_ask(struct service *service, const struct text *body, struct asked *asked,
                    struct reply *reply) {
  json_error_t error;
  struct question question;
  json_t *const json =
      json_loadb(body->bytes != NULL ? body->bytes : "", body->size, JSON_ALLOW_NUL, &error);
  bool right = json_is_object(json);
  if (!right) {
    api_fail(reply, 400, NULL, NULL, json == NULL ? error.text : "the body is no object");
  } else {
    right =
        read_question(&question, json, reply) && take_question(service, &question, asked, reply);
  }
  json_decref(json);
  return right;
}
