/* Index arrays of one shape, side by side, each for an axis of an array: a place is one position in
   all of them. Indices are of type WR_B, of any integer type (or bool), and counted from the start of
   the axis: negative ones from its end. Out of range: negative, or at least the extent. */

enum { ARRAYS = 8 };

struct indices_of {
  const WR_B *data[ARRAYS];
  i64 extent[ARRAYS]; /* of the axis */
  i64 room[ARRAYS];   /* the largest index at which a slice lies inside */
  i64 stride[ARRAYS]; /* of the array along it */
  i64 count;
};

template <class E>
INLINE i64 place_of(E x, i64 extent) {
  const i64 i = (i64)load<E>(x);
  return i < 0 ? i + extent : i;
}
template <>
INLINE i64 place_of<u64>(u64 x, i64) {
  return x > 0x7fffffffffffffffull ? 0x7fffffffffffffffll : (i64)x;
}

INLINE i64 nearest(i64 i, i64 last) { return i < 0 ? 0 : i < last ? i : last; }
