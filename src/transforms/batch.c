/* Rules of vmap: most are the same operation again, on inputs with an axis more and parameters that
   count axes from one further on. Batches of matrices, rows along the last axis and elementwise
   operations need no more than the axis. No locks. */

#include "transforms/batch.h"

#include <string.h>

#include "core/quantized.h"
#include "core/shape.h"
#include "ops/primitive.h"
#include "transforms/rules.h"

wr_vmap_rule *const wr_vmap_rules[WR_OP_COUNT] = {
#define WR_RULE(ID, name, vmap) [WR_OP_##ID] = wr_vmap_##vmap,
#define WR_RULE_ZERO(ID, vmap) [WR_OP_##ID] = wr_vmap_##vmap,
#include "transforms/rules.def"
#undef WR_RULE
#undef WR_RULE_ZERO
};

/* ---- shapes ---- */

/* A shape with an axis of n in front; false, and an error, where that is one too many. */
static bool in_front(const struct wr_batch *b, int ndim, const int32_t *shape, int32_t *with) {
  if (b->c->error) return false;
  if (ndim >= WR_MAX_NDIM) {
    wr_compose_fail(b->c, "[vmap] An array with %d dimensions has no room for one more.", ndim);
    return false;
  }
  with[0] = b->n;
  for (int i = 0; i < ndim; i++) with[i + 1] = shape[i];
  return true;
}

struct wr_node *wr_batch_full(const struct wr_batch *b, int k) {
  int32_t shape[WR_MAX_NDIM];
  struct wr_node *a = b->like.in[k];
  if (b->mapped[k]) return a;
  if (!in_front(b, wr_node_ndim(a), wr_node_shape(a), shape)) return NULL;
  return wr_compose_broadcast(b->c, a, wr_node_ndim(a) + 1, shape);
}

static void all_full(const struct wr_batch *b) {
  for (int k = 0; k < b->like.n_in; k++) b->room[k] = wr_batch_full(b, k);
}

struct wr_node *wr_batch_reshaped(const struct wr_batch *b, struct wr_node *a) {
  int32_t shape[WR_MAX_NDIM];
  if (!in_front(b, b->like.ndim, b->like.shape, shape)) return NULL;
  return wr_compose_reshape(b->c, a, b->like.ndim + 1, shape);
}

struct wr_node *wr_batch_moved(const struct wr_batch *b, struct wr_node *a, int from, int to) {
  if (b->c->error || from == to) return a;
  struct wr_node **slot = wr_compose_slot(b->c);
  return wr_compose_step(b->c, wr_ops_moveaxis(slot, a, from, to, b->c->stream));
}

struct wr_node *wr_batch_again_as(const struct wr_batch *b, int n_in, const void *params,
                                  size_t params_bytes, int ndim, const int32_t *shape) {
  struct wr_record like = b->like;
  if (b->c->error) return NULL;
  like.ndim = ndim;
  like.shape = shape;
  like.in = b->room;
  like.n_in = n_in;
  like.params = params;
  like.params_bytes = params_bytes;
  like.stream = b->c->stream;
  return wr_compose_step(b->c, wr_ops_again(wr_compose_slot(b->c), &like));
}

struct wr_node *wr_batch_again(const struct wr_batch *b, int n_in, const void *params,
                               size_t params_bytes) {
  int32_t shape[WR_MAX_NDIM];
  if (!in_front(b, b->like.ndim, b->like.shape, shape)) return NULL;
  return wr_batch_again_as(b, n_in, params, params_bytes, b->like.ndim + 1, shape);
}

/* ---- the same, of one more axis ---- */

struct wr_node *wr_vmap_none(const struct wr_batch *b) {
  return wr_compose_fail(b->c, "[Primitive::vmap] Not implemented for %s.",
                         wr_ops_primitive(b->like.op, NULL));
}

struct wr_node *wr_vmap_each(const struct wr_batch *b) {
  all_full(b);
  return wr_batch_again(b, b->like.n_in, b->like.params, b->like.params_bytes);
}

/* Parameters that name axes, counted from one further on. */
union shifted {
  struct wr_reduce_params reduce;
  struct wr_variance_params variance;
  struct wr_axis_params axis;
  struct wr_partition_params partition;
  struct wr_scan_params scan;
  struct wr_fft_params fft;
};

static void shift(const struct wr_batch *b, union shifted *p) {
  memcpy(p, b->like.params, wr_op_info(b->like.op)->params_bytes);
  switch ((int)b->like.op) {
    case WR_OP_ALL:
    case WR_OP_ANY:
    case WR_OP_MAX:
    case WR_OP_MIN:
    case WR_OP_PROD:
    case WR_OP_SUM:
      p->reduce.axes <<= 1;
      break;
    case WR_OP_VARIANCE:
      p->variance.axes <<= 1;
      break;
    case WR_OP_PARTITION:
      p->partition.axis++;
      break;
    case WR_OP_SCAN:
      p->scan.axis++;
      break;
    case WR_OP_FFT:
      p->fft.axis++;
      break;
    default: /* ARGMAX ARGMIN ARGSORT CONCATENATE GATHER_AXIS SORT */
      p->axis.axis++;
  }
}

struct wr_node *wr_vmap_axis(const struct wr_batch *b) {
  union shifted p;
  shift(b, &p);
  all_full(b);
  return wr_batch_again(b, b->like.n_in, &p, b->like.params_bytes);
}

/* Where no axis is named, each call's input is one line. */
struct wr_node *wr_vmap_arg(const struct wr_batch *b) {
  const struct wr_axis_params *p = b->like.params;
  int64_t size = 0;
  if (p->axis >= 0) return wr_vmap_axis(b);
  wr_shape_size(wr_batch_shape(b, 0), wr_batch_ndim(b, 0), &size); /* in range: a part of it */
  if (size > INT32_MAX)
    return wr_compose_fail(b->c, "[vmap] A line of %lld elements.", (long long)size);
  struct wr_node *lines =
      wr_compose_reshape(b->c, b->like.in[0], 2, (const int32_t[]){b->n, (int32_t)size});
  if (b->c->error) return NULL;
  struct wr_node **slot = wr_compose_slot(b->c);
  return wr_batch_reshaped(
      b, wr_compose_step(b->c, wr_ops_arg_reduce(slot, b->like.op, lines, 1, false, b->c->stream)));
}

/* ---- views ---- */

struct wr_node *wr_vmap_reshape(const struct wr_batch *b) {
  return wr_batch_reshaped(b, b->like.in[0]);
}

struct wr_node *wr_vmap_broadcast(const struct wr_batch *b) {
  int32_t shape[WR_MAX_NDIM], to[WR_MAX_NDIM];
  const int ndim = b->like.ndim, more = ndim - wr_batch_ndim(b, 0);
  if (!in_front(b, ndim, b->like.shape, to)) return NULL;
  shape[0] = b->n;
  for (int i = 0; i < ndim; i++) shape[i + 1] = i < more ? 1 : wr_batch_shape(b, 0)[i - more];
  return wr_compose_broadcast(b->c, wr_compose_reshape(b->c, b->like.in[0], ndim + 1, shape),
                              ndim + 1, to);
}

struct wr_node *wr_vmap_transpose(const struct wr_batch *b) {
  const struct wr_axes_params *p = b->like.params;
  int axes[WR_MAX_NDIM + 1] = {0};
  for (int i = 0; i < b->like.ndim; i++) axes[i + 1] = p->axes[i] + 1;
  return wr_compose_transpose(b->c, b->like.in[0], axes);
}

/* All of the axis in front, then the parts that each call has. */
static void slices(const struct wr_slice_params *p, int ndim, struct wr_slice_params *with) {
  with->axis[0] = (struct wr_slice_axis){.start = 0, .step = 1};
  for (int i = 0; i < ndim; i++) with->axis[i + 1] = p->axis[i];
}

struct wr_node *wr_vmap_slice(const struct wr_batch *b) {
  struct wr_slice_params with;
  const int ndim = b->like.ndim;
  if (ndim >= WR_MAX_NDIM) return wr_vmap_none(b);
  slices(b->like.params, ndim, &with);
  all_full(b);
  return wr_batch_again(b, 1, &with, (size_t)(ndim + 1) * sizeof with.axis[0]);
}

struct wr_node *wr_vmap_slice_update(const struct wr_batch *b) {
  const struct wr_slice_update_params *p = b->like.params;
  struct wr_slice_update_params with = {.by = p->by};
  if (b->like.ndim >= WR_MAX_NDIM) return wr_vmap_none(b);
  slices(&p->at, b->like.ndim, &with.at);
  all_full(b);
  return wr_batch_again(b, 2, &with, sizeof with);
}

struct wr_node *wr_vmap_diagonal(const struct wr_batch *b) {
  const struct wr_diagonal_params *p = b->like.params;
  struct wr_diagonal_params with = {.axis = {{.start = 0, .with = 0}}};
  const int ndim = wr_batch_ndim(b, 0);
  if (ndim >= WR_MAX_NDIM) return wr_vmap_none(b);
  for (int i = 0; i < ndim; i++) {
    with.axis[i + 1].start = p->axis[i].start;
    with.axis[i + 1].with = p->axis[i].with + 1;
  }
  all_full(b);
  return wr_batch_again(b, 1, &with, (size_t)(ndim + 1) * sizeof with.axis[0]);
}

/* Of the elements of all calls one behind the other. */
struct wr_node *wr_vmap_as_strided(const struct wr_batch *b) {
  const struct wr_as_strided_params *p = b->like.params;
  int32_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM];
  struct wr_node *a = b->like.in[0];
  const int ndim = b->like.ndim;
  if (!in_front(b, ndim, b->like.shape, shape)) return NULL;
  strides[0] = b->n ? wr_node_size(a) / b->n : 0;
  for (int i = 0; i < ndim; i++) strides[i + 1] = p->strides[i];
  return wr_compose_step(b->c, wr_ops_as_strided(wr_compose_slot(b->c), a, shape, ndim + 1, strides,
                                                 ndim + 1, (size_t)p->offset, b->c->stream));
}

struct wr_node *wr_vmap_depends(const struct wr_batch *b) {
  struct wr_node *a = wr_batch_full(b, 0);
  if (b->c->error) return NULL;
  return wr_compose_step(b->c, wr_ops_depends(wr_compose_slot(b->c), a, b->like.in + 1,
                                              (size_t)b->like.n_in - 1, b->c->stream));
}

/* Of what quantize wrote, a part stands elsewhere where there is more of it. */
struct wr_node *wr_vmap_view(const struct wr_batch *b) {
  struct wr_view_params p = *(const struct wr_view_params *)b->like.params;
  int64_t size = 1;
  all_full(b);
  if (p.at > 0 && !b->c->error) {
    const struct wr_quantized_params *how = wr_node_params(b->like.in[0]);
    wr_shape_size(b->like.shape, b->like.ndim, &size); /* in range: it was recorded */
    size *= how->group;
    const bool scales = p.at == wr_quantized_layout_of(size, how, b->like.dtype).scales;
    const struct wr_quantized_layout all = wr_quantized_layout_of(size * b->n, how, b->like.dtype);
    p.at = scales ? all.scales : all.biases;
  }
  return wr_batch_again(b, 1, &p, sizeof p);
}

/* ---- products ---- */

/* What is not mapped is one matrix for all, not one for each. */
struct wr_node *wr_vmap_matmul(const struct wr_batch *b) {
  for (int k = 0; k < 2; k++) b->room[k] = b->like.in[k];
  return wr_batch_again(b, 2, b->like.params, b->like.params_bytes);
}

struct wr_node *wr_vmap_addmm(const struct wr_batch *b) {
  const bool product = b->mapped[1] || b->mapped[2];
  b->room[0] = wr_batch_full(b, 0);
  b->room[1] = product ? b->like.in[1] : wr_batch_full(b, 1);
  b->room[2] = b->like.in[2];
  return wr_batch_again(b, 3, b->like.params, b->like.params_bytes);
}

/* A scale for all calls is one number. */
struct wr_node *wr_vmap_quantized(const struct wr_batch *b) {
  const struct wr_quantized_params *p = b->like.params;
  const bool affine = p->mode == WR_AFFINE;
  const int one = b->like.op == WR_OP_QUANTIZE ? 1 : affine ? 3 : 2;
  if (b->like.n_in > one && b->mapped[one]) return wr_vmap_none(b);
  for (int k = 0; k < b->like.n_in; k++) {
    b->room[k] = k == one ? b->like.in[k] : wr_batch_full(b, k);
  }
  return wr_batch_again(b, b->like.n_in, p, b->like.params_bytes);
}

/* As MLX says it. */
struct wr_node *wr_vmap_quantized_matmul(const struct wr_batch *b) {
  const struct wr_quantized_params *p = b->like.params;
  return wr_compose_fail(b->c, "[%s::vmap] NYI", p->gathers ? "GatherQMM" : "QuantizedMatmul");
}

/* ---- norms, where they are one command ---- */

/* Factors that differ from call to call come to rows that have none. */
struct wr_node *wr_vmap_row_norm(const struct wr_batch *b) {
  struct wr_row_norm_params p = *(const struct wr_row_norm_params *)b->like.params;
  int32_t shape[WR_MAX_NDIM] = {0};
  bool differ = false;
  for (int k = 0; k < b->like.n_in; k++) {
    b->room[k] = k == 0 ? wr_batch_full(b, k) : b->like.in[k];
    differ = differ || (k > 0 && b->mapped[k]);
  }
  if (!differ) return wr_batch_again(b, b->like.n_in, &p, sizeof p);
  p.has_weight = p.has_bias = false;
  struct wr_node *r = wr_batch_again(b, 1, &p, sizeof p);
  for (int k = 1; k < b->like.n_in; k++) {
    const struct wr_row_norm_params *was = b->like.params;
    const int last = b->like.ndim;
    for (int i = 1; i < last; i++) shape[i] = 1;
    shape[0] = b->mapped[k] ? b->n : 1;
    shape[last] = wr_batch_shape(b, k)[0];
    r = wr_compose_binary(b->c, k == 1 && was->has_weight ? WR_OP_MULTIPLY : WR_OP_ADD, r,
                          wr_compose_reshape(b->c, b->like.in[k], last + 1, shape));
  }
  return r;
}

/* ---- attention, where it is one command ---- */

/* Calls stand behind one another in the batch, or where that is 1, in the heads. */
static struct wr_node *in_axis(const struct wr_batch *b, struct wr_node *a, int axis) {
  int32_t shape[4];
  struct wr_node *moved = wr_batch_moved(b, a, 0, axis);
  if (b->c->error) return NULL;
  const int32_t *from = wr_node_shape(moved);
  const int64_t all = (int64_t)from[axis] * from[axis + 1];
  if (all > INT32_MAX) return wr_compose_fail(b->c, "[vmap] A batch of %lld.", (long long)all);
  for (int i = 0; i < 4; i++) shape[i] = from[i < axis ? i : i + 1];
  shape[axis] = (int32_t)all;
  return wr_compose_reshape(b->c, moved, 4, shape);
}

static struct wr_node *out_of_axis(const struct wr_batch *b, struct wr_node *r, int axis) {
  int32_t shape[5];
  for (int i = 0; i < 5; i++) shape[i] = i == axis ? b->n : b->like.shape[i - (i > axis)];
  return wr_batch_moved(b, wr_compose_reshape(b->c, r, 5, shape), axis, 0);
}

/* Sinks are one for each head: where calls have their own, their heads are heads of one call. */
struct wr_node *wr_vmap_attention(const struct wr_batch *b) {
  const struct wr_attention_params *p = b->like.params;
  const int sinks = p->has_sinks ? b->like.n_in - 1 : b->like.n_in;
  const int axis = p->has_sinks && b->mapped[sinks] ? 1 : 0;
  int32_t shape[4];
  for (int k = 0; k < sinks; k++) b->room[k] = in_axis(b, wr_batch_full(b, k), axis);
  if (b->c->error) return NULL;
  if (p->has_sinks) b->room[sinks] = b->like.in[sinks];
  memcpy(shape, b->like.shape, sizeof shape);
  shape[axis] *= b->n; /* in range: the queries' */
  if (axis == 1) b->room[sinks] = wr_compose_reshape(b->c, b->like.in[sinks], 1, shape + 1);
  return out_of_axis(b, wr_batch_again_as(b, b->like.n_in, p, b->like.params_bytes, 4, shape),
                     axis);
}
