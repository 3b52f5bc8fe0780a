#ifndef WR_BACKEND_CPU_SORT_ELEMENTS_H
#define WR_BACKEND_CPU_SORT_ELEMENTS_H

/* Between the lines of an array and the keys by which sort.c sorts them: unsigned numbers of the
   elements' size in their order. Keys of floats lose the signs of zeros and what kind of NaN there
   was, which stay in the order in which they stood: in rows, where a line is short, zeros and NaN
   have keys by their places, and elsewhere a walk over the line writes them once more. No locks. */

#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"

enum {
  WR_SORT_ROW_BYTES = 64,  /* of a row, in which lie keys of as many lines as there is room for */
  WR_SORT_MOST_ROWS = 8192 /* of which places are given to zeros */
};

/* `count` lines of n elements; all distances in elements, `apart` from a line to the next. Keys lie
   line by line, whose length has room for whole rows, or in rows (key_apart is 1). */
struct wr_sort_block {
  int64_t n;
  int64_t count;
  int64_t in_stride, in_apart;
  int64_t out_stride, out_apart;
  int64_t key_stride, key_apart;
};

/* Keys of a block as elements of `dtype`; whether they lose something. Rows are whole: lanes
   without a line are zeros. */
bool wr_sort_load(enum wr_dtype dtype, const void *in, const struct wr_sort_block *b, void *keys);

/* Sorted keys back as elements, of which `lost` is what loading them said. The keys are gone. */
void wr_sort_store(enum wr_dtype dtype, const void *in, const struct wr_sort_block *b, void *keys,
                   bool lost, void *out);

/* Turns a matrix of 2, 4 or 8 bytes an element over; rows and columns are those of `from`,
   distances in elements, from a row to the next. */
void wr_sort_turn(int item, void *to, int64_t to_apart, const void *from, int64_t from_apart,
                  int64_t rows, int64_t columns);

/* n places to elements of 4 bytes; of the block only what is said of keys and of the result. */
void wr_sort_store_places(const struct wr_sort_block *b, const uint32_t *places, void *out);

/* In front of a loop that is to be vectorised as it is: unrolled first, it would stay scalar. */
#ifdef __clang__
#define WR_SORT_ROLLED
#else
#define WR_SORT_ROLLED _Pragma("GCC unroll 1")
#endif

#endif
