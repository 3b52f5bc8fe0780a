#ifndef MLX_IO_TYPES_H
#define MLX_IO_TYPES_H

/* What files are read from and written to: readers and writers of the user's, and gguf files as
   values. A copy of a struct names the same object, and ends with its one free.

   Functions return 0, or 1 after an error: weir_last_error() then has the message, which names
   the operation and the parameter, and the handler of mlx_set_error_handler has been called.
   Those that return a handle, a pointer or a value return an empty handle, NULL or 0 instead.
   Any function may be called from any thread with any handle; only changing one handle variable
   while another thread uses that same variable needs a lock of the caller's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlx/c/array.h"
#include "mlx/c/string.h"
#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mlx_io_reader_ {
  void *ctx; /* NULL: empty */
} mlx_io_reader;

typedef struct mlx_io_writer_ {
  void *ctx; /* NULL: empty */
} mlx_io_writer;

/* The functions of a reader or writer, each with the user's `desc` first.

   A load calls good, is_open, read, seek and tell on the calling thread. The values of the arrays
   that it gives are read when they are needed, by one call of read_at_offset for each array, on a
   thread of the library's that may block in it, several at once; it has to leave the place of read
   alone. A save calls good, is_open and write on the calling thread. A function that fails makes
   good return false, which is asked for after each read and write: then that array, load or save
   fails. No lock of the library's is held around any of them, and they may call anything but
   weir_shutdown.

   Members that the load or save at hand does not call may be NULL, and so may free. */
typedef struct mlx_io_vtable_ {
  bool (*is_open)(void *);
  bool (*good)(void *);
  size_t (*tell)(void *);
  void (*seek)(void *, int64_t off, int whence); /* SEEK_SET, SEEK_CUR or SEEK_END of stdio.h */
  void (*read)(void *, char *data, size_t n);
  void (*read_at_offset)(void *, char *data, size_t n, size_t off);
  void (*write)(void *, const char *data, size_t n);
  const char *(*label)(void *); /* for messages; valid until the next call */
  void (*free)(void *);         /* called once: see the functions below */
} mlx_io_vtable;

/* A reader. vtable.free(desc) is called once, after mlx_io_reader_free and after the last array
   that was loaded from it has been computed or freed: on the thread of that free, or on one of the
   library's that holds no lock. When the function fails it is not called. */
mlx_io_reader mlx_io_reader_new(void *desc /* may be null */, mlx_io_vtable vtable);

/* Writes the desc. */
int mlx_io_reader_descriptor(void **desc_, mlx_io_reader io);

/* Writes the label. */
int mlx_io_reader_tostring(mlx_string *str_, mlx_io_reader io);

/* Releases the reader. */
int mlx_io_reader_free(mlx_io_reader io);

/* A writer. vtable.free(desc) is called by mlx_io_writer_free. When the function fails it is not
   called. */
mlx_io_writer mlx_io_writer_new(void *desc /* may be null */, mlx_io_vtable vtable);

/* Writes the desc. */
int mlx_io_writer_descriptor(void **desc_, mlx_io_writer io);

/* Writes the label. */
int mlx_io_writer_tostring(mlx_string *str_, mlx_io_writer io);

/* Releases the writer. */
int mlx_io_writer_free(mlx_io_writer io);

/* What a gguf file holds: arrays by name, and metadata by key: an array, a text or a list of texts.
   Threads may read one at once; while one changes it, no other may use it. */
typedef struct mlx_io_gguf_ {
  void *ctx; /* NULL: empty */
} mlx_io_gguf;

/* A new one without anything in it. */
mlx_io_gguf mlx_io_gguf_new(void);

/* Releases it and what it owns. */
int mlx_io_gguf_free(mlx_io_gguf io);

/* Makes *keys the names of the arrays, in the file's order. */
int mlx_io_gguf_get_keys(mlx_vector_string *keys, mlx_io_gguf io);

/* Write the array of that name, or what the metadata have under that key. Without an error, and
   without a result, 2 when there is no such name or key, and 3 when what is there is of another
   kind. */
int mlx_io_gguf_get_array(mlx_array *arr, mlx_io_gguf io, const char *key);
int mlx_io_gguf_get_metadata_array(mlx_array *arr, mlx_io_gguf io, const char *key);
int mlx_io_gguf_get_metadata_string(mlx_string *str, mlx_io_gguf io, const char *key);
int mlx_io_gguf_get_metadata_vector_string(mlx_vector_string *vstr, mlx_io_gguf io,
                                           const char *key);

/* Write whether what the metadata have under that key is of this kind. 2, and *flag is false, when
   there is no such key. */
int mlx_io_gguf_has_metadata_array(bool *flag, mlx_io_gguf io, const char *key);
int mlx_io_gguf_has_metadata_string(bool *flag, mlx_io_gguf io, const char *key);
int mlx_io_gguf_has_metadata_vector_string(bool *flag, mlx_io_gguf io, const char *key);

/* Put a reference or a copy under a name or key that has nothing yet; else nothing changes. */
int mlx_io_gguf_set_array(mlx_io_gguf io, const char *key, const mlx_array arr);
int mlx_io_gguf_set_metadata_array(mlx_io_gguf io, const char *key, const mlx_array marr);
int mlx_io_gguf_set_metadata_string(mlx_io_gguf io, const char *key, const char *mstr);
int mlx_io_gguf_set_metadata_vector_string(mlx_io_gguf io, const char *key,
                                           const mlx_vector_string mvstr);

#ifdef __cplusplus
}
#endif

#endif
