/* What kernels with tensor cores share: copies into shared memory that run beside the arithmetic, small
   matrices from there to registers, and products of them: of a warp (compute capability 8.0), of four
   warps (9.0 alone). In shared memory a row of a matrix takes 128 bytes, in which the 16 bytes number c of
   row r lie at c ^ r % 8: readers of neighbouring rows then meet different banks, and it is the order that
   the instructions of four warps call the swizzle of 128 bytes. Below 8.0 copies are plain ones. */

INLINE u32 shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }

/* Where 16 bytes of a row lie. */
INLINE u32 chunk_of(int row, int chunk) { return (u32)(row * 128 + (chunk ^ row % 8) * 16); }

/* ---- copies of 16 bytes; zeros where there is nothing ---- */

struct alignas(16) chunk16 {
  u32 words[4];
};

#if __CUDA_ARCH__ >= 800
/* `to`: as shared_address has it. */
INLINE void copy_16(u32 to, const void *from, bool exists) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(exists ? 16 : 0)
               : "memory");
}
#endif
INLINE void copy_16(void *to, const void *from, bool exists) {
#if __CUDA_ARCH__ >= 800
  copy_16(shared_address(to), from, exists);
#else
  chunk16 x = {{0, 0, 0, 0}};
  if (exists) x = *(const chunk16 *)from;
  *(chunk16 *)to = x;
#endif
}
INLINE void copies_commit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
/* All but the last N of what this thread committed is there, for those who hear of it after this. */
template <int N>
INLINE void copies_wait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

#if __CUDA_ARCH__ >= 800

/* ---- products of a warp, each lane with its part of the three ---- */

/* Four matrices of 8 rows of 16 bytes: lane i says where row i % 8 of matrix i / 8 lies, and gets of
   each the four bytes lane % 4 of row lane / 4. */
INLINE void load_matrices(u32 *to, u32 row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(row)
               : "memory");
}
INLINE void load_matrices(u32 *to, const void *row) { load_matrices(to, shared_address(row)); }

/* d += a b of 16 rows of 32 bytes by 8 columns of as many: 16 elements, or 8 of TF32. */
#define MULTIPLY_PAIR(TYPE, SHAPE, NAME)                                                           \
  INLINE void multiply_pair(TYPE, float *d, const u32 *a, const u32 *b) {                          \
    asm("mma.sync.aligned." SHAPE ".row.col.f32." NAME "." NAME ".f32 {%0, %1, %2, %3}, "          \
        "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                                            \
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                           \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                       \
  }
MULTIPLY_PAIR(f16, "m16n8k16", "f16")
MULTIPLY_PAIR(bf16, "m16n8k16", "bf16")
MULTIPLY_PAIR(float, "m16n8k8", "tf32")

/* To nearest, where the instruction itself would cut. */
INLINE u32 to_tf32(u32 x) {
  u32 r;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(__uint_as_float(x)));
  return r;
}

#endif

/* ---- products of four warps ---- */

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

/* What was written to shared memory before is there for these instructions too. */
INLINE void products_see_shared() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/* What the instruction reads from shared memory: an address in units of 16 bytes, two distances, the
   swizzle. Along rows (K-major) the second is between groups of eight rows; across them, of a matrix
   that is read turned, the first is between its halves and the second between groups of eight rows. */
INLINE u64 operand(u32 address, u32 first, u32 second) {
  return (u64)(address >> 4 & 0x3fffu) | (u64)(first >> 4) << 16 | (u64)(second >> 4) << 32 |
         (u64)1 << 62;
}

INLINE void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
INLINE void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int N>
INLINE void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}
/* Nothing of these is read or written across this point. */
template <int N>
INLINE void hold(float *x) {
#pragma unroll
  for (int i = 0; i < N; i++) asm volatile("" : "+f"(x[i])::"memory");
}

#define D4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define D16(d, i) D4(d, i), D4(d, i + 4), D4(d, i + 8), D4(d, i + 12)
#define D32(d) D16(d, 0), D16(d, 16)
#define D64(d) D16(d, 0), D16(d, 16), D16(d, 32), D16(d, 48)
#define NAMES_16 "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}"
#define NAMES_32                                                                                   \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "    \
  "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define NAMES_64                                                                                   \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "    \
  "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, "     \
  "%38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, "     \
  "%56, %57, %58, %59, %60, %61, %62, %63}"

/* d of 64 x COLUMNS, FLOATS a thread, = or += a of 64 x 16 by the rows of b. The numbers of the
   operands behind d are A, B and ADDS. */
#define MULTIPLY_ROWS_BY(TYPE, NAME, COLUMNS, FLOATS, D, NAMES, A, B, ADDS)                        \
  INLINE void multiply_rows(TYPE, float (&d)[FLOATS], u64 a, u64 b, int adds) {                    \
    asm volatile("{.reg .pred p; setp.ne.b32 p, %" ADDS ", 0; "                                    \
                 "wgmma.mma_async.sync.aligned.m64n" COLUMNS "k16.f32." NAME "." NAME " " NAMES    \
                 ", %" A ", %" B ", p, 1, 1, 0, 0;}"                                               \
                 : D                                                                               \
                 : "l"(a), "l"(b), "r"(adds));                                                     \
  }
#define MULTIPLY_ROWS(TYPE, NAME)                                                                  \
  MULTIPLY_ROWS_BY(TYPE, NAME, "32", 16, D16(d, 0), NAMES_16, "16", "17", "18")                    \
  MULTIPLY_ROWS_BY(TYPE, NAME, "64", 32, D32(d), NAMES_32, "32", "33", "34")                       \
  MULTIPLY_ROWS_BY(TYPE, NAME, "128", 64, D64(d), NAMES_64, "64", "65", "66")
MULTIPLY_ROWS(f16, "f16")
MULTIPLY_ROWS(bf16, "bf16")

#endif
