#ifndef WR_API_IO_TYPES_H
#define WR_API_IO_TYPES_H

/* Handles of readers, writers and gguf files, for the files of this folder. Checks as in api.h. */

#include "base/kind.h"
#include "base/map.h"
#include "io/reader.h"
#include "mlx/c/io_types.h"

/* Borrowed; an error where the reader lacks a function that a load calls: `seeks` also says that
   its size is asked for. */
struct wr_reader *wr_api_reader(mlx_io_reader io, bool seeks, const char *param,
                                struct wr_error **error);
struct wr_writer *wr_api_writer(mlx_io_writer io, const char *param, struct wr_error **error);

/* Arrays, struct wr_node; metadata, struct wr_api_gguf_item. */
struct wr_api_gguf {
  struct wr_kind_word kind;
  struct wr_map arrays;
  struct wr_map metadata;
};

/* One of the three. */
struct wr_api_gguf_item {
  struct wr_node *node;
  mlx_string text;
  mlx_vector_string texts;
};

struct wr_api_gguf *wr_api_gguf(mlx_io_gguf io, const char *param, struct wr_error **error);
/* Replaces what *io holds by these, nodes and struct wr_gguf_value, and takes them, also on an
   error. */
struct wr_error *wr_api_set_gguf(mlx_io_gguf *io, struct wr_map *arrays, struct wr_map *values);
/* The metadata as struct wr_gguf_value, to be freed by wr_formats_end: what cannot be saved is an
   error. `stream` computes what has to be. */
struct wr_error *wr_api_gguf_values(struct wr_map *values, const struct wr_api_gguf *gguf,
                                    struct wr_stream *stream);

#endif
