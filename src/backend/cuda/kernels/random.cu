/* Random bits: Threefry-2x32 of 20 rounds, laid out as the host's core/threefry.h says, so that both
   draw the same numbers. A pair of counters is hashed to two words, one in each half of the key's
   block; the last word may be cut. A thread hashes EACH neighbouring pairs, and writes those of each
   half as one where they lie on 16 bytes. Halves of whole packs of one key are drawn by `packs`, which
   has nothing else to ask. */

#include "types.cuh"
#include "threefry.cuh"

/* Blocks of a key need not be aligned when its elements are narrow. */
INLINE void put_word(u8 *block, i64 bytes, bool aligned, i64 i, u32 word) {
  const i64 at = i * 4;
  if (aligned && at + 4 <= bytes) {
    *(u32 *)(block + at) = word;
    return;
  }
  for (int k = 0; k < 4 && at + k < bytes; k++) block[at + k] = (u8)(word >> (8 * k));
}

enum { EACH = 4 };

/* Where keys are; NULL: there is one, this. */
struct keys_of {
  const u32 *at;
  i64 stride; /* between the two words of a key */
  words value;
};

INLINE words key_at(const keys_of &keys, i64 offset) {
  if (!keys.at) return keys.value;
  words key;
  key.a = keys.at[offset];
  key.b = keys.at[offset + keys.stride];
  return key;
}

/* A half's words of a thread, `first` on; `wide` says that they lie on 16 bytes. */
INLINE void put_words(u8 *block, i64 bytes, bool aligned, bool wide, i64 first, i64 count,
                      const u32 *words) {
  if (wide && count >= EACH) {
    pack<u32, EACH> all;
#pragma unroll
    for (int k = 0; k < EACH; k++) all.e[k] = words[k];
    *(pack<u32, EACH> *)(block + first * 4) = all;
    return;
  }
#pragma unroll
  for (int k = 0; k < EACH; k++) {
    if (k < count) put_word(block, bytes, aligned, first + k, words[k]);
  }
}

/* Of each key's block: a pair for half of the words, and one more when their number is odd. */
extern "C" __global__ void bits(u8 *out, const __grid_constant__ keys_of keys, i64 n_keys,
                                i64 bytes, i64 half, i64 odd, layout<1> l) {
  const i64 pairs = half + odd;
  const index_t groups = (index_t)((pairs + EACH - 1) / EACH);
  const bool aligned = bytes % 4 == 0, wide = bytes % 16 == 0;
  for (index_t t = thread_index(); t < (index_t)n_keys * groups; t += thread_count()) {
    const index_t key = n_keys == 1 ? 0 : t / groups;
    const i64 first = (i64)(t - key * groups) * EACH;
    const words k = key_at(keys, offset_of(l, key));
    u32 a[EACH], b[EACH];
#pragma unroll
    for (int u = 0; u < EACH; u++) {
      const i64 i = first + u;
      const words w = threefry<true>(k.a, k.b, (u32)i, i < half ? (u32)(pairs + i) : 0);
      a[u] = w.a;
      b[u] = w.b;
    }
    u8 *block = out + key * bytes;
    put_words(block, bytes, aligned, wide, first, pairs - first, a);
    put_words(block, bytes, aligned, wide && pairs % EACH == 0, pairs + first, half - first, b);
  }
}

extern "C" __global__ void packs(u32 *out, const __grid_constant__ keys_of keys, index_t half) {
  const words key = key_at(keys, 0);
  pack<u32, EACH> *first = (pack<u32, EACH> *)out, *second = (pack<u32, EACH> *)(out + half);
  for (index_t i = thread_index(); i < half / EACH; i += thread_count()) {
    pack<u32, EACH> a, b;
#pragma unroll
    for (int u = 0; u < EACH; u++) {
      const index_t at = i * EACH + u;
      const words w = threefry<true>(key.a, key.b, (u32)at, (u32)(half + at));
      a.e[u] = w.a;
      b.e[u] = w.b;
    }
    first[i] = a;
    second[i] = b;
  }
}
