/* Places in index arrays; see places.h. */

#include "backend/cpu/places.h"

/* Whether the axis in front moves every operand by what this one covers. */
static bool continues(const struct wr_places *p, int64_t extent, const int64_t *strides) {
  for (int k = 0; k <= p->n; k++) {
    if (p->strides[k][p->ndim - 1] != extent * strides[k]) return false;
  }
  return true;
}

static void push(struct wr_places *p, int64_t extent, const int64_t *strides) {
  p->size *= extent;
  if (extent == 1) return;
  const bool merged = p->ndim > 0 && continues(p, extent, strides);
  const int d = merged ? p->ndim - 1 : p->ndim++;
  p->shape[d] = merged ? p->shape[d] * extent : extent;
  for (int k = 0; k <= p->n; k++) p->strides[k][d] = strides[k];
}

void wr_places_of(struct wr_places *places, const struct wr_tensor *index, int n, int ndim,
                  const int32_t *shape, const int64_t *along) {
  places->index = index;
  places->n = n;
  places->ndim = 0;
  places->size = 1;
  for (int d = 0; d < ndim; d++) {
    int64_t strides[WR_MAX_NDIM + 1];
    for (int k = 0; k < n; k++) strides[k] = index[k].strides[d];
    strides[n] = along ? along[d] : 0;
    push(places, shape[d], strides);
  }
  if (places->ndim > 0) return;
  places->ndim = 1;
  places->shape[0] = 1;
  for (int k = 0; k <= n; k++) places->strides[k][0] = 0;
}

void wr_place_start(struct wr_place *place, const struct wr_places *places, int64_t position) {
  for (int k = 0; k <= places->n; k++) place->offset[k] = 0;
  for (int d = places->ndim - 1; d >= 0; d--) {
    place->at[d] = position % places->shape[d];
    position /= places->shape[d];
    for (int k = 0; k <= places->n; k++) {
      place->offset[k] += place->at[d] * places->strides[k][d];
    }
  }
}
