/* Scans of WR_A along one axis by WR_OP: add, multiply, maximum, minimum, logaddexp. Whole numbers
   wrap in 64 bits; floats of 16 and 32 bits and double are joined in double, complex64 in two
   doubles, and rounded once for each result. What comes before the first element is the total of
   nothing: 0, 1, the type's least or greatest value, -inf.

   A line is cut into tiles, a block to each (`lines`, by packs of 16 bytes `packed_lines` and
   `packed_tiles`), which tell each other what they come to (scan.cuh).

   Lines of few elements have a warp each (`short_lines`); many lines side by side in memory have a
   thread each, in `columns`, or where they are too few for that, a block for 32 of them, in
   `tall_columns`. */

#include "types.cuh"
#include "scalar.cuh"
#include "blocks.cuh"
#include "matrices.cuh"
#include "totals.cuh"

/* ---- totals ---- */

typedef total_of<WR_A>::type total_t;

INLINE total_t widened(WR_A x) { return element_as<total_t>::of(x); }

/* ---- what joins them; those of single numbers are in scalar.cuh ---- */

INLINE z128 op_add(z128 a, z128 b) { return make_z128(a.re + b.re, a.im + b.im); }
INLINE z128 op_multiply(z128 a, z128 b) {
  return make_z128(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
}
INLINE bool is_nan(z128 x) { return x.re != x.re || x.im != x.im; }
INLINE bool is_less(z128 a, z128 b) { return a.re < b.re || (a.re == b.re && a.im < b.im); }
INLINE z128 op_maximum(z128 a, z128 b) { return is_nan(a) || is_less(b, a) ? a : b; }
INLINE z128 op_minimum(z128 a, z128 b) { return is_nan(a) || is_less(a, b) ? a : b; }
/* log(e^a + e^b) from the one that is greater in the order of complex numbers. */
INLINE z128 op_logaddexp(z128 a, z128 b) {
  const z128 most = op_maximum(a, b), least = op_minimum(a, b);
  if (is_nan(most)) return make_z128(most.re + most.im, most.re + most.im);
  if (op_isneginf(least.re) || op_isposinf(most.re)) return most;
  const z128 e = z_exp(make_z128(least.re - most.re, least.im - most.im));
  const double square = e.re * (2 + e.re) + e.im * e.im;
  const double size = square < -0.5 ? log(hypot(1 + e.re, e.im)) : 0.5 * log1p(square);
  return make_z128(most.re + size, most.im + atan2(e.im, 1 + e.re));
}

/* One copy of what is long, whose compilation would take as many seconds as there are copies. */
struct length_op_add {
  enum { LONG = 0 };
};
struct length_op_multiply : length_op_add {};
struct length_op_maximum : length_op_add {};
struct length_op_minimum : length_op_add {};
struct length_op_logaddexp {
  enum { LONG = 1 };
};
#define LENGTH(op) length_##op
#define LENGTH_OF(op) LENGTH(op)

__device__ __noinline__ total_t join_by_call(total_t a, total_t b) { return WR_OP(a, b); }

INLINE total_t join(total_t a, total_t b) {
  return LENGTH_OF(WR_OP)::LONG ? join_by_call(a, b) : WR_OP(a, b);
}

/* ---- the totals of nothing ---- */

/* As totals; cut to the element's width they are its type's. */
template <class E, class T>
struct ends {
  static INLINE T least() { return is_signed<E>::value ? (T)(~(u64)0 << (8 * sizeof(E) - 1)) : 0; }
  static INLINE T most() { return ~least(); }
};
template <class E>
struct ends<E, double> {
  static INLINE double most() { return __longlong_as_double(0x7ff0000000000000ll); }
  static INLINE double least() { return -most(); }
};
template <class E>
struct ends<E, z128> {
  static INLINE z128 most() {
    const double inf = ends<E, double>::most();
    return make_z128(inf, inf);
  }
  static INLINE z128 least() { return make_z128(-most().re, -most().re); }
};
template <>
struct is_signed<b8> {
  static const bool value = false;
};

template <class T>
struct number {
  static INLINE T of(double x) { return (T)x; }
};
template <>
struct number<z128> {
  static INLINE z128 of(double x) { return make_z128(x, 0); }
};

typedef ends<WR_A, total_t> ends_of;

struct nothing_op_add {
  static INLINE total_t of() { return number<total_t>::of(0); }
};
struct nothing_op_multiply {
  static INLINE total_t of() { return number<total_t>::of(1); }
};
struct nothing_op_maximum {
  static INLINE total_t of() { return ends_of::least(); }
};
struct nothing_op_minimum {
  static INLINE total_t of() { return ends_of::most(); }
};
struct nothing_op_logaddexp {
  static INLINE total_t of() { return number<total_t>::of(-ends<WR_A, double>::most()); }
};

/* What changes no element it is joined with, where elements are joined one by one: of a sum -0, as 0
   would change that. */
template <class T>
struct minus_zero {
  static INLINE T of() { return (T)-0.0; }
};
template <>
struct minus_zero<z128> {
  static INLINE z128 of() { return make_z128(-0.0, -0.0); }
};
struct neutral_op_add {
  static INLINE total_t of() { return minus_zero<total_t>::of(); }
};
struct neutral_op_multiply : nothing_op_multiply {};
struct neutral_op_maximum : nothing_op_maximum {};
struct neutral_op_minimum : nothing_op_minimum {};
struct neutral_op_logaddexp : nothing_op_logaddexp {};
#define NEUTRAL(op) neutral_##op
#define NEUTRAL_OF(op) NEUTRAL(op)
INLINE total_t neutral() { return NEUTRAL_OF(WR_OP)::of(); }

#define NOTHING(op) nothing_##op
#define NOTHING_OF(op) NOTHING(op)
INLINE total_t nothing() { return NOTHING_OF(WR_OP)::of(); }

/* ---- the kernels ---- */

/* What the lanes up to this one come to. */
INLINE total_t join_lanes(total_t mine) {
#pragma unroll
  for (int by = 1; by < 32; by *= 2) {
    const total_t lower = shuffle_up(mine, by);
    if (threadIdx.x % 32 >= by) mine = join(lower, mine);
  }
  return mine;
}

#include "scan.cuh"

/* As ops/scan.c has them. */
enum {
  EACH = sizeof(WR_A) == 8 ? 8 : 16, /* elements of a thread, in registers */
  FEW_PACKS = 4,                     /* of 16 bytes, in shared memory */
  MANY_PACKS = 8
};

enum {
  K = 16 / sizeof(WR_A),
  OF_WARP = 32 * EACH,
  BLOCKS = sizeof(total_t) == 8 ? 6 : 2, /* of a multiprocessor */
  WAITING_BLOCKS = sizeof(total_t) == 8 ? 5 : 2
};

/* Round r of a lane's elements: K neighbours. */
INLINE i64 element(int r) { return (r * 32 + threadIdx.x % 32) * K; }

/* A warp's part of a line. Its elements go by rounds, of which each lane has K neighbours: `before` is
   what the warp has before these, which is nothing in the first round of lane 0. */

/* Elements in registers: of any place, and not all need be there. */
struct some {
  enum { ROUNDS = EACH / K, SIZE = EACH * 32 };
  WR_A x[EACH];
  total_t before[ROUNDS];
  i64 count;

  INLINE void read(const WR_A *in, const lines_of &l, i64 first) {
    count = l.n - first;
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      const i64 at = element(i / K) + i % K;
      if (at < count) x[i] = in[along(l, first + at) * l.stride];
    }
  }
  /* Past the line's end there is nothing. */
  INLINE void values(int r, const lines_of &, total_t *to) const {
#pragma unroll
    for (int k = 0; k < K; k++) to[k] = element(r) + k < count ? widened(x[r * K + k]) : nothing();
  }
  INLINE void write(WR_A *to, int r, const lines_of &l, i64 first, const pack<WR_A, K> &out) const {
#pragma unroll
    for (int k = 0; k < K; k++) {
      const i64 at = element(r) + k;
      if (at < count) to[along(l, first + at) * l.inner] = out.e[k];
    }
  }
};

/* Packs in shared memory, where each thread has places for its own, so that many are on their way while
   few registers are taken. They lie dense, on 16 bytes; only a line's last part may not be whole. */
template <int N>
struct packs {
  enum { ROUNDS = N, SIZE = N * K * 32 };
  pack<WR_A, K> *own;
  total_t before[ROUNDS];
  i64 count;

  static INLINE i64 place(int r, const lines_of &l, i64 first) {
    const i64 at = first + element(r);
    return l.reverse ? l.n - K - at : at;
  }
  static INLINE int in_pack(const lines_of &l, int k) { return l.reverse ? K - 1 - k : k; }
  INLINE bool has(int r) const { return element(r) + K <= count; }
  /* Past the line's end there is nothing, which all types have as an element. */
  INLINE void read(const WR_A *in, const lines_of &l, i64 first) {
    count = l.n - first;
#pragma unroll
    for (int r = 0; r < ROUNDS; r++) {
      if (has(r)) {
        copy_16(own + r * THREADS, in + place(r, l, first), true);
      } else {
        for (int k = 0; k < K; k++) {
          const i64 at = element(r) + k;
          own[r * THREADS].e[in_pack(l, k)] =
              at < count ? in[along(l, first + at)] : finish<WR_A>::of(nothing());
        }
      }
    }
    copies_commit();
    copies_wait<0>();
  }
  INLINE void values(int r, const lines_of &l, total_t *to) const {
    const pack<WR_A, K> raw = own[r * THREADS];
#pragma unroll
    for (int k = 0; k < K; k++) to[k] = widened(l.reverse ? raw.e[K - 1 - k] : raw.e[k]);
  }
  INLINE void write(WR_A *to, int r, const lines_of &l, i64 first, const pack<WR_A, K> &out) const {
    if (has(r)) {
      pack<WR_A, K> raw;
#pragma unroll
      for (int k = 0; k < K; k++) raw.e[k] = l.reverse ? out.e[K - 1 - k] : out.e[k];
      *(pack<WR_A, K> *)(to + place(r, l, first)) = raw;
    } else {
#pragma unroll
      for (int k = 0; k < K; k++) {
        if (element(r) + k < count) to[along(l, first + element(r) + k)] = out.e[k];
      }
    }
  }
};

/* Returns what the part comes to. */
template <class PART>
INLINE total_t join_part(PART &p, const lines_of &l) {
  total_t sum;
#pragma unroll
  for (int r = 0; r < PART::ROUNDS; r++) {
    total_t x[K];
    p.values(r, l, x);
    total_t mine = x[0];
#pragma unroll
    for (int k = 1; k < K; k++) mine = join(mine, x[k]);
    const total_t upto = join_lanes(mine), lower = shuffle_up(upto, 1);
    const total_t round = shuffle(upto, 31);
    if (r == 0) {
      p.before[r] = lower;
      sum = round;
    } else {
      p.before[r] = threadIdx.x % 32 == 0 ? sum : join(sum, lower);
      sum = join(sum, round);
    }
  }
  return sum;
}

/* `carry` is what comes before the part, if anything does. */
template <class PART>
INLINE void write_results(const PART &p, WR_A *to, const lines_of &l, i64 first, bool any,
                          total_t carry) {
#pragma unroll
  for (int r = 0; r < PART::ROUNDS; r++) {
    pack<WR_A, K> out;
    total_t x[K];
    p.values(r, l, x);
    const bool round = r > 0 || threadIdx.x % 32 > 0;
    total_t sum = p.before[r];
    if (any) sum = round ? join(carry, sum) : carry;
    bool some_before = any || round;
#pragma unroll
    for (int k = 0; k < K; k++) {
      const total_t before = some_before ? sum : nothing();
      sum = some_before ? join(sum, x[k]) : x[k];
      some_before = true;
      out.e[k] = finish<WR_A>::of(l.inclusive ? sum : before);
    }
    p.write(to, r, l, first, out);
  }
}

/* What the block's warps come to, and those before this one, which comes to `mine`. */
INLINE total_t join_warps(total_t mine, total_t &before) {
  __shared__ total_t sums[WARPS];
  const int warp = threadIdx.x / 32;
  if (threadIdx.x % 32 == 0) sums[warp] = mine;
  __syncthreads();
  total_t all = sums[0];
  before = mine;
#pragma unroll
  for (int w = 1; w < WARPS; w++) {
    if (w == warp) before = all;
    all = join(all, sums[w]);
  }
  return all;
}

INLINE total_t carry_of(const told &t, const lines_of &l, i64 line, u32 tile, total_t mine) {
  total_t before;
  const total_t all = join_warps(mine, before);
  return carry_of(t, l, line, tile, before, all);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    lines(WR_A *out, const WR_A *a, told t, lines_of l, const __grid_constant__ layout<1> other) {
  const u32 drawn = draw(t, l), tile = drawn / (u32)l.lines;
  const i64 line = drawn % (u32)l.lines;
  const i64 first = ((i64)tile * WARPS + threadIdx.x / 32) * some::SIZE;
  some p;
  p.read(a + offset_of(other, (index_t)line), l, first);
  const total_t carry = carry_of(t, l, line, tile, join_part(p, l));
  write_results(p, out + line_start(line, l.n, l.inner), l, first,
                       tile > 0 || threadIdx.x >= 32, carry);
}

/* Elements lie dense, lines and the ends at which they begin on 16 bytes. */
template <int N>
INLINE void scan_packs(WR_A *out, const WR_A *a, const told &t, const lines_of &l,
                       const layout<1> &other) {
  __shared__ pack<WR_A, K> room[N * THREADS];
  const u32 drawn = draw(t, l), tile = drawn / (u32)l.lines;
  const i64 line = drawn % (u32)l.lines;
  const i64 first = ((i64)tile * WARPS + threadIdx.x / 32) * packs<N>::SIZE;
  WR_A *to = out + line_start(line, l.n, l.inner);
  const bool any = tile > 0 || threadIdx.x >= 32;
  packs<N> p;
  p.own = room + threadIdx.x;
  p.read(a + offset_of(other, (index_t)line), l, first);
  const total_t carry = carry_of(t, l, line, tile, join_part(p, l));
  asm volatile("" ::: "memory"); /* elements are read again, not kept in registers */
  write_results(p, to, l, first, any, carry);
}

/* Lines of one tile. */
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    packed_lines(WR_A *out, const WR_A *a, told t, lines_of l,
                 const __grid_constant__ layout<1> other) {
  scan_packs<FEW_PACKS>(out, a, t, l, other);
}

/* Of more, which wait for each other: the more of the line is on its way, the less that costs. */
extern "C" __global__ void __launch_bounds__(THREADS, WAITING_BLOCKS)
    packed_tiles(WR_A *out, const WR_A *a, told t, lines_of l,
                 const __grid_constant__ layout<1> other) {
  scan_packs<MANY_PACKS>(out, a, t, l, other);
}

/* A warp for each line of at most OF_WARP elements. */
extern "C" __global__ void __launch_bounds__(THREADS)
    short_lines(WR_A *out, const WR_A *a, lines_of l, const __grid_constant__ layout<1> other) {
  for (i64 line = (i64)blockIdx.x * WARPS + threadIdx.x / 32; line < l.lines;
       line += (i64)gridDim.x * WARPS) {
    some p;
    p.read(a + offset_of(other, (index_t)line), l, 0);
    (void)join_part(p, l);
    write_results(p, out + line_start(line, l.n, l.inner), l, 0, false, nothing());
  }
}

extern "C" __global__ void columns(WR_A *out, const WR_A *a, lines_of l,
                                   const __grid_constant__ layout<1> other) {
  for (i64 line = thread_index(); line < l.lines; line += thread_count()) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    WR_A *to = out + line_start(line, l.n, l.inner);
    total_t total = neutral();
    for (i64 i = 0; i < l.n; i++) {
      const i64 at = along(l, i);
      const total_t before = i > 0 ? total : nothing();
      total = join(total, widened(in[at * l.stride]));
      to[at * l.inner] = finish<WR_A>::of(l.inclusive ? total : before);
    }
  }
}

/* Of 32 lines side by side a block's warps have TALL_ROWS elements each at a time. The next are on
   their way while these are joined. */
enum { TALL_WARPS = 32, TALL_ROWS = sizeof(WR_A) == 8 ? 4 : 8 };

/* A lane's part of them: its line's elements from `first` on. */
struct stretch {
  WR_A x[TALL_ROWS];

  INLINE void read(const WR_A *in, const lines_of &l, i64 first) {
#pragma unroll
    for (int r = 0; r < TALL_ROWS; r++) {
      if (first + r < l.n) x[r] = in[along(l, first + r) * l.stride];
    }
  }
  INLINE total_t total(const lines_of &l, i64 first) const {
    total_t all = neutral();
#pragma unroll
    for (int r = 0; r < TALL_ROWS; r++) {
      if (first + r < l.n) all = join(all, widened(x[r]));
    }
    return all;
  }
  /* `sum` is what comes before. */
  INLINE void write(WR_A *to, const lines_of &l, i64 first, total_t sum) const {
#pragma unroll
    for (int r = 0; r < TALL_ROWS; r++) {
      if (first + r >= l.n) continue;
      const total_t before = first + r > 0 ? sum : nothing();
      sum = join(sum, widened(x[r]));
      to[along(l, first + r) * l.inner] = finish<WR_A>::of(l.inclusive ? sum : before);
    }
  }
};

/* What warps have of each line, and what comes before that: a warp joins those of the line of its
   number. `carried` is what that line came to before. All threads of the block come here. */
INLINE total_t before_stretch(total_t mine, total_t &carried) {
  __shared__ total_t sums[TALL_WARPS][32 + 1];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  sums[warp][lane] = mine;
  __syncthreads();
  const total_t upto = join_lanes(sums[lane][warp]), lower = shuffle_up(upto, 1);
  sums[lane][warp] = lane == 0 ? carried : join(carried, lower);
  carried = join(carried, shuffle(upto, 31));
  __syncthreads();
  return sums[warp][lane];
}

extern "C" __global__ void __launch_bounds__(TALL_WARPS * 32)
    tall_columns(WR_A *out, const WR_A *a, lines_of l, const __grid_constant__ layout<1> other) {
  const i64 of_run = (l.inner + 31) / 32, blocks = l.lines / l.inner * of_run;
  const i64 apart = TALL_WARPS * TALL_ROWS;
  for (i64 b = blockIdx.x; b < blocks; b += gridDim.x) {
    const i64 at = b % of_run * 32 + threadIdx.x % 32, line = b / of_run * l.inner + at;
    /* A lane without a line goes with the others, and has no elements. */
    lines_of own = l;
    if (at >= l.inner) own.n = 0;
    const WR_A *in = at < l.inner ? a + offset_of(other, (index_t)line) : a;
    WR_A *to = at < l.inner ? out + line_start(line, l.n, l.inner) : out;
    i64 first = threadIdx.x / 32 * TALL_ROWS;
    total_t carried = neutral();
    stretch now, next;
    now.read(in, own, first);
    for (i64 done = 0; done < l.n; done += apart, first += apart) {
      next.read(in, own, first + apart);
      now.write(to, own, first, before_stretch(now.total(own, first), carried));
      now = next;
    }
  }
}
