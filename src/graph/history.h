#ifndef WR_GRAPH_HISTORY_H
#define WR_GRAPH_HISTORY_H

/* What arrays are made of, for who shows it. Any thread; no lock. */

#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "core/error.h"
#include "graph/node.h"

struct wr_history_step {
  struct wr_node *node; /* a reference */
  size_t first_in;      /* in the history's inputs */
  uint32_t n_in;        /* 0 and `given`: it has a value, or somebody else computes it */
  bool given;
  uint8_t n_ops;   /* not 0: a group, which stays one where it was taken back from a queue */
  size_t first_op; /* in the history's */
};

/* Each after those that it reads. `{0}` is a valid empty one. */
struct wr_history {
  struct wr_history_step *steps;
  size_t count;
  size_t room;
  struct wr_ptrs in; /* of all steps, references */
  uint16_t *ops;     /* of all groups, enum wr_op, in the order in which they are computed */
  size_t n_ops;
  size_t ops_room;
};

/* All that leads to the roots and is lazy, and stays so. What others force at this moment is given:
   they alone may read what it is made of. While a transform runs, what its log knows is as it was
   recorded. On an error there is nothing to end. */
struct wr_error *wr_history_of(struct wr_history *history, struct wr_node *const *roots, size_t n);
void wr_history_end(struct wr_history *history);

#endif
