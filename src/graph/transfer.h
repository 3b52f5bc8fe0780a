#ifndef WR_GRAPH_TRANSFER_H
#define WR_GRAPH_TRANSFER_H

/* Moving bytes between memories: operands that lie in another device's memory are staged into the
   one where the command runs, and values are brought to the host. Blocking copies of data that is
   complete; called by the draining or forcing thread, with no lock held. */

#include "graph/internal.h"

/* Copies made for one command; released when it is over. `{0}` is empty. */
struct wr_staged {
  struct wr_ptrs buffers;
};

/* True when a command in `memory` cannot read `buffer` where it is. */
bool wr_needs_transfer(const struct wr_buffer *buffer, const struct wr_memory *memory);
/* Copies what `node` covers of its buffer; *buffer and *offset then say where element 0 is. The
   first copy of a node stays with it, so that a value that many commands use moves once; any other
   belongs to `staged`. */
struct wr_error *wr_stage(struct wr_node *node, struct wr_memory *memory, struct wr_staged *staged,
                          struct wr_buffer **buffer, int64_t *offset);
void wr_staged_release(struct wr_staged *staged);

#endif
