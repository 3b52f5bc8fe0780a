/* The texts go to the batcher; the scores of a search are computed on the thread's own default
   stream, in the same request. */
#include "threads.h"

#include <stdlib.h>
#include <weir/weir.h>

#include "gauge.h"

/* Inside the request. */
static void score(const struct route *route, const struct asked *asked, const float *row,
                  struct reply *reply) {
  const mlx_stream mine = {0}; /* this thread's default */
  const int width = asked->embedder->width;
  mlx_array question = mlx_array_new_data(row, &width, 1, MLX_FLOAT32);
  mlx_array scores = mlx_array_new();
  const int rc = index_scores(&scores, asked->index, question, mine) || mlx_array_eval(scores);
  const float *const data = rc == 0 ? mlx_array_data_float32(scores) : NULL;
  if (data != NULL) {
    route->end(asked, data, reply);
  } else {
    api_fail_status(reply, weir_last_status(), weir_last_error());
  }
  mlx_array_free(scores);
  mlx_array_free(question);
}

static void compute(struct service *service, const struct route *route, const struct asked *asked,
                    const struct batcher_caller *caller, struct reply *reply) {
  const struct token_batch *const texts = &asked->texts.tokens;
  char error[BATCHER_ERROR_BYTES] = "out of memory";
  float *const rows = malloc(sizeof(*rows) * (size_t)asked->embedder->width * (size_t)texts->count);
  const enum batcher_end end =
      rows == NULL ? BATCHER_FAILED
                   : batcher_embed(&service->batcher, asked->embedder, texts, rows, caller, error);
  if (end == BATCHER_FAILED) {
    api_fail(reply, 500, NULL, NULL, error);
  } else if (end == BATCHER_OVER_BUDGET) {
    api_fail_status(reply, WEIR_ERROR_BUDGET, error);
  } else if (end == BATCHER_GIVEN_UP) {
    api_give_up(reply, false);
  } else if (asked->index == NULL) {
    route->end(asked, rows, reply);
  } else if (weir_request_enter(caller->request) == 0) {
    score(route, asked, rows, reply);
    weir_request_leave();
  } else {
    api_fail(reply, 500, NULL, NULL, weir_last_error());
  }
  free(rows);
}

void threads_answer(struct service *service, struct watch *watch, int fd, const struct route *route,
                    const struct asked *asked, struct reply *reply) {
  struct watched watched;
  struct batcher_caller caller = {.until = gauge_seconds() + asked->patience};
  caller.request = asked_request(asked, &caller.alone);
  if (caller.request.ctx == NULL) {
    api_fail(reply, 500, NULL, NULL, weir_last_error());
  } else {
    watch_begin(watch, &watched, fd, caller.request);
    compute(service, route, asked, &caller, reply);
    if (watch_end(watch, &watched)) api_give_up(reply, true);
  }
  weir_request_free(caller.request);
}
