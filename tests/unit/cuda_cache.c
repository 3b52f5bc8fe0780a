/* The cache of GPU machine code on disk: what was written is read again; a file that is cut or
   changed counts as none and is replaced; without a folder nothing happens and nothing fails. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/cuda/kernel.h"
#include "check.h"

enum { BYTES = 5000 };

static const struct wr_jit_key key = {{0x0123456789abcdefu, 42u}};
static char folder[] = "/tmp/weir-cache-XXXXXX";
static char file[256];

static bool reads(const void *want) {
  size_t bytes = 0;
  void *image = wr_jit_cache_read(key, &bytes);
  bool same = image && bytes == BYTES && memcmp(image, want, BYTES) == 0;
  wr_free(image);
  return same;
}

static void change_byte(long at) {
  FILE *f = fopen(file, "r+b");
  CHECK(f != NULL);
  CHECK(fseek(f, at, SEEK_SET) == 0);
  int c = fgetc(f);
  CHECK(fseek(f, at, SEEK_SET) == 0);
  CHECK(fputc(c ^ 1, f) != EOF && fclose(f) == 0);
}

static bool nothing_is_read(void) {
  size_t bytes;
  return wr_jit_cache_read(key, &bytes) == NULL;
}

static void damaged_files_are_replaced(const char *image) {
  static const long places[] = {0, 9, 26, 34, 40, 40 + BYTES - 1};
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    change_byte(places[i]);
    CHECK(nothing_is_read());
    wr_jit_cache_write(key, image, BYTES);
    CHECK(reads(image));
  }
  CHECK(truncate(file, 1000) == 0);
  CHECK(nothing_is_read());
  CHECK(truncate(file, 0) == 0);
  CHECK(nothing_is_read());
  wr_jit_cache_write(key, image, BYTES);
  CHECK(reads(image));
}

int main(void) {
  char image[BYTES], weir[128];
  CHECK(mkdtemp(folder) != NULL);
  snprintf(weir, sizeof weir, "%s/made/weir", folder);
  snprintf(file, sizeof file, "%s/%016llx%016llx.cubin", weir, (unsigned long long)key.hash[0],
           (unsigned long long)key.hash[1]);
  char home[128];
  snprintf(home, sizeof home, "%s/made", folder);
  CHECK(setenv("XDG_CACHE_HOME", home, 1) == 0);
  for (int i = 0; i < BYTES; i++) image[i] = (char)(i * 7 % 251);
  CHECK(nothing_is_read());
  wr_jit_cache_write(key, image, BYTES);
  CHECK(reads(image));
  damaged_files_are_replaced(image);
  CHECK(unlink(file) == 0 && rmdir(weir) == 0 && rmdir(home) == 0);
  CHECK(chmod(folder, 0500) == 0);
  if (geteuid() != 0) {
    wr_jit_cache_write(key, image, BYTES);
    CHECK(nothing_is_read());
  }
  CHECK(chmod(folder, 0700) == 0 && rmdir(folder) == 0);
  return 0;
}
