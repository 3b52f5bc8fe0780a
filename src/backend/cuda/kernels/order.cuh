/* The order of single elements: NaN comes after every number and equals itself, and -0 equals 0;
   complex numbers compare by real part, then by imaginary part, and those with a NaN come last. */

template <class C>
INLINE bool less(C a, C b) {
  return a < b || (a == a && b != b);
}
template <>
INLINE bool less<c64>(c64 a, c64 b) {
  const bool a_nan = a.re != a.re || a.im != a.im, b_nan = b.re != b.re || b.im != b.im;
  if (a_nan || b_nan) return !a_nan && b_nan;
  return a.re < b.re || (a.re == b.re && a.im < b.im);
}
template <class C>
INLINE bool is_number(C x) {
  return x == x;
}
template <>
INLINE bool is_number<c64>(c64 x) {
  return x.re == x.re && x.im == x.im;
}
