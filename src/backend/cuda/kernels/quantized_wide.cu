/* Products of many rows of 16-bit floats with transposed quantised matrices, affine of 4 or 8 bits, on
   GPUs of compute capability 9.0. A block makes ROWS x COLUMNS of the result, turned over: the quantised
   matrix is the left operand, of which a lane unpacks what it gives to the multiplications into registers,
   rounded to WR_A, and x the right one, which they read from shared memory. Sums are float32.

   COPIERS warps copy rows of x and packed codes, as they are, each every so many-th step; two groups of
   four warps multiply 64 columns each by all rows as steps come in. While the tensor cores do that for one
   step, lanes unpack the next. */

#include "types.cuh"
#include "two.cuh"
#include "matrices.cuh"
#include "stages.cuh"
#include "packed.cuh"
#include "quantized_matmul.cuh"

/* As ops/quantized.c has them. */
enum { ROWS = 128, COLUMNS = 128, STAGES = 6, THREADS = 384 };

enum {
  GROUP = 128, /* threads that multiply together */
  MULTIPLIERS = COLUMNS / 64 * GROUP,
  COPIERS = (THREADS - MULTIPLIERS) / 32,
  DEPTH = 64,              /* elements along k of a step */
  PARTS = DEPTH / 16,      /* that are multiplied at once */
  LINE = DEPTH * BITS / 8, /* bytes of a row's codes in a step */
  SUMS = ROWS / 2          /* of a thread */
};

struct memory {
  u8 x[STAGES][ROWS * 128]; /* on 1024 bytes */
  u8 codes[STAGES][COLUMNS * LINE];
  u64 there[STAGES], read[STAGES]; /* barriers */
};

/* d of 64 x 128 += a of 64 x 16, each lane with its part, by the rows of b. */
#define MULTIPLY_HELD(TYPE, NAME)                                                                  \
  INLINE void multiply_held(TYPE, float (&d)[64], const u32 *a, u64 b) {                           \
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32." NAME "." NAME " " NAMES_64         \
                 ", {%64, %65, %66, %67}, %68, 1, 1, 1, 0;"                                        \
                 : D64(d)                                                                          \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                            \
  }
MULTIPLY_HELD(f16, "f16")
MULTIPLY_HELD(bf16, "bf16")

/* ---- unpacking ---- */

/* Scale and bias of a group, twice each; and the magic number, which is to stay in a register. */
struct factors {
  u32 scale, bias, base;
};

INLINE u32 scaled(u32 code, const factors &f) {
  const u32 exact = multiply_add(WR_A(), code, ones_of(WR_A()), magic_of(WR_A()).less);
  return multiply_add(WR_A(), exact, f.scale, f.bias);
}

/* Two neighbours, whose codes are exact, and rounded once with scale and bias. Of four bits they are a byte,
   which `which` takes out of eight. */
INLINE u32 unpack_4(u32 codes, u32 which, const factors &f) {
  const u32 both = __byte_perm(codes, 0, which) * 0x1001u; /* the second code to the upper half */
  u32 code;
  asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(code) : "r"(both), "n"(0x000f000f), "r"(f.base));
  return scaled(code, f);
}
/* Of eight bits they are a half of four. */
INLINE u32 unpack_8(f16, u32 codes, u32 half, const factors &f) {
  return scaled(__byte_perm(codes, 0x64646464u, half ? 0x4342 : 0x4140), f);
}
/* bfloat16 has no room to count eight bits from a number: by float32. */
INLINE u32 unpack_8(bf16, u32 codes, u32 half, const factors &f) {
  const u32 two = codes >> (16 * half);
  const float scale = low_of(bf16(), f.scale), bias = low_of(bf16(), f.bias);
  const float a = (float)(two & 255u), b = (float)(two >> 8 & 255u);
  return two_of(bf16(), fmaf(a, scale, bias), fmaf(b, scale, bias));
}

/* ---- a tile ---- */

INLINE void load_words(u32 *to, u32 shared) {
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared)
               : "memory");
}

/* The threads that multiply wait for each other. */
INLINE void multipliers_meet() {
  asm volatile("bar.sync 1, %0;" ::"n"((int)MULTIPLIERS) : "memory");
}

/* Scales and biases of the two rows of a lane, for both halves of a step: a group has 32 elements, or
   64 or 128. */
struct raw_factors {
  u16 scale[2][2], bias[2][2];
};

struct tile {
  const problem &p;
  memory &m;
  const WR_A *x;
  const u8 *codes;
  i64 row, column, matrix;

  /* 16 bytes of a row of codes: so that eight neighbouring rows meet all banks. */
  static INLINE int code_at(int r, int chunk) {
    return BITS == 4 ? r * LINE + (chunk ^ (r / 4 & 1)) * 16 : r * LINE + (chunk ^ (r / 2 & 3)) * 16;
  }

  /* A lane copies always the same 16 bytes of rows that are APART, and of codes. Zeros past the ends. */
  INLINE void copy_steps(int warp, int steps) const {
    enum { APART = 4, PIECES = LINE / 16, CODES_APART = 32 / PIECES };
    const int lane = threadIdx.x % 32, chunk = lane % 8, r = lane / 8;
    const int piece = lane % PIECES, c = lane / PIECES;
    const i64 k = p.k, line = k / 8 * BITS;
    const i64 rows = p.m - row - r, columns = p.n - column - c;
    const u32 even = chunk_of(r, chunk), odd = chunk_of(r + APART, chunk) - APART * 128;
    for (int n = warp; n < steps; n += COPIERS) {
      const int stage = n % STAGES;
      const bool any = n * DEPTH < k;
      const WR_A *from = x + (row + r) * k + n * DEPTH + chunk * 8;
      const u8 *code = codes + (column + c) * line + n * LINE + piece * 16;
      if (n >= STAGES) barrier_wait(m.read[stage], (n / STAGES + 1) % 2);
      const u32 to = shared_address(m.x[stage]), codes_to = shared_address(m.codes[stage]);
#pragma unroll 8
      for (int i = 0; i < ROWS; i += APART) {
        copy_16(to + (i / APART % 2 ? odd : even) + i * 128, from, any && i < rows);
        from += APART * k;
      }
#pragma unroll
      for (int i = 0; i < COLUMNS; i += CODES_APART) {
        copy_16(codes_to + code_at(c + i, piece), code, any && i < columns);
        code += CODES_APART * line;
      }
      copies_commit();
      copies_wait<0>();
      products_see_shared();
      barrier_arrive(m.there[stage]);
    }
  }

  /* Nothing past the end, where x is 0 and codes are. `shift`: of elements to groups. */
  INLINE void read_factors(raw_factors &f, int at, const i64 *lines, int shift) const {
#pragma unroll
    for (int h = 0; h < 2; h++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        if (half && shift > 5) {
          f.scale[h][1] = f.scale[h][0];
          f.bias[h][1] = f.bias[h][0];
        } else {
          const bool exists = at < (int)p.k;
          const i64 i = lines[h] + ((at + 32 * half) >> shift);
          f.scale[h][half] = exists ? ((const u16 *)p.scales)[i] : 0;
          f.bias[h][half] = exists ? ((const u16 *)p.biases)[i] : 0;
        }
      }
    }
  }

  /* What this lane gives of a step: of rows `first` and 8 further, of each eight elements two. */
  INLINE void unpack(u32 (&a)[PARTS][4], u32 from, int first, const raw_factors &raw) const {
    const u32 q = threadIdx.x % 4;
    u32 base = magic_of(WR_A()).base;
    asm volatile("" : "+r"(base));
#pragma unroll
    for (int h = 0; h < 2; h++) {
      u32 words[LINE / 4];
#pragma unroll
      for (int c = 0; c < LINE / 16; c++) {
        load_words(words + 4 * c, from + code_at(first + 8 * h, c));
      }
#pragma unroll
      for (int eight = 0; eight < DEPTH / 8; eight++) {
        const int half = eight / (DEPTH / 16);
        const factors f = {raw.scale[h][half] * 0x10001u, raw.bias[h][half] * 0x10001u, base};
        u32 &to = a[eight / 2][eight % 2 * 2 + h];
        if (BITS == 4) {
          to = unpack_4(words[eight], 0x4440u | q, f);
        } else {
          const int word = 2 * eight % (LINE / 4);
          to = unpack_8(WR_A(), q < 2 ? words[word] : words[word + 1], q % 2, f);
        }
      }
    }
  }

  /* Steps go by two, since what lanes gave of one may not change while it is multiplied, which is
     until that of the next has begun. */
  INLINE void make(WR_A *out) const {
    const int first = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4;
    const int steps = (int)p.k / DEPTH, shift = __ffs((int)p.group) - 1;
    i64 lines[2];
    float sums[SUMS];
    u32 a[2][PARTS][4];
    raw_factors next;
#pragma unroll
    for (int i = 0; i < SUMS; i++) sums[i] = 0;
#pragma unroll
    for (int i = 0; i < 2 * PARTS * 4; i++) a[i / 4 / PARTS][i / 4 % PARTS][i % 4] = 0;
#pragma unroll
    for (int h = 0; h < 2; h++) {
      const i64 c = column + first + 8 * h;
      lines[h] = (matrix * p.n + (c < p.n ? c : p.n - 1)) * (p.k >> shift);
    }
    read_factors(next, 0, lines, shift);
    for (int step = 0; step < steps; step += 2) {
#pragma unroll
      for (int u = 0; u < 2; u++) {
        const int n = step + u, now = n % STAGES;
        const raw_factors f = next;
        read_factors(next, (n + 1) * DEPTH, lines, shift);
        barrier_wait(m.there[now], n / STAGES % 2);
        unpack(a[u], shared_address(m.codes[now]), first, f);
        hold_words(a[u]);
        const u32 rows = shared_address(m.x[now]);
        products_begin();
#pragma unroll
        for (int k = 0; k < PARTS; k++) {
          multiply_held(WR_A(), sums, a[u][k], operand(rows + 32 * k, 16, 1024));
        }
        products_commit();
        products_wait<1>();
        hold_words(a[1 - u]);
        if (n > 0 && threadIdx.x % GROUP == 0) barrier_arrive(m.read[(n - 1) % STAGES]);
      }
    }
    products_wait<0>();
    hold<SUMS>(sums);
    put(sums, out);
  }

  /* The compiler keeps these up to here. */
  static INLINE void hold_words(u32 (&a)[PARTS][4]) {
#pragma unroll
    for (int i = 0; i < PARTS * 4; i++) asm volatile("" : "+r"(a[i / 4][i % 4])::"memory");
  }

  /* By way of shared memory, where rows of the result lie as they are written. Sums go there as they are:
     ptxas moves arithmetic with them to before the wait for the last products, but no store over the
     barrier behind it. */
  INLINE void put(const float (&sums)[SUMS], WR_A *out) const {
    enum { SIDE = 8, PITCH = COLUMNS + 4 };
    static_assert(ROWS * PITCH * sizeof(float) <= sizeof m.x, "has room");
    float *room = (float *)(void *)m.x;
    const int c = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4, r = threadIdx.x % 4 * 2;
    multipliers_meet();
#pragma unroll
    for (int i = 0; i < SUMS; i++) room[(r + i / 4 * 8 + i % 2) * PITCH + c + i % 4 / 2 * 8] = sums[i];
    multipliers_meet();
    const bool whole = p.n % SIDE == 0;
    for (int i = threadIdx.x; i < ROWS * COLUMNS / SIDE; i += MULTIPLIERS) {
      const int at_row = i / (COLUMNS / SIDE), at = i % (COLUMNS / SIDE) * SIDE;
      const float *from = room + at_row * PITCH + at;
      WR_A *to = out + (row + at_row) * p.n + column + at;
      if (row + at_row >= p.m) break;
      if (whole && column + at < p.n) {
        const pack<float, 4> low = *(const pack<float, 4> *)from, high = *(const pack<float, 4> *)(from + 4);
        pack<u32, 4> words;
#pragma unroll
        for (int k = 0; k < 2; k++) {
          words.e[k] = two_of(WR_A(), low.e[2 * k], low.e[2 * k + 1]);
          words.e[k + 2] = two_of(WR_A(), high.e[2 * k], high.e[2 * k + 1]);
        }
        *(pack<u32, 4> *)(void *)to = words;
      } else {
        for (int k = 0; k < SIDE && column + at + k < p.n; k++) to[k] = store_as<WR_A>::of(from[k]);
      }
    }
  }
};

/* Blocks of one column of tiles are neighbours, so that its codes are read from the cache. */
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    tiles(WR_A *y, const __grid_constant__ problem p) {
  extern __shared__ u8 bytes[];
  memory &m = *(memory *)(((u64)bytes + 1023) / 1024 * 1024);
  const i64 rows = (p.m + ROWS - 1) / ROWS;
  for (i64 product = blockIdx.y; product < p.products; product += gridDim.y) {
    const i64 matrix = matrix_of(p.rhs, p.w_count, product);
    const tile one = {p,
                      m,
                      p.x + matrix_of(p.lhs, p.x_count, product) * p.m * p.k,
                      (const u8 *)p.codes + matrix * p.n * (p.k / 8 * BITS),
                      blockIdx.x % rows * ROWS,
                      blockIdx.x / rows * COLUMNS,
                      matrix};
    if (threadIdx.x == 0) {
      for (int i = 0; i < STAGES; i++) {
        barrier_set(m.there[i], 32);
        barrier_set(m.read[i], MULTIPLIERS / GROUP);
      }
    }
    __syncthreads();
    if (threadIdx.x < MULTIPLIERS) {
      one.make(y + product * p.m * p.n);
    } else {
      one.copy_steps((threadIdx.x - MULTIPLIERS) / 32, ((int)p.k / DEPTH + 1) / 2 * 2);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      for (int i = 0; i < STAGES; i++) {
        barrier_end(m.there[i]);
        barrier_end(m.read[i]);
      }
    }
  }
}
