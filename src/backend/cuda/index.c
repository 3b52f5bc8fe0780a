/* Take, take_along_axis and scatter_add. An index may be of any integer type (or bool); a negative
   one counts from the end. What is then still outside the axis has a defined result (rule E6):
   reading takes the nearest element, and an update that does not lie inside the array whole is
   dropped. */

#include "backend/cuda/kernel.h"

enum { SCATTER_AXES = 8 }; /* as many index arrays as the kernel takes */

/* Nothing to read from, yet a result to fill: zeros. */
static struct wr_error *fill_zero(struct wr_run *run, const struct wr_tensor *out) {
  if (out->size == 0) return NULL;
  return wr_run_zero(run, out->data, (size_t)out->size * wr_dtype_size(out->dtype));
}

static struct wr_module_id gather_id(const struct wr_call *call, bool big) {
  return (struct wr_module_id){WR_SOURCE_GATHER, (uint8_t)WR_OP_GATHER,
                               (uint8_t)wr_dtype_of_size(call->out.dtype),
                               (uint8_t)call->in[1].dtype, big};
}

struct wr_error *wr_gpu_gather(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0], *index = &call->in[1];
  const struct wr_axis_params *params = call->params;
  const int axis = params->axis;
  struct wr_layout outer, places, inner;
  struct wr_launch l;
  if (call->out.size == 0 || in->size == 0) return fill_zero(run, &call->out);
  const uint32_t before = (1u << axis) - 1u;
  wr_layout_of(&outer, in, before);
  wr_layout_of(&inner, in, wr_layout_all(in) & ~before & ~(1u << axis));
  wr_layout_of(&places, index, wr_layout_all(index));
  const bool big = call->out.size > INT32_MAX || outer.ndim > WR_AXES || inner.ndim > WR_AXES ||
                   places.ndim > WR_AXES;
  wr_launch_start(&l, gather_id(call, big), WR_ENTRY_TAKE);
  wr_launch_pointer(&l, call->out.data);
  wr_launch_pointer(&l, in->data);
  wr_launch_pointer(&l, index->data);
  wr_launch_index(&l, call->out.size);
  wr_launch_i64(&l, in->shape[axis]);
  wr_launch_i64(&l, in->strides[axis]);
  wr_launch_i64(&l, places.size);
  wr_launch_i64(&l, inner.size);
  wr_launch_layout(&l, &outer);
  wr_launch_layout(&l, &places);
  wr_launch_layout(&l, &inner);
  wr_launch_threads(&l, run, call->out.size, 256);
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_gather_axis(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0], *index = &call->in[1];
  const struct wr_axis_params *params = call->params;
  struct wr_layout both;
  struct wr_launch l;
  if (call->out.size == 0 || in->size == 0) return fill_zero(run, &call->out);
  wr_layout_start(&both, 2);
  for (int d = 0; d < index->ndim; d++) {
    const int64_t stride = d == params->axis ? 0 : in->strides[d];
    wr_layout_push(&both, index->shape[d], (const int64_t[]){stride, index->strides[d]});
  }
  wr_layout_finish(&both);
  wr_launch_start(&l, gather_id(call, wr_layout_is_big(&both)), WR_ENTRY_TAKE_ALONG);
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

/* The kernel's struct indices_of. */
struct indices_of {
  const void *data[SCATTER_AXES];
  int64_t extent[SCATTER_AXES];
  int64_t room[SCATTER_AXES];
  int64_t stride[SCATTER_AXES];
  int64_t count;
};

struct scatter {
  const struct wr_tensor *updates;
  const struct wr_tensor *index; /* as many as there are axes */
  const struct wr_scatter_params *params;
  struct indices_of indices;
  struct wr_layout places;
  struct wr_layout slice;
  int index_ndim;
};

/* Axes without an index array start at 0: their slices must fit as well. */
static bool slices_fit(const struct scatter *s, const struct wr_tensor *out) {
  for (int d = 0; d < out->ndim; d++) {
    if (s->updates->shape[s->index_ndim + d] > out->shape[d]) return false;
  }
  return true;
}

static void places_make(struct scatter *s) {
  wr_layout_start(&s->places, SCATTER_AXES + 1);
  for (int d = 0; d < s->index_ndim; d++) {
    int64_t strides[SCATTER_AXES + 1] = {0};
    for (int k = 0; k < s->params->n_axes; k++) strides[k] = s->index[k].strides[d];
    strides[SCATTER_AXES] = s->updates->strides[d];
    wr_layout_push(&s->places, s->updates->shape[d], strides);
  }
  wr_layout_finish(&s->places);
}

static void slice_make(struct scatter *s, const struct wr_tensor *out) {
  wr_layout_start(&s->slice, 2);
  for (int d = 0; d < out->ndim; d++) {
    const int64_t strides[] = {out->strides[d], s->updates->strides[s->index_ndim + d]};
    wr_layout_push(&s->slice, s->updates->shape[s->index_ndim + d], strides);
  }
  wr_layout_finish(&s->slice);
}

static void indices_make(struct scatter *s, const struct wr_tensor *out) {
  s->indices.count = s->params->n_axes;
  for (int k = 0; k < s->params->n_axes; k++) {
    const int axis = s->params->axes[k];
    s->indices.data[k] = s->index[k].data;
    s->indices.extent[k] = out->shape[axis];
    s->indices.room[k] = out->shape[axis] - s->updates->shape[s->index_ndim + axis];
    s->indices.stride[k] = out->strides[axis];
  }
}

static struct wr_error *add_slices(struct scatter *s, struct wr_run *run,
                                   const struct wr_tensor *out) {
  struct wr_launch l;
  const enum wr_dtype index = s->params->n_axes > 0 ? s->index[0].dtype : WR_INT32;
  const bool big =
      s->updates->size > INT32_MAX || s->places.ndim > WR_AXES || s->slice.ndim > WR_AXES;
  const struct wr_module_id id = {WR_SOURCE_SCATTER, WR_OP_SCATTER_ADD, (uint8_t)out->dtype,
                                  (uint8_t)index, big};
  wr_launch_start(&l, id, WR_ENTRY_ONLY);
  wr_launch_pointer(&l, out->data);
  wr_launch_pointer(&l, s->updates->data);
  wr_launch_index(&l, s->updates->size);
  wr_launch_i64(&l, s->slice.size);
  wr_launch_struct(&l, &s->indices, sizeof s->indices);
  wr_launch_layout(&l, &s->places);
  wr_launch_layout(&l, &s->slice);
  wr_launch_threads(&l, run, s->updates->size, 256);
  return wr_launch(&l, run);
}

/* The kernel reads all index arrays as one type: int64 where they differ. */
static struct wr_error *same_types(struct scatter *s, struct wr_run *run,
                                   struct wr_tensor *converted,
                                   int64_t strides[SCATTER_AXES][WR_MAX_NDIM]) {
  bool same = true;
  for (int k = 1; k < s->params->n_axes; k++) same = same && s->index[k].dtype == s->index[0].dtype;
  if (same) return NULL;
  for (int k = 0; k < s->params->n_axes; k++) {
    struct wr_tensor *t = &converted[k];
    *t = s->index[k];
    struct wr_error *error =
        wr_run_scratch(run, (size_t)t->size * sizeof(int64_t), (void **)&t->data);
    if (!error) error = wr_gpu_convert(run, &s->index[k], WR_INT64, t->data);
    if (error) return error;
    t->dtype = WR_INT64;
    t->dense = true;
    wr_shape_row_strides(t->shape, t->ndim, strides[k]);
    t->strides = strides[k];
  }
  s->index = converted;
  return NULL;
}

struct wr_error *wr_gpu_scatter_add(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *out = &call->out;
  struct scatter s = {.updates = &call->in[1], .index = &call->in[2], .params = call->params};
  struct wr_tensor converted[SCATTER_AXES];
  int64_t strides[SCATTER_AXES][WR_MAX_NDIM];
  if (s.params->n_axes > SCATTER_AXES) {
    return wr_error_new(WEIR_ERROR_UNSUPPORTED, "scatter_add has no GPU kernel for %d index arrays",
                        s.params->n_axes);
  }
  struct wr_error *error = wr_gpu_convert(run, &call->in[0], out->dtype, out->data);
  s.index_ndim = s.updates->ndim - out->ndim;
  if (error || s.updates->size == 0 || !slices_fit(&s, out)) return error;
  error = same_types(&s, run, converted, strides);
  if (error) return error;
  indices_make(&s, out);
  places_make(&s);
  slice_make(&s, out);
  return add_slices(&s, run, out);
}
