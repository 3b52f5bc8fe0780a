/* Gather, take_along_axis and scatter. An index may be of any integer type or bool; a negative one
   counts from the end of the axis. An index that is still outside the axis has a defined result
   (rule E6): a read takes the nearest element, or slice, inside the array, and an update is dropped
   unless all of it lies inside. */

#include "backend/cuda/ops/internal.h"

/* As many as the kernels take, and as many packs as a thread moves. */
enum { INDEX_ARRAYS = 8, AHEAD = 4 };

/* The kernels' struct indices_of. */
struct indices_of {
  const void *data[INDEX_ARRAYS];
  int64_t extent[INDEX_ARRAYS];
  int64_t room[INDEX_ARRAYS];
  int64_t stride[INDEX_ARRAYS];
  int64_t count;
};

/* Index arrays of one shape, each for one axis of an array. `places` goes through them together:
   operand k is index array k, and operand INDEX_ARRAYS an array whose axes run along with theirs.
 */
struct index_set {
  const struct wr_tensor *index;
  int n;
  struct indices_of at;
  struct wr_layout places;
  struct wr_tensor converted[INDEX_ARRAYS];
  int64_t strides[INDEX_ARRAYS][WR_MAX_NDIM];
};

/* A kernel reads all index arrays as one type: int64 where they differ. */
static struct wr_error *same_types(struct index_set *s, struct wr_run *run) {
  bool same = true;
  for (int k = 1; k < s->n; k++) same = same && s->index[k].dtype == s->index[0].dtype;
  if (same) return NULL;
  for (int k = 0; k < s->n; k++) {
    struct wr_tensor *t = &s->converted[k];
    *t = s->index[k];
    struct wr_error *error =
        wr_run_scratch(run, (size_t)t->size * sizeof(int64_t), (void **)&t->data);
    if (!error) error = wr_gpu_convert(run, &s->index[k], WR_INT64, t->data);
    if (error) return error;
    t->dtype = WR_INT64;
    t->dense = true;
    wr_shape_row_strides(t->shape, t->ndim, s->strides[k]);
    t->strides = s->strides[k];
  }
  s->index = s->converted;
  return NULL;
}

/* Index array k is for axis axes[k] of `array`, along which a slice has sizes[axes[k]] elements.
   The index arrays have `shape`; `along`, if it is not NULL, are the strides over these axes of the
   array that goes along. */
static struct wr_error *index_set_of(struct index_set *s, struct wr_run *run, const uint8_t *axes,
                                     const struct wr_tensor *array, const int32_t *sizes, int ndim,
                                     const int32_t *shape, const int64_t *along) {
  if (s->n > INDEX_ARRAYS) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "there is no GPU kernel for %d index arrays", s->n);
  }
  struct wr_error *error = same_types(s, run);
  if (error) return error;
  s->at = (struct indices_of){.count = s->n};
  for (int k = 0; k < s->n; k++) {
    s->at.data[k] = s->index[k].data;
    s->at.extent[k] = array->shape[axes[k]];
    s->at.room[k] = array->shape[axes[k]] - sizes[axes[k]];
    s->at.stride[k] = array->strides[axes[k]];
  }
  wr_layout_start(&s->places, INDEX_ARRAYS + 1);
  for (int d = 0; d < ndim; d++) {
    int64_t strides[INDEX_ARRAYS + 1] = {0};
    for (int k = 0; k < s->n; k++) strides[k] = s->index[k].strides[d];
    if (along) strides[INDEX_ARRAYS] = along[d];
    wr_layout_push(&s->places, shape[d], strides);
  }
  wr_layout_end(&s->places);
  return NULL;
}

static enum wr_dtype index_type(const struct index_set *s) {
  return s->n > 0 ? s->index[0].dtype : WR_INT32;
}

/* Where there is nothing to read from, the result is zeros. */
static struct wr_error *fill_zero(struct wr_run *run, const struct wr_tensor *out) {
  if (out->size == 0) return NULL;
  return wr_run_zero(run, out->data, (size_t)out->size * wr_dtype_size(out->dtype));
}

static struct wr_module_id gather_id(enum wr_dtype t, enum wr_dtype index, bool big) {
  return (struct wr_module_id){WR_SOURCE_GATHER,
                               (uint8_t)WR_OP_GATHER,
                               (uint8_t)wr_dtype_of_size(t),
                               (uint8_t)index,
                               big,
                               0};
}

/* Part of a slice: its axes from `first` up to, but without, `end`. */
static void slice_of(struct wr_layout *l, const struct wr_tensor *in, const int32_t *sizes,
                     int first, int end) {
  wr_layout_start(l, 1);
  for (int d = first; d < end; d++) wr_layout_push(l, sizes[d], &in->strides[d]);
  wr_layout_end(l);
}

/* The arguments of the kernel for a single index array, in which a thread has less to compute. */
static void places_of_one(struct wr_launch *l, struct index_set *s, struct wr_layout *places) {
  const struct wr_tensor *index = &s->index[0];
  wr_layout_of(places, index, wr_layout_all(index));
  wr_launch_pointer(l, index->data);
  wr_launch_i64(l, s->at.extent[0]);
  wr_launch_i64(l, s->at.room[0]);
  wr_launch_i64(l, s->at.stride[0]);
}

/* How many elements the kernel for a single index array may move as one: a pack of 16 bytes where
   slices lie dense and all of them, here and there, begin at a multiple of 16 bytes; else 1. */
static int64_t pack_of(const struct index_set *s, const struct wr_tensor *in,
                       const struct wr_tensor *out, const struct wr_layout *outer,
                       const struct wr_layout *inner) {
  const size_t item = wr_dtype_size(in->dtype);
  const int64_t pack = 16 / (int64_t)item;
  const bool packs = wr_layout_is_dense(inner) && inner->size % pack == 0 &&
                     s->at.stride[0] % pack == 0 && wr_aligned(out->data, 16) &&
                     wr_layout_is_aligned(outer, 0, in->data, item, 16);
  return packs ? pack : 1;
}

/* ---- rows in shared memory ---- */

/* Bytes of shared memory that every block may have; and how many rows keep a multiprocessor busy.
 */
enum { ROW_ROOM = 48 * 1024, ROWS_ON_EACH = 2 };

/* Rows of an array of which elements are taken. */
struct rows {
  struct wr_layout kept; /* where they begin, and where their indices do */
  int64_t extent;
  int64_t count; /* of indices */
  int64_t step;  /* from one index to the next */
  enum wr_dtype index;
};

/* Whether a block is to read each row whole: one that fits into what every block may have, where so
   many elements are taken that a good part of the memory's pieces would be read anyway, and of as
   many rows as keep the GPU busy. */
static bool are_worth_reading(const struct rows *r, const struct wr_run *run, size_t item) {
  enum { LEAST = 512 };
  return r->extent * (int64_t)item <= ROW_ROOM && r->count >= LEAST && r->count >= r->extent / 4 &&
         r->kept.size >= (int64_t)run->gpu->multiprocessors * ROWS_ON_EACH;
}

static struct wr_error *take_rows(struct wr_run *run, struct rows *r, const struct wr_call *call) {
  enum { THREADS = 256 };
  const struct wr_tensor *out = &call->out;
  const bool big = out->size > INT32_MAX || wr_layout_is_big(&r->kept);
  struct wr_launch l;
  wr_launch_start(&l, gather_id(out->dtype, r->index, big), WR_ENTRY_TAKE_ROWS);
  wr_launch_pointer(&l, out->data);
  wr_launch_pointer(&l, call->in[0].data);
  wr_launch_pointer(&l, call->in[1].data);
  wr_launch_index(&l, r->kept.size);
  wr_launch_i64(&l, r->extent);
  wr_launch_i64(&l, r->count);
  wr_launch_i64(&l, r->step);
  wr_launch_layout(&l, &r->kept);
  wr_launch_blocks(&l, r->kept.size, 1, THREADS);
  l.shared_bytes = (unsigned)((size_t)r->extent * wr_dtype_size(out->dtype));
  return wr_launch(&l, run);
}

/* True for single elements of the last axis, taken by one index array that is a line. */
static bool rows_of_gather(struct rows *r, const struct wr_call *call, const int32_t *sizes) {
  const struct wr_gather_params *params = call->params;
  const struct wr_tensor *in = &call->in[0], *index = &call->in[1];
  const int last = in->ndim - 1;
  struct wr_layout line;
  if (params->n_axes != 1 || params->before != last || params->axes[0] != last ||
      sizes[last] != 1 || in->strides[last] != 1) {
    return false;
  }
  wr_layout_of(&line, index, wr_layout_all(index));
  wr_layout_start(&r->kept, 2);
  for (int d = 0; d < last; d++) {
    wr_layout_push(&r->kept, sizes[d], (const int64_t[]){in->strides[d], 0});
  }
  wr_layout_end(&r->kept);
  r->extent = in->shape[last];
  r->count = line.size;
  r->step = line.strides[0][0];
  r->index = index->dtype;
  return line.ndim == 1;
}

/* The same of an index array that has as many axes as the array. */
static bool rows_of_gather_axis(struct rows *r, const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0], *index = &call->in[1];
  const struct wr_axis_params *params = call->params;
  const int last = in->ndim - 1;
  if (params->axis != last || in->strides[last] != 1) return false;
  wr_layout_start(&r->kept, 2);
  for (int d = 0; d < last; d++) {
    wr_layout_push(&r->kept, index->shape[d], (const int64_t[]){in->strides[d], index->strides[d]});
  }
  wr_layout_end(&r->kept);
  r->extent = in->shape[last];
  r->count = index->shape[last];
  r->step = index->strides[last];
  r->index = index->dtype;
  return true;
}

/* Takes by rows, unless it returns false; `sizes` are of a gather's slices. */
static bool takes_rows(struct wr_run *run, const struct wr_call *call, const int32_t *sizes,
                       struct wr_error **error) {
  struct rows rows;
  const bool fit = sizes ? rows_of_gather(&rows, call, sizes) : rows_of_gather_axis(&rows, call);
  if (!fit || !are_worth_reading(&rows, run, wr_dtype_size(call->out.dtype))) return false;
  *error = take_rows(run, &rows, call);
  return true;
}

struct wr_error *wr_gpu_gather(struct wr_run *run, const struct wr_call *call) {
  const struct wr_gather_params *params = call->params;
  const struct wr_tensor *in = &call->in[0], *out = &call->out;
  struct index_set s = {.index = call->in + 1, .n = params->n_axes};
  struct wr_layout outer, inner, places;
  struct wr_launch l;
  int32_t sizes[WR_MAX_NDIM];
  if (out->size == 0 || in->size == 0) return fill_zero(run, out);
  const int index_ndim = wr_gather_sizes(params, in->ndim, out->ndim, out->shape, sizes);
  struct wr_error *error = NULL;
  if (takes_rows(run, call, sizes, &error)) return error;
  error =
      index_set_of(&s, run, params->axes, in, sizes, index_ndim, out->shape + params->before, NULL);
  if (error) return error;
  slice_of(&outer, in, sizes, 0, params->before);
  slice_of(&inner, in, sizes, params->before, in->ndim);
  const bool one = s.n == 1;
  const bool big = out->size > INT32_MAX || outer.ndim > WR_AXES || inner.ndim > WR_AXES ||
                   s.places.ndim > WR_AXES;
  const int64_t pack = one ? pack_of(&s, in, out, &outer, &inner) : 1;
  wr_launch_start(&l, gather_id(out->dtype, index_type(&s), big),
                  pack > 1 ? WR_ENTRY_TAKE_PACKS
                  : one    ? WR_ENTRY_TAKE
                           : WR_ENTRY_GATHER);
  wr_launch_pointer(&l, out->data);
  wr_launch_pointer(&l, in->data);
  wr_launch_index(&l, out->size / pack);
  wr_launch_i64(&l, s.places.size);
  wr_launch_i64(&l, inner.size / pack);
  if (one) {
    places_of_one(&l, &s, &places);
  } else {
    wr_launch_struct(&l, &s.at, sizeof s.at);
  }
  wr_launch_layout(&l, &outer);
  wr_launch_layout(&l, one ? &places : &s.places);
  if (pack == 1) wr_launch_layout(&l, &inner);
  const int64_t each = pack > 1 ? pack * AHEAD : 1;
  wr_launch_threads(&l, run, (out->size + each - 1) / each, 256);
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_gather_axis(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0], *index = &call->in[1];
  const struct wr_axis_params *params = call->params;
  struct wr_layout both;
  struct wr_launch l;
  struct wr_error *error = NULL;
  if (call->out.size == 0 || in->size == 0) return fill_zero(run, &call->out);
  if (takes_rows(run, call, NULL, &error)) return error;
  wr_layout_start(&both, 2);
  for (int d = 0; d < index->ndim; d++) {
    const int64_t stride = d == params->axis ? 0 : in->strides[d];
    wr_layout_push(&both, index->shape[d], (const int64_t[]){stride, index->strides[d]});
  }
  wr_layout_end(&both);
  wr_launch_start(&l, gather_id(call->out.dtype, index->dtype, wr_layout_is_big(&both)),
                  WR_ENTRY_TAKE_ALONG);
  wr_launch_pointer(&l, call->out.data);
  wr_launch_pointer(&l, in->data);
  wr_launch_pointer(&l, index->data);
  wr_launch_index(&l, call->out.size);
  wr_launch_i64(&l, in->shape[params->axis]);
  wr_launch_i64(&l, in->strides[params->axis]);
  wr_launch_layout(&l, &both);
  wr_launch_threads(&l, run, call->out.size, 256);
  return wr_launch(&l, run);
}

/* ---- scatter ---- */

/* Along an axis without an index array a slice begins at 0, and may be longer than the axis. */
static bool slices_fit(const int32_t *sizes, const struct wr_tensor *out) {
  for (int d = 0; d < out->ndim; d++) {
    if (sizes[d] > out->shape[d]) return false;
  }
  return true;
}

static struct wr_error *scatter_slices(struct index_set *s, struct wr_run *run,
                                       const struct wr_call *call, struct wr_layout *slice) {
  const struct wr_scatter_params *params = call->params;
  const struct wr_tensor *updates = &call->in[1], *out = &call->out;
  struct wr_launch l;
  const bool big = updates->size > INT32_MAX || s->places.ndim > WR_AXES || slice->ndim > WR_AXES;
  const struct wr_module_id id = {
      WR_SOURCE_SCATTER, (uint8_t)params->by, (uint8_t)out->dtype, (uint8_t)index_type(s), big, 0};
  wr_launch_start(&l, id, WR_ENTRY_SCATTER);
  wr_launch_pointer(&l, out->data);
  wr_launch_pointer(&l, updates->data);
  wr_launch_index(&l, updates->size);
  wr_launch_i64(&l, slice->size);
  wr_launch_struct(&l, &s->at, sizeof s->at);
  wr_launch_layout(&l, &s->places);
  wr_launch_layout(&l, slice);
  wr_launch_threads(&l, run, updates->size, 256);
  return wr_launch(&l, run);
}

/* Whether each row of the result is what one row of indices says, and a block is to have it whole:
   where the row fits into what every block may have, and is written whole anyway or to a good part.
   What the index arrays of other axes hold is known without reading them. */
static bool is_by_rows(const struct wr_call *call, const struct wr_run *run) {
  enum { LEAST = 512 };
  const struct wr_scatter_params *params = call->params;
  const struct wr_tensor *in = &call->in[0], *updates = &call->in[1], *out = &call->out;
  if (params->along != 2 || out->ndim != 3 || out->shape[2] != 1 || in->dtype != out->dtype) {
    return false;
  }
  const int64_t extent = out->shape[1], count = updates->shape[1];
  return in->strides[1] == 1 && extent >= LEAST && out->size <= INT32_MAX &&
         extent * (int64_t)wr_dtype_size(out->dtype) <= ROW_ROOM &&
         (in->data != out->data || count >= extent / 4) &&
         out->shape[0] >= run->gpu->multiprocessors * ROWS_ON_EACH;
}

static struct wr_error *scatter_rows(struct wr_run *run, const struct wr_call *call) {
  enum { THREADS = 512 };
  const struct wr_scatter_params *params = call->params;
  const struct wr_tensor *in = &call->in[0], *updates = &call->in[1], *index = &call->in[3];
  const struct wr_tensor *out = &call->out;
  struct wr_layout kept;
  struct wr_launch l;
  wr_layout_start(&kept, 3);
  wr_layout_push(&kept, out->shape[0],
                 (const int64_t[]){in->strides[0], updates->strides[0], index->strides[0]});
  wr_layout_end(&kept);
  const struct wr_module_id id = {
      WR_SOURCE_SCATTER, (uint8_t)params->by, (uint8_t)out->dtype, (uint8_t)index->dtype, false, 0};
  wr_launch_start(&l, id, WR_ENTRY_SCATTER_ROWS);
  wr_launch_pointer(&l, out->data);
  wr_launch_pointer(&l, in->data);
  wr_launch_pointer(&l, updates->data);
  wr_launch_pointer(&l, index->data);
  wr_launch_index(&l, kept.size);
  wr_launch_i64(&l, out->shape[1]);
  wr_launch_i64(&l, updates->shape[1]);
  wr_launch_i64(&l, updates->strides[1]);
  wr_launch_i64(&l, index->strides[1]);
  wr_launch_layout(&l, &kept);
  wr_launch_blocks(&l, kept.size, 1, THREADS);
  /* Narrow elements are joined by the words around them. */
  l.shared_bytes = (unsigned)((size_t)out->shape[1] * wr_dtype_size(out->dtype) + 3) / 4 * 4;
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_scatter(struct wr_run *run, const struct wr_call *call) {
  const struct wr_scatter_params *params = call->params;
  const struct wr_tensor *updates = &call->in[1], *out = &call->out;
  if (updates->size > 0 && is_by_rows(call, run)) return scatter_rows(run, call);
  const int index_ndim = updates->ndim - out->ndim;
  const int32_t *sizes = updates->shape + index_ndim;
  struct index_set s = {.index = call->in + 2, .n = params->n_axes};
  struct wr_layout slice;
  struct wr_error *error = wr_gpu_convert(run, &call->in[0], out->dtype, out->data);
  if (error || updates->size == 0 || !slices_fit(sizes, out)) return error;
  error =
      index_set_of(&s, run, params->axes, out, sizes, index_ndim, updates->shape, updates->strides);
  if (error) return error;
  wr_layout_start(&slice, 2);
  for (int d = 0; d < out->ndim; d++) {
    const int64_t strides[] = {out->strides[d], updates->strides[index_ndim + d]};
    wr_layout_push(&slice, sizes[d], strides);
  }
  wr_layout_end(&slice);
  return scatter_slices(&s, run, call, &slice);
}
