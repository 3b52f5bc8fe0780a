#ifndef WR_CORE_OP_H
#define WR_CORE_OP_H

/* The operations as values: ids and facts from ops.def, and the parameters that each carries. The
   table sits in core, the lowest module that all who read it (ops, graph, backends) may include. */

#include <stdbool.h>
#include <stdint.h>

#include "core/shape.h"

enum wr_op {
#define WR_OP(ID, name, family, arity, rule, fusable, cpu, cuda) WR_OP_##ID,
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
  WR_RULE_PROMOTE_FLOAT, /* the same, then as FLOAT */
  WR_RULE_COMPARE,       /* inputs cast to their common type, bool out */
  WR_RULE_SELECT,        /* bool condition; the others cast to their common type */
  WR_RULE_REDUCE_BOOL,   /* input cast to bool, bool out */
  WR_RULE_REDUCE_SUM,    /* bool and narrow integers widen as MLX does */
  WR_RULE_INDEX          /* uint32 out */
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
  int8_t arity;
  uint8_t rule;       /* enum wr_dtype_rule */
  uint8_t ends_group; /* enum wr_group_end */
  bool fusable;       /* elementwise, may join a group */
  bool view;          /* shares its input's buffer, has no kernel */
};

extern const struct wr_op_info wr_op_infos[WR_OP_COUNT];

static inline const struct wr_op_info *wr_op_info(enum wr_op op) { return &wr_op_infos[op]; }

/* Parameters by operation; operations that are not named have none. All are plain values. */
struct wr_reduce_params { /* ALL ANY MAX MIN PROD SUM; kept axes of extent 1 do not change the data
                           */
  uint32_t axes;          /* bit i: axis i of the input is reduced */
};
struct wr_axis_params { /* ARGMAX ARGMIN (axis -1: over the flattened input) ARGSORT SORT GATHER
                           GATHER_AXIS CONCATENATE */
  int32_t axis;
};
struct wr_partition_params {
  int32_t axis;
  int32_t kth; /* 0 <= kth < extent: that element stands where sorting would put it */
};
struct wr_scan_params {
  int32_t axis;
  bool reverse;
  bool inclusive;
};
struct wr_softmax_params {
  bool precise; /* accumulate in float32 for 16-bit types */
};
struct wr_arange_params { /* element i = start + i * step, in the result's type */
  double start;
  double step;
};
struct wr_scatter_params { /* SCATTER_ADD: inputs a, updates, then one index array per axis */
  int32_t n_axes;
  int32_t axes[WR_MAX_NDIM];
};
struct wr_slice_params { /* SLICE_UPDATE: inputs src, update; one start and step per axis */
  int32_t start[WR_MAX_NDIM];
  int32_t step[WR_MAX_NDIM];
};
struct wr_addmm_params { /* inputs c (broadcast to the result's shape), a, b: alpha a b + beta c */
  float alpha;
  float beta;
};
struct wr_bits_params { /* RANDOM_BITS: input key (uint32, last axis 2), result (key batch.., n) */
  int32_t width;        /* bytes per element: 1, 2 or 4 */
};

#endif
