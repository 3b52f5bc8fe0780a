/* Template: the scalar functions of one floating compute type. Included with
     CT   f32 or f64
     CM   the suffix of the C library's functions: f, or nothing
   Branches are written as selections where that lets a compiler vectorise the loops around them. */

#define T WR_PASTE(wr_ct_, CT)
#define F(name) WR_PASTE(CT, name)
#define M(name) WR_PASTE(name, CM)

WR_INLINE T F(_abs)(T x) { return M(fabs)(x); }
WR_INLINE T F(_ceil)(T x) { return M(ceil)(x); }
WR_INLINE T F(_floor)(T x) { return M(floor)(x); }
WR_INLINE T F(_negative)(T x) { return -x; }
WR_INLINE T F(_reciprocal)(T x) { return 1 / x; }
WR_INLINE T F(_round)(T x) { return M(rint)(x); }
WR_INLINE T F(_rsqrt)(T x) { return 1 / M(sqrt)(x); }
WR_INLINE T F(_sign)(T x) { return (T)((x > 0) - (x < 0)); }
WR_INLINE T F(_sqrt)(T x) { return M(sqrt)(x); }
WR_INLINE T F(_square)(T x) { return x * x; }

WR_INLINE bool F(_isnan)(T x) { return x != x; }
WR_INLINE bool F(_isneginf)(T x) { return x == -(T)INFINITY; }
WR_INLINE bool F(_isposinf)(T x) { return x == (T)INFINITY; }
WR_INLINE bool F(_isinf)(T x) { return M(fabs)(x) == (T)INFINITY; }
WR_INLINE bool F(_isfinite)(T x) { return M(fabs)(x) < (T)INFINITY; }

WR_INLINE T F(_add)(T a, T b) { return a + b; }
WR_INLINE T F(_subtract)(T a, T b) { return a - b; }
WR_INLINE T F(_multiply)(T a, T b) { return a * b; }
WR_INLINE T F(_divide)(T a, T b) { return a / b; }
WR_INLINE T F(_floor_divide)(T a, T b) { return M(floor)(a / b); }
/* log(e^a + e^b) from the greater one; equal infinities are what they are. */
WR_INLINE T F(_logaddexp)(T a, T b) {
  const T most = a > b ? a : b;
  const T more = F(_log1p)(F(_exp)(-M(fabs)(a - b)));
  const bool is_nan = (a != a) | (b != b);
  return is_nan ? a + b : M(fabs)(most) == (T)INFINITY ? most : most + more;
}
WR_INLINE T F(_maximum)(T a, T b) { return a != a || a > b ? a : b; }
WR_INLINE T F(_minimum)(T a, T b) { return a != a || a < b ? a : b; }

WR_INLINE bool F(_equal)(T a, T b) { return a == b; }
WR_INLINE bool F(_equal_nan)(T a, T b) { return a == b || (a != a && b != b); }
WR_INLINE bool F(_greater)(T a, T b) { return a > b; }
WR_INLINE bool F(_greater_equal)(T a, T b) { return a >= b; }
WR_INLINE bool F(_less)(T a, T b) { return a < b; }
WR_INLINE bool F(_less_equal)(T a, T b) { return a <= b; }
WR_INLINE bool F(_not_equal)(T a, T b) { return a != b; }

#undef T
#undef F
#undef M
#undef CT
#undef CM
