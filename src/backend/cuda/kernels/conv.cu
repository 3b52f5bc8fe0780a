/* Convolutions of channels that lie side by side, of WR_A: what the kernel covers at each position
   as rows, for a product of matrices; and, where groups have few channels, the sums themselves. */

#include "types.cuh"

/* As conv.c fills it; spatial axes that are not there are 1 long. */
struct conv { /* core/conv.h */
  i64 groups, in_channels, out_channels; /* channels of all groups */
  i64 in[3], kernel[3], result[3];
  i64 stride[3], padding[3], kernel_dilation[3], input_dilation[3];
};

/* The input's index under element k of the kernel along an axis; negative outside of it and between
   its elements. */
INLINE i64 under(const conv &c, int axis, i64 at, i64 k) {
  i64 x = at * c.stride[axis] - c.padding[axis] + k * c.kernel_dilation[axis];
  if (x < 0) return -1;
  if (c.input_dilation[axis] > 1) {
    if (x % c.input_dilation[axis] != 0) return -1;
    x /= c.input_dilation[axis];
  }
  return x < c.in[axis] ? x : -1;
}

/* The first channel of the input's element under element `tap` of the kernel at a position of the
   result, or -1. */
INLINE i64 element_under(const conv &c, i64 position, i64 tap) {
  i64 at[3], k[3], in = 0;
  for (int i = 2; i >= 0; i--) {
    at[i] = position % c.result[i];
    position /= c.result[i];
    k[i] = tap % c.kernel[i];
    tap /= c.kernel[i];
  }
  in = position;
  for (int i = 0; i < 3; i++) {
    const i64 x = under(c, i, at[i], k[i]);
    if (x < 0) return -1;
    in = in * c.in[i] + x;
  }
  return in * c.in_channels;
}

/* n rows from the position `first` on, for each group: taps times the group's channels. */
extern "C" __global__ void gather(WR_A *rows, const WR_A *input, conv c, i64 first, i64 n) {
  const i64 each = c.in_channels / c.groups;
  const i64 taps = c.kernel[0] * c.kernel[1] * c.kernel[2];
  const i64 count = n * taps * c.in_channels;
  for (i64 i = thread_index(); i < count; i += thread_count()) {
    const i64 channel = i % each, row = i / each;
    const i64 position = row / taps, group = position / n;
    const i64 from = element_under(c, first + position % n, row % taps);
    rows[i] = from < 0 ? WR_A() : input[from + group * each + channel];
  }
}

extern "C" __global__ void sums(WR_A *out, const WR_A *input, const WR_A *weight, conv c, i64 n) {
  const i64 in = c.in_channels / c.groups, group_out = c.out_channels / c.groups;
  const i64 taps = c.kernel[0] * c.kernel[1] * c.kernel[2];
  for (i64 i = thread_index(); i < n; i += thread_count()) {
    const i64 channel = i % c.out_channels, position = i / c.out_channels;
    const WR_A *w = weight + channel * taps * in;
    typename compute<WR_A>::type sum = 0;
    for (i64 tap = 0; tap < taps; tap++, w += in) {
      const i64 from = element_under(c, position, tap);
      if (from < 0) continue;
      const WR_A *x = input + from + channel / group_out * in;
      for (i64 k = 0; k < in; k++) sum += load<WR_A>(x[k]) * load<WR_A>(w[k]);
    }
    out[i] = store_as<WR_A>::of(sum);
  }
}
