/* Exchanges between the GPUs of several processes, by NCCL. A communicator has a stream of the
   driver's, which waits for the encoder of each exchange and runs them one after the other, so what
   is encoded meanwhile runs beside them. NCCL is told not to block: a call begins what has settled
   once ncclCommGetAsyncError says so. One thread at a time uses a communicator; no locks. */

#include <string.h>

#include "backend/cuda/device.h"
#include "backend/cuda/driver/driver.h"
#include "backend/cuda/queue/queue.h"
#include "base/ending.h"
#include "base/gate.h"

struct wr_communicator {
  struct wr_gpu *gpu;
  const struct wr_nccl *nccl;
  wr_nccl_comm comm;
  wr_cu_stream stream;
  wr_cu_event behind; /* what the encoder of the latest exchange had */
  int size;
  bool aborted; /* nothing of NCCL's is left */
};

struct wr_exchange_mark {
  wr_cu_event event;
};

/* ---- results ---- */

static const char *text_of(int result) {
  static const char *const texts[] = {"success",
                                      "a call of CUDA failed",
                                      "a call of the system failed",
                                      "an internal error",
                                      "an invalid argument",
                                      "the calls do not fit together",
                                      "another process, or the network, failed"};
  const size_t count = sizeof texts / sizeof texts[0], at = result > 0 ? (size_t)result : count;
  return at < count ? texts[at] : "unknown";
}

static struct wr_error *result_of(int result, const char *call) {
  if (!result || result == WR_NCCL_IN_PROGRESS) return NULL;
  return wr_error_new(WEIR_ERROR_DEVICE, "%s failed: %s (%d)", call, text_of(result), result);
}

/* ---- the library ---- */

/* NULL: *reason says why. */
static const struct wr_nccl *library(const char **reason) {
  struct wr_absence why;
  const struct wr_nccl *found = NULL;
  if (!wr_gpu_any(&why)) {
    *reason = why.reason;
  } else if (!wr_gate_enter(WR_GATE_GPU)) {
    *reason = "the process is ending";
  } else {
    found = wr_cuda_nccl(&why);
    wr_gate_leave(WR_GATE_GPU);
    if (!found) *reason = why.reason;
  }
  return found;
}

static bool usable(const char **reason) { return library(reason) != NULL; }

static struct wr_error *need_library(const struct wr_nccl **out) {
  const char *reason = "";
  *out = library(&reason);
  if (*out) return NULL;
  return wr_error_new(WEIR_ERROR_UNSUPPORTED, "no collectives on GPUs: %s", reason);
}

static struct wr_error *id(char out[WR_EXCHANGE_ID_BYTES]) {
  struct wr_nccl_id made;
  const struct wr_nccl *nccl;
  struct wr_error *error = need_library(&nccl);
  if (error) return error;
  if (!wr_gate_enter(WR_GATE_GPU)) return wr_gpu_ending();
  const int result = nccl->id_get(&made);
  wr_ending_goes_first();
  wr_gate_leave(WR_GATE_GPU);
  memcpy(out, made.bytes, sizeof made.bytes);
  return result_of(result, "ncclGetUniqueId");
}

/* ---- life ---- */

static struct wr_error *take_what_it_needs(struct wr_communicator *c) {
  struct wr_error *error = wr_gpu_stream_take(c->gpu, &c->stream);
  if (error) return error;
  wr_mutex_lock(&c->gpu->lock);
  error = wr_gpu_event_take_locked(c->gpu, false, &c->behind);
  wr_mutex_unlock(&c->gpu->lock);
  if (error) wr_gpu_stream_give(c->gpu, c->stream);
  return error;
}

static void give_event(struct wr_gpu *gpu, wr_cu_event event) {
  wr_mutex_lock(&gpu->lock);
  wr_gpu_event_give_locked(gpu, false, event);
  wr_mutex_unlock(&gpu->lock);
}

static struct wr_error *begin_inside(struct wr_communicator *c, int rank, int size,
                                     const char *of) {
  struct wr_nccl_config config = {.size = WR_NCCL_CONFIG_BYTES,
                                  .magic = WR_NCCL_CONFIG_MAGIC,
                                  .version = WR_NCCL_CONFIG_VERSION,
                                  .blocking = 0};
  struct wr_nccl_id unique;
  memcpy(unique.bytes, of, sizeof unique.bytes);
  struct wr_error *error = take_what_it_needs(c);
  if (error) return error;
  const int result = c->nccl->comm_new(&c->comm, size, unique, rank, &config);
  wr_ending_goes_first();
  error = result_of(result, "ncclCommInitRankConfig");
  if (!error) return NULL;
  give_event(c->gpu, c->behind);
  wr_gpu_stream_give(c->gpu, c->stream);
  return error;
}

static struct wr_error *begin(int index, int rank, int size, const char of[WR_EXCHANGE_ID_BYTES],
                              struct wr_communicator **out) {
  struct wr_gpu *gpu;
  const struct wr_nccl *nccl;
  struct wr_error *error = need_library(&nccl);
  if (!error) error = wr_gpu_get(index, &gpu);
  if (error) return error;
  struct wr_communicator *c = wr_calloc(sizeof *c);
  if (!c) return wr_error_out_of_memory();
  c->gpu = gpu;
  c->nccl = nccl;
  c->size = size;
  wr_gpu_enter(gpu);
  error = begin_inside(c, rank, size, of);
  wr_gpu_leave();
  if (error) {
    wr_free(c);
  } else {
    *out = c;
  }
  return error;
}

static struct wr_error *aborted(void) {
  return wr_error_new(WEIR_ERROR_STATE, "the communicator was aborted");
}

static struct wr_error *settled(struct wr_communicator *c, bool *yes) {
  int state = 0;
  *yes = false;
  if (c->aborted) return aborted();
  wr_gpu_enter(c->gpu);
  const int result = c->nccl->comm_error(c->comm, &state);
  wr_gpu_leave();
  struct wr_error *error = result_of(result ? result : state, "NCCL");
  *yes = !error && state != WR_NCCL_IN_PROGRESS;
  return error;
}

/* Its kernels see it, and end. */
static void abort_it(struct wr_communicator *c) {
  if (c->aborted) return;
  c->aborted = true;
  wr_gpu_enter(c->gpu);
  (void)c->nccl->comm_abort(c->comm);
  wr_gpu_leave();
}

/* Until all of NCCL's own is over; it may have to hear of other processes, which may be gone. */
static bool finalize(struct wr_communicator *c) {
  const uint64_t until = wr_clock_ns() + UINT64_C(300000000);
  int state = c->nccl->comm_finalize(c->comm);
  while (state == WR_NCCL_IN_PROGRESS && wr_clock_ns() < until) {
    wr_gpu_leave();
    wr_nap(100000);
    wr_gpu_enter(c->gpu);
    if (c->nccl->comm_error(c->comm, &state)) return false;
  }
  return state == 0;
}

static void end(struct wr_communicator *c) {
  wr_gpu_enter(c->gpu);
  if (!c->aborted && finalize(c)) {
    (void)c->nccl->comm_free(c->comm);
    c->aborted = true;
  }
  wr_gpu_leave();
  abort_it(c);
  wr_gpu_enter(c->gpu);
  give_event(c->gpu, c->behind);
  wr_gpu_stream_give(c->gpu, c->stream);
  wr_gpu_leave();
  wr_free(c);
}

static void give_up(struct wr_communicator *c) {
  struct wr_error *error =
      wr_error_new(WEIR_ERROR_DEVICE, "a collective that was aborted does not end");
  wr_gpu_fault(c->gpu, error);
  wr_error_release(error);
}

/* ---- elements ---- */

/* NCCL's type, and how many of it an element is; -1: none that it can compute with. */
static int type_of(enum wr_exchange_kind kind, enum wr_dtype dtype, size_t *each) {
  const bool sum = kind == WR_EXCHANGE_SUM || kind == WR_EXCHANGE_SCATTER;
  *each = 1;
  switch (dtype) {
    case WR_BOOL:
    case WR_UINT8:
      return WR_NCCL_UINT8;
    case WR_INT8:
      return WR_NCCL_INT8;
    case WR_UINT32:
      return WR_NCCL_UINT32;
    case WR_INT32:
      return WR_NCCL_INT32;
    case WR_UINT64:
      return WR_NCCL_UINT64;
    case WR_INT64:
      return WR_NCCL_INT64;
    case WR_FLOAT16:
      return WR_NCCL_F16;
    case WR_BFLOAT16:
      return WR_NCCL_BF16;
    case WR_FLOAT32:
      return WR_NCCL_F32;
    case WR_FLOAT64:
      return WR_NCCL_F64;
    case WR_COMPLEX64:
      *each = 2;
      return sum ? WR_NCCL_F32 : -1;
    default:
      return -1;
  }
}

static bool reduces(enum wr_exchange_kind kind, enum wr_dtype dtype) {
  size_t each;
  return kind == WR_EXCHANGE_GATHER || kind >= WR_EXCHANGE_SEND || type_of(kind, dtype, &each) >= 0;
}

/* The sum of truth values is whether any is true. */
static int op_of(enum wr_exchange_kind kind, enum wr_dtype dtype) {
  if (kind == WR_EXCHANGE_MIN) return WR_NCCL_MIN;
  return kind == WR_EXCHANGE_MAX || dtype == WR_BOOL ? WR_NCCL_MAX : WR_NCCL_SUM;
}

/* ---- exchanges ---- */

static int call_nccl(const struct wr_communicator *c, const struct wr_exchange *x,
                     const char **call) {
  const size_t bytes = x->count * wr_dtype_size(x->dtype);
  size_t each = 1;
  const int type = type_of(x->kind, x->dtype, &each), op = op_of(x->kind, x->dtype);
  const size_t n = x->count * each;
  switch (x->kind) {
    case WR_EXCHANGE_GATHER:
      *call = "ncclAllGather";
      return c->nccl->all_gather(x->in, x->out, bytes, WR_NCCL_UINT8, c->comm, c->stream);
    case WR_EXCHANGE_SCATTER:
      *call = "ncclReduceScatter";
      return c->nccl->reduce_scatter(x->in, x->out, n / (size_t)c->size, type, op, c->comm,
                                     c->stream);
    case WR_EXCHANGE_SEND:
      *call = "ncclSend";
      return c->nccl->send(x->in, bytes, WR_NCCL_UINT8, x->peer, c->comm, c->stream);
    case WR_EXCHANGE_RECV:
      *call = "ncclRecv";
      return c->nccl->recv(x->out, bytes, WR_NCCL_UINT8, x->peer, c->comm, c->stream);
    default:
      *call = "ncclAllReduce";
      return c->nccl->all_reduce(x->in, x->out, n, type, op, c->comm, c->stream);
  }
}

/* What was sent is the value of the array that stands for it. */
static struct wr_error *copy_sent(const struct wr_communicator *c, const struct wr_exchange *x,
                                  size_t bytes) {
  if (x->kind != WR_EXCHANGE_SEND) return NULL;
  const wr_cu_address to = (wr_cu_address)(uintptr_t)x->out, from = (wr_cu_address)(uintptr_t)x->in;
  return wr_gpu_result(c->gpu, wr_cu->copy_on_device(to, from, bytes, c->stream),
                       "cuMemcpyDtoDAsync");
}

static struct wr_error *start_inside(struct wr_communicator *c, const struct wr_exchange *x) {
  const size_t bytes = x->count * wr_dtype_size(x->dtype);
  struct wr_error *error = wr_gpu_wait_for_encoder(x->encoder, c->behind, c->stream);
  if (error || bytes == 0) return error;
  const char *call = "";
  const int result = call_nccl(c, x, &call);
  error = result_of(result, call);
  return error ? error : copy_sent(c, x, bytes);
}

static struct wr_error *start(struct wr_communicator *c, const struct wr_exchange *x) {
  if (c->aborted) return aborted();
  struct wr_error *error = wr_gpu_unusable(c->gpu);
  if (error) return error;
  wr_gpu_enter(c->gpu);
  error = start_inside(c, x);
  wr_gpu_leave();
  return error;
}

static struct wr_error *mark(struct wr_communicator *c, struct wr_exchange_mark **out) {
  struct wr_exchange_mark *m = wr_alloc(sizeof *m);
  if (!m) return wr_error_out_of_memory();
  wr_gpu_enter(c->gpu);
  wr_mutex_lock(&c->gpu->lock);
  struct wr_error *error = wr_gpu_event_take_locked(c->gpu, false, &m->event);
  wr_mutex_unlock(&c->gpu->lock);
  const bool taken = !error;
  if (taken)
    error = wr_gpu_result(c->gpu, wr_cu->event_record(m->event, c->stream), "cuEventRecord");
  if (error && taken) give_event(c->gpu, m->event);
  wr_gpu_leave();
  if (error) {
    wr_free(m);
  } else {
    *out = m;
  }
  return error;
}

static struct wr_error *over(struct wr_communicator *c, const struct wr_exchange_mark *m,
                             bool *yes) {
  wr_gpu_enter(c->gpu);
  const wr_cu_result result = wr_cu->event_query(m->event);
  *yes = result == WR_CU_SUCCESS;
  struct wr_error *error = NULL;
  if (!*yes && result != WR_CU_NOT_READY) {
    error = wr_gpu_result_of_wait(c->gpu, result, "cuEventQuery");
  }
  wr_gpu_leave();
  return error;
}

static void mark_free(struct wr_communicator *c, struct wr_exchange_mark *m) {
  wr_gpu_enter(c->gpu);
  give_event(c->gpu, m->event);
  wr_gpu_leave();
  wr_free(m);
}

const struct wr_exchange_device wr_gpu_exchanges = {.usable = usable,
                                                    .id = id,
                                                    .begin = begin,
                                                    .settled = settled,
                                                    .reduces = reduces,
                                                    .start = start,
                                                    .mark = mark,
                                                    .over = over,
                                                    .mark_free = mark_free,
                                                    .abort = abort_it,
                                                    .give_up = give_up,
                                                    .end = end};
