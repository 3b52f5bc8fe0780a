/* Scans of WR_A along one axis by WR_OP: add, multiply, maximum, minimum, logaddexp. Whole numbers
   wrap in 64 bits; floats of 16 and 32 bits and double are joined in double, complex64 in two
   doubles, and rounded once for each result. What comes before the first element is the total of
   nothing: 0, 1, the type's least or greatest value, -inf.

   A block walks its line in chunks. Few long lines are cut into segments (y): `totals` joins the
   elements of each, `carries` makes of the totals what comes before each segment, and `lines` starts
   from that. Many lines side by side in memory go one thread each, in `columns`. */

#include "types.cuh"
#include "scalar.cuh"

/* ---- totals ---- */

template <class E>
struct kinds {
  typedef i64 total;
};
template <>
struct kinds<b8> {
  typedef u64 total;
};
template <>
struct kinds<u8> : kinds<b8> {};
template <>
struct kinds<u16> : kinds<b8> {};
template <>
struct kinds<u32> : kinds<b8> {};
template <>
struct kinds<u64> : kinds<b8> {};
template <>
struct kinds<double> {
  typedef double total;
};
template <>
struct kinds<f16> : kinds<double> {};
template <>
struct kinds<bf16> : kinds<double> {};
template <>
struct kinds<float> : kinds<double> {};
template <>
struct kinds<c64> {
  typedef z128 total;
};

typedef kinds<WR_A>::total total_t;

template <class T>
struct total_as {
  template <class E>
  static INLINE T of(E x) {
    return (T)load<E>(x);
  }
};
template <>
struct total_as<z128> {
  static INLINE z128 of(c64 x) { return widen(x); }
};

INLINE total_t widened(WR_A x) { return total_as<total_t>::of(x); }

template <class E>
struct written {
  static INLINE E of(total_t x) { return (E)x; }
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

INLINE total_t join(total_t a, total_t b) { return WR_OP(a, b); }

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

#define NOTHING(op) nothing_##op
#define NOTHING_OF(op) NOTHING(op)
INLINE total_t nothing() { return NOTHING_OF(WR_OP)::of(); }

/* ---- the kernels ---- */

struct lines_of {
  i64 lines;
  i64 n;      /* extent of the axis */
  i64 stride; /* of the input along it */
  i64 inner;  /* of the result */
  i64 reverse, inclusive;
  i64 segment; /* elements */
};

enum { THREADS = 256, EACH = 8, CHUNK = THREADS * EACH };

/* The total of what lower threads have; *whole receives that of all. */
INLINE total_t total_before(total_t mine, total_t *whole) {
  __shared__ total_t all[2][THREADS];
  int now = 0;
  __syncthreads();
  all[0][threadIdx.x] = mine;
  __syncthreads();
  for (int by = 1; by < THREADS; by *= 2) {
    total_t s = all[now][threadIdx.x];
    if ((int)threadIdx.x >= by) s = join(all[now][threadIdx.x - by], s);
    all[1 - now][threadIdx.x] = s;
    now = 1 - now;
    __syncthreads();
  }
  *whole = all[now][THREADS - 1];
  return threadIdx.x == 0 ? nothing() : all[now][threadIdx.x - 1];
}

INLINE i64 along(const lines_of &l, i64 i) { return l.reverse ? l.n - 1 - i : i; }

extern "C" __global__ void lines(WR_A *out, const WR_A *a, const total_t *carries, lines_of l,
                                 layout<1> other) {
  const i64 begin = (i64)blockIdx.y * l.segment;
  const i64 end = begin + l.segment < l.n ? begin + l.segment : l.n;
  for (i64 line = blockIdx.x; line < l.lines; line += gridDim.x) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    WR_A *to = out + line_start(line, l.n, l.inner);
    total_t carry = carries ? carries[line * gridDim.y + blockIdx.y] : nothing();
    for (i64 chunk = begin; chunk < end; chunk += CHUNK) {
      const i64 first = chunk + (i64)threadIdx.x * EACH;
      total_t x[EACH];
      total_t mine = nothing();
#pragma unroll
      for (int k = 0; k < EACH; k++) {
        x[k] = first + k < end ? widened(in[along(l, first + k) * l.stride]) : nothing();
        mine = join(mine, x[k]);
      }
      total_t whole;
      total_t total = join(carry, total_before(mine, &whole));
#pragma unroll
      for (int k = 0; k < EACH; k++) {
        const total_t before = total;
        total = join(total, x[k]);
        if (first + k >= end) continue;
        to[along(l, first + k) * l.inner] = written<WR_A>::of(l.inclusive ? total : before);
      }
      carry = join(carry, whole);
    }
  }
}

extern "C" __global__ void totals(total_t *out, const WR_A *a, lines_of l, layout<1> other) {
  const i64 begin = (i64)blockIdx.y * l.segment;
  const i64 end = begin + l.segment < l.n ? begin + l.segment : l.n;
  for (i64 line = blockIdx.x; line < l.lines; line += gridDim.x) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    total_t mine = nothing();
    for (i64 i = begin + threadIdx.x; i < end; i += THREADS) {
      mine = join(mine, widened(in[along(l, i) * l.stride]));
    }
    total_t whole;
    total_before(mine, &whole);
    if (threadIdx.x == 0) out[line * gridDim.y + blockIdx.y] = whole;
  }
}

/* A thread per line: each segment's total becomes that of those before it. */
extern "C" __global__ void carries(total_t *totals, i64 lines, i64 segments) {
  for (i64 line = thread_index(); line < lines; line += thread_count()) {
    total_t total = nothing();
    for (i64 s = 0; s < segments; s++) {
      const total_t next = join(total, totals[line * segments + s]);
      totals[line * segments + s] = total;
      total = next;
    }
  }
}

extern "C" __global__ void columns(WR_A *out, const WR_A *a, lines_of l, layout<1> other) {
  for (i64 line = thread_index(); line < l.lines; line += thread_count()) {
    const WR_A *in = a + offset_of(other, (index_t)line);
    WR_A *to = out + line_start(line, l.n, l.inner);
    total_t total = nothing();
    for (i64 i = 0; i < l.n; i++) {
      const i64 at = along(l, i);
      const total_t before = total;
      total = join(total, widened(in[at * l.stride]));
      to[at * l.inner] = written<WR_A>::of(l.inclusive ? total : before);
    }
  }
}
