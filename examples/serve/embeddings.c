/* POST /v1/embeddings, as OpenAI's API has it: {"input": a text or a list of texts, "model": ..,
   "encoding_format": "float" or "base64", "dimensions": the model's or absent}. Texts beyond the
   model's 256 tokens are cut there, as sentence-transformers does. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

enum { INPUTS_MOST = 2048 };

struct order {
  json_t *json; /* a reference */
  struct embedder *embedder;
  struct api_texts texts;
  bool base64;
};

/* Whether the client asks for what there is; else the reply says what is wrong. */
static bool check_model(const struct order *order, struct reply *reply) {
  const json_t *const model = json_object_get(order->json, "model");
  const char *name = json_string_value(model);
  if (name == NULL) {
    api_fail(reply, 400, "model", NULL, "'model' must be a string");
    return false;
  }
  static const char family[] = "sentence-transformers/";
  if (strncmp(name, family, strlen(family)) == 0) name += strlen(family);
  if (strcmp(name, order->embedder->name) == 0) return true;
  struct text message = {0};
  text_print(&message, "the model here is '%s'%c", order->embedder->name, '\0');
  api_fail(reply, 404, "model", "model_not_found", message.failed ? "no model" : message.bytes);
  text_free(&message);
  return false;
}

static bool check_form(struct order *order, struct reply *reply) {
  const json_t *const form = json_object_get(order->json, "encoding_format");
  const char *const name = json_string_value(form);
  order->base64 = name != NULL && strcmp(name, "base64") == 0;
  if (form != NULL && !order->base64 && (name == NULL || strcmp(name, "float") != 0)) {
    api_fail(reply, 400, "encoding_format", NULL, "'encoding_format' is 'float' or 'base64'");
    return false;
  }
  const json_t *const dimensions = json_object_get(order->json, "dimensions");
  if (dimensions != NULL && !json_is_null(dimensions) &&
      json_integer_value(dimensions) != order->embedder->width) {
    api_fail(reply, 400, "dimensions", NULL, "this model's rows are not cut to other 'dimensions'");
    return false;
  }
  return true;
}

static bool take_text(struct order *order, const json_t *text, struct reply *reply) {
  if (!json_is_string(text)) {
    api_fail(reply, 400, "input", NULL, "'input' must be a text or a list of texts");
    return false;
  }
  if (json_string_length(text) == 0) {
    api_fail(reply, 400, "input", NULL, "'input' must not have an empty text");
    return false;
  }
  if (api_texts_add(&order->texts, order->embedder, json_string_value(text),
                    json_string_length(text)) != 0) {
    api_fail(reply, 500, NULL, NULL, "out of memory");
    return false;
  }
  return true;
}

static bool take_input(struct order *order, struct reply *reply) {
  const json_t *const input = json_object_get(order->json, "input");
  if (!json_is_array(input)) return take_text(order, input, reply);
  const size_t count = json_array_size(input);
  if (count == 0 || count > INPUTS_MOST) {
    api_fail(reply, 400, "input", NULL, "'input' must have from 1 to 2048 texts");
    return false;
  }
  for (size_t i = 0; i < count; i++) {
    if (!take_text(order, json_array_get(input, i), reply)) return false;
  }
  return true;
}

static void write_row(struct text *body, const float *row, int width, bool base64) {
  if (base64) {
    text_puts(body, "\"");
    text_add_base64(body, row, sizeof(*row) * (size_t)width);
    text_puts(body, "\"");
    return;
  }
  text_puts(body, "[");
  for (int i = 0; i < width; i++) text_print(body, i > 0 ? ",%.9g" : "%.9g", (double)row[i]);
  text_puts(body, "]");
}

static void write_rows(const struct order *order, const float *rows, struct reply *reply) {
  struct text *const body = &reply->body;
  const int width = order->embedder->width;
  reply->type = "application/json";
  text_puts(body, "{\"object\":\"list\",\"data\":[");
  for (int i = 0; i < order->texts.tokens.count; i++) {
    text_print(body, "%s{\"object\":\"embedding\",\"index\":%d,\"embedding\":", i > 0 ? "," : "",
               i);
    write_row(body, rows + (size_t)i * (size_t)width, width, order->base64);
    text_puts(body, "}");
  }
  text_print(body, "],\"model\":\"%s\",\"usage\":{\"prompt_tokens\":%d,\"total_tokens\":%d}}\n",
             order->embedder->name, order->texts.tokens.total, order->texts.tokens.total);
}

static void compute(struct service *service, const struct order *order, struct reply *reply) {
  const struct token_batch *const tokens = &order->texts.tokens;
  char error[BATCHER_ERROR_BYTES];
  float *const rows =
      malloc(sizeof(*rows) * (size_t)order->embedder->width * (size_t)tokens->count);
  if (rows == NULL) {
    api_fail(reply, 500, NULL, NULL, "out of memory");
  } else if (batcher_embed(&service->batcher, order->embedder, tokens, rows, error) != 0) {
    api_fail(reply, 500, NULL, NULL, error);
  } else {
    write_rows(order, rows, reply);
  }
  free(rows);
}

void api_embeddings(struct service *service, const struct text *body, struct reply *reply) {
  json_error_t error;
  struct order order = {.json = json_loadb(body->bytes != NULL ? body->bytes : "", body->size,
                                           JSON_ALLOW_NUL, &error)};
  if (!json_is_object(order.json)) {
    api_fail(reply, 400, NULL, NULL, order.json == NULL ? error.text : "the body is no object");
    json_decref(order.json);
    return;
  }
  order.embedder = service_embedder(service);
  if (check_model(&order, reply) && check_form(&order, reply) && take_input(&order, reply)) {
    compute(service, &order, reply);
  }
  api_texts_free(&order.texts);
  embedder_release(order.embedder);
  json_decref(order.json);
}
