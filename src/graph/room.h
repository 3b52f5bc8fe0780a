#ifndef WR_GRAPH_ROOM_H
#define WR_GRAPH_ROOM_H

/* What a stream waits for before it encodes a node on a device that works by itself: room.c. */

#include "graph/internal.h"

/* Suspends the stream while its device has as much work ahead as it should (R8); false when there
   is room, or no memory to wait with. */
bool wr_room_for_command(struct wr_batch *batch, struct wr_stream *stream);

/* The same, after it, where the routine of the next node waits for the device: until all that the
   stream has encoded is over, for which it would wait too, and a thread of the pool has a seat for
   it, which the calls below give back. */
bool wr_room_for_routine(struct wr_batch *batch, struct wr_stream *stream,
                         const struct wr_node *node, const struct wr_drain *drain);

/* Whether the node may ask for memory now, having waited for so much; else it lacks it. After true
   comes wr_room_asked, once the node is encoded or what was taken is given back. Not for devices
   whose memory the host sees. */
bool wr_room_may_ask(struct wr_stream *stream, enum wr_lacking waited, struct wr_memory *memory,
                     size_t bytes);
void wr_room_asked(struct wr_stream *stream);
/* The next node lacks memory: true when the stream is suspended until it is worth another attempt,
   false when that is now. batch->lacking moves on in either case, or another stream ends. */
bool wr_room_for_result(struct wr_batch *batch, struct wr_stream *stream);
/* The node that lacked memory, or did not, has run. */
void wr_room_found(struct wr_batch *batch, struct wr_stream *stream);

#endif
