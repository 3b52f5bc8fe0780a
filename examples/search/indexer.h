/* The resident worker: builds the index again and again, on a stream of its own. */
#ifndef WR_EXAMPLES_SEARCH_INDEXER_H
#define WR_EXAMPLES_SEARCH_INDEXER_H

#include <pthread.h>
#include <stdatomic.h>

#include "index.h"
#include "shelf.h"

struct indexer {
  const struct index_source *source; /* immutable after start */
  struct shelf *shelf;               /* immutable after start; has its own lock */
  pthread_t thread;                  /* the starting thread only */
  atomic_bool stop;                  /* atomic relaxed: only tells the worker to end */
  int built;                         /* the worker's until it has been joined */
  int rc;                            /* as built */
};

/* Starts the worker. Returns 0, or 1 when the system gave no thread (said on stderr). */
int indexer_start(struct indexer *indexer, const struct index_source *source, struct shelf *shelf);

/* Lets the worker finish the index in hand and end. Returns 0, or 1 when a build failed. */
int indexer_stop(struct indexer *indexer);

#endif
