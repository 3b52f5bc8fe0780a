#ifndef WR_BACKEND_CPU_REDUCE_TYPES_H
#define WR_BACKEND_CPU_REDUCE_TYPES_H

/* What reduce.c (which walks), reduce_kernels.c (which computes) and fused_reduce.c (which reduces
   what a group computes) share: the running total of one result, the kernels of one operation and
   input type, and how large results are cut. */

#include <stdint.h>

#include "backend/backend.h"
#include "backend/cpu/totals.h"

/* Totals are wider than the elements: whole numbers wrap in 64 bits, of which the result keeps the
   low ones; floats add up block by block in double. */
enum wr_total_kind { WR_TOTAL_WHOLE, WR_TOTAL_REAL, WR_TOTAL_COMPLEX };

union wr_total {
  uint64_t u;
  int64_t i;
  double d;
  struct wr_complex_total c;
};

enum { WR_REDUCE_COLUMNS = 512, WR_REDUCE_ROWS = 64 };

/* Bytes for what columns side by side add up in, with their totals, and for the totals alone: of
   2048 columns of float32. Memory is read fastest without gaps, so the more columns the better, as
   long as this stays in the first-level cache and on small stacks. */
enum { WR_REDUCE_ROOM = 24576, WR_REDUCE_TOTALS = 16384 };

/* Dense elements are folded in blocks of so many, and the blocks in order. */
enum { WR_REDUCE_BLOCK = 1024 };

struct wr_reducer {
  enum wr_total_kind kind;
  int32_t width; /* columns at a time, at most */
  int32_t size;  /* bytes of a total that stands in a row of them */
  bool has_last; /* a total that is `last` stays so */
  uint64_t last;
  void (*init)(union wr_total *total);
  void (*merge)(union wr_total *total, const union wr_total *other);
  /* Folds n elements, `stride` apart, into the total. */
  void (*row)(const void *p, int64_t n, int64_t stride, union wr_total *total);
  /* n totals of nothing, in a row. */
  void (*start_columns)(void *totals, int64_t n);
  /* Folds `rows` rows of n <= width dense elements, `stride` apart, into n totals. */
  void (*columns)(const void *p, int64_t n, int64_t rows, int64_t stride, void *totals);
  /* Where in a dense row, whose total it is, the first element stands that equals the total or is
     NaN. NULL where dense rows are not folded in vectors of the elements' size. */
  int64_t (*find)(const void *p, int64_t n, const union wr_total *total);
};

/* Whether no element can change the total any more. */
static inline bool wr_reduce_is_over(const struct wr_reducer *reducer,
                                     const union wr_total *total) {
  return reducer->has_last && total->u == reducer->last;
}

enum wr_reduce_op { WR_REDUCE_SUM, WR_REDUCE_PROD, WR_REDUCE_MAX, WR_REDUCE_MIN };

/* NULL when the operation does not take the type. */
const struct wr_reducer *wr_reducer_for(enum wr_reduce_op op, enum wr_dtype dtype);

/* ALL ANY MAX MIN PROD SUM. Elements of bool are 0 or 1, so that all is their minimum and any their
   maximum. */
enum wr_reduce_op wr_reduce_op_of(enum wr_op op);
/* Writes the total, of one element at least, as element i of `out`. */
void wr_reduce_store(const struct wr_reducer *reducer, const union wr_total *total,
                     const struct wr_tensor *out, int64_t i);
/* The same of a number, as element i of `out`, floats of `dtype`. */
void wr_reduce_store_real(double d, void *out, int64_t i, enum wr_dtype dtype);

/* A few large results are cut into pieces, which are folded by themselves and then merged in order,
   so that they do not depend on the number of threads. Gives the elements of a piece; 0 where
   results stay whole. */
enum { WR_REDUCE_PIECES = 64 };
int64_t wr_reduce_piece(int64_t results, int64_t per_result);

/* Of n results, of per_result >= 1 elements each, that are folded side by side: how many at least
   one thread takes. Equal ranges, so that threads end together, of whole cache lines and at most
   WR_REDUCE_COLUMNS where more than that pays for a thread; much narrower ones would read parts of
   lines twice. */
int64_t wr_reduce_columns_grain(int64_t n, int64_t per_result);

#endif
