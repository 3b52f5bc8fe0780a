#ifndef WR_CORE_CONV_H
#define WR_CORE_CONV_H

/* A convolution as its kernels see it, with all of its axes: an axis that is not there has the
   extent
   1. Plain functions. */

#include <stdint.h>

#include "core/op.h"

/* kernels/conv.cu has the same struct. */
struct wr_conv_extents {
  int64_t groups, in_channels, out_channels; /* channels of all groups */
  int64_t in[WR_CONV_AXES], kernel[WR_CONV_AXES], result[WR_CONV_AXES];
  int64_t stride[WR_CONV_AXES], padding[WR_CONV_AXES];
  int64_t kernel_dilation[WR_CONV_AXES], input_dilation[WR_CONV_AXES];
};

/* Of an input (N, .., C) with params->axes axes between these two, a weight (O, .., C / groups),
   and the result (N, .., O). */
static inline void wr_conv_extents_of(struct wr_conv_extents *x,
                                      const struct wr_conv_params *params, const int32_t *in,
                                      const int32_t *weight, const int32_t *result) {
  x->groups = params->groups;
  x->in_channels = in[params->axes + 1];
  x->out_channels = result[params->axes + 1];
  for (int i = 0; i < WR_CONV_AXES; i++) {
    const int from = i - (WR_CONV_AXES - params->axes);
    const bool there = from >= 0;
    x->in[i] = there ? in[from + 1] : 1;
    x->kernel[i] = there ? weight[from + 1] : 1;
    x->result[i] = there ? result[from + 1] : 1;
    x->stride[i] = there ? params->stride[from] : 1;
    x->padding[i] = there ? params->padding[from] : 0;
    x->kernel_dilation[i] = there ? params->kernel_dilation[from] : 1;
    x->input_dilation[i] = there ? params->input_dilation[from] : 1;
  }
}

#endif
