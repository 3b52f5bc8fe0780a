#ifndef WR_BACKEND_CUDA_MEMORY_INTERNAL_H
#define WR_BACKEND_CUDA_MEMORY_INTERNAL_H

/* Pieces of pinned memory for copies: pinned.c. Any thread, between enter and leave. */

#include "backend/cuda/memory/memory.h"

enum { WR_PIECE_BYTES = 4 << 20 };

/* NULL when all are in use, or the system refuses to pin one more. */
void *wr_piece_take(void);
void wr_piece_give(void *piece); /* NULL is a no-op; here and below */
/* A piece whose wait failed is not known to be over with: the GPU may still write to it, so it goes
   to nobody any more, and another may be made in its place. */
void wr_piece_lose(const void *piece);

#endif
