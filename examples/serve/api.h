/* The routes, and what each makes of a request's body. */
#ifndef WR_EXAMPLES_SERVE_API_H
#define WR_EXAMPLES_SERVE_API_H

#include "service.h"
#include "text.h"

/* What is sent back. */
struct reply {
  unsigned status;
  const char *type; /* of the content */
  struct text body;
  const char *allow; /* the methods there are, where the one asked for is none of them, or NULL */
};

struct route {
  const char *name;   /* in the counts */
  const char *path;   /* NULL: whatever else */
  const char *method; /* of GET HEAD comes with it */
  void (*answer)(struct service *service, const struct text *body, struct reply *reply);
};

extern const struct route api_routes[METRICS_ROUTES];

/* The number of a path's route; the last is that of paths which are none. */
int api_route(const char *path);

/* An error, in OpenAI's form; `parameter` and `code` may be NULL. */
void api_fail(struct reply *reply, unsigned status, const char *parameter, const char *code,
              const char *message);

/* Parses a question {"query": .., "top": ..} and answers it; in ask.c. */
void api_search(struct service *service, const struct text *body, struct reply *reply);

/* OpenAI's embeddings; in embeddings.c. */
void api_embeddings(struct service *service, const struct text *body, struct reply *reply);

/* The counts for Prometheus; in gauges.c. */
void api_metrics(struct service *service, const struct text *body, struct reply *reply);

/* Several texts as tokens, each with the [CLS] of its own; what was allocated is free's. */
struct api_texts {
  struct token_batch tokens;
  size_t ids_room, lengths_room;
};
int api_texts_add(struct api_texts *texts, const struct embedder *embedder, const char *text,
                  size_t size);
void api_texts_free(struct api_texts *texts);

#endif
