#ifndef WR_BACKEND_CUDA_QUEUE_QUEUE_H
#define WR_BACKEND_CUDA_QUEUE_QUEUE_H

/* What leaves the room `queue`: encoders, and what an operation has while it is encoded: launches,
   and memory for the time of the call. */

#include "backend/cuda/codegen/codegen.h"

/* ---- the queues of a GPU ---- */

/* Fills gpu->queues. */
struct wr_error *wr_gpu_queues_new(struct wr_gpu *gpu);
void wr_gpu_queues_free(struct wr_gpu_queues *queues); /* NULL is a no-op; nothing was queued */

/* ---- encoders; what is not said here is as in backend.h ---- */

struct wr_error *wr_gpu_encoder_new(struct wr_gpu *gpu, struct wr_encoder **out);
void wr_gpu_encoder_free(struct wr_encoder *encoder);
enum wr_encode_status wr_gpu_encode_marker(struct wr_encoder *encoder,
                                           struct wr_completion_hook *hook,
                                           struct wr_error **error);
void wr_gpu_flush(struct wr_encoder *encoder);
bool wr_gpu_is_over(struct wr_encoder *encoder, uint64_t number);
uint64_t wr_gpu_last_number(const struct wr_encoder *encoder);
/* Makes a stream of the driver's wait for all that was launched for the encoder, by an event of the
   caller's. Between enter and leave; any thread, while the encoder is there. */
struct wr_error *wr_gpu_wait_for_encoder(struct wr_encoder *encoder, wr_cu_event event,
                                         wr_cu_stream stream);
bool wr_gpu_encode_wait(struct wr_encoder *encoder, struct wr_encoder *other, uint64_t number);
bool wr_gpu_full(const struct wr_encoder *encoder);
void wr_gpu_label(struct wr_encoder *encoder, const char *label);
enum wr_encode_status wr_gpu_when_room(struct wr_encoder *encoder, struct wr_completion_hook *hook);
bool wr_gpu_take_begin(struct wr_encoder *encoder, bool anyway);
void wr_gpu_take_end(struct wr_encoder *encoder);
enum wr_encode_status wr_gpu_line_wait(struct wr_encoder *encoder, struct wr_completion_hook *hook);
void wr_gpu_line_leave(struct wr_encoder *encoder);
bool wr_gpu_poll(struct wr_encoder *encoder);
bool wr_gpu_look(const struct wr_encoder *encoder, struct wr_encoder_look *look);
bool wr_gpu_stop(uint64_t deadline_ns);
size_t wr_gpu_threads(void);

/* ---- running one call ---- */

/* Bytes that a command puts into a slot of pinned memory (memory.h), to be copied to `host` when it
   is over; or, at most WR_JUDGED_BYTES, to be judged then: what `judge` says is the command's
   error. slot NULL: there are none. */
enum { WR_JUDGED_BYTES = 64 };
struct wr_bring {
  void *slot;
  void *host;
  size_t bytes;
  struct wr_error *(*judge)(const void *bytes); /* or NULL */
};

/* One command while it is encoded; on the stack of the function that encodes. */
struct wr_run {
  struct wr_gpu *gpu;
  wr_cu_stream stream;
  struct wr_encoder *encoder;
  struct wr_ptrs scratch; /* buffers that live until the command is over */
  struct wr_bring bring;  /* what it brings to the host */
  bool launched;          /* something of it went to the driver, and was not held back */

  /* launches.c: how much the encoder held back before it */
  int launches;
  uint32_t used;
  uint64_t flushes;
  uint64_t work;
};

/* Memory until the command is over. */
struct wr_error *wr_run_scratch(struct wr_run *run, size_t bytes, void **out);
/* The same in the host's memory. */
struct wr_error *wr_run_host_scratch(struct wr_run *run, size_t bytes, void **out);
/* WR_RUN_WORKSPACE bytes that all commands of a stream share, since they run one after the other.
 */
enum { WR_RUN_WORKSPACE = 32 << 20 };
struct wr_error *wr_run_workspace(struct wr_run *run, void **out);
/* WR_RUN_COUNTERS counters for each multiprocessor, which all commands of a stream share; the
   command uses the first `count`. They are 0, and each command leaves them at 0. */
enum { WR_RUN_COUNTERS = 64 };
struct wr_error *wr_run_counters(struct wr_run *run, int64_t count, uint32_t **out);
/* To be called before anything is handed to the driver's stream by another way than wr_launch:
   hands over what is held back, so that the order is kept. False: a launch of the command was
   refused, for which it fails; nothing is to be handed over that reads what was not written. */
bool wr_run_direct(struct wr_run *run);
/* A reference to why a launch of the command was refused; or NULL: none was. */
struct wr_error *wr_run_broken(struct wr_run *run);
/* Before calls that may fill the driver's queue by themselves: nobody else needs room in it then to
   find out what is over. */
void wr_run_marks(struct wr_run *run);
/* Waits for an event that was recorded. */
struct wr_error *wr_run_wait(struct wr_run *run, wr_cu_event event);
/* So many launches more than a few go to the driver by another way than wr_launch. */
void wr_run_counts(struct wr_run *run, int64_t launches);
struct wr_error *wr_run_copy(struct wr_run *run, void *to, const void *from, size_t bytes);
struct wr_error *wr_run_zero(struct wr_run *run, void *at, size_t bytes);

/* Encodes a command. `work` records its launches; NULL: there are none. After a failure nothing of
   it is running or will be launched, and its scratch and slot have been given back. */
typedef struct wr_error *(*wr_work)(struct wr_run *run, const void *what);
enum wr_encode_status wr_encode_work(struct wr_encoder *e, wr_work work, const void *what,
                                     struct wr_completion_hook *hook, struct wr_error **error);

/* ---- launching ---- */

/* One launch: the kernel's arguments in its order, then the grid. wr_launch_struct and the like
   keep addresses, so what they are given must stay until wr_launch. */
enum { WR_LAUNCH_ARGUMENTS = WR_KERNEL_ARGUMENTS };

struct wr_launch {
  struct wr_module_id id;
  int entry;
  int n;
  const void *args[WR_LAUNCH_ARGUMENTS];
  uint16_t sizes[WR_LAUNCH_ARGUMENTS]; /* bytes */
  union {
    uint32_t u32;
    int64_t i64;
    double f64;
    float f32;
    const void *pointer;
  } values[WR_LAUNCH_ARGUMENTS];
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes; /* dynamic memory of a block */
};

void wr_launch_start(struct wr_launch *l, struct wr_module_id id, int entry);
void wr_launch_pointer(struct wr_launch *l, const void *p);
void wr_launch_index(struct wr_launch *l, int64_t i); /* an index_t */
void wr_launch_i64(struct wr_launch *l, int64_t i);
void wr_launch_f64(struct wr_launch *l, double f);
void wr_launch_f32(struct wr_launch *l, float f);
void wr_launch_struct(struct wr_launch *l, const void *s, size_t bytes);
/* Blocks of `threads` threads for `work` pieces, at most as many as fill the GPU; kernels loop over
   the rest. */
void wr_launch_threads(struct wr_launch *l, const struct wr_run *run, int64_t work,
                       unsigned threads);
/* A thread for each k of n elements, and one for the rest. */
void wr_launch_packs(struct wr_launch *l, int64_t n, size_t k);
void wr_launch_blocks(struct wr_launch *l, int64_t x, int64_t y, unsigned threads);
/* Records the launch; the driver gets it with the next flush (launches.c). */
struct wr_error *wr_launch(struct wr_launch *l, struct wr_run *run);
/* The same for a kernel that was found already. */
void wr_launch_function(const struct wr_launch *l, struct wr_run *run, wr_cu_function function);

/* ---- graphs.c: launches as graphs ---- */

struct wr_graph_numbers {
  size_t bytes;      /* an estimate of what the graphs take, on the host and on the GPU */
  uint64_t graphs;   /* how many there are */
  uint64_t built;    /* how many were ever made */
  uint64_t launched; /* launches of graphs */
};

void wr_graph_numbers_get(const struct wr_gpu *gpu, struct wr_graph_numbers *out);

#endif
