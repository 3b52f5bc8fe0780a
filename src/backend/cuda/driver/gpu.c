/* The GPUs that the driver knows. They are found at first need; each is set up when a stream is
   first made on it, and kept until the process ends. After a sticky fault (driver.h) a GPU is
   marked as failed for good: whatever is asked of it fails at once, and the rest of the process
   goes on. In the child of a fork no GPU can be used. Lock: `set_up_lock`, while a GPU is set up.
   It has no rank, as it comes before all others: no lock is held when a stream is made. */

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "backend/cuda/driver/driver.h"
#include "base/fork.h"
#include "base/gate.h"
#include "base/once.h"

const struct wr_driver *wr_cu;

static struct {
  wr_atomic_ptr gpus[WR_GPU_MAX]; /* atomic ACQ_REL; set once, by the holder of `set_up_lock` */
  wr_atomic_bool touched;         /* atomic RELAXED: the driver is open, or is being opened */
  wr_atomic_bool forked;          /* atomic RELAXED: set in a child while it has one thread */
  int count;                      /* immutable after once */
  const char *reason;             /* immutable after once: NULL when the driver is open */
} table;

static pthread_mutex_t set_up_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wr_once once; /* open, or absent for good */

/* ---- fork ---- */

static void each_known(void (*fn)(struct wr_gpu *gpu)) {
  for (int i = 0; i < WR_GPU_MAX; i++) {
    struct wr_gpu *gpu = wr_gpu_known(i);
    if (gpu) fn(gpu);
  }
}

/* For a fork, which takes the locks of all GPUs: wr_mutex_lock allows a thread only one lock of a
   rank at a time. */
static void lock_raw(struct wr_gpu *gpu) { pthread_mutex_lock(&gpu->lock.os); }
static void unlock_raw(struct wr_gpu *gpu) { pthread_mutex_unlock(&gpu->lock.os); }

static void take_set_up(void) { pthread_mutex_lock(&set_up_lock); }
static void give_set_up(void) { pthread_mutex_unlock(&set_up_lock); }
static void lock_known(void) { each_known(lock_raw); }
static void unlock_known(void) { each_known(unlock_raw); }

/* In the child the driver cannot be used if the parent had opened it or was opening it. */
static void lose_in_child(void) {
  if (!wr_load_relaxed(&table.touched)) return;
  wr_store_relaxed(&table.forked, true);
  unlock_known();
}

/* A fork takes `set_up_lock` before all others, and the GPUs' own locks in the order of ranks. */
static struct wr_fork_row set_up_row = {
    .rank = WR_RANK_NONE, .before = take_set_up, .parent = give_set_up, .child = give_set_up};
static struct wr_fork_row gpu_row = {
    .rank = WR_RANK_ENCODER, .before = lock_known, .parent = unlock_known, .child = lose_in_child};

__attribute__((constructor)) static void watch_forks(void) {
  wr_fork_register(&set_up_row);
  wr_fork_register(&gpu_row);
}

bool wr_gpu_forked(void) { return wr_load_relaxed(&table.forked); }

/* ---- finding ---- */

static bool open_inside(struct wr_absence *why) {
  wr_store_relaxed(&table.touched, true); /* relaxed: asked by a child's only thread */
  wr_cu = wr_cuda_driver(why);
  if (!wr_cu) {
    wr_store_relaxed(&table.touched, false);
    return false;
  }
  if (wr_cu->device_count(&table.count) != WR_CU_SUCCESS) {
    table.count = 0;
    *why = (struct wr_absence){.reason = "libcuda.so.1 does not count devices", .for_now = true};
  }
  if (table.count > WR_GPU_MAX) table.count = WR_GPU_MAX;
  return table.count > 0;
}

/* Opens the driver and counts the GPUs. False when something was refused for the moment. */
static bool open_table(void *arg) {
  struct wr_absence *why = arg;
  if (!wr_gate_enter(WR_GATE_GPU)) {
    *why = (struct wr_absence){.reason = "the process is ending", .for_now = true};
    return false;
  }
  if (!open_inside(why) && !why->for_now) table.reason = why->reason;
  wr_gate_leave(WR_GATE_GPU);
  return table.reason || table.count > 0;
}

/* In the child of a fork the driver is not opened if its parent had begun to open it. */
bool wr_gpu_any(struct wr_absence *why) {
  *why = (struct wr_absence){.reason = "this process was forked from one that uses the GPU"};
  if (wr_gpu_forked() || !wr_once_try(&once, open_table, why)) return false;
  why->reason = table.reason;
  why->for_now = false;
  return !table.reason;
}

int wr_gpu_count(void) {
  struct wr_absence why;
  return wr_gpu_any(&why) ? table.count : 0;
}

const char *wr_gpu_absent_reason(void) {
  struct wr_absence why;
  return wr_gpu_any(&why) ? NULL : why.reason;
}

struct wr_gpu *wr_gpu_known(int index) {
  /* Acquire: the GPU was filled before it was published. */
  return index >= 0 && index < WR_GPU_MAX ? wr_load_acquire(&table.gpus[index]) : NULL;
}

/* ---- setting up ---- */

static wr_cu_result read_arch(int index, wr_cu_device *id, int *arch) {
  int major, minor;
  wr_cu_result result = wr_cu->device_get(id, index);
  if (!result) result = wr_cu->device_attribute(&major, WR_CU_ATTRIBUTE_MAJOR, *id);
  if (!result) result = wr_cu->device_attribute(&minor, WR_CU_ATTRIBUTE_MINOR, *id);
  if (!result) *arch = 10 * major + minor;
  return result;
}

bool wr_gpu_first_runs(struct wr_absence *why) {
  wr_cu_device id;
  int arch;
  *why = (struct wr_absence){.reason = "its compute capability cannot be read", .for_now = true};
  if (read_arch(0, &id, &arch)) return false;
  *why = (struct wr_absence){.reason = "it has a compute capability below 7.0"};
  return arch >= WR_GPU_LEAST_ARCH;
}

static struct wr_error *too_old(const struct wr_gpu *gpu) {
  return wr_error_new(
      WEIR_ERROR_UNSUPPORTED, "gpu:%d has compute capability %d.%d, and kernels need %d.%d or more",
      gpu->index, gpu->arch / 10, gpu->arch % 10, WR_GPU_LEAST_ARCH / 10, WR_GPU_LEAST_ARCH % 10);
}

static struct wr_error *read_attributes(struct wr_gpu *gpu) {
  int pools = 0;
  wr_cu_result result = read_arch(gpu->index, &gpu->id, &gpu->arch);
  if (!result) result = wr_cu->device_attribute(&pools, WR_CU_ATTRIBUTE_POOLS, gpu->id);
  if (!result) {
    result =
        wr_cu->device_attribute(&gpu->multiprocessors, WR_CU_ATTRIBUTE_MULTIPROCESSORS, gpu->id);
  }
  if (!result) {
    result = wr_cu->device_attribute(&gpu->shared_most, WR_CU_ATTRIBUTE_SHARED_MOST, gpu->id);
  }
  if (result) return wr_gpu_result(gpu, result, "cuDeviceGetAttribute");
  if (gpu->arch < WR_GPU_LEAST_ARCH) return too_old(gpu);
  if (pools) return NULL;
  return wr_error_new(WEIR_ERROR_UNSUPPORTED, "gpu:%d has no memory pools", gpu->index);
}

/* Takes the GPU's primary context, which the user's own CUDA code uses too. It is never given back.
 */
static struct wr_error *begin(struct wr_gpu *gpu) {
  struct wr_error *error = read_attributes(gpu);
  if (error) return error;
  return wr_gpu_result(gpu, wr_cu->context_retain(&gpu->context, gpu->id),
                       "cuDevicePrimaryCtxRetain");
}

/* Where this fails, the next stream that is made tries again. The little that the attempt took from
   the driver is not given back. */
static struct wr_error *make(int index, struct wr_error *(*complete)(struct wr_gpu *gpu),
                             struct wr_gpu **out) {
  struct wr_gpu *gpu = wr_calloc(sizeof *gpu);
  if (!gpu) return wr_error_out_of_memory();
  gpu->index = index;
  wr_mutex_init(&gpu->lock, WR_RANK_BACKEND);
  struct wr_error *error = begin(gpu);
  if (!error) error = complete(gpu);
  if (error) {
    wr_free(gpu);
    return error;
  }
  *out = gpu;
  return NULL;
}

struct wr_error *wr_gpu_make_known(int index, struct wr_error *(*complete)(struct wr_gpu *gpu),
                                   struct wr_gpu **out) {
  *out = wr_gpu_known(index);
  if (*out) return wr_gpu_unusable(*out);
  if (index < 0 || index >= wr_gpu_count()) {
    return wr_error_new(WEIR_ERROR_NO_DEVICE, "there is no gpu:%d", index);
  }
  struct wr_error *error = NULL;
  if (!wr_gate_enter(WR_GATE_GPU)) return wr_gpu_ending();
  pthread_mutex_lock(&set_up_lock);
  *out = wr_gpu_known(index);
  if (!*out) {
    error = make(index, complete, out);
    /* Release: pairs with the acquire in wr_gpu_known. */
    if (!error) wr_store_release(&table.gpus[index], (void *)*out);
  }
  pthread_mutex_unlock(&set_up_lock);
  wr_gate_leave(WR_GATE_GPU);
  return error;
}

/* ---- calling the driver ---- */

/* The results of pushing and popping the context are ignored: where these fail, the calls in
   between fail too, and their error is reported. If the gate is shut because the process is ending,
   the calls in between must fail; wr_gpu_leave is to be called all the same. */
void wr_gpu_enter(struct wr_gpu *gpu) {
  (void)wr_gate_enter(WR_GATE_GPU);
  (void)wr_cu->context_push(gpu->context);
}

void wr_gpu_leave(void) {
  wr_cu_context popped;
  (void)wr_cu->context_pop(&popped);
  wr_gate_leave(WR_GATE_GPU);
}

static bool is_sticky(wr_cu_result r) {
  return (r >= WR_CU_ILLEGAL_ADDRESS && r <= WR_CU_LAUNCH_TIMEOUT &&
          r != WR_CU_ILLEGAL_ADDRESS + 1) ||
         (r >= WR_CU_CONTEXT_IS_DESTROYED && r <= WR_CU_ASSERT) ||
         (r >= WR_CU_HARDWARE_STACK_ERROR && r <= WR_CU_LAUNCH_FAILED) ||
         r == WR_CU_ECC_UNCORRECTABLE || r == WR_CU_NVLINK_UNCORRECTABLE || r == WR_CU_CONTAINED;
}

void wr_gpu_fault(struct wr_gpu *gpu, const struct wr_error *error) {
  struct wr_error *first =
      wr_error_new(WEIR_ERROR_DEVICE, "gpu:%d is out of use in this process since a fault: %s",
                   gpu->index, wr_error_message(error));
  void *none = NULL;
  if (!wr_cas_acq_rel(&gpu->failed, &none, (void *)first)) wr_error_release(first);
}

struct wr_error *wr_gpu_result(struct wr_gpu *gpu, wr_cu_result result, const char *call) {
  if (result == WR_CU_SUCCESS) return NULL;
  if (result == WR_CU_DEINITIALIZED) {
    return wr_error_new(WEIR_ERROR_STATE, "the process is ending: no work on the GPU any more");
  }
  const char *name = NULL, *text = NULL;
  if (wr_cu->error_name(result, &name) != WR_CU_SUCCESS || !name) name = "unknown";
  if (wr_cu->error_text(result, &text) != WR_CU_SUCCESS || !text) text = "no description";
  enum weir_status status =
      result == WR_CU_OUT_OF_MEMORY ? WEIR_ERROR_OUT_OF_MEMORY : WEIR_ERROR_DEVICE;
  struct wr_error *error =
      wr_error_new(status, "%s failed on gpu:%d: %s (%s)", call, gpu->index, text, name);
  if (is_sticky(result)) wr_gpu_fault(gpu, error);
  return error;
}

/* While the process is ending a failure does not mark the GPU: no memory will be used again anyway.
 */
struct wr_error *wr_gpu_result_of_wait(struct wr_gpu *gpu, wr_cu_result result, const char *call) {
  struct wr_error *error = wr_gpu_result(gpu, result, call);
  if (error && result != WR_CU_DEINITIALIZED) wr_gpu_fault(gpu, error);
  return error;
}

struct wr_error *wr_gpu_ending(void) {
  return wr_error_new(WEIR_ERROR_STATE, "the process is ending: no work for GPUs any more");
}

struct wr_error *wr_gpu_lacks(const char *what, const struct wr_absence *why) {
  enum weir_status status = why->for_now ? WEIR_ERROR_STATE : WEIR_ERROR_UNSUPPORTED;
  return wr_error_new(status, "no %s: %s", what, why->reason);
}

struct wr_error *wr_gpu_unusable(struct wr_gpu *gpu) {
  if (wr_gpu_forked()) return wr_error_new(WEIR_ERROR_NO_DEVICE, "%s", wr_gpu_absent_reason());
  /* Acquire: the error's text was written before it was published. */
  struct wr_error *failed = wr_load_acquire(&gpu->failed);
  return failed ? wr_error_retain(failed) : NULL;
}
