#ifndef WR_TESTS_SUPPORT_NO_FILE_H
#define WR_TESTS_SUPPORT_NO_FILE_H

/* A reader and writer over nothing, for tests of arguments: all of its functions are there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlx/c/io_types.h"

static inline bool no_file_asked(void *desc) {
  (void)desc;
  return false;
}

static inline size_t no_file_tell(void *desc) {
  (void)desc;
  return 0;
}

static inline void no_file_seek(void *desc, int64_t off, int whence) {
  (void)desc;
  (void)off;
  (void)whence;
}

static inline void no_file_read(void *desc, char *data, size_t n) {
  (void)desc;
  (void)data;
  (void)n;
}

static inline void no_file_read_at(void *desc, char *data, size_t n, size_t off) {
  (void)off;
  no_file_read(desc, data, n);
}

static inline void no_file_write(void *desc, const char *data, size_t n) {
  (void)desc;
  (void)data;
  (void)n;
}

static const mlx_io_vtable no_file = {.is_open = no_file_asked,
                                      .good = no_file_asked,
                                      .tell = no_file_tell,
                                      .seek = no_file_seek,
                                      .read = no_file_read,
                                      .read_at_offset = no_file_read_at,
                                      .write = no_file_write};

#endif
