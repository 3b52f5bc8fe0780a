/* What requests share: the index of the moment with its embedder, the batcher, the counts, and the
   thread that makes indexes. */
#ifndef WR_EXAMPLES_SERVE_SERVICE_H
#define WR_EXAMPLES_SERVE_SERVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <weir/weir.h>

#include "batcher.h"
#include "embedder.h"
#include "index.h"
#include "metrics.h"

/* Immutable while the service runs. */
struct service_options {
  const char *model_folder;
  const char *const *paths; /* what is indexed */
  int path_count;
  int paragraphs_most;
  int computing_most; /* batches computed side by side */
  bool loop;          /* one thread for all connections */
  int patience_ms;    /* the longest that a request takes */
  size_t budget;      /* bytes of arrays that a request may take */
};

/* How often the model was read anew, and how it went. */
struct service_reloads {
  bool under_way; /* or ordered */
  int done, failed;
  char error[256]; /* why the last one failed, or "" */
};

struct service {
  const struct service_options *options;
  struct batcher batcher;
  struct metrics metrics;
  struct index_progress progress;
  atomic_bool draining; /* relaxed: requests may see it late */
  double begin;         /* by gauge_seconds */

  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct embedder *embedder;      /* under lock: a reference */
  struct index *index;            /* under lock: a reference, NULL until the first is made */
  bool wants_index;               /* under lock: another one is to be made */
  bool wants_model;               /* under lock: with the model read anew */
  bool wants_more;                /* under lock: and then another one, on and on */
  bool wants_end;                 /* under lock */
  bool indexing;                  /* under lock */
  weir_request making;            /* under lock: what the index is made in, empty while none is */
  int built;                      /* under lock: indexes made */
  int failures;                   /* under lock: indexes that could not be made */
  struct service_reloads reloads; /* under lock */

  pthread_t indexer;
};

/* Loads the model and begins the first index. Returns 0, or 1 with the reason on stderr and nothing
   to stop. */
int service_start(struct service *service, const struct service_options *options);

/* Has a new index made, of the texts as they are now; with `reload` the model is read anew before.
   The old ones serve until both are there, and after a failure. Does not wait. */
void service_rebuild(struct service *service, bool reload);

void service_reloads(struct service *service, struct service_reloads *reloads);

/* Has indexes made one after another until it is told not to; the one that is then being made is
   given up. */
void service_keep_rebuilding(struct service *service, bool on);

/* Waits until nothing is to be made, or for `seconds`; returns the number of indexes made so far,
   -1 when the last could not be made, or that it was not done. */
int service_await_index(struct service *service, double seconds);

/* References, the caller's; service_index gives NULL while there is none yet. */
struct embedder *service_embedder(struct service *service);
struct index *service_index(struct service *service);

/* Ends the indexer and lets go of everything. No request is under way. */
void service_stop(struct service *service);

#endif
