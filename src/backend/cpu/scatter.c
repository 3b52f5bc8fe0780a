/* Scatter: slices of the updates written into a copy of an array, where index arrays say. An index
   may be of any integer type (or bool); a negative one counts from the end. An update that does not
   lie inside the array whole is dropped (rule E6). Each element takes its updates in the order of
   the places, so that the last of several stays and sums are the same every time: work spreads over
   the pool by parts of the slices, never by places, and by parts that no two places share. Takes no
   locks, allocates nothing. */

#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/places.h"
#include "backend/cpu/update.h"

struct scatter {
  const struct wr_tensor *updates;
  char *out;
  struct wr_update update;
  struct wr_places places;     /* the updates go along */
  struct wr_walk slice;        /* operand 0: the result, 1: the updates */
  int64_t together;            /* positions of it that stay with one thread */
  int64_t extent[WR_MAX_NDIM]; /* of the axis of index array k */
  int64_t last[WR_MAX_NDIM];   /* the largest index at which a slice fits there */
  int64_t stride[WR_MAX_NDIM]; /* of the result along it */
};

/* Where the slice of a place starts in the result; false when it sticks out. */
static bool slice_start(const struct scatter *s, const struct wr_place *place, int64_t *start) {
  int64_t sum = 0;
  for (int k = 0; k < s->places.n; k++) {
    const int64_t i = wr_index_at(&s->places.index[k], place->offset[k], s->extent[k]);
    if (i < 0 || i > s->last[k]) return false;
    sum += i * s->stride[k];
  }
  *start = sum;
  return true;
}

/* Positions [begin, end) of a slice. */
static void update_slice(const struct scatter *s, int64_t start, int64_t from, int64_t begin,
                         int64_t end) {
  char *dst = s->out + start * s->update.item;
  const char *src = (const char *)s->updates->data + from * s->update.item;
  if (s->slice.size == 1) {
    wr_update_run(&s->update, dst, 1, src, 1, 1);
    return;
  }
  struct wr_cursor c;
  wr_cursor_start(&c, &s->slice, begin, end);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n; (n = wr_cursor_next(&c, at)) > 0;) {
    wr_update_run(&s->update, dst + at[0] * s->update.item, wr_walk_stride(&s->slice, 0),
                  src + at[1] * s->update.item, wr_walk_stride(&s->slice, 1), n);
  }
}

/* Parts [begin, end) of all slices. */
static void scatter_body(void *ctx, int64_t begin, int64_t end) {
  const struct scatter *s = ctx;
  struct wr_place place;
  wr_place_start(&place, &s->places, 0);
  for (int64_t i = 0; i < s->places.size; i++, wr_place_next(&place, &s->places)) {
    int64_t start;
    if (!slice_start(s, &place, &start)) continue;
    update_slice(s, start, place.offset[s->places.n], begin * s->together, end * s->together);
  }
}

/* Axes without an index array start at 0: their slices must fit as well. */
static bool slices_fit(const struct wr_tensor *updates, const struct wr_tensor *out) {
  for (int d = 0; d < out->ndim; d++) {
    if (updates->shape[updates->ndim - out->ndim + d] > out->shape[d]) return false;
  }
  return true;
}

static void slice_make(struct scatter *s, const struct wr_tensor *out) {
  const int index_ndim = s->updates->ndim - out->ndim;
  wr_walk_start(&s->slice);
  for (int d = 0; d < out->ndim; d++) {
    wr_walk_push(&s->slice, s->updates->shape[index_ndim + d], out->strides[d],
                 s->updates->strides[index_ndim + d]);
  }
  wr_walk_end(&s->slice);
}

static void axes_make(struct scatter *s, const struct wr_scatter_params *params,
                      const struct wr_tensor *out) {
  for (int k = 0; k < params->n_axes; k++) {
    const int axis = params->axes[k];
    s->extent[k] = out->shape[axis];
    s->last[k] = out->shape[axis] - s->updates->shape[s->updates->ndim - out->ndim + axis];
    s->stride[k] = out->strides[axis];
  }
}

/* Slices that begin at different indices of an axis overlap along it, one's end and the other's
   beginning: what lies along the first such axis, and those behind it, is not parted. */
static int64_t together_of(const struct scatter *s, const struct wr_scatter_params *params,
                           int ndim) {
  const int32_t *extent = s->updates->shape + s->updates->ndim - ndim;
  int first = ndim;
  int64_t n = 1;
  if (s->places.size == 1) return 1;
  for (int k = 0; k < params->n_axes; k++) {
    const int axis = params->axes[k];
    if (extent[axis] > 1 && s->last[k] > 0 && axis < first) first = axis;
  }
  for (int d = first; d < ndim; d++) n *= extent[d];
  return n;
}

/* How many parts of a slice are worth a thread: all places are walked for each. */
static int64_t grain_of(const struct scatter *s) {
  enum { LEAST = 256, PIECES = 64 };
  if (s->updates->size <= WR_CPU_GRAIN) return s->slice.size;
  const int64_t piece = (s->slice.size + PIECES - 1) / PIECES;
  return ((piece < LEAST ? LEAST : piece) + s->together - 1) / s->together;
}

struct wr_error *wr_cpu_scatter(const struct wr_call *call) {
  const struct wr_scatter_params *params = call->params;
  const struct wr_tensor *out = &call->out;
  const struct wr_call copy = {.op = WR_OP_COPY, .n_in = 1, .in = call->in, .out = *out};
  struct scatter s = {.updates = &call->in[1], .out = out->data};
  struct wr_error *error = wr_update_by(&s.update, params->by, out->dtype);
  if (!error) error = wr_cpu_copy(&copy);
  if (error || s.updates->size == 0 || !slices_fit(s.updates, out)) return error;
  wr_places_of(&s.places, call->in + 2, params->n_axes, s.updates->ndim - out->ndim,
               s.updates->shape, s.updates->strides);
  slice_make(&s, out);
  axes_make(&s, params, out);
  s.together = together_of(&s, params, out->ndim);
  wr_spread(s.slice.size / s.together, grain_of(&s), scatter_body, &s);
  return NULL;
}
