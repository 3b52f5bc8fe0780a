/* A few bytes between host and GPU as commands in a stream's order: kernels, so that they take part
   in the batches and graphs of the launches around them. Up they come as arguments of a launch;
   down they go by way of a slot of pinned memory, from which they are copied when the command is
   over. Lock: BACKEND, for the list of free slots. */

#include <string.h>

#include "backend/cuda/encoder.h"
#include "base/gate.h"

enum { SLOTS = 256, SLOT = WR_DOWNLOAD_BYTES, FEW = 16, THREADS = 256 };

static struct {
  struct wr_mutex lock;
  bool asked;        /* under LOCK: the memory was asked for; refused, it stays away */
  void *free[SLOTS]; /* under LOCK */
  int n_free;        /* under LOCK */
} slots = {.lock = WR_MUTEX_INIT(WR_RANK_BACKEND)};

/* ---- slots ---- */

static void slots_make(void) {
  void *memory;
  if (wr_cu->host_alloc(&memory, (size_t)SLOTS * SLOT, WR_CU_HOST_PORTABLE) != WR_CU_SUCCESS)
    return;
  wr_mutex_lock(&slots.lock);
  for (int i = 0; i < SLOTS; i++) slots.free[slots.n_free++] = (char *)memory + (size_t)i * SLOT;
  wr_mutex_unlock(&slots.lock);
}

/* NULL when all are in use. Between enter and leave. */
static void *slot_take(void) {
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

static void slot_give(void *slot) {
  wr_mutex_lock(&slots.lock);
  slots.free[slots.n_free++] = slot;
  wr_mutex_unlock(&slots.lock);
}

/* The driver takes the memory away as the process ends, so it is read inside the gate. A child of a
   fork may find the lock held for ever; the slots are its parent's. */
struct wr_error *wr_exchange_end(struct wr_gpu_command *c) {
  if (!c->slot) return NULL;
  if (wr_gpu_forked() || !wr_gate_enter(WR_GATE_GPU)) return wr_gpu_ending();
  memcpy(c->host, c->slot, c->bytes);
  wr_gate_leave(WR_GATE_GPU);
  slot_give(c->slot);
  return NULL;
}

void wr_exchange_undo(struct wr_gpu_command *c) {
  if (c->slot && !wr_gpu_forked()) slot_give(c->slot);
}

/* ---- commands ---- */

struct exchange {
  void *to;
  const void *from;
  size_t bytes;
};

static void launch_start(struct wr_launch *l, int entry) {
  const struct wr_module_id id = {
      .source = WR_SOURCE_EXCHANGE, .op = WR_OP_COPY, .a = WR_UINT8, .b = WR_UINT8};
  wr_launch_start(l, id, entry);
}

static unsigned threads_for(size_t bytes) { return bytes <= 32 ? 32 : THREADS; }

/* The bytes are the last argument, which is as long as the kernel says. */
static struct wr_error *work_of_upload(struct wr_run *run, struct wr_gpu_command *c,
                                       const void *what) {
  const struct exchange *x = what;
  uint64_t value[WR_UPLOAD_BYTES / sizeof(uint64_t)];
  const bool few = x->bytes <= FEW;
  const size_t room = few ? (size_t)FEW : (size_t)WR_UPLOAD_BYTES;
  struct wr_launch l;
  (void)c;
  memset(value, 0, room);
  memcpy(value, x->from, x->bytes);
  launch_start(&l, few ? WR_ENTRY_PUT_FEW : WR_ENTRY_PUT);
  wr_launch_pointer(&l, x->to);
  wr_launch_index(&l, (int64_t)x->bytes);
  wr_launch_struct(&l, value, room);
  wr_launch_blocks(&l, 1, 1, threads_for(x->bytes));
  return wr_launch(&l, run);
}

static struct wr_error *work_of_download(struct wr_run *run, struct wr_gpu_command *c,
                                         const void *what) {
  const struct exchange *x = what;
  struct wr_launch l;
  c->slot = slot_take();
  if (!c->slot) return wr_error_new(WEIR_ERROR_OUT_OF_MEMORY, "all slots are in use");
  c->host = x->to;
  c->bytes = x->bytes;
  launch_start(&l, WR_ENTRY_GET);
  wr_launch_pointer(&l, c->slot);
  wr_launch_pointer(&l, x->from);
  wr_launch_index(&l, (int64_t)x->bytes);
  wr_launch_blocks(&l, 1, 1, threads_for(x->bytes));
  return wr_launch(&l, run);
}

enum wr_encode_status wr_gpu_encode_upload(struct wr_encoder *e, void *device, const void *host,
                                           size_t bytes, struct wr_completion_hook *hook,
                                           struct wr_error **error) {
  const struct exchange x = {device, host, bytes};
  return wr_encode_work(e, work_of_upload, &x, hook, error);
}

enum wr_encode_status wr_gpu_encode_download(struct wr_encoder *e, void *host, const void *device,
                                             size_t bytes, struct wr_completion_hook *hook,
                                             struct wr_error **error) {
  const struct exchange x = {host, device, bytes};
  return wr_encode_work(e, work_of_download, &x, hook, error);
}
