/* Reading: walks folders in the order of their names, so that equal folders give equal row numbers,
   and reads whole files. A file with a zero byte is binary. Symbolic links below a folder are
   passed over (a loop of links cannot catch the walk, and no text is read twice); a path that the
   user gives may be one. */
#include "corpus.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "complain.h"
#include "grow.h"

enum { FILE_SIZE_MOST = 64 << 20, READ_AT_ONCE = 64 << 10 };

static void skip(struct corpus *corpus, const char *path, const char *reason) {
  complain("%s: %s, skipped", path, reason);
  corpus->skipped++;
}

static int out_of_memory(const char *path) {
  complain("%s: out of memory", path);
  return 1;
}

/* Reads to the end of `stream`. Returns 0, or the errno of what went wrong, `file` then empty. */
static int read_stream(struct corpus_file *file, FILE *stream) {
  size_t room = 0;
  size_t got = 0;
  do {
    void *const text = grow(file->text, &room, file->size + READ_AT_ONCE, 1);
    if (text == NULL) return ENOMEM;
    file->text = text;
    got = fread(file->text + file->size, 1, READ_AT_ONCE, stream);
    file->size += got;
    if (file->size > FILE_SIZE_MOST) return EFBIG;
  } while (got == READ_AT_ONCE);
  return ferror(stream) ? (errno != 0 ? errno : EIO) : 0;
}

static int read_text(struct corpus_file *file, const char *path) {
  FILE *const stream = fopen(path, "rb");
  if (stream == NULL) return errno;
  errno = 0;
  const int error = read_stream(file, stream);
  fclose(stream);
  return error;
}

/* Takes over the file's text and path, also when it fails. */
static int keep_file(struct corpus *corpus, struct corpus_file file) {
  struct corpus_file *const files =
      grow(corpus->files, &corpus->file_room, corpus->file_count + 1, sizeof(*files));
  if (files != NULL) corpus->files = files;
  if (files == NULL || file.path == NULL) {
    free(file.path);
    free(file.text);
    return 1;
  }
  files[corpus->file_count++] = file;
  corpus->bytes += file.size;
  return corpus_split_last(corpus);
}

/* Why the file cannot be used, or NULL. */
static const char *unusable(const struct corpus_file *file, int error) {
  if (error != 0) return strerror(error);
  if (file->text != NULL && memchr(file->text, 0, file->size) != NULL) return "binary";
  return NULL;
}

static int read_file(struct corpus *corpus, const char *path) {
  struct corpus_file file = {0};
  const int error = read_text(&file, path);
  const char *const reason = unusable(&file, error);
  if (reason != NULL) {
    free(file.text);
    if (error == ENOMEM) return out_of_memory(path);
    skip(corpus, path, reason);
    return 0;
  }
  file.path = strdup(path);
  return keep_file(corpus, file) != 0 ? out_of_memory(path) : 0;
}

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static char *join(const char *folder, const char *name) {
  const size_t length = strlen(folder);
  const char *const slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
  const size_t room = length + strlen(name) + 2;
  char *const path = malloc(room);
  if (path != NULL) snprintf(path, room, "%s%s%s", folder, slash, name);
  return path;
}

static int read_folder(struct corpus *corpus, const char *path);

/* What is neither a file nor a folder (a link, a pipe, a socket) is passed over. */
static int read_entry(struct corpus *corpus, const char *folder, const char *name) {
  char *const path = join(folder, name);
  if (path == NULL) return out_of_memory(folder);
  struct stat info;
  int rc = 0;
  if (lstat(path, &info) != 0) {
    skip(corpus, path, strerror(errno));
  } else if (S_ISDIR(info.st_mode)) {
    rc = read_folder(corpus, path);
  } else if (S_ISREG(info.st_mode)) {
    rc = read_file(corpus, path);
  }
  free(path);
  return rc;
}

static int read_folder(struct corpus *corpus, const char *path) {
  struct dirent **entries = NULL;
  const int count = scandir(path, &entries, is_visible, alphasort);
  if (count < 0 && errno == ENOMEM) return out_of_memory(path);
  if (count < 0) {
    skip(corpus, path, strerror(errno));
    return 0;
  }
  int rc = 0;
  for (int i = 0; i < count; i++) {
    if (rc == 0 && !corpus->full) rc = read_entry(corpus, path, entries[i]->d_name);
    free(entries[i]);
  }
  free(entries);
  return rc;
}

int corpus_read(struct corpus *corpus, const char *path) {
  struct stat info;
  if (stat(path, &info) != 0) {
    complain("%s: %s", path, strerror(errno));
    return 1;
  }
  if (S_ISDIR(info.st_mode)) return read_folder(corpus, path);
  if (S_ISREG(info.st_mode)) return read_file(corpus, path);
  skip(corpus, path, "neither a file nor a folder");
  return 0;
}

int corpus_read_all(struct corpus *corpus, const char *const *paths, int path_count, int most) {
  for (int i = 0; i < path_count; i++) {
    if (corpus_read(corpus, paths[i]) != 0) return 1;
  }
  if (corpus->paragraph_count > (size_t)most) corpus->paragraph_count = (size_t)most;
  if (corpus->paragraph_count > 0) return 0;
  complain("no text to search");
  return 1;
}

void corpus_free(struct corpus *corpus) {
  for (size_t i = 0; i < corpus->file_count; i++) {
    free(corpus->files[i].path);
    free(corpus->files[i].text);
  }
  free(corpus->files);
  free(corpus->paragraphs);
  *corpus = (struct corpus){0};
}
