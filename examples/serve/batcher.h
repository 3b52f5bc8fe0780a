/* Micro-batching of what waits: there is no thread for it. A request's thread that finds nobody
   computing takes what waits, its own texts and others', computes the batch on its own default
   stream and hands out the rows; the others sleep until theirs are there or it is their turn to
   compute. Under light load a text is a batch by itself and waits for nothing. */
#ifndef WR_EXAMPLES_SERVE_BATCHER_H
#define WR_EXAMPLES_SERVE_BATCHER_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "embedder.h"

enum { BATCH_TEXTS_MOST = 32, BATCH_TOKENS_MOST = 512, BATCHER_ERROR_BYTES = 256 };

struct batcher_job;

struct batcher_counts {
  uint64_t batches, texts, tokens;
  size_t waiting; /* texts that no batch has taken yet */
};

struct batcher {
  pthread_mutex_t lock;             /* held for no computation */
  struct batcher_job *first, *last; /* under lock: jobs with texts that wait, the oldest first */
  int computing;                    /* under lock: threads that compute a batch */
  int computing_most;               /* immutable */
  struct batcher_counts counts;     /* under lock */
};

void batcher_init(struct batcher *batcher, int computing_most);
void batcher_destroy(struct batcher *batcher); /* nobody is inside */

/* Writes the rows of `texts`, embedder->width floats each. Returns 0, or 1 with the reason in
   `error`, of BATCHER_ERROR_BYTES. The caller waits; any thread. */
int batcher_embed(struct batcher *batcher, const struct embedder *embedder,
                  const struct token_batch *texts, float *rows, char *error);

struct batcher_counts batcher_count(struct batcher *batcher);

/* For the loop, which makes batches of its own: they are counted here. */
void batcher_note_waiting(struct batcher *batcher, int more);
void batcher_note_batch(struct batcher *batcher, int texts, int tokens); /* which waited */

#endif
