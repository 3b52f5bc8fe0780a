/* Files. Reading never maps: what another process cuts off a mapped file ends this one by a signal,
   and a read says it. Writing goes to a new file in the same folder, which is renamed over the old
   one once it is whole and on the disk. Devices, pipes and the like are written to as they are.
   No locks. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/base.h"
#include "base/lock.h"
#include "base/text.h"
#include "io/reader.h"

/* More than this the system neither reads nor writes at once. */
enum { CALL_BYTES = 1 << 30, PIECE_BYTES = 8 << 20 };

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x8
#endif

/* ---- reading ---- */

struct file {
  struct wr_reader reader;
  int fd;         /* immutable after publish */
  uint64_t place; /* owner thread only: while the header is read */
  char label[];   /* immutable after publish */
};

static struct file *file_of(struct wr_reader *reader) {
  return WR_CONTAINER_OF(reader, struct file, reader);
}

static const char *label(struct wr_reader *reader) { return file_of(reader)->label; }

static bool good(struct wr_reader *reader) {
  (void)reader;
  return true;
}

static struct wr_error *read_at(struct wr_reader *reader, void *to, size_t n, uint64_t offset) {
  struct file *file = file_of(reader);
  char *at = to;
  if (offset > INT64_MAX || n > (uint64_t)INT64_MAX - offset) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[read] %s has no byte %llu", file->label,
                        (unsigned long long)offset);
  }
  while (n > 0) {
    int cancel = wr_cancel_off();
    ssize_t got = pread(file->fd, at, n < CALL_BYTES ? n : CALL_BYTES, (off_t)offset);
    wr_cancel_restore(cancel);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return wr_error_new(WEIR_ERROR_DEVICE, "[read] Unable to read from %s: %s", file->label,
                          wr_text_of_errno(errno));
    }
    if (got == 0) {
      return wr_error_new(WEIR_ERROR_DEVICE,
                          "[read] Unable to read from %s: it ends %zu bytes before the array does",
                          file->label, n);
    }
    at += got;
    n -= (size_t)got;
    offset += (uint64_t)got;
  }
  return NULL;
}

/* The C library's own function has no such flag everywhere. */
static size_t read_now(struct wr_reader *reader, void *to, size_t n, uint64_t offset) {
  size_t done = 0;
  while (done < n && offset + done <= INT64_MAX - CALL_BYTES) {
    size_t count = n - done < CALL_BYTES ? n - done : CALL_BYTES;
    struct iovec place = {.iov_base = (char *)to + done, .iov_len = count};
    uint64_t at = offset + done;
    long got = syscall(SYS_preadv2, file_of(reader)->fd, &place, 1L, (unsigned long)at,
                       (unsigned long)(at >> 32 >> 32), RWF_NOWAIT);
    if (got <= 0) break;
    done += (size_t)got;
  }
  return done;
}

static struct wr_error *read_on(struct wr_reader *reader, void *to, size_t n) {
  struct file *file = file_of(reader);
  struct wr_error *error = read_at(reader, to, n, file->place);
  if (!error) file->place += n;
  return error;
}

static struct wr_error *seek(struct wr_reader *reader, uint64_t offset) {
  file_of(reader)->place = offset;
  return NULL;
}

static struct wr_error *size(struct wr_reader *reader, uint64_t *bytes) {
  struct file *file = file_of(reader);
  struct stat facts;
  if (fstat(file->fd, &facts) != 0) {
    return wr_error_new(WEIR_ERROR_DEVICE, "[read] Unable to read from %s: %s", file->label,
                        wr_text_of_errno(errno));
  }
  *bytes = facts.st_size < 0 ? 0 : (uint64_t)facts.st_size;
  return NULL;
}

static void end(struct wr_reader *reader) {
  struct file *file = file_of(reader);
  int cancel = wr_cancel_off();
  (void)close(file->fd);
  wr_cancel_restore(cancel);
  wr_free(file);
}

static const struct wr_reader_kind file_kind = {.label = label,
                                                .good = good,
                                                .read = read_on,
                                                .seek = seek,
                                                .size = size,
                                                .read_at = read_at,
                                                .read_now = read_now,
                                                .end = end,
                                                .piece = PIECE_BYTES};

/* Not blocking, so that a pipe without a writer does not hold the caller: it has no places to read
   at anyway. */
static int open_file(const char *name, const char **reason) {
  struct stat facts;
  int cancel = wr_cancel_off();
  int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  *reason = fd < 0 ? wr_text_of_errno(errno) : NULL;
  if (fd >= 0 && (fstat(fd, &facts) != 0 || !(S_ISREG(facts.st_mode) || S_ISBLK(facts.st_mode)))) {
    (void)close(fd);
    fd = -1;
    *reason = "it is not a file that can be read at any place";
  }
  wr_cancel_restore(cancel);
  return fd;
}

struct wr_error *wr_reader_open(struct wr_reader **out, const char *name) {
  const char *reason;
  size_t bytes = strlen(name) + sizeof "file ";
  struct file *file = wr_alloc(sizeof *file + bytes);
  if (!file) return wr_error_out_of_memory();
  *file = (struct file){.reader = {.kind = &file_kind}};
  wr_store_relaxed(&file->reader.refs, 1u); /* relaxed: not yet shared */
  snprintf(file->label, bytes, "file %s", name);
  file->fd = open_file(name, &reason);
  if (file->fd >= 0) {
    *out = &file->reader;
    return NULL;
  }
  struct wr_error *error =
      wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Failed to open %s: %s", file->label, reason);
  wr_free(file);
  return error;
}

/* ---- writing ---- */

struct wr_file_writer {
  struct wr_writer writer;
  int fd;
  char *label;
  char *target; /* what the file is to be called, links resolved; NULL: written as it is */
  char *fresh;  /* what it is called until then */
};

static const char *writer_label(struct wr_writer *writer) {
  return WR_CONTAINER_OF(writer, struct wr_file_writer, writer)->label;
}

static bool writer_good(struct wr_writer *writer) {
  (void)writer;
  return true;
}

static struct wr_error *writer_failed(const struct wr_file_writer *file) {
  return wr_error_new(WEIR_ERROR_DEVICE, "[write] Unable to write to %s: %s", file->label,
                      wr_text_of_errno(errno));
}

static struct wr_error *writer_write(struct wr_writer *writer, const void *data, size_t n) {
  struct wr_file_writer *file = WR_CONTAINER_OF(writer, struct wr_file_writer, writer);
  const char *at = data;
  while (n > 0) {
    int cancel = wr_cancel_off();
    ssize_t put = write(file->fd, at, n < CALL_BYTES ? n : CALL_BYTES);
    wr_cancel_restore(cancel);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return writer_failed(file);
    at += put;
    n -= (size_t)put;
  }
  return NULL;
}

static char *text_of(const char *format, int length, const char *text, unsigned long long number) {
  char *made = NULL;
  int n = snprintf(NULL, 0, format, length, text, number);
  if (n >= 0) made = wr_alloc((size_t)n + 1);
  if (made) snprintf(made, (size_t)n + 1, format, length, text, number);
  return made;
}

/* Makes a file with a name that nobody has, in the folder of `target`. Its mode is what the file
   had that it replaces. */
static struct wr_error *make_fresh(struct wr_file_writer *file, const struct stat *old) {
  const char *slash = strrchr(file->target, '/');
  int folder = slash ? (int)(slash - file->target) + 1 : 0;
  for (int tries = 0; tries < 100; tries++) {
    unsigned long long number = wr_clock_ns() ^ (unsigned long long)getpid() << 40;
    wr_free(file->fresh);
    file->fresh = text_of("%.*s.weir-%llx", folder, file->target, number);
    if (!file->fresh) return wr_error_out_of_memory();
    file->fd = open(file->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
    if (file->fd >= 0 || errno != EEXIST) break;
  }
  if (file->fd >= 0) {
    if (old) (void)fchmod(file->fd, old->st_mode & 07777);
    return NULL;
  }
  struct wr_error *error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                                        "Failed to open %s: no file can be made beside it: %s",
                                        file->label, wr_text_of_errno(errno));
  wr_free(file->fresh);
  file->fresh = NULL;
  return error;
}

static struct wr_error *cannot_open(const struct wr_file_writer *file) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Failed to open %s: %s", file->label,
                      wr_text_of_errno(errno));
}

/* What is there already says how to write; `name` is the file's, with its ending. A link leads to
   what is replaced, and stays. */
static struct wr_error *begin(struct wr_file_writer *file, const char *name) {
  struct stat old;
  if (stat(name, &old) != 0) {
    if (errno != ENOENT) return cannot_open(file);
    file->target = text_of("%.*s", (int)strlen(name), name, 0);
    return file->target ? make_fresh(file, NULL) : wr_error_out_of_memory();
  }
  if (!S_ISREG(old.st_mode)) {
    file->fd = open(name, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return file->fd >= 0 ? NULL : cannot_open(file);
  }
  if (access(name, W_OK) != 0) return cannot_open(file);
  char *real = realpath(name, NULL);
  if (!real) return cannot_open(file);
  file->target = text_of("%.*s", (int)strlen(real), real, 0);
  free(real);
  return file->target ? make_fresh(file, &old) : wr_error_out_of_memory();
}

static void writer_free(struct wr_file_writer *file) {
  if (file->fd >= 0) (void)close(file->fd);
  wr_free(file->label);
  wr_free(file->target);
  wr_free(file->fresh);
  wr_free(file);
}

static bool ends_so(const char *name, const char *ending) {
  size_t n = strlen(name), e = strlen(ending);
  return n >= e && !strcmp(name + n - e, ending);
}

struct wr_error *wr_file_writer_new(struct wr_file_writer **out, const char *name,
                                    const char *ending) {
  size_t bytes = strlen(name) + strlen(ending) + sizeof "file ";
  struct wr_file_writer *file = bytes < INT_MAX ? wr_calloc(sizeof *file) : NULL;
  if (!file) return wr_error_out_of_memory();
  file->writer = (struct wr_writer){writer_label, writer_good, writer_write};
  file->fd = -1;
  file->label = wr_alloc(bytes);
  struct wr_error *error = file->label ? NULL : wr_error_out_of_memory();
  if (!error) {
    snprintf(file->label, bytes, "file %s%s", name, ends_so(name, ending) ? "" : ending);
    int cancel = wr_cancel_off();
    error = begin(file, file->label + strlen("file "));
    wr_cancel_restore(cancel);
  }
  if (error) {
    writer_free(file);
    return error;
  }
  *out = file;
  return NULL;
}

struct wr_writer *wr_file_writer(struct wr_file_writer *file) {
  return &file->writer;
}

/* What a disk refuses it may say as late as this. */
static struct wr_error *settle(struct wr_file_writer *file) {
  if (file->target && fsync(file->fd) != 0) return writer_failed(file);
  int fd = file->fd;
  file->fd = -1;
  if (close(fd) != 0 && errno != EINTR) return writer_failed(file);
  if (file->target && rename(file->fresh, file->target) != 0) return writer_failed(file);
  return NULL;
}

struct wr_error *wr_file_writer_end(struct wr_file_writer *file, struct wr_error *error) {
  int cancel = wr_cancel_off();
  if (!error) error = settle(file);
  if (error && file->fresh) (void)unlink(file->fresh);
  writer_free(file);
  wr_cancel_restore(cancel);
  return error;
}
