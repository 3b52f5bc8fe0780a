/* Rows of elements of WR_A, by whatever makes them: what reductions and softmax work on.

   Where elements come from is a class FROM: `of` gives the row of a result, from which `packs` reads
   Q neighbouring elements and `one` a single one. `value` makes an element of what was read. It may
   compute much or nothing. AHEAD is how much of that a thread reads before it works on it. */

enum { K = 16 / sizeof(WR_A), UNROLL = 4, THREADS = 256 };

/* 16 bytes of more than the caches hold, which are read once: what else is there may stay. */
template <class P>
INLINE P get_once(const P *at) {
  union {
    uint4 words;
    P p;
  } x;
  x.words = __ldcs((const uint4 *)at);
  return x.p;
}

/* Rows whose elements lie dense, each beginning at a multiple of 16 bytes. */
template <bool STREAMED>
struct rows_of_packs {
  enum { Q = K, AHEAD = STREAMED ? 2 * UNROLL : UNROLL };
  typedef pack<WR_A, K> raw;
  struct row {
    const WR_A *a;
    INLINE raw packs(i64 i) const {
      return STREAMED ? get_once((const raw *)a + i) : ((const raw *)a)[i];
    }
    INLINE WR_A one(i64 j) const { return a[j]; }
  };
  const WR_A *a;
  const layout<1> &kept;
  INLINE row of(index_t r) const { return {a + offset_of(kept, r)}; }
  static INLINE WR_A value(const raw &x, int q) { return x.e[q]; }
};
typedef rows_of_packs<false> dense_rows;

/* Rows of any strides. */
struct strided_rows {
  enum { Q = 1, AHEAD = UNROLL };
  typedef WR_A raw;
  struct row {
    const WR_A *a;
    const layout<1> &reduced;
    INLINE raw packs(i64 i) const { return one(i); }
    INLINE WR_A one(i64 j) const { return a[offset_of(reduced, (index_t)j)]; }
  };
  const WR_A *a;
  const layout<1> &kept;
  const layout<1> &reduced;
  INLINE row of(index_t r) const { return {a + offset_of(kept, r), reduced}; }
  static INLINE WR_A value(const raw &x, int) { return x; }
};
