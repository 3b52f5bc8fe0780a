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
  return (float)x;
}
template <>
INLINE float short_float<c64>(c64 x) {
  return x.re;
}
template <>
INLINE float short_float<double>(double x) {
  return odd_float<double>(x, __double2float_rz(x));
}
template <>
INLINE float short_float<i32>(i32 x) {
  return odd_float<i32>(x, __int2float_rz(x));
}
template <>
INLINE float short_float<u32>(u32 x) {
  return odd_float<u32>(x, __uint2float_rz(x));
}
template <>
INLINE float short_float<i64>(i64 x) {
  return odd_float<i64>(x, __ll2float_rz(x));
}
template <>
INLINE float short_float<u64>(u64 x) {
  return odd_float<u64>(x, __ull2float_rz(x));
}
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
template <class C>
INLINE u64 whole_unsigned(C x) {
  return (u64)(i64)x;
}
template <>
INLINE u64 whole_unsigned<u64>(u64 x) {
  return x;
}
template <>
INLINE u64 whole_unsigned<float>(float x) {
  return unsigned_of((double)x);
}
template <>
INLINE u64 whole_unsigned<double>(double x) {
  return unsigned_of(x);
}
template <>
INLINE u64 whole_unsigned<c64>(c64 x) {
  return unsigned_of((double)x.re);
}
template <class C>
INLINE i64 whole_narrow(C x) {
  return (i64)x;
}
template <>
INLINE i64 whole_narrow<float>(float x) {
  return narrow_of((double)x);
}
template <>
INLINE i64 whole_narrow<double>(double x) {
  return narrow_of(x);
}
template <>
INLINE i64 whole_narrow<c64>(c64 x) {
  return narrow_of((double)x.re);
}
template <class C>
INLINE i64 whole_signed(C x) {
  return (i64)x;
}
template <>
INLINE i64 whole_signed<float>(float x) {
  return signed_of((double)x);
}
template <>
INLINE i64 whole_signed<double>(double x) {
  return signed_of(x);
}
template <>
INLINE i64 whole_signed<c64>(c64 x) {
  return signed_of((double)x.re);
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
template <>
struct cast_to<float> {
  template <class C>
  static INLINE float of(C x) {
    return real_float<C>(x);
  }
};
template <>
struct cast_to<double> {
  template <class C>
  static INLINE double of(C x) {
    return real_double<C>(x);
  }
};
template <>
struct cast_to<f16> {
  template <class C>
  static INLINE f16 of(C x) {
    return to_f16(short_float<C>(x));
  }
};
template <>
struct cast_to<bf16> {
  template <class C>
  static INLINE bf16 of(C x) {
    return to_bf16(short_float<C>(x));
  }
};
template <>
struct cast_to<c64> {
  template <class C>
  static INLINE c64 of(C x) {
    return make_c64(real_float<C>(x), 0);
  }
  static INLINE c64 of(c64 x) { return x; }
};
