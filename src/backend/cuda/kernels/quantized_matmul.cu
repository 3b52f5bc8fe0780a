/* Products of matrices of WR_A with quantised ones, which are never written as a whole. Sums are
   float32. */

#include "types.cuh"
#include "packed.cuh"
#include "quantized_matmul.cuh"

/* ---- a few rows by a transposed matrix ---- */

/* A lane takes CHUNK elements of a row, which are of one group and WORDS whole words; a warp some
   rows of w, so that x is read less often. */
enum { CHUNK = MODE == NVFP4 ? 16 : 32, WORDS = CHUNK * BITS / 32, WARPS = 4 };

template <int N>
INLINE void copy_words(u32 *out, const u32 *in, bool aligned) {
  if (N % 4 == 0 && aligned) {
#pragma unroll
    for (int i = 0; i < N; i += 4) *(pack<u32, 4> *)(out + i) = *(const pack<u32, 4> *)(in + i);
  } else if (N % 2 == 0 && aligned) {
#pragma unroll
    for (int i = 0; i < N; i += 2) *(pack<u32, 2> *)(out + i) = *(const pack<u32, 2> *)(in + i);
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) out[i] = in[i];
  }
}

/* Elements of a chunk of x, and their sum. */
INLINE float chunk_of_x(float *out, const WR_A *x, bool aligned) {
  enum { PACK = 16 / sizeof(WR_A) };
  float sum = 0;
#pragma unroll
  for (int i = 0; i < CHUNK; i += PACK) {
    pack<WR_A, PACK> p;
    if (aligned) {
      p = *(const pack<WR_A, PACK> *)(x + i);
    } else {
#pragma unroll
      for (int j = 0; j < PACK; j++) p.e[j] = x[i + j];
    }
#pragma unroll
    for (int j = 0; j < PACK; j++) {
      out[i + j] = (float)load<WR_A>(p.e[j]);
      sum += out[i + j];
    }
  }
  return sum;
}

/* Element i of a chunk, where i is known to the compiler. A code among the last bits of a float that is
   so large that they count from it takes two instructions at the full rate, where a conversion takes
   the time of four. */
INLINE float element_of(const u32 *words, int i) {
  enum { SEEN = 20 }; /* bits behind which a code is not left where it is */
  const int bit = i * BITS, word = bit / 32, shift = bit % 32;
  if (MODE != AFFINE || BITS > 8) {
    u32 code = words[word] >> shift;
    if (shift + BITS > 32) code |= words[word + 1] << (32 - shift);
    return (float)code_value(code & MASK);
  }
  const bool crosses = shift + BITS > 32;
  const int half = crosses ? shift : shift + BITS <= SEEN ? 0 : shift < 16 ? shift : 16;
  const int rest = shift - half;
  u32 code = words[word] >> half;
  if (crosses) code |= words[word + 1] << (32 - shift);
  const float by = __uint_as_float((u32)(127 - rest) << 23); /* 2^-rest */
  return fmaf(__uint_as_float((code & (u32)MASK << rest) | 0x4b000000u), by, -8388608.0f * by);
}

/* To `sums`, of ROWS rows of w and M of x: every `step`-th chunk from `begin` on. */
template <int ROWS, int M>
INLINE void add_chunks(float (&sums)[ROWS][M], const problem &p, i64 product, i64 first, i64 row,
                       i64 begin, i64 step) {
  const i64 chunks = p.k / CHUNK, row_words = chunks * WORDS, groups = p.k / p.group;
  const WR_A *x = p.x + matrix_of(p.lhs, p.x_count, product) * p.m * p.k;
  const i64 w_first = matrix_of(p.rhs, p.w_count, product) * p.n;
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
#pragma unroll
    for (int i = 0; i < M; i++) sums[r][i] = 0;
  }
#pragma unroll 1
  for (i64 c = begin; c < chunks; c += step) {
    alignas(16) u32 words[ROWS][WORDS];
    float scales[ROWS], biases[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      const i64 w_row = w_first + (first + r < p.n ? first + r : p.n - 1);
      copy_words<WORDS>(words[r], p.codes + w_row * row_words + c * WORDS, p.aligned != 0);
      const i64 g = w_row * groups + (i64)((u32)c * CHUNK / (u32)p.group);
      scales[r] = (float)scale_value(p.scales, g);
      biases[r] = (float)bias_value(p.biases, g);
    }
    float elements[M][CHUNK], totals[M];
#pragma unroll
    for (int i = 0; i < M; i++) {
      const i64 at = row + i < p.m ? row + i : p.m - 1; /* the last stands for none */
      totals[i] = chunk_of_x(elements[i], x + at * p.k + c * CHUNK, p.aligned != 0);
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      float dots[M];
#pragma unroll
      for (int i = 0; i < M; i++) dots[i] = 0;
#pragma unroll
      for (int j = 0; j < CHUNK; j++) {
        const float w = element_of(words[r], j);
#pragma unroll
        for (int i = 0; i < M; i++) dots[i] = fmaf(w, elements[i][j], dots[i]);
      }
#pragma unroll
      for (int i = 0; i < M; i++) {
        sums[r][i] = fmaf(scales[r], dots[i], sums[r][i]);
        if (MODE == AFFINE) sums[r][i] = fmaf(biases[r], totals[i], sums[r][i]);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
#pragma unroll
    for (int i = 0; i < M; i++) {
#pragma unroll
      for (int by = 16; by > 0; by /= 2) sums[r][i] += __shfl_xor_sync(~0u, sums[r][i], by);
    }
  }
}

INLINE void put(WR_A *y, const problem &p, i64 product, i64 row, i64 column, float sum) {
  if (column >= p.n || row >= p.m) return;
  y[(product * p.m + row) * p.n + column] = store_as<WR_A>::of((value_t)sum);
}

/* One row: the warps of a block take the chunks in turn, by which all of w is on its way at once. */
extern "C" __global__ void __launch_bounds__(WARPS * 32, BITS > 4 ? 6 : 8) one(WR_A *y, problem p) {
  enum { ROWS = 2 };
  __shared__ float parts[WARPS][ROWS];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (i64 product = blockIdx.y; product < p.products; product += gridDim.y) {
    for (i64 first = (i64)blockIdx.x * ROWS; first < p.n; first += (i64)gridDim.x * ROWS) {
      float sums[ROWS][1];
      add_chunks<ROWS, 1>(sums, p, product, first, 0, threadIdx.x, WARPS * 32);
      if (lane == 0) {
#pragma unroll
        for (int r = 0; r < ROWS; r++) parts[warp][r] = sums[r][0];
      }
      __syncthreads();
      if (threadIdx.x < ROWS) {
        float sum = 0;
#pragma unroll
        for (int i = 0; i < WARPS; i++) sum += parts[i][threadIdx.x];
        put(y, p, product, 0, first + threadIdx.x, sum);
      }
      __syncthreads();
    }
  }
}

/* Some: a warp takes all chunks. */
extern "C" __global__ void few(WR_A *y, problem p) {
  enum { ROWS = 4, M = 4 };
  const int lane = threadIdx.x % 32;
  const i64 warp = (i64)blockIdx.x * WARPS + threadIdx.x / 32, warps = (i64)gridDim.x * WARPS;
  for (i64 product = blockIdx.y; product < p.products; product += gridDim.y) {
    for (i64 first = warp * ROWS; first < p.n; first += warps * ROWS) {
      for (i64 row = 0; row < p.m; row += M) {
        float sums[ROWS][M];
        add_chunks<ROWS, M>(sums, p, product, first, row, lane, 32);
        if (lane != 0) continue;
#pragma unroll
        for (int i = 0; i < ROWS * M; i++) {
          put(y, p, product, row + i % M, first + i / M, sums[i / M][i % M]);
        }
      }
    }
  }
}

/* ---- many rows: tiles in shared memory ---- */

/* A block of THREADS makes TILE x TILE of the result. Of each operand TILE lines along k lie in
   shared memory, DEPTH at a time, as WR_A; they begin PITCH apart, by which lanes that read a column
   of words meet other banks. A thread unpacks PIECE elements, which are of one group. */
enum { TILE = 64, DEPTH = 32, PITCH = DEPTH + 8, THREADS = 128, PIECE = 16 };

struct alignas(16) tiles {
  WR_A x[TILE * PITCH];
  WR_A w[TILE * PITCH];
};

INLINE void tile_of_x(tiles &s, const problem &p, const WR_A *x, i64 row, i64 at) {
  for (int i = threadIdx.x; i < TILE * DEPTH; i += THREADS) {
    const i64 m = row + i / DEPTH, k = at + i % DEPTH;
    s.x[i / DEPTH * PITCH + i % DEPTH] =
        m < p.m && k < p.k ? x[m * p.k + k] : store_as<WR_A>::of((value_t)0);
  }
}

/* PIECE elements of row `line` of the packed matrix, from `first` on, go to places `step` apart;
   where there is no such piece, zeros. */
INLINE void unpack_piece(WR_A *to, int step, const problem &p, i64 line, i64 first, i64 length,
                         bool exists) {
  const u8 *codes = (const u8 *)p.codes + line * (length / BLOCK * BITS) + first / BLOCK * BITS;
  value_t scale = 0, bias = 0;
  if (exists) {
    const i64 g = line * (length / p.group) + first / p.group;
    scale = scale_value(p.scales, g);
    bias = bias_value(p.biases, g);
  }
#pragma unroll
  for (int b = 0; b < PIECE / BLOCK; b++) {
    const u64 word = exists ? block_bits(codes + b * BITS, BLOCK) : 0;
#pragma unroll
    for (int k = 0; k < BLOCK; k++) {
      const value_t v = exists ? code_value(code_of(word, k)) * scale + bias : (value_t)0;
      to[(b * BLOCK + k) * step] = store_as<WR_A>::of(v);
    }
  }
}

INLINE void tile_of_w(tiles &s, const problem &p, i64 matrix, i64 column, i64 at) {
  const int t = threadIdx.x;
  if (p.transpose) { /* lines along k */
    const int line = t / (DEPTH / PIECE), first = t % (DEPTH / PIECE) * PIECE;
    const bool exists = column + line < p.n && at + first < p.k;
    unpack_piece(s.w + line * PITCH + first, 1, p, matrix * p.n + column + line, at + first, p.k,
                 exists);
  } else { /* along n */
    const int line = t / (TILE / PIECE), first = t % (TILE / PIECE) * PIECE;
    const bool exists = at + line < p.k && column + first < p.n;
    unpack_piece(s.w + first * PITCH + line, PITCH, p, matrix * p.k + at + line, column + first,
                 p.n, exists);
  }
}

/* Sums by single products: thread t has rows t / 16 * 8 .. + 7 and columns t % 16 + 16 j. */
struct by_products {
  float sums[8][4];
  INLINE void clear() {
#pragma unroll
    for (int i = 0; i < 32; i++) sums[i / 4][i % 4] = 0;
  }
  INLINE void add(const tiles &s) {
    const int row = threadIdx.x / 16 * 8, column = threadIdx.x % 16;
    for (int k = 0; k < DEPTH; k++) {
      float a[8], b[4];
#pragma unroll
      for (int i = 0; i < 8; i++) a[i] = (float)load<WR_A>(s.x[(row + i) * PITCH + k]);
#pragma unroll
      for (int j = 0; j < 4; j++) b[j] = (float)load<WR_A>(s.w[(column + 16 * j) * PITCH + k]);
#pragma unroll
      for (int i = 0; i < 8; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) sums[i][j] = fmaf(a[i], b[j], sums[i][j]);
      }
    }
  }
  template <class TO>
  INLINE void put(const TO &to) const {
    const int row = threadIdx.x / 16 * 8, column = threadIdx.x % 16;
#pragma unroll
    for (int i = 0; i < 8; i++) {
#pragma unroll
      for (int j = 0; j < 4; j++) to(row + i, column + 16 * j, sums[i][j]);
    }
  }
};

/* Sums by tensor cores: warp w has rows 16 w .. + 15 and all columns, eight at a time. A lane has two
   neighbours of each row, lane / 4 and that + 8. */
struct by_matrices {
  float sums[TILE / 8][4];
  INLINE void clear() {
#pragma unroll
    for (int i = 0; i < TILE / 8 * 4; i++) sums[i / 4][i % 4] = 0;
  }
  static INLINE u32 two(const WR_A *p) { return *(const u32 *)(const void *)p; }
  INLINE void add(const tiles &s) {
    const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4, pair = lane % 4 * 2;
#pragma unroll
    for (int k = 0; k < DEPTH; k += 16) {
      const WR_A *x = s.x + row * PITCH + k + pair;
      const u32 a[4] = {two(x), two(x + 8 * PITCH), two(x + 8), two(x + 8 * PITCH + 8)};
#pragma unroll
      for (int n = 0; n < TILE / 8; n++) {
        const WR_A *w = s.w + (n * 8 + lane / 4) * PITCH + k + pair;
        const u32 b[2] = {two(w), two(w + 8)};
        multiply_16(WR_A(), sums[n], a, b);
      }
    }
  }
  template <class TO>
  INLINE void put(const TO &to) const {
    const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4, pair = lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < TILE / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) to(row + i / 2 * 8, n * 8 + pair + i % 2, sums[n][i]);
    }
  }
};

template <class E>
struct way {
  typedef by_products type;
};
#if __CUDA_ARCH__ >= 800
template <>
struct way<f16> {
  typedef by_matrices type;
};
template <>
struct way<bf16> {
  typedef by_matrices type;
};
#endif

extern "C" __global__ void __launch_bounds__(THREADS) many(WR_A *y, problem p) {
  __shared__ tiles s;
  const i64 columns = (p.n + TILE - 1) / TILE, rows = (p.m + TILE - 1) / TILE;
  for (i64 product = blockIdx.y; product < p.products; product += gridDim.y) {
    const WR_A *x = p.x + matrix_of(p.lhs, p.x_count, product) * p.m * p.k;
    const i64 matrix = matrix_of(p.rhs, p.w_count, product);
    WR_A *out = y + product * p.m * p.n;
    for (i64 t = blockIdx.x; t < columns * rows; t += gridDim.x) {
      const i64 row = t / columns * TILE, column = t % columns * TILE;
      way<WR_A>::type sums;
      sums.clear();
      for (i64 at = 0; at < p.k; at += DEPTH) {
        __syncthreads();
        tile_of_x(s, p, x, row, at);
        tile_of_w(s, p, matrix, column, at);
        __syncthreads();
        sums.add(s);
      }
      sums.put([&](int i, int j, float sum) {
        if (row + i < p.m && column + j < p.n) {
          out[(row + i) * p.n + column + j] = store_as<WR_A>::of((value_t)sum);
        }
      });
    }
  }
}
