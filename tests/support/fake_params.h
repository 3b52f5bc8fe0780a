#ifndef WR_TESTS_SUPPORT_FAKE_PARAMS_H
#define WR_TESTS_SUPPORT_FAKE_PARAMS_H

/* The parameters of operations, as the fake device copies them: a call gives only their address. */

#include "core/op.h"

union fake_params {
  struct wr_reduce_params reduce;
  struct wr_axis_params axis;
  struct wr_partition_params partition;
  struct wr_scan_params scan;
  struct wr_softmax_params softmax;
  struct wr_arange_params arange;
  struct wr_scatter_params scatter;
  struct wr_slice_params slice;
  struct wr_addmm_params addmm;
  struct wr_bits_params bits;
};

/* How many bytes an operation's parameters have. */
static inline size_t fake_params_bytes(enum wr_op op) {
  switch (op) {
    case WR_OP_ALL:
    case WR_OP_ANY:
    case WR_OP_MAX:
    case WR_OP_MIN:
    case WR_OP_PROD:
    case WR_OP_SUM:
      return sizeof(struct wr_reduce_params);
    case WR_OP_ARGMAX:
    case WR_OP_ARGMIN:
    case WR_OP_ARGSORT:
    case WR_OP_SORT:
    case WR_OP_GATHER:
    case WR_OP_GATHER_AXIS:
    case WR_OP_CONCATENATE:
      return sizeof(struct wr_axis_params);
    case WR_OP_PARTITION:
      return sizeof(struct wr_partition_params);
    case WR_OP_CUMSUM:
      return sizeof(struct wr_scan_params);
    case WR_OP_SOFTMAX:
      return sizeof(struct wr_softmax_params);
    case WR_OP_ARANGE:
      return sizeof(struct wr_arange_params);
    case WR_OP_SCATTER_ADD:
      return sizeof(struct wr_scatter_params);
    case WR_OP_SLICE_UPDATE:
      return sizeof(struct wr_slice_params);
    case WR_OP_ADDMM:
      return sizeof(struct wr_addmm_params);
    case WR_OP_RANDOM_BITS:
      return sizeof(struct wr_bits_params);
    default:
      return 0;
  }
}

#endif
