/* Cutting a file into paragraphs: what stands between blank lines, cut again where that is long, so
   that an answer's line number leads near the words. Paragraphs without a letter or digit (rules,
   ornaments) are left out. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "corpus.h"
#include "grow.h"

enum { LINES_MOST = 24, BYTES_MOST = 4096 };

static bool is_blank(const char *line, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (strchr(" \t\r\n\f\v", line[i]) == NULL) return false;
  }
  return true;
}

/* A line with its newline, if it has one; a piece of it if it is very long. */
static size_t line_size(const char *text, size_t size) {
  const size_t bound = size < BYTES_MOST ? size : BYTES_MOST;
  const char *const newline = memchr(text, '\n', bound);
  return newline != NULL ? (size_t)(newline - text) + 1 : bound;
}

static bool has_letter(const char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (isalnum((unsigned char)text[i]) || (unsigned char)text[i] >= 0x80) return true;
  }
  return false;
}

static bool has_room(struct corpus *corpus) {
  if (corpus->paragraph_count < CORPUS_PARAGRAPHS_MOST && corpus->bytes <= CORPUS_BYTES_MOST) {
    return true;
  }
  complain("only the first %zu paragraphs are searched", corpus->paragraph_count);
  corpus->full = true;
  return false;
}

static int append(struct corpus *corpus, struct paragraph paragraph) {
  const char *const text = corpus->files[paragraph.file].text + paragraph.begin;
  if (!has_letter(text, paragraph.size) || !has_room(corpus)) return 0;
  struct paragraph *const paragraphs = grow(corpus->paragraphs, &corpus->paragraph_room,
                                            corpus->paragraph_count + 1, sizeof(*paragraphs));
  if (paragraphs == NULL) return 1;
  corpus->paragraphs = paragraphs;
  paragraphs[corpus->paragraph_count++] = paragraph;
  return 0;
}

/* The paragraph that begins at the first non-blank line at or after `begin`, of size 0 at the end
   of the text; `line` counts along. */
static struct paragraph next_paragraph(const struct corpus_file *file, size_t begin, int *line) {
  struct paragraph paragraph = {.begin = begin, .line = *line};
  int lines = 0;
  size_t at = begin;
  while (at < file->size && lines < LINES_MOST && paragraph.size < BYTES_MOST) {
    const size_t size = line_size(file->text + at, file->size - at);
    const bool blank = is_blank(file->text + at, size);
    if (blank && lines > 0) break;
    at += size;
    if (file->text[at - 1] == '\n') (*line)++;
    if (blank) {
      paragraph.begin = at;
      paragraph.line = *line;
    } else {
      lines++;
    }
    paragraph.size = at - paragraph.begin;
  }
  return paragraph;
}

int corpus_split_last(struct corpus *corpus) {
  const int number = (int)corpus->file_count - 1;
  const struct corpus_file *const file = &corpus->files[number];
  size_t at = 0;
  int line = 1;
  while (at < file->size && !corpus->full) {
    struct paragraph paragraph = next_paragraph(file, at, &line);
    paragraph.file = number;
    at = paragraph.begin + paragraph.size;
    if (paragraph.size > 0 && append(corpus, paragraph) != 0) return 1;
  }
  return 0;
}
