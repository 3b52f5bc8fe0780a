/* The texts go to the batcher; the scores of a search are computed on the thread's own default
   stream. */
#include "threads.h"

#include <stdlib.h>
#include <weir/weir.h>

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
    api_fail(reply, 500, NULL, NULL, weir_last_error());
  }
  mlx_array_free(scores);
  mlx_array_free(question);
}

void threads_answer(struct service *service, const struct route *route, const struct asked *asked,
                    struct reply *reply) {
  const struct token_batch *const texts = &asked->texts.tokens;
  char error[BATCHER_ERROR_BYTES];
  float *const rows = malloc(sizeof(*rows) * (size_t)asked->embedder->width * (size_t)texts->count);
  if (rows == NULL) {
    api_fail(reply, 500, NULL, NULL, "out of memory");
  } else if (batcher_embed(&service->batcher, asked->embedder, texts, rows, error) != 0) {
    api_fail(reply, 500, NULL, NULL, error);
  } else if (asked->index != NULL) {
    score(route, asked, rows, reply);
  } else {
    route->end(asked, rows, reply);
  }
  free(rows);
}
