/* Machine code on disk: one file per module in the user's cache folder, named by a hash of all that
   it was made from. A file begins with its own length and a hash of what follows; one that is cut,
   changed or of another format counts as none and is replaced. Files appear whole, by renaming, so
   that processes need not agree on anything. Nothing here is an error: without a cache, kernels are
   compiled once per process. No locks.

   All files together have a bound, in bytes (WEIR_KERNEL_CACHE_BYTES) and in number. A file's time
   of change says when it was last used: reading a file sets it. A process that has written a file
   looks through the folder; if that is above the bound, it removes the files that were used longest
   ago. Several processes may do this at once, without a lock. The one that renames its file last
   looks after all renames, so the bound holds once no process writes. Each keeps the files that
   were used last, by what it has seen; so together they remove no more than one alone would, except
   for files that were used in between. A file that is removed while a process reads it can be read
   to its end. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/cuda/codegen/internal.h"

enum { PATH_BYTES = 512, MOST_BYTES = 64 << 20, MOST_FILES = 4096 };

/* Files are removed until seven eighths of the bound are left, so that this need not be done again
   with each new file. */
#define LESS_AN_EIGHTH(n) ((n) - (n) / 8)

static const char magic[8] = "weircu1";

struct header {
  char magic[8];
  uint64_t key[2];
  uint64_t bytes;
  uint64_t check;
};

static uint64_t check_of(const unsigned char *p, size_t bytes) {
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < bytes; i++) h = (h ^ p[i]) * UINT64_C(0x100000001b3);
  return h;
}

static bool folder_of(char *path) {
  const char *home = wr_env_get()->cache_home;
  if (!*home || wr_env_get()->kernel_cache_bytes == 0) return false;
  int length = snprintf(path, PATH_BYTES, "%s/weir", home);
  return length > 0 && length < PATH_BYTES;
}

static bool file_of(struct wr_jit_key key, char *path) {
  char folder[PATH_BYTES];
  if (!folder_of(folder)) return false;
  int length = snprintf(path, PATH_BYTES, "%.400s/%016llx%016llx.cubin", folder,
                        (unsigned long long)key.hash[0], (unsigned long long)key.hash[1]);
  return length > 0 && length < PATH_BYTES;
}

/* Adds what a call has moved, which gave n; false where it failed, or there is no more. */
static bool moved(ssize_t n, size_t *done) {
  if (n < 0 && errno == EINTR) return true;
  if (n <= 0) return false;
  *done += (size_t)n;
  return true;
}

/* All of it, or false. */
static bool read_all(int file, void *to, size_t bytes) {
  size_t at = 0;
  while (at < bytes && moved(read(file, (char *)to + at, bytes - at), &at)) continue;
  return at == bytes;
}

static bool write_all(int file, const void *from, size_t bytes) {
  size_t at = 0;
  while (at < bytes && moved(write(file, (const char *)from + at, bytes - at), &at)) continue;
  return at == bytes;
}

static void *read_image(int file, struct wr_jit_key key, size_t *bytes) {
  struct header h;
  if (!read_all(file, &h, sizeof h) || memcmp(h.magic, magic, sizeof magic) ||
      h.key[0] != key.hash[0] || h.key[1] != key.hash[1] || h.bytes == 0 || h.bytes > MOST_BYTES) {
    return NULL;
  }
  void *image = wr_alloc((size_t)h.bytes);
  if (!image) return NULL;
  if (!read_all(file, image, (size_t)h.bytes) || check_of(image, (size_t)h.bytes) != h.check) {
    wr_free(image);
    return NULL;
  }
  *bytes = (size_t)h.bytes;
  return image;
}

void *wr_jit_cache_read(struct wr_jit_key key, size_t *bytes) {
  char path[PATH_BYTES];
  if (!file_of(key, path)) return NULL;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return NULL;
  void *image = read_image(file, key, bytes);
  if (image)
    (void)futimens(file, NULL); /* it was used; refused where the cache is another user's */
  close(file);
  return image;
}

/* The cache folder itself may be missing too. */
static bool make_folder(void) {
  char path[PATH_BYTES];
  if (!folder_of(path)) return false;
  mkdir(wr_env_get()->cache_home, 0700);
  return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* ---- the bound ---- */

enum { NAME_BYTES = 48, DIGITS = 32 };

struct entry {
  char name[NAME_BYTES];
  uint64_t bytes;
  struct timespec used;
};

struct look {
  uint64_t bytes, files; /* that there are */
  struct entry *list;    /* NULL: they are counted alone */
  size_t count, room;    /* of the list */
};

/* A file of the cache's, or one that its writer has not renamed yet, or left as it died. */
static bool is_ours(const char *name) {
  return strspn(name, "0123456789abcdef") == DIGITS && strlen(name) < NAME_BYTES &&
         strncmp(name + DIGITS, ".cubin", 6) == 0;
}

static void note(struct look *look, const char *name, const struct stat *state) {
  look->bytes += (uint64_t)state->st_size;
  look->files++;
  if (look->count == look->room) return;
  struct entry *entry = &look->list[look->count++];
  memcpy(entry->name, name, strlen(name) + 1);
  entry->bytes = (uint64_t)state->st_size;
  entry->used = state->st_mtim;
}

static void look_through(DIR *folder, struct look *look) {
  struct stat state;
  look->bytes = look->files = look->count = 0;
  rewinddir(folder);
  for (const struct dirent *e; (e = readdir(folder));) {
    if (!is_ours(e->d_name)) continue;
    if (fstatat(dirfd(folder), e->d_name, &state, AT_SYMLINK_NOFOLLOW)) continue; /* gone */
    if (S_ISREG(state.st_mode)) note(look, e->d_name, &state);
  }
}

/* The one used longest ago first; of two with the same time, in an order that is the same in all
   processes. */
static int by_use(const void *left, const void *right) {
  const struct entry *a = left, *b = right;
  if (a->used.tv_sec != b->used.tv_sec) return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
  if (a->used.tv_nsec != b->used.tv_nsec) return a->used.tv_nsec < b->used.tv_nsec ? -1 : 1;
  return strcmp(a->name, b->name);
}

static bool exceeds(const struct look *look, uint64_t bytes, uint64_t files) {
  return look->bytes > bytes || look->files > files;
}

static void remove_unused(DIR *folder, struct look *look) {
  const uint64_t bytes = LESS_AN_EIGHTH(wr_env_get()->kernel_cache_bytes);
  qsort(look->list, look->count, sizeof *look->list, by_use);
  for (size_t i = 0; i < look->count && exceeds(look, bytes, LESS_AN_EIGHTH(MOST_FILES)); i++) {
    if (unlinkat(dirfd(folder), look->list[i].name, 0) && errno != ENOENT) continue;
    look->bytes -= look->list[i].bytes;
    look->files--;
  }
}

static void keep_to_bound(void) {
  char path[PATH_BYTES];
  DIR *folder = folder_of(path) ? opendir(path) : NULL;
  struct look look = {0};
  if (!folder) return;
  look_through(folder, &look);
  if (exceeds(&look, wr_env_get()->kernel_cache_bytes, MOST_FILES)) {
    look.list = wr_alloc((size_t)look.files * sizeof *look.list);
    look.room = look.list ? (size_t)look.files : 0;
    look_through(folder, &look);
    remove_unused(folder, &look);
    wr_free(look.list);
  }
  closedir(folder);
}

/* ---- writing ---- */

/* Writes the whole file under a temporary name that no other writer uses. */
static bool write_apart(char *path, const struct header *h, const void *image) {
  int file = mkostemp(path, O_CLOEXEC);
  if (file < 0) return false;
  bool whole = write_all(file, h, sizeof *h) && write_all(file, image, (size_t)h->bytes);
  if (close(file) == 0 && whole) return true;
  unlink(path);
  return false;
}

/* A file for which all others would be removed is not written. */
void wr_jit_cache_write(struct wr_jit_key key, const void *image, size_t bytes) {
  char path[PATH_BYTES], temporary[PATH_BYTES + 8];
  struct header h = {.key = {key.hash[0], key.hash[1]}, .bytes = bytes};
  if (sizeof h + bytes > LESS_AN_EIGHTH(wr_env_get()->kernel_cache_bytes)) return;
  if (!file_of(key, path) || !make_folder()) return;
  memcpy(h.magic, magic, sizeof magic);
  h.check = check_of(image, bytes);
  snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
  if (!write_apart(temporary, &h, image)) return;
  if (rename(temporary, path)) unlink(temporary);
  keep_to_bound();
}
