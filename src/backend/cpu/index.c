/* Gather and take_along_axis. An index may be of any integer type (or bool); a negative one counts
   from the end. What is then still outside the axis has a defined result (rule E6): the nearest
   slice that lies inside, or element. Places spread over the pool; takes no locks, allocates
   nothing. */

#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/places.h"

/* The result is (axes before, index arrays, axes after); one piece is what one place selects for
   one position on the axes before. */
struct gather {
  const char *in;
  char *out;
  int64_t item; /* bytes of an element */
  struct wr_walk outer;
  struct wr_walk inner;
  struct wr_places places;
  int64_t extent[WR_MAX_NDIM]; /* of the axis of index array k */
  int64_t last[WR_MAX_NDIM];   /* the largest index at which a slice lies inside */
  int64_t stride[WR_MAX_NDIM]; /* of the input along it */
};

static void copy_piece(const struct gather *g, int64_t in_offset, char *out) {
  int64_t stride = wr_walk_stride(&g->inner, 0);
  if (g->inner.ndim == 1) { /* small pieces would feel the cursor */
    wr_copy_run(out, 1, g->in + in_offset * g->item, stride, g->inner.size, (int)g->item);
    return;
  }
  struct wr_cursor c;
  wr_cursor_start(&c, &g->inner, 0, g->inner.size);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n; (n = wr_cursor_next(&c, at)) > 0; out += n * g->item) {
    wr_copy_run(out, 1, g->in + (in_offset + at[0]) * g->item, stride, n, (int)g->item);
  }
}

static int64_t slice_start(const struct gather *g, const struct wr_place *place) {
  int64_t sum = 0;
  for (int k = 0; k < g->places.n; k++) {
    const int64_t i = wr_index_at(&g->places.index[k], place->offset[k], g->extent[k]);
    sum += wr_index_nearest(i, g->last[k]) * g->stride[k];
  }
  return sum;
}

static inline void copy_places_fixed(char *out, const char *in, const int64_t *at, int64_t n,
                                     size_t size) {
  for (int64_t k = 0; k < n; k++) memcpy(out + (size_t)k * size, in + at[k] * (int64_t)size, size);
}

static void copy_places(char *out, const char *in, const int64_t *at, int64_t n, int size) {
  switch (size) {
    case 1:
      copy_places_fixed(out, in, at, n, 1);
      break;
    case 2:
      copy_places_fixed(out, in, at, n, 2);
      break;
    case 4:
      copy_places_fixed(out, in, at, n, 4);
      break;
    default:
      copy_places_fixed(out, in, at, n, 8);
      break;
  }
}

/* Elements by one index array, whose indices are turned into places some at a time. */
static void take_elements(const struct gather *g, int64_t base, int64_t begin, int64_t end,
                          char *out) {
  enum { SOME = 256 };
  int64_t at[SOME];
  const int64_t stride = g->places.strides[0][0], item = g->item;
  const char *in = g->in + base * item;
  for (int64_t i = begin; i < end; i += SOME) {
    const int64_t n = end - i < SOME ? end - i : SOME;
    for (int64_t k = 0; k < n; k++) {
      at[k] = wr_index_at(&g->places.index[0], (i + k) * stride, g->extent[0]);
    }
    for (int64_t k = 0; k < n; k++) at[k] = wr_index_nearest(at[k], g->last[0]) * g->stride[0];
    copy_places(out, in, at, n, (int)item);
    out += n * item;
  }
}

/* Pieces [begin, end) of one position on the axes before. */
static void gather_pieces(const struct gather *g, int64_t base, int64_t begin, int64_t end,
                          char *out) {
  const int64_t bytes = g->inner.size * g->item;
  struct wr_place place;
  if (g->inner.size == 1 && g->places.n == 1 && g->places.ndim == 1) {
    take_elements(g, base, begin, end, out);
    return;
  }
  wr_place_start(&place, &g->places, begin);
  for (int64_t i = begin; i < end; i++, out += bytes, wr_place_next(&place, &g->places)) {
    copy_piece(g, base + slice_start(g, &place), out);
  }
}

static void gather_body(void *ctx, int64_t begin, int64_t end) {
  const struct gather *g = ctx;
  int64_t bytes = g->inner.size * g->item;
  for (int64_t i = begin; i < end;) {
    int64_t first = i % g->places.size;
    int64_t last = g->places.size - first < end - i ? g->places.size : first + end - i;
    struct wr_cursor outer;
    int64_t at[WR_WALK_OPERANDS];
    wr_cursor_start(&outer, &g->outer, i / g->places.size, i / g->places.size + 1);
    wr_cursor_next(&outer, at);
    gather_pieces(g, at[0], first, last, g->out + i * bytes);
    i += last - first;
  }
}

/* Nothing to read from, yet a result to fill: zeros. */
static struct wr_error *fill_zero(const struct wr_tensor *out) {
  if (out->size > 0) memset(out->data, 0, (size_t)out->size * wr_dtype_size(out->dtype));
  return NULL;
}

static void slices_make(struct gather *g, const struct wr_gather_params *params,
                        const struct wr_tensor *in, const int32_t *sizes) {
  wr_walk_start(&g->outer);
  for (int d = 0; d < params->before; d++) wr_walk_push(&g->outer, sizes[d], in->strides[d], 0);
  wr_walk_end(&g->outer);
  wr_walk_start(&g->inner);
  for (int d = params->before; d < in->ndim; d++) {
    wr_walk_push(&g->inner, sizes[d], in->strides[d], 0);
  }
  wr_walk_end(&g->inner);
  for (int k = 0; k < params->n_axes; k++) {
    const int axis = params->axes[k];
    g->extent[k] = in->shape[axis];
    g->last[k] = in->shape[axis] - sizes[axis];
    g->stride[k] = in->strides[axis];
  }
}

/* One slice is a view of the input, copied. */
static struct wr_error *copy_slice(const struct gather *g, const struct wr_tensor *in,
                                   const int32_t *sizes, void *out) {
  struct wr_place place;
  wr_place_start(&place, &g->places, 0);
  struct wr_tensor view = *in;
  view.data = (char *)in->data + slice_start(g, &place) * g->item;
  view.shape = sizes;
  view.dense = false;
  view.buffer = NULL;
  view.size = g->outer.size * g->inner.size;
  struct wr_call copy = {.op = WR_OP_COPY, .n_in = 1, .in = &view, .out = view};
  int64_t strides[WR_MAX_NDIM], stride = 1;
  for (int d = in->ndim - 1; d >= 0; d--) {
    strides[d] = stride;
    stride *= sizes[d];
  }
  copy.out.data = out;
  copy.out.strides = strides;
  copy.out.dense = true;
  return wr_cpu_copy(&copy);
}

struct wr_error *wr_cpu_gather(const struct wr_call *call) {
  const struct wr_gather_params *params = call->params;
  const struct wr_tensor *in = &call->in[0], *out = &call->out;
  struct gather g = {.in = in->data, .out = out->data};
  int32_t sizes[WR_MAX_NDIM];
  if (out->size == 0 || in->size == 0) return fill_zero(out);
  const int index_ndim = wr_gather_sizes(params, in->ndim, out->ndim, out->shape, sizes);
  g.item = (int64_t)wr_dtype_size(in->dtype);
  slices_make(&g, params, in, sizes);
  wr_places_of(&g.places, call->in + 1, params->n_axes, index_ndim, out->shape + params->before,
               NULL);
  if (g.places.size == 1) return copy_slice(&g, in, sizes, out->data);
  int64_t grain = wr_cpu_grain(g.inner.size);
  wr_spread(g.outer.size * g.places.size, grain, gather_body, &g);
  return NULL;
}

/* take_along_axis: lines of the result and of the index array run side by side with lines of the
   input. Operand 0 is the input, operand 1 the index array. */
struct gather_axis {
  const struct wr_tensor *in;
  const struct wr_tensor *index;
  char *out;
  int64_t item; /* bytes of an element */
  int64_t extent;
  int64_t stride; /* of the input along the axis */
  int64_t index_stride;
  struct wr_lines lines; /* of the index array, which has the result's shape */
  struct wr_walk both;
};

static void gather_line(const struct gather_axis *g, int64_t in_offset, int64_t index_offset,
                        int64_t out_offset) {
  const char *in = (const char *)g->in->data + in_offset * g->item;
  char *out = g->out + out_offset * g->item;
  for (int64_t j = 0; j < g->lines.n; j++) {
    int64_t i = wr_index_at(g->index, index_offset + j * g->index_stride, g->extent);
    memcpy(out + j * g->lines.inner * g->item,
           in + wr_index_nearest(i, g->extent - 1) * g->stride * g->item, (size_t)g->item);
  }
}

static void gather_axis_body(void *ctx, int64_t begin, int64_t end) {
  const struct gather_axis *g = ctx;
  struct wr_each e;
  wr_each_start(&e, &g->both, begin, end);
  while (wr_each_next(&e)) gather_line(g, e.at[0], e.at[1], wr_lines_out(&g->lines, e.i));
}

struct wr_error *wr_cpu_gather_axis(const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0];
  const struct wr_tensor *index = &call->in[1];
  const struct wr_axis_params *params = call->params;
  if (call->out.size == 0 || in->size == 0) return fill_zero(&call->out);
  int axis = params->axis;
  struct gather_axis g = {.in = in, .index = index, .out = call->out.data};
  g.item = (int64_t)wr_dtype_size(in->dtype);
  g.extent = in->shape[axis];
  g.stride = in->strides[axis];
  g.index_stride = index->strides[axis];
  wr_lines_of(&g.lines, index, axis);
  wr_walk_start(&g.both);
  for (int d = 0; d < index->ndim; d++) {
    if (d != axis) wr_walk_push(&g.both, index->shape[d], in->strides[d], index->strides[d]);
  }
  wr_walk_end(&g.both);
  wr_spread(g.both.size, wr_lines_grain(&g.lines), gather_axis_body, &g);
  return NULL;
}
