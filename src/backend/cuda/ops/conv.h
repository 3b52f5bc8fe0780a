#ifndef WR_BACKEND_CUDA_OPS_CONV_H
#define WR_BACKEND_CUDA_OPS_CONV_H

/* A convolution while it is encoded: conv.c has its kernels, conv_cudnn.c asks cuDNN. Any thread;
   no locks. */

#include "backend/cuda/ops/internal.h"
#include "core/conv.h"

struct wr_conv {
  struct wr_conv_extents x;
  const struct wr_tensor *out;
  struct wr_tensor input, weight;
  int32_t precision; /* enum wr_precision */
};

/* Too few in each group for the kernel of tiles. */
static inline bool wr_conv_has_few_channels(const struct wr_conv_extents *x) {
  enum { FEW = 8 };
  return x->groups > 1 && x->in_channels / x->groups <= FEW;
}

/* *ran stays false where it is not for cuDNN, or cuDNN failed: nothing has been written that
   matters. An error: memory was refused. */
struct wr_error *wr_conv_by_cudnn(struct wr_run *run, const struct wr_conv *c, bool *ran);

#endif
