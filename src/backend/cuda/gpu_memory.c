/* A GPU's memory as a source of buffers, and the copies between it, the host and other GPUs. Memory
   comes from a pool of the driver's own to Weir, ordered on one stream that nothing else uses:
   asking and giving back never wait for kernels. (Buffers are given back only when no queued work
   uses them any more, so that no other order is needed.)

   Bytes of the host pass through pinned staging, two pieces at a time, so that the processor fills
   or empties one while the GPU moves the other. Where no piece is to be had the driver copies from
   pageable memory. Locks: BACKEND, for the list of idle pieces. */

#include <string.h>

#include "backend/cuda/gpu.h"

enum { PIECE = 4 << 20, MAX_PIECES = 32, COPY_GRAIN = 256 << 10 };

/* ---- a source ---- */

static struct wr_gpu *gpu_of(const struct wr_memory_source *source) {
  return WR_CONTAINER_OF(source, struct wr_gpu, source);
}

static void *source_alloc(const struct wr_memory_source *source, size_t bytes) {
  struct wr_gpu *gpu = gpu_of(source);
  struct wr_error *error = wr_gpu_unusable(gpu);
  wr_cu_address address = 0;
  int before = wr_cancel_off();
  if (!error) {
    wr_gpu_enter(gpu);
    error = wr_gpu_result(gpu, wr_cu->alloc_async(&address, bytes, gpu->pool, gpu->memory_stream),
                          "cuMemAllocAsync");
    if (!error) {
      error = wr_gpu_result_of_wait(gpu, wr_cu->stream_finish(gpu->memory_stream),
                                    "cuStreamSynchronize");
    }
    wr_gpu_leave();
  }
  wr_cancel_restore(before);
  bool ok = error == NULL;
  wr_error_release(error);
  return ok ? (void *)(uintptr_t)address : NULL; /* NOLINT(performance-no-int-to-ptr) */
}

/* On a GPU that failed, and in a forked child, the memory is gone with the context. */
static void source_free(const struct wr_memory_source *source, void *data, size_t bytes) {
  struct wr_gpu *gpu = gpu_of(source);
  (void)bytes;
  if (wr_gpu_forked() || wr_load_relaxed(&gpu->failed)) return; /* relaxed: compared alone */
  int before = wr_cancel_off(); /* also in a free of the caller's own */
  wr_gpu_enter(gpu);
  (void)wr_cu->free_async((wr_cu_address)(uintptr_t)data, gpu->memory_stream);
  wr_gpu_leave();
  wr_cancel_restore(before);
}

/* What was freed is the driver's to give back once the stream has come to it. */
static void source_release(const struct wr_memory_source *source) {
  struct wr_gpu *gpu = gpu_of(source);
  if (wr_gpu_forked() || wr_load_relaxed(&gpu->failed)) return; /* relaxed: compared alone */
  wr_gpu_enter(gpu);
  if (wr_cu->stream_finish(gpu->memory_stream) == WR_CU_SUCCESS) {
    (void)wr_cu->pool_trim(gpu->pool, 0);
  }
  wr_gpu_leave();
}

static struct wr_error *source_refusal(const struct wr_memory_source *source) {
  return wr_gpu_unusable(gpu_of(source));
}

/* What the cache gives back stays with the driver up to a sixteenth of the GPU's memory, until the
   cache is cleared: mapping memory anew takes longer than most kernels. */
static struct wr_error *pool_new(struct wr_gpu *gpu, size_t total) {
  const struct wr_cu_pool_properties properties = {.allocation_type = WR_CU_ALLOCATION_PINNED,
                                                   .location_type = WR_CU_LOCATION_DEVICE,
                                                   .location_id = gpu->index};
  wr_cu_result result = wr_cu->pool_new(&gpu->pool, &properties);
  if (result) return wr_gpu_result(gpu, result, "cuMemPoolCreate");
  uint64_t keep = total / 16;
  return wr_gpu_result(gpu, wr_cu->pool_set(gpu->pool, WR_CU_POOL_RELEASE_THRESHOLD, &keep),
                       "cuMemPoolSetAttribute");
}

/* Lets the other GPUs read and write this one's memory where the machine can, so that copies go
   from one to the other; where it cannot the driver takes the way through the host by itself. */
static void pool_share(struct wr_gpu *gpu) {
  for (int i = 0; i < wr_gpu_count(); i++) {
    const struct wr_cu_access access = {WR_CU_LOCATION_DEVICE, i, WR_CU_ACCESS_READ_WRITE};
    wr_cu_device peer;
    int possible = 0;
    if (i == gpu->index || wr_cu->device_get(&peer, i) != WR_CU_SUCCESS) continue;
    (void)wr_cu->peer_possible(&possible, peer, gpu->id);
    if (possible) (void)wr_cu->pool_access(gpu->pool, &access, 1);
  }
}

struct wr_error *wr_gpu_memory_new(struct wr_gpu *gpu) {
  size_t total = 0;
  struct wr_error *error =
      wr_gpu_result(gpu, wr_cu->device_memory(&total, gpu->id), "cuDeviceTotalMem");
  if (!error) error = pool_new(gpu, total);
  if (error) return error;
  pool_share(gpu);
  error = wr_gpu_result(gpu, wr_cu->stream_new(&gpu->memory_stream, WR_CU_STREAM_NON_BLOCKING),
                        "cuStreamCreate");
  if (error) return error;
  gpu->source = (struct wr_memory_source){.alloc = source_alloc,
                                          .free = source_free,
                                          .refusal = source_refusal,
                                          .release = source_release,
                                          .capacity = total};
  gpu->memory = wr_memory_new(&gpu->source);
  return gpu->memory ? NULL : wr_error_out_of_memory();
}

/* ---- pinned pieces ---- */

static struct {
  struct wr_mutex lock;
  void *idle[MAX_PIECES]; /* under LOCK */
  int n_idle;             /* under LOCK */
  int made;               /* under LOCK */
} pieces = {.lock = WR_MUTEX_INIT(WR_RANK_BACKEND)};

/* NULL when all are in use, or the system refuses to pin one more. */
static void *piece_take(void) {
  void *piece = NULL;
  wr_mutex_lock(&pieces.lock);
  if (pieces.n_idle > 0) piece = pieces.idle[--pieces.n_idle];
  bool make = !piece && pieces.made < MAX_PIECES;
  if (make) pieces.made++;
  wr_mutex_unlock(&pieces.lock);
  if (!make || wr_cu->host_alloc(&piece, PIECE, WR_CU_HOST_PORTABLE) == WR_CU_SUCCESS) return piece;
  wr_mutex_lock(&pieces.lock);
  pieces.made--;
  wr_mutex_unlock(&pieces.lock);
  return NULL;
}

static void piece_give(void *piece) {
  if (!piece) return;
  wr_mutex_lock(&pieces.lock);
  pieces.idle[pieces.n_idle++] = piece;
  wr_mutex_unlock(&pieces.lock);
}

/* ---- copies ---- */

struct host_copy {
  char *to;
  const char *from;
};

static void copy_part(void *ctx, int64_t begin, int64_t end) {
  const struct host_copy *c = ctx;
  memcpy(c->to + begin, c->from + begin, (size_t)(end - begin));
}

/* One processor is slower than the bus. */
static void copy_host(void *to, const void *from, size_t bytes) {
  struct host_copy c = {to, from};
  if (bytes <= COPY_GRAIN) {
    memcpy(to, from, bytes);
  } else {
    wr_parallel_for((int64_t)bytes, COPY_GRAIN, copy_part, &c);
  }
}

/* A copy in progress; between enter and leave. */
struct transfer {
  struct wr_gpu *gpu;
  wr_cu_stream stream;
  void *pieces[2]; /* NULL, both: pageable memory */
  wr_cu_event over[2];
};

static struct wr_error *transfer_start(struct transfer *t, struct wr_gpu *gpu, size_t bytes) {
  *t = (struct transfer){.gpu = gpu};
  struct wr_error *error = wr_gpu_stream_take(gpu, &t->stream);
  if (error) return error;
  t->pieces[0] = piece_take();
  if (bytes > PIECE && t->pieces[0]) {
    t->pieces[1] = piece_take();
    wr_mutex_lock(&gpu->lock);
    for (int i = 0; i < 2 && !error; i++) error = wr_gpu_event_take_locked(gpu, true, &t->over[i]);
    wr_mutex_unlock(&gpu->lock);
  }
  return error;
}

/* A piece whose wait failed is not known to be over with: the GPU may still write to it, so it goes
   to nobody any more, and another may be made in its place. */
static void piece_lose(const void *piece) {
  if (!piece) return;
  wr_mutex_lock(&pieces.lock);
  pieces.made--;
  wr_mutex_unlock(&pieces.lock);
}

/* `over`: nothing that was queued is under way any more. */
static void transfer_end(struct transfer *t, bool over) {
  wr_mutex_lock(&t->gpu->lock);
  for (int i = 0; i < 2; i++) {
    if (t->over[i]) wr_gpu_event_give_locked(t->gpu, true, t->over[i]);
  }
  wr_mutex_unlock(&t->gpu->lock);
  for (int i = 0; i < 2; i++) {
    if (over) {
      piece_give(t->pieces[i]);
    } else {
      piece_lose(t->pieces[i]);
    }
  }
  if (t->stream) wr_gpu_stream_give(t->gpu, t->stream);
}

static struct wr_error *finish(struct transfer *t) {
  return wr_gpu_result_of_wait(t->gpu, wr_cu->stream_finish(t->stream), "cuStreamSynchronize");
}

static size_t piece_bytes(size_t left) { return left < PIECE ? left : PIECE; }

/* Waits until the piece's last copy is over. */
static struct wr_error *piece_ready(struct transfer *t, int i, bool used) {
  if (!used) return NULL;
  return wr_gpu_result_of_wait(t->gpu, wr_cu->event_finish(t->over[i]), "cuEventSynchronize");
}

static struct wr_error *piece_sent(struct transfer *t, int i, wr_cu_result copied) {
  if (!copied && t->over[i]) copied = wr_cu->event_record(t->over[i], t->stream);
  return wr_gpu_result(t->gpu, copied, "cuMemcpyAsync");
}

static struct wr_error *write_pieces(struct transfer *t, wr_cu_address to, const char *from,
                                     size_t bytes) {
  struct wr_error *error = NULL;
  const int n = t->pieces[1] ? 2 : 1;
  for (size_t at = 0, k = 0; at < bytes && !error; at += PIECE, k++) {
    const int i = (int)(k % (size_t)n);
    const size_t part = piece_bytes(bytes - at);
    error = piece_ready(t, i, k >= (size_t)n);
    if (error) break;
    copy_host(t->pieces[i], from + at, part);
    error = piece_sent(t, i, wr_cu->copy_to_device(to + at, t->pieces[i], part, t->stream));
  }
  return error;
}

/* Piece k is asked for while piece k - 1 is emptied. */
static struct wr_error *read_pieces(struct transfer *t, char *to, wr_cu_address from,
                                    size_t bytes) {
  struct wr_error *error = NULL;
  const size_t n = t->pieces[1] ? 2 : 1;
  const size_t count = (bytes + PIECE - 1) / PIECE;
  for (size_t k = 0; k < count + n - 1 && !error; k++) {
    if (k < count) {
      const size_t at = k * PIECE;
      error = piece_sent(
          t, (int)(k % n),
          wr_cu->copy_to_host(t->pieces[k % n], from + at, piece_bytes(bytes - at), t->stream));
    }
    if (error || k + 1 < n) continue;
    const size_t done = k + 1 - n;
    const size_t at = done * PIECE;
    error = t->over[0] ? piece_ready(t, (int)(done % n), true) : finish(t);
    if (!error) copy_host(to + at, t->pieces[done % n], piece_bytes(bytes - at));
  }
  return error;
}

static struct wr_error *usable(int index, struct wr_gpu **gpu) {
  *gpu = wr_gpu_known(index);
  if (!*gpu) return wr_error_new(WEIR_ERROR_NO_DEVICE, "gpu:%d is not in use", index);
  return wr_gpu_unusable(*gpu);
}

struct wr_error *wr_gpu_write(int index, void *device, const void *host, size_t bytes) {
  struct wr_gpu *gpu;
  struct transfer t;
  if (bytes == 0) return NULL;
  struct wr_error *error = usable(index, &gpu);
  if (error) return error;
  wr_cu_address to = (wr_cu_address)(uintptr_t)device;
  wr_gpu_enter(gpu);
  error = transfer_start(&t, gpu, bytes);
  if (!error) {
    error = t.pieces[0] ? write_pieces(&t, to, host, bytes)
                        : piece_sent(&t, 0, wr_cu->copy_to_device(to, host, bytes, t.stream));
  }
  /* Also after a failure: pieces go back only when nothing reads them. */
  struct wr_error *last = t.stream ? finish(&t) : NULL;
  transfer_end(&t, last == NULL);
  wr_gpu_leave();
  if (!error) return last;
  wr_error_release(last);
  return error;
}

struct wr_error *wr_gpu_read(int index, void *host, const void *device, size_t bytes) {
  struct wr_gpu *gpu;
  struct transfer t;
  if (bytes == 0) return NULL;
  struct wr_error *error = usable(index, &gpu);
  if (error) return error;
  wr_cu_address from = (wr_cu_address)(uintptr_t)device;
  wr_gpu_enter(gpu);
  error = transfer_start(&t, gpu, bytes);
  if (!error) {
    error = t.pieces[0] ? read_pieces(&t, host, from, bytes)
                        : piece_sent(&t, 0, wr_cu->copy_to_host(host, from, bytes, t.stream));
  }
  struct wr_error *last = t.stream ? finish(&t) : NULL;
  transfer_end(&t, last == NULL);
  wr_gpu_leave();
  if (!error) return last;
  wr_error_release(last);
  return error;
}

struct wr_error *wr_gpu_peer_copy(int to_index, void *to, int from_index, const void *from,
                                  size_t bytes) {
  struct wr_gpu *source, *target;
  wr_cu_stream stream = NULL;
  if (bytes == 0) return NULL;
  struct wr_error *error = usable(from_index, &source);
  if (!error) error = usable(to_index, &target);
  if (error) return error;
  wr_gpu_enter(target);
  error = wr_gpu_stream_take(target, &stream);
  if (!error) {
    error = wr_gpu_result(
        target,
        wr_cu->copy_to_peer((wr_cu_address)(uintptr_t)to, target->context,
                            (wr_cu_address)(uintptr_t)from, source->context, bytes, stream),
        "cuMemcpyPeerAsync");
    struct wr_error *last =
        wr_gpu_result_of_wait(target, wr_cu->stream_finish(stream), "cuStreamSynchronize");
    if (!error) {
      error = last;
    } else {
      wr_error_release(last);
    }
    wr_gpu_stream_give(target, stream);
  }
  wr_gpu_leave();
  return error;
}
