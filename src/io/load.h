#ifndef WR_IO_LOAD_H
#define WR_IO_LOAD_H

/* Lazy arrays whose values are read from somewhere when they are needed. Any thread. */

#include "graph/node.h"
#include "io/formats.h"
#include "io/reader.h"

/* The reader as an array: it stands among the inputs of what is read from it, and holds one
   reference, which goes when the last of those has been computed or freed. */
struct wr_error *wr_load_source(struct wr_node **out, struct wr_reader *reader);
/* What `stored` says, on a stream of the CPU's: `stream` if it is one, else the thread's default.
 */
struct wr_error *wr_load_array(struct wr_node **out, struct wr_node *source,
                               const struct wr_stored *stored, struct wr_stream *stream);
/* The arrays of a parsed header in its places: each wr_stored of the map becomes a node. On an
   error the map is empty. */
struct wr_error *wr_load_arrays(struct wr_map *arrays, struct wr_reader *reader,
                                struct wr_stream *stream);
/* Drops the nodes that are the map's values, and ends it. */
void wr_load_end(struct wr_map *nodes);

#endif
