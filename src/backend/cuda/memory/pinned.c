/* Memory of the host that the GPU reads and writes by itself: large pieces, through which copies go
   (copies.c), and small slots, in which commands leave what they bring to the host. Pieces are made
   one by one, slots all at once; neither is given back. Locks: BACKEND, one for each list. */

#include <string.h>

#include "backend/cuda/memory/internal.h"
#include "base/gate.h"

enum { MAX_PIECES = 32, SLOTS = 256 };

/* ---- pieces ---- */

static struct {
  struct wr_mutex lock;
  void *idle[MAX_PIECES]; /* under LOCK */
  int n_idle;             /* under LOCK */
  int made;               /* under LOCK */
} pieces = {.lock = WR_MUTEX_INIT(WR_RANK_BACKEND)};

void *wr_piece_take(void) {
  void *piece = NULL;
  wr_mutex_lock(&pieces.lock);
  if (pieces.n_idle > 0) piece = pieces.idle[--pieces.n_idle];
  bool make = !piece && pieces.made < MAX_PIECES;
  if (make) pieces.made++;
  wr_mutex_unlock(&pieces.lock);
  if (!make || wr_cu->host_alloc(&piece, WR_PIECE_BYTES, WR_CU_HOST_PORTABLE) == WR_CU_SUCCESS)
    return piece;
  wr_mutex_lock(&pieces.lock);
  pieces.made--;
  wr_mutex_unlock(&pieces.lock);
  return NULL;
}

void wr_piece_give(void *piece) {
  if (!piece) return;
  wr_mutex_lock(&pieces.lock);
  pieces.idle[pieces.n_idle++] = piece;
  wr_mutex_unlock(&pieces.lock);
}

void wr_piece_lose(const void *piece) {
  if (!piece) return;
  wr_mutex_lock(&pieces.lock);
  pieces.made--;
  wr_mutex_unlock(&pieces.lock);
}

/* ---- slots ---- */

static struct {
  struct wr_mutex lock;
  bool asked;        /* under LOCK: memory for all slots was asked for, once; if it was refused
                           there are none */
  void *free[SLOTS]; /* under LOCK */
  int n_free;        /* under LOCK */
} slots = {.lock = WR_MUTEX_INIT(WR_RANK_BACKEND)};

static void slots_make(void) {
  void *memory;
  if (wr_cu->host_alloc(&memory, (size_t)SLOTS * WR_DOWNLOAD_BYTES, WR_CU_HOST_PORTABLE) !=
      WR_CU_SUCCESS)
    return;
  wr_mutex_lock(&slots.lock);
  for (int i = 0; i < SLOTS; i++)
    slots.free[slots.n_free++] = (char *)memory + (size_t)i * WR_DOWNLOAD_BYTES;
  wr_mutex_unlock(&slots.lock);
}

void *wr_slot_take(void) {
  wr_mutex_lock(&slots.lock);
  bool make = !slots.asked;
  slots.asked = true;
  wr_mutex_unlock(&slots.lock);
  if (make) slots_make();
  wr_mutex_lock(&slots.lock);
  void *slot = slots.n_free > 0 ? slots.free[--slots.n_free] : NULL;
  wr_mutex_unlock(&slots.lock);
  return slot;
}

void wr_slot_give(void *slot) {
  if (wr_gpu_forked()) return;
  wr_mutex_lock(&slots.lock);
  slots.free[slots.n_free++] = slot;
  wr_mutex_unlock(&slots.lock);
}

/* The slot is read inside the gate, since the driver frees pinned memory as the process ends. In
   the child of a fork the slots are the parent's, and their lock may be held for ever: nothing is
   done. */
struct wr_error *wr_slot_bring(void *slot, void *host, size_t bytes) {
  if (wr_gpu_forked() || !wr_gate_enter(WR_GATE_GPU)) return wr_gpu_ending();
  memcpy(host, slot, bytes);
  wr_gate_leave(WR_GATE_GPU);
  wr_slot_give(slot);
  return NULL;
}
