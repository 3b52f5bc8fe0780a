#ifndef WR_BACKEND_CPU_PLACES_H
#define WR_BACKEND_CPU_PLACES_H

/* Index arrays of one shape, side by side: a place is one position in all of them, and names one
   slice of an array, by an index for each of some of its axes. Axes that lie in memory as one in
   all arrays are merged. Plain values on the caller's stack; no allocation, no locks. */

#include "backend/backend.h"
#include "core/shape.h"

struct wr_places {
  const struct wr_tensor *index; /* n arrays */
  int32_t n;
  int32_t ndim; /* at least 1 after wr_places_finish */
  int64_t size;
  int64_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM + 1][WR_MAX_NDIM]; /* of array k; n: of what goes along with them */
};

/* Build: the arrays, then whether another operand goes along with them: its strides for the arrays'
   axes, or NULL. */
void wr_places_of(struct wr_places *places, const struct wr_tensor *index, int n, int ndim,
                  const int32_t *shape, const int64_t *along);

/* One place, in row-major order. */
struct wr_place {
  int64_t at[WR_MAX_NDIM];
  int64_t offset[WR_MAX_NDIM + 1]; /* in array k, and in what goes along */
};

void wr_place_start(struct wr_place *place, const struct wr_places *places, int64_t position);
/* Past the last place it begins again. */
static inline void wr_place_next(struct wr_place *place, const struct wr_places *places) {
  int d = places->ndim - 1;
  while (d > 0 && place->at[d] + 1 == places->shape[d]) {
    for (int k = 0; k <= places->n; k++) {
      place->offset[k] -= place->at[d] * places->strides[k][d];
    }
    place->at[d--] = 0;
  }
  place->at[d]++;
  for (int k = 0; k <= places->n; k++) place->offset[k] += places->strides[k][d];
}

/* The index at `offset` of an index array of any integer type (or bool), counted from the start of
   an axis of `extent`: a negative one counts from the end. Out of range: negative, or at least
   `extent`. Here because small slices would feel a call. */
static inline int64_t wr_index_at(const struct wr_tensor *t, int64_t offset, int64_t extent) {
  int64_t i;
  switch (t->dtype) {
    case WR_BOOL:
    case WR_UINT8:
      return ((const uint8_t *)t->data)[offset];
    case WR_UINT16:
      return ((const uint16_t *)t->data)[offset];
    case WR_UINT32:
      return ((const uint32_t *)t->data)[offset];
    case WR_UINT64: {
      uint64_t u = ((const uint64_t *)t->data)[offset];
      return u > INT64_MAX ? INT64_MAX : (int64_t)u;
    }
    case WR_INT8:
      i = ((const int8_t *)t->data)[offset];
      break;
    case WR_INT16:
      i = ((const int16_t *)t->data)[offset];
      break;
    case WR_INT32:
      i = ((const int32_t *)t->data)[offset];
      break;
    default:
      i = ((const int64_t *)t->data)[offset];
      break;
  }
  return i < 0 ? i + extent : i;
}

/* The nearest position in [0, last]. */
static inline int64_t wr_index_nearest(int64_t i, int64_t last) {
  if (i < 0) return 0;
  return i < last ? i : last;
}

#endif
