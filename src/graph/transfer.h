#ifndef WR_GRAPH_TRANSFER_H
#define WR_GRAPH_TRANSFER_H

/* Moving bytes between memories. An operand that lies in another device's memory is copied to where
   the command runs ("staged"); values are copied to the host. A few bytes are moved by commands of
   the stream, where its device has such commands; more bytes by copies that block, of data that no
   queued work writes. Called by the thread that drains or forces, with no lock held. */

#include "graph/internal.h"

/* Copies made for one command; released when it is over. `{0}` is empty. */
struct wr_staged {
  struct wr_ptrs buffers;
};

/* True when a command in `memory` cannot read `buffer` where it is. */
bool wr_needs_transfer(const struct wr_buffer *buffer, const struct wr_memory *memory);
/* Copies the node's elements into the memory of the stream's device, for a command that is encoded
   there next; *buffer and *offset then say where element 0 is. The node keeps its first copy, so
   that a value that many commands read is copied once; any other copy belongs to `staged`. */
struct wr_error *wr_stage(struct wr_node *node, struct wr_stream *stream, struct wr_staged *staged,
                          struct wr_buffer **buffer, int64_t *offset);
/* Asked when the command is over: an error if an upload of what was staged for it has failed, so
   that it has read nothing of sense; or NULL. */
struct wr_error *wr_staged_failure(const struct wr_staged *staged);
void wr_staged_release(struct wr_staged *staged);

/* ---- few bytes to the host ----

   A caller that is about to wait for a node, and to read its value then, has the bytes downloaded
   by the next command behind the node's, so that it waits once instead of twice. The download
   belongs to the node's batch, so no other work stands between the two. */

struct wr_download;

/* For a node that the caller has claimed, is about to submit to the stream, and keeps alive until
   wr_download_end. NULL where the device has no such command, or there are too many bytes. */
struct wr_download *wr_download_new(struct wr_node *node, const struct wr_stream *stream);
/* One of the two is called, once. run: by the thread that drains the stream, once the node has been
   encoded or is over. refuse: where the node will never be encoded. */
void wr_download_run(struct wr_download *download, struct wr_stream *stream);
void wr_download_refuse(struct wr_download *download);
/* Drains the stream until the download is over, and if it came gives the bytes to the node. If not,
   the node has failed, or its value has to be copied. */
void wr_download_end(struct wr_download *download, struct wr_stream *stream);

#endif
