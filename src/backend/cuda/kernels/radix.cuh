/* Sorting by digits of eight bits, the lowest first: keys whose order as whole numbers is that of
   order.cuh, and the places that the digits of a block's elements give them. Blocks have 256 threads
   at least, a thread for each digit. */

enum { DIGIT_BITS = 8, DIGITS = 1 << DIGIT_BITS };

struct lines_of {
  i64 lines;
  i64 n;
  i64 stride; /* of the input */
  i64 inner;  /* of the result */
};

/* ---- keys ---- */

template <int BYTES>
struct word_of {
  typedef u32 type;
};
template <>
struct word_of<8> {
  typedef u64 type;
};

/* A key has as many bits as the element; equal elements have equal keys. */
template <class E>
struct key_as {
  typedef typename word_of<sizeof(E)>::type key;
  enum { BITS = 8 * sizeof(E) };
  static INLINE key highest() { return (key)1 << (BITS - 1); }
  static INLINE key all() { return highest() | (highest() - 1); }
  /* Of whole numbers. */
  static INLINE key of(E x) { return ((key)x & all()) ^ ((E)-1 < (E)0 ? highest() : 0); }
  /* Of the bits of a float: NaN is the greatest, and -0 is 0. */
  static INLINE key of_float(key bits, bool nan) {
    if (nan) return all();
    if (bits == highest()) bits = 0;
    return bits & highest() ? bits ^ all() : bits | highest();
  }
};

INLINE u32 key_of(b8 x) { return x.v; }
INLINE u32 key_of(f16 x) { return key_as<f16>::of_float(x.v, (x.v & 0x7fffu) > 0x7c00u); }
INLINE u32 key_of(bf16 x) { return key_as<bf16>::of_float(x.v, (x.v & 0x7fffu) > 0x7f80u); }
/* x + 0 is x, but 0 for -0; of any NaN it is the one without a sign whose other bits are all set. */
INLINE u32 key_of(float x) {
  const u32 bits = __float_as_uint(x + 0.0f);
  return bits ^ ((u32)((i32)bits >> 31) | 0x80000000u);
}
INLINE u64 key_of(double x) {
  return key_as<double>::of_float((u64)__double_as_longlong(x), x != x);
}
INLINE u64 key_of(c64 x) {
  if (x.re != x.re || x.im != x.im) return ~(u64)0;
  return (u64)key_of(x.re) << 32 | key_of(x.im);
}
template <class E>
INLINE typename key_as<E>::key key_of(E x) {
  return key_as<E>::of(x);
}

template <class E>
INLINE u32 digit_of(E x, int pass) {
  return (u32)(key_of(x) >> (pass * DIGIT_BITS)) & (DIGITS - 1);
}

/* ---- places ---- */

/* The lanes with the same digit. All 32 come here. By hand, since the compiler makes twice as many
   instructions of it: a bit's ballot is turned around by a predicate. */
INLINE u32 lanes_with(u32 digit) {
  u32 lanes = ~0u;
#pragma unroll
  for (int bit = 0; bit < DIGIT_BITS; bit++) {
    u32 same;
    asm volatile("{\n"
                 ".reg .pred set;\n"
                 ".reg .b32 masked;\n"
                 "and.b32 masked, %1, %2;\n"
                 "setp.ne.u32 set, masked, 0;\n"
                 "vote.sync.ballot.b32 %0, set, 0xffffffff;\n"
                 "@!set not.b32 %0, %0;\n"
                 "}"
                 : "=r"(same)
                 : "r"(digit), "r"(1u << bit));
    lanes &= same;
  }
  return lanes;
}

/* How many of the warp's elements have been counted with this digit, which is counted now, in the
   order of the lanes. `counts` are the warp's own. */
INLINE u32 counted_before(u16 *counts, u32 digit) {
  const u32 lanes = lanes_with(digit), lower = lanes & ((1u << (threadIdx.x % 32)) - 1u);
  const u32 before = counts[digit];
  __syncwarp();
  if (lower == 0) counts[digit] = (u16)(before + __popc(lanes));
  __syncwarp();
  return before + __popc(lower);
}

/* What thread i < 256 is given becomes the sum of those given to the threads before it; the others
   give nothing. All threads of the block come here. */
template <class T>
INLINE T sum_before(T mine) {
  __shared__ T warps[DIGITS / 32];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  T sum = mine;
#pragma unroll
  for (int by = 1; by < 32; by *= 2) {
    const T lower = __shfl_up_sync(~0u, sum, by);
    if (lane >= by) sum += lower;
  }
  __syncthreads();
  if (lane == 31 && warp < DIGITS / 32) warps[warp] = sum;
  __syncthreads();
  T before = sum - mine;
#pragma unroll
  for (int w = 0; w < DIGITS / 32; w++) {
    if (w < warp) before += warps[w];
  }
  return before;
}

/* Of four warps from `first` on, read at once: what each has of a digit. Blocks have eight warps, or
   sixteen. */
INLINE void read_counts(u32 *mine, const u16 (*counts)[DIGITS], int first, u32 digit) {
#pragma unroll
  for (int i = 0; i < 4; i++) mine[i] = counts[first + i][digit];
}

/* Of each digit, by the thread of its number: how many the block has, of what its warps have. */
INLINE u32 count_of_block(const u16 (*counts)[DIGITS], u32 digit) {
  u32 count = 0;
  for (int w = 0; w < (int)blockDim.x / 32; w += 4) {
    u32 mine[4];
    read_counts(mine, counts, w, digit);
    count += mine[0] + mine[1] + mine[2] + mine[3];
  }
  return count;
}

/* Makes of every warp's count the place of its first, where the block's first stands at `place`. */
INLINE void places_of_block(u16 (*counts)[DIGITS], u32 digit, u32 place) {
  for (int w = 0; w < (int)blockDim.x / 32; w += 4) {
    u32 mine[4];
    read_counts(mine, counts, w, digit);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      counts[w + i][digit] = (u16)place;
      place += mine[i];
    }
  }
}

/* ---- tiles ---- */

/* True when a tile, of which there are `count` elements, is read by packs of 16 bytes. */
template <int TILE, class E>
INLINE bool is_packed(const E *in, i64 stride, u32 count) {
  return stride == 1 && count == TILE && (u64)in % 16 == 0;
}

/* A tile's elements, in any order, THREADS of them EACH; returns a bit for each that the thread has
   of the `count` that there are. */
template <int THREADS, int EACH, class E>
INLINE u32 take(E *x, const E *in, i64 stride, u32 count) {
  enum { K = 16 / sizeof(E) };
  if (is_packed<THREADS * EACH>(in, stride, count)) {
#pragma unroll
    for (int p = 0; p < EACH / K; p++) {
      const pack<E, K> some = ((const pack<E, K> *)in)[p * THREADS + threadIdx.x];
#pragma unroll
      for (int q = 0; q < K; q++) x[p * K + q] = some.e[q];
    }
    return (1u << EACH) - 1u;
  }
  u32 has = 0;
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    const u32 i = r * THREADS + threadIdx.x;
    if (i >= count) continue;
    x[r] = in[i * stride];
    has |= 1u << r;
  }
  return has;
}

/* ---- what tiles of a line tell each other ---- */

/* Counts of a line's elements: as wide as an index, less the two bits that say what a tile told. */
typedef word_of<sizeof(index_t)>::type count_t;

/* What tiles tell, of each kind of element: in the upper two bits, that it is how many the tile has
   itself, or how many it has with all tiles of the line before it. 0: nothing yet. */
enum { TOLD_OWN = 1, TOLD_ALL = 2 };
enum { TOLD_SHIFT = 8 * sizeof(count_t) - 2 };

INLINE void tell(count_t *at, count_t count, int what) {
  *(volatile count_t *)at = count | (count_t)what << TOLD_SHIFT;
}
