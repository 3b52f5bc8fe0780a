/* POST /v1/embeddings, as OpenAI's API has it: {"input": a text or a list of texts, "model": ..,
   "encoding_format": "float" or "base64", "dimensions": the model's or absent}. Texts beyond the
   model's 256 tokens are cut there, as sentence-transformers does. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

enum { INPUTS_MOST = 2048 };

struct order {
  const json_t *json;
  struct asked *asked;
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
  if (strcmp(name, order->asked->embedder->name) == 0) return true;
  struct text message = {0};
  text_print(&message, "the model here is '%s'%c", order->asked->embedder->name, '\0');
  api_fail(reply, 404, "model", "model_not_found", message.failed ? "no model" : message.bytes);
  text_free(&message);
  return false;
}

static bool check_form(const struct order *order, struct reply *reply) {
  const json_t *const form = json_object_get(order->json, "encoding_format");
  const char *const name = json_string_value(form);
  order->asked->base64 = name != NULL && strcmp(name, "base64") == 0;
  if (form != NULL && !order->asked->base64 && (name == NULL || strcmp(name, "float") != 0)) {
    api_fail(reply, 400, "encoding_format", NULL, "'encoding_format' is 'float' or 'base64'");
    return false;
  }
  const json_t *const dimensions = json_object_get(order->json, "dimensions");
  if (dimensions != NULL && !json_is_null(dimensions) &&
      json_integer_value(dimensions) != order->asked->embedder->width) {
    api_fail(reply, 400, "dimensions", NULL, "this model's rows are not cut to other 'dimensions'");
    return false;
  }
  return true;
}

static bool take_text(const struct order *order, const json_t *text, struct reply *reply) {
  if (!json_is_string(text)) {
    api_fail(reply, 400, "input", NULL, "'input' must be a text or a list of texts");
    return false;
  }
  if (json_string_length(text) == 0) {
    api_fail(reply, 400, "input", NULL, "'input' must not have an empty text");
    return false;
  }
  if (api_texts_add(&order->asked->texts, order->asked->embedder, json_string_value(text),
                    json_string_length(text)) != 0) {
    api_fail(reply, 500, NULL, NULL, "out of memory");
    return false;
  }
  return true;
}

static bool take_input(const struct order *order, struct reply *reply) {
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

void api_embeddings_end(const struct asked *asked, const float *rows, struct reply *reply) {
  struct text *const body = &reply->body;
  const int width = asked->embedder->width;
  const struct token_batch *const tokens = &asked->texts.tokens;
  reply->type = "application/json";
  text_puts(body, "{\"object\":\"list\",\"data\":[");
  for (int i = 0; i < tokens->count; i++) {
    text_print(body, "%s{\"object\":\"embedding\",\"index\":%d,\"embedding\":", i > 0 ? "," : "",
               i);
    write_row(body, rows + (size_t)i * (size_t)width, width, asked->base64);
    text_puts(body, "}");
  }
  text_print(body, "],\"model\":\"%s\",\"usage\":{\"prompt_tokens\":%d,\"total_tokens\":%d}}\n",
             asked->embedder->name, tokens->total, tokens->total);
}

bool api_embeddings_ask(struct service *service, const struct text *body, struct asked *asked,
                        struct reply *reply) {
  json_error_t error;
  json_t *const json =
      json_loadb(body->bytes != NULL ? body->bytes : "", body->size, JSON_ALLOW_NUL, &error);
  bool right = json_is_object(json);
  if (!right) {
    api_fail(reply, 400, NULL, NULL, json == NULL ? error.text : "the body is no object");
  } else {
    const struct order order = {json, asked};
    asked->embedder = service_embedder(service);
    right = check_model(&order, reply) && check_form(&order, reply) && take_input(&order, reply);
  }
  json_decref(json);
  return right;
}
