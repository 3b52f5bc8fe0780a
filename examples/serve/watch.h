/* Who goes away while a request of his is computed: one thread sees that of all connections. */
#ifndef WR_EXAMPLES_SERVE_WATCH_H
#define WR_EXAMPLES_SERVE_WATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/weir.h>

#include "batcher.h"

/* Of a request under way; its thread's, between begin and end. */
struct watched {
  uint64_t number; /* of no other; under the lock, as the rest */
  int fd;
  weir_request request; /* cancelled when the client goes */
  bool gone;
  struct watched *next, **link;
};

struct watch {
  pthread_mutex_t lock;
  struct watched *first; /* under lock */
  uint64_t last_number;  /* under lock */
  int epoll, bell;       /* the bell: an eventfd that ends the thread */
  struct batcher *batcher;
  pthread_t thread;
};

/* Returns 0, or 1 with the reason on stderr and nothing to stop. */
int watch_start(struct watch *watch, struct batcher *batcher);
void watch_stop(struct watch *watch); /* nothing is watched any more */

/* From here on the request is cancelled when whoever is at the other end of the socket closes it.
   Where the system refuses that, it is computed to its end. */
void watch_begin(struct watch *watch, struct watched *watched, int fd, weir_request request);
/* Whether it had gone. */
bool watch_end(struct watch *watch, struct watched *watched);

#endif
