/* Launches that are held back, and how they go to the driver.

   wr_launch records a launch: the kernel, the grid, and the values of its arguments. A flush hands
   all recorded launches to the driver, as one graph (graphs.c) or one by one, and then appends
   their commands to those in flight. It happens when the thread that drains the stream has nothing
   more to encode (backend.h), when another encoder is about to wait for this one, and when there is
   no room for another launch.

   If the driver refuses a launch, nothing more of the flush is launched: its command and all later
   ones fail, since they may need its result. Lock: the encoder's, of rank ENCODER; the GPU's is
   taken inside it. One thread may flush while another is encoding a command, since the first is
   about to wait for this encoder; then a part of that command's launches goes to the driver before
   the rest. */

#include <string.h>

#include "backend/cuda/queue/internal.h"

enum { IDLE_LAUNCHES = 64 };

/* ---- memory for recorded launches; a bounded number of idle ones is kept ---- */

/* Its contents are undefined; NULL when memory is refused. */
static struct wr_launches *launches_take_locked(struct wr_gpu *gpu) {
  struct wr_launches *l = gpu->queues->idle_launches;
  if (!l) return wr_alloc(sizeof *l);
  gpu->queues->idle_launches = l->next;
  gpu->queues->n_idle_launches--;
  return l;
}

static void launches_give_locked(struct wr_gpu *gpu, struct wr_launches *l) {
  if (gpu->queues->n_idle_launches >= IDLE_LAUNCHES) {
    wr_free(l);
    return;
  }
  l->next = gpu->queues->idle_launches;
  gpu->queues->idle_launches = l;
  gpu->queues->n_idle_launches++;
}

/* ---- flushing ---- */

void wr_held_arguments(const struct wr_launches *l, int i, void **arguments) {
  const struct wr_held *h = &l->held[i];
  char *values = (char *)l->arguments + h->at;
  for (uint32_t k = 0; k < h->n; k++) arguments[k] = values + h->offsets[k];
}

static wr_cu_result launch_one(const struct wr_launches *l, int i, wr_cu_stream stream) {
  const struct wr_held *h = &l->held[i];
  void *arguments[WR_LAUNCH_ARGUMENTS];
  wr_held_arguments(l, i, arguments);
  return wr_cu->launch(h->function, h->grid[0], h->grid[1], h->grid[2], h->block[0], h->block[1],
                       h->block[2], h->shared_bytes, stream, arguments, NULL);
}

/* Returns how many were launched; *error says why not all. */
static int launch_all(struct wr_encoder *e, struct wr_error **error) {
  const struct wr_launches *l = e->launches;
  if (wr_graphs_launch(e->gpu, e->stream, l)) return l->count;
  for (int i = 0; i < l->count; i++) {
    *error = wr_gpu_result(e->gpu, launch_one(l, i, e->stream), "cuLaunchKernel");
    if (*error) return i;
  }
  return l->count;
}

static void fail_from(struct wr_encoder *e, int launched, struct wr_error *error) {
  for (struct wr_gpu_command *c = e->held; c; c = c->next) {
    if (c->launches > launched && !c->error) c->error = wr_error_retain(error);
  }
  if (e->recording && !e->broken) e->broken = wr_error_retain(error);
}

static void close_locked(struct wr_encoder *e) {
  launches_give_locked(e->gpu, e->launches);
  e->launches = NULL;
  e->opened = 0;
  wr_busy_remove_locked(e);
}

/* Between enter and leave. While a command is being encoded, the memory for launches stays with the
   encoder. */
static void flush_locked(struct wr_encoder *e) {
  struct wr_error *error = NULL;
  int launched = launch_all(e, &error);
  if (error) fail_from(e, launched, error);
  wr_error_release(error);
  e->launches->count = 0;
  e->launches->used = 0;
  e->flushes++;
  wr_mutex_lock(&e->gpu->lock);
  wr_in_flight_locked(e, e->held);
  e->held = NULL;
  e->last_held = &e->held;
  if (e->recording) {
    e->opened = ++e->gpu->queues->stamp;
  } else {
    close_locked(e);
  }
  wr_mutex_unlock(&e->gpu->lock);
}

static bool holds_back(struct wr_encoder *e) {
  wr_mutex_lock(&e->lock);
  bool any = e->launches != NULL;
  wr_mutex_unlock(&e->lock);
  return any;
}

/* Where the commands that were held back have all failed as they were encoded, no report will tell
   the line that they hold nothing any more: so this does. */
static void tell_line(struct wr_gpu *gpu) {
  wr_mutex_lock(&gpu->lock);
  struct wr_completion_hook *hook = wr_line_told_locked(gpu->queues);
  wr_mutex_unlock(&gpu->lock);
  if (hook) hook->fn(hook, NULL);
}

/* The gate is entered before the lock is taken, as where a command is encoded. In the other order a
   thread could wait at the gate, which the end of the process has closed, with the lock that a
   thread inside needs. In the child of a fork the lock may be held for ever; there is nothing to
   flush. */
void wr_gpu_flush(struct wr_encoder *e) {
  struct wr_gpu *gpu = e->gpu;
  if (wr_gpu_forked() || !holds_back(e)) return;
  wr_gpu_enter(gpu);
  wr_mutex_lock(&e->lock);
  if (e->launches) flush_locked(e);
  wr_mutex_unlock(&e->lock);
  wr_gpu_leave();
  /* Relaxed: an encoder that waits for this one has set it under the lock that was held just now.
   */
  if (wr_load_relaxed(&gpu->queues->lined)) tell_line(gpu);
}

bool wr_run_direct(struct wr_run *run) {
  enum { LAUNCHES = 4 }; /* at most, of a product or a copy */
  run->encoder->work += LAUNCHES;
  wr_mutex_lock(&run->encoder->lock);
  flush_locked(run->encoder);
  const bool whole = !run->encoder->broken;
  wr_mutex_unlock(&run->encoder->lock);
  return whole;
}

struct wr_error *wr_run_broken(struct wr_run *run) {
  struct wr_encoder *e = run->encoder;
  wr_mutex_lock(&e->lock);
  struct wr_error *error = e->broken ? wr_error_retain(e->broken) : NULL;
  wr_mutex_unlock(&e->lock);
  return error;
}

void wr_run_counts(struct wr_run *run, int64_t launches) {
  run->encoder->work += (uint64_t)launches;
}

/* ---- recording ---- */

static struct wr_error *open_locked(struct wr_encoder *e) {
  struct wr_gpu *gpu = e->gpu;
  if (e->launches) return NULL;
  wr_mutex_lock(&gpu->lock);
  struct wr_error *error = wr_watch_locked(gpu);
  if (!error) {
    e->launches = launches_take_locked(gpu);
    if (e->launches) {
      e->opened = ++gpu->queues->stamp;
      wr_busy_insert_locked(e);
    } else {
      error = wr_error_out_of_memory();
    }
  }
  wr_mutex_unlock(&gpu->lock);
  if (error) return error;
  e->launches->count = 0;
  e->launches->used = 0;
  return NULL;
}

struct wr_error *wr_record_begin(struct wr_encoder *e, struct wr_run *run) {
  struct wr_error *error = wr_gpu_unusable(e->gpu);
  if (error) return error;
  wr_mutex_lock(&e->lock);
  error = open_locked(e);
  if (!error) {
    e->recording = true;
    run->launches = e->launches->count;
    run->used = e->launches->used;
    run->flushes = e->flushes;
    run->work = e->work;
  }
  wr_mutex_unlock(&e->lock);
  return error;
}

void wr_record_keep(struct wr_encoder *e, struct wr_gpu_command *c) {
  wr_mutex_lock(&e->lock);
  c->number = ++e->kept;
  c->work = e->work_kept = e->work;
  c->launches = e->launches->count;
  c->error = e->broken;
  e->broken = NULL;
  *e->last_held = c;
  e->last_held = &c->next;
  e->recording = false;
  wr_mutex_unlock(&e->lock);
}

/* Waits for all that is on the stream: in naps, unless there is no event for that. */
static void settle(struct wr_encoder *e, struct wr_run *run) {
  wr_cu_event event = NULL;
  wr_mutex_lock(&e->gpu->lock);
  struct wr_error *error = wr_gpu_event_take_locked(e->gpu, false, &event);
  wr_mutex_unlock(&e->gpu->lock);
  if (!error) {
    error = wr_gpu_result(e->gpu, wr_cu->event_record(event, e->stream), "cuEventRecord");
  }
  if (!error) error = wr_run_wait(run, event);
  if (error) {
    wr_error_release(error);
    error =
        wr_gpu_result_of_wait(e->gpu, wr_cu->stream_synchronize(e->stream), "cuStreamSynchronize");
  }
  wr_error_release(error);
  if (!event) return;
  wr_mutex_lock(&e->gpu->lock);
  wr_gpu_event_give_locked(e->gpu, false, event);
  wr_mutex_unlock(&e->gpu->lock);
}

/* Parts of the command may be running already, on operands that the caller releases after this: so
   it waits for them. */
void wr_record_abandon(struct wr_encoder *e, struct wr_run *run) {
  e->work = run->work;
  wr_mutex_lock(&e->lock);
  bool partly = e->flushes != run->flushes;
  e->launches->count = partly ? 0 : run->launches;
  e->launches->used = partly ? 0 : run->used;
  wr_error_release(e->broken);
  e->broken = NULL;
  e->recording = false;
  wr_mutex_unlock(&e->lock);
  if (!partly && !run->launched) return;
  wr_gpu_enter(e->gpu);
  settle(e, run);
  wr_gpu_leave();
}

static uint32_t rounded(uint32_t bytes) { return (bytes + 7u) & ~7u; }

static uint32_t argument_bytes(const struct wr_launch *l) {
  uint32_t bytes = 0;
  for (int i = 0; i < l->n; i++) bytes += rounded(l->sizes[i]);
  return bytes;
}

static void record_locked(struct wr_launches *to, const struct wr_launch *l,
                          wr_cu_function function, uint32_t bytes) {
  struct wr_held *h = &to->held[to->count++];
  char *values = (char *)to->arguments + to->used;
  h->function = function;
  memcpy(h->grid, l->grid, sizeof h->grid);
  memcpy(h->block, l->block, sizeof h->block);
  h->shared_bytes = l->shared_bytes;
  h->at = to->used;
  h->bytes = bytes;
  h->n = (uint32_t)l->n;
  uint32_t at = 0;
  for (int i = 0; i < l->n; i++) {
    h->offsets[i] = (uint16_t)at;
    memcpy(values + at, l->args[i], l->sizes[i]);
    /* The padding is set to 0, since launches are compared byte by byte (graphs.c). */
    memset(values + at + l->sizes[i], 0, rounded(l->sizes[i]) - l->sizes[i]);
    at += rounded(l->sizes[i]);
  }
  to->used += bytes;
}

void wr_launch_function(const struct wr_launch *l, struct wr_run *run, wr_cu_function function) {
  struct wr_encoder *e = run->encoder;
  const uint32_t bytes = argument_bytes(l);
  wr_mutex_lock(&e->lock);
  if (e->launches->count == WR_HELD_LAUNCHES || e->launches->used + bytes > WR_HELD_BYTES) {
    flush_locked(e);
  }
  /* Of a command that has failed nothing more is launched: it may read what was not written. */
  if (!e->broken) {
    record_locked(e->launches, l, function, bytes);
    e->work++;
  }
  wr_mutex_unlock(&e->lock);
}
