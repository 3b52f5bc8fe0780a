/* The cache of GPU machine code on disk: what was written is read again; a file that is cut or
   changed counts as none and is replaced; without a folder nothing happens and nothing fails. K14:
   it keeps to its bound, in bytes and files, with many processes at it too; what was used longest
   ago goes first, and what is not the cache's stays. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/cuda/codegen/internal.h"
#include "check.h"

enum { BYTES = 5000, HEADER = 40, MOST_FILES = 4096 };

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

/* ---- the bound ---- */

static char weir[128];

static struct wr_jit_key key_number(int i) { return (struct wr_jit_key){{(uint64_t)i, 7}}; }

static void path_number(char *path, size_t n, int i) {
  snprintf(path, n, "%s/%016llx%016llx.cubin", weir, (unsigned long long)i, 7ull);
}

/* Each number has an image of its own. */
static void fill(char *image, int i) { memset(image, i * 5 + 1, BYTES); }

static void write_number(int i) {
  char image[BYTES];
  fill(image, i);
  wr_jit_cache_write(key_number(i), image, BYTES);
}

/* 1: it is there, 0: it is not; what is there must be right. */
static int reads_number(int i) {
  char want[BYTES];
  size_t bytes = 0;
  void *image = wr_jit_cache_read(key_number(i), &bytes);
  fill(want, i);
  CHECK(!image || (bytes == BYTES && memcmp(image, want, BYTES) == 0));
  wr_free(image);
  return image != NULL;
}

/* It was last used i minutes after a moment long ago. */
static void age(const char *path, int i) {
  const struct timespec times[2] = {{.tv_sec = 1000 + 60 * i}, {.tv_sec = 1000 + 60 * i}};
  CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
}

static void age_number(int i) {
  char path[256];
  path_number(path, sizeof path, i);
  age(path, i);
}

struct total {
  uint64_t bytes, files;
};

static struct total total(void) {
  struct total sum = {0};
  struct stat state;
  DIR *d = opendir(weir);
  for (const struct dirent *e; d && (e = readdir(d));) {
    if (!strstr(e->d_name, ".cubin") || fstatat(dirfd(d), e->d_name, &state, 0)) continue;
    sum.bytes += (uint64_t)state.st_size;
    sum.files++;
  }
  if (d) closedir(d);
  return sum;
}

static void touch(const char *name, char *path, size_t n) {
  snprintf(path, n, "%s/%s", weir, name);
  int f = open(path, O_WRONLY | O_CREAT, 0600);
  CHECK(f >= 0 && ftruncate(f, BYTES) == 0 && close(f) == 0);
  age(path, 0);
}

/* Ten have room; the eleventh removes what is beyond seven eighths. */
static void longest_unused_first(void) {
  char left[256], foreign[256];
  for (int i = 1; i <= 8; i++) {
    write_number(i);
    age_number(i);
  }
  touch("00000000000000aa0000000000000007.cubin.Xy12ab", left, sizeof left);
  touch("a.cubin", foreign, sizeof foreign);
  CHECK(reads_number(1) && reads_number(3));
  write_number(9);
  CHECK(total().files == 11 && access(left, F_OK) == 0);
  write_number(10);
  CHECK(access(left, F_OK) != 0 && access(foreign, F_OK) == 0);
  CHECK(!reads_number(2) && !reads_number(4) && reads_number(1) && reads_number(3));
  CHECK(reads_number(5) && reads_number(10) && total().files == 9);
  CHECK(unlink(foreign) == 0);
}

static void one_that_is_too_large(void) {
  static char large[10 * (BYTES + HEADER)];
  const uint64_t before = total().files;
  wr_jit_cache_write(key_number(99), large, sizeof large);
  CHECK(total().files == before && !reads_number(99));
}

static void too_many_files(void) {
  char path[256];
  for (int i = 0; i < MOST_FILES; i++) {
    path_number(path, sizeof path, 1000 + i);
    int f = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(f >= 0 && close(f) == 0);
    age(path, 0);
  }
  write_number(11);
  CHECK(total().files == MOST_FILES / 8 * 7 && reads_number(11));
}

/* In a process of its own: the environment is read once. */
static void within(const char *bytes, void (*fn)(void)) {
  int status = 0;
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    CHECK(setenv("WEIR_KERNEL_CACHE_BYTES", bytes, 1) == 0);
    fn();
    _exit(0);
  }
  CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void remove_folder(void) {
  char command[300];
  snprintf(command, sizeof command, "rm -rf '%s'", weir);
  CHECK(system(command) == 0); /* NOLINT(cert-env33-c): a path of our own */
}

static void bounded(void) {
  longest_unused_first();
  one_that_is_too_large();
}

static void turned_off(void) {
  write_number(1);
  CHECK(!reads_number(1) && access(weir, F_OK) != 0);
}

/* ---- many processes ---- */

enum { PROCESSES = 8, ROUNDS = 100, NUMBERS = 64 };

static void at_once(void) {
  pid_t pids[PROCESSES];
  for (int p = 0; p < PROCESSES; p++) {
    pids[p] = fork();
    CHECK(pids[p] >= 0);
    if (pids[p]) continue;
    for (int r = 0; r < ROUNDS; r++) {
      int i = (r * 37 + p * 11) % NUMBERS;
      if (!reads_number(i)) write_number(i);
    }
    _exit(0);
  }
  for (int p = 0; p < PROCESSES; p++) {
    int status;
    CHECK(waitpid(pids[p], &status, 0) == pids[p] && status == 0);
  }
  struct total left = total();
  int there = 0;
  for (int i = 0; i < NUMBERS; i++) there += reads_number(i);
  CHECK(left.bytes <= 20 * (BYTES + HEADER) && left.files == (uint64_t)there && there > 0);
}

int main(void) {
  char image[BYTES];
  CHECK(mkdtemp(folder) != NULL);
  snprintf(weir, sizeof weir, "%s/made/weir", folder);
  snprintf(file, sizeof file, "%s/%016llx%016llx.cubin", weir, (unsigned long long)key.hash[0],
           (unsigned long long)key.hash[1]);
  char home[128];
  snprintf(home, sizeof home, "%s/made", folder);
  CHECK(setenv("XDG_CACHE_HOME", home, 1) == 0);
  within("50400", bounded);
  remove_folder();
  within("100800", at_once);
  within("1000000000", too_many_files);
  remove_folder();
  within("0", turned_off);
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
