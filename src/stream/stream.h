#ifndef WR_STREAM_STREAM_H
#define WR_STREAM_STREAM_H

/* What leaves the stream module for the API: streams as counted handles, per-thread defaults, and
   synchronizing. See docs/streams.md for the rules. Every function may be called from any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "base/kind.h"
#include "core/device.h"
#include "core/error.h"
#include "stream/completion.h"
#include "stream/urgency.h"

struct wr_stream;
struct wr_encoder;
struct wr_backend;

/* A new stream on the device, one reference. */
struct wr_error *wr_stream_new(struct wr_device device, struct wr_stream **out);
/* What a stream begins with (internal.h asserts it). */
struct wr_stream_refs {
  struct wr_kind_word kind;
  wr_atomic_u64 count; /* atomic ACQ_REL */
};

/* What is kept of a thread, beyond the few words that stand in thread-local memory: of that the C
   library keeps little for what a running program opens (ctypes, plug-ins), and all libraries share
   it. Made when there is first something to keep, freed by the thread's end; owner thread only. */
enum { WR_MAX_DEVICES = 16 }; /* of one type */

struct wr_trace;
struct wr_request;
struct wr_record_ring;

struct wr_thread {
  bool is_own;              /* immutable after publish; false: the empty one for all */
  struct wr_stream *drains; /* that whose tasks the thread runs now; borrowed */
  /* The default stream of the first device, where handles are addresses (api/handle.h); else NULL.
     No references. */
  struct wr_stream *given[WR_DEVICE_TYPE_COUNT];
  /* The default streams (D1); references. */
  struct wr_stream *defaults[WR_DEVICE_TYPE_COUNT][WR_MAX_DEVICES];
  struct wr_ptrs scopes;          /* references: the defaults that pushes replaced */
  uint64_t id;                    /* policy.h; 0: not asked yet */
  struct wr_trace *trace;         /* graph/trace.h */
  struct wr_record_ring *records; /* timeline.h; NULL: no record was made yet */
  /* The request that the thread is inside (request.h), and those that it entered before. */
  struct wr_request *request; /* a reference, or NULL */
  struct wr_ptrs requests;    /* references, the first NULL */
  size_t requests_outside;    /* how many of those were entered outside of the user's function that
                                 the thread is in */
  /* The sequence of the thread's random keys (ops/random_keys.c). */
  struct {
    uint64_t epoch; /* 0: no draw yet */
    uint32_t key[2];
  } random;
  /* Kernels that the thread ran by itself, as they were too small to wake a worker for, one soon
     behind the other (awake.c). */
  struct {
    uint64_t since_ns;
    uint32_t count;
  } small;
};

/* Never NULL: where the thread has nothing to keep, it is an empty one for all, never written. */
extern _Thread_local struct wr_thread *wr_thread_here;
/* The thread's own, made at the first call; NULL when memory is refused. */
struct wr_thread *wr_thread_own(void);

static inline struct wr_stream *wr_stream_retain(struct wr_stream *stream) {
  struct wr_stream_refs *refs = (struct wr_stream_refs *)(void *)stream;
  wr_fetch_add_relaxed(&refs->count, 1u); /* relaxed: as wr_ref_take */
  return stream;
}
void wr_stream_free_slow(struct wr_stream *stream);
/* NULL is a no-op; never blocks. */
static inline void wr_stream_release(struct wr_stream *stream) {
  struct wr_stream_refs *refs = (struct wr_stream_refs *)(void *)stream;
  if (stream && wr_fetch_sub_acq_rel(&refs->count, 1u) == 1u) { /* as wr_ref_drop */
    wr_stream_free_slow(stream);
  }
}
struct wr_device wr_stream_device(const struct wr_stream *stream);
int wr_stream_index(const struct wr_stream *stream);
/* Unique among all streams that ever were. */
uint64_t wr_stream_id(const struct wr_stream *stream);
/* The live stream with that id, with a reference; NULL when it is gone. Takes a process-wide lock
   for a moment. */
struct wr_stream *wr_stream_with_id(uint64_t id);

/* Names the stream in messages: stream 3 "loader" (cpu:0). Returns text, WR_STREAM_TEXT bytes. */
enum { WR_STREAM_LABEL = 256, WR_STREAM_TEXT = WR_STREAM_LABEL + 64 };
char *wr_stream_describe(struct wr_stream *stream, char *text);
/* A copy of the label, at most WR_STREAM_LABEL - 1 bytes; NULL takes it away. */
struct wr_error *wr_stream_set_label(struct wr_stream *stream, const char *label);

struct wr_error *wr_stream_default_slow(struct wr_device device, struct wr_stream **borrowed);

/* The calling thread's default stream of the device, made at first use; borrowed: lives until the
   thread ends or replaces it. */
static inline struct wr_error *wr_stream_default(struct wr_device device,
                                                 struct wr_stream **borrowed) {
  if ((unsigned)device.index < WR_MAX_DEVICES) {
    *borrowed = wr_thread_here->defaults[device.type][device.index];
    if (*borrowed) return NULL;
  }
  return wr_stream_default_slow(device, borrowed);
}
/* Whether it is that of its device. */
static inline bool wr_stream_is_default(const struct wr_stream *stream) {
  const struct wr_device d = wr_stream_device(stream);
  return (unsigned)d.index < WR_MAX_DEVICES && wr_thread_here->defaults[d.type][d.index] == stream;
}
/* Makes it the calling thread's default for the stream's device (D3). */
struct wr_error *wr_stream_set_default(struct wr_stream *stream);

/* Makes `stream` the default of the calling thread for its device, and remembers the one before;
   pop restores the newest that was remembered (D4). A pop without a push is an error. */
struct wr_error *wr_stream_scope_push(struct wr_stream *stream);
struct wr_error *wr_stream_scope_pop(void);

/* Waits for all that was submitted to the default streams that the calling thread has. */
struct wr_error *wr_thread_synchronize_defaults(void);

/* Around a command that writes its result over an input, on the thread that drains the stream, with
   no lock held and no user's code inside. Begin is false while the process forks: then the result
   needs room of its own, and there is nothing to end. */
bool wr_stream_begin_in_place(struct wr_stream *stream);
void wr_stream_end_in_place(struct wr_stream *stream);

/* True when nothing is queued or running on the stream, as far as this host knows. */
bool wr_stream_idle(struct wr_stream *stream);

/* The process-wide default device (D2): what the program has set, else the first GPU where there is
   one, else the CPU. The first call of a process looks for GPUs, which takes up to seconds; no lock
   is held. An error where that was refused for the moment, and then the next call looks again.
   It stands in one word (B14): how it became that, type << 16 and index; 0: nobody has asked yet.
   Atomic RELAXED: a plain value, nothing is published by it. */
extern wr_atomic_u32 wr_default_device_word;
struct wr_error *wr_default_device_slow(struct wr_device *out);
static inline struct wr_device wr_default_device_unpack(uint32_t word) {
  return (struct wr_device){.type = (enum wr_device_type)(word >> 16 & 0xffu),
                            .index = (int)(word & 0xffffu)};
}
static inline struct wr_error *wr_default_device(struct wr_device *out) {
  const uint32_t word = wr_load_relaxed(&wr_default_device_word);
  if (!word) return wr_default_device_slow(out);
  *out = wr_default_device_unpack(word);
  return NULL;
}
struct wr_error *wr_set_default_device(struct wr_device device);
/* The one that a look for GPUs finds from now on, unless the program has set one. The device is
   there. */
void wr_default_device_prefer(struct wr_device device);
/* An error in words when there is no such device. */
struct wr_error *wr_device_check(struct wr_device device);

/* Waits for all that was submitted to the stream before the call. About time, not values: an array
   that failed there is no error here. */
struct wr_error *wr_stream_synchronize(struct wr_stream *stream);
/* As that, of the calling thread's request, if it has one: its error when it ends first. */
struct wr_error *wr_stream_synchronize_in_request(struct wr_stream *stream);
/* The same until a deadline of wr_clock_ns; WEIR_ERROR_TIMEOUT when it comes first. The calling
   thread runs nothing meanwhile, so that it can keep to the deadline. */
struct wr_error *wr_stream_wait(struct wr_stream *stream, uint64_t deadline_ns);
/* fn(data) runs once on the reclaimer, after all that was submitted before the call. On an error it
   will not be called. */
struct wr_error *wr_stream_on_idle(struct wr_stream *stream, void (*fn)(void *), void *data);

/* What a stream has done and has before it; commands, each the making of one array. */
struct wr_stream_numbers {
  uint64_t queued;  /* submitted and not begun */
  uint64_t running; /* 0 or 1 where the host runs it; what a device has accepted counts as queued */
  uint64_t done;
  uint64_t failed;
  uint64_t busy_ns; /* time that threads spent draining it */
  uint64_t bytes;   /* of results */
};
void wr_stream_numbers(struct wr_stream *stream, struct wr_stream_numbers *numbers);
/* Called by who submits and finishes commands. */
void wr_stream_note_submitted(struct wr_stream *stream, uint64_t n);
void wr_stream_note_taken_back(struct wr_stream *stream, uint64_t n);
void wr_stream_note_finished(struct wr_stream *stream, bool failed, uint64_t bytes);

/* Work for a stream. Whoever submits it embeds a wr_task; `run` is called by one thread at a time,
   which drains the stream, after all tasks submitted before it are done. */
enum wr_step {
  WR_STEP_DONE,    /* finished; the task may be gone */
  WR_STEP_BLOCKED, /* wr_stream_block_on was called; run again when that is over */
  WR_STEP_YIELD    /* stopped as wr_drain_stop said, or as the drain is brief; run again later */
};

struct wr_drain; /* why the draining thread drains, and when it stops */

struct wr_task {
  struct wr_task *next;    /* under the stream's LOCK */
  struct wr_link due;      /* under the stream's LOCK: see urgency.h */
  struct wr_urgency wants; /* its own until it is submitted, then under the stream's LOCK */
  enum wr_step (*run)(struct wr_task *task, struct wr_stream *stream, struct wr_drain *drain);
  bool is_marker; /* immutable after publish: no work by itself, so that the stream may be idle */
  bool is_brief;  /* immutable after publish: takes microseconds, see wr_stream_run_brief */
  bool is_quick;  /* immutable after publish: none of its commands takes a millisecond */
};

/* Appends the task; `appended`, unless NULL, runs under the stream's lock, right after. The caller
   either says `schedule`, and the pool drains the stream, or drains it itself by wr_stream_help. */
void wr_stream_submit(struct wr_stream *stream, struct wr_task *task, bool schedule,
                      void (*appended)(struct wr_task *task));
/* The same for who holds the lock of a request. When it is true, the caller calls
   wr_stream_raise_blocker once no lock is held. */
bool wr_stream_append(struct wr_stream *stream, struct wr_task *task, bool schedule,
                      void (*appended)(struct wr_task *task));
/* For a caller that is about to drain the stream: where nobody drains it and nothing stands in its
   queue, this thread drains it from now on, and has begun the task, which wr_stream_run_begun, with
   no lock held, then runs, with what comes behind it until `target` is over; without a target as
   wr_stream_run_brief. Else false, and nothing has happened. */
bool wr_stream_begin(struct wr_stream *stream, struct wr_task *task,
                     void (*appended)(struct wr_task *task));
void wr_stream_run_begun(struct wr_stream *stream, struct wr_task *task,
                         struct wr_completion *target);
/* True when the draining thread should return WR_STEP_YIELD: what it waits for is over, or its turn
   is. Asked between two commands. */
bool wr_drain_stop(struct wr_drain *drain);
/* True when the thread drains what is over in microseconds alone, on its way. */
bool wr_drain_is_brief(const struct wr_drain *drain);
/* True when it is a thread of the pool's, which waits for nothing there. */
bool wr_drain_is_by_pool(const struct wr_drain *drain);
/* As many workers as the pool may have; to be asked without a lock. */
int wr_pool_most(void);
/* Called by run before it returns WR_STEP_BLOCKED: the stream sleeps until `c` is over. `c` stays
   alive until run is called again; `by` is the stream that works on it, or NULL. */
void wr_stream_block_on(struct wr_stream *stream, struct wr_completion *c, struct wr_stream *by);
/* The same for who holds the lock of a request, which may end first (request.h): *wake becomes what
   ends the sleep before `c` is over, one reference, or NULL where memory is refused. When it is
   true the caller, who keeps `c` alive, calls wr_completion_flush once no lock is held. In any case
   wr_stream_raise_blocker, before it. */
struct wr_wake;
bool wr_stream_block_locked(struct wr_stream *stream, struct wr_completion *c, struct wr_stream *by,
                            struct wr_wake **wake);
/* Puts the wake, and its reference, in front of the list. */
void wr_wake_list(struct wr_wake *wake, struct wr_wake **list);
/* Wakes the streams, and drops the references; no lock is held. */
void wr_wake_all(struct wr_wake *list);
void wr_wake_release(struct wr_wake *wake); /* NULL is a no-op */
/* Called by who drains `stream`: what it encodes next waits, on the device, for the commands of
   `other` up to that number (backend.h). False where only the host can wait: other devices, and the
   number 0, of what is not encoded yet. */
bool wr_stream_wait_on_device(struct wr_stream *stream, struct wr_stream *other, uint64_t number);
/* Waits until `c`, which was submitted to `stream`, is over, or taken back. Meanwhile the calling
   thread drains that stream, and those that it is blocked by (help.c). */
void wr_stream_help(struct wr_stream *stream, struct wr_completion *c);
/* The same in a request: until that has ended, too. The thread drains for as
   long as there is something quick to do at once, so that it can leave in time (R2, R3); then the
   pool has the rest, and it sleeps. */
void wr_stream_help_in(struct wr_request *request, struct wr_stream *stream,
                       struct wr_completion *c);
/* As wr_stream_help, but returns as soon as other threads drain all of them, a device works, or a
   worker has taken a stream. */
void wr_stream_help_at_once(struct wr_stream *stream, struct wr_completion *c);
/* True when the stream, or what it is blocked by, can be drained and nobody does: a look, which may
   be out of date as it returns. */
bool wr_stream_is_stranded(struct wr_stream *stream);
/* What stands in the stream's queue, and what blocks that in turn, is as urgent as that from now
   on, if it is not more so (urgency.h). A NULL stream is a no-op. No lock is held. */
void wr_stream_raise(struct wr_stream *stream, struct wr_urgency to);
/* The same for what blocks the stream, if it is blocked, and what that wants. */
void wr_stream_raise_blocker(struct wr_stream *stream);
/* Of what is submitted from then on, where its request has none. 0: normal. */
void wr_stream_set_class(struct wr_stream *stream, enum wr_class class);
/* Hands what is queued on the stream to the pool, if nobody drains it. */
void wr_stream_kick(struct wr_stream *stream);
/* The same for who has just submitted a brief task, with no `schedule`: brief ones that stand first
   run here, a few of them, since waking a worker takes longer than they do, and much longer where
   other threads are busy. The rest is the pool's; so is all where commands only begin here. No lock
   is held. */
void wr_stream_run_brief(struct wr_stream *stream);
/* True when its commands are over as they are encoded. */
bool wr_stream_is_at_once(const struct wr_stream *stream);
/* The encoder and backend behind the stream. */
struct wr_encoder *wr_stream_encoder(const struct wr_stream *stream);
const struct wr_backend *wr_stream_backend(const struct wr_stream *stream);

/* What is alive, for statistics and tests. */
struct wr_stream_counts {
  size_t live_streams;
  size_t workers;
  size_t helpers; /* other threads of the library's: the reclaimer, the devices', relievers,
                     those for what may block, the one for deadlines and the trace's writer */
  size_t pooled;  /* encoders that backends keep for the next stream */
};
void wr_stream_count(struct wr_stream_counts *counts);

/* Runs fn(data) on the reclaimer, with no lock held, in two steps, of which the second cannot fail:
   the first may be refused memory or a thread. A call that will not run is freed by wr_free.
   `what`, a text for good, says in a dump what kind of function of the user's it is. */
struct wr_callback;
struct wr_error *wr_reclaimer_reserve(void (*fn)(void *), void *data, const char *what,
                                      struct wr_callback **out);
void wr_reclaimer_post(struct wr_callback *call);
/* Instead of the second: on the calling thread. */
void wr_reclaimer_run_here(struct wr_callback *call);
/* Whichever of the two a destructor belongs to that has become due: here inside the caller's own
   free, on the reclaimer elsewhere. */
void wr_reclaimer_run_due(struct wr_callback *call);

/* Work that may block, for as long as it likes: run(work) is called once, on a thread for such
   work, with no lock held. When the system refuses a thread it is not. */
struct wr_blocking {
  struct wr_link queued; /* under the queue's LOCK */
  void (*run)(void *work);
};
struct wr_error *wr_blocking_submit(struct wr_blocking *work);
/* Brackets a wait, on any thread, for what other such work may be needed for: it does not count
   against their number, so that none of them has to wait for this one. */
void wr_blocking_waits(bool begins);

/* For leak checkers: lets queued work finish, ends the library's threads, and drops the calling
   thread's defaults and all idle memory; false when the deadline came first. The library can be
   used again afterwards. */
bool wr_stream_shutdown(uint64_t deadline_ns);
/* True inside a callback or a destructor, where a shutdown would wait for the caller's own end. */
bool wr_in_users_code(void);

/* Brackets the caller's own free: user destructors that become due inside run on the calling
   thread; everywhere else they go to the reclaimer (K10). */
void wr_free_scope_enter(void);
void wr_free_scope_leave(void);

#endif
