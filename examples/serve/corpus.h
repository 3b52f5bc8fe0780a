/* What is searched: files and the files below folders, cut into paragraphs. */
#ifndef WR_EXAMPLES_SERVE_CORPUS_H
#define WR_EXAMPLES_SERVE_CORPUS_H

#include <stdbool.h>
#include <stddef.h>

/* Bounds on what is kept, which bound the memory of the index. */
enum { CORPUS_PARAGRAPHS_MOST = 1 << 17, CORPUS_BYTES_MOST = 256 << 20 };

struct corpus_file {
  char *path;
  char *text; /* the whole file, `size` bytes, no terminator */
  size_t size;
};

struct paragraph {
  int file;     /* index into corpus.files */
  int line;     /* of its first line, from 1 */
  size_t begin; /* its bytes inside the file's text */
  size_t size;
};

/* Zero is a corpus with nothing in it. Filled by one thread, then only read: any thread may read it
   without a lock. */
struct corpus {
  struct corpus_file *files;
  size_t file_count, file_room;
  struct paragraph *paragraphs;
  size_t paragraph_count, paragraph_room;
  size_t bytes; /* of all files */
  int skipped;  /* files and folders that could not be used; each was named on stderr */
  bool full;    /* a bound was reached; said once on stderr, and what follows is left out */
};

/* Reads a file, or a folder and what is below it, into the corpus. What cannot be used is named on
   stderr, counted in `skipped` and left out. Returns 0, or 1 when `path` itself does not exist or
   memory ran out: also said on stderr; what had been read before stays. */
int corpus_read(struct corpus *corpus, const char *path);

/* Reads all of them, and keeps the first `most` paragraphs. Returns 0, or 1, also when there is no
   text at all: said on stderr. */
int corpus_read_all(struct corpus *corpus, const char *const *paths, int path_count, int most);

/* Cuts the last file into paragraphs and appends them. Returns 0, or 1 without memory. */
int corpus_split_last(struct corpus *corpus);

void corpus_free(struct corpus *corpus);

#endif
