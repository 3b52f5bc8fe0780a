/* Memory of the host that the GPU reads and writes by itself: large pieces, through which copies go
   (copies.c), and small slots, in which commands leave what they bring to the host. Pieces are made
   one by one, slots some at a time, as many as are in use at once; neither is given back. Locks:
   BACKEND, one for each list. */

#include <string.h>

#include "backend/cuda/memory/internal.h"
#include "base/gate.h"

enum { MAX_PIECES = 32, SLOTS = 64 /* made at a time */ };

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
  void **free; /* under LOCK: with room for all there are */
  int n_free;  /* under LOCK */
  int made;    /* under LOCK; those that are being made count */
} slots = {.lock = WR_MUTEX_INIT(WR_RANK_BACKEND)};

static void *take_locked(void) { return slots.n_free > 0 ? slots.free[--slots.n_free] : NULL; }

/* Room for the addresses of more. */
static bool grow_locked(void) {
  void **free = wr_realloc(slots.free, (size_t)(slots.made + SLOTS) * sizeof *free);
  if (!free) return false;
  slots.free = free;
  slots.made += SLOTS;
  return true;
}

/* NULL where memory is refused, for now: who comes next asks again (T2). */
static void *slots_make(void) {
  void *memory = NULL;
  const bool made = wr_cu->host_alloc(&memory, (size_t)SLOTS * WR_DOWNLOAD_BYTES,
                                      WR_CU_HOST_PORTABLE) == WR_CU_SUCCESS;
  wr_mutex_lock(&slots.lock);
  if (!made) slots.made -= SLOTS;
  for (int i = 0; i < SLOTS && made; i++) {
    slots.free[slots.n_free++] = (char *)memory + (size_t)i * WR_DOWNLOAD_BYTES;
  }
  /* Where it was refused, another thread may have made some, or given one back. */
  void *slot = take_locked();
  wr_mutex_unlock(&slots.lock);
  return slot;
}

void *wr_slot_take(void) {
  wr_mutex_lock(&slots.lock);
  void *slot = take_locked();
  const bool make = !slot && grow_locked();
  wr_mutex_unlock(&slots.lock);
  return make ? slots_make() : slot;
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
