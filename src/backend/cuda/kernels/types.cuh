/* Element types as the kernels name them, what each is computed in, and the places of elements in
   strided operands. Compiled at run time; the names of types, the operation and the width of an
   index come as definitions: WR_A, WR_B (element types), WR_OP, WR_INDEX, WR_DIMS. */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef float f32;
typedef double f64;

struct b8 {
  u8 v;
};
struct f16 {
  u16 v;
};
struct bf16 {
  u16 v;
};
struct alignas(8) c64 {
  float re, im;
};
/* A complex number of two doubles: totals, and the inside of complex functions. */
struct z128 {
  double re, im;
};

typedef WR_INDEX index_t;

#define INLINE __device__ __forceinline__

/* ---- 16-bit floats ---- */

INLINE float to_float(f16 x) {
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(x.v));
  return f;
}

INLINE float to_float(bf16 x) { return __uint_as_float((u32)x.v << 16); }

INLINE f16 to_f16(float x) {
  f16 h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.v) : "f"(x));
  return h;
}

/* To nearest even; a NaN stays one. */
INLINE bf16 to_bf16(float x) {
  bf16 h;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h.v) : "f"(x));
#else
  const u32 u = __float_as_uint(x);
  h.v = (u & 0x7fffffffu) > 0x7f800000u ? (u16)((u >> 16) | 0x40u)
                                        : (u16)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
#endif
  return h;
}

/* A float that rounds to the 16-bit floats as x itself does: cut towards zero, the last bit set where
   that is not all of x (core/half.h). */
template <class C>
INLINE float odd_float(C x, float cut) {
  return (C)cut == x || x != x ? cut : __uint_as_float(__float_as_uint(cut) | 1u);
}
INLINE f16 to_f16(double x) { return to_f16(odd_float<double>(x, __double2float_rz(x))); }
INLINE bf16 to_bf16(double x) { return to_bf16(odd_float<double>(x, __double2float_rz(x))); }

/* ---- what is computed in, and the way there and back ---- */

/* A table of types, what `of` says of E: first of all others, then a row each. */
#define TYPES(of, T) \
  template <class E> \
  struct of {        \
    typedef T type;  \
  };
#define TYPE_OF(of, E, T) \
  template <>             \
  struct of<E> {          \
    typedef T type;       \
  };

TYPES(compute, E)
TYPE_OF(compute, b8, u8)
TYPE_OF(compute, f16, float)
TYPE_OF(compute, bf16, float)

template <class E>
INLINE typename compute<E>::type load(E x) {
  return x;
}
template <>
INLINE u8 load<b8>(b8 x) {
  return x.v;
}
template <>
INLINE float load<f16>(f16 x) {
  return to_float(x);
}
template <>
INLINE float load<bf16>(bf16 x) {
  return to_float(x);
}

template <class E>
struct store_as {
  template <class C>
  static INLINE E of(C x) {
    return (E)x;
  }
};
template <>
struct store_as<b8> {
  template <class C>
  static INLINE b8 of(C x) {
    b8 r;
    r.v = x != 0;
    return r;
  }
};
template <>
struct store_as<f16> {
  static INLINE f16 of(float x) { return to_f16(x); }
};
template <>
struct store_as<bf16> {
  static INLINE bf16 of(float x) { return to_bf16(x); }
};
template <>
struct store_as<c64> {
  static INLINE c64 of(c64 x) { return x; }
};

INLINE c64 make_c64(float re, float im) {
  c64 z;
  z.re = re;
  z.im = im;
  return z;
}

INLINE z128 make_z128(double re, double im) {
  z128 z;
  z.re = re;
  z.im = im;
  return z;
}

INLINE z128 widen(c64 x) { return make_z128(x.re, x.im); }
INLINE c64 narrow(z128 x) { return make_c64((float)x.re, (float)x.im); }

/* ---- places ---- */

/* Some axes of N operands, the innermost last; axes that lie in memory as one have been merged. */
template <int N>
struct layout {
  i64 ndim;
  i64 shape[WR_DIMS];
  i64 strides[N][WR_DIMS]; /* elements */
};

/* The offsets of position i, which counts in row-major order. */
template <int N>
INLINE void offsets_of(const layout<N> &l, index_t i, i64 *out) {
#pragma unroll
  for (int k = 0; k < N; k++) out[k] = 0;
  for (int d = (int)l.ndim - 1; d > 0; d--) {
    const index_t extent = (index_t)l.shape[d];
    const index_t next = i / extent;
    const i64 at = (i64)(i - next * extent);
#pragma unroll
    for (int k = 0; k < N; k++) out[k] += at * l.strides[k][d];
    i = next;
  }
#pragma unroll
  for (int k = 0; k < N; k++) out[k] += (i64)i * l.strides[k][0];
}

/* The offsets at which row i begins, of all axes but the innermost, or but so many of them. */
template <int N, int INNER = 1>
INLINE void row_offsets_of(const layout<N> &l, index_t i, i64 *out) {
#pragma unroll
  for (int k = 0; k < N; k++) out[k] = 0;
  for (int d = (int)l.ndim - 1 - INNER; d >= 0; d--) {
    const index_t extent = (index_t)l.shape[d], next = i / extent;
    const i64 at = (i64)(i - next * extent);
#pragma unroll
    for (int k = 0; k < N; k++) out[k] += at * l.strides[k][d];
    i = next;
  }
}

INLINE i64 offset_of(const layout<1> &l, index_t i) {
  i64 at[1];
  offsets_of<1>(l, i, at);
  return at[0];
}

/* Lines along one axis of an operand, for results of the same shape: line o begins at position o of
   the other axes in the operand and at line_start in the dense result, where its elements are
   `inner` apart. */
INLINE i64 line_start(i64 o, i64 n, i64 inner) { return o / inner * n * inner + o % inner; }

/* Several elements that move as one, by 16 bytes at most. */
template <class E, int K>
struct alignas(sizeof(E) * K < 16 ? sizeof(E) * K : 16) pack {
  E e[K];
};

/* How many elements a thread of an elementwise kernel makes of inputs of A (codegen.h's
   wr_pack_count). */
template <class A, class B, int MOST>
struct pack_of {
  enum { RESULT = 16 / sizeof(B), WIDEST = sizeof(A) > sizeof(B) ? sizeof(A) : sizeof(B) };
  enum { COUNT = RESULT < MOST / WIDEST ? RESULT : MOST / WIDEST };
};

/* Neighbours along the innermost axis: side by side, or one element that stands for all. What is
   read is looked at later, so that no read waits for one before it. */
template <class E, int K>
struct neighbours {
  pack<E, K> each;
  E same;
  bool is_same;
  INLINE void read(const E *p, bool one) {
    is_same = one;
    if (one) {
      same = *p;
    } else {
      each = *(const pack<E, K> *)p;
    }
  }
  INLINE E at(int k) const { return is_same ? same : each.e[k]; }
};
/* True where an operand has one element all along the innermost axis. */
template <int N>
INLINE bool is_same_along(const layout<N> &l, int operand) {
  return l.strides[operand][l.ndim - 1] == 0;
}

/* What `move` gives for each 32-bit word of x, as a T again: how any type goes from lane to lane. */
template <class T, class F>
INLINE T by_words(T x, F move) {
  union {
    T t;
    u32 w[sizeof(T) / 4];
  } u, v;
  u.t = x;
#pragma unroll
  for (int i = 0; i < (int)(sizeof(T) / 4); i++) v.w[i] = move(u.w[i]);
  return v.t;
}

INLINE index_t thread_index() { return (index_t)blockIdx.x * blockDim.x + threadIdx.x; }
INLINE index_t thread_count() { return (index_t)gridDim.x * blockDim.x; }
/* The same of rows of threads, y of the block: the block's first, and of all blocks. */
INLINE index_t row_index() { return (index_t)blockIdx.x * blockDim.y; }
INLINE index_t row_count() { return (index_t)gridDim.x * blockDim.y; }

/* f(i) reads what element i of n is made of, put(i, it) writes it. A thread reads AHEAD before it
   writes, so that reads need not wait for each other. */
template <int AHEAD, class F, class P>
INLINE void move_all(index_t n, F f, P put) {
  const index_t step = thread_count();
  index_t i = thread_index();
  for (; i + (AHEAD - 1) * step < n; i += AHEAD * step) {
    decltype(f(i)) x[AHEAD];
#pragma unroll
    for (int u = 0; u < AHEAD; u++) x[u] = f(i + u * step);
#pragma unroll
    for (int u = 0; u < AHEAD; u++) put(i + u * step, x[u]);
  }
  for (; i < n; i += step) put(i, f(i));
}

template <int AHEAD = 4, class E, class F>
INLINE void fill(E *out, index_t n, F f) {
  move_all<AHEAD>(n, f, [=](index_t i, const E &x) { out[i] = x; });
}
