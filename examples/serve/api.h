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

/* Several texts as tokens, each with the [CLS] of its own; what was allocated is free's. */
struct api_texts {
  struct token_batch tokens;
  size_t ids_room, lengths_room;
};
/* A request that needs texts embedded: what was read of it, until it is answered. */
struct asked {
  struct api_texts texts;
  struct embedder *embedder; /* a reference */
  struct index *index;       /* of a search: a reference; else NULL */
  int top;                   /* of a search */
  bool base64;               /* of embeddings */
  double begin;              /* by gauge_seconds */
  double patience;           /* seconds that it may take */
  size_t budget;             /* bytes of arrays that it may take */
};
void asked_free(struct asked *asked);

/* A request for it, of the class high, with its deadline; *alone is set, and it has its budget,
   where it may need more than that: then it has to be computed by itself. Empty after an error
   (weir_last_error). */
weir_request asked_request(const struct asked *asked, bool *alone);

/* What is quick has `answer`. The others read the body by `ask`, false when the reply says what is
   wrong with it; then somebody computes the rows of the texts, or, of a search, the scores of all
   paragraphs; and `end` makes a reply of them. */
struct route {
  const char *name;   /* in the counts */
  const char *path;   /* NULL: whatever else */
  const char *method; /* of GET HEAD comes with it */
  void (*answer)(struct service *service, const struct text *body, struct reply *reply);
  bool (*ask)(struct service *service, const struct text *body, struct asked *asked,
              struct reply *reply);
  void (*end)(const struct asked *asked, const float *data, struct reply *reply);
};

extern const struct route api_routes[METRICS_ROUTES];

/* The number of a path's route; the last is that of paths which are none. */
int api_route(const char *path);

/* An error, in OpenAI's form; `parameter` and `code` may be NULL. */
void api_fail(struct reply *reply, unsigned status, const char *parameter, const char *code,
              const char *message);

/* The same, of how a call or a completion in the request ended that did not go well. */
void api_fail_status(struct reply *reply, weir_status status, const char *message);

/* A reply for one who has been given up: 504, since its time has passed, or 499, which nobody
   reads, since the client has gone. */
void api_give_up(struct reply *reply, bool gone);

/* POST /search, a question {"query": .., "top": ..}; in ask.c. */
bool api_search_ask(struct service *service, const struct text *body, struct asked *asked,
                    struct reply *reply);
void api_search_end(const struct asked *asked, const float *scores, struct reply *reply);

/* OpenAI's embeddings; in embeddings.c. */
bool api_embeddings_ask(struct service *service, const struct text *body, struct asked *asked,
                        struct reply *reply);
void api_embeddings_end(const struct asked *asked, const float *rows, struct reply *reply);

/* The counts for Prometheus; in gauges.c. */
void api_metrics(struct service *service, const struct text *body, struct reply *reply);

int api_texts_add(struct api_texts *texts, const struct embedder *embedder, const char *text,
                  size_t size);
void api_texts_free(struct api_texts *texts);

#endif
