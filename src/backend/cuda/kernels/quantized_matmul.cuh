/* Products of matrices of WR_A with quantised ones: what its kernels share. */

struct problem {
  const WR_A *x;
  const u32 *codes;
  const void *scales, *biases;
  const i64 *lhs, *rhs; /* numbers of matrices; NULL: each by its own, or all by one */
  i64 products, m, n, k; /* how many, and of each */
  i64 x_count, w_count;  /* matrices */
  i64 group;
  i64 transpose;
  i64 aligned; /* x and the codes begin on 16 bytes */
};

/* Which matrix product i reads: one outside is the nearest. */
INLINE i64 matrix_of(const i64 *numbers, i64 count, i64 i) {
  if (!numbers) return count > 1 ? i : 0;
  const i64 at = numbers[i] < 0 ? numbers[i] + count : numbers[i];
  return at < 0 ? 0 : at < count ? at : count - 1;
}

/* A number whose last bits count from it, which codes are put into; and its negative. */
struct magic {
  u32 base, less;
};
INLINE magic magic_of(f16) { return {0x64006400u, 0xe400e400u}; }
INLINE magic magic_of(bf16) { return {0x43004300u, 0xc300c300u}; }

/* d += a b of 16 x 16 by 16 x 8, each lane with its part of the three. */
INLINE void multiply_16(f16, float *d, const u32 *a, const u32 *b) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
INLINE void multiply_16(bf16, float *d, const u32 *a, const u32 *b) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
INLINE void multiply_16(float, float *, const u32 *, const u32 *) {}
