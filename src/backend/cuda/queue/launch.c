/* Launching: arguments are collected by value, the grid is chosen, and the module's kernel is
   recorded for the call's stream. No locks but the kernel table's and the encoder's. */

#include "backend/cuda/queue/internal.h"

enum { BLOCKS_PER_MULTIPROCESSOR = 32 };

void wr_launch_start(struct wr_launch *l, struct wr_module_id id, int entry) {
  l->id = id;
  l->entry = entry;
  l->n = 0;
  l->shared_bytes = 0;
  for (int i = 0; i < 3; i++) l->grid[i] = l->block[i] = 1;
}

void wr_launch_struct(struct wr_launch *l, const void *s, size_t bytes) {
  l->sizes[l->n] = (uint16_t)bytes;
  l->args[l->n++] = s;
}

void wr_launch_pointer(struct wr_launch *l, const void *p) {
  l->values[l->n].pointer = p;
  wr_launch_struct(l, &l->values[l->n], sizeof l->values[0].pointer);
}

void wr_launch_i64(struct wr_launch *l, int64_t i) {
  l->values[l->n].i64 = i;
  wr_launch_struct(l, &l->values[l->n], sizeof l->values[0].i64);
}

void wr_launch_index(struct wr_launch *l, int64_t i) {
  if (l->id.big) {
    wr_launch_i64(l, i);
    return;
  }
  l->values[l->n].u32 = (uint32_t)i;
  wr_launch_struct(l, &l->values[l->n], sizeof l->values[0].u32);
}

void wr_launch_f64(struct wr_launch *l, double f) {
  l->values[l->n].f64 = f;
  wr_launch_struct(l, &l->values[l->n], sizeof l->values[0].f64);
}

void wr_launch_f32(struct wr_launch *l, float f) {
  l->values[l->n].f32 = f;
  wr_launch_struct(l, &l->values[l->n], sizeof l->values[0].f32);
}

void wr_launch_blocks(struct wr_launch *l, int64_t x, int64_t y, unsigned threads) {
  enum { MOST_X = 1 << 30, MOST_Y = 65535 };
  l->grid[0] = (unsigned)(x < 1 ? 1 : x > MOST_X ? MOST_X : x);
  l->grid[1] = (unsigned)(y < 1 ? 1 : y > MOST_Y ? MOST_Y : y);
  l->block[0] = threads;
}

void wr_launch_threads(struct wr_launch *l, const struct wr_run *run, int64_t work,
                       unsigned threads) {
  int64_t blocks = (work + threads - 1) / threads;
  int64_t most = (int64_t)run->gpu->multiprocessors * BLOCKS_PER_MULTIPROCESSOR;
  wr_launch_blocks(l, blocks < most ? blocks : most, 1, threads);
}

void wr_launch_packs(struct wr_launch *l, int64_t n, size_t k) {
  enum { THREADS = 256 };
  const int64_t threads = n / (int64_t)k + (int64_t)k;
  wr_launch_blocks(l, (threads + THREADS - 1) / THREADS, 1, THREADS);
}

struct wr_error *wr_launch(struct wr_launch *l, struct wr_run *run) {
  wr_cu_function function;
  struct wr_error *error = wr_kernel_find(run->gpu, l->id, l->entry, &function);
  if (!error) wr_launch_function(l, run, function);
  return error;
}
