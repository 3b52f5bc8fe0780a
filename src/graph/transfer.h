#ifndef WR_GRAPH_TRANSFER_H
#define WR_GRAPH_TRANSFER_H

/* Moving bytes between memories: operands that lie in another device's memory are staged into the
   one where the command runs, and values are brought to the host. Few bytes go as commands of the
   stream itself, where its device has such; others are blocking copies of data that is complete.
   Called by the draining or forcing thread, with no lock held. */

#include "graph/internal.h"

/* Copies made for one command; released when it is over. `{0}` is empty. */
struct wr_staged {
  struct wr_ptrs buffers;
};

/* True when a command in `memory` cannot read `buffer` where it is. */
bool wr_needs_transfer(const struct wr_buffer *buffer, const struct wr_memory *memory);
/* Copies what `node` covers of its buffer into the memory of the stream's device, for a command
   that is encoded there next; *buffer and *offset then say where element 0 is. The first copy of a
   node stays with it, so that a value that many commands use moves once; any other belongs to
   `staged`.
 */
struct wr_error *wr_stage(struct wr_node *node, struct wr_stream *stream, struct wr_staged *staged,
                          struct wr_buffer **buffer, int64_t *offset);
/* NULL, or the failure of a command that should have brought what was staged: the one that was
   encoded for it has failed too. Once that is over. */
struct wr_error *wr_staged_failure(const struct wr_staged *staged);
void wr_staged_release(struct wr_staged *staged);

/* ---- few bytes to the host ----

   The caller that is about to wait for a node and then to read it has its bytes come right behind
   it, so that it waits once. They come with the node's batch: nothing of others stands between. */

struct wr_download;

/* For a node that the caller has claimed and is about to submit to the stream, and keeps alive
   until the end. NULL where there is no such way for its bytes. */
struct wr_download *wr_download_new(struct wr_node *node, const struct wr_stream *stream);
/* Once, either: called by who drains the stream, when the node has been encoded there or is over;
   or where that will not come to pass. */
void wr_download_run(struct wr_download *download, struct wr_stream *stream);
void wr_download_refuse(struct wr_download *download);
/* Drains the stream until the bytes have come, and keeps them with the node; or until they have
   not, and then the node says why or they are to be copied. */
void wr_download_end(struct wr_download *download, struct wr_stream *stream);

#endif
