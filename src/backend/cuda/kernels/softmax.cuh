/* What softmax and log-sum-exp over rows of WR_A are made of: in float for float and the 16-bit
   floats, else in double; and both of rows that fit into the registers of a block. */

/* ---- the arithmetic of one type ---- */

struct real {
  typedef float value;
  static INLINE float get(float x) { return x; }
  static INLINE float lowest() { return __int_as_float(0xff800000); }
  static INLINE float larger(float a, float b) { return fmaxf(a, b); }
  static INLINE float power(float x, float top) { return expf(x - top); }
  static INLINE float add(float a, float b) { return a + b; }
  static INLINE float zero() { return 0; }
  static INLINE float share(float x, float sum) { return x * (1.0f / sum); }
  static INLINE bool unbounded(float top) { return isinf(top); }
  static INLINE bool is_nan(float x) { return x != x; }
  static INLINE float whole(float top, float sum) { return top + logf(sum); }
};

struct wide {
  typedef double value;
  static INLINE double get(double x) { return x; }
  static INLINE double lowest() {
    return __longlong_as_double((i64)0xfff0000000000000ull);
  }
  static INLINE double larger(double a, double b) { return fmax(a, b); }
  static INLINE double power(double x, double top) { return exp(x - top); }
  static INLINE double add(double a, double b) { return a + b; }
  static INLINE double zero() { return 0; }
  static INLINE double share(double x, double sum) { return x / sum; }
  static INLINE bool unbounded(double top) { return isinf(top); }
  static INLINE bool is_nan(double x) { return x != x; }
  static INLINE double whole(double top, double sum) { return top + log(sum); }
};

/* The maximum is by real, then by imaginary part. */
struct plane {
  typedef z128 value;
  static INLINE z128 get(c64 x) { return widen(x); }
  static INLINE z128 lowest() {
    return make_z128(wide::lowest(), wide::lowest());
  }
  static INLINE z128 larger(z128 a, z128 b) {
    if (is_nan(a)) return a;
    if (is_nan(b)) return b;
    return a.re < b.re || (a.re == b.re && a.im < b.im) ? b : a;
  }
  static INLINE z128 power(z128 x, z128 top) {
    const double e = exp(x.re - top.re), t = x.im - top.im;
    return make_z128(e * cos(t), t == 0 ? t : e * sin(t));
  }
  static INLINE z128 add(z128 a, z128 b) {
    return make_z128(a.re + b.re, a.im + b.im);
  }
  static INLINE z128 zero() { return make_z128(0, 0); }
  static INLINE z128 share(z128 a, z128 b) {
    const double d = b.re * b.re + b.im * b.im;
    return make_z128((a.re * b.re + a.im * b.im) / d, (a.im * b.re - a.re * b.im) / d);
  }
  static INLINE bool unbounded(z128 top) { return isinf(top.re); }
  static INLINE bool is_nan(z128 x) { return x.re != x.re || x.im != x.im; }
  static INLINE z128 whole(z128 top, z128 s) {
    return make_z128(top.re + log(hypot(s.re, s.im)), top.im + atan2(s.im, s.re));
  }
};

template <class C>
struct arithmetic;
template <>
struct arithmetic<float> : real {};
template <>
struct arithmetic<double> : wide {};
template <>
struct arithmetic<c64> : plane {};

typedef arithmetic<compute<WR_A>::type> math;
typedef math::value value_t;

INLINE value_t read(WR_A x) { return math::get(load<WR_A>(x)); }

template <class E>
INLINE E written(value_t x) {
  return store_as<E>::of(x);
}
#if WR_COMPLEX
template <>
INLINE c64 written<c64>(z128 x) {
  return narrow(x);
}
#endif

/* ---- between threads: all get the answer ---- */

template <class T>
INLINE T shuffle_xor(T x, int by) {
  return by_words(x, [by](u32 word) { return __shfl_xor_sync(~0u, word, by); });
}

template <bool SUM>
INLINE value_t both(value_t a, value_t b) {
  return SUM ? math::add(a, b) : math::larger(a, b);
}

/* Over what each warp of the block has left. */
template <bool SUM>
INLINE value_t over_warps(const value_t *warps) {
  const int lane = threadIdx.x % 32;
  value_t x = lane < (int)blockDim.x / 32 ? warps[lane] : SUM ? math::zero() : math::lowest();
#pragma unroll
  for (int by = 16; by > 0; by /= 2) x = both<SUM>(x, shuffle_xor(x, by));
  return x;
}

template <bool SUM>
INLINE value_t over_block(value_t x) {
  __shared__ value_t warps[32];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
  for (int by = 16; by > 0; by /= 2) x = both<SUM>(x, shuffle_xor(x, by));
  if (blockDim.x == 32) return x;
  __syncthreads();
  if (lane == 0) warps[warp] = x;
  __syncthreads();
  return over_warps<SUM>(warps);
}

/* Over a row of the block: a power of two up to a warp, or the block's only one, of whole warps. The
   two of SUM come one after the other, or with a barrier between them: each passes one, behind which
   the other's array may be written again. */
template <bool SUM>
INLINE value_t over_row(value_t x) {
  __shared__ value_t warps[32];
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
  for (int by = 16; by > 0; by /= 2) {
    if (by < (int)blockDim.x) x = both<SUM>(x, shuffle_xor(x, by));
  }
  if (blockDim.x <= 32) return x;
  if (lane == 0) warps[warp] = x;
  __syncthreads();
  return over_warps<SUM>(warps);
}

/* Rows of a thread's one pack may be several to a block, those of more have blocks of their own. */
template <bool SUM, int PACKS>
INLINE value_t over(value_t x) {
  return PACKS == 1 ? over_row<SUM>(x) : over_block<SUM>(x);
}

/* ---- rows in registers ---- */

/* f(k, at) for each pack of the thread, of PACKS: its first element is x[k], the row's `at`. */
template <int PACKS, class F>
INLINE void each_pack(int n, F f) {
#pragma unroll
  for (int p = 0; p < PACKS; p++) {
    const int at = (p * (int)blockDim.x + (int)threadIdx.x) * K;
    if (at < n) f(p * K, at);
  }
}

/* Reads the row, by whatever makes its elements (rows.cuh), and returns its maximum: PACKS packs of K
   elements a thread, n a multiple of K. */
template <int PACKS, class FROM>
INLINE value_t read_row(value_t *x, const typename FROM::row &row, int n) {
  enum { PIECES = K / FROM::Q };
  value_t top = math::lowest();
  each_pack<PACKS>(n, [&](int first, int at) {
    typename FROM::raw in[PIECES];
#pragma unroll
    for (int s = 0; s < PIECES; s++) in[s] = row.packs((i64)at / K * PIECES + s);
#pragma unroll
    for (int k = 0; k < K; k++) {
      x[first + k] = read(FROM::value(in[k / FROM::Q], k % FROM::Q));
      top = math::larger(top, x[first + k]);
    }
  });
  return over<false, PACKS>(top);
}

/* Makes powers of a thread's elements, and returns their sum. */
template <int PACKS>
INLINE value_t powers(value_t *x, value_t top, int n) {
  value_t sum = math::zero();
  each_pack<PACKS>(n, [&](int first, int) {
#pragma unroll
    for (int k = 0; k < K; k++) {
      x[first + k] = math::power(x[first + k], top);
      sum = math::add(sum, x[first + k]);
    }
  });
  return sum;
}

/* What the NaNs of a thread's elements add up to, where there are any. */
template <int PACKS>
INLINE value_t nans(const value_t *x, int n) {
  value_t sum = math::zero();
  each_pack<PACKS>(n, [&](int first, int) {
#pragma unroll
    for (int k = 0; k < K; k++) {
      if (math::is_nan(x[first + k])) sum = math::share(math::zero(), math::zero());
    }
  });
  return sum;
}

/* `sum`: of powers, or where the maximum is unbounded of NaNs. */
INLINE WR_A logarithm_of(value_t top, value_t sum) {
  return written<WR_A>(!math::unbounded(top) ? math::whole(top, sum) : math::is_nan(sum) ? sum : top);
}

/* For rows in registers: makes a result of one, by a row of the block. */
struct softmax_way {
  /* `out` begins on 16 bytes. */
  template <int PACKS, class FROM>
  static INLINE void make(WR_A *all, i64 r, i64 length, const typename FROM::row &row, int n) {
    value_t x[PACKS * K];
    const value_t top = read_row<PACKS, FROM>(x, row, n);
    const value_t sum = over<true, PACKS>(powers<PACKS>(x, top, n));
    WR_A *out = all + r * length;
    each_pack<PACKS>(n, [&](int first, int at) {
      pack<WR_A, K> y;
#pragma unroll
      for (int k = 0; k < K; k++) y.e[k] = written<WR_A>(math::share(x[first + k], sum));
      *(pack<WR_A, K> *)(out + at) = y;
    });
  }
};

struct logsumexp_way {
  template <int PACKS, class FROM>
  static INLINE void make(WR_A *all, i64 r, i64, const typename FROM::row &row, int n) {
    value_t x[PACKS * K];
    const value_t top = read_row<PACKS, FROM>(x, row, n);
    const value_t mine = math::unbounded(top) ? nans<PACKS>(x, n) : powers<PACKS>(x, top, n);
    const value_t sum = over<true, PACKS>(mine);
    if (threadIdx.x == 0 && n > 0) all[r] = logarithm_of(top, sum);
  }
};

/* A row of the block for each of the shortest rows; a thread whose row does not exist goes along with
   those of its warp. Longer ones have blocks of their own. */
template <int PACKS, class WAY, class FROM>
INLINE void rows_in_registers(WR_A *out, const FROM &from, i64 rows, i64 n) {
  const i64 at_once = PACKS == 1 ? blockDim.y : 1;
  for (i64 first = blockIdx.x * at_once; first < rows; first += gridDim.x * at_once) {
    const i64 r = first + (PACKS == 1 ? threadIdx.y : 0);
    WAY::template make<PACKS, FROM>(out, r, n, from.of((index_t)r), r < rows ? (int)n : 0);
  }
}

template <int PACKS, class FROM>
INLINE void softmax_rows(WR_A *out, const FROM &from, i64 rows, i64 n) {
  rows_in_registers<PACKS, softmax_way>(out, from, rows, n);
}
