/* Take, take_along_axis and scatter_add. An index may be of any integer type (or bool); a negative
   one counts from the end. What is then still outside the axis has a defined result (rule E6):
   reading takes the nearest element, and an update that does not lie inside the array whole is
   dropped. Updates are added in order on one thread, so that duplicates accumulate the same way
   every time. Takes no locks, allocates nothing. */

#include <string.h>

#include "backend/cpu/elements.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/walk.h"

#define ELEMENT_KERNEL "backend/cpu/scatter_kernel.inc"
#include "backend/cpu/elements.inc"

typedef void (*add_fn)(void *dst, int64_t dst_stride, const void *src, int64_t src_stride,
                       int64_t n);

static const add_fn adds[WR_DTYPE_COUNT] = {
    [WR_BOOL] = add_run_bool,     [WR_UINT8] = add_run_u8,      [WR_UINT16] = add_run_u16,
    [WR_UINT32] = add_run_u32,    [WR_UINT64] = add_run_u64,    [WR_INT8] = add_run_i8,
    [WR_INT16] = add_run_i16,     [WR_INT32] = add_run_i32,     [WR_INT64] = add_run_i64,
    [WR_FLOAT16] = add_run_f16,   [WR_FLOAT32] = add_run_f32,   [WR_FLOAT64] = add_run_f64,
    [WR_BFLOAT16] = add_run_bf16, [WR_COMPLEX64] = add_run_c64,
};

/* The index at `offset` of an index array, counted from the start of an axis of `extent`. Out of
   range: negative, or at least `extent`. */
static int64_t index_at(const struct wr_tensor *t, int64_t offset, int64_t extent) {
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

static int64_t nearest(int64_t i, int64_t extent) {
  if (i < 0) return 0;
  return i < extent ? i : extent - 1;
}

/* The result of take is (before the axis, index array, after the axis); one piece is all that one
   index selects for one place before the axis. */
struct gather {
  const struct wr_tensor *in;
  const struct wr_tensor *index;
  char *out;
  int64_t item; /* bytes of an element */
  int64_t extent;
  int64_t stride; /* of the input along the axis */
  struct wr_walk outer;
  struct wr_walk indices;
  struct wr_walk inner;
};

static void copy_piece(const struct gather *g, int64_t in_offset, char *out) {
  const char *in = g->in->data;
  int64_t stride = wr_walk_stride(&g->inner, 0);
  if (g->inner.ndim == 1) { /* small pieces would feel the cursor */
    wr_copy_run(out, 1, in + in_offset * g->item, stride, g->inner.size, (int)g->item);
    return;
  }
  struct wr_cursor c;
  wr_cursor_start(&c, &g->inner, 0, g->inner.size);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n; (n = wr_cursor_next(&c, at)) > 0; out += n * g->item) {
    wr_copy_run(out, 1, in + (in_offset + at[0]) * g->item, stride, n, (int)g->item);
  }
}

/* Pieces [begin, end) of one place before the axis. */
static void gather_pieces(const struct gather *g, int64_t base, int64_t begin, int64_t end,
                          char *out) {
  struct wr_cursor c;
  wr_cursor_start(&c, &g->indices, begin, end);
  int64_t stride = wr_walk_stride(&g->indices, 0);
  int64_t at[WR_WALK_OPERANDS];
  int64_t bytes = g->inner.size * g->item;
  for (int64_t n; (n = wr_cursor_next(&c, at)) > 0;) {
    for (int64_t k = 0; k < n; k++, out += bytes) {
      int64_t i = nearest(index_at(g->index, at[0] + k * stride, g->extent), g->extent);
      copy_piece(g, base + i * g->stride, out);
    }
  }
}

static void gather_body(void *ctx, int64_t begin, int64_t end) {
  const struct gather *g = ctx;
  int64_t bytes = g->inner.size * g->item;
  for (int64_t i = begin; i < end;) {
    int64_t first = i % g->indices.size;
    int64_t last = g->indices.size - first < end - i ? g->indices.size : first + end - i;
    struct wr_cursor outer;
    int64_t at[WR_WALK_OPERANDS];
    wr_cursor_start(&outer, &g->outer, i / g->indices.size, i / g->indices.size + 1);
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

struct wr_error *wr_cpu_gather(const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0];
  const struct wr_tensor *index = &call->in[1];
  const struct wr_axis_params *params = call->params;
  if (call->out.size == 0 || in->size == 0) return fill_zero(&call->out);
  int axis = params->axis;
  struct gather g = {.in = in, .index = index, .out = call->out.data};
  g.item = (int64_t)wr_dtype_size(in->dtype);
  g.extent = in->shape[axis];
  g.stride = in->strides[axis];
  uint32_t before = (1u << axis) - 1u;
  wr_walk_axes(&g.outer, in, before);
  wr_walk_axes(&g.inner, in, wr_axes_all(in) & ~before & ~(1u << axis));
  wr_walk_axes(&g.indices, index, wr_axes_all(index));
  int64_t grain = g.inner.size >= WR_CPU_GRAIN ? 1 : WR_CPU_GRAIN / g.inner.size;
  wr_spread(g.outer.size * g.indices.size, grain, gather_body, &g);
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
    int64_t i = index_at(g->index, index_offset + j * g->index_stride, g->extent);
    memcpy(out + j * g->lines.inner * g->item, in + nearest(i, g->extent) * g->stride * g->item,
           (size_t)g->item);
  }
}

static void gather_axis_body(void *ctx, int64_t begin, int64_t end) {
  const struct gather_axis *g = ctx;
  struct wr_cursor c;
  wr_cursor_start(&c, &g->both, begin, end);
  int64_t in_stride = wr_walk_stride(&g->both, 0);
  int64_t index_stride = wr_walk_stride(&g->both, 1);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n, o = begin; (n = wr_cursor_next(&c, at)) > 0;) {
    for (int64_t k = 0; k < n; k++, o++) {
      gather_line(g, at[0] + k * in_stride, at[1] + k * index_stride, wr_lines_out(&g->lines, o));
    }
  }
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
  wr_walk_finish(&g.both);
  wr_spread(g.both.size, wr_lines_grain(&g.lines), gather_axis_body, &g);
  return NULL;
}

/* scatter_add: updates have the shape of the index arrays, then one slice with as many axes as the
   result. Operand 0 of `slice` is the result, operand 1 the updates. */
struct scatter {
  const struct wr_call *call;
  const struct wr_scatter_params *params;
  const struct wr_tensor *updates;
  const struct wr_tensor *index; /* params->n_axes of them */
  int32_t index_ndim;
  int64_t item; /* bytes of an element */
  int64_t out_strides[WR_MAX_NDIM];
  struct wr_walk slice;
};

static void copy_all(const struct wr_tensor *in, const struct wr_tensor *out) {
  int64_t item = (int64_t)wr_dtype_size(out->dtype);
  struct wr_walk walk;
  wr_walk_axes(&walk, in, wr_axes_all(in));
  struct wr_cursor c;
  wr_cursor_start(&c, &walk, 0, walk.size);
  char *dst = out->data;
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n; (n = wr_cursor_next(&c, at)) > 0; dst += n * item) {
    wr_copy_run(dst, 1, (const char *)in->data + at[0] * item, wr_walk_stride(&walk, 0), n,
                (int)item);
  }
}

/* Where the slice of index position `place` starts in the result; false when it sticks out. */
static bool slice_start(const struct scatter *s, const int64_t *place, int64_t *start) {
  const struct wr_tensor *out = &s->call->out;
  int64_t sum = 0;
  for (int a = 0; a < s->params->n_axes; a++) {
    const struct wr_tensor *t = &s->index[a];
    int axis = s->params->axes[a];
    int64_t offset = 0;
    for (int d = 0; d < s->index_ndim; d++) offset += place[d] * t->strides[d];
    int64_t i = index_at(t, offset, out->shape[axis]);
    if (i < 0 || i > out->shape[axis] - s->updates->shape[s->index_ndim + axis]) return false;
    sum += i * s->out_strides[axis];
  }
  *start = sum;
  return true;
}

static void add_slice(const struct scatter *s, int64_t start, int64_t from) {
  add_fn add = adds[s->call->out.dtype];
  char *dst = (char *)s->call->out.data + start * s->item;
  const char *src = (const char *)s->updates->data + from * s->item;
  if (s->slice.size == 1) {
    add(dst, 1, src, 1, 1);
    return;
  }
  struct wr_cursor c;
  wr_cursor_start(&c, &s->slice, 0, s->slice.size);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n; (n = wr_cursor_next(&c, at)) > 0;) {
    add(dst + at[0] * s->item, wr_walk_stride(&s->slice, 0), src + at[1] * s->item,
        wr_walk_stride(&s->slice, 1), n);
  }
}

static void add_updates(const struct scatter *s) {
  int64_t place[WR_MAX_NDIM] = {0};
  int64_t from = 0; /* offset of the place's slice in the updates */
  const struct wr_tensor *u = s->updates;
  for (;;) {
    int64_t start;
    if (slice_start(s, place, &start)) add_slice(s, start, from);
    int d = s->index_ndim - 1;
    for (; d >= 0 && ++place[d] == u->shape[d]; d--) {
      from -= (u->shape[d] - 1) * u->strides[d];
      place[d] = 0;
    }
    if (d < 0) return;
    from += u->strides[d];
  }
}

/* Axes without an index array start at 0: their slices must fit as well. */
static bool slices_fit(const struct scatter *s) {
  const struct wr_tensor *out = &s->call->out;
  for (int d = 0; d < out->ndim; d++) {
    if (s->updates->shape[s->index_ndim + d] > out->shape[d]) return false;
  }
  return true;
}

struct wr_error *wr_cpu_scatter_add(const struct wr_call *call) {
  const struct wr_tensor *out = &call->out;
  struct scatter s = {.call = call, .params = call->params, .updates = &call->in[1]};
  s.index = &call->in[2];
  s.index_ndim = s.updates->ndim - out->ndim;
  s.item = (int64_t)wr_dtype_size(out->dtype);
  if (call->in[0].data != out->data) copy_all(&call->in[0], out);
  if (s.updates->size == 0 || !slices_fit(&s)) return NULL;
  wr_shape_row_strides(out->shape, out->ndim, s.out_strides);
  wr_walk_start(&s.slice);
  for (int d = 0; d < out->ndim; d++) {
    wr_walk_push(&s.slice, s.updates->shape[s.index_ndim + d], s.out_strides[d],
                 s.updates->strides[s.index_ndim + d]);
  }
  wr_walk_finish(&s.slice);
  add_updates(&s);
  return NULL;
}
