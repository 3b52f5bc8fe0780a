/* The Hadamard transform against sums by the definition of its matrix: every factor, strided rows,
   both types; and the matrices themselves, whose rows are orthogonal. */

#include "backend/cpu/kernels.h"
#include "core/hadamard.h"
#include "kernel_case.h"

enum { MOST = 224 };

static void test_matrices(void) {
  for (int m = 12; m <= 28; m += 8) {
    uint32_t rows[WR_HADAMARD_MOST];
    wr_hadamard_rows(m, rows);
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < m; j++) {
        const int apart = __builtin_popcount(rows[i] ^ rows[j]);
        EXPECT(m - 2 * apart == (i == j ? m : 0));
      }
    }
  }
  EXPECT(wr_hadamard_factor(1) == 1 && wr_hadamard_factor(64) == 1 && wr_hadamard_factor(24) == 12);
  EXPECT(wr_hadamard_factor(40) == 20 && wr_hadamard_factor(56) == 28);
  EXPECT(wr_hadamard_factor(0) == 0 && wr_hadamard_factor(3) == 0 && wr_hadamard_factor(36) == 0);
}

static double element(int64_t n, int64_t i, int64_t j) {
  uint32_t rows[WR_HADAMARD_MOST];
  const int m = wr_hadamard_factor(n);
  const int64_t segment = n / m;
  wr_hadamard_rows(m, rows);
  const uint64_t both = (uint64_t)(i % segment) & (uint64_t)(j % segment);
  /* A sum: of the exclusive or of a bit and a parity GCC 12 keeps the bit alone, at -O1. */
  const int minus = (int)(rows[i / segment] >> (j / segment) & 1u) + __builtin_popcountll(both);
  return minus % 2 ? -1 : 1;
}

/* Three rows, read backwards from every other element. */
static void test_extent(int32_t n) {
  static float x[3 * 2 * MOST], y[3 * MOST];
  static double z[3 * MOST], w[3 * MOST];
  struct kernel_operand in, out;
  const struct wr_hadamard_params params = {.scale = 0.25};
  uint32_t seed = (uint32_t)n;
  for (int i = 0; i < 6 * n; i++) x[i] = (float)(kernel_case_next(&seed) % 17u) - 8;
  for (int i = 0; i < 3 * n; i++) z[i] = (double)x[6 * n - 2 - 2 * i];
  operand_strided(&in, x + 6 * n - 2, WR_FLOAT32, 2, SHAPE(3, n), STRIDES(-2 * n, -2));
  operand_dense(&out, y, WR_FLOAT32, 2, SHAPE(3, n));
  EXPECT(kernel_run(WR_OP_HADAMARD, &in.t, 1, &out.t, &params));
  operand_dense(&in, z, WR_FLOAT64, 2, SHAPE(3, n));
  operand_dense(&out, w, WR_FLOAT64, 2, SHAPE(3, n));
  EXPECT(kernel_run(WR_OP_HADAMARD, &in.t, 1, &out.t, &params));
  for (int r = 0; r < 3; r++) {
    for (int i = 0; i < n; i++) {
      double sum = 0;
      for (int j = 0; j < n; j++) sum += element(n, i, j) * z[r * n + j];
      EXPECT((double)y[r * n + i] == sum * 0.25 && w[r * n + i] == sum * 0.25);
    }
  }
}

int main(void) {
  static const int32_t extents[] = {1, 2, 4, 8, 64, 128, 12, 24, 96, 20, 40, 160, 28, 56, 224};
  test_matrices();
  for (size_t i = 0; i < sizeof extents / sizeof extents[0]; i++) test_extent(extents[i]);
  return kernel_case_failures() != 0;
}
