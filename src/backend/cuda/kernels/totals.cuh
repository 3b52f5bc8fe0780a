/* What sums, products and scans of elements are kept in: whole numbers in 64 bits, where they wrap;
   floats of every width in double; complex64 in two doubles. How an element comes there, and the
   result, rounded once. */

template <class E>
struct total_of {
  typedef i64 type;
};
template <>
struct total_of<b8> {
  typedef u64 type;
};
template <>
struct total_of<u8> : total_of<b8> {};
template <>
struct total_of<u16> : total_of<b8> {};
template <>
struct total_of<u32> : total_of<b8> {};
template <>
struct total_of<u64> : total_of<b8> {};
template <>
struct total_of<double> {
  typedef double type;
};
template <>
struct total_of<float> : total_of<double> {};
template <>
struct total_of<f16> : total_of<double> {};
template <>
struct total_of<bf16> : total_of<double> {};
template <>
struct total_of<c64> {
  typedef z128 type;
};

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
template <>
struct finish<b8> {
  static INLINE b8 of(u64 total) { return store_as<b8>::of(total); }
};
template <>
struct finish<f16> {
  static INLINE f16 of(double total) { return to_f16(total); }
};
template <>
struct finish<bf16> {
  static INLINE bf16 of(double total) { return to_bf16(total); }
};
template <>
struct finish<c64> {
  static INLINE c64 of(z128 total) { return narrow(total); }
};
