/* An index of any integer type (or bool), counted from the start of an axis. Out of range: negative,
   or at least the extent. */

template <class E>
INLINE i64 place_of(E x, i64 extent) {
  const i64 i = (i64)load<E>(x);
  return i < 0 ? i + extent : i;
}
template <>
INLINE i64 place_of<u64>(u64 x, i64) {
  return x > 0x7fffffffffffffffull ? 0x7fffffffffffffffll : (i64)x;
}
