/* Sorting lines of WR_A along one axis, stable, NaN last: the elements, or (WR_ORDER) their places
   as WR_B. The result's elements are `inner` apart.

   Short lines are sorted in shared memory, a block to each: by a bitonic network over pairs of
   element and place (`few`), or by digits (`rows`, radix.cuh). Where only the kth has to be in its
   place, its key is found by digits from the highest one, and lines are parted (`parts`). Longer ones go by digits in one sweep
   for each, in tiles (Adinets and Merrill, "Onesweep", 2022): `count` has counted all digits before,
   so a tile needs only to know how many elements of each digit the tiles before it have. Each tile
   tells its own counts, then looks back over what others told until it finds one that knows all
   before itself (Merrill and Garland, "Single-pass parallel prefix scan with decoupled look-back",
   2016). Counts are whole numbers, so it does not matter how far a tile had to look.

   A block that waits waits for tiles of lower numbers alone. Numbers are drawn as blocks begin, so
   those tiles have begun on some multiprocessor and no block that has not begun is waited for: the
   lowest tile that is not done waits for nothing. A count and what it is stand in one word, which is
   stored and loaded whole; nothing else is read because of it, so the order of other accesses does
   not matter. */

#include "types.cuh"
#include "order.cuh"
#include "radix.cuh"

typedef compute<WR_A>::type value_t;

/* ---- a bitonic network ---- */

enum { FEW = 1024 };

INLINE bool comes_first(WR_A a, WR_A b) { return less<value_t>(load<WR_A>(a), load<WR_A>(b)); }

/* A block for each line. What lies past the line's end counts as last. */
extern "C" __global__ void few(WR_B *out, const WR_A *a, lines_of l,
                               const __grid_constant__ layout<1> other) {
  __shared__ WR_A keys[FEW];
  __shared__ u16 places[FEW];
  const int count = (int)l.n;
  int width = 2;
  while (width < count) width *= 2;
  for (i64 line = blockIdx.x; line < l.lines; line += gridDim.x) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    WR_B *to = out + line_start(line, l.n, l.inner);
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
      places[i] = (u16)i;
      if (i < count) keys[i] = in[i * l.stride];
    }
    __syncthreads();
    for (int size = 2; size <= width; size *= 2) {
      for (int gap = size / 2; gap > 0; gap /= 2) {
        for (int t = threadIdx.x; t < width / 2; t += blockDim.x) {
          const int i = 2 * t - (t & (gap - 1)), j = i + gap;
          const int p = places[i], q = places[j];
          /* Past the end, by element, then by place: an order without equals. */
          bool swapped;
          if (p >= count || q >= count) {
            swapped = q < p;
          } else {
            swapped = comes_first(keys[j], keys[i]) || (!comes_first(keys[i], keys[j]) && q < p);
          }
          if (swapped == ((i & size) == 0)) {
            const WR_A key = keys[i];
            keys[i] = keys[j];
            keys[j] = key;
            places[i] = (u16)q;
            places[j] = (u16)p;
          }
        }
        __syncthreads();
      }
    }
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
#if WR_ORDER
      to[i * l.inner] = places[i];
#else
      to[i * l.inner] = keys[i];
#endif
    }
    __syncthreads();
  }
}

/* ---- by digits ---- */

enum {
  THREADS = 512,
  EACH = sizeof(WR_A) == 8 ? 8 : 16,
  TILE = THREADS * EACH,
  PASSES = sizeof(WR_A),
  SLOT = WR_ORDER && sizeof(WR_A) < 4 ? 4 : sizeof(WR_A)
};

/* Of a block: elements, then places, on their way to where their digits put them. */
struct room {
  alignas(8) u8 moved[TILE * SLOT];
  u16 counts[THREADS / 32][DIGITS];
};

/* A warp has neighbouring elements, which its lanes take in turn: element r of a thread. */
INLINE u32 element(int r, int rounds) {
  return threadIdx.x / 32 * 32 * rounds + r * 32 + threadIdx.x % 32;
}

/* Where the thread's first `rounds` elements stand in the block by this digit; those from `count` on
   have the highest digit and stand last. WHOLE: each thread has EACH. Returns, in thread d, how many
   elements have digit d, and where the first of them stands. */
template <bool WHOLE>
INLINE u32 find_places(room &s, const WR_A *x, int rounds, u32 count, int pass, u32 *at,
                       u32 *start) {
  u16 *mine = s.counts[threadIdx.x / 32];
  for (int d = threadIdx.x % 32; d < DIGITS; d += 32) mine[d] = 0;
  __syncwarp();
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    if (!WHOLE && r >= rounds) continue;
    const bool is = WHOLE || element(r, rounds) < count;
    const u32 digit = is ? digit_of(x[r], pass) : DIGITS - 1;
    at[r] = digit << 16 | counted_before(mine, digit);
  }
  __syncthreads();
  const u32 total = threadIdx.x < DIGITS ? count_of_block(s.counts, threadIdx.x) : 0;
  *start = sum_before<u32>(total);
  if (threadIdx.x < DIGITS) places_of_block(s.counts, threadIdx.x, *start);
  __syncthreads();
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    if (WHOLE || r < rounds) at[r] = (at[r] & 0xffffu) + mine[at[r] >> 16];
  }
  return total;
}

/* Puts each x[r] into its place. Nobody may still read what stands there. */
template <class E, bool WHOLE>
INLINE void move(room &s, const E *x, const u32 *at, int rounds, u32 count) {
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    if (WHOLE || (r < rounds && element(r, rounds) < count)) ((E *)s.moved)[at[r]] = x[r];
  }
  __syncthreads();
}

/* The same, and takes what then stands where its elements were. */
template <class E, bool WHOLE>
INLINE void exchange(room &s, E *x, const u32 *at, int rounds, u32 count) {
  move<E, WHOLE>(s, x, at, rounds, count);
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    const u32 i = element(r, rounds);
    if (WHOLE || (r < rounds && i < count)) x[r] = ((E *)s.moved)[i];
  }
}

/* WHOLE: each thread has EACH elements. */
template <bool WHOLE>
INLINE void sort_line(room &s, WR_B *to, const WR_A *in, const lines_of &l, int rounds) {
  const u32 count = (u32)l.n;
  WR_A x[EACH];
  u32 at[EACH], start;
#if WR_ORDER
  u32 places[EACH];
#endif
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    const u32 i = element(r, rounds);
    if (WHOLE || (r < rounds && i < count)) x[r] = in[i * l.stride];
#if WR_ORDER
    places[r] = i;
#endif
  }
#pragma unroll 1
  for (int pass = 0; pass < PASSES; pass++) {
    (void)find_places<WHOLE>(s, x, rounds, count, pass, at, &start);
    exchange<WR_A, WHOLE>(s, x, at, rounds, count);
#if WR_ORDER
    __syncthreads();
    exchange<u32, WHOLE>(s, places, at, rounds, count);
#endif
  }
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    const u32 i = element(r, rounds);
    if (!WHOLE && (r >= rounds || i >= count)) continue;
#if WR_ORDER
    to[i * l.inner] = places[r];
#else
    to[i * l.inner] = x[r];
#endif
  }
}

/* A block for each line of at most TILE elements, or of as many as it has threads times EACH. */
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    rows(WR_B *out, const WR_A *a, lines_of l, const __grid_constant__ layout<1> other) {
  __shared__ room s;
  for (i64 line = blockIdx.x; line < l.lines; line += gridDim.x) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    WR_B *to = out + line_start(line, l.n, l.inner);
    if (l.n == (i64)blockDim.x * EACH) {
      sort_line<true>(s, to, in, l, EACH);
    } else {
      sort_line<false>(s, to, in, l, (int)((l.n + blockDim.x - 1) / blockDim.x));
    }
  }
}

/* Copies of each counter, so that equal digits of a warp do not all meet in one. */
enum { COPIES = sizeof(WR_A) == 8 ? 2 : 4 };

#if !WR_ORDER
/* What is known of the kth key: its bits from `shift` on, and its rank among those that begin so. */
struct known {
  key_as<WR_A>::key bits;
  int shift;
  u32 rank, count; /* how many begin so */
};

INLINE bool begins_so(WR_A x, const known &k) {
  return k.shift == 8 * sizeof(WR_A) || key_of(x) >> k.shift == k.bits;
}

/* Learns eight bits more. */
INLINE void learn(known &k, const WR_A *x, int rounds, u32 count) {
  __shared__ u32 counts[DIGITS * COPIES];
  __shared__ u32 digit, rank, left;
  for (int i = threadIdx.x; i < DIGITS * COPIES; i += blockDim.x) counts[i] = 0;
  __syncthreads();
  const int pass = k.shift / DIGIT_BITS - 1;
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    if (r >= rounds || element(r, rounds) >= count || !begins_so(x[r], k)) continue;
    atomicAdd(&counts[digit_of(x[r], pass) * COPIES + threadIdx.x % COPIES], 1u);
  }
  __syncthreads();
  u32 mine = 0;
  for (int c = 0; c < COPIES && threadIdx.x < DIGITS; c++) mine += counts[threadIdx.x * COPIES + c];
  const u32 before = sum_before<u32>(mine);
  if (before <= k.rank && k.rank < before + mine) {
    digit = threadIdx.x;
    rank = k.rank - before;
    left = mine;
  }
  __syncthreads();
  k.bits = k.bits << DIGIT_BITS | digit;
  k.shift -= DIGIT_BITS;
  k.rank = rank;
  k.count = left;
}

/* Of a line as in `rows`: what comes before the kth key, what is equal to it, and what comes behind
   it, each in the order in which it was. */
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    parts(WR_B *out, const WR_A *a, lines_of l, const __grid_constant__ layout<1> other, i64 kth) {
  __shared__ u32 sums[2][THREADS / 32];
  const u32 count = (u32)l.n, lower = (1u << (threadIdx.x % 32)) - 1u;
  const int rounds = (int)((count + blockDim.x - 1) / blockDim.x), warp = threadIdx.x / 32;
  for (i64 line = blockIdx.x; line < l.lines; line += gridDim.x) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    WR_B *to = out + line_start(line, l.n, l.inner);
    WR_A x[EACH];
#pragma unroll
    for (int r = 0; r < EACH; r++) {
      const u32 i = element(r, rounds);
      if (r < rounds && i < count) x[r] = in[i * l.stride];
    }
    known k = {0, 8 * sizeof(WR_A), (u32)kth, count};
    while (k.shift > 0 && k.count > 1) learn(k, x, rounds, count);
    u32 less = 0, same = 0;
#pragma unroll
    for (int r = 0; r < EACH; r++) {
      if (r >= rounds) continue;
      const bool is = element(r, rounds) < count;
      less += __popc(__ballot_sync(~0u, is && key_of(x[r]) >> k.shift < k.bits));
      same += __popc(__ballot_sync(~0u, is && key_of(x[r]) >> k.shift == k.bits));
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0) {
      sums[0][warp] = less;
      sums[1][warp] = same;
    }
    __syncthreads();
    u32 less_before = 0, same_before = 0, all_less = 0, all_same = 0;
    for (int w = 0; w < (int)blockDim.x / 32; w++) {
      if (w == warp) {
        less_before = all_less;
        same_before = all_same;
      }
      all_less += sums[0][w];
      all_same += sums[1][w];
    }
#pragma unroll
    for (int r = 0; r < EACH; r++) {
      if (r >= rounds) continue;
      const u32 i = element(r, rounds);
      const bool is = i < count, is_less = is && key_of(x[r]) >> k.shift < k.bits;
      const bool is_same = is && key_of(x[r]) >> k.shift == k.bits;
      const u32 lesser = __ballot_sync(~0u, is_less), equals = __ballot_sync(~0u, is_same);
      const u32 of_less = less_before + __popc(lesser & lower);
      const u32 of_same = same_before + __popc(equals & lower);
      const u32 at = is_less   ? of_less
                     : is_same ? all_less + of_same
                               : all_less + all_same + (i - of_less - of_same);
      if (is) to[at * l.inner] = x[r];
      less_before += __popc(lesser);
      same_before += __popc(equals);
    }
  }
}
#else
extern "C" __global__ void parts() {}
#endif

/* How often each digit comes in each place of the line's keys. Blocks: x share a line, y lines. */
extern "C" __global__ void __launch_bounds__(THREADS)
    count(count_t *totals, const WR_A *a, lines_of l, const __grid_constant__ layout<1> other) {
  __shared__ u32 counts[PASSES * DIGITS * COPIES];
  for (i64 line = blockIdx.y; line < l.lines; line += gridDim.y) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    for (int i = threadIdx.x; i < PASSES * DIGITS * COPIES; i += THREADS) counts[i] = 0;
    __syncthreads();
    for (i64 first = (i64)blockIdx.x * TILE; first < l.n; first += (i64)gridDim.x * TILE) {
      WR_A x[EACH];
      const u32 some = l.n - first < TILE ? (u32)(l.n - first) : TILE;
      const u32 has = take<THREADS, EACH>(x, in + first * l.stride, l.stride, some);
#pragma unroll
      for (int r = 0; r < EACH; r++) {
        if (!(has >> r & 1u)) continue;
#pragma unroll
        for (int pass = 0; pass < PASSES; pass++) {
          const u32 counter = pass * DIGITS + digit_of(x[r], pass);
          atomicAdd(&counts[counter * COPIES + threadIdx.x % COPIES], 1u);
        }
      }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < PASSES * DIGITS; i += THREADS) {
      u32 sum = 0;
      for (int k = 0; k < COPIES; k++) sum += counts[i * COPIES + k];
      if (sum) atomicAdd(&totals[line * PASSES * DIGITS + i], (count_t)sum);
    }
    __syncthreads();
  }
}

/* Where a sweep reads and writes. Scratch is dense, line after line. */
struct way {
  const WR_A *in; /* NULL: not the first sweep */
  const WR_A *keys;
  const u32 *places;
  WR_B *out; /* NULL: not the last one */
  WR_A *to_keys;
  u32 *to_places;
};

/* How many elements with the thread's digit are in the tiles before this one; `told` is what this
   one tells of it. It asks some of those tiles at once, so that it need not wait for each. */
INLINE count_t look_back(const count_t *told, u32 tile) {
  enum { ASKED = 4 };
  count_t before = 0;
  while (tile > 0) {
    count_t words[ASKED];
#pragma unroll
    for (u32 i = 0; i < ASKED; i++) {
      words[i] = (count_t)TOLD_ALL << TOLD_SHIFT;
      if (i < tile) words[i] = *(const volatile count_t *)(told - (i + 1) * DIGITS);
    }
#pragma unroll
    for (u32 i = 0; i < ASKED; i++) {
      if (words[i] == 0) break;
      before += words[i] & (((count_t)1 << TOLD_SHIFT) - 1);
      if (words[i] >> TOLD_SHIFT == TOLD_ALL) return before;
      told -= DIGITS;
      tile--;
    }
  }
  return before;
}

/* A tile of a line, and what is told of it. */
struct piece {
  i64 line, first;
  u32 tile, count;
  const WR_A *from;
  i64 stride;
  const count_t *totals; /* of the pass, in the line */
  count_t *told;         /* of the thread's digit */
  bool last;             /* nobody looks at it: its count of the highest digit may be too high */
};

struct sweep_room : room {
  count_t ends[DIGITS]; /* from a place in the block to one in the line */
};

/* WHOLE: there are TILE elements, side by side here and in the result. */
template <bool WHOLE>
INLINE void sweep_piece(sweep_room &s, const way &w, const lines_of &l, const piece &p, int pass) {
  const i64 to = w.out ? line_start(p.line, l.n, l.inner) : p.line * l.n;
  const i64 inner = WHOLE || !w.out ? 1 : l.inner;
  WR_A x[EACH];
  u32 at[EACH], begin;
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    const u32 i = element(r, EACH);
    if (WHOLE || i < p.count) x[r] = p.from[WHOLE ? i : i * p.stride];
  }
  const count_t own = find_places<WHOLE>(s, x, EACH, p.count, pass, at, &begin);
  const bool digits = threadIdx.x < DIGITS;
  if (digits && !p.last) tell(p.told, own, p.tile == 0 ? TOLD_ALL : TOLD_OWN);
  move<WR_A, WHOLE>(s, x, at, EACH, p.count);
#if WR_ORDER
  /* Not before they take the registers of the elements, which have been moved. */
  u32 places[EACH];
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    const u32 i = element(r, EACH);
    if (!WHOLE && i >= p.count) continue;
    places[r] = w.in ? (u32)p.first + i : w.places[p.line * l.n + p.first + i];
  }
#endif
  const count_t start = sum_before<count_t>(digits ? p.totals[threadIdx.x] : 0);
  if (digits) {
    const count_t before = look_back(p.told, p.tile);
    if (p.tile > 0 && !p.last) tell(p.told, before + own, TOLD_ALL);
    s.ends[threadIdx.x] = start + before - begin;
  }
  __syncthreads();
#if WR_ORDER
  count_t end[EACH];
#endif
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    const u32 i = r * THREADS + threadIdx.x;
    if (!WHOLE && i >= p.count) continue;
    const WR_A key = ((const WR_A *)s.moved)[i];
    const count_t place = s.ends[digit_of(key, pass)] + i;
#if WR_ORDER
    end[r] = place;
    if (!w.out) w.to_keys[to + (i64)place] = key;
#else
    (w.out ? w.out : w.to_keys)[to + (WHOLE ? (i64)place : (i64)place * inner)] = key;
#endif
  }
#if WR_ORDER
  __syncthreads();
  move<u32, WHOLE>(s, places, at, EACH, p.count);
#pragma unroll
  for (int r = 0; r < EACH; r++) {
    const u32 i = r * THREADS + threadIdx.x;
    if (!WHOLE && i >= p.count) continue;
    (w.out ? w.out : w.to_places)[to + (WHOLE ? (i64)end[r] : (i64)end[r] * inner)] =
        ((const u32 *)s.moved)[i];
  }
#endif
}

/* One sweep: `told` has DIGITS words for each tile and is 0, as is the counter at `drawn`. Tiles of
   a line have neighbouring words; the first tiles of all lines are drawn first. */
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    sweep(way w, lines_of l, const __grid_constant__ layout<1> other, const count_t *totals,
          count_t *told, u32 *drawn, i64 tiles, i64 pass) {
  __shared__ sweep_room s;
  __shared__ u32 number;
  if (threadIdx.x == 0) number = atomicAdd(drawn, 1u);
  __syncthreads();
  piece p;
  p.tile = number / (u32)l.lines;
  p.line = number % (u32)l.lines;
  p.first = (i64)p.tile * TILE;
  p.count = l.n - p.first < TILE ? (u32)(l.n - p.first) : TILE;
  p.stride = w.in ? l.stride : 1;
  p.from = w.in ? w.in + offset_of(other, (index_t)p.line) : w.keys + p.line * l.n;
  p.from += p.first * p.stride;
  p.totals = totals + (p.line * PASSES + pass) * DIGITS;
  p.told = told + ((p.line * tiles + p.tile) * DIGITS + threadIdx.x);
  p.last = p.tile + 1 == tiles;
  if (p.count == TILE && p.stride == 1 && (!w.out || l.inner == 1)) {
    sweep_piece<true>(s, w, l, p, (int)pass);
  } else {
    sweep_piece<false>(s, w, l, p, (int)pass);
  }
}
