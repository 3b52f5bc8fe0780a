#ifndef WR_TESTS_SUPPORT_FAKE_PARAMS_H
#define WR_TESTS_SUPPORT_FAKE_PARAMS_H

/* The parameters of operations, as the fake device copies them: a call gives only their address. */

#include <stdlib.h>

#include "backend/backend.h"
#include "core/op.h"

union fake_params {
  struct wr_call_params call;
  char of_callee[128];
  struct wr_part_params part;
  struct wr_reduce_params reduce;
  struct wr_variance_params variance;
  struct wr_axis_params axis;
  struct wr_partition_params partition;
  struct wr_scan_params scan;
  struct wr_softmax_params softmax;
  struct wr_row_norm_params row_norm;
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
  struct wr_attention_params attention;
  struct wr_bits_params bits;
};

/* How many bytes the parameters of a call have. */
static inline size_t fake_params_bytes(enum wr_op op, const void *params) {
  if (op != WR_OP_CALL) return wr_op_info(op)->params_bytes;
  const size_t bytes = ((const struct wr_call_params *)params)->callee->params_bytes;
  if (bytes > sizeof(union fake_params)) abort();
  return bytes;
}

#endif
