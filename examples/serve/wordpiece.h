/* Text to token numbers, as BERT's uncased models have it: normalised by Unicode's tables, cut at
   white space, punctuation and ideographs, each word then into the longest pieces that the
   vocabulary has. */
#ifndef WR_EXAMPLES_SERVE_WORDPIECE_H
#define WR_EXAMPLES_SERVE_WORDPIECE_H

#include <stddef.h>
#include <stdint.h>

struct wordpiece_entry;

/* Filled by wordpiece_load, then only read: any thread may use it without a lock. */
struct wordpiece {
  char *text;                    /* the vocabulary's file */
  struct wordpiece_entry *table; /* open addressing, `mask` + 1 places, no more than half taken */
  size_t mask;
  size_t longest; /* bytes of the longest piece */
  int count;      /* pieces */
};

/* Reads a vocabulary, a piece on each line, its number the line's, from 0; a piece that continues a
   word begins with "##". Returns 0, or 1 with the reason on stderr and nothing kept. */
int wordpiece_load(struct wordpiece *pieces, const char *path);
void wordpiece_free(struct wordpiece *pieces);

/* Writes the numbers of [CLS], the text's pieces and [SEP], `most` in all and at least 2: what is
   beyond is left out, and not looked at. Returns how many. Bytes that are no UTF-8 are passed over.
   Never fails. */
size_t wordpiece_encode(const struct wordpiece *pieces, int32_t *ids, size_t most, const char *text,
                        size_t size);

#endif
