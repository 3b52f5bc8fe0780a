#ifndef WR_CORE_OP_H
#define WR_CORE_OP_H

/* The operations as values: ids and facts from ops.def, and the parameters that each carries. The
   table sits in core, the lowest module that all who read it (ops, graph, backends) may include. */

#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"
#include "core/shape.h"

enum wr_op {
#define WR_OP(ID, ...) WR_OP_##ID,
#include "core/ops.def"
#undef WR_OP
  WR_OP_COUNT
};

enum wr_dtype_rule {
  WR_RULE_GIVEN,         /* the caller names the result's type */
  WR_RULE_SAME,          /* the input's */
  WR_RULE_ABS,           /* the input's; complex64 gives float32 */
  WR_RULE_FLOAT,         /* integers and bool are cast to float32 first */
  WR_RULE_PREDICATE,     /* any input, bool out */
  WR_RULE_LOGICAL,       /* inputs cast to bool first, bool out */
  WR_RULE_PROMOTE,       /* inputs cast to their common type */
  WR_RULE_SHIFT,         /* as PROMOTE; bool counts as uint8 */
  WR_RULE_PROMOTE_FLOAT, /* the same, then as FLOAT */
  WR_RULE_COMPARE,       /* inputs cast to their common type, bool out */
  WR_RULE_SELECT,        /* bool condition; the others cast to their common type */
  WR_RULE_REDUCE_BOOL,   /* input cast to bool, bool out */
  WR_RULE_REDUCE_SUM,    /* bool and narrow integers widen as MLX does */
  WR_RULE_INDEX          /* uint32 out */
};

/* Sets of dtypes, a bit for each: what an operation computes in. */
enum {
  WR_TYPES_any = (1 << WR_DTYPE_COUNT) - 1,
  WR_TYPES_boolean = 1 << WR_BOOL,
  WR_TYPES_number = WR_TYPES_any & ~WR_TYPES_boolean,
  WR_TYPES_complex64 = 1 << WR_COMPLEX64,
  WR_TYPES_real = WR_TYPES_any & ~WR_TYPES_complex64,
  WR_TYPES_short_floating = 1 << WR_FLOAT16 | 1 << WR_FLOAT32 | 1 << WR_BFLOAT16,
  WR_TYPES_floating = 1 << WR_FLOAT16 | 1 << WR_FLOAT32 | 1 << WR_FLOAT64 | 1 << WR_BFLOAT16,
  WR_TYPES_inexact = WR_TYPES_floating | WR_TYPES_complex64,
  WR_TYPES_lapack = 1 << WR_FLOAT32 | 1 << WR_FLOAT64,
  WR_TYPES_lapack_complex = WR_TYPES_lapack | WR_TYPES_complex64,
  WR_TYPES_single = 1 << WR_FLOAT32 | 1 << WR_COMPLEX64,
  WR_TYPES_whole = WR_TYPES_any & ~WR_TYPES_inexact,
  WR_TYPES_integer = WR_TYPES_whole & ~WR_TYPES_boolean
};

enum { WR_ARITY_VARIADIC = -1 };

/* How an operation may be the last of a group. */
enum wr_group_end {
  WR_ENDS_NOTHING,
  WR_ENDS_REDUCED, /* a reduction */
  WR_ENDS_ROWS     /* makes a row of each row along the last axis */
};

struct wr_op_info {
  const char *name;
  uint16_t types;        /* WR_TYPES_.. */
  uint16_t params_bytes; /* of its parameters */
  int8_t arity;
  uint8_t rule;       /* enum wr_dtype_rule */
  uint8_t ends_group; /* enum wr_group_end */
  bool fusable;       /* elementwise, may join a group */
  bool view;          /* shares its input's buffer, has no kernel */
};

extern const struct wr_op_info wr_op_infos[WR_OP_COUNT];

static inline const struct wr_op_info *wr_op_info(enum wr_op op) { return &wr_op_infos[op]; }
/* Whether the operation computes in the type. */
static inline bool wr_op_takes(enum wr_op op, enum wr_dtype t) {
  return (wr_op_infos[op].types >> t & 1) != 0;
}

/* One of several results of a command, which stand in one block of bytes. */
enum { WR_PART_ALIGNMENT = 256 };
struct wr_part {
  int64_t at; /* bytes from the block's start; a multiple of WR_PART_ALIGNMENT */
  const int32_t *shape;
  enum wr_dtype dtype;
  int32_t ndim;
};

/* Parameters, struct wr_<params>_params for the word in the row. All are plain values. */
struct wr_reduce_params { /* kept axes of extent 1 do not change the data */
  uint32_t axes;          /* bit i: axis i of the input is reduced */
};
/* The mean square of the distance from the mean, of real numbers, computed in wr_variance_type; of
   that the root, where a standard deviation is wanted; then rounded. */
struct wr_variance_params {
  uint32_t axes; /* as of a reduction */
  int32_t ddof;  /* what the count is less by, where squares are divided by it */
  bool root;
};
struct wr_axis_params {
  int32_t axis; /* ARGMAX ARGMIN: -1 is the flattened input */
};
struct wr_call_params {
  const struct wr_callee *callee; /* backend.h; of static storage */
};
struct wr_part_params {
  int32_t index; /* among the results of the command that is the view's input */
};
struct wr_custom_params { /* CUSTOM */
  const void *call;       /* whose result it is; the last input keeps it */
  int32_t index;          /* among the results of that call */
};
struct wr_partition_params {
  int32_t axis;
  int32_t kth; /* 0 <= kth < extent: that element stands where sorting would put it */
};
struct wr_scan_params {
  enum wr_op by; /* what joins totals: ADD MULTIPLY MAXIMUM MINIMUM; LOGADDEXP of inexact types */
  int32_t axis;
  bool reverse;
  bool inclusive;
};
struct wr_softmax_params {
  bool precise; /* the caller's wish; 16-bit types are computed in float32 without it */
};
/* Inputs x, not empty, then a weight and a bias along its last axis, where there are such, all of
   one type: a row, less its mean if it is centred, divided by the root of the mean of its squares
   and eps, in float32; then rounded, and once more after each factor. */
struct wr_row_norm_params {
  float eps;
  bool centred;
  bool has_weight;
  bool has_bias;
};
struct wr_arange_params { /* element i = start + i * step, in the result's type */
  double start;
  double step;
};
/* Inputs a, then an index array for each of n_axes axes, all of one shape: a slice of a for each
   place in them, which begins at their indices. The result has the slices' extents along the axes
   of a before `before`, the index arrays' shape, then the slices' other extents. */
struct wr_gather_params {
  uint8_t n_axes;
  uint8_t before;
  bool dropped; /* slices are 1 along the axes with index arrays, which the result leaves out */
  uint8_t axes[WR_MAX_NDIM];
};
struct wr_scatter_params { /* inputs a, updates, then one index array per axis */
  enum wr_op by;           /* COPY: the update alone; ADD MULTIPLY MAXIMUM MINIMUM */
  uint8_t n_axes;
  uint8_t axes[WR_MAX_NDIM];
  /* 1 + k: all index arrays but number k count, each its own axis of theirs, of which there are as
     many as of a, with a's extents but for axis k (wr_ops_scatter_along). 0: nothing is known of
     them. */
  uint8_t along;
};
struct wr_axes_params {      /* a transposition; a node has as many as axes */
  uint8_t axes[WR_MAX_NDIM]; /* axis i of the result is axes[i] of the input */
};
struct wr_axis_set_params { /* EXPAND_DIMS: bit i: axis i of the result is new. SQUEEZE: axis i of
                               the input goes */
  uint32_t axes;
};
struct wr_flatten_params { /* axes of the input that become one, both included; of none, 0 and -1 */
  int32_t first;
  int32_t last;
};
struct wr_view_params { /* another dtype */
  int64_t at; /* bytes from the start of what QUANTIZE wrote; -1: all elements of the input */
};
/* A view along diagonals: it begins at `start` on each axis of the input, which has one entry each,
   and runs along it with axis `with` of the result. */
struct wr_diagonal_params { /* a node has as many as axes of its input */
  struct wr_diagonal_axis {
    int32_t start;
    int32_t with;
  } axis[WR_MAX_NDIM];
};
struct wr_as_strided_params { /* over the flattened input; elements */
  int64_t offset;
  int64_t strides[WR_MAX_NDIM]; /* a node has as many as axes */
};
struct wr_slice_params { /* element i of an axis is start + i step of the input's */
  struct wr_slice_axis {
    int32_t start;
    int32_t step;
  } axis[WR_MAX_NDIM]; /* a view has as many as axes */
};
struct wr_slice_update_params { /* inputs src, update */
  enum wr_op by;                /* as of a scatter */
  struct wr_slice_params at;    /* in src */
};
/* How a product of float32 is computed on a GPU (weir/matmul.h); elsewhere, and for other types, it
   says nothing. */
enum wr_precision { WR_PRECISION_FLOAT32, WR_PRECISION_TF32, WR_PRECISION_TF32X3 };
struct wr_matmul_params { /* inputs a, b; none at all: float32 */
  int32_t precision;      /* enum wr_precision */
};
struct wr_addmm_params { /* inputs c (broadcast to the result's shape), a, b: alpha a b + beta c */
  float alpha;
  float beta;
  int32_t precision; /* enum wr_precision */
};
/* A convolution: inputs input (N, spatial axes, channels) and weight (output channels, spatial
   axes, channels of a group), result (N, spatial axes, output channels), of one type. Element k of
   the kernel lies over place i stride - padding + k kernel_dilation of the input along an axis,
   whose elements are input_dilation apart, with zeros between and around them. */
enum { WR_CONV_AXES = 3 };
struct wr_conv_params {
  int32_t axes; /* spatial: 1 to 3; the lists have so many entries, 1 or 0 behind them */
  int32_t stride[WR_CONV_AXES];
  int32_t padding[WR_CONV_AXES]; /* in front; not negative */
  int32_t behind[WR_CONV_AXES];  /* the same at the end, which the result's shape says too */
  int32_t kernel_dilation[WR_CONV_AXES];
  int32_t input_dilation[WR_CONV_AXES];
  int32_t groups;
  int32_t precision; /* enum wr_precision */
};
/* Linear algebra: of matrices in the last two axes. */
struct wr_triangle_params { /* CHOLESKY TRI_INV SOLVE_TRIANGULAR */
  bool upper;               /* which triangle counts, and is there in the result */
};
struct wr_vectors_params { /* SVD EIG */
  bool vectors;            /* besides the values */
};
struct wr_eigh_params {
  bool upper; /* which triangle is read */
  bool vectors;
};
/* A Fourier transform along an axis, times scale: y_k = scale sum over j of x_j exp(-+ 2 pi i j k /
   n); minus in FORWARD and REAL. complex64, but for the real side of a line, which is float32. Half
   a spectrum is n / 2 + 1 elements, of which the first and, where n is even, the last count as real
   when it is read. */
enum wr_fft_kind {
  WR_FFT_FORWARD,     /* n to n */
  WR_FFT_INVERSE,     /* n to n */
  WR_FFT_REAL,        /* n real numbers to half a spectrum */
  WR_FFT_REAL_INVERSE /* half a spectrum to n real numbers */
};
struct wr_fft_params {
  int32_t axis;
  int32_t n;    /* above 0 */
  int32_t kind; /* enum wr_fft_kind */
  double scale;
};
struct wr_hadamard_params { /* float32 or float64, along the last axis */
  double scale;             /* of the result */
};
struct wr_bits_params { /* input key (uint32, last axis 2), result (key batch.., n) */
  int32_t width;        /* bytes per element: 1, 2 or 4 */
};

/* A quantised matrix (core/quantized.h). Of a product the inputs are x, the packed words, scales,
   biases where the mode has them, then, where it gathers, the numbers of x's matrices and of the
   quantised ones: (batch.., M, N) of matrices (.., M, K) and (.., N, K), or (.., K, N) where it is
   not transposed. */
struct wr_quantized_params {
  uint8_t mode; /* enum wr_quantized_mode */
  uint8_t bits;
  bool even;      /* QUANTIZE: how E2M1 is rounded */
  bool transpose; /* products */
  bool gathers;   /* products */
  int32_t group;
};

/* Inputs queries (B, H, L, D), keys (B, K, M, D) and values (B, K, M, E), none of them empty, then
   a mask of that shape of the scores, (B, H, L, M), and sinks (H), where there are such. */
struct wr_attention_params {
  float scale;
  bool causal;
  bool has_mask;
  bool has_sinks;
  int32_t precision; /* enum wr_precision */
};

/* A kernel of the user's: for each input its address, then what its bits say, then the address of
   each part. */
enum { WR_KERNEL_ARGUMENTS = 64, WR_KERNEL_NDIM = 10 };
struct wr_kernel_params {
  const struct wr_kernel_text *text; /* core/kernel_text.h */
  uint64_t shapes;                   /* bit i: the extents of input i, WR_KERNEL_NDIM int32_t */
  uint64_t strides;                  /* the same, its strides in elements, int64_t */
  uint64_t ndims;                    /* the same, how many of those count, int32_t */
  uint32_t grid[3];                  /* threads in all; 0: nothing runs */
  uint32_t block[3];                 /* threads of a block, or all where those are fewer */
  uint32_t shared_bytes;             /* dynamic memory of a block */
  bool contiguous;                   /* all inputs are row-major */
  bool begins;                       /* all parts hold `value` before it runs */
  float value;
};

/* The type in which means and variances of elements of type t are made: one that holds each of
   them (64-bit integers have none), and in which sums neither wrap nor stop growing. */
static inline enum wr_dtype wr_variance_type(enum wr_dtype t) {
  if (t == WR_COMPLEX64 || t == WR_FLOAT64) return t;
  return wr_dtype_is_integer(t) && wr_dtype_size(t) >= 4 ? WR_FLOAT64 : WR_FLOAT32;
}
/* By what the squares of `count` elements are divided. */
static inline double wr_variance_divisor(const struct wr_variance_params *p, int64_t count) {
  const double left = (double)count - p->ddof;
  return left > 0 ? left : 0;
}

/* Extents of a gather's slices along all axes of its input, from its result's shape. Gives how many
   axes the index arrays have. */
static inline int wr_gather_sizes(const struct wr_gather_params *params, int ndim, int result_ndim,
                                  const int32_t *result, int32_t *sizes) {
  uint32_t indexed = 0;
  for (int k = 0; k < params->n_axes; k++) indexed |= UINT32_C(1) << params->axes[k];
  const int index_ndim = result_ndim - ndim + (params->dropped ? params->n_axes : 0);
  int at = 0;
  for (int d = 0; d < ndim; d++) {
    if (d == params->before) at += index_ndim;
    sizes[d] = params->dropped && (indexed >> d & 1u) != 0 ? 1 : result[at++];
  }
  return index_ndim;
}

#endif
