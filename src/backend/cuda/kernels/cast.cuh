/* Every element type to every other, as on the CPU: floating to whole numbers is cut towards zero to
   32 bits for types up to 16 bits and i32, to 64 bits for the others, then wrapped to the type's
   width; what those bits cannot hold, NaN included, is their smallest value, and u64 is 0 from 2^64
   on. complex64 gives its real part; bool is true for what is not zero; to a 16-bit float the
   way is a float that rounds as the value itself does. */

INLINE i64 signed_of(double x) {
  if (x >= -9223372036854775808.0 && x < 9223372036854775808.0) return (i64)x;
  return (i64)0x8000000000000000ull;
}

INLINE i64 narrow_of(double x) {
  return x > -2147483649.0 && x < 2147483648.0 ? (i64)x : -2147483648ll;
}

INLINE u64 unsigned_of(double x) {
  if (x >= 9223372036854775808.0) return x < 18446744073709551616.0 ? (u64)x : 0;
  return (u64)signed_of(x);
}

/* What is loaded, as one of the types that stand for all: whole numbers, float, double, c64. */
template <class C>
INLINE float real_float(C x) {
  return (float)x;
}
template <>
INLINE float real_float<c64>(c64 x) {
  return x.re;
}
/* What rounds to a 16-bit float as x does. */
template <class C>
INLINE float short_float(C x) {
  return real_float<C>(x);
}
template <>
INLINE float short_float<double>(double x) {
  return odd_float<double>(x, __double2float_rz(x));
}
#define SHORT_OF_WHOLE(C, cut)       \
  template <>                        \
  INLINE float short_float<C>(C x) { \
    return odd_float<C>(x, cut(x));  \
  }
SHORT_OF_WHOLE(i32, __int2float_rz)
SHORT_OF_WHOLE(u32, __uint2float_rz)
SHORT_OF_WHOLE(i64, __ll2float_rz)
SHORT_OF_WHOLE(u64, __ull2float_rz)
#undef SHORT_OF_WHOLE
template <class C>
INLINE double real_double(C x) {
  return (double)x;
}
template <>
INLINE double real_double<c64>(c64 x) {
  return (double)x.re;
}
template <class C>
INLINE bool truth(C x) {
  return x != 0;
}
template <>
INLINE bool truth<c64>(c64 x) {
  return x.re != 0 || x.im != 0;
}
/* A whole number of x: of a whole one, and of a real one by `cut`. */
#define WHOLE(name, T, whole, cut)  \
  template <class C>                \
  INLINE T name(C x) {              \
    return whole;                   \
  }                                 \
  template <>                       \
  INLINE T name<float>(float x) {   \
    return cut((double)x);          \
  }                                 \
  template <>                       \
  INLINE T name<double>(double x) { \
    return cut(x);                  \
  }                                 \
  template <>                       \
  INLINE T name<c64>(c64 x) {       \
    return cut((double)x.re);       \
  }
WHOLE(whole_unsigned, u64, (u64)(i64)x, unsigned_of)
WHOLE(whole_narrow, i64, (i64)x, narrow_of)
WHOLE(whole_signed, i64, (i64)x, signed_of)
#undef WHOLE
template <>
INLINE u64 whole_unsigned<u64>(u64 x) {
  return x;
}

template <class TO>
struct cast_to {
  template <class C>
  static INLINE TO of(C x) {
    const bool is_signed = (TO)-1 < (TO)0;
    if (sizeof(TO) < 4 || (is_signed && sizeof(TO) == 4)) return (TO)whole_narrow<C>(x);
    return is_signed || sizeof(TO) < 8 ? (TO)whole_signed<C>(x) : (TO)whole_unsigned<C>(x);
  }
};
template <>
struct cast_to<b8> {
  template <class C>
  static INLINE b8 of(C x) {
    b8 r;
    r.v = truth<C>(x);
    return r;
  }
};
#define CAST_TO(TO, value)     \
  template <>                  \
  struct cast_to<TO> {         \
    template <class C>         \
    static INLINE TO of(C x) { \
      return value;            \
    }                          \
  };
CAST_TO(float, real_float<C>(x))
CAST_TO(double, real_double<C>(x))
CAST_TO(f16, to_f16(short_float<C>(x)))
CAST_TO(bf16, to_bf16(short_float<C>(x)))
#undef CAST_TO
template <>
struct cast_to<c64> {
  template <class C>
  static INLINE c64 of(C x) {
    return make_c64(real_float<C>(x), 0);
  }
  static INLINE c64 of(c64 x) { return x; }
};
