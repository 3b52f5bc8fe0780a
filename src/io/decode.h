#ifndef WR_IO_DECODE_H
#define WR_IO_DECODE_H

/* From blocks of a file to elements, for the forms that are not stored as they are in memory. */

#include <stddef.h>

#include "io/formats.h"

struct wr_decoder {
  size_t in;  /* bytes of a block in the file; 0: elements are stored as they are */
  size_t out; /* bytes of the elements that it becomes */
  void (*run)(void *out, const unsigned char *in, size_t blocks);
};

const struct wr_decoder *wr_decoder_of(enum wr_load_form form);
/* In place, for elements as they are stored: the byte order of SWAPPED, and a bool is 0 or 1. */
void wr_decode_in_place(void *data, size_t bytes, enum wr_dtype dtype, enum wr_load_form form);

#endif
