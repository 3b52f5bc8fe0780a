/* Copies between the host and a GPU, and between two GPUs, for which the caller waits.

   Bytes of the host go through pieces of pinned memory, two for each copy, so that the processor
   fills or empties one while the GPU reads or writes the other. Where no piece is free the driver
   copies pageable memory by itself. Locks: the GPU's, for its lists. */

#include <string.h>

#include "backend/cuda/memory/internal.h"

enum { COPY_GRAIN = 256 << 10 };

struct host_copy {
  char *to;
  const char *from;
};

static void copy_part(void *ctx, int64_t begin, int64_t end) {
  const struct host_copy *c = ctx;
  memcpy(c->to + begin, c->from + begin, (size_t)(end - begin));
}

/* By several threads, since one processor is slower than the bus. */
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
  t->pieces[0] = wr_piece_take();
  if (bytes > WR_PIECE_BYTES && t->pieces[0]) {
    t->pieces[1] = wr_piece_take();
    wr_mutex_lock(&gpu->lock);
    for (int i = 0; i < 2 && !error; i++) error = wr_gpu_event_take_locked(gpu, true, &t->over[i]);
    wr_mutex_unlock(&gpu->lock);
  }
  return error;
}

/* `over`: all that was queued is known to be over, so the pieces can be used again. */
static void transfer_end(struct transfer *t, bool over) {
  wr_mutex_lock(&t->gpu->lock);
  for (int i = 0; i < 2; i++) {
    if (t->over[i]) wr_gpu_event_give_locked(t->gpu, true, t->over[i]);
  }
  wr_mutex_unlock(&t->gpu->lock);
  for (int i = 0; i < 2; i++) {
    if (over) {
      wr_piece_give(t->pieces[i]);
    } else {
      wr_piece_lose(t->pieces[i]);
    }
  }
  if (t->stream) wr_gpu_stream_give(t->gpu, t->stream);
}

static struct wr_error *wait_all(struct transfer *t) {
  return wr_gpu_result_of_wait(t->gpu, wr_cu->stream_synchronize(t->stream), "cuStreamSynchronize");
}

static size_t piece_bytes(size_t left) { return left < WR_PIECE_BYTES ? left : WR_PIECE_BYTES; }

/* Waits until the piece's last copy is over. */
static struct wr_error *piece_ready(struct transfer *t, int i, bool used) {
  if (!used) return NULL;
  return wr_gpu_result_of_wait(t->gpu, wr_cu->event_synchronize(t->over[i]), "cuEventSynchronize");
}

static struct wr_error *piece_sent(struct transfer *t, int i, wr_cu_result copied) {
  if (!copied && t->over[i]) copied = wr_cu->event_record(t->over[i], t->stream);
  return wr_gpu_result(t->gpu, copied, "cuMemcpyAsync");
}

static struct wr_error *write_pieces(struct transfer *t, wr_cu_address to, const char *from,
                                     size_t bytes) {
  struct wr_error *error = NULL;
  const int n = t->pieces[1] ? 2 : 1;
  for (size_t at = 0, k = 0; at < bytes && !error; at += WR_PIECE_BYTES, k++) {
    const int i = (int)(k % (size_t)n);
    const size_t part = piece_bytes(bytes - at);
    error = piece_ready(t, i, k >= (size_t)n);
    if (error) break;
    copy_host(t->pieces[i], from + at, part);
    error = piece_sent(t, i, wr_cu->copy_to_device(to + at, t->pieces[i], part, t->stream));
  }
  return error;
}

/* The GPU writes piece k while the processor empties piece k - 1. */
static struct wr_error *read_pieces(struct transfer *t, char *to, wr_cu_address from,
                                    size_t bytes) {
  struct wr_error *error = NULL;
  const size_t n = t->pieces[1] ? 2 : 1;
  const size_t count = (bytes + WR_PIECE_BYTES - 1) / WR_PIECE_BYTES;
  for (size_t k = 0; k < count + n - 1 && !error; k++) {
    if (k < count) {
      const size_t at = k * WR_PIECE_BYTES;
      error = piece_sent(
          t, (int)(k % n),
          wr_cu->copy_to_host(t->pieces[k % n], from + at, piece_bytes(bytes - at), t->stream));
    }
    if (error || k + 1 < n) continue;
    const size_t done = k + 1 - n;
    const size_t at = done * WR_PIECE_BYTES;
    error = t->over[0] ? piece_ready(t, (int)(done % n), true) : wait_all(t);
    if (!error) copy_host(to + at, t->pieces[done % n], piece_bytes(bytes - at));
  }
  return error;
}

static struct wr_error *usable(int index, struct wr_gpu **gpu) {
  *gpu = wr_gpu_known(index);
  if (!*gpu) return wr_error_new(WEIR_ERROR_NO_DEVICE, "gpu:%d is not in use", index);
  return wr_gpu_unusable(*gpu);
}

/* Waits for what was queued, also after a failure, since the pieces may be used by it; then leaves
   the GPU. Takes the error; returns it, or if it is NULL the one of waiting. */
static struct wr_error *finish(struct transfer *t, struct wr_error *error) {
  struct wr_error *last = t->stream ? wait_all(t) : NULL;
  transfer_end(t, last == NULL);
  wr_gpu_leave();
  if (!error) return last;
  wr_error_release(last);
  return error;
}

/* Between the device and the host: to it where `to` is given, else from it. */
static struct wr_error *move(int index, const void *device, const void *from, void *to,
                             size_t bytes) {
  struct wr_gpu *gpu;
  struct transfer t;
  if (bytes == 0) return NULL;
  struct wr_error *error = usable(index, &gpu);
  if (error) return error;
  const wr_cu_address at = (wr_cu_address)(uintptr_t)device;
  wr_gpu_enter(gpu);
  error = transfer_start(&t, gpu, bytes);
  if (!error && t.pieces[0]) {
    error = to ? read_pieces(&t, to, at, bytes) : write_pieces(&t, at, from, bytes);
  } else if (!error) {
    error = piece_sent(&t, 0,
                       to ? wr_cu->copy_to_host(to, at, bytes, t.stream)
                          : wr_cu->copy_to_device(at, from, bytes, t.stream));
  }
  return finish(&t, error);
}

struct wr_error *wr_gpu_write(int index, void *device, const void *host, size_t bytes) {
  return move(index, device, host, NULL, bytes);
}

struct wr_error *wr_gpu_read(int index, void *host, const void *device, size_t bytes) {
  return move(index, device, NULL, host, bytes);
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
        wr_gpu_result_of_wait(target, wr_cu->stream_synchronize(stream), "cuStreamSynchronize");
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
