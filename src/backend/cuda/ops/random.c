/* Random bits: for each key, Threefry words laid out as MLX lays them out (core/threefry.h), cut to
   the bytes that the key's elements take. */

#include "backend/cuda/ops/internal.h"

enum { EACH = 4 }; /* pairs of words that a thread of the kernel draws */

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
  const bool big = wr_layout_is_big(&layout) || threads > INT32_MAX;
  const struct wr_module_id id = {
      WR_SOURCE_RANDOM, WR_OP_RANDOM_BITS, WR_UINT32, WR_UINT32, big, 0};
  wr_launch_start(&l, id, WR_ENTRY_ONLY);
  wr_launch_pointer(&l, call->out.data);
  wr_launch_pointer(&l, keys->data);
  wr_launch_i64(&l, layout.size);
  wr_launch_i64(&l, keys->strides[last]);
  wr_launch_i64(&l, bytes);
  wr_launch_i64(&l, words / 2);
  wr_launch_i64(&l, words % 2);
  wr_launch_layout(&l, &layout);
  wr_launch_threads(&l, run, threads, 256);
  return wr_launch(&l, run);
}
