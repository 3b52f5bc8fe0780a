/* Files. Reading never maps: what another process cuts off a mapped file ends this one by a signal,
   and a read says it. Writing goes to a new file in the same folder, which is renamed over the old
   one once it is whole and on the disk. Devices, pipes and the like are written to as they are.
   No locks. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "base/doing.h"
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
    struct wr_doing *doing = wr_doing_begin(WR_DOING_READ, NULL, NULL, file->label);
    ssize_t got = pread(file->fd, at, n < CALL_BYTES ? n : CALL_BYTES, (off_t)offset);
    wr_doing_end(doing);
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
  int folder; /* where both names below are looked up, whatever the working directory becomes */
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

/* A pipe that nobody reads any more is an error like others: its signal, which would end the
   process, is taken away again, unless one was there before. */
static ssize_t write_to_pipe(int fd, const void *data, size_t n) {
  static const struct timespec at_once;
  sigset_t pipe, before, pending;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  bool there = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
  ssize_t put = write(fd, data, n);
  int reason = errno;
  if (!there) { /* with a part written it comes too, and no error yet */
    while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR) continue;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = reason;
  return put;
}

static struct wr_error *writer_write(struct wr_writer *writer, const void *data, size_t n) {
  struct wr_file_writer *file = WR_CONTAINER_OF(writer, struct wr_file_writer, writer);
  const char *at = data;
  while (n > 0) {
    int cancel = wr_cancel_off();
    size_t most = n < CALL_BYTES ? n : CALL_BYTES;
    ssize_t put = file->target ? write(file->fd, at, most) : write_to_pipe(file->fd, at, most);
    wr_cancel_restore(cancel);
    if (put < 0 && errno == EINTR) continue;
    if (put == 0) errno = EIO; /* a device that takes nothing would be tried for ever */
    if (put <= 0) return writer_failed(file);
    at += put;
    n -= (size_t)put;
  }
  return NULL;
}

/* The two texts one behind the other, the first one up to `n`. */
static char *joined(const char *first, size_t n, const char *second) {
  size_t m = strlen(second) + 1;
  char *made = wr_alloc(n + m);
  if (!made) return NULL;
  memcpy(made, first, n);
  memcpy(made + n, second, m);
  return made;
}

/* As much of a path as its folder, with the slash. */
static size_t folder_bytes(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

static struct wr_error *cannot_open(const struct wr_file_writer *file) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "Failed to open %s: %s", file->label,
                      wr_text_of_errno(errno));
}

/* What was there keeps its owner and mode, as far as this process may give them; where the group
   cannot be kept, another one gets no rights. */
static void keep_rights(int fd, const struct stat *old) {
  mode_t mode = old->st_mode & 07777;
  if (fchown(fd, old->st_uid, old->st_gid) != 0 && fchown(fd, (uid_t)-1, old->st_gid) != 0) {
    mode &= ~(mode_t)070;
  }
  (void)fchmod(fd, mode);
}

/* Makes a file with a name that nobody has, in the folder. At no time has it more rights than the
   one it replaces: who opened it then could go on reading. */
static struct wr_error *make_fresh(struct wr_file_writer *file, const struct stat *old) {
  char name[32];
  for (int tries = 0; tries < 100; tries++) {
    unsigned long long number = wr_clock_ns() ^ (unsigned long long)getpid() << 40;
    snprintf(name, sizeof name, ".weir-%llx", number);
    file->fd = openat(file->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY,
                      old ? old->st_mode & 0700 : 0666);
    if (file->fd >= 0 || errno != EEXIST) break;
  }
  if (file->fd < 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "Failed to open %s: no file can be made beside it: %s", file->label,
                        wr_text_of_errno(errno));
  }
  file->fresh = joined(name, strlen(name), "");
  if (!file->fresh) {
    (void)unlinkat(file->folder, name, 0);
    return wr_error_out_of_memory();
  }
  if (old) keep_rights(file->fd, old);
  return NULL;
}

/* Where links lead from `name`, which need not be there: a path of wr_alloc. */
static struct wr_error *follow(const struct wr_file_writer *file, const char *name, char **path) {
  char to[PATH_MAX];
  *path = joined(name, strlen(name), "");
  for (int links = 0; *path; links++) {
    ssize_t n = readlink(*path, to, sizeof to);
    if (n < 0) return NULL;
    errno = links == 40 ? ELOOP : ENAMETOOLONG;
    if (links == 40 || (size_t)n == sizeof to) break;
    to[n] = '\0';
    char *next = joined(*path, to[0] == '/' ? 0 : folder_bytes(*path), to);
    wr_free(*path);
    *path = next;
  }
  if (!*path) return wr_error_out_of_memory();
  wr_free(*path);
  *path = NULL;
  return cannot_open(file);
}

/* One that may be searched but not read serves too; it only cannot be synced. */
static int open_folder(const char *name) {
  int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd >= 0 || errno != EACCES ? fd : open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Opens the folder and sets `target`. */
static struct wr_error *find_place(struct wr_file_writer *file, const char *path,
                                   const struct stat *old) {
  struct stat now;
  size_t n = folder_bytes(path);
  char *folder = n ? joined(path, n, "") : joined(".", 1, "");
  file->target = joined(path + n, strlen(path + n), "");
  if (folder && file->target) file->folder = open_folder(folder);
  wr_free(folder);
  if (!folder || !file->target) return wr_error_out_of_memory();
  if (file->folder < 0) return cannot_open(file);
  if (!*file->target) errno = EISDIR;
  if (!*file->target) return cannot_open(file);
  /* What a link of /proc calls a file that has no name any more leads nowhere. */
  if (!old || fstatat(file->folder, file->target, &now, AT_SYMLINK_NOFOLLOW) == 0) return NULL;
  return cannot_open(file);
}

static struct wr_error *open_as_it_is(struct wr_file_writer *file, const char *name) {
  do {
    file->fd = open(name, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  } while (file->fd < 0 && errno == EINTR); /* while it waits for a pipe's reader */
  return file->fd >= 0 ? NULL : cannot_open(file);
}

/* What is there already says how to write; `name` is the file's, with its ending. A link leads to
   what is replaced or made, and stays. */
static struct wr_error *begin(struct wr_file_writer *file, const char *name) {
  struct stat facts;
  char *path = NULL;
  const struct stat *old = stat(name, &facts) == 0 ? &facts : NULL;
  if (!old && errno != ENOENT) return cannot_open(file);
  if (old && !S_ISREG(old->st_mode)) return open_as_it_is(file, name);
  if (old && access(name, W_OK) != 0) return cannot_open(file);
  struct wr_error *error = follow(file, name, &path);
  if (!error) error = find_place(file, path, old);
  wr_free(path);
  return error ? error : make_fresh(file, old);
}

static void writer_free(struct wr_file_writer *file) {
  if (file->fd >= 0) (void)close(file->fd);
  if (file->folder >= 0) (void)close(file->folder);
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
  struct wr_file_writer *file = wr_calloc(sizeof *file);
  if (!file) return wr_error_out_of_memory();
  file->writer = (struct wr_writer){writer_label, writer_good, writer_write};
  file->fd = file->folder = -1;
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

/* False with `errno` set. Pipes and some files have nothing to sync, and a folder that cannot be
   read cannot be synced. */
static bool sync_to_disk(int fd) {
  int rc;
  do {
    rc = fsync(fd);
  } while (rc != 0 && errno == EINTR);
  return rc == 0 || errno == EINVAL || errno == EROFS;
}

/* What a disk refuses it may say as late as this. The folder is synced too: only then does the new
   name outlive a loss of power. */
static struct wr_error *settle(struct wr_file_writer *file) {
  if (file->target && !sync_to_disk(file->fd)) return writer_failed(file);
  int fd = file->fd;
  file->fd = -1;
  if (close(fd) != 0 && errno != EINTR) return writer_failed(file);
  if (!file->target) return NULL;
  if (renameat(file->folder, file->fresh, file->folder, file->target) != 0) {
    return writer_failed(file);
  }
  wr_free(file->fresh);
  file->fresh = NULL;
  return sync_to_disk(file->folder) || errno == EBADF ? NULL : writer_failed(file);
}

struct wr_error *wr_file_writer_end(struct wr_file_writer *file, struct wr_error *error) {
  int cancel = wr_cancel_off();
  if (!error) error = settle(file);
  if (error && file->fresh) (void)unlinkat(file->folder, file->fresh, 0);
  writer_free(file);
  wr_cancel_restore(cancel);
  return error;
}
