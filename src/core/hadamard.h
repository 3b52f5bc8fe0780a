#ifndef WR_CORE_HADAMARD_H
#define WR_CORE_HADAMARD_H

/* The Hadamard matrices whose order is no power of two: 12, 20 and 28, as MLX has them. A row is a
   word whose bit j is set where column j is -1. Plain functions. */

#include <stdint.h>

enum { WR_HADAMARD_MOST = 28 };

/* Of an extent n = m 2^k: m, of 1, 12, 20 and 28; 0 when n is none of these. */
static inline int wr_hadamard_factor(int64_t n) {
  for (int m = n > 0 && (n & (n - 1)) == 0 ? 1 : 12; m <= WR_HADAMARD_MOST; m += 8) {
    const int64_t rest = n / m;
    if (n > 0 && n % m == 0 && (rest & (rest - 1)) == 0) return m;
  }
  return 0;
}

/* Blocks of 2 by 2: on the diagonal + - - -, elsewhere + + + -, with the signs of a row of `block`,
   whose own bits are 0 where the block is as it stands. */
static inline void wr_hadamard_12(uint32_t *rows) {
  static const uint8_t block[6] = {0x00, 0x18, 0x30, 0x22, 0x06, 0x0c};
  for (int i = 0; i < 12; i++) {
    rows[i] = 0;
    for (int j = 0; j < 12; j++) {
      const int r = i / 2, c = j / 2;
      const int corner = i % 2 + j % 2;
      const int minus = r == c ? corner > 0 : (corner == 2) ^ (block[r] >> c & 1);
      rows[i] |= (uint32_t)minus << j;
    }
  }
}

/* Circulant blocks A B C D of a quarter of the order, in A B C D / -B A -D C / -C D A -B / -D -C B
   A. Row i of a block is its first row moved i places to the right. */
static inline void wr_hadamard_blocks(int order, const uint8_t *first, uint32_t *rows) {
  static const uint8_t which[4][4] = {{0, 1, 2, 3}, {1, 0, 3, 2}, {2, 3, 0, 1}, {3, 2, 1, 0}};
  static const uint8_t minus[4] = {0x0, 0x5, 0x9, 0x3}; /* bit c: of block column c */
  const int n = order / 4;
  for (int i = 0; i < order; i++) {
    rows[i] = 0;
    for (int j = 0; j < order; j++) {
      const int r = i / n, c = j / n, place = (j % n - i % n + n) % n;
      const int bit = (first[which[r][c]] >> place & 1) ^ (minus[r] >> c & 1);
      rows[i] |= (uint32_t)bit << j;
    }
  }
}

/* The rows of order m: 1, 12, 20 or 28. */
static inline void wr_hadamard_rows(int m, uint32_t rows[WR_HADAMARD_MOST]) {
  static const uint8_t first_20[4] = {0x1e, 0x1e, 0x0c, 0x12},
                       first_28[4] = {0x7e, 0x3c, 0x5a, 0x66};
  rows[0] = 0;
  if (m == 12) wr_hadamard_12(rows);
  if (m == 20) wr_hadamard_blocks(20, first_20, rows);
  if (m == 28) wr_hadamard_blocks(28, first_28, rows);
}

#endif
