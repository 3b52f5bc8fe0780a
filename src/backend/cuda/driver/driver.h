#ifndef WR_BACKEND_CUDA_DRIVER_DRIVER_H
#define WR_BACKEND_CUDA_DRIVER_DRIVER_H

/* What leaves the room `driver`: NVIDIA's libraries, and the GPUs that the driver knows. To this
   room a GPU is its context, and streams and events of the driver's that are kept for reuse. What
   other rooms keep for a GPU hangs at it by pointers, which only they follow.

   The driver is called between wr_gpu_enter and wr_gpu_leave. These make the GPU's context the
   calling thread's, and restore the one before, so that a user's own CUDA code on the same thread
   notices nothing. One lock of rank BACKEND for each GPU guards its lists, those of the room
   `queue` too; it is never held while a hook is called or memory is asked for. */

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
struct wr_conv_table;
struct wr_fft_table;
struct wr_group_table;
struct wr_matmul_table;
struct wr_solver_table;

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
  struct wr_conv_table *convs;     /* immutable after publish; of `ops` */
  struct wr_fft_table *ffts;       /* immutable after publish; of `ops` */
  struct wr_matmul_table *matmuls; /* immutable after publish; of `ops` */
  struct wr_solver_table *solvers; /* immutable after publish; of `ops` */

  struct wr_mutex lock;
  wr_cu_stream idle_streams[WR_GPU_IDLE_STREAMS]; /* under LOCK */
  int n_idle_streams;                             /* under LOCK */
  struct wr_gpu_events idle_events[2];            /* under LOCK: to look at; to sleep for */
};

/* ---- gpu.c ---- */

/* The driver's functions. Not NULL wherever a GPU or an encoder exists. */
extern const struct wr_driver *wr_cu;

/* True when there are GPUs; else *why says why not. */
bool wr_gpu_any(struct wr_absence *why);
/* The least compute capability on which kernels run, as 90 for 9.0: from 7.0 on a block may have
   the 56 KB of shared memory that some ask for, and parameters may be read where they lie. */
enum { WR_GPU_LEAST_ARCH = 70 };
/* Whether they run on the first GPU; else *why says why not. */
bool wr_gpu_first_runs(struct wr_absence *why);
int wr_gpu_count(void);
const char *wr_gpu_absent_reason(void);
/* The GPU if it was set up, else NULL. */
struct wr_gpu *wr_gpu_known(int index);
/* The GPU, which is set up at first need: first what this room keeps, then by `complete` what the
   other rooms keep; if that fails, `complete` has freed it again. Threads that ask meanwhile wait.
 */
struct wr_error *wr_gpu_make_known(int index, struct wr_error *(*complete)(struct wr_gpu *gpu),
                                   struct wr_gpu **out);

void wr_gpu_enter(struct wr_gpu *gpu);
void wr_gpu_leave(void);

/* NULL for success; else an error that names the call. After some faults every later call of the
   driver fails too ("sticky" ones): these mark the GPU as failed. */
struct wr_error *wr_gpu_result(struct wr_gpu *gpu, wr_cu_result result, const char *call);
/* The same for a call that says whether work is over. If it fails in any way, the GPU is marked as
   failed: the work may still be running, so its memory must never be given to anybody else. */
struct wr_error *wr_gpu_result_of_wait(struct wr_gpu *gpu, wr_cu_result result, const char *call);
/* Marks the GPU as failed, unless it is. */
void wr_gpu_fault(struct wr_gpu *gpu, const struct wr_error *error);
/* Why nothing can run on the GPU any more: a sticky fault, or this process was forked from one that
   used it; NULL when all is well. One reference. */
struct wr_error *wr_gpu_unusable(struct wr_gpu *gpu);
/* The error of a call that may not be made because the process is ending (base/gate.h). */
struct wr_error *wr_gpu_ending(void);
/* The error of something that needs a library which cannot be used. */
struct wr_error *wr_gpu_lacks(const char *what, const struct wr_absence *why);
/* True in the child of a process that used GPUs: they are the parent's. */
bool wr_gpu_forked(void);

/* ---- idle.c ---- */

/* Streams and events of the driver, from bounded pools. Between enter and leave. What is given back
   has nothing in flight. */
struct wr_error *wr_gpu_stream_take(struct wr_gpu *gpu, wr_cu_stream *out);
void wr_gpu_stream_give(struct wr_gpu *gpu, wr_cu_stream stream);
/* The sum over all GPUs of what a function gives that is called with the lock of each. */
size_t wr_gpu_total(size_t (*of_locked)(const struct wr_gpu *gpu));
/* How many streams lie idle, of all GPUs. */
size_t wr_gpu_pooled(void);
/* An event; with `blocking` one for which a thread can sleep in the driver. */
struct wr_error *wr_gpu_event_take_locked(struct wr_gpu *gpu, bool blocking, wr_cu_event *out);
void wr_gpu_event_give_locked(struct wr_gpu *gpu, bool blocking, wr_cu_event event);

#endif
