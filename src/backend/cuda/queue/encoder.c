/* Encoders. An encoder has a stream of the driver's, taken from a pool; launches that are held back
   (launches.c); and commands in flight (reap.c). encode() records and never waits. An encoder is
   counted: its owner has a reference, its reaper, and the list of busy ones. When the last is gone,
   the driver's stream goes back to the pool, which is bounded. Lock: the GPU's. */

#include "backend/cuda/queue/internal.h"

/* ---- life ---- */

struct wr_error *wr_gpu_encoder_new(struct wr_gpu *gpu, struct wr_encoder **out) {
  struct wr_encoder *e = wr_calloc(sizeof *e);
  struct wr_progress *progress = wr_alloc(sizeof *progress);
  struct wr_error *error;
  if (!e || !progress) {
    error = wr_error_out_of_memory();
    goto free_both;
  }
  *progress = (struct wr_progress){.refs = 1, .encoder = e};
  e->gpu = gpu;
  e->refs = 1;
  e->last_held = &e->held;
  e->last = &e->first;
  e->last_mark = &e->marks;
  e->progress = progress;
  e->last_order = &e->orders;
  e->same_orders = &e->orders;
  wr_gpu_enter(gpu);
  error = wr_gpu_stream_take(gpu, &e->stream);
  wr_gpu_leave();
  if (error) goto free_both;
  wr_mutex_init(&e->lock, WR_RANK_ENCODER);
  *out = e;
  return NULL;
free_both:
  wr_free(progress);
  wr_free(e);
  return error;
}

/* In a forked child the stream is left alone: it is the parent's. */
void wr_encoder_drop(struct wr_encoder *e) {
  wr_mutex_lock(&e->gpu->lock);
  bool last = --e->refs == 0;
  if (last) wr_orders_free_locked(e);
  wr_mutex_unlock(&e->gpu->lock);
  if (!last) return;
  if (!wr_gpu_forked()) {
    WR_ASSERT(!e->first && !e->marks && !e->in_busy_list && !e->launches);
    wr_mutex_destroy(&e->lock);
    wr_gpu_enter(e->gpu);
    /* The driver's stream loses its name, since its next user is another encoder. Relaxed: the
       thread that named it held a reference. */
    if (wr_load_relaxed(&e->named)) wr_nvtx_name_stream(e->stream, "");
    wr_gpu_stream_give(e->gpu, e->stream);
    wr_gpu_leave();
  }
  wr_buffer_release(e->workspace);
  wr_buffer_release(e->counters);
  wr_free(e);
}

void wr_gpu_encoder_free(struct wr_encoder *encoder) { wr_encoder_drop(encoder); }

/* Where two threads set labels at once, either may stay. In the child of a fork the driver's stream
   is the parent's. */
void wr_gpu_label(struct wr_encoder *e, const char *label) {
  if (wr_gpu_forked()) return;
  wr_gpu_enter(e->gpu); /* before wr_nvtx_listens, which may open a tool's library */
  if (wr_nvtx_listens()) {
    wr_store_relaxed(&e->named, true);
    wr_nvtx_name_stream(e->stream, label ? label : "");
  }
  wr_gpu_leave();
}

/* ---- encoding ---- */

enum wr_encode_status wr_encode_work(struct wr_encoder *e, wr_work work, const void *what,
                                     struct wr_completion_hook *hook, struct wr_error **error) {
  struct wr_run run = {.gpu = e->gpu, .stream = e->stream, .encoder = e};
  struct wr_gpu_command *c = wr_alloc(sizeof *c);
  *error = c ? wr_record_begin(e, &run) : wr_error_out_of_memory();
  if (*error) {
    wr_free(c);
    return WR_ENCODE_DONE;
  }
  if (work) {
    wr_gpu_enter(e->gpu);
    *error = work(&run, what);
    wr_gpu_leave();
  }
  if (*error) {
    wr_record_abandon(e, &run);
    if (run.bring.slot) wr_slot_give(run.bring.slot);
    wr_run_scratch_release(&run.scratch);
    wr_free(c);
    return WR_ENCODE_DONE;
  }
  *c = (struct wr_gpu_command){.hook = hook, .scratch = run.scratch, .bring = run.bring};
  wr_record_keep(e, c);
  return WR_ENCODE_PENDING;
}

/* A marker that is DONE is over, and so is all that was encoded before it: where it is refused, as
   by lack of memory, this thread waits for that. */
enum wr_encode_status wr_gpu_encode_marker(struct wr_encoder *e, struct wr_completion_hook *hook,
                                           struct wr_error **error) {
  if (wr_gpu_is_over(e, e->kept)) return WR_ENCODE_DONE;
  enum wr_encode_status status = wr_encode_work(e, NULL, NULL, hook, error);
  if (status == WR_ENCODE_DONE) wr_reap_all(e);
  return status;
}

uint64_t wr_gpu_last_number(const struct wr_encoder *encoder) { return encoder->kept; }

/* Relaxed: where it looks full, wr_gpu_when_room looks again under the lock. In the child of a fork
   commands in flight never end; there nothing has to wait, since what is encoded fails. */
bool wr_gpu_full(const struct wr_encoder *e) {
  return e->work - wr_load_relaxed(&e->work_over) >= wr_most_ahead(e->gpu) && !wr_gpu_forked();
}

static bool is_launched(struct wr_encoder *e, uint64_t number) {
  wr_mutex_lock(&e->gpu->lock);
  bool launched = e->launched >= number;
  wr_mutex_unlock(&e->gpu->lock);
  return launched;
}

/* One wait behind a mark is as good as several: what is launched later comes after all waits before
   it. No two marks have one id, so that of a mark that is gone does no harm. */
static bool has_waited_locked(const struct wr_encoder *e, const struct wr_mark *mark) {
  for (int i = 0; i < WR_WAITED_MARKS; i++) {
    if (e->waited_marks[i] == mark->id) return true;
  }
  return false;
}

/* Nothing is held back, so the wait comes behind all that was encoded, and before all that is
   encoded later: its count is in `work` of the commands behind it, and in no other's. */
static struct wr_error *wait_for_mark_locked(struct wr_encoder *e, const struct wr_mark *mark) {
  enum { PLACES = 2 }; /* its own, and that of a mark behind it */
  struct wr_error *error =
      wr_gpu_result(e->gpu, wr_cu->stream_wait(e->stream, mark->event, 0), "cuStreamWaitEvent");
  if (error) return error;
  e->waited_marks[e->waits++ % WR_WAITED_MARKS] = mark->id;
  e->work += PLACES;
  e->work_launched = e->work;
  return NULL;
}

/* The commands to be waited for may be held back by the other encoder: then it is flushed here.
   Where there is no place for another wait, or for a mark, the stream is suspended until they are
   over (reap.c).
   They are with the driver and wait only for what was encoded before them, so they end, whatever
   this stream does. */
bool wr_gpu_encode_wait(struct wr_encoder *e, struct wr_encoder *other, uint64_t number) {
  struct wr_gpu *gpu = e->gpu;
  const struct wr_mark *mark;
  bool full;
  if (other->gpu != gpu || wr_gpu_forked()) return false;
  if (!is_launched(other, number)) wr_gpu_flush(other);
  wr_gpu_flush(e); /* so that what is held back here does not wait too */
  wr_gpu_enter(gpu);
  wr_mutex_lock(&gpu->lock);
  struct wr_error *error = wr_mark_behind_locked(other, number, &mark, &full);
  const bool waits = !error && mark && !has_waited_locked(e, mark);
  const bool refused = full || (waits && wr_takes_no_wait_locked(e));
  if (!error && !refused) error = wr_order_add_locked(e, e->kept, other, number);
  if (!error && waits && !refused) error = wait_for_mark_locked(e, mark);
  wr_mutex_unlock(&gpu->lock);
  wr_gpu_leave();
  wr_error_release(error);
  return !error && !refused;
}

struct wr_error *wr_gpu_wait_for_encoder(struct wr_encoder *e, wr_cu_event event,
                                         wr_cu_stream stream) {
  struct wr_error *error =
      wr_gpu_result(e->gpu, wr_cu->event_record(event, e->stream), "cuEventRecord");
  if (error) return error;
  return wr_gpu_result(e->gpu, wr_cu->stream_wait(stream, event, 0), "cuStreamWaitEvent");
}
