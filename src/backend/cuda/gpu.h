#ifndef WR_BACKEND_CUDA_GPU_H
#define WR_BACKEND_CUDA_GPU_H

/* Shared between the files of src/backend/cuda: a GPU, its streams, and what a kernel's host side
   works with. One lock of rank BACKEND per GPU guards lists and queues; it is never held while a
   hook is called or memory is asked for. Calls of the driver happen between wr_gpu_enter and
   wr_gpu_leave, which put the GPU's context on the calling thread and take it off again, so that a
   user's own CUDA code on the same thread notices nothing. */

#include "backend/backend.h"
#include "backend/cuda/library.h"
#include "base/atomic.h"
#include "base/base.h"
#include "base/lock.h"

enum {
  WR_GPU_MAX = WR_DEVICE_INDICES,
  WR_GPU_IDLE_STREAMS = 64,
  WR_GPU_IDLE_EVENTS = 256, /* of each kind */
  WR_GPU_IDLE_LAUNCHES = 64
};

struct wr_kernel_table;
struct wr_matmul_table;
struct wr_group_table;
struct wr_graph_table;
struct wr_launches;

struct wr_gpu_events {
  wr_cu_event events[WR_GPU_IDLE_EVENTS];
  int n;
};

struct wr_gpu {
  struct wr_memory_source source; /* immutable after publish */
  int index;                      /* immutable after publish */
  wr_cu_device id;                /* immutable after publish */
  wr_cu_context context;          /* immutable after publish */
  int arch;                       /* immutable after publish; 90 for compute capability 9.0 */
  int multiprocessors;            /* immutable after publish */
  wr_cu_pool pool;                /* immutable after publish */
  wr_cu_stream memory_stream; /* immutable after publish; allocations and frees are ordered here */
  struct wr_memory *memory;   /* immutable after publish */
  struct wr_kernel_table *kernels; /* immutable after publish; kernel.c */
  struct wr_matmul_table *matmuls; /* immutable after publish; matmul.c */
  struct wr_group_table *groups;   /* immutable after publish; group_table.c */
  struct wr_graph_table *graphs;   /* immutable after publish; graphs.c */
  wr_atomic_ptr failed;            /* atomic ACQ_REL: struct wr_error *, set once: a sticky fault */

  struct wr_mutex lock;
  struct wr_cond wake;     /* with LOCK: the GPU's thread */
  struct wr_cond ended;    /* with LOCK: it has left */
  bool watched;            /* under LOCK: the GPU's thread runs */
  int stopping;            /* under LOCK: who wants it to leave when all is over */
  unsigned encoding;       /* under LOCK: encoders that hold something back */
  struct wr_encoder *busy; /* under LOCK: those with commands in flight */
  wr_atomic_u32 n_busy;    /* atomic RELAXED, changed under LOCK: how many those are */
  wr_cu_stream idle_streams[WR_GPU_IDLE_STREAMS]; /* under LOCK */
  int n_idle_streams;                             /* under LOCK */
  struct wr_gpu_events idle_events[2];            /* under LOCK: to look at; to sleep for */
  struct wr_launches *idle_launches;              /* under LOCK */
  int n_idle_launches;                            /* under LOCK */
  uint64_t eager_until; /* under LOCK, of wr_clock_ns: a thread has parked lately */
  bool reaper_sleeps;   /* under LOCK: until it is told */
};

/* ---- device.c ---- */

/* The driver's functions; only where a GPU or an encoder exists, which means that they do. */
extern const struct wr_driver *wr_cu;

int wr_gpu_count(void);
const char *wr_gpu_absent_reason(void);
enum wr_usable wr_gpu_usable(const char **reason);
/* The GPU, set up at first need. */
struct wr_error *wr_gpu_get(int index, struct wr_gpu **out);
/* The GPU if it was set up, else NULL. */
struct wr_gpu *wr_gpu_known(int index);
struct wr_memory *wr_gpu_memory(int index);
bool wr_gpu_facts(int index, struct wr_device_facts *facts);

void wr_gpu_enter(struct wr_gpu *gpu);
void wr_gpu_leave(void);

/* NULL for success; else an error that names the call. A fault that the driver repeats on every
   later call marks the GPU as failed. */
struct wr_error *wr_gpu_result(struct wr_gpu *gpu, wr_cu_result result, const char *call);
/* The same for a call that tells whether work is over. Any failure of it marks the GPU as failed:
   what is not known to be over may still use its memory, which therefore goes back to nobody. */
struct wr_error *wr_gpu_result_of_wait(struct wr_gpu *gpu, wr_cu_result result, const char *call);
/* Marks the GPU as failed, unless it is. */
void wr_gpu_fault(struct wr_gpu *gpu, const struct wr_error *error);
/* Why nothing can run on the GPU any more: a sticky fault, or this process was forked from one that
   used it; NULL when all is well. One reference. */
struct wr_error *wr_gpu_unusable(struct wr_gpu *gpu);
/* The error of what needs a library that ends with the process (base/gate.h). */
struct wr_error *wr_gpu_ending(void);
/* The error of what cannot be done without a library. */
struct wr_error *wr_gpu_lacks(const char *what, const struct wr_absence *why);
bool wr_gpu_forked(void);

/* ---- transfer between host and GPU, and memory: gpu_memory.c ---- */

struct wr_error *wr_gpu_memory_new(struct wr_gpu *gpu);
struct wr_error *wr_gpu_read(int index, void *host, const void *device, size_t bytes);
struct wr_error *wr_gpu_write(int index, void *device, const void *host, size_t bytes);
struct wr_error *wr_gpu_peer_copy(int to_index, void *to, int from_index, const void *from,
                                  size_t bytes);

/* ---- encoder.c; launches.c has flush ---- */

struct wr_error *wr_gpu_encoder_new(int index, struct wr_encoder **out);
void wr_gpu_encoder_free(struct wr_encoder *encoder);
enum wr_encode_status wr_gpu_encode(struct wr_encoder *encoder, const struct wr_call *call,
                                    struct wr_completion_hook *hook, struct wr_error **error);
enum wr_encode_status wr_gpu_encode_group(struct wr_encoder *encoder, const struct wr_group *group,
                                          struct wr_completion_hook *hook, struct wr_error **error);
enum wr_encode_status wr_gpu_encode_marker(struct wr_encoder *encoder,
                                           struct wr_completion_hook *hook,
                                           struct wr_error **error);
void wr_gpu_flush(struct wr_encoder *encoder);
size_t wr_gpu_pooled(void);
uint64_t wr_gpu_place(const struct wr_encoder *encoder);
bool wr_gpu_encode_wait(struct wr_encoder *encoder, struct wr_encoder *other, uint64_t place);
bool wr_gpu_full(const struct wr_encoder *encoder);
void wr_gpu_label(struct wr_encoder *encoder, const char *label);
/* reap.c */
enum wr_encode_status wr_gpu_when_room(struct wr_encoder *encoder, struct wr_completion_hook *hook);
bool wr_gpu_poll(struct wr_encoder *encoder);
bool wr_gpu_settle(uint64_t deadline_ns);
size_t wr_gpu_threads(void);
/* In the child of a fork, with the lock held: nothing in flight there will ever end. */
void wr_gpu_streams_forked(struct wr_gpu *gpu);

/* ---- exchange.c ---- */

enum wr_encode_status wr_gpu_encode_upload(struct wr_encoder *encoder, void *device,
                                           const void *host, size_t bytes,
                                           struct wr_completion_hook *hook,
                                           struct wr_error **error);
enum wr_encode_status wr_gpu_encode_download(struct wr_encoder *encoder, void *host,
                                             const void *device, size_t bytes,
                                             struct wr_completion_hook *hook,
                                             struct wr_error **error);

/* ---- idle.c ---- */

/* Streams and events of the driver, out of bounded pools; the context is entered. Given back, they
   have nothing in flight. */
struct wr_error *wr_gpu_stream_take(struct wr_gpu *gpu, wr_cu_stream *out);
void wr_gpu_stream_give(struct wr_gpu *gpu, wr_cu_stream stream);
/* An event to look at or, blocking, to sleep for. */
struct wr_error *wr_gpu_event_take_locked(struct wr_gpu *gpu, bool blocking, wr_cu_event *out);
void wr_gpu_event_give_locked(struct wr_gpu *gpu, bool blocking, wr_cu_event event);
/* Room for launches, its contents undefined; NULL when memory is refused. */
struct wr_launches *wr_gpu_launches_take_locked(struct wr_gpu *gpu);
void wr_gpu_launches_give_locked(struct wr_gpu *gpu, struct wr_launches *launches);

/* ---- running one call ---- */

/* One call on its way to the GPU; lives on the stack of encode. */
struct wr_run {
  struct wr_gpu *gpu;
  wr_cu_stream stream;
  struct wr_encoder *encoder;
  struct wr_ptrs scratch; /* buffers that live until the call is over */
  bool launched;          /* something was queued, and not held back */

  /* launches.c: what was recorded before */
  int launches;
  uint32_t used;
  uint64_t flushes;
  uint64_t work;
};

typedef struct wr_error *(*wr_gpu_kernel)(struct wr_run *run, const struct wr_call *call);

/* Memory for the time of the call. */
struct wr_error *wr_run_scratch(struct wr_run *run, size_t bytes, void **out);
/* Memory that the calls of a stream use one after the other; `bytes` is the same every time. */
struct wr_error *wr_run_workspace(struct wr_run *run, size_t bytes, void **out);
/* WR_RUN_COUNTERS for each multiprocessor, all 0: the calls of a stream use them one after the
   other and leave them at 0. */
enum { WR_RUN_COUNTERS = 8 };
struct wr_error *wr_run_counters(struct wr_run *run, uint32_t **out);
void wr_run_scratch_release(struct wr_ptrs *scratch);
/* Before anything goes to the stream by another way than wr_launch: what is held back goes first.
 */
void wr_run_direct(struct wr_run *run);
struct wr_error *wr_run_copy(struct wr_run *run, void *to, const void *from, size_t bytes);
struct wr_error *wr_run_zero(struct wr_run *run, void *at, size_t bytes);

/* Views have no kernel; the rows of ops.def say `view` or `none` in its place. */
#define WR_OP(ID, name, family, arity, rule, types, params, fusable, cpu, cuda) \
  struct wr_error *wr_gpu_##cuda(struct wr_run *run, const struct wr_call *call);
#include "core/ops.def"
#undef WR_OP

/* Which types products have. */
bool wr_gpu_matmul_has(enum wr_dtype dtype);
/* The kernel of the operation, or NULL. */
wr_gpu_kernel wr_gpu_kernel_for(enum wr_op op);

#endif
