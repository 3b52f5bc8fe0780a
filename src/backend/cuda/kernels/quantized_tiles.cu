/* Products of many rows of 16-bit floats with transposed quantised matrices, on tensor cores. Rows of
   x and packed codes come into shared memory some steps ahead, as they are; a lane unpacks what it
   gives to the multiplications, into registers, rounded to WR_A. Sums are float32.

   The order of k inside 32 elements is the lanes' own: lane q of the four with a row takes elements
   8 q to 8 q + 7, which are neighbours in memory, of x and of codes alike, where the instruction
   would have it take two and two. A sum is the same in any order. */

#include "types.cuh"
#include "two.cuh"
#include "packed.cuh"
#include "quantized_matmul.cuh"

/* A warp takes DEPTH elements along k in each step. */
enum { THREADS = 256, WARPS = THREADS / 32, DEPTH = 64, CHUNKS = DEPTH / 32 };

/* ---- copies ---- */

INLINE u32 shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }

/* N bytes, or as many zeros. */
template <int N>
INLINE void copy_bytes(u8 *to, const void *from, bool exists) {
  const int bytes = exists ? N : 0;
  if (N == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
                 "r"(bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(shared_address(to)), "l"(from),
                 "r"(bytes)
                 : "memory");
  }
}
INLINE void copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N>
INLINE void copies_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

/* ---- unpacking ---- */

/* Scale and bias of a group, as they are stored. */
struct factors {
  u16 scale, bias;
};

INLINE factors factors_of(const problem &p, i64 group) {
  factors f = {0, 0};
  if (MODE == AFFINE) {
    f.scale = ((const u16 *)p.scales)[group];
    f.bias = ((const u16 *)p.biases)[group];
  } else {
    f.scale = ((const u8 *)p.scales)[group];
  }
  return f;
}

/* Eight elements as they follow each other, two in a word. */
INLINE void unpack_floats(u32 *out, u64 codes, const factors &f) {
  const float scale = (float)scale_value(&f.scale, 0), bias = (float)bias_value(&f.bias, 0);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float a = (float)code_value(code_of(codes, 2 * i));
    const float b = (float)code_value(code_of(codes, 2 * i + 1));
    out[i] = MODE == AFFINE ? two_of(WR_A(), fmaf(a, scale, bias), fmaf(b, scale, bias))
                            : two_of(WR_A(), a * scale, b * scale);
  }
}

/* Four bits: elements i and i + 4 are found at once. The code is exact, and rounded once with scale
   and bias. */
INLINE void unpack_nibbles(u32 *out, u32 codes, const factors &f) {
  const magic m = magic_of(WR_A());
  const u32 scale = f.scale | (u32)f.scale << 16, bias = f.bias | (u32)f.bias << 16;
  u32 far[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const u32 code = multiply_add(WR_A(), (codes >> (4 * i) & 0x000f000fu) | m.base,
                                  ones_of(WR_A()), m.less);
    far[i] = multiply_add(WR_A(), code, scale, bias);
  }
  out[0] = __byte_perm(far[0], far[1], 0x5410);
  out[1] = __byte_perm(far[2], far[3], 0x5410);
  out[2] = __byte_perm(far[0], far[1], 0x7632);
  out[3] = __byte_perm(far[2], far[3], 0x7632);
}

INLINE void unpack(u32 *out, const u8 *codes, const factors &f) {
  if (MODE == AFFINE && BITS == 4) {
    unpack_nibbles(out, *(const u32 *)(const void *)codes, f);
  } else if (BITS == 4) {
    unpack_floats(out, *(const u32 *)(const void *)codes, f);
  } else if (BITS == 8) {
    unpack_floats(out, *(const u64 *)(const void *)codes, f);
  } else {
    unpack_floats(out, block_bits(codes, BLOCK), f);
  }
}

/* ---- tiles ---- */

/* ROWS x COLUMNS of the result by a block, whose warps are WM along rows, WN along columns and WK
   along k. STAGES steps are in shared memory at a time. */
template <int ROWS, int COLUMNS, int WM, int WN, int WK, int STAGES>
struct tile {
  enum {
    MT = ROWS / WM / 16,
    NT = COLUMNS / WN / 8,
    STEP = DEPTH * WK,
    X_PITCH = STEP * 2,
    PIECE = BITS % 2 == 0 ? 16 : 8,     /* bytes of codes that are copied at once */
    LINE = STEP * BITS / 8,             /* of codes in a row */
    W_PITCH = LINE + 16,                /* so that rows begin at other banks */
    STAGE = ROWS * X_PITCH + COLUMNS * W_PITCH
  };

  const problem &p;
  u8 *memory;
  const WR_A *x;
  const u8 *codes;
  i64 row, column, matrix;

  /* Halves of 128 bytes change places in every other row, so that two rows of one place meet other
     banks. */
  static INLINE int x_at(int r, int chunk, int q) {
    return r * X_PITCH + ((chunk ^ (r & 1)) * 64) + q * 16;
  }

  INLINE void copy(u32 step) const {
    u8 *to = memory + step % STAGES * STAGE;
    const int at = (int)step * STEP, k = (int)p.k;
    for (int i = threadIdx.x; i < ROWS * (STEP / 8); i += THREADS) {
      const int r = i / (STEP / 8), j = i % (STEP / 8);
      const bool exists = row + r < p.m && at + j * 8 < k;
      copy_bytes<16>(to + x_at(r, j / 4, j % 4), exists ? x + (row + r) * k + at + j * 8 : x,
                     exists);
    }
    to += ROWS * X_PITCH;
    const int line = k / 8 * BITS, first = at / 8 * BITS;
    for (int i = threadIdx.x; i < COLUMNS * (LINE / PIECE); i += THREADS) {
      const int c = i / (LINE / PIECE), j = i % (LINE / PIECE) * PIECE;
      const bool exists = column + c < p.n && first + j < line;
      copy_bytes<PIECE>(to + c * W_PITCH + j, exists ? codes + (i64)(column + c) * line + first + j : codes,
                        exists);
    }
  }

  /* Groups are powers of two. */
  INLINE void read_factors(factors (*f)[CHUNKS], int at, int columns) const {
    const int g = threadIdx.x % 32 / 4, q = threadIdx.x % 4, shift = __ffs((int)p.group) - 1;
    const int groups = (int)p.k >> shift;
    if (at >= (int)p.k) return;
#pragma unroll
    for (int n = 0; n < NT; n++) {
      const i64 c = column + columns + n * 8 + g;
      const i64 line = (matrix * p.n + (c < p.n ? c : p.n - 1)) * groups;
#pragma unroll
      for (int i = 0; i < CHUNKS; i++) {
        f[n][i] = factors_of(p, line + ((at + i * 32 + q * 8) >> shift));
      }
    }
  }

  INLINE void make(WR_A *out) const {
    const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
    const int rows = warp % WM * (ROWS / WM), columns = warp / WM % WN * (COLUMNS / WN);
    const int part = warp / WM / WN; /* along k */
    const u32 steps = ((u32)p.k + STEP - 1) / STEP;
    float sums[MT][NT][4];
    factors next[NT][CHUNKS];
#pragma unroll
    for (int i = 0; i < MT * NT * 4; i++) sums[i / 4 / NT][i / 4 % NT][i % 4] = 0;
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
      if (s < steps) copy(s);
      copies_commit();
    }
    read_factors(next, part * DEPTH, columns);
    for (u32 step = 0; step < steps; step++) {
      copies_wait<STAGES - 2>();
      __syncthreads();
      if (step + STAGES - 1 < steps) copy(step + STAGES - 1);
      copies_commit();
      factors now[NT][CHUNKS];
#pragma unroll
      for (int i = 0; i < NT * CHUNKS; i++) now[i / CHUNKS][i % CHUNKS] = next[i / CHUNKS][i % CHUNKS];
      read_factors(next, (int)(step + 1) * STEP + part * DEPTH, columns);
      if ((int)step * STEP + part * DEPTH >= (int)p.k) continue; /* of all the warp */
      const u8 *xs = memory + step % STAGES * STAGE, *ws = xs + ROWS * X_PITCH;
#pragma unroll
      for (int c = 0; c < CHUNKS; c++) {
        u32 a[MT][2][4];
#pragma unroll
        for (int m = 0; m < MT; m++) {
#pragma unroll
          for (int h = 0; h < 2; h++) {
            const pack<u32, 4> four =
                *(const pack<u32, 4> *)(xs + x_at(rows + m * 16 + h * 8 + g, part * CHUNKS + c, q));
#pragma unroll
            for (int i = 0; i < 4; i++) a[m][i / 2][i % 2 * 2 + h] = four.e[i];
          }
        }
#pragma unroll
        for (int n = 0; n < NT; n++) {
          u32 b[4];
          unpack(b, ws + (columns + n * 8 + g) * W_PITCH + ((part * CHUNKS + c) * 32 + q * 8) * BITS / 8,
                 now[n][c]);
#pragma unroll
          for (int m = 0; m < MT; m++) {
            multiply_16(WR_A(), sums[m][n], a[m][0], b);
            multiply_16(WR_A(), sums[m][n], a[m][1], b + 2);
          }
        }
      }
    }
    copies_wait<0>();
    if (WK == 1) {
#pragma unroll
      for (int m = 0; m < MT; m++) {
#pragma unroll
        for (int n = 0; n < NT; n++) {
#pragma unroll
          for (int h = 0; h < 2; h++) {
            put(out, row + rows + m * 16 + h * 8 + g, column + columns + n * 8 + q * 2, sums[m][n][2 * h],
                sums[m][n][2 * h + 1]);
          }
        }
      }
      return;
    }
    /* The parts along k meet in shared memory, in their order. */
    float *parts = (float *)(void *)memory;
    __syncthreads();
#pragma unroll
    for (int m = 0; m < MT; m++) {
#pragma unroll
      for (int n = 0; n < NT; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const int r = rows + m * 16 + i / 2 * 8 + g, c = columns + n * 8 + q * 2 + i % 2;
          parts[(part * ROWS + r) * COLUMNS + c] = sums[m][n][i];
        }
      }
    }
    __syncthreads();
    for (int i = threadIdx.x * 2; i < ROWS * COLUMNS; i += THREADS * 2) {
      float a = 0, b = 0;
#pragma unroll
      for (int k = 0; k < WK; k++) {
        a += parts[k * ROWS * COLUMNS + i];
        b += parts[k * ROWS * COLUMNS + i + 1];
      }
      put(out, row + i / COLUMNS, column + i % COLUMNS, a, b);
    }
  }

  INLINE void put(WR_A *out, i64 r, i64 c, float a, float b) const {
    if (r >= p.m || c >= p.n) return;
    WR_A *to = out + r * p.n + c;
    if (p.n % 2 == 0) {
      *(u32 *)(void *)to = two_of(WR_A(), a, b);
      return;
    }
    to[0] = store_as<WR_A>::of(a);
    if (c + 1 < p.n) to[1] = store_as<WR_A>::of(b);
  }
};

/* Blocks of one column of tiles are neighbours, so that its codes are read from the cache. */
template <int ROWS, int COLUMNS, int WM, int WN, int WK, int STAGES>
INLINE void all_tiles(WR_A *y, const problem &p) {
  extern __shared__ __align__(16) u8 memory[];
  const i64 rows = (p.m + ROWS - 1) / ROWS, columns = (p.n + COLUMNS - 1) / COLUMNS;
  for (i64 product = blockIdx.y; product < p.products; product += gridDim.y) {
    const i64 matrix = matrix_of(p.rhs, p.w_count, product);
    for (i64 t = blockIdx.x; t < rows * columns; t += gridDim.x) {
      const tile<ROWS, COLUMNS, WM, WN, WK, STAGES> one = {
          p,
          memory,
          p.x + matrix_of(p.lhs, p.x_count, product) * p.m * p.k,
          (const u8 *)p.codes + matrix * p.n * (p.k * BITS / 8),
          t % rows * ROWS,
          t / rows * COLUMNS,
          matrix};
      __syncthreads(); /* what was before has been read */
      one.make(y + product * p.m * p.n);
    }
  }
}

/* As ops/quantized.c has them. */
extern "C" __global__ void __launch_bounds__(THREADS)
    tile_16(WR_A *y, const __grid_constant__ problem p) {
  all_tiles<16, 32, 1, 1, 8, 4>(y, p);
}
extern "C" __global__ void __launch_bounds__(THREADS)
    tile_32(WR_A *y, const __grid_constant__ problem p) {
  all_tiles<32, 32, 1, 1, 8, 3>(y, p);
}
extern "C" __global__ void __launch_bounds__(THREADS)
    tile_64(WR_A *y, const __grid_constant__ problem p) {
  all_tiles<64, 32, 2, 1, 4, 3>(y, p);
}
extern "C" __global__ void __launch_bounds__(THREADS)
    tile_128(WR_A *y, const __grid_constant__ problem p) {
  all_tiles<128, 128, 2, 4, 1, 4>(y, p);
}
