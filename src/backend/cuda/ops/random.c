/* Random bits: for each key, Threefry words laid out as MLX lays them out (core/threefry.h), cut to
   the bytes that the key's elements take. */

#include <string.h>

#include "backend/cuda/ops/internal.h"

enum { EACH = 4 }; /* pairs of words that a thread of the kernel draws */

/* The kernels' struct keys_of. */
struct keys {
  const void *at;
  int64_t stride;
  uint32_t value[2];
};

static struct keys keys_of(const struct wr_tensor *t) {
  struct keys keys = {.stride = t->strides[t->ndim - 1]};
  if (t->on_host) {
    memcpy(keys.value, t->data, sizeof keys.value);
  } else {
    keys.at = t->data;
  }
  return keys;
}

/* A block of one key whose halves are packs on 16 bytes. */
static struct wr_error *draw_packs(struct wr_launch *l, struct wr_run *run,
                                   const struct wr_call *call, struct wr_module_id id,
                                   int64_t half) {
  const struct keys keys = keys_of(&call->in[0]);
  wr_launch_start(l, id, WR_ENTRY_RANDOM_PACKS);
  wr_launch_pointer(l, call->out.data);
  wr_launch_struct(l, &keys, sizeof keys);
  wr_launch_index(l, half);
  wr_launch_threads(l, run, half / EACH, 256);
  return wr_launch(l, run);
}

struct wr_error *wr_gpu_random_bits(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *keys = &call->in[0];
  const struct wr_bits_params *params = call->params;
  struct wr_layout layout;
  struct wr_launch l;
  if (call->out.size == 0 || keys->size == 0) return NULL;
  const int last = keys->ndim - 1;
  wr_layout_of(&layout, keys, wr_layout_all(keys) & ~(1u << last));
  const int64_t bytes = call->out.size / layout.size * params->width;
  const int64_t words = (bytes + 3) / 4;
  const int64_t threads = layout.size * ((words / 2 + words % 2 + EACH - 1) / EACH);
  const bool big = wr_layout_is_big(&layout) || threads > INT32_MAX || words > INT32_MAX;
  const struct wr_module_id id = {
      WR_SOURCE_RANDOM, WR_OP_RANDOM_BITS, WR_UINT32, WR_UINT32, big, 0};
  if (layout.size == 1 && bytes % (8 * EACH) == 0 && wr_aligned(call->out.data, 16)) {
    return draw_packs(&l, run, call, id, words / 2);
  }
  const struct keys where = keys_of(keys);
  wr_launch_start(&l, id, WR_ENTRY_RANDOM_BITS);
  wr_launch_pointer(&l, call->out.data);
  wr_launch_struct(&l, &where, sizeof where);
  wr_launch_i64(&l, layout.size);
  wr_launch_i64(&l, bytes);
  wr_launch_i64(&l, words / 2);
  wr_launch_i64(&l, words % 2);
  wr_launch_layout(&l, &layout);
  wr_launch_threads(&l, run, threads, 256);
  return wr_launch(&l, run);
}
