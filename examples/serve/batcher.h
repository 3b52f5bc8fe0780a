/* Micro-batching of what waits: there is no thread for it. A request's thread that finds room for a
   batch takes what waits, its own texts and others', and records the batch on a stream; then each
   thread evaluates the rows that are its own, inside its own weir_request, and sleeps until they
   are there. So a batch is one graph that several requests share: one whose time has passed, or
   whose client has gone, is given up alone, and what the others need stays. Under light load a text
   is a batch by itself and waits for nothing. */
#ifndef WR_EXAMPLES_SERVE_BATCHER_H
#define WR_EXAMPLES_SERVE_BATCHER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/weir.h>

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
  int computing;                    /* under lock: batches that are not over */
  int computing_most;               /* immutable */
  struct batcher_counts counts;     /* under lock */
};

/* Who waits: until a moment of gauge_seconds, in a request that ends then, or before. `alone`: in
   batches of no other's texts, as a request must whose budget is to count what it needs itself. */
struct batcher_caller {
  weir_request request;
  double until;
  bool alone;
};

enum batcher_end { BATCHER_ALL_THERE, BATCHER_FAILED, BATCHER_OVER_BUDGET, BATCHER_GIVEN_UP };

void batcher_init(struct batcher *batcher, int computing_most);
void batcher_destroy(struct batcher *batcher); /* nobody is inside */

/* Writes the rows of `texts`, embedder->width floats each; on a failure the reason goes to `error`,
   of BATCHER_ERROR_BYTES. The caller waits; any thread. */
enum batcher_end batcher_embed(struct batcher *batcher, const struct embedder *embedder,
                               const struct token_batch *texts, float *rows,
                               const struct batcher_caller *caller, char *error);

/* Has the caller with that request, which has been cancelled, give up; any thread. */
void batcher_give_up(struct batcher *batcher, weir_request request);

struct batcher_counts batcher_count(struct batcher *batcher);

/* For the loop, which makes batches of its own: they are counted here. */
void batcher_note_waiting(struct batcher *batcher, int more);
void batcher_note_batch(struct batcher *batcher, int texts, int tokens); /* which waited */

#endif
