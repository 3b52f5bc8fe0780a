/* Room: what a stream waits for before it encodes a node on a device that works by itself. A wait
   suspends the stream, not the thread. No locks.

   For work ahead (R8): while the device has as much of the stream's as it should.

   For what the routine of a node would wait for, inside a library: the stream's own commands. So
   the thread that encodes is held up by the routine itself and by nothing else; and for a seat, so
   that such routines leave threads to others (K9, seats.c).

   For memory (K14): what a node is refused may be held by commands in flight, which release it as
   they end. So the stream waits for its own commands first, once; also where there is memory, but
   less than the limit. That is enough where a stream works alone. Where others take what it gave
   back, it takes its place in the device's line, behind the streams that were refused before it
   (backend.h). Only the first in the line asks for memory. It asks again whenever commands have
   ended, until nobody else is about to encode with memory that was taken before, and all that has
   been encoded by then is over. What it is refused then is held by values, and it fails.

   Why nobody waits for ever. A stream in the line waits for those before it; for threads that are
   just encoding, which wait for nobody while they do; and for commands that have been encoded:
   these wait for commands that were encoded before them, if for any, the device ends them whatever
   the host does, and who encodes flushes before it waits for anything, the line included. It never
   waits for a command that has yet to be encoded, which might lack memory itself. So all waits go
   backwards in one order, of encoding and then of the line, and each is bounded by what had been
   encoded at one moment. Meanwhile the stream holds no memory for the node: an attempt that fails
   gives back all that it took. */

#include "graph/room.h"

#include "graph/seats.h"

/* Over when the stream may go on. Two references: the batch's, until the stream goes on, and the
   device's, until it has called the hook. */
struct wr_room {
  wr_atomic_u32 refs; /* atomic ACQ_REL */
  struct wr_completion over;
  struct wr_completion_hook hook;
  struct wr_seat seat; /* in line with it, instead of with the hook */
};

static void room_release(struct wr_room *room) {
  if (room && wr_ref_drop(&room->refs)) wr_free(room);
}

static void over(struct wr_room *room) {
  (void)wr_completion_finish(&room->over, WR_PHASE_DONE);
  room_release(room);
}

static void room_over(struct wr_completion_hook *hook, struct wr_error *error) {
  wr_error_release(error); /* it is about time, not values */
  over(WR_CONTAINER_OF(hook, struct wr_room, hook));
}

static void seat_found(struct wr_seat *seat) { over(WR_CONTAINER_OF(seat, struct wr_room, seat)); }

static struct wr_room *room_new(void) {
  struct wr_room *room = wr_alloc(sizeof *room);
  if (!room) return NULL;
  wr_store_relaxed(&room->refs, 2u); /* relaxed: not yet shared */
  wr_completion_init(&room->over, WR_PHASE_SUBMITTED);
  room->hook = (struct wr_completion_hook){.fn = room_over};
  room->seat = (struct wr_seat){.found = seat_found};
  return room;
}

/* ---- waiting ---- */

/* As encode does: PENDING, and the hook is called; or DONE, and there is nothing to wait for. */
typedef enum wr_encode_status (*begin_wait)(const struct wr_stream *stream,
                                            struct wr_completion_hook *hook);

/* False when there is nothing to wait for, or no memory to wait with. */
static bool wait_for(struct wr_batch *batch, struct wr_stream *stream, begin_wait begin) {
  struct wr_room *room = room_new();
  if (!room) return false;
  if (begin(stream, &room->hook) == WR_ENCODE_DONE) {
    wr_free(room);
    return false;
  }
  batch->room = room;
  wr_stream_block_on(stream, &room->over, NULL);
  return true;
}

/* The stream goes on. */
static void resumed(struct wr_batch *batch) {
  room_release(batch->room);
  batch->room = NULL;
}

static const struct wr_async_device *async_of(const struct wr_stream *stream) {
  return wr_stream_backend(stream)->async;
}

static enum wr_encode_status when_room(const struct wr_stream *stream,
                                       struct wr_completion_hook *hook) {
  return async_of(stream)->when_room(wr_stream_encoder(stream), hook);
}

bool wr_room_for_command(struct wr_batch *batch, struct wr_stream *stream) {
  const struct wr_async_device *async = async_of(stream);
  resumed(batch);
  if (!async || !async->full || !async->full(wr_stream_encoder(stream))) return false;
  return wait_for(batch, stream, when_room);
}

static enum wr_encode_status behind_own(const struct wr_stream *stream,
                                        struct wr_completion_hook *hook) {
  struct wr_error *error = NULL;
  enum wr_encode_status status =
      wr_stream_backend(stream)->encode_marker(wr_stream_encoder(stream), hook, &error);
  if (status == WR_ENCODE_DONE) wr_error_release(error);
  return status;
}

/* The seat, once it is found, is the batch's: the stream goes on for nothing else. */
static bool wait_for_seat(struct wr_batch *batch, struct wr_stream *stream) {
  struct wr_room *room = room_new();
  batch->has_seat = true;
  if (!room) {
    wr_seat_take_anyway();
    return false;
  }
  if (wr_seat_take(&room->seat)) {
    wr_free(room);
    return false;
  }
  batch->room = room;
  wr_stream_block_on(stream, &room->over, NULL);
  return true;
}

static void leave_seat(struct wr_batch *batch) {
  if (!batch->has_seat) return;
  batch->has_seat = false;
  wr_seat_leave();
}

static bool waits_within(const struct wr_async_device *async, const struct wr_node *node) {
  const struct wr_edges *edges = wr_edges_of(node);
  if (!async || !async->waits_within || edges->n == 0) return false;
  return async->waits_within((enum wr_op)node->op, edges->in[0]->ndim, edges->in[0]->shape);
}

bool wr_room_for_routine(struct wr_batch *batch, struct wr_stream *stream,
                         const struct wr_node *node, const struct wr_drain *drain) {
  if (batch->has_seat || !waits_within(async_of(stream), node)) return false;
  if (wait_for(batch, stream, behind_own)) return true;
  return wr_drain_is_by_pool(drain) && wait_for_seat(batch, stream);
}

/* ---- memory ---- */

static enum wr_encode_status in_line(const struct wr_stream *stream,
                                     struct wr_completion_hook *hook) {
  const struct wr_async_device *async = async_of(stream);
  if (!async || !async->line_wait) return WR_ENCODE_DONE;
  return async->line_wait(wr_stream_encoder(stream), hook);
}

bool wr_room_may_ask(struct wr_stream *stream, enum wr_lacking waited, struct wr_memory *memory,
                     size_t bytes) {
  const struct wr_async_device *async = async_of(stream);
  if (waited == WR_LACKING_NOTHING && wr_memory_crowded(memory, bytes)) return false;
  if (!async || !async->take_begin) return true;
  return async->take_begin(wr_stream_encoder(stream), waited == WR_LACKING_ALL_TRIED);
}

void wr_room_asked(struct wr_stream *stream) {
  const struct wr_async_device *async = async_of(stream);
  if (async && async->take_end) async->take_end(wr_stream_encoder(stream));
}

bool wr_room_for_result(struct wr_batch *batch, struct wr_stream *stream) {
  leave_seat(batch); /* who has one waits for nothing else */
  if (batch->lacking == WR_LACKING_NOTHING) {
    batch->lacking = WR_LACKING_OWN_TRIED;
    return wait_for(batch, stream, behind_own);
  }
  if (wait_for(batch, stream, in_line)) return true;
  batch->lacking = WR_LACKING_ALL_TRIED;
  return false;
}

void wr_room_found(struct wr_batch *batch, struct wr_stream *stream) {
  const struct wr_async_device *async = async_of(stream);
  leave_seat(batch);
  if (batch->lacking == WR_LACKING_NOTHING) return;
  batch->lacking = WR_LACKING_NOTHING;
  if (async && async->line_leave) async->line_leave(wr_stream_encoder(stream));
}
