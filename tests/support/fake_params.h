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
  struct wr_axes_params axes;
  struct wr_diagonal_params diagonal;
  struct wr_as_strided_params as_strided;
  struct wr_gather_params gather;
  struct wr_scatter_params scatter;
  struct wr_slice_update_params slice_update;
  struct wr_slice_params slice;
  struct wr_addmm_params addmm;
  struct wr_hadamard_params hadamard;
  struct wr_quantized_params quantized;
  struct wr_bits_params bits;
};

/* How many bytes an operation's parameters have. */
static inline size_t fake_params_bytes(enum wr_op op) { return wr_op_info(op)->params_bytes; }

#endif
