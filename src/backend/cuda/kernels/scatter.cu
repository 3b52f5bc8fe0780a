/* scatter_add: updates of WR_A added at indices of type WR_B; an update that does not lie inside the
   array whole is dropped. Updates to one element are added in any order, so that sums of floats may
   differ in their last digits from run to run; whole numbers do not. */

#include "types.cuh"
#include "place.cuh"

/* ---- adding at once ---- */

INLINE void add_at(u32 *p, u32 x) { atomicAdd(p, x); }
INLINE void add_at(i32 *p, i32 x) { atomicAdd(p, x); }
INLINE void add_at(u64 *p, u64 x) { atomicAdd(p, x); }
INLINE void add_at(i64 *p, i64 x) { atomicAdd((u64 *)p, (u64)x); }
INLINE void add_at(float *p, float x) { atomicAdd(p, x); }
INLINE void add_at(double *p, double x) { atomicAdd(p, x); }
INLINE void add_at(c64 *p, c64 x) {
  atomicAdd(&p->re, x.re);
  atomicAdd(&p->im, x.im);
}

INLINE u32 sum_bits(u32 old, f16 x) {
  f16 h;
  h.v = (u16)old;
  return to_f16(to_float(h) + to_float(x)).v;
}
INLINE u32 sum_bits(u32 old, bf16 x) {
  bf16 h;
  h.v = (u16)old;
  return to_bf16(to_float(h) + to_float(x)).v;
}
INLINE u32 sum_bits(u32 old, b8 x) { return old | x.v; }
INLINE u32 sum_bits(u32 old, u8 x) { return old + x; }
INLINE u32 sum_bits(u32 old, i8 x) { return old + (u32)x; }
INLINE u32 sum_bits(u32 old, u16 x) { return old + x; }
INLINE u32 sum_bits(u32 old, i16 x) { return old + (u32)x; }

/* Narrower elements: the word around them is exchanged until nobody was in between. */
template <class E>
INLINE void add_at(E *p, E x) {
  u32 *word = (u32 *)((u64)p & ~(u64)3);
  const int shift = (int)((u64)p & 3) * 8;
  const u32 mask = (sizeof(E) == 1 ? 0xffu : 0xffffu) << shift;
  u32 old = *word;
  u32 seen;
  do {
    seen = old;
    const u32 sum = sum_bits((seen & mask) >> shift, x);
    old = atomicCAS(word, seen, (seen & ~mask) | ((sum << shift) & mask));
  } while (old != seen);
}

/* ---- the kernel ---- */

enum { AXES = 8 };

struct indices_of {
  const WR_B *data[AXES];
  i64 extent[AXES]; /* of the result's axis */
  i64 room[AXES];   /* the largest index at which the slice fits */
  i64 stride[AXES]; /* of the result along it */
  i64 count;
};

/* `places`: operand k is index array k; operand AXES the updates, over the index arrays' axes.
   `slice`: operand 0 the result, operand 1 the updates, over a slice's axes. */
extern "C" __global__ void add_slices(WR_A *out, const WR_A *updates, index_t n, i64 slice_size,
                                      indices_of indices, layout<AXES + 1> places,
                                      layout<2> slice) {
  for (index_t t = thread_index(); t < n; t += thread_count()) {
    const index_t place = t / (index_t)slice_size, rest = t - place * (index_t)slice_size;
    i64 from[AXES + 1], at[2];
    offsets_of<AXES + 1>(places, place, from);
    i64 start = 0;
    bool fits = true;
#pragma unroll
    for (int k = 0; k < AXES; k++) {
      if (k >= indices.count) continue;
      const i64 i = place_of<WR_B>(indices.data[k][from[k]], indices.extent[k]);
      fits = fits && i >= 0 && i <= indices.room[k];
      start += i * indices.stride[k];
    }
    if (!fits) continue;
    offsets_of<2>(slice, rest, at);
    add_at(&out[start + at[0]], updates[from[AXES] + at[1]]);
  }
}
