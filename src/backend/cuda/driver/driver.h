#ifndef WR_BACKEND_CUDA_DRIVER_DRIVER_H
#define WR_BACKEND_CUDA_DRIVER_DRIVER_H

/* What leaves the room `driver`: NVIDIA's libraries, and the GPUs that the driver knows. A GPU here
   is its context and what is kept of the driver's own objects for reuse; what other rooms keep for
   it hangs at it by pointers that mean something to them alone.

   Calls of the driver happen between wr_gpu_enter and wr_gpu_leave, which put the GPU's context on
   the calling thread and take it off again, so that a user's own CUDA code on the same thread
   notices nothing. One lock of rank BACKEND per GPU guards its lists, those of the room `queue`
   included; it is never held while a hook is called or memory is asked for. */

#include "backend/backend.h"
#include "backend/cuda/driver/library.h"
#include "backend/cuda/driver/nvtx.h"
#include "base/atomic.h"
#include "base/base.h"
#include "base/lock.h"

enum {
  WR_GPU_MAX = WR_DEVICE_INDICES,
  WR_GPU_IDLE_STREAMS = 64,
  WR_GPU_IDLE_EVENTS = 256 /* of each kind */
};

struct wr_gpu_memory;
struct wr_gpu_queues;
struct wr_module_table;
struct wr_fft_table;
struct wr_group_table;
struct wr_matmul_table;

struct wr_gpu_events {
  wr_cu_event events[WR_GPU_IDLE_EVENTS];
  int n;
};

struct wr_gpu {
  int index;             /* immutable after publish */
  wr_cu_device id;       /* immutable after publish */
  wr_cu_context context; /* immutable after publish */
  int arch;              /* immutable after publish; 90 for compute capability 9.0 */
  int multiprocessors;   /* immutable after publish */
  int shared_most; /* immutable after publish: bytes of shared memory that a block may ask for */
  wr_atomic_ptr failed; /* atomic ACQ_REL: struct wr_error *, set once: a sticky fault */

  /* Other rooms', made as the GPU is set up (device.c). */
  struct wr_gpu_memory *memory;    /* immutable after publish; of `memory` */
  struct wr_module_table *modules; /* immutable after publish; of `codegen` */
  struct wr_group_table *groups;   /* immutable after publish; of `codegen` */
  struct wr_gpu_queues *queues;    /* immutable after publish; of `queue` */
  struct wr_fft_table *ffts;       /* immutable after publish; of `ops` */
  struct wr_matmul_table *matmuls; /* immutable after publish; of `ops` */

  struct wr_mutex lock;
  wr_cu_stream idle_streams[WR_GPU_IDLE_STREAMS]; /* under LOCK */
  int n_idle_streams;                             /* under LOCK */
  struct wr_gpu_events idle_events[2];            /* under LOCK: to look at; to sleep for */
};

/* ---- gpu.c ---- */

/* The driver's functions; only where a GPU or an encoder exists, which means that they do. */
extern const struct wr_driver *wr_cu;

/* True when there are GPUs; else *why says why not. */
bool wr_gpu_any(struct wr_absence *why);
int wr_gpu_count(void);
const char *wr_gpu_absent_reason(void);
/* The GPU if it was set up, else NULL. */
struct wr_gpu *wr_gpu_known(int index);
/* The GPU, set up at first need: with what the driver says of it and its context, then by
   `complete`, which makes what the other rooms keep and lets go of that where it fails. Threads
   that ask meanwhile wait. */
struct wr_error *wr_gpu_make_known(int index, struct wr_error *(*complete)(struct wr_gpu *gpu),
                                   struct wr_gpu **out);

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
/* True in the child of a process that used GPUs: they are the parent's. */
bool wr_gpu_forked(void);

/* ---- idle.c ---- */

/* Streams and events of the driver, out of bounded pools; the context is entered. Given back, they
   have nothing in flight. */
struct wr_error *wr_gpu_stream_take(struct wr_gpu *gpu, wr_cu_stream *out);
void wr_gpu_stream_give(struct wr_gpu *gpu, wr_cu_stream stream);
/* How many streams lie idle, of all GPUs. */
size_t wr_gpu_pooled(void);
/* An event to look at or, blocking, to sleep for. */
struct wr_error *wr_gpu_event_take_locked(struct wr_gpu *gpu, bool blocking, wr_cu_event *out);
void wr_gpu_event_give_locked(struct wr_gpu *gpu, bool blocking, wr_cu_event event);

#endif
