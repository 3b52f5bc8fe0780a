/* What sums, products and scans of elements are kept in: whole numbers in 64 bits, where they wrap;
   floats of every width in double; complex64 in two doubles. How an element comes there, and the
   result, rounded once. */

TYPES(total_of, i64)
TYPE_OF(total_of, b8, u64)
TYPE_OF(total_of, u8, u64)
TYPE_OF(total_of, u16, u64)
TYPE_OF(total_of, u32, u64)
TYPE_OF(total_of, u64, u64)
TYPE_OF(total_of, double, double)
TYPE_OF(total_of, float, double)
TYPE_OF(total_of, f16, double)
TYPE_OF(total_of, bf16, double)
TYPE_OF(total_of, c64, z128)

template <class T>
struct element_as {
  template <class E>
  static INLINE T of(E x) {
    return (T)load<E>(x);
  }
};
template <>
struct element_as<c64> {
  static INLINE c64 of(c64 x) { return x; }
};
template <>
struct element_as<z128> {
  static INLINE z128 of(c64 x) { return widen(x); }
};

template <class E>
struct finish {
  template <class T>
  static INLINE E of(T total) {
    return (E)total;
  }
};
#define FINISH(E, T, value)                       \
  template <>                                     \
  struct finish<E> {                              \
    static INLINE E of(T total) { return value; } \
  };
FINISH(b8, u64, store_as<b8>::of(total))
FINISH(f16, double, to_f16(total))
FINISH(bf16, double, to_bf16(total))
FINISH(c64, z128, narrow(total))
#undef FINISH

/* How totals go from lane to lane. */
template <class T>
INLINE T shuffle_up(T x, int by) {
  return by_words(x, [by](u32 word) { return __shfl_up_sync(~0u, word, by); });
}
template <class T>
INLINE T shuffle(T x, int lane) {
  return by_words(x, [lane](u32 word) { return __shfl_sync(~0u, word, lane); });
}
