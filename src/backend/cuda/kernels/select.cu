/* Partitions of lines of WR_A along one axis that are longer than a block holds: what comes before
   the kth element of the order of radix.cuh, what is equal to it, and what comes behind it, each in
   the order in which it was. The result's elements are `inner` apart.

   `learn` finds the kth key by digits from the highest one, a launch for each: it counts the next
   digits of all elements that begin with what is known of the key, and the block that is the last
   to have counted says which digit the key has. Once they are few, those elements are copied to
   scratch memory as they are counted, so that the digits after that are read from there; in what
   order they lie there does not matter. What is known of a line lies in the GPU's memory, and a
   line whose key has one element left, or all its bits, is left alone.

   `part` moves each element to its place in one sweep, in tiles that tell each other how many of
   theirs come before the key, and how many are equal to it, as in sort.cu. */

#include "types.cuh"
#include "radix.cuh"

typedef key_as<WR_A>::key word_t;

enum {
  THREADS = 512,
  EACH = sizeof(WR_A) == 8 ? 8 : 16,
  TILE = THREADS * EACH,
  K = 16 / sizeof(WR_A),
  BITS = 8 * sizeof(WR_A),
  PASSES = (BITS + 10) / 11,
  STEP = (BITS + PASSES - 1) / PASSES, /* bits of a digit; the last one may have fewer */
  BINS = 1 << STEP
};

/* What is known of a line's kth key: its bits from `shift` on, its rank among the elements that
   begin so, and how many those are. */
struct known {
  u64 bits;
  i64 rank, count;
  i64 shift;
  i64 kept; /* how many elements lie in scratch memory; 0: none yet */
};

/* ---- finding the key ---- */

/* Counts the digits of those that begin as the key does, FIRST: of all. Returns a bit for each. */
template <bool FIRST>
INLINE u32 count_digits(u32 *counts, const WR_A *x, u32 has, const known &k, i64 shift) {
  const u32 mask = (1u << (k.shift - shift)) - 1u;
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    if (!(has >> r & 1u)) continue;
    const word_t key = key_of(x[r]);
    if (FIRST || key >> k.shift == (word_t)k.bits) {
      atomicAdd(&counts[(u32)(key >> shift) & mask], 1u);
    } else {
      has &= ~(1u << r);
    }
  }
  return has;
}

/* Appends those of the block's elements that have a bit in `has`. */
INLINE void keep(WR_A *to, count_t *end, const WR_A *x, u32 has) {
  __shared__ u32 warps[THREADS / 32];
  __shared__ count_t begin;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  u32 before = __popc(has);
#pragma unroll
  for (int by = 1; by < 32; by *= 2) {
    const u32 lower = __shfl_up_sync(~0u, before, by);
    if (lane >= by) before += lower;
  }
  if (lane == 31) warps[warp] = before;
  __syncthreads();
  if (threadIdx.x == 0) {
    u32 all = 0;
    for (int w = 0; w < THREADS / 32; w++) {
      const u32 mine = warps[w];
      warps[w] = all;
      all += mine;
    }
    if (all) begin = atomicAdd(end, (count_t)all);
  }
  __syncthreads();
  i64 at = (i64)begin + warps[warp] + before - __popc(has);
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    if (has >> r & 1u) to[at++] = x[r];
  }
  __syncthreads();
}

/* The digit with the element of this rank, of what has been counted: by all threads of a block. */
INLINE void settle(known *state, known k, i64 shift, const count_t *counts) {
  enum { RUN = BINS / DIGITS };
  count_t sum = 0;
  for (int i = 0; i < RUN && threadIdx.x < DIGITS; i++) {
    sum += __ldcg(&counts[threadIdx.x * RUN + i]);
  }
  count_t before = sum_before<count_t>(sum);
  if (threadIdx.x >= DIGITS || k.rank < (i64)before || k.rank >= (i64)(before + sum)) return;
  u32 digit = threadIdx.x * RUN;
  for (; k.rank >= (i64)(before + __ldcg(&counts[digit])); digit++) before += __ldcg(&counts[digit]);
  k.bits = k.bits << (k.shift - shift) | digit;
  k.shift = shift;
  k.rank -= (i64)before;
  k.count = (i64)__ldcg(&counts[digit]);
  *state = k;
}

/* Whether the block is the last of `blocks` to say that it has counted. What the others have added
   is there for it. */
INLINE bool is_last(u32 *done, u32 blocks) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicAdd(done, 1u) == blocks - 1;
  __syncthreads();
  if (last) __threadfence();
  return last;
}

/* Memory of all lines; what is not scratch for elements is 0 before the first launch. */
struct memory {
  known *state;
  count_t *counts; /* BINS for each pass of each line */
  u32 *done;       /* for each pass of each line: blocks that have counted */
  count_t *ends;   /* of each line: how many elements lie in `kept` */
  WR_A *kept;
  i64 room; /* for how many of each line */
};

/* Learns the next digit. Blocks: x share a line, y lines. */
extern "C" __global__ void __launch_bounds__(THREADS, 3)
    learn(memory m, const WR_A *a, lines_of l, const __grid_constant__ layout<1> other, i64 kth,
          i64 pass) {
  __shared__ u32 counts[BINS];
  const i64 shift = pass + 1 < PASSES ? BITS - (pass + 1) * STEP : 0;
  for (i64 line = blockIdx.y; line < l.lines; line += gridDim.y) {
    known k = {0, kth, l.n, BITS, 0};
    if (pass > 0) k = m.state[line];
    if (k.count == 1 && pass > 0) continue;
    WR_A *kept = m.kept + line * m.room;
    const bool keeps = pass > 0 && pass + 1 < PASSES && k.kept == 0 && k.count <= m.room;
    const WR_A *in = k.kept ? kept : a + offset_of(other, (index_t)line);
    const i64 n = k.kept ? k.kept : l.n, stride = k.kept ? 1 : l.stride;
    const i64 tiles = (n + TILE - 1) / TILE;
    const u32 blocks = tiles < gridDim.x ? (u32)tiles : gridDim.x;
    if (blockIdx.x >= blocks) continue;
    for (int i = threadIdx.x; i < BINS; i += THREADS) counts[i] = 0;
    __syncthreads();
    for (i64 tile = blockIdx.x; tile < tiles; tile += blocks) {
      WR_A x[EACH];
      const i64 left = n - tile * TILE;
      u32 has = take<THREADS, EACH>(x, in + tile * TILE * stride, stride,
                                    left < TILE ? (u32)left : TILE);
      has = pass == 0 ? count_digits<true>(counts, x, has, k, shift)
                      : count_digits<false>(counts, x, has, k, shift);
      if (keeps) keep(kept, &m.ends[line], x, has);
    }
    __syncthreads();
    count_t *all = m.counts + (line * PASSES + pass) * BINS;
    for (int i = threadIdx.x; i < BINS; i += THREADS) {
      if (counts[i]) atomicAdd(&all[i], (count_t)counts[i]);
    }
    if (is_last(&m.done[line * PASSES + pass], blocks)) {
      if (keeps) k.kept = k.count;
      settle(&m.state[line], k, shift, all);
    }
    __syncthreads();
  }
}

/* ---- moving ---- */

/* How many of a kind there are in the tiles before this one: by all lanes of a warp, each of which
   looks at another tile. `told` is of this kind and line. */
INLINE count_t before_tile(const count_t *told, i64 tile) {
  const int lane = threadIdx.x % 32;
  count_t before = 0;
  for (i64 at = tile - 1 - lane;; at -= 32) {
    count_t word = (count_t)TOLD_ALL << TOLD_SHIFT;
    if (at >= 0) {
      do {
        word = *(const volatile count_t *)&told[at];
      } while (word == 0);
    }
    const u32 all = __ballot_sync(~0u, word >> TOLD_SHIFT == TOLD_ALL);
    count_t sum = all == 0 || lane < __ffs(all) ? word & (((count_t)1 << TOLD_SHIFT) - 1) : 0;
#pragma unroll
    for (int by = 16; by > 0; by /= 2) sum += __shfl_xor_sync(~0u, sum, by);
    before += sum;
    if (all) return before;
  }
}

enum { LESS, SAME, KINDS };

/* Where the thread's element r stands in the tile: a warp has neighbours, of which a lane takes K at
   a time. */
INLINE u32 element(int r) {
  return threadIdx.x / 32 * 32 * EACH + r / K * 32 * K + threadIdx.x % 32 * K + r % K;
}

/* A tile's elements in this order; returns a bit for each that the thread has. */
INLINE u32 take_in_order(WR_A *x, const WR_A *in, i64 stride, u32 count) {
  if (is_packed<TILE>(in, stride, count)) {
#pragma unroll
    for (int p = 0; p < EACH / K; p++) {
      const pack<WR_A, K> some = ((const pack<WR_A, K> *)in)[element(p * K) / K];
#pragma unroll
      for (int q = 0; q < K; q++) x[p * K + q] = some.e[q];
    }
    return (1u << EACH) - 1u;
  }
  u32 has = 0;
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    if (element(r) >= count) continue;
    x[r] = in[element(r) * stride];
    has |= 1u << r;
  }
  return has;
}

/* Of a thread's elements, a bit for each that comes before the key, and for each that is equal. */
struct kinds {
  u32 less, same;
  /* How many of pack p are of each kind: in the lower 16 bits, and in the upper ones. */
  INLINE u32 of_pack(int p) const {
    const u32 mask = (1u << K) - 1u;
    return __popc(less >> p * K & mask) | __popc(same >> p * K & mask) << 16;
  }
};

INLINE kinds kinds_of(const WR_A *x, u32 has, const known &k) {
  kinds of = {0, 0};
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    const word_t key = key_of(x[r]) >> k.shift;
    if (key < (word_t)k.bits) of.less |= 1u << r;
    if (key == (word_t)k.bits) of.same |= 1u << r;
  }
  of.less &= has;
  of.same &= has;
  return of;
}

/* How many of each kind the warp has before each of the thread's packs; returns those of all. */
INLINE u32 count_before(u32 *before, const kinds &of) {
  u32 all = 0;
#pragma unroll
  for (int p = 0; p < EACH / K; p++) {
    const u32 mine = of.of_pack(p);
    u32 sum = mine;
#pragma unroll
    for (int by = 1; by < 32; by *= 2) {
      const u32 lower = __shfl_up_sync(~0u, sum, by);
      if (threadIdx.x % 32 >= by) sum += lower;
    }
    before[p] = all + sum - mine;
    all += __shfl_sync(~0u, sum, 31);
  }
  return all;
}

/* Puts the elements into the order of the result, in shared memory: `before` is of the block, as is
   `all`. */
INLINE void arrange(WR_A *moved, const WR_A *x, u32 has, const kinds &of, const u32 *before,
                    u32 all) {
  const u32 less = all & 0xffffu, same = all >> 16;
#pragma unroll
  for (int p = 0; p < EACH / K; p++) {
    u32 lesser = before[p] & 0xffffu, equals = before[p] >> 16;
#pragma unroll
    for (int r = p * K; r < (p + 1) * K; r++) {
      const u32 is_less = of.less >> r & 1u, is_same = of.same >> r & 1u;
      const u32 at = is_less   ? lesser
                     : is_same ? less + equals
                               : less + same + element(r) - lesser - equals;
      if (has >> r & 1u) moved[at] = x[r];
      lesser += is_less;
      equals += is_same;
    }
  }
}

/* `told` has a word for each kind, line and tile, and is 0, as is the counter at `drawn`. */
extern "C" __global__ void __launch_bounds__(THREADS, 3)
    part(WR_A *out, const WR_A *a, lines_of l, const __grid_constant__ layout<1> other,
         const known *state, count_t *told, u32 *drawn, i64 tiles, i64 kth) {
  __shared__ WR_A moved[TILE];
  __shared__ u32 sums[THREADS / 32];
  __shared__ count_t begins[KINDS];
  __shared__ u32 number;
  if (threadIdx.x == 0) number = atomicAdd(drawn, 1u);
  __syncthreads();
  const i64 tile = number / (u32)l.lines, line = number % (u32)l.lines;
  const i64 first = tile * TILE;
  const u32 count = l.n - first < TILE ? (u32)(l.n - first) : TILE;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const known k = state[line];
  WR_A x[EACH];
  const u32 has = take_in_order(x, a + offset_of(other, (index_t)line) + first * l.stride, l.stride,
                                count);
  const kinds of = kinds_of(x, has, k);
  u32 before[EACH / K], all = count_before(before, of), lower = 0;
  if (lane == 0) sums[warp] = all;
  __syncthreads();
  all = 0;
  for (int w = 0; w < THREADS / 32; w++) {
    if (w == warp) lower = all;
    all += sums[w];
  }
#pragma unroll
  for (int p = 0; p < EACH / K; p++) before[p] += lower;
  /* A warp looks back for each kind, while the others put elements into order. */
  const count_t own = warp == LESS ? all & 0xffffu : all >> 16;
  count_t *of_kind = told + (line * KINDS + warp) * tiles;
  if (warp < KINDS && lane == 0) tell(&of_kind[tile], own, tile == 0 ? TOLD_ALL : TOLD_OWN);
  arrange(moved, x, has, of, before, all);
  if (warp < KINDS) {
    const count_t earlier = before_tile(of_kind, tile);
    if (lane == 0) {
      if (tile > 0) tell(&of_kind[tile], earlier + own, TOLD_ALL);
      begins[warp] = earlier;
    }
  }
  __syncthreads();
  /* From a place in the block to one in the line, for each kind and for what comes behind the key. */
  const u32 less = all & 0xffffu, up_to_same = less + (all >> 16);
  const i64 to_less = (i64)begins[LESS], to_same = kth - k.rank + (i64)begins[SAME] - less;
  const i64 to_behind = kth - k.rank + k.count + first - to_less - (i64)begins[SAME] - up_to_same;
  WR_A *to = out + line_start(line, l.n, l.inner);
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    const u32 i = r * THREADS + threadIdx.x;
    if (i >= count) continue;
    const i64 place = i + (i < less ? to_less : i < up_to_same ? to_same : to_behind);
    if (l.inner == 1) {
      to[place] = moved[i];
    } else {
      to[place * l.inner] = moved[i];
    }
  }
}
