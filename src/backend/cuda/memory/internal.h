#ifndef WR_BACKEND_CUDA_MEMORY_INTERNAL_H
#define WR_BACKEND_CUDA_MEMORY_INTERNAL_H

/* Pieces of pinned memory for copies: pinned.c. Any thread, between enter and leave. */

#include "backend/cuda/memory/memory.h"

enum { WR_PIECE_BYTES = 4 << 20 };

/* NULL when all are in use, or the system refuses to pin one more. */
void *wr_piece_take(void);
void wr_piece_give(void *piece); /* NULL is a no-op; here and below */
/* For a piece that the GPU may still write to, since waiting for it has failed: it is never used
   again, and another may be made in its place. */
void wr_piece_lose(const void *piece);

#endif
