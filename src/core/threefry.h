#ifndef WR_CORE_THREEFRY_H
#define WR_CORE_THREEFRY_H

/* Threefry-2x32 with 20 rounds (Salmon and others, "Parallel random numbers: as easy as 1, 2, 3"),
   and the order in which MLX lays its output out. Pure functions of plain values, shared by the
   kernels and by the host's key sequences, so that both draw the same numbers.

   n words from one key: with half = n / 2 and odd = n % 2, pair i of the first half hashes the
   counters (i, half + odd + i) into the words i and half + odd + i; an odd n has one more word, at
   index half: the first of the hash of (half, 0). Narrower elements are the bytes of these words in
   memory order; n is the number of bytes over 4, rounded up. */

#include <stddef.h>
#include <stdint.h>

struct wr_threefry {
  uint32_t v[2];
};

static inline uint32_t wr_threefry_rotate(uint32_t x, int r) { return (x << r) | (x >> (32 - r)); }

static inline struct wr_threefry wr_threefry_hash(const uint32_t key[2], uint32_t c0, uint32_t c1) {
  static const uint8_t rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  const uint32_t ks[3] = {key[0], key[1], key[0] ^ key[1] ^ 0x1bd11bdau};
  uint32_t x0 = c0 + ks[0];
  uint32_t x1 = c1 + ks[1];
  for (uint32_t i = 0; i < 5; i++) {
    for (int r = 0; r < 4; r++) {
      x0 += x1;
      x1 = wr_threefry_rotate(x1, rotations[i % 2][r]) ^ x0;
    }
    x0 += ks[(i + 1) % 3];
    x1 += ks[(i + 2) % 3] + i + 1;
  }
  return (struct wr_threefry){{x0, x1}};
}

/* Word `i` of the n that the key gives, 0 <= i < n. Counters wrap at 2^32. */
static inline uint32_t wr_threefry_word(const uint32_t key[2], size_t n, size_t i) {
  size_t half = n / 2;
  size_t odd = n % 2;
  if (i < half) return wr_threefry_hash(key, (uint32_t)i, (uint32_t)(half + odd + i)).v[0];
  if (i == half && odd) return wr_threefry_hash(key, (uint32_t)half, 0).v[0];
  return wr_threefry_hash(key, (uint32_t)(i - half - odd), (uint32_t)i).v[1];
}

#endif
