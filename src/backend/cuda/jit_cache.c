/* Machine code on disk: one file per module in the user's cache folder, named by a hash of all that
   it was made from. A file begins with its own length and a hash of what follows; one that is cut,
   changed or of another format counts as none and is replaced. Files appear whole, by renaming, so
   that processes need not agree on anything. Nothing here is an error: without a cache, kernels are
   compiled once per process. No locks. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/cuda/kernel.h"

enum { PATH_BYTES = 512, MOST_BYTES = 64 << 20 };

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
  if (!*home) return false;
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

/* All of it, or false. */
static bool read_all(int file, void *to, size_t bytes) {
  char *at = to;
  while (bytes > 0) {
    ssize_t n = read(file, at, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= (size_t)n;
  }
  return true;
}

static bool write_all(int file, const void *from, size_t bytes) {
  const char *at = from;
  while (bytes > 0) {
    ssize_t n = write(file, at, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= (size_t)n;
  }
  return true;
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

void wr_jit_cache_write(struct wr_jit_key key, const void *image, size_t bytes) {
  char path[PATH_BYTES], temporary[PATH_BYTES + 64];
  if (!file_of(key, path) || !make_folder()) return;
  snprintf(temporary, sizeof temporary, "%s.%llu", path, (unsigned long long)wr_thread_os_id());
  int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return;
  struct header h = {.key = {key.hash[0], key.hash[1]}, .bytes = bytes};
  memcpy(h.magic, magic, sizeof magic);
  h.check = check_of(image, bytes);
  bool whole = write_all(file, &h, sizeof h) && write_all(file, image, bytes);
  if (close(file) || !whole || rename(temporary, path)) unlink(temporary);
}
