#ifndef WR_IO_IO_H
#define WR_IO_IO_H

/* Loading and saving, on values of the layers below. Loads read the header on the calling thread,
   and give lazy arrays; saves compute what they save, and return when it is written. Messages begin
   with MLX's name of the operation. Any thread; no lock is held. */

#include "base/map.h"
#include "graph/node.h"
#include "io/formats.h"
#include "io/reader.h"

struct wr_error *wr_load_npy(struct wr_node **out, struct wr_reader *reader,
                             struct wr_stream *stream);
/* Nodes and texts by name; the maps are made. */
struct wr_error *wr_load_safetensors(struct wr_map *arrays, struct wr_map *metadata,
                                     struct wr_reader *reader, struct wr_stream *stream);
/* Nodes and struct wr_gguf_value by name. */
struct wr_error *wr_load_gguf(struct wr_map *arrays, struct wr_map *metadata,
                              struct wr_reader *reader, struct wr_stream *stream);

/* `stream` computes what has to be made contiguous. */
struct wr_error *wr_save_npy(struct wr_writer *writer, struct wr_node *node,
                             struct wr_stream *stream);
struct wr_error *wr_save_safetensors(struct wr_writer *writer, const struct wr_map *arrays,
                                     const struct wr_map *metadata, struct wr_stream *stream);
struct wr_error *wr_save_gguf(struct wr_writer *writer, const struct wr_map *arrays,
                              const struct wr_map *metadata, struct wr_stream *stream);

/* What saves of several arrays share (save.c). */

/* The arrays dense and row-major and computed, in the map's order, one reference each, in memory of
   wr_alloc. */
struct wr_error *wr_save_prepare(struct wr_node ***out, const struct wr_map *arrays,
                                 struct wr_stream *stream);
void wr_save_release(struct wr_node **nodes, size_t n);
/* The bytes of a node that was prepared. */
struct wr_error *wr_save_data(struct wr_writer *writer, struct wr_node *node);

#endif
