/* Random bits: for each key, Threefry words laid out as MLX lays them out (core/threefry.h), cut to
   the bytes that the key's elements take. One hash gives two words, one in each half of the key's
   block, so work is spread over pairs. Takes no locks, allocates nothing. */

#include <string.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "core/threefry.h"

/* The block of one key: `bytes` bytes, `words` words of which the last may be cut. */
struct bits {
  uint32_t key[2];
  char *out;
  size_t bytes;
  int64_t half;
  int64_t odd;
};

static void put_word(const struct bits *b, int64_t i, uint32_t word) {
  size_t at = (size_t)i * sizeof word;
  memcpy(b->out + at, &word, b->bytes - at < sizeof word ? b->bytes - at : sizeof word);
}

static void pairs_body(void *ctx, int64_t begin, int64_t end) {
  const struct bits *b = ctx;
  for (int64_t i = begin; i < end; i++) {
    int64_t second = b->half + b->odd + i;
    struct wr_threefry h = wr_threefry_hash(b->key, (uint32_t)i, (uint32_t)second);
    put_word(b, i, h.v[0]);
    put_word(b, second, h.v[1]);
  }
}

static void fill_block(struct bits *b) {
  wr_spread(b->half, WR_CPU_GRAIN / 4, pairs_body, b);
  if (b->odd) put_word(b, b->half, wr_threefry_hash(b->key, (uint32_t)b->half, 0).v[0]);
}

struct wr_error *wr_cpu_random_bits(const struct wr_call *call) {
  const struct wr_tensor *keys = &call->in[0];
  if (call->out.size == 0 || keys->size == 0) return NULL;
  int last = keys->ndim - 1;
  struct wr_walk walk;
  wr_walk_axes(&walk, keys, wr_axes_all(keys) & ~(1u << last));
  const struct wr_bits_params *params = call->params;
  struct bits b = {.out = call->out.data};
  b.bytes = (size_t)(call->out.size / walk.size) * (size_t)params->width;
  int64_t words = (int64_t)((b.bytes + 3) / 4);
  b.half = words / 2;
  b.odd = words % 2;
  struct wr_each e;
  wr_each_start(&e, &walk, 0, walk.size);
  for (; wr_each_next(&e); b.out += b.bytes) {
    const uint32_t *key = (const uint32_t *)keys->data + e.at[0];
    b.key[0] = key[0];
    b.key[1] = key[keys->strides[last]];
    fill_block(&b);
  }
  return NULL;
}
