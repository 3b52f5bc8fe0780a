/* Products of many rows of 16-bit floats with transposed quantised matrices, affine of 4 or 8 bits, on
   GPUs of compute capability 9.0. A block makes ROWS x COLUMNS of the result, turned over: the quantised
   matrix is the left operand, of which a lane unpacks what it gives to the multiplications into registers,
   rounded to WR_A, and x the right one, which they read from shared memory. Sums are float32.

   One thread asks for boxes of x and of packed codes (TMA), some warps bring scales and biases, and two
   groups of four warps multiply 64 columns each by all rows as steps come in. While the tensor cores do
   that for one step, lanes unpack the next. The blocks of a cluster make neighbouring columns of the same
   rows: each asks for its part of the rows of x, which comes to all of them, since what all blocks together
   would read of x is more than the second-level cache gives in that time. */

#include "types.cuh"
#include "two.cuh"
#include "matrices.cuh"
#include "boxes.cuh"
#include "packed.cuh"
#include "quantized_matmul.cuh"

/* As ops/quantized.c has them. */
enum { ROWS = 128, COLUMNS = 128, STAGES = 8, THREADS = 384, CLUSTER = 2 };

enum {
  GROUP = 128, /* threads that multiply together */
  GROUPS = COLUMNS / 64,
  MULTIPLIERS = GROUPS * GROUP,
  BRINGERS = (THREADS - MULTIPLIERS) / 32 - 1, /* warps */
  DEPTH = 64,                                  /* elements along k of a step */
  PARTS = DEPTH / 16,                          /* that are multiplied at once */
  LINE = DEPTH * BITS / 8,                     /* bytes of a row's codes in a step */
  SHARE = ROWS / CLUSTER,                      /* rows of x that a block asks for */
  SUMS = ROWS / 2                              /* of a thread */
};

/* Scale and bias of a group, twice each. */
struct alignas(8) factors {
  u32 scale, bias;
};

struct memory {
  u8 x[STAGES][ROWS * 128];         /* on 1024 bytes */
  u8 codes[STAGES][COLUMNS * LINE]; /* the same */
  factors by[STAGES][2][COLUMNS];   /* for both halves of a step: a group has 32 elements, or 64 or 128 */
  u64 there[STAGES], read[STAGES];  /* barriers */
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

INLINE u32 scaled(u32 code, const factors &f) {
  const u32 exact = multiply_add(WR_A(), code, ones_of(WR_A()), magic_of(WR_A()).less);
  return multiply_add(WR_A(), exact, f.scale, f.bias);
}

/* Two neighbours, whose codes are exact, and rounded once with scale and bias. Of four bits they are a byte,
   which `which` takes out of eight. `base`: the magic number, which is to stay in a register. */
INLINE u32 unpack_4(u32 codes, u32 which, u32 base, const factors &f) {
  const u32 both = __byte_perm(codes, 0, which) * 0x1001u; /* the second code to the upper half */
  u32 code;
  asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(code) : "r"(both), "n"(0x000f000f), "r"(base));
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

INLINE factors load_factors(u32 shared) {
  factors f;
  asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];" : "=r"(f.scale), "=r"(f.bias) : "r"(shared) : "memory");
  return f;
}

/* The threads that multiply wait for each other. */
INLINE void multipliers_meet() {
  asm volatile("bar.sync 1, %0;" ::"n"((int)MULTIPLIERS) : "memory");
}

struct tile {
  const problem &p;
  memory &m;
  const tensor_map &x, &codes;
  int row, column, matrix, x_matrix;
  u32 block; /* of the cluster */

  /* 16 bytes of a row of codes, as boxes have them: so that eight neighbouring rows meet all banks. */
  static INLINE int code_at(int r, int chunk) {
    return BITS == 4 ? r * LINE + (chunk ^ (r / 4 & 1)) * 16 : r * LINE + (chunk ^ (r / 2 & 3)) * 16;
  }

  /* One thread. Zeros past the ends. */
  INLINE void copy_steps(int steps) const {
    for (int n = 0; n < steps; n++) {
      const int stage = n % STAGES;
      if (n >= STAGES) barrier_wait(m.read[stage], (n / STAGES + 1) % 2);
      barrier_expect(m.there[stage], ROWS * 128 + COLUMNS * LINE);
      copy_box_to_all<CLUSTER>(shared_address(m.x[stage]) + block * (SHARE * 128), x, n * DEPTH,
                               row + (int)block * SHARE, x_matrix, 0, m.there[stage]);
      copy_box(shared_address(m.codes[stage]), codes, n * LINE, column, matrix, 0, m.there[stage]);
    }
  }

  /* A lane brings those of some columns, for every so many-th step. Nothing past the end, where x is 0. */
  INLINE void bring_steps(int warp, int steps) const {
    enum { EACH = COLUMNS / 32 };
    const int lane = threadIdx.x % 32, shift = __ffs((int)p.group) - 1;
    const u16 *scales[EACH], *biases[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) {
      const int c = column + i * 32 + lane;
      const i64 line = ((i64)matrix * p.n + (c < (int)p.n ? c : (int)p.n - 1)) * (p.k >> shift);
      scales[i] = (const u16 *)p.scales + line;
      biases[i] = (const u16 *)p.biases + line;
    }
    for (int n = warp; n < steps; n += BRINGERS) {
      const int stage = n % STAGES;
      u32 scale[2][EACH], bias[2][EACH];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int at = n * DEPTH + half * 32, group = at >> shift;
        const bool exists = at < (int)p.k && (half == 0 || shift == 5);
#pragma unroll
        for (int i = 0; i < EACH; i++) {
          scale[half][i] = exists ? scales[i][group] : half ? scale[0][i] : 0;
          bias[half][i] = exists ? biases[i][group] : half ? bias[0][i] : 0;
        }
      }
      if (n >= STAGES) barrier_wait(m.read[stage], (n / STAGES + 1) % 2);
#pragma unroll
      for (int half = 0; half < 2; half++) {
#pragma unroll
        for (int i = 0; i < EACH; i++) {
          m.by[stage][half][i * 32 + lane] = {scale[half][i] * 0x10001u, bias[half][i] * 0x10001u};
        }
      }
      __syncwarp();
      if (lane == 0) barrier_arrive(m.there[stage]);
    }
  }

  /* What this lane gives of a step: of rows `first` and 8 further, of each eight elements two. */
  INLINE void unpack(u32 (&a)[PARTS][4], u32 from, u32 by, int first) const {
    const u32 q = threadIdx.x % 4;
    u32 base = magic_of(WR_A()).base;
    asm volatile("" : "+r"(base));
#pragma unroll
    for (int h = 0; h < 2; h++) {
      u32 words[LINE / 4];
      factors f[2];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        f[half] = load_factors(by + (half * COLUMNS + first + 8 * h) * (int)sizeof(factors));
      }
#pragma unroll
      for (int c = 0; c < LINE / 16; c++) {
        load_words(words + 4 * c, from + code_at(first + 8 * h, c));
      }
#pragma unroll
      for (int eight = 0; eight < DEPTH / 8; eight++) {
        const int half = eight / (DEPTH / 16);
        u32 &to = a[eight / 2][eight % 2 * 2 + h];
        if (BITS == 4) {
          to = unpack_4(words[eight], 0x4440u | q, base, f[half]);
        } else {
          const int word = 2 * eight % (LINE / 4);
          to = unpack_8(WR_A(), q < 2 ? words[word] : words[word + 1], q % 2, f[half]);
        }
      }
    }
  }

  /* Steps go by two, since what lanes gave of one may not change while it is multiplied, which is
     until that of the next has begun. All blocks of the cluster hear what has been read. */
  INLINE void make(WR_A *out, int steps) const {
    const int first = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4;
    const u32 codes_from = shared_address(m.codes[0]), by = shared_address(m.by[0]);
    const u64 rows = operand(shared_address(m.x[0]), 16, 1024);
    const bool tells = threadIdx.x % GROUP < CLUSTER;
    const u32 told = address_in(shared_address(m.read), threadIdx.x % GROUP % CLUSTER);
    float sums[SUMS];
    u32 a[2][PARTS][4];
#pragma unroll
    for (int i = 0; i < SUMS; i++) sums[i] = 0;
#pragma unroll
    for (int i = 0; i < 2 * PARTS * 4; i++) a[i / 4 / PARTS][i / 4 % PARTS][i % 4] = 0;
    for (int step = 0; step < steps; step += 2) {
#pragma unroll
      for (int u = 0; u < 2; u++) {
        const int n = step + u, now = n % STAGES;
        barrier_wait(m.there[now], n / STAGES % 2);
        unpack(a[u], codes_from + now * (int)sizeof m.codes[0], by + now * (int)sizeof m.by[0], first);
        hold_words(a[u]);
        products_begin();
#pragma unroll
        for (int k = 0; k < PARTS; k++) {
          multiply_held(WR_A(), sums, a[u][k], rows + (u64)(now * (sizeof m.x[0] / 16) + 2 * k));
        }
        products_commit();
        products_wait<1>();
        hold_words(a[1 - u]);
        if (n > 0 && tells) barrier_arrive_at(told + (n - 1) % STAGES * 8);
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
      WR_A *to = out + (i64)(row + at_row) * p.n + column + at;
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

/* Clusters of one column of tiles are neighbours, so that its codes are read from the cache. */
extern "C" __global__ void __cluster_dims__(CLUSTER) __launch_bounds__(THREADS, 1)
    tiles(WR_A *y, const __grid_constant__ problem p, const __grid_constant__ tensor_map x,
          const __grid_constant__ tensor_map codes) {
  extern __shared__ u8 bytes[];
  memory &m = *(memory *)(((u64)bytes + 1023) / 1024 * 1024);
  const u32 rows = (u32)((p.m + ROWS - 1) / ROWS), block = blockIdx.x % CLUSTER;
  const u32 number = blockIdx.x / CLUSTER;
  const int steps = ((int)p.k / DEPTH + 1) / 2 * 2;
  for (i64 product = blockIdx.y; product < p.products; product += gridDim.y) {
    const tile one = {p,
                      m,
                      x,
                      codes,
                      (int)(number % rows * ROWS),
                      (int)((number / rows * CLUSTER + block) * COLUMNS),
                      (int)matrix_of(p.rhs, p.w_count, product),
                      (int)matrix_of(p.lhs, p.x_count, product),
                      block};
    if (threadIdx.x == 0) {
      for (int i = 0; i < STAGES; i++) {
        barrier_set(m.there[i], 2);
        barrier_set(m.read[i], GROUPS * CLUSTER);
      }
      barriers_are_set();
    }
    cluster_meets();
    const int warp = ((int)threadIdx.x - MULTIPLIERS) / 32;
    if (threadIdx.x < MULTIPLIERS) {
      one.make(y + product * p.m * p.n, steps);
    } else if (warp < BRINGERS) {
      one.bring_steps(warp, steps);
    } else if (threadIdx.x % 32 == 0) {
      one.copy_steps(steps);
    }
    __syncwarp();
    cluster_meets();
    if (threadIdx.x == 0) {
      for (int i = 0; i < STAGES; i++) {
        barrier_end(m.there[i]);
        barrier_end(m.read[i]);
      }
    }
  }
}
