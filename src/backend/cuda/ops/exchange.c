/* A few bytes between host and GPU as commands in a stream's order: kernels, so that they take part
   in the batches and graphs of the launches around them. Up they come as arguments of a launch;
   down they go by way of a slot of pinned memory, from which they are copied when the command is
   over. No locks but the slots'. */

#include <string.h>

#include "backend/cuda/memory/memory.h"
#include "backend/cuda/ops/internal.h"

enum { FEW = 16, THREADS = 256 };

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

/* The bytes are the kernel's last argument; one kernel takes a few, and one the most. */
struct wr_error *wr_gpu_put(struct wr_run *run, void *to, const void *from, size_t bytes) {
  uint64_t value[WR_UPLOAD_BYTES / sizeof(uint64_t)];
  const bool few = bytes <= FEW;
  const size_t room = few ? (size_t)FEW : (size_t)WR_UPLOAD_BYTES;
  struct wr_launch l;
  memset(value, 0, room);
  memcpy(value, from, bytes);
  launch_start(&l, few ? WR_ENTRY_PUT_FEW : WR_ENTRY_PUT);
  wr_launch_pointer(&l, to);
  wr_launch_index(&l, (int64_t)bytes);
  wr_launch_struct(&l, value, room);
  wr_launch_blocks(&l, 1, 1, threads_for(bytes));
  return wr_launch(&l, run);
}

static struct wr_error *work_of_upload(struct wr_run *run, const void *what) {
  const struct exchange *x = what;
  return wr_gpu_put(run, x->to, x->from, x->bytes);
}

static struct wr_error *work_of_download(struct wr_run *run, const void *what) {
  const struct exchange *x = what;
  struct wr_launch l;
  void *slot = wr_slot_take();
  if (!slot) return wr_error_new(WEIR_ERROR_OUT_OF_MEMORY, "all slots are in use");
  run->bring = (struct wr_bring){.slot = slot, .host = x->to, .bytes = x->bytes};
  launch_start(&l, WR_ENTRY_GET);
  wr_launch_pointer(&l, slot);
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
