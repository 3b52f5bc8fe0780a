/* Convolutions of channels that lie side by side, of WR_A, whose sums are made directly: of any kind,
   one result to a thread; and such as have one channel of the input and one of the result in each group,
   by packs of 16 bytes. */

#include "types.cuh"

typedef typename compute<WR_A>::type sum_t;

INLINE float add_product(float a, float b, float c) { return fmaf(a, b, c); }
INLINE double add_product(double a, double b, double c) { return fma(a, b, c); }

/* As conv.c fills it; spatial axes that are not there are 1 long. */
struct conv { /* core/conv.h */
  i64 groups, in_channels, out_channels; /* channels of all groups */
  i64 in[3], kernel[3], result[3];
  i64 stride[3], padding[3], kernel_dilation[3], input_dilation[3];
};

/* The input's index under element k of the kernel along an axis, where that lies over `start` at 0;
   negative outside of it and between its elements. */
INLINE i64 under(const conv &c, int axis, i64 start, i64 k) {
  i64 x = start + k * c.kernel_dilation[axis];
  if (x < 0) return -1;
  if (c.input_dilation[axis] > 1) {
    if (x % c.input_dilation[axis] != 0) return -1;
    x /= c.input_dilation[axis];
  }
  return x < c.in[axis] ? x : -1;
}

/* Where element 0 of the kernel lies at a position of the result; gives the input's number. */
INLINE index_t starts_of(i64 *start, const conv &c, index_t position) {
  for (int i = 2; i >= 0; i--) {
    const index_t next = position / (index_t)c.result[i];
    start[i] = (i64)(position - next * (index_t)c.result[i]) * c.stride[i] - c.padding[i];
    position = next;
  }
  return position;
}

/* input: of the group's first channel; weight: of the result's. */
INLINE sum_t sum_at(const WR_A *input, const WR_A *weight, const conv &c, index_t position) {
  const i64 each = c.in_channels / c.groups;
  i64 start[3];
  const i64 first = (i64)starts_of(start, c, position) * c.in[0];
  sum_t sum = 0;
  for (i64 z = 0; z < c.kernel[0]; z++) {
    const i64 at_z = under(c, 0, start[0], z);
    if (at_z < 0) continue;
    for (i64 y = 0; y < c.kernel[1]; y++) {
      const i64 at_y = under(c, 1, start[1], y);
      if (at_y < 0) continue;
      const i64 row = ((first + at_z) * c.in[1] + at_y) * c.in[2];
      const WR_A *w = weight + (z * c.kernel[1] + y) * c.kernel[2] * each;
      for (i64 x = 0; x < c.kernel[2]; x++, w += each) {
        const i64 at_x = under(c, 2, start[2], x);
        if (at_x < 0) continue;
        const WR_A *from = input + (row + at_x) * c.in_channels;
        for (i64 k = 0; k < each; k++) sum = add_product(load<WR_A>(from[k]), load<WR_A>(w[k]), sum);
      }
    }
  }
  return sum;
}

extern "C" __global__ void sums(WR_A *out, const WR_A *input, const WR_A *weight, conv c, i64 n) {
  const i64 each = c.in_channels / c.groups, group_out = c.out_channels / c.groups;
  const i64 row = c.kernel[0] * c.kernel[1] * c.kernel[2] * each;
  for (index_t i = thread_index(); i < (index_t)n; i += thread_count()) {
    const index_t channel = i % (index_t)c.out_channels, position = i / (index_t)c.out_channels;
    const WR_A *of_group = input + channel / (index_t)group_out * each;
    out[i] = store_as<WR_A>::of(sum_at(of_group, weight + channel * row, c, position));
  }
}

/* ---- a channel to a group ---- */

/* A block has CHANNELS channels, whose weights lie in shared memory, and POSITIONS positions. */
enum {
  PACK = 16 / sizeof(WR_A),
  CHANNELS = 8 * PACK,
  TAPS = 128, /* at most */
  THREADS = 256,
  AT_ONCE = THREADS / 8,
  POSITIONS = 8 * AT_ONCE
};

INLINE void add_pack(sum_t *sums, const pack<WR_A, PACK> &x, const sum_t *w) {
#pragma unroll
  for (int i = 0; i < PACK; i++) sums[i] = add_product(load<WR_A>(x.e[i]), w[i], sums[i]);
}

/* The sums of the channels from `input` on; the tap's weights lie CHANNELS apart from `weight` on. */
INLINE void sums_at(sum_t *sums, const WR_A *input, const sum_t *weight, const conv &c,
                    index_t position) {
  i64 start[3];
  const i64 first = (i64)starts_of(start, c, position) * c.in[0];
  for (int z = 0; z < (int)c.kernel[0]; z++) {
    const i64 at_z = start[0] + z * c.kernel_dilation[0];
    if (at_z < 0 || at_z >= c.in[0]) continue;
    for (int y = 0; y < (int)c.kernel[1]; y++) {
      const i64 at_y = start[1] + y * c.kernel_dilation[1];
      if (at_y < 0 || at_y >= c.in[1]) continue;
      const i64 row = ((first + at_z) * c.in[1] + at_y) * c.in[2];
      const sum_t *w = weight + (z * (int)c.kernel[1] + y) * (int)c.kernel[2] * CHANNELS;
      for (int x = 0; x < (int)c.kernel[2]; x++, w += CHANNELS) {
        const i64 at_x = start[2] + x * c.kernel_dilation[2];
        if (at_x < 0 || at_x >= c.in[2]) continue;
        add_pack(sums, *(const pack<WR_A, PACK> *)(input + (row + at_x) * c.in_channels), w);
      }
    }
  }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    single(WR_A *out, const WR_A *input, const WR_A *weight, conv c, i64 n) {
  __shared__ alignas(16) sum_t w[TAPS * CHANNELS];
  const int taps = (int)(c.kernel[0] * c.kernel[1] * c.kernel[2]);
  const i64 first = (i64)blockIdx.y * CHANNELS;
  for (int i = threadIdx.x; i < taps * CHANNELS; i += THREADS) {
    const int channel = i / taps, tap = i % taps;
    const bool exists = first + channel < c.in_channels;
    w[tap * CHANNELS + channel] =
        exists ? (sum_t)load<WR_A>(weight[(first + channel) * taps + tap]) : (sum_t)0;
  }
  __syncthreads();
  const int own = threadIdx.x % 8 * PACK;
  if (first + own >= c.in_channels) return;
  const i64 from = (i64)blockIdx.x * POSITIONS + threadIdx.x / 8;
  for (i64 i = from; i < n && i < from + POSITIONS; i += AT_ONCE) {
    sum_t sums[PACK];
#pragma unroll
    for (int k = 0; k < PACK; k++) sums[k] = 0;
    sums_at(sums, input + first + own, w + own, c, (index_t)i);
    pack<WR_A, PACK> r;
#pragma unroll
    for (int k = 0; k < PACK; k++) r.e[k] = store_as<WR_A>::of(sums[k]);
    *(pack<WR_A, PACK> *)(out + i * c.out_channels + first + own) = r;
  }
}
