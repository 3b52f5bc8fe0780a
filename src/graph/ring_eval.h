#ifndef WR_GRAPH_RING_EVAL_H
#define WR_GRAPH_RING_EVAL_H

/* Evaluations whose end is told to a ring (R7). From any thread. */

#include <stddef.h>

#include "core/error.h"

struct wr_node;
struct wr_request;
struct wr_ring;

/* Submits what the nodes need, for the request or, where that is NULL, for the one that the calling
   thread is inside, if any; an entry with `user` is delivered to the ring once all of them are over
   or the request has ended. On an error nothing was submitted, and none will be. */
struct wr_error *wr_ring_eval(struct wr_ring *ring, struct wr_node *const *nodes, size_t n,
                              struct wr_request *request, void *user);

#endif
