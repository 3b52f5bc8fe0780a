/* Synchronizing: a marker at the end of the stream's queue, and a wait for it. It is over when all
   that stood before it is, also on a device that works asynchronously. About time, not values:
   failures before it do not reach it. */

#include "base/base.h"
#include "stream/internal.h"

struct marker {
  struct wr_task task;
  struct wr_completion_hook hook;
  struct wr_completion completion;
  wr_atomic_u32 refs; /* atomic ACQ_REL: the queue's and the waiting thread's */
};

static void marker_drop(struct marker *m) {
  if (wr_ref_drop(&m->refs)) wr_free(m);
}

static void marker_over(struct wr_completion_hook *hook, struct wr_error *error) {
  struct marker *m = WR_CONTAINER_OF(hook, struct marker, hook);
  wr_error_release(error);
  wr_completion_finish(&m->completion, WR_PHASE_DONE);
  marker_drop(m);
}

static enum wr_step marker_run(struct wr_task *task, struct wr_stream *stream,
                               struct wr_drain *drain) {
  (void)drain;
  struct marker *m = WR_CONTAINER_OF(task, struct marker, task);
  struct wr_error *error = NULL;
  if (stream->backend->encode_marker(stream->encoder, &m->hook, &error) == WR_ENCODE_DONE) {
    marker_over(&m->hook, error);
  }
  return WR_STEP_DONE;
}

static void publish_nothing(struct wr_task *task) { (void)task; }

struct wr_error *wr_stream_synchronize(struct wr_stream *stream) {
  struct marker *m = wr_alloc(sizeof *m);
  if (!m) return wr_error_out_of_memory();
  *m = (struct marker){.task = {.run = marker_run}, .hook = {.fn = marker_over}};
  wr_store_relaxed(&m->refs, 2u);
  wr_completion_init(&m->completion, WR_PHASE_SUBMITTED);
  wr_stream_submit(stream, &m->task, false, publish_nothing);
  wr_stream_help(stream, &m->completion);
  marker_drop(m);
  return NULL;
}
