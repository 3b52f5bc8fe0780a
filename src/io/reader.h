#ifndef WR_IO_READER_H
#define WR_IO_READER_H

/* Where loads get their bytes from and where saves put them: files, or functions of the user's
   (src/api/io_types.c). Both are counted. A load reads the header in order, on the caller's thread,
   by `good`, `read`, `seek` and `size`; arrays are read later by `read_at`, on any thread and
   several at once, while the lazy arrays hold references. No lock is held around any of them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "core/error.h"

struct wr_reader;

struct wr_reader_kind {
  const char *(*label)(struct wr_reader *reader);
  bool (*good)(struct wr_reader *reader);
  /* All `n` bytes, or an error. */
  struct wr_error *(*read)(struct wr_reader *reader, void *to, size_t n);
  struct wr_error *(*seek)(struct wr_reader *reader, uint64_t offset);
  /* How many bytes there are; the place is the end afterwards. */
  struct wr_error *(*size)(struct wr_reader *reader, uint64_t *size);
  struct wr_error *(*read_at)(struct wr_reader *reader, void *to, size_t n, uint64_t offset);
  /* As many of the bytes as there are without a wait for a device; NULL: that is never known. */
  size_t (*read_now)(struct wr_reader *reader, void *to, size_t n, uint64_t offset);
  void (*end)(struct wr_reader *reader);
  size_t piece; /* bytes that one read_at is to read at most; 0: all of an array at once */
};

struct wr_reader {
  wr_atomic_u32 refs;                /* atomic ACQ_REL */
  const struct wr_reader_kind *kind; /* immutable after publish */
};

static inline struct wr_reader *wr_reader_retain(struct wr_reader *reader) {
  wr_ref_take(&reader->refs);
  return reader;
}
static inline void wr_reader_release(struct wr_reader *reader) {
  if (reader && wr_ref_drop(&reader->refs)) reader->kind->end(reader);
}

/* Opens a file; its label is "file NAME". */
struct wr_error *wr_reader_open(struct wr_reader **out, const char *name);

struct wr_writer {
  const char *(*label)(struct wr_writer *writer);
  bool (*good)(struct wr_writer *writer);
  struct wr_error *(*write)(struct wr_writer *writer, const void *data, size_t n);
};

/* A file that is written under another name beside its own, and takes that at the end: until then,
   whatever happens, what was there before stays whole. Owner thread only. */
struct wr_file_writer;

/* `ending` is added to the name unless it ends so. */
struct wr_error *wr_file_writer_new(struct wr_file_writer **out, const char *name,
                                    const char *ending);
struct wr_writer *wr_file_writer(struct wr_file_writer *file);
/* Puts the file in its place unless `error`; takes `error`, and gives it or its own. Ends the
   writer. */
struct wr_error *wr_file_writer_end(struct wr_file_writer *file, struct wr_error *error);

#endif
