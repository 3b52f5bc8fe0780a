/* Scatter: updates of WR_A joined by WR_OP (copy, add, multiply, maximum, minimum) with what is at
   indices of type WR_B; an update that does not lie inside the array whole is dropped. Updates of one
   element come in any order: of several copies any one stays, and sums and products of floats may
   differ in their last digits from run to run; whole numbers, maxima and minima do not. */

#include "types.cuh"
#include "scalar.cuh"
#include "indices.cuh"

/* ---- joining at once ---- */

template <class E>
INLINE E joined(E old, E x) {
  return store_as<E>::of(WR_OP(load<E>(old), load<E>(x)));
}

/* The word around an element is exchanged until nobody was in between. */
template <int BYTES>
struct words {
  template <class E>
  static INLINE void join(E *p, E x) {
    u32 *word = (u32 *)((u64)p & ~(u64)3);
    const int shift = (int)((u64)p & 3) * 8;
    const u32 mask = (BYTES == 1 ? 0xffu : 0xffffu) << shift;
    u32 old = *word, seen;
    do {
      seen = old;
      const u32 next = (seen & ~mask) | (bits(joined<E>(element<E>(seen >> shift), x)) << shift);
      if (next == seen) return;
      old = atomicCAS(word, seen, next);
    } while (old != seen);
  }
  template <class E>
  static INLINE E element(u32 w) {
    union {
      u32 w;
      E e;
    } u;
    u.w = w;
    return u.e;
  }
  template <class E>
  static INLINE u32 bits(E e) {
    union {
      u32 w;
      E e;
    } u;
    u.w = 0;
    u.e = e;
    return u.w;
  }
};

template <class W, class E>
INLINE void join_whole(E *p, E x) {
  union {
    W w;
    E e;
  } seen, next;
  W old = *(volatile W *)p;
  do {
    seen.w = old;
    next.e = joined<E>(seen.e, x);
    if (next.w == seen.w) return;
    old = atomicCAS((W *)p, seen.w, next.w);
  } while (old != seen.w);
}
template <>
struct words<4> {
  template <class E>
  static INLINE void join(E *p, E x) {
    join_whole<u32, E>(p, x);
  }
};
template <>
struct words<8> {
  template <class E>
  static INLINE void join(E *p, E x) {
    join_whole<u64, E>(p, x);
  }
};

template <class E>
INLINE void join_at(E *p, E x) {
  words<sizeof(E)>::join(p, x);
}

/* What the GPU does in one instruction. */
struct by_op_copy {
  template <class E>
  static INLINE void at(E *p, E x) {
    *p = x;
  }
};
/* And what it does by exchanging words; `using` below adds this to the instructions. */
struct by_exchange {
  template <class E>
  static INLINE void at(E *p, E x) {
    join_at(p, x);
  }
};
struct by_op_add : by_exchange {
  using by_exchange::at;
  static INLINE void at(u32 *p, u32 x) { atomicAdd(p, x); }
  static INLINE void at(i32 *p, i32 x) { atomicAdd(p, x); }
  static INLINE void at(u64 *p, u64 x) { atomicAdd(p, x); }
  static INLINE void at(i64 *p, i64 x) { atomicAdd((u64 *)p, (u64)x); }
  static INLINE void at(float *p, float x) { atomicAdd(p, x); }
  static INLINE void at(double *p, double x) { atomicAdd(p, x); }
  static INLINE void at(c64 *p, c64 x) {
    atomicAdd(&p->re, x.re);
    atomicAdd(&p->im, x.im);
  }
};
struct by_op_multiply : by_exchange {};
#define BY_WORDS(name, atomic)                             \
  struct by_op_##name : by_exchange {                      \
    using by_exchange::at;                                 \
    static INLINE void at(u32 *p, u32 x) { atomic(p, x); } \
    static INLINE void at(i32 *p, i32 x) { atomic(p, x); } \
    static INLINE void at(u64 *p, u64 x) { atomic(p, x); } \
    static INLINE void at(i64 *p, i64 x) { atomic(p, x); } \
  };
BY_WORDS(maximum, atomicMax)
BY_WORDS(minimum, atomicMin)
#undef BY_WORDS

#define BY(op) by_##op
#define BY_OF(op) BY(op)

/* ---- the kernel ---- */

/* Operand k of `places` is index array k; operand ARRAYS the updates, over the index arrays' axes.
   `slice`: operand 0 the result, operand 1 the updates, over a slice's axes. */
extern "C" __global__ void scatter(WR_A *out, const WR_A *updates, index_t n, i64 slice_size,
                                   indices_of indices, layout<ARRAYS + 1> places,
                                   layout<2> slice) {
  for (index_t t = thread_index(); t < n; t += thread_count()) {
    const index_t place = t / (index_t)slice_size, rest = t - place * (index_t)slice_size;
    i64 from[ARRAYS + 1], at[2];
    offsets_of<ARRAYS + 1>(places, place, from);
    i64 start = 0;
    bool fits = true;
#pragma unroll
    for (int k = 0; k < ARRAYS; k++) {
      if (k >= indices.count) continue;
      const i64 i = place_of<WR_B>(indices.data[k][from[k]], indices.extent[k]);
      fits = fits && i >= 0 && i <= indices.room[k];
      start += i * indices.stride[k];
    }
    if (!fits) continue;
    offsets_of<2>(slice, rest, at);
    BY_OF(WR_OP)::at(&out[start + at[0]], updates[from[ARRAYS] + at[1]]);
  }
}

/* Rows that lie dense, with as many index arrays as there are rows: a block has the row in shared memory,
   where the updates are joined with it, and writes it once. Operands of `kept`, over rows: what is
   there before, the updates, the indices. Updates and indices are `update_step` and `index_step`
   apart. */
extern "C" __global__ void __launch_bounds__(512)
    scatter_rows(WR_A *out, const WR_A *a, const WR_A *updates, const WR_B *indices, index_t rows,
                 i64 extent, i64 count, i64 update_step, i64 index_step,
                 const __grid_constant__ layout<3> kept) {
  enum { AHEAD = 4 };
  extern __shared__ uint4 room[];
  WR_A *row = (WR_A *)room;
  for (index_t r = blockIdx.x; r < rows; r += gridDim.x) {
    i64 at[3];
    offsets_of<3>(kept, r, at);
    const WR_A *from = a + at[0], *update = updates + at[1];
    const WR_B *index = indices + at[2];
    WR_A *to = out + (i64)r * extent;
    for (i64 first = threadIdx.x; first < extent; first += AHEAD * blockDim.x) {
      WR_A x[AHEAD];
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        if (first + u * blockDim.x < extent) x[u] = from[first + u * blockDim.x];
      }
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        if (first + u * blockDim.x < extent) row[first + u * blockDim.x] = x[u];
      }
    }
    __syncthreads();
    for (i64 first = threadIdx.x; first < count; first += AHEAD * blockDim.x) {
      WR_A x[AHEAD];
      WR_B place[AHEAD];
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        const i64 j = first + u * blockDim.x;
        if (j >= count) continue;
        place[u] = index[j * index_step];
        x[u] = update[j * update_step];
      }
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        if (first + u * blockDim.x >= count) continue;
        const i64 i = place_of<WR_B>(place[u], extent);
        if (i >= 0 && i < extent) BY_OF(WR_OP)::at(&row[i], x[u]);
      }
    }
    __syncthreads();
    for (i64 i = threadIdx.x; i < extent; i += blockDim.x) to[i] = row[i];
    __syncthreads();
  }
}
