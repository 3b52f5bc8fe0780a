/* Convolutions on the GPU against the CPU: every shape of tiles, by packs and by elements, in
   splits and not; strides, padding on either side, dilated kernels and inputs, groups of many
   channels, of few and of one; one to three axes; inputs that do not lie dense, flipped weights; in
   TF32 and in float32. Elements are multiples of 1/8, whose products are exact in all types. */

#include "core/op.h"
#include "gpu_case.h"

enum { AXES = WR_CONV_AXES };

struct conv {
  int axes;
  int32_t in[AXES], kernel[AXES];
  int32_t n, channels, out_channels, groups;
  int32_t stride[AXES], padding[AXES], behind[AXES], kernel_dilation[AXES], input_dilation[AXES];
};

enum form { DENSE, TURNED, CHANNELS_FIRST, OFFSET, FLIPPED, FORMS };

/* Of `shape`, of `ndim` axes. */
static struct wr_node *array(enum wr_dtype t, int ndim, const int32_t *shape, enum form form,
                             uint32_t seed) {
  int32_t base[AXES + 2];
  int64_t strides[AXES + 2], dense[AXES + 2], size = 1, offset = 0;
  int order[AXES + 2];
  for (int i = 0; i < ndim; i++) order[i] = i;
  if (form == TURNED) {
    order[0] = 1;
    order[1] = 0;
  }
  if (form == CHANNELS_FIRST) {
    order[0] = ndim - 1;
    for (int i = 1; i < ndim; i++) order[i] = i - 1;
  }
  for (int i = ndim - 1; i >= 0; i--) {
    base[i] = shape[order[i]];
    dense[i] = size;
    size *= base[i];
    strides[order[i]] = dense[i];
  }
  if (form == DENSE) return gpu_case_array(t, ndim, shape, seed, false);
  if (form == OFFSET) {
    const int32_t n = (int32_t)size + 1;
    return gpu_case_view(gpu_case_array(t, 1, &n, seed, false), ndim, shape, strides, 1);
  }
  for (int i = 1; form == FLIPPED && i < ndim - 1; i++) {
    offset += (shape[i] - 1) * strides[i];
    strides[i] = -strides[i];
  }
  return gpu_case_view(gpu_case_array(t, ndim, base, seed, false), ndim, shape, strides, offset);
}

static struct wr_conv_params params_of(const struct conv *c, enum wr_precision precision) {
  struct wr_conv_params p = {.axes = c->axes, .groups = c->groups, .precision = (int32_t)precision};
  for (int i = 0; i < AXES; i++) {
    const bool there = i < c->axes;
    p.stride[i] = there ? c->stride[i] : 1;
    p.padding[i] = there ? c->padding[i] : 0;
    p.behind[i] = there ? c->behind[i] : 0;
    p.kernel_dilation[i] = there ? c->kernel_dilation[i] : 1;
    p.input_dilation[i] = there ? c->input_dilation[i] : 1;
  }
  return p;
}

static int32_t extent_of(const struct conv *c, int i) {
  const int32_t filled = 1 + c->input_dilation[i] * (c->in[i] - 1) + c->padding[i] + c->behind[i];
  return (filled - 1 - c->kernel_dilation[i] * (c->kernel[i] - 1)) / c->stride[i] + 1;
}

static void run(const struct conv *c, enum wr_dtype t, enum form input, enum form weight,
                enum wr_precision precision) {
  char what[160];
  const int ndim = c->axes + 2;
  int32_t in[AXES + 2] = {c->n}, kernel[AXES + 2] = {c->out_channels}, out[AXES + 2] = {c->n};
  for (int i = 0; i < c->axes; i++) {
    in[i + 1] = c->in[i];
    kernel[i + 1] = c->kernel[i];
    out[i + 1] = extent_of(c, i);
  }
  in[ndim - 1] = c->channels;
  kernel[ndim - 1] = c->channels / c->groups;
  out[ndim - 1] = c->out_channels;
  const struct wr_conv_params params = params_of(c, precision);
  struct wr_node *arrays[2] = {array(t, ndim, in, input, 1u), array(t, ndim, kernel, weight, 2u)};
  snprintf(what, sizeof what,
           "conv of %s, %d axes of %d, kernel %d, %d to %d channels, %d groups, forms %d and %d, "
           "precision %d",
           wr_dtype_name(t), c->axes, c->in[0], c->kernel[0], c->channels, c->out_channels,
           c->groups, (int)input, (int)weight, (int)precision);
  const struct gpu_case gc = {.op = WR_OP_CONV,
                              .dtype = t,
                              .ndim = ndim,
                              .shape = out,
                              .n_in = 2,
                              .in = arrays,
                              .params = &params,
                              .params_bytes = sizeof params};
  gpu_case_run(&gc, what);
  wr_node_release(arrays[0]);
  wr_node_release(arrays[1]);
}

#define ALL_1 \
  { 1, 1, 1 }
#define NONE \
  { 0, 0, 0 }
static const struct conv cases[] = {
    /* many tiles of each shape */
    {2, {57, 61}, {3, 3}, 7, 64, 200, 1, ALL_1, {1, 1}, {1, 1}, ALL_1, ALL_1},
    {2, {57, 61}, {3, 3}, 7, 64, 64, 1, ALL_1, {1, 1}, {1, 1}, ALL_1, ALL_1},
    {2, {31, 29}, {3, 2}, 2, 40, 72, 1, {2, 1}, {1, 0}, {0, 2}, {1, 2}, ALL_1},
    {2, {57, 61}, {3, 3}, 2, 72, 24, 1, {2, 2}, {1, 1}, {1, 1}, ALL_1, ALL_1},
    /* deep, with few tiles */
    {2, {7, 7}, {3, 3}, 2, 512, 136, 1, ALL_1, {1, 1}, {1, 1}, ALL_1, ALL_1},
    {2, {3, 3}, {3, 3}, 1, 600, 33, 1, ALL_1, {1, 1}, {1, 1}, ALL_1, ALL_1},
    /* channels that make no packs */
    {2, {57, 61}, {7, 7}, 2, 3, 64, 1, {2, 2}, {3, 3}, {3, 3}, ALL_1, ALL_1},
    {2, {9, 11}, {3, 3}, 3, 13, 17, 1, ALL_1, {2, 0}, {1, 1}, {2, 1}, ALL_1},
    /* one axis, three */
    {1, {400}, {5}, 3, 16, 33, 1, {3}, {2}, {1}, {2}, ALL_1},
    {3, {9, 10, 11}, {2, 3, 2}, 2, 16, 40, 1, {1, 2, 1}, {1, 1, 0}, {0, 1, 1}, {1, 1, 2}, ALL_1},
    /* more taps than tables have */
    {2, {40, 41}, {9, 8}, 2, 16, 72, 1, {1, 2}, {3, 4}, {4, 2}, ALL_1, ALL_1},
    /* groups: of many channels, of few, of one */
    {2, {20, 21}, {3, 3}, 2, 64, 96, 2, ALL_1, {1, 1}, {1, 1}, ALL_1, ALL_1},
    {2, {20, 21}, {3, 3}, 2, 72, 26, 2, {1, 2}, {1, 1}, {1, 1}, ALL_1, ALL_1},
    {2, {20, 21}, {3, 3}, 2, 32, 64, 8, ALL_1, {1, 0}, {1, 1}, ALL_1, ALL_1},
    {2, {33, 35}, {3, 3}, 2, 144, 144, 144, {2, 1}, {1, 0}, {1, 1}, {1, 2}, ALL_1},
    {1, {3000}, {4}, 2, 10, 10, 10, {1}, {2}, {1}, ALL_1, ALL_1},
    {1, {100}, {4}, 2, 16, 16, 16, {1}, {2}, {1}, ALL_1, {2}},
    {3, {5, 6, 7}, {3, 2, 3}, 1, 16, 16, 16, ALL_1, {1, 1, 1}, {1, 0, 1}, ALL_1, ALL_1},
    /* as large as what cuDNN computes where it is there */
    {2, {57, 61}, {3, 3}, 7, 64, 192, 1, ALL_1, {1, 1}, {1, 1}, ALL_1, ALL_1},
    {2, {14, 15}, {3, 3}, 8, 256, 256, 1, ALL_1, {1, 1}, {1, 1}, ALL_1, ALL_1},
    {2, {60, 61}, {3, 3}, 8, 64, 128, 1, {2, 1}, {2, 0}, {1, 3}, {1, 2}, ALL_1},
    {2, {57, 58}, {3, 2}, 5, 128, 96, 32, {1, 2}, {1, 0}, {1, 1}, ALL_1, ALL_1},
    {2, {40, 41}, {3, 3}, 8, 128, 256, 2, ALL_1, {1, 0}, {1, 2}, ALL_1, ALL_1},
    {1, {3000}, {3}, 4, 96, 384, 1, {1}, {1}, {2}, ALL_1, ALL_1},
    {3, {16, 17, 18}, {3, 3, 3}, 2, 64, 64, 1, ALL_1, {1, 1, 1}, {1, 0, 2}, ALL_1, ALL_1},
    /* dilated inputs: transposed, and with all there is */
    {2, {20, 21}, {4, 4}, 2, 32, 48, 1, ALL_1, {2, 2}, {2, 2}, ALL_1, {2, 2}},
    {2, {15, 16}, {4, 3}, 1, 16, 24, 2, {3, 2}, {5, 2}, {2, 1}, {2, 3}, {2, 3}},
    {1, {50}, {1}, 1, 16, 24, 1, {1}, {3}, {0}, {1}, {3}},
    {3, {4, 5, 6}, {3, 3, 3}, 1, 16, 24, 1, ALL_1, {1, 1, 1}, {1, 1, 1}, ALL_1, {2, 1, 2}},
    {2, {3, 3}, {3, 3}, 2, 16, 6, 1, ALL_1, {2, 2}, {2, 2}, ALL_1, {9, 10}},
    /* nothing at all, and nothing but zeros around nothing */
    {2, {9, 9}, {3, 3}, 0, 16, 24, 1, ALL_1, NONE, NONE, ALL_1, ALL_1},
    {2, {0, 3}, {2, 2}, 2, 16, 24, 1, ALL_1, {3, 1}, {3, 1}, ALL_1, ALL_1},
    {2, {9, 9}, {3, 3}, 2, 0, 24, 1, ALL_1, NONE, NONE, ALL_1, ALL_1},
};

/* With a number and a count: every so many-th case, from that one on. */
int main(int argc, char **argv) {
  static const enum wr_dtype types[] = {WR_FLOAT16, WR_BFLOAT16, WR_FLOAT32, WR_FLOAT64};
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  const size_t first = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
  const size_t step = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
  for (size_t i = first; i < sizeof cases / sizeof *cases; i += step) {
    for (int t = 0; t < 4; t++) {
      const enum form input = (enum form)((i + (size_t)t) % FORMS);
      run(&cases[i], types[t], DENSE, DENSE, WR_PRECISION_FLOAT32);
      run(&cases[i], types[t], input, i % 2 ? FLIPPED : CHANNELS_FIRST, WR_PRECISION_FLOAT32);
      if (types[t] != WR_FLOAT32) continue;
      run(&cases[i], types[t], DENSE, DENSE, WR_PRECISION_TF32);
      run(&cases[i], types[t], input, FLIPPED, WR_PRECISION_TF32);
      run(&cases[i], types[t], DENSE, FLIPPED, WR_PRECISION_TF32X3);
    }
  }
  return gpu_case_end();
}
