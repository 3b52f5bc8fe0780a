/* What is searched: files and the files below folders, cut into paragraphs. */
#ifndef WR_EXAMPLES_SEARCH_CORPUS_H
#define WR_EXAMPLES_SEARCH_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds on what is kept, which bound the memory of the index: 16384 rows of it are 128 MB. */
enum { CORPUS_PARAGRAPHS_MOST = 16384, CORPUS_LETTERS_MOST = 16 << 20 };

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
  char *letters; /* the letters of all paragraphs, one after another (letters.h) */
  int32_t *rows; /* for each letter, the number of its paragraph */
  size_t letter_count, letters_room, rows_room;
  int skipped; /* files and folders that could not be used; each was named on stderr */
  bool full;   /* a bound was reached; said once on stderr, and what follows is left out */
};

/* Reads a file, or a folder and what is below it, into the corpus. What cannot be used is named on
   stderr, counted in `skipped` and left out. Returns 0, or 1 when `path` itself does not exist or
   memory ran out: also said on stderr; what had been read before stays. */
int corpus_read(struct corpus *corpus, const char *path);

/* Cuts the last file into paragraphs and appends them. Returns 0, or 1 without memory. */
int corpus_split_last(struct corpus *corpus);

void corpus_free(struct corpus *corpus);

#endif
