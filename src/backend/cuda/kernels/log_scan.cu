/* Running logarithms of sums of exponentials along one axis, of floats of 16 and 32 bits: what scan.cu
   makes of other operations.

   Exponentials are summed, and each result is the logarithm of a sum: one exponential and one
   logarithm for each element, where joining logarithms would take several of both. Doubles of a sum
   have room for e^-550 beside e^550, which is what elements of a line usually are within of its first;
   the unit of a line's sums is a power of two beside e^first, where that is far from 1.

   Elements further away are joined as logarithms in double (scalar.cuh), by all of their warp
   (`part_slowly`, `write_slowly`). So are those of a warp one of whose results is near 0: of one element
   that outweighs the others such a result has to keep its digits, which a sum near 1 has not.

   Exponentials are right to 50 bits, as sums may come near 1 where their elements did not, and logarithms
   to 37, since they are rounded to 24 at once.

   What comes before the first element is -inf, the logarithm of a sum of nothing. */

#include "types.cuh"
#include "scalar.cuh"
#include "totals.cuh"
#include "log_total.cuh"
#include "scan.cuh"

/* ---- elements ---- */

enum {
  EACH = 16, /* elements of a thread, as ops/scan.c has them */
  K = 8,     /* neighbours among them */
  FEW = 4,   /* that are worked on at a time */
  ROUNDS = EACH / K,
  OF_WARP = 32 * EACH
};

/* What a line's sums are in: elements within REACH of `middle` are. The upper halves of doubles from
   one_from on are those of sums within SMALL of 1, so many as `ones`; none are where 1 is out of reach. */
struct scale {
  float middle;
  int unit;
  u32 one_from, ones;
};

INLINE scale scale_of(float first) {
  const float size = fabsf(first);
  scale s;
  s.middle = size > 256 && size < 262144 ? first : 0;
  s.unit = __double2loint(turns(s.middle));
  s.one_from = 0x3fefe000u - ((u32)s.unit << 20);
  s.ones = fabsf(s.middle) < REACH ? 0x3000 : 0;
  return s;
}

INLINE scale scale_of(const WR_A *in, const lines_of &l) {
  return scale_of((float)load<WR_A>(in[along(l, 0) * l.stride]));
}

INLINE bool is_near_one(double sum, const scale &s) {
  return (u32)high_of(sum) - s.one_from < s.ones;
}
INLINE bool is_in_reach(float x, const scale &s) { return fabsf(x - s.middle) < REACH; }

/* Round r of a lane's elements. */
INLINE i64 place_of_round(int r) { return (r * 32 + threadIdx.x % 32) * K; }

/* A warp's part of a line, `first` its first element. */
struct part {
  const WR_A *in;
  WR_A *out;
  i64 first;
  scale scaled_by;
};

/* The first of a lane's FEW elements from its i-th on. */
INLINE i64 place_of(const part &p, int i) { return p.first + place_of_round(i / K) + i % K; }

/* FEW elements; past the line's end, the logarithms of nothing. */
template <bool PACKED>
INLINE void read(float *x, const part &p, const lines_of &l, i64 at) {
  if (PACKED && at + FEW <= l.n) {
    const pack<WR_A, FEW> raw =
        *(const pack<WR_A, FEW> *)(p.in + (l.reverse ? l.n - FEW - at : at));
#pragma unroll
    for (int k = 0; k < FEW; k++) x[k] = load<WR_A>(l.reverse ? raw.e[FEW - 1 - k] : raw.e[k]);
    return;
  }
#pragma unroll
  for (int k = 0; k < FEW; k++) {
    x[k] = at + k < l.n ? (float)load<WR_A>(p.in[along(l, at + k) * l.stride]) : -infinity_like(0.0f);
  }
}

template <bool PACKED>
INLINE void write(const part &p, const lines_of &l, i64 at, const pack<WR_A, FEW> &out) {
  if (PACKED && at + FEW <= l.n) {
    pack<WR_A, FEW> raw;
#pragma unroll
    for (int k = 0; k < FEW; k++) raw.e[k] = l.reverse ? out.e[FEW - 1 - k] : out.e[k];
    *(pack<WR_A, FEW> *)(p.out + (l.reverse ? l.n - FEW - at : at)) = raw;
    return;
  }
#pragma unroll
  for (int k = 0; k < FEW; k++) {
    if (at + k < l.n) p.out[along(l, at + k) * l.inner] = out.e[k];
  }
}

/* ---- slowly, element by element ---- */

INLINE double element(const part &p, const lines_of &l, i64 at) {
  return at < l.n ? (double)load<WR_A>(p.in[along(l, at) * l.stride]) : -infinity();
}

/* What the lane's elements of a round come to. */
INLINE double round_of_lane(const part &p, const lines_of &l, int r) {
  const i64 at = p.first + place_of_round(r);
  double mine = element(p, l, at);
#pragma unroll 1
  for (int k = 1; k < K; k++) mine = join_logarithms(mine, element(p, l, at + k));
  return mine;
}

/* What the part comes to. Leaves in `before` the logarithm of what each of its rounds has before it, THREADS
   apart. */
__device__ __noinline__ total_t part_slowly(double *before, const part &p, const lines_of &l) {
  double sum = -infinity();
#pragma unroll 1
  for (int r = 0; r < ROUNDS; r++) {
    const double upto = join_logarithms_of_lanes(round_of_lane(p, l, r));
    const double lower = __shfl_up_sync(~0u, upto, 1), round = __shfl_sync(~0u, upto, 31);
    before[r * THREADS] = threadIdx.x % 32 == 0 ? sum : r == 0 ? lower : join_logarithms(sum, lower);
    sum = r == 0 ? round : join_logarithms(sum, round);
  }
  return as_total(sum, p.scaled_by.unit);
}

/* The lane's results of a round, `sum` before them if anything is. */
__device__ __noinline__ void write_round_slowly(const part &p, const lines_of &l, int r, bool any,
                                                double sum) {
  const i64 first = p.first + place_of_round(r);
#pragma unroll 1
  for (i64 at = first; at < first + K && at < l.n; at++) {
    const double x = element(p, l, at), before = any ? sum : -infinity();
    sum = any ? join_logarithms(sum, x) : x;
    any = true;
    p.out[along(l, at) * l.inner] = finish<WR_A>::of(l.inclusive ? sum : before);
  }
}

/* `carry` is what comes before the part, if anything does; `before` is as part_slowly leaves it. */
__device__ __noinline__ void write_slowly(const double *before, const part &p, const lines_of &l,
                                          bool any, double carry) {
#pragma unroll 1
  for (int r = 0; r < ROUNDS; r++) {
    const bool behind = r > 0 || threadIdx.x % 32 > 0;
    const double own = before[r * THREADS];
    const double sum = !behind ? carry : any ? join_logarithms(carry, own) : own;
    write_round_slowly(p, l, r, any || behind, sum);
  }
}

/* ---- quickly, where all are in reach ---- */

/* What a thread keeps of its elements, in shared memory: loops over few at a time are short, and what is
   not fetched as instructions again and again is done sooner. */
struct sums {
  double *own;
  bool quick; /* else there is only what each round has before it, and that is its logarithm */

  /* The sum up to element i within its round. */
  INLINE double &upto(int i) { return own[i * THREADS]; }
  /* What the part has before a round of the lane. */
  INLINE double &before(int r) { return own[(EACH + r) * THREADS]; }
};
enum { ROOM = (EACH + ROUNDS) * THREADS };

/* Returns what the part comes to. */
template <bool PACKED>
INLINE total_t join_part(sums &s, const part &p, const lines_of &l) {
  bool far = false;
  double sum = 0, run = 0;
  float next[FEW];
  read<PACKED>(next, p, l, place_of(p, 0));
#pragma unroll 1
  for (int i = 0; i < EACH; i += FEW) {
    float x[FEW];
#pragma unroll
    for (int k = 0; k < FEW; k++) x[k] = next[k];
    if (i + FEW < EACH) read<PACKED>(next, p, l, place_of(p, i + FEW));
#pragma unroll
    for (int k = 0; k < FEW; k++) {
      const bool none = x[k] == -infinity_like(0.0f);
      far |= !(none | is_in_reach(x[k], p.scaled_by));
      const double e = exponential(x[k], p.scaled_by.unit);
      run += none ? 0 : e;
      s.upto(i + k) = run;
    }
    if ((i + FEW) % K != 0) continue;
    const double upto = sum_lanes(run), lower = __shfl_up_sync(~0u, upto, 1);
    s.before(i / K) = threadIdx.x % 32 == 0 ? sum : sum + lower;
    sum += __shfl_sync(~0u, upto, 31);
    run = 0;
  }
  s.quick = !__any_sync(~0u, far) && !is_near_one(sum, p.scaled_by);
  if (!s.quick) return part_slowly(&s.before(0), p, l);
  return make_total(sum, p.scaled_by.unit, SUM);
}

/* A sum whose logarithm is a result, `before` the round. */
INLINE double sum_of(sums &s, const lines_of &l, int i, double before) {
  if (l.inclusive) return before + s.upto(i);
  return i % K == 0 ? before : before + s.upto(i - 1);
}

/* A bit for each round one of whose results is near 0. Sums grow: few rounds come by there. */
INLINE int near_ones(sums &s, const part &p, const lines_of &l, double carry) {
  int near = 0;
#pragma unroll 1
  for (int r = 0; r < ROUNDS; r++) {
    const double before = carry + s.before(r), last = before + s.upto(r * K + K - 1);
    const int from = (int)p.scaled_by.one_from, behind = from + (int)p.scaled_by.ones;
    if (from == behind || high_of(last) < from || high_of(before) >= behind) continue;
#pragma unroll 1
    for (int k = 0; k < K; k++) {
      near |= is_near_one(sum_of(s, l, r * K + k, before), p.scaled_by) << r;
    }
  }
  return near;
}

template <bool PACKED>
INLINE void write_results(sums &s, const part &p, const lines_of &l, bool any, total_t carry) {
  bool quick = s.quick && carry.kind == SUM && carry.x < infinity(); /* not so of a NaN */
  const int near = quick ? near_ones(s, p, l, carry.x) : 0;
  /* At a line's beginning a lane can see to its first results alone. */
  const bool begins = !any && threadIdx.x % 32 == 0, first_near = begins && near == 1;
  quick = quick && !__any_sync(~0u, near != 0 && !first_near);
  if (!quick) {
    if (s.quick) (void)part_slowly(&s.before(0), p, l);
    write_slowly(&s.before(0), p, l, any, value_of(carry));
    return;
  }
  if (first_near) write_round_slowly(p, l, 0, false, 0);
#pragma unroll 1
  for (int i = 0; i < EACH; i += FEW) {
    const double before = carry.x + s.before(i / K);
    pack<WR_A, FEW> out;
#pragma unroll
    for (int k = 0; k < FEW; k++) {
      const double sum = sum_of(s, l, i + k, before), y = logarithm(sum, p.scaled_by.unit);
      out.e[k] = finish<WR_A>::of(high_of(sum) == 0 ? -infinity() : y);
    }
    if (i >= K || !first_near) write<PACKED>(p, l, place_of(p, i), out);
  }
}

/* ---- the kernels ---- */

/* What the block's warps come to, and those before this one, which comes to `mine`; nothing is before
   the first. */
INLINE total_t join_warps(total_t mine, total_t &before) {
  __shared__ total_t parts[WARPS];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  if (lane == 0) parts[warp] = mine;
  __syncthreads();
  const total_t own = parts[lane % WARPS];
  before = nothing();
  if (!__any_sync(~0u, own.kind != SUM)) {
    double upto = own.x;
#pragma unroll
    for (int by = 1; by < WARPS; by *= 2) {
      const double lower = __shfl_up_sync(~0u, upto, by);
      if (lane >= by) upto += lower;
    }
    const double lower = __shfl_sync(~0u, upto, (warp + WARPS - 1) % WARPS);
    if (warp > 0) before = make_total(lower, own.unit, SUM);
    return make_total(__shfl_sync(~0u, upto, WARPS - 1), own.unit, SUM);
  }
  total_t all = parts[0];
#pragma unroll 1
  for (int w = 1; w < WARPS; w++) {
    if (w == warp) before = all;
    all = joined_slowly(all, parts[w]);
  }
  return all;
}

template <bool PACKED>
INLINE void scan_tile(WR_A *out, const WR_A *a, const told &t, const lines_of &l,
                      const layout<1> &other) {
  const u32 drawn = draw(t, l), tile = drawn / (u32)l.lines;
  const i64 line = drawn % (u32)l.lines;
  part p;
  p.in = a + offset_of(other, (index_t)line);
  p.out = out + line_start(line, l.n, l.inner);
  p.first = ((i64)tile * WARPS + threadIdx.x / 32) * OF_WARP;
  p.scaled_by = scale_of(p.in, l);
  __shared__ double room[ROOM];
  sums s;
  s.own = room + threadIdx.x;
  total_t before;
  const total_t all = join_warps(join_part<PACKED>(s, p, l), before);
  const total_t carry = carry_of(t, l, line, tile, before, all);
  write_results<PACKED>(s, p, l, tile > 0 || threadIdx.x >= 32, carry);
}

enum { BLOCKS = 4 }; /* of a multiprocessor */

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    lines(WR_A *out, const WR_A *a, told t, lines_of l, const __grid_constant__ layout<1> other) {
  scan_tile<false>(out, a, t, l, other);
}

/* Elements lie dense, lines and the ends at which they begin on 16 bytes. */
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    packed_lines(WR_A *out, const WR_A *a, told t, lines_of l,
                 const __grid_constant__ layout<1> other) {
  scan_tile<true>(out, a, t, l, other);
}

/* A warp for each line of at most OF_WARP elements. */
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    short_lines(WR_A *out, const WR_A *a, lines_of l, const __grid_constant__ layout<1> other) {
  __shared__ double room[ROOM];
  for (i64 line = (i64)blockIdx.x * WARPS + threadIdx.x / 32; line < l.lines;
       line += (i64)gridDim.x * WARPS) {
    part p;
    p.in = a + offset_of(other, (index_t)line);
    p.out = out + line_start(line, l.n, l.inner);
    p.first = 0;
    p.scaled_by = scale_of(p.in, l);
    sums s;
    s.own = room + threadIdx.x;
    (void)join_part<false>(s, p, l);
    write_results<false>(s, p, l, false, nothing());
  }
}

/* FEW elements of a thread that has a line to itself, from `first` on; `total` is what comes before. All
   are read before one is written. Returns false where they have to be joined slowly. */
INLINE bool write_few(WR_A *to, const WR_A *in, const lines_of &l, i64 first, const scale &s,
                      double &total) {
  double sum[FEW + 1];
  sum[0] = total;
  bool quick = first + FEW <= l.n && total < infinity();
#pragma unroll
  for (int k = 0; k < FEW; k++) {
    const float x = quick ? load<WR_A>(in[along(l, first + k) * l.stride]) : 0;
    const bool none = x == -infinity_like(0.0f);
    const double e = exponential(x, s.unit);
    sum[k + 1] = sum[k] + (none ? 0 : e);
    quick &= (none | is_in_reach(x, s)) & !is_near_one(sum[k + 1], s);
  }
  if (!quick) return false;
#pragma unroll
  for (int k = 0; k < FEW; k++) {
    const double x = sum[k + l.inclusive], y = logarithm(x, s.unit);
    to[along(l, first + k) * l.inner] = finish<WR_A>::of(high_of(x) == 0 ? -infinity() : y);
  }
  total = sum[FEW];
  return true;
}

/* COUNT elements slowly, to the line's end at most. */
template <int COUNT>
__device__ __noinline__ double write_column_slowly(WR_A *to, const WR_A *in, const lines_of &l,
                                                   i64 first, double total) {
#pragma unroll 1
  for (i64 i = first; i < first + COUNT && i < l.n; i++) {
    const i64 at = along(l, i);
    const double x = load<WR_A>(in[at * l.stride]), before = i > 0 ? total : -infinity();
    total = i > 0 ? join_logarithms(total, x) : x;
    to[at * l.inner] = finish<WR_A>::of(l.inclusive ? total : before);
  }
  return total;
}

enum { SLOW = 4 * FEW }; /* at a time, so that it costs little to have tried them quickly */

extern "C" __global__ void columns(WR_A *out, const WR_A *a, lines_of l,
                                   const __grid_constant__ layout<1> other) {
  for (i64 line = thread_index(); line < l.lines; line += thread_count()) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    WR_A *to = out + line_start(line, l.n, l.inner);
    const scale s = scale_of(in, l);
    total_t total = make_total(0, s.unit, SUM);
    i64 i = 0;
    while (i < l.n) {
      if (total.kind == SUM && write_few(to, in, l, i, s, total.x)) {
        i += FEW;
      } else {
        total = as_total(write_column_slowly<SLOW>(to, in, l, i, value_of(total)), s.unit);
        i += SLOW;
      }
    }
  }
}

/* ---- 32 lines side by side to a block, whose warps have TALL_ROWS elements of each at a time ---- */

enum { TALL_WARPS = 16, TALL_ROWS = 8, LINES_OF_WARP = 32 / TALL_WARPS };

/* A lane's part of them: its line's elements from `first` on. The next are on their way while these are
   joined. */
struct rows_of {
  WR_A x[TALL_ROWS];

  INLINE void read(const WR_A *in, const lines_of &l, i64 first) {
#pragma unroll
    for (int r = 0; r < TALL_ROWS; r++) {
      if (first + r < l.n) x[r] = in[along(l, first + r) * l.stride];
    }
  }
};

/* What is known of them. Of a result near 0 only an element that is near 0 too can outweigh the others
   that it is made of: it is in the stretch, or what comes before is the logarithm that kept it. So sums
   near 1 of other elements, which are as usual as any sum of few, need no care. */
struct stretch {
  double upto[TALL_ROWS];
  bool quick, near_zero;
};

INLINE bool ends_near_one(const stretch &e, double sum, const scale &s) {
  return e.near_zero && is_near_one(sum, s);
}

/* What elements from `first` on come to. */
__device__ __noinline__ total_t stretch_slowly(const WR_A *in, const lines_of &l, i64 first, int unit) {
  double sum = -infinity();
#pragma unroll 1
  for (i64 i = first; i < first + TALL_ROWS && i < l.n; i++) {
    const double x = load<WR_A>(in[along(l, i) * l.stride]);
    sum = i > first ? join_logarithms(sum, x) : x;
  }
  return as_total(sum, unit);
}

INLINE total_t join_stretch(stretch &e, const rows_of &own, const WR_A *in, const lines_of &l,
                            i64 first, const scale &s) {
  double sum = 0;
  bool far = false;
  e.near_zero = false;
#pragma unroll
  for (int r = 0; r < TALL_ROWS; r++) {
    const float x = first + r < l.n ? (float)load<WR_A>(own.x[r]) : -infinity_like(0.0f);
    const bool none = x == -infinity_like(0.0f);
    const double y = exponential(x, s.unit);
    far |= !(none | is_in_reach(x, s));
    e.near_zero |= fabsf(x) < 2 * (float)SMALL;
    sum += none ? 0 : y;
    e.upto[r] = sum;
  }
  e.quick = !far;
  if (far || ends_near_one(e, sum, s)) return stretch_slowly(in, l, first, s.unit);
  return make_total(sum, s.unit, SUM);
}

/* A sum whose logarithm is a result. */
INLINE double sum_of(const stretch &e, bool inclusive, int r, double before) {
  if (inclusive) return before + e.upto[r];
  return r == 0 ? before : before + e.upto[r - 1];
}

/* The results from `first` on; `carry` is what comes before. The first element is a result as it is. */
INLINE void write_stretch(WR_A *to, const stretch &e, const rows_of &own, const WR_A *in,
                          const lines_of &l, i64 first, const scale &s, const total_t &carry) {
  const int alone = first > 0 ? -1 : l.inclusive ? 0 : 1;
  bool quick = e.quick && carry.kind == SUM && carry.x < infinity();
#pragma unroll
  for (int r = 0; r < TALL_ROWS; r++) {
    quick &= r == alone || !ends_near_one(e, sum_of(e, l.inclusive, r, carry.x), s);
  }
  if (!quick) {
    write_column_slowly<TALL_ROWS>(to, in, l, first, value_of(carry));
    return;
  }
#pragma unroll
  for (int r = 0; r < TALL_ROWS; r++) {
    const double sum = sum_of(e, l.inclusive, r, carry.x), y = logarithm(sum, s.unit);
    WR_A out = finish<WR_A>::of(high_of(sum) == 0 ? -infinity() : y);
    if (r < 2 && r == alone) out = own.x[0];
    if (first + r < l.n) to[along(l, first + r) * l.inner] = out;
  }
}

/* What warps have of each line, and what comes before that: each warp joins those of some lines.
   `carried` is what these came to before. All threads of the block come here. */
INLINE total_t before_stretch(const total_t &mine, total_t *carried) {
  __shared__ total_t all[TALL_WARPS][32 + 1];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  all[warp][lane] = mine;
  __syncthreads();
#pragma unroll
  for (int k = 0; k < LINES_OF_WARP; k++) {
    const int line = warp + k * TALL_WARPS;
    const total_t upto = join_lanes(lane < TALL_WARPS ? all[lane][line] : nothing());
    const total_t lower = shuffle_up(upto, 1);
    if (lane < TALL_WARPS) all[lane][line] = lane == 0 ? carried[k] : join(carried[k], lower);
    carried[k] = join(carried[k], shuffle(upto, 31));
  }
  __syncthreads();
  return all[warp][lane];
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
    const scale s = own.n > 0 ? scale_of(in, l) : scale_of(0.0f);
    i64 first = threadIdx.x / 32 * TALL_ROWS;
    total_t carried[LINES_OF_WARP];
#pragma unroll
    for (int k = 0; k < LINES_OF_WARP; k++) carried[k] = nothing();
    rows_of now, next;
    now.read(in, own, first);
    for (i64 done = 0; done < l.n; done += apart, first += apart) {
      stretch e;
      next.read(in, own, first + apart);
      const total_t mine = join_stretch(e, now, in, own, first, s);
      write_stretch(to, e, now, in, own, first, s, before_stretch(mine, carried));
      now = next;
    }
  }
}
