/* The place where the index of the day lies: the indexer replaces it, everybody else takes copies.
   A copy is two counted handles; a replaced index goes when its last reader lets go. */
#ifndef WR_EXAMPLES_SEARCH_SHELF_H
#define WR_EXAMPLES_SEARCH_SHELF_H

#include <pthread.h>

#include "index.h"

struct shelf {
  pthread_mutex_t lock; /* for the handles of `current`: only one thread may change a handle */
  struct index current; /* under lock */
};

/* Both return 0, or 1 when a handle was not copied, which Weir has then reported. Any thread. */
int shelf_take(struct shelf *shelf, struct index *index);
int shelf_put(struct shelf *shelf, const struct index *index);

#endif
