/* Running sums along one axis: WR_A to WR_B. Whole numbers wrap; floats of 16 and 32 bits and
   double add up in double, complex64 in two doubles, and are rounded once for each result.

   A block walks its line in chunks. Few long lines are cut into segments (y): `totals` adds each
   up, `carries` makes of the totals what comes before each segment, and `lines` starts from that.
   Many lines side by side in memory go one thread each, in `columns`. */

#include "types.cuh"

template <class E>
struct kinds {
  typedef u64 sum;
};
template <>
struct kinds<f16> {
  typedef double sum;
};
template <>
struct kinds<bf16> {
  typedef double sum;
};
template <>
struct kinds<float> {
  typedef double sum;
};
template <>
struct kinds<double> {
  typedef double sum;
};
template <>
struct kinds<c64> {
  typedef z128 sum;
};

typedef kinds<WR_A>::sum sum_t;

INLINE u64 add(u64 a, u64 b) { return a + b; }
INLINE double add(double a, double b) { return a + b; }
INLINE z128 add(z128 a, z128 b) { return make_z128(a.re + b.re, a.im + b.im); }

template <class S>
struct sum_as {
  template <class E>
  static INLINE S of(E x) {
    return (S)load<E>(x);
  }
};
template <>
struct sum_as<z128> {
  static INLINE z128 of(c64 x) { return widen(x); }
};

INLINE sum_t widened(WR_A x) { return sum_as<sum_t>::of(x); }

template <class E>
struct written {
  static INLINE E of(sum_t x) { return (E)x; }
};
template <>
struct written<b8> {
  static INLINE b8 of(u64 x) { return store_as<b8>::of(x); }
};
template <>
struct written<f16> {
  static INLINE f16 of(double x) { return to_f16(x); }
};
template <>
struct written<bf16> {
  static INLINE bf16 of(double x) { return to_bf16(x); }
};
template <>
struct written<c64> {
  static INLINE c64 of(z128 x) { return narrow(x); }
};

INLINE sum_t zero() {
  union {
    u32 w[sizeof(sum_t) / 4];
    sum_t s;
  } u;
#pragma unroll
  for (int i = 0; i < (int)(sizeof(sum_t) / 4); i++) u.w[i] = 0;
  return u.s;
}

struct lines_of {
  i64 lines;
  i64 n;      /* extent of the axis */
  i64 stride; /* of the input along it */
  i64 inner;  /* of the result */
  i64 reverse, inclusive;
  i64 segment; /* elements */
};

enum { THREADS = 256, EACH = 8, CHUNK = THREADS * EACH };

/* The sum of what lower threads have; *whole receives that of all. */
INLINE sum_t sum_before(sum_t mine, sum_t *whole) {
  __shared__ sum_t all[2][THREADS];
  int now = 0;
  __syncthreads();
  all[0][threadIdx.x] = mine;
  __syncthreads();
  for (int by = 1; by < THREADS; by *= 2) {
    sum_t s = all[now][threadIdx.x];
    if ((int)threadIdx.x >= by) s = add(all[now][threadIdx.x - by], s);
    all[1 - now][threadIdx.x] = s;
    now = 1 - now;
    __syncthreads();
  }
  *whole = all[now][THREADS - 1];
  return threadIdx.x == 0 ? zero() : all[now][threadIdx.x - 1];
}

INLINE i64 along(const lines_of &l, i64 i) { return l.reverse ? l.n - 1 - i : i; }

extern "C" __global__ void lines(WR_B *out, const WR_A *a, const sum_t *carries, lines_of l,
                                 layout<1> other) {
  const i64 begin = (i64)blockIdx.y * l.segment;
  const i64 end = begin + l.segment < l.n ? begin + l.segment : l.n;
  for (i64 line = blockIdx.x; line < l.lines; line += gridDim.x) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    WR_B *to = out + line_start(line, l.n, l.inner);
    sum_t carry = carries ? carries[line * gridDim.y + blockIdx.y] : zero();
    for (i64 chunk = begin; chunk < end; chunk += CHUNK) {
      const i64 first = chunk + (i64)threadIdx.x * EACH;
      sum_t x[EACH];
      sum_t mine = zero();
#pragma unroll
      for (int k = 0; k < EACH; k++) {
        x[k] = first + k < end ? widened(in[along(l, first + k) * l.stride]) : zero();
        mine = add(mine, x[k]);
      }
      sum_t whole;
      sum_t sum = add(carry, sum_before(mine, &whole));
#pragma unroll
      for (int k = 0; k < EACH; k++) {
        const sum_t before = sum;
        sum = add(sum, x[k]);
        if (first + k >= end) continue;
        to[along(l, first + k) * l.inner] = written<WR_B>::of(l.inclusive ? sum : before);
      }
      carry = add(carry, whole);
    }
  }
}

extern "C" __global__ void totals(sum_t *out, const WR_A *a, lines_of l, layout<1> other) {
  const i64 begin = (i64)blockIdx.y * l.segment;
  const i64 end = begin + l.segment < l.n ? begin + l.segment : l.n;
  for (i64 line = blockIdx.x; line < l.lines; line += gridDim.x) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    sum_t mine = zero();
    for (i64 i = begin + threadIdx.x; i < end; i += THREADS) {
      mine = add(mine, widened(in[along(l, i) * l.stride]));
    }
    sum_t whole;
    sum_before(mine, &whole);
    if (threadIdx.x == 0) out[line * gridDim.y + blockIdx.y] = whole;
  }
}

/* A thread per line: each segment's total becomes the sum of those before it. */
extern "C" __global__ void carries(sum_t *totals, i64 lines, i64 segments) {
  for (i64 line = thread_index(); line < lines; line += thread_count()) {
    sum_t sum = zero();
    for (i64 s = 0; s < segments; s++) {
      const sum_t next = add(sum, totals[line * segments + s]);
      totals[line * segments + s] = sum;
      sum = next;
    }
  }
}

extern "C" __global__ void columns(WR_B *out, const WR_A *a, lines_of l, layout<1> other) {
  for (i64 line = thread_index(); line < l.lines; line += thread_count()) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    WR_B *to = out + line_start(line, l.n, l.inner);
    sum_t sum = zero();
    for (i64 i = 0; i < l.n; i++) {
      const i64 at = along(l, i);
      const sum_t before = sum;
      sum = add(sum, widened(in[at * l.stride]));
      to[at * l.inner] = written<WR_B>::of(l.inclusive ? sum : before);
    }
  }
}
