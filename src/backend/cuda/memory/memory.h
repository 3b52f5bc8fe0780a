#ifndef WR_BACKEND_CUDA_MEMORY_MEMORY_H
#define WR_BACKEND_CUDA_MEMORY_MEMORY_H

/* What leaves the room `memory`: a GPU's memory as a source of buffers, pinned memory of the host,
   and copies for which the caller waits. Any thread. */

#include "backend/cuda/driver/driver.h"

/* ---- source.c ---- */

/* Fills gpu->memory; between enter and leave. */
struct wr_error *wr_gpu_memory_new(struct wr_gpu *gpu);
void wr_gpu_memory_free(struct wr_gpu_memory *memory); /* NULL is a no-op; no buffer was made */
/* The memory from which buffers on the GPU come. */
struct wr_memory *wr_gpu_buffers(const struct wr_gpu *gpu);

/* ---- pinned.c: slots, of WR_DOWNLOAD_BYTES each ---- */

/* NULL when all are in use and the system refuses to pin more. Between enter and leave. */
void *wr_slot_take(void);
/* Nothing in the child of a fork: the slots are its parent's. */
void wr_slot_give(void *slot);
/* Copies what the GPU has written to the slot to `host`, and gives the slot back. On an error the
   slot is never used again, since the GPU may still write to it. */
struct wr_error *wr_slot_bring(void *slot, void *host, size_t bytes);

/* ---- copies.c; as in backend.h ---- */

struct wr_error *wr_gpu_read(int index, void *host, const void *device, size_t bytes);
struct wr_error *wr_gpu_write(int index, void *device, const void *host, size_t bytes);
struct wr_error *wr_gpu_peer_copy(int to_index, void *to, int from_index, const void *from,
                                  size_t bytes);

#endif
