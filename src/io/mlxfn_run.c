/* One function for each kind of operation that MLX stores: its inputs are of one shape and type
   where it computes elementwise, its parameters are read as MLX reads them, and all checks are
   those of the operations here. No locks. */

#include "io/mlxfn_run.h"

#include <string.h>

#include "io/mlxfn_call.h"
#include "ops/ops.h"
#include "ops/steps.h"

struct wr_error *wr_fn_wrong(const struct wr_fn_call *f, const char *what) {
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[import_function] %s: %s",
                      wr_fn_infos[f->e->kind].name, what);
}

const int *wr_fn_arg_ints(struct wr_fn_call *f, int i, int k, int *n) {
  const struct wr_fn_field *field = &f->e->field[i];
  if (field->n > WR_FN_FEW) return NULL;
  for (size_t j = 0; j < field->n; j++) {
    if (field->items[j] < INT32_MIN || field->items[j] > INT32_MAX) return NULL;
    f->lists[k][j] = (int)field->items[j];
  }
  *n = (int)field->n;
  return f->lists[k];
}

static enum wr_op joining(int mode) {
  static const enum wr_op by[] = {WR_OP_MAXIMUM, WR_OP_MINIMUM, WR_OP_ADD, WR_OP_MULTIPLY,
                                  WR_OP_COPY};
  return mode >= 0 && mode < 5 ? by[mode] : WR_OP_DATA;
}

/* ---- elementwise ---- */

struct wr_error *wr_fn_unary(struct wr_fn_call *f) {
  return wr_ops_unary(f->out, f->op, f->in[0], f->s);
}
/* Of complex numbers MLX's are complex too. */
struct wr_error *wr_fn_abs(struct wr_fn_call *f) {
  struct wr_compose c = wr_compose_begin(f->s);
  struct wr_node *r = wr_compose_unary(&c, WR_OP_ABS, f->in[0]);
  return wr_compose_end(&c, f->out, wr_compose_astype(&c, r, f->result->dtype));
}
struct wr_error *wr_fn_binary(struct wr_fn_call *f) {
  return wr_ops_binary(f->out, f->op, f->in[0], f->in[1], f->s);
}
struct wr_error *wr_fn_conjugate(struct wr_fn_call *f) {
  return wr_ops_conjugate(f->out, f->in[0], f->s);
}
struct wr_error *wr_fn_real(struct wr_fn_call *f) {
  return wr_ops_real(f->out, f->in[0], f->s);
}
struct wr_error *wr_fn_imag(struct wr_fn_call *f) {
  return wr_ops_imag(f->out, f->in[0], f->s);
}
struct wr_error *wr_fn_select(struct wr_fn_call *f) {
  return wr_ops_where(f->out, f->in[0], f->in[1], f->in[2], f->s);
}
struct wr_error *wr_fn_copy(struct wr_fn_call *f) {
  *f->out = wr_node_retain(f->in[0]);
  return NULL;
}
struct wr_error *wr_fn_stop_gradient(struct wr_fn_call *f) {
  return wr_ops_stop_gradient(f->out, f->in[0], f->s);
}
struct wr_error *wr_fn_astype(struct wr_fn_call *f) {
  return wr_ops_astype(f->out, f->in[0], (enum wr_dtype)wr_fn_arg(f, 0), f->s);
}
struct wr_error *wr_fn_view(struct wr_fn_call *f) {
  return wr_ops_view_dtype(f->out, f->in[0], (enum wr_dtype)wr_fn_arg(f, 0), f->s);
}

struct wr_error *wr_fn_bitwise(struct wr_fn_call *f) {
  const int which = wr_fn_arg_int(f, 0);
  if (which < 0 || which >= WR_FN_BITWISE_OPS) return wr_fn_wrong(f, "no such operation");
  return wr_ops_binary(f->out, wr_fn_bitwise_ops[which], f->in[0], f->in[1], f->s);
}

/* Of integers it is a division of integers, which rounds down. */
struct wr_error *wr_fn_divide(struct wr_fn_call *f) {
  const bool whole = wr_dtype_is_integer(wr_node_dtype(f->in[0]));
  return wr_ops_binary(f->out, whole ? WR_OP_FLOOR_DIVIDE : WR_OP_DIVIDE, f->in[0], f->in[1], f->s);
}

struct wr_error *wr_fn_divmod(struct wr_fn_call *f) {
  if (f->e->n_out != 2) return wr_fn_wrong(f, "two results are expected");
  struct wr_error *error = wr_ops_binary(&f->out[0], WR_OP_FLOOR_DIVIDE, f->in[0], f->in[1], f->s);
  return error ? error : wr_ops_binary(&f->out[1], WR_OP_REMAINDER, f->in[0], f->in[1], f->s);
}

struct wr_error *wr_fn_equal(struct wr_fn_call *f) {
  return wr_ops_binary(f->out, wr_fn_arg_flag(f, 0) ? WR_OP_EQUAL_NAN : WR_OP_EQUAL, f->in[0],
                       f->in[1], f->s);
}

struct wr_error *wr_fn_log(struct wr_fn_call *f) {
  static const enum wr_op ops[] = {WR_OP_LOG2, WR_OP_LOG10, WR_OP_LOG};
  const int base = wr_fn_arg_int(f, 0);
  if (base < 0 || base > 2) return wr_fn_wrong(f, "no such base");
  return wr_ops_unary(f->out, ops[base], f->in[0], f->s);
}

struct wr_error *wr_fn_sqrt(struct wr_fn_call *f) {
  return wr_ops_unary(f->out, wr_fn_arg_flag(f, 0) ? WR_OP_RSQRT : WR_OP_SQRT, f->in[0], f->s);
}

/* ---- along axes ---- */

struct wr_error *wr_fn_reduce(struct wr_fn_call *f) {
  static const enum wr_op ops[] = {WR_OP_ALL,  WR_OP_ANY, WR_OP_SUM,
                                   WR_OP_PROD, WR_OP_MIN, WR_OP_MAX};
  const int which = wr_fn_arg_int(f, 0);
  WR_FN_INTS(axes, 1, 0);
  if (which < 0 || which > 5) return wr_fn_wrong(f, "no such operation");
  return wr_ops_reduce(f->out, ops[which], f->in[0], axes, n_axes, true, f->s);
}

struct wr_error *wr_fn_arg_reduce(struct wr_fn_call *f) {
  const int which = wr_fn_arg_int(f, 0);
  if (which < 0 || which > 1) return wr_fn_wrong(f, "no such operation");
  return wr_ops_arg_reduce(f->out, which ? WR_OP_ARGMAX : WR_OP_ARGMIN, f->in[0],
                           wr_fn_arg_int(f, 1), true, f->s);
}

struct wr_error *wr_fn_scan(struct wr_fn_call *f) {
  static const enum wr_op ops[] = {WR_OP_MAXIMUM, WR_OP_MINIMUM, WR_OP_ADD, WR_OP_MULTIPLY,
                                   WR_OP_LOGADDEXP};
  const int which = wr_fn_arg_int(f, 0);
  if (which < 0 || which > 4) return wr_fn_wrong(f, "no such operation");
  return wr_ops_scan(f->out, ops[which], f->in[0], wr_fn_arg_int(f, 1), wr_fn_arg_flag(f, 2),
                     wr_fn_arg_flag(f, 3), f->s);
}

struct wr_error *wr_fn_sort(struct wr_fn_call *f) {
  return wr_ops_sort(f->out, f->op, f->in[0], wr_fn_arg_int(f, 0), f->s);
}
struct wr_error *wr_fn_partition(struct wr_fn_call *f) {
  return wr_ops_partition(f->out, f->op, f->in[0], wr_fn_arg_int(f, 0), wr_fn_arg_int(f, 1), f->s);
}
struct wr_error *wr_fn_softmax(struct wr_fn_call *f) {
  return wr_ops_softmax(f->out, f->in[0], (const int[]){-1}, 1, wr_fn_arg_flag(f, 0), f->s);
}
struct wr_error *wr_fn_logsumexp(struct wr_fn_call *f) {
  return wr_ops_logsumexp(f->out, f->in[0], (const int[]){-1}, 1, true, f->s);
}

struct wr_error *wr_fn_fft(struct wr_fn_call *f) {
  const bool inverse = wr_fn_arg_flag(f, 1), real = wr_fn_arg_flag(f, 2);
  int lengths[WR_FN_FEW];
  WR_FN_INTS(axes, 0, 0);
  const int ndim = wr_node_ndim(f->in[0]);
  for (int i = 0; i < n_axes; i++) {
    if (axes[i] < 0 || axes[i] >= ndim) return wr_fn_wrong(f, "an axis that is none");
    lengths[i] = wr_node_shape(f->in[0])[axes[i]];
  }
  /* Of half a spectrum the result's length is said by the result alone. */
  if (real && inverse && n_axes > 0) {
    if (f->result->ndim != ndim) return wr_fn_wrong(f, "another number of axes than its result");
    lengths[n_axes - 1] = f->result->shape[axes[n_axes - 1]];
  }
  const enum wr_fft_kind kind = real      ? inverse ? WR_FFT_REAL_INVERSE : WR_FFT_REAL
                                : inverse ? WR_FFT_INVERSE
                                          : WR_FFT_FORWARD;
  return wr_ops_fftn(f->out, kind, f->in[0], lengths, n_axes, axes, n_axes, 0, f->s);
}

/* ---- shapes ---- */

struct wr_error *wr_fn_reshape(struct wr_fn_call *f) {
  WR_FN_INTS(shape, 0, 0);
  return wr_ops_reshape(f->out, f->in[0], shape, n_shape, f->s);
}

/* More inputs than one are there for shapes that are not fixed: they have a part in the shape. */
struct wr_error *wr_fn_broadcast(struct wr_fn_call *f) {
  int32_t shape[WR_MAX_NDIM];
  int ndim = 0;
  WR_FN_INTS(given, 0, 0);
  if (f->n == 1) return wr_ops_broadcast_to(f->out, f->in[0], given, n_given, f->s);
  struct wr_error *error = wr_ops_common_shape(f->in, (size_t)f->n, shape, &ndim);
  return error ? error : wr_ops_broadcast_to(f->out, f->in[0], shape, ndim, f->s);
}

/* All axes but those that are counted from the end and left out are the inputs' common ones. */
struct wr_error *wr_fn_broadcast_axes(struct wr_fn_call *f) {
  int32_t shape[WR_MAX_NDIM];
  WR_FN_INTS(ignored, 0, 0);
  int ndim = wr_node_ndim(f->in[0]);
  for (int i = 1; i < f->n; i++) {
    if (wr_node_ndim(f->in[i]) > ndim) ndim = wr_node_ndim(f->in[i]);
  }
  for (int d = 0; d < ndim; d++) {
    shape[d] = 1;
    for (int i = 0; i < f->n; i++) {
      const int own = d - (ndim - wr_node_ndim(f->in[i]));
      const int32_t extent = own < 0 ? 1 : wr_node_shape(f->in[i])[own];
      bool counts = true;
      for (int k = 0; k < n_ignored; k++) {
        if (ignored[k] == d - ndim || ignored[k] == d) counts = i == 0;
      }
      if (counts && extent != 1) shape[d] = extent;
    }
  }
  return wr_ops_broadcast_to(f->out, f->in[0], shape, ndim, f->s);
}

struct wr_error *wr_fn_expand_dims(struct wr_fn_call *f) {
  WR_FN_INTS(axes, 0, 0);
  return wr_ops_expand_dims(f->out, f->in[0], axes, n_axes, f->s);
}
struct wr_error *wr_fn_squeeze(struct wr_fn_call *f) {
  WR_FN_INTS(axes, 0, 0);
  return wr_ops_squeeze(f->out, f->in[0], axes, n_axes, f->s);
}
struct wr_error *wr_fn_flatten(struct wr_fn_call *f) {
  return wr_ops_flatten(f->out, f->in[0], wr_fn_arg_int(f, 0), wr_fn_arg_int(f, 1), f->s);
}
struct wr_error *wr_fn_unflatten(struct wr_fn_call *f) {
  WR_FN_INTS(shape, 1, 0);
  return wr_ops_unflatten(f->out, f->in[0], wr_fn_arg_int(f, 0), shape, n_shape, f->s);
}
struct wr_error *wr_fn_transpose(struct wr_fn_call *f) {
  WR_FN_INTS(axes, 0, 0);
  return wr_ops_transpose(f->out, f->in[0], axes, n_axes, f->s);
}

struct wr_error *wr_fn_as_strided(struct wr_fn_call *f) {
  WR_FN_INTS(shape, 0, 0);
  const struct wr_fn_field *strides = &f->e->field[1];
  if (strides->n > WR_FN_FEW || wr_fn_arg(f, 2) < 0) return wr_fn_wrong(f, "a layout that is none");
  return wr_ops_as_strided(f->out, f->in[0], shape, n_shape, strides->items, (int)strides->n,
                           (size_t)wr_fn_arg(f, 2), f->s);
}

/* Stops below 0 are counted from the end, as in a call. A -1 that goes backwards leaves nothing
   then; a file that has elements there means the place in front of the first one. */
static void put_stops(struct wr_fn_call *f, const int *strides, const int32_t *part, int ndim) {
  for (int i = 0; i < ndim; i++) {
    if (strides[i] < 0 && f->lists[1][i] == -1 && part[i] > 0) f->lists[1][i] = INT32_MIN + 1;
  }
}

struct wr_error *wr_fn_slice(struct wr_fn_call *f) {
  WR_FN_INTS(start, 0, 0);
  WR_FN_INTS(stop, 1, 1);
  WR_FN_INTS(strides, 2, 2);
  const int ndim = wr_node_ndim(f->in[0]);
  if (n_start != ndim || n_stop != ndim || n_strides != ndim) return wr_fn_wrong(f, "not all axes");
  if (f->result->ndim == ndim) put_stops(f, strides, f->result->shape, ndim);
  const struct wr_ops_range range = {start, stop, strides, ndim, ndim, ndim};
  return wr_ops_slice(f->out, f->in[0], &range, f->s);
}

struct wr_error *wr_fn_slice_update(struct wr_fn_call *f) {
  WR_FN_INTS(start, 1, 0);
  WR_FN_INTS(stop, 2, 1);
  WR_FN_INTS(strides, 3, 2);
  const enum wr_op by = joining(wr_fn_arg_int(f, 0));
  const int ndim = wr_node_ndim(f->in[0]);
  if (n_start != ndim || n_stop != ndim || n_strides != ndim) return wr_fn_wrong(f, "not all axes");
  if (by == WR_OP_DATA) return wr_fn_wrong(f, "no such operation");
  if (wr_node_ndim(f->in[1]) == ndim) put_stops(f, strides, wr_node_shape(f->in[1]), ndim);
  const struct wr_ops_range range = {start, stop, strides, ndim, ndim, ndim};
  return wr_ops_slice_update(f->out, by, f->in[0], f->in[1], &range, f->s);
}

struct wr_error *wr_fn_dynamic_slice(struct wr_fn_call *f) {
  WR_FN_INTS(axes, 0, 0);
  WR_FN_INTS(size, 1, 1);
  return wr_ops_slice_dynamic(f->out, f->in[0], f->in[1], axes, n_axes, size, n_size, f->s);
}
struct wr_error *wr_fn_dynamic_slice_update(struct wr_fn_call *f) {
  WR_FN_INTS(axes, 0, 0);
  return wr_ops_slice_update_dynamic(f->out, f->in[0], f->in[1], f->in[2], axes, n_axes, f->s);
}

struct wr_error *wr_fn_split(struct wr_fn_call *f) {
  struct wr_error *error = NULL;
  const int axis = wr_fn_arg_int(f, 1);
  WR_FN_INTS(indices, 0, 0);
  if ((uint32_t)n_indices + 1 != f->e->n_out) return wr_fn_wrong(f, "another number of results");
  for (int i = 0; i <= n_indices && !error; i++) {
    error = wr_ops_split_section(&f->out[i], f->in[0], indices, n_indices, axis, i, f->s);
  }
  return error;
}

struct wr_error *wr_fn_concatenate(struct wr_fn_call *f) {
  return wr_ops_concatenate(f->out, f->in, f->n, wr_fn_arg_int(f, 0), f->s);
}

struct wr_error *wr_fn_pad(struct wr_fn_call *f) {
  WR_FN_INTS(axes, 0, 0);
  WR_FN_INTS(low, 1, 1);
  WR_FN_INTS(high, 2, 2);
  return wr_ops_pad(f->out, f->in[0], axes, n_axes, low, n_low, high, n_high, f->in[1], "constant",
                    f->s);
}

enum { EDGES_MOST = 1 << 22 };

/* Each result waits for all inputs: the first so many are the results. */
struct wr_error *wr_fn_depends(struct wr_fn_call *f) {
  struct wr_error *error = NULL;
  const uint32_t n_out = f->e->n_out;
  if (n_out > (uint32_t)f->n) return wr_fn_wrong(f, "more results than inputs");
  /* Each result has each of the others for an input: a small file would take much memory. */
  if ((uint64_t)n_out * ((uint32_t)f->n - n_out) > EDGES_MOST) {
    return wr_fn_wrong(f, "more dependencies than can be kept");
  }
  for (uint32_t i = 0; i < n_out && !error; i++) {
    error = wr_ops_depends(&f->out[i], f->in[i], f->in + n_out, (size_t)f->n - n_out, f->s);
  }
  return error;
}

struct wr_error *wr_fn_arange(struct wr_fn_call *f) {
  const struct wr_fn_field *field = f->e->field;
  return wr_ops_arange(f->out, field[0].real, field[1].real, field[2].real, f->result->dtype, f->s);
}

struct wr_error *wr_fn_number_of_elements(struct wr_fn_call *f) {
  WR_FN_INTS(axes, 0, 0);
  return wr_ops_number_of_elements(f->out, f->in[0], axes, n_axes, wr_fn_arg_flag(f, 1),
                                   (enum wr_dtype)wr_fn_arg(f, 2), f->s);
}

struct wr_error *wr_fn_random_bits(struct wr_fn_call *f) {
  WR_FN_INTS(shape, 0, 0);
  return wr_ops_random_bits(f->out, shape, n_shape, wr_fn_arg_int(f, 1), f->in[0], f->s);
}

/* ---- by index ---- */

/* No places, of an array that may have none: what the slices' sizes are does not matter. */
static struct wr_error *gather_nothing(struct wr_fn_call *f, const int *sizes, int n) {
  int32_t shape[2 * WR_FN_FEW];
  const int n_index = wr_node_ndim(f->in[1]);
  for (int i = 0; i < n_index; i++) shape[i] = wr_node_shape(f->in[1])[i];
  for (int i = 0; i < n; i++) shape[n_index + i] = sizes[i];
  if (n_index + n > WR_MAX_NDIM) return wr_fn_wrong(f, "too many axes");
  return wr_ops_fill(f->out, shape, n_index + n, 0, wr_node_dtype(f->in[0]), f->s);
}

struct wr_error *wr_fn_gather(struct wr_fn_call *f) {
  WR_FN_INTS(axes, 0, 0);
  WR_FN_INTS(sizes, 1, 1);
  if (f->n > 1 && wr_node_size(f->in[1]) == 0) return gather_nothing(f, sizes, n_sizes);
  return wr_ops_gather(f->out, f->in[0], f->in + 1, f->n - 1, axes, n_axes, sizes, n_sizes, f->s);
}
struct wr_error *wr_fn_gather_axis(struct wr_fn_call *f) {
  return wr_ops_take_along_axis(f->out, f->in[0], f->in[1], wr_fn_arg_int(f, 0), f->s);
}
struct wr_error *wr_fn_scatter(struct wr_fn_call *f) {
  const enum wr_op by = joining(wr_fn_arg_int(f, 0));
  WR_FN_INTS(axes, 1, 0);
  if (by == WR_OP_DATA) return wr_fn_wrong(f, "no such operation");
  return wr_ops_scatter(f->out, by, f->in[0], f->in + 1, f->n - 2, f->in[f->n - 1], axes, n_axes,
                        f->s);
}
struct wr_error *wr_fn_scatter_axis(struct wr_fn_call *f) {
  const int which = wr_fn_arg_int(f, 0);
  if (which < 0 || which > 1) return wr_fn_wrong(f, "no such operation");
  return wr_ops_scatter_axis(f->out, which ? WR_OP_COPY : WR_OP_ADD, f->in[0], f->in[1], f->in[2],
                             wr_fn_arg_int(f, 1), f->s);
}
enum { MOST_OF_BATCH = 1 << 16 };

/* One of a batch, element by element. */
static struct wr_node *masked_scatter_of(struct wr_compose *c, const struct wr_fn_call *f, int i) {
  struct wr_node *in[3];
  for (int k = 0; k < 3; k++) {
    in[k] = wr_compose_flatten(c, wr_compose_slice_axis(c, f->in[k], 0, i, i + 1));
  }
  if (c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(c);
  return wr_compose_step(c, wr_ops_masked_scatter(slot, in[0], in[1], in[2], f->s));
}

/* Where the mask is that of all elements, arrays have an axis in front for a batch, which is 1 but
   where the function was vectorised. */
struct wr_error *wr_fn_masked_scatter(struct wr_fn_call *f) {
  struct wr_node *a = f->in[0], *mask = f->in[1], *src = f->in[2];
  const int ndim = wr_node_ndim(a);
  if (ndim == 0 || wr_node_ndim(mask) != ndim || wr_node_ndim(src) < 2) {
    return wr_ops_masked_scatter(f->out, a, mask, src, f->s);
  }
  const int32_t n = wr_node_shape(a)[0];
  if (wr_node_shape(mask)[0] != n || wr_node_shape(src)[0] != n || n > MOST_OF_BATCH) {
    return wr_fn_wrong(f, "batches that do not fit");
  }
  if (wr_node_size(a) == 0) return wr_ops_copy(f->out, a, f->s);
  struct wr_compose c = wr_compose_begin(f->s);
  struct wr_node **all = wr_alloc((size_t)n * sizeof(struct wr_node *));
  if (!all) return wr_error_out_of_memory();
  for (int32_t i = 0; i < n; i++) all[i] = masked_scatter_of(&c, f, i);
  struct wr_node *r = wr_compose_join(&c, all, n, 0);
  wr_free(all);
  return wr_compose_end(&c, f->out, wr_compose_reshape(&c, r, ndim, wr_node_shape(a)));
}

/* ---- products ---- */

struct wr_error *wr_fn_matmul(struct wr_fn_call *f) {
  return wr_ops_matmul(f->out, f->in[0], f->in[1], f->s);
}
struct wr_error *wr_fn_addmm(struct wr_fn_call *f) {
  return wr_ops_addmm(f->out, f->in[2], f->in[0], f->in[1], wr_fn_arg_real(f, 0),
                      wr_fn_arg_real(f, 1), f->s);
}

struct wr_error *wr_fn_block_masked_mm(struct wr_fn_call *f) {
  struct wr_node *masks[3] = {NULL, NULL, NULL};
  int at = 2;
  if (f->n == 3 || f->n == 5) masks[0] = f->in[at++];
  if (f->n >= 4) {
    masks[1] = f->in[at];
    masks[2] = f->in[at + 1];
  }
  return wr_ops_block_masked_mm(f->out, f->in[0], f->in[1], wr_fn_arg_int(f, 0), masks[0], masks[1],
                                masks[2], f->s);
}

struct wr_error *wr_fn_gather_mm(struct wr_fn_call *f) {
  return wr_ops_gather_mm(f->out, f->in[0], f->in[1], f->in[2], f->in[3],
                          wr_fn_arg_flag(f, 0) || wr_fn_arg_flag(f, 1), f->s);
}

struct wr_error *wr_fn_conv(struct wr_fn_call *f) {
  WR_FN_INTS(stride, 0, 0);
  WR_FN_INTS(low, 1, 1);
  WR_FN_INTS(high, 2, 2);
  WR_FN_INTS(kernel, 3, 3);
  int dilation[WR_FN_FEW];
  const struct wr_fn_field *input = &f->e->field[4];
  if (input->n > WR_FN_FEW) return wr_fn_wrong(f, "a list that is too long");
  for (size_t i = 0; i < input->n; i++) dilation[i] = (int)input->items[i];
  const struct wr_ops_conv how = {.stride = {stride, n_stride},
                                  .low = {low, n_low},
                                  .high = {high, n_high},
                                  .kernel_dilation = {kernel, n_kernel},
                                  .input_dilation = {dilation, (int)input->n},
                                  .groups = wr_fn_arg_int(f, 5),
                                  .flip = wr_fn_arg_flag(f, 6)};
  return wr_ops_conv(f->out, f->in[0], f->in[1], &how, f->s);
}

struct wr_error *wr_fn_hadamard(struct wr_fn_call *f) {
  const float scale = wr_fn_arg_real(f, 0);
  return wr_ops_hadamard(f->out, f->in[0], &scale, f->s);
}

/* ---- one trace ---- */

static struct wr_error *(*const runs[WR_FN_KINDS])(struct wr_fn_call *) = {
#define FN(name, state, least, most, run, op) [WR_FN_##name] = wr_fn_##run,
#include "io/mlxfn.def"
#undef FN
};
static const uint16_t ops[WR_FN_KINDS] = {
#define FN(name, state, least, most, run, op) [WR_FN_##name] = WR_OP_##op,
#include "io/mlxfn.def"
#undef FN
};

static struct wr_error *check_results(const struct wr_fn_file *file, const struct wr_fn_call *f) {
  for (uint32_t i = 0; i < f->e->n_out; i++) {
    const struct wr_node *made = f->out[i];
    const struct wr_fn_value *said = &f->result[i];
    if (!made) return wr_fn_wrong(f, "a result is missing");
    if (wr_node_dtype(made) != said->dtype) return wr_fn_wrong(f, "a result of another dtype");
    if (file->shapeless) continue;
    const size_t bytes = (size_t)said->ndim * sizeof *said->shape;
    if (wr_node_ndim(made) != said->ndim ||
        (bytes && memcmp(wr_node_shape(made), said->shape, bytes) != 0)) {
      return wr_fn_wrong(f, "a result of another shape");
    }
  }
  return NULL;
}

static struct wr_error *run_entry(const struct wr_fn_file *file, const struct wr_fn_trace *t,
                                  const struct wr_fn_entry *e, struct wr_stream *s,
                                  struct wr_node **values) {
  struct wr_node **in = wr_alloc((e->n_in + (size_t)1) * sizeof *in);
  if (!in) return wr_error_out_of_memory();
  for (uint32_t i = 0; i < e->n_in; i++) in[i] = values[e->in[i]];
  struct wr_fn_call f = {.e = e,
                         .op = (enum wr_op)ops[e->kind],
                         .in = in,
                         .n = (int)e->n_in,
                         .s = s,
                         .out = values + e->first_out,
                         .result = &t->results[e->first_out - t->n_in - file->n_constants]};
  struct wr_error *error = runs[e->kind](&f);
  if (!error) error = check_results(file, &f);
  wr_free(in);
  return error;
}

struct wr_error *wr_fn_run(const struct wr_fn_file *file, uint32_t i, struct wr_node *const *in,
                           struct wr_node *const *constants, struct wr_stream *const *streams,
                           struct wr_ptrs *outputs) {
  const struct wr_fn_trace *t = &file->traces[i];
  const size_t given = (size_t)t->n_in + file->n_constants, n = given + t->n_results;
  struct wr_node **values = wr_calloc((n + 1) * sizeof *values);
  if (!values || !wr_ptrs_reserve(outputs, t->n_out)) {
    wr_free(values);
    return wr_error_out_of_memory();
  }
  struct wr_error *error = NULL;
  for (size_t k = 0; k < given; k++) values[k] = k < t->n_in ? in[k] : constants[k - t->n_in];
  for (uint32_t k = 0; k < t->n_entries && !error; k++) {
    error = run_entry(file, t, &t->entries[k], streams[t->entries[k].stream], values);
  }
  for (uint32_t k = 0; k < t->n_out && !error; k++) {
    outputs->items[outputs->count++] = wr_node_retain(values[t->out[k]]);
  }
  for (size_t k = given; k < n; k++) wr_node_release(values[k]);
  wr_free(values);
  return error;
}
