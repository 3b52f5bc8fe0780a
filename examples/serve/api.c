/* The table of routes, errors, and the small answers. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "page.h"

void api_fail(struct reply *reply, unsigned status, const char *parameter, const char *code,
              const char *message) {
  struct text *const body = &reply->body;
  reply->status = status;
  reply->type = "application/json";
  body->size = 0;
  text_puts(body, "{\"error\":{\"message\":");
  text_add_json(body, message, strlen(message));
  text_print(
      body, ",\"type\":\"%s\",\"param\":", status < 500 ? "invalid_request_error" : "server_error");
  if (parameter != NULL) {
    text_add_json(body, parameter, strlen(parameter));
  } else {
    text_puts(body, "null");
  }
  text_puts(body, ",\"code\":");
  if (code != NULL) {
    text_add_json(body, code, strlen(code));
  } else {
    text_puts(body, "null");
  }
  text_puts(body, "}}\n");
}

void api_give_up(struct reply *reply, bool gone) {
  if (gone) {
    api_fail(reply, 499, NULL, "gone", "nobody waits for it");
  } else {
    api_fail(reply, 504, NULL, "deadline", "there was no time for it");
  }
}

void api_fail_status(struct reply *reply, weir_status status, const char *message) {
  if (status == WEIR_ERROR_CANCELLED || status == WEIR_ERROR_DEADLINE) {
    api_give_up(reply, false);
  } else if (status == WEIR_ERROR_BUDGET) {
    api_fail(reply, 413, NULL, "budget", message);
  } else {
    api_fail(reply, 500, NULL, NULL, message);
  }
}

/* What surely fits shares batches with others, whose work a budget would count too. */
static bool may_be_too_large(const struct asked *asked) {
  const size_t texts = embedder_bytes_bound(&asked->texts.tokens, BATCH_TEXTS_MOST);
  const size_t scores =
      asked->index != NULL ? 2 * sizeof(float) * asked->index->corpus.paragraph_count : 0;
  return texts + scores > asked->budget;
}

weir_request asked_request(const struct asked *asked, bool *alone) {
  const weir_request request = weir_request_new();
  *alone = may_be_too_large(asked);
  if (request.ctx == NULL || weir_request_set_class(request, WEIR_CLASS_HIGH) != 0 ||
      weir_request_set_deadline(request, (int64_t)(1e9 * asked->patience)) != 0 ||
      (*alone && weir_request_set_budget(request, asked->budget) != 0)) {
    weir_request_free(request);
    return (weir_request){NULL};
  }
  return request;
}

void asked_free(struct asked *asked) {
  api_texts_free(&asked->texts);
  index_release(asked->index);
  embedder_release(asked->embedder);
}

static void answer_page(struct service *service, const struct text *body, struct reply *reply) {
  (void)service;
  (void)body;
  reply->type = "text/html; charset=utf-8";
  text_add(&reply->body, page_html, page_html_size);
}

/* 200 while questions are answered, else 503: what balances load asks this. */
static void answer_health(struct service *service, const struct text *body, struct reply *reply) {
  (void)body;
  const bool draining = atomic_load_explicit(&service->draining, memory_order_relaxed);
  struct index *const index = service_index(service);
  reply->type = "application/json";
  if (draining || index == NULL) reply->status = 503;
  text_print(&reply->body, "{\"status\":\"%s\"}\n",
             draining ? "draining" : (index == NULL ? "indexing" : "ok"));
  index_release(index);
}

static void answer_models(struct service *service, const struct text *body, struct reply *reply) {
  (void)body;
  struct embedder *const embedder = service_embedder(service);
  reply->type = "application/json";
  text_print(&reply->body,
             "{\"object\":\"list\",\"data\":[{\"id\":\"%s\",\"object\":\"model\",\"created\":0,"
             "\"owned_by\":\"weir\"}]}\n",
             embedder->name);
  embedder_release(embedder);
}

static void answer_missing(struct service *service, const struct text *body, struct reply *reply) {
  (void)service;
  (void)body;
  api_fail(reply, 404, NULL, "not_found",
           "there is /, /search, /v1/embeddings, /v1/models, /metrics and /healthz");
}

const struct route api_routes[METRICS_ROUTES] = {
    {.name = "page", .path = "/", .method = "GET", .answer = answer_page},
    {.name = "search",
     .path = "/search",
     .method = "POST",
     .ask = api_search_ask,
     .end = api_search_end},
    {.name = "embeddings",
     .path = "/v1/embeddings",
     .method = "POST",
     .ask = api_embeddings_ask,
     .end = api_embeddings_end},
    {.name = "models", .path = "/v1/models", .method = "GET", .answer = answer_models},
    {.name = "metrics", .path = "/metrics", .method = "GET", .answer = api_metrics},
    {.name = "healthz", .path = "/healthz", .method = "GET", .answer = answer_health},
    {.name = "other", .answer = answer_missing},
};

int api_route(const char *path) {
  int route = 0;
  while (api_routes[route].path != NULL && strcmp(api_routes[route].path, path) != 0) route++;
  return route;
}

int api_texts_add(struct api_texts *texts, const struct embedder *embedder, const char *text,
                  size_t size) {
  struct token_batch *const tokens = &texts->tokens;
  const size_t total = (size_t)tokens->total;
  int32_t *const ids =
      grow(tokens->ids, &texts->ids_room, total + EMBEDDER_TOKENS_MOST, sizeof(*ids));
  if (ids == NULL) return 1;
  tokens->ids = ids;
  int *const lengths =
      grow(tokens->lengths, &texts->lengths_room, (size_t)tokens->count + 1, sizeof(*lengths));
  if (lengths == NULL) return 1;
  tokens->lengths = lengths;
  lengths[tokens->count] = embedder_encode(embedder, ids + total, text, size);
  tokens->total += lengths[tokens->count++];
  return 0;
}

void api_texts_free(struct api_texts *texts) {
  free(texts->tokens.lengths);
  free(texts->tokens.ids);
  *texts = (struct api_texts){.ids_room = 0};
}
