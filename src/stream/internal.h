#ifndef WR_STREAM_INTERNAL_H
#define WR_STREAM_INTERNAL_H

/* Shared between the files of src/stream alone: the stream itself, the pool's ends and the thread
   state. */

#include <pthread.h>

#include "backend/backend.h"
#include "base/lock.h"
#include "base/thread.h"
#include "stream/limit.h"
#include "stream/ready.h"
#include "stream/stream.h"
#include "stream/urgency.h"

/* Who drains a stream. All changes are made under the stream's lock.
     IDLE       nobody; the queue is empty, or its submitter is about to drain it
     READY      stands in the pool's list, or is about to
     RUNNING    one thread drains it, without the lock
     SUSPENDED  the first task waits for a completion; its waiter makes the stream READY
   The completion may be over while the drainer has not suspended the stream yet (RUNNING). Then the
   waiter sets `resumed` instead, and the drainer, which looks at it under the lock before it
   suspends, goes on. */
enum wr_stream_state { WR_STREAM_IDLE, WR_STREAM_READY, WR_STREAM_RUNNING, WR_STREAM_SUSPENDED };

struct wr_stream {
  struct wr_stream_refs refs;
  int index;                        /* immutable after publish */
  uint64_t id;                      /* immutable after publish; never another stream's */
  struct wr_device device;          /* immutable after publish */
  struct wr_encoder *encoder;       /* immutable after publish */
  const struct wr_backend *backend; /* immutable after publish */

  wr_atomic_u64 owner;    /* atomic ACQ_REL: the thread it belongs to (policy.c); 0: none */
  wr_atomic_bool cleared; /* atomic RELAXED: finished by mlx_clear_streams */

  wr_atomic_u32 in_place; /* atomic SEQ_CST: see in_place.c */

  struct wr_mutex lock;
  char *label;                       /* under LOCK; NULL: none */
  struct wr_task *head;              /* under LOCK */
  struct wr_task *tail;              /* under LOCK */
  enum wr_stream_state state;        /* under LOCK */
  bool resumed;                      /* under LOCK */
  bool in_work;                      /* under LOCK: its drainer runs a task that is no marker */
  struct wr_task *current;           /* under LOCK: what its drainer runs, for weir_dump; or NULL */
  uint64_t began;                    /* under LOCK: when that began, or began last, or when it
                                        became ready, by wr_clock_coarse_ns */
  uintptr_t drainer;                 /* under LOCK: pthread_self of who drained it last */
  uint64_t drained_since;            /* owner thread only: the drainer, by wr_clock_ns */
  wr_atomic_bool asleep;             /* atomic RELAXED: a hint, written under LOCK: SUSPENDED */
  struct wr_stream *blocked_by;      /* under LOCK; one reference */
  struct wr_sleeper_entry *sleepers; /* under LOCK: threads that sleep for it (help.c) */
  struct wr_waiter wake;             /* owner thread only: the drainer, until it is awaited */
  struct wr_limit limit;
  struct wr_queue_urgency urgency; /* under LOCK */
  wr_atomic_bool has_urgency;      /* atomic RELAXED, written under LOCK: see urgency.h */
  wr_atomic_u32 class_now;         /* atomic RELAXED, written under LOCK: a hint, enum wr_class */

  wr_atomic_u64 submitted; /* atomic RELAXED, these five: counts, which order nothing, */
  wr_atomic_u64 done;      /* but that done and failed are SEQ_CST for limit.c */
  wr_atomic_u64 failed;
  wr_atomic_u64 bytes;
  wr_atomic_u64 busy_ns;

  wr_atomic_u64 shown_until; /* atomic RELAXED: what the timeline shows ends then (timeline.h) */
  uint64_t asleep_since;     /* under LOCK: SUSPENDED then; 0: no trace ran */

  struct wr_link ready_link;  /* under the pool's LOCK, these five; see ready.h */
  struct wr_heaped ready_due; /* in place of ready_link, with a deadline */
  bool in_ready_list;
  enum wr_wear ready_wear;
  struct wr_urgency ready_urgency;
  uint64_t debt_ns; /* under LOCK: time used lately, less what was forgiven since */
  uint64_t debt_at; /* under LOCK: when debt_ns was true, by wr_clock_ns */
};

_Static_assert(offsetof(struct wr_stream, refs) == 0, "stream.h counts without seeing the struct");

/* Why a thread drains. */
struct wr_drain {
  struct wr_completion *target;      /* stop when it is over; NULL: the pool drains */
  struct wr_stream *unblock;         /* stop when this stream is no longer suspended, or NULL */
  const uint64_t *taken;             /* stop when wr_pool_taken is no longer this; or NULL */
  struct wr_request *request;        /* stop when it has ended; or NULL */
  uint64_t deadline;                 /* pool: the turn ends then */
  const struct wr_stream *gives_way; /* pool: stop for what is more urgent than this one; or NULL */
  bool only_quick;                   /* stop before a task that is not quick */
  bool only_brief;                   /* stop before a task that is not brief, */
  int left;                          /* and after this many */
};

enum wr_drained { WR_DRAINED, WR_DRAIN_BUSY, WR_DRAIN_SUSPENDED };

/* True when all that was submitted to it is over; false also where that takes longer to find out.
 */
bool wr_stream_is_over(struct wr_stream *stream);
/* Takes a reference unless the last one is gone; for streams found in the table. */
bool wr_stream_retain_if_alive(struct wr_stream *stream);

/* A thread of the library's own has its block lent. At its end, with no lock held, it gives back
   what the block has: then nothing refers to it. */
void wr_thread_lend(struct wr_thread *block);
void wr_thread_take_back(void);
/* Thread state, for policy.c. */
void wr_thread_retire(void);
void wr_thread_drop_defaults(void);
void wr_thread_forget_default(struct wr_stream *stream);

/* policy.c. start: at load, reads the environment. fix: as the first stream is made, after which
   the policy stays. thread_ends: the streams of the thread that ends belong to nobody from then on.
 */
void wr_policy_start(void);
void wr_policy_fix(void);
void wr_policy_thread_ends(void);
/* `parents` is the forking thread's number in the parent, or 0. */
void wr_policy_fork_child(uint64_t parents);

/* A place in a stream's order: over when all that was submitted before it is. Counted; the queue
   holds a reference of its own until it is over. */
struct wr_marker;
/* `then`, unless NULL, is called once when it is over, on any thread, with no lock held. NULL:
   memory is refused. */
struct wr_marker *wr_marker_new(void (*then)(void *data), void *data);
/* One that is over, as all that stands before it is. NULL when memory is refused. */
struct wr_marker *wr_marker_new_over(void);
struct wr_marker *wr_marker_retain(struct wr_marker *marker);
void wr_marker_release(struct wr_marker *marker);
/* To be called once. With `schedule` the pool drains the stream; else the caller is about to. */
void wr_marker_submit(struct wr_marker *marker, struct wr_stream *stream, bool schedule);
struct wr_completion *wr_marker_completion(struct wr_marker *marker);
struct wr_stream *wr_marker_stream(struct wr_marker *marker); /* a reference; NULL when over */
/* Its number among its stream's commands on the device, once it is encoded there; else 0. */
uint64_t wr_marker_number(const struct wr_marker *marker);
/* By a peek, for weir_dump: the stream of one that is not over. */
bool wr_marker_peek_stream(const struct wr_marker *marker, struct wr_stream **stream);
uint64_t wr_marker_time(const struct wr_marker *marker); /* of wr_clock_ns; valid when over */
/* For a marker that a thread waits for without draining. Where its stream, or the one that that is
   blocked by, has stood in the pool's list for a while, because all workers are inside long
   commands, this starts a thread that drains it: the commands of others are no reason to wait (O3).
 */
void wr_marker_hurry(struct wr_marker *marker);
/* True when there is nothing to wait for: it is over, or it was submitted before the fork that made
   this process. */
bool wr_marker_passed(const struct wr_marker *marker);
/* One that stands in no queue: over when `c`, which was submitted to the stream, unless NULL, is in
   that phase, or when it was taken back. */
struct wr_marker *wr_marker_behind(struct wr_completion *c, enum wr_phase want,
                                   struct wr_stream *stream);
/* Waits without draining; false at the deadline, or when the request, unless NULL, has ended. */
bool wr_marker_wait(struct wr_marker *marker, uint64_t deadline_ns, struct wr_request *request);
/* As wr_stream_help, until it would sleep, or the request has ended. */
void wr_stream_help_awake(struct wr_stream *stream, struct wr_completion *c,
                          struct wr_request *request);

/* The stream has become ready: a thread that sleeps for it is poked and drains it (help.c); if
   there is none, the pool does. */
void wr_stream_ready_locked(struct wr_stream *stream);
/* Its own, by which it is woken (blocked.c). */
struct wr_waiter wr_stream_waiter(void);
/* Drains until the queue is empty or `drain` says stop; the pool gets the stream if tasks are left.
 */
enum wr_drained wr_stream_drain(struct wr_stream *stream, struct wr_drain *drain);

/* The table of live streams: gives a new stream its index and id; false when memory is refused. */
bool wr_registry_add(struct wr_stream *stream);
void wr_registry_remove(struct wr_stream *stream);
/* Calls visit(stream, arg) under the registry's lock, for the stream with that id (false when there
   is none any more) or for all. A stream that is visited may be about to be freed: no reference may
   be taken to it. */
bool wr_registry_visit(uint64_t id, void (*visit)(struct wr_stream *stream, void *arg), void *arg);
void wr_registry_visit_all(void (*visit)(struct wr_stream *stream, void *arg), void *arg);
size_t wr_registry_live(void);

/* Wakes one of the threads that sleep for the stream; false when there is none. Under its lock. */
bool wr_stream_poke_locked(struct wr_stream *stream);

/* Appends a READY stream, with a reference, to the pool's lists (ready.h). With `tell` it wakes or
   starts a worker; where all are busy, a spare thread looks whether one comes. */
void wr_pool_push(struct wr_stream *stream, enum wr_wear wear, struct wr_urgency urgency,
                  bool tell);
/* A READY stream's urgency is another now. */
void wr_pool_move(struct wr_stream *stream, struct wr_urgency urgency);
/* The class of a stream that is drained is another now, so that of its kernel is. */
void wr_pool_note_class(void);
/* Wakes or starts a worker, in the same way, for streams that stand in the list already. */
void wr_pool_wake(void);
/* Takes the stream out of the list, for a thread that drains it instead of a worker. True when it
   stood there: the caller then drops the list's reference, once it holds no lock. */
bool wr_pool_remove(struct wr_stream *stream);
/* For a thread that asks about a stream, or waits for it, without draining it. Where streams are
   ready and there is no worker, because the system refused a thread when they became ready, tries
   to start one again. False when it is refused again. */
bool wr_pool_ensure_worker(void);
/* For a thread that waits for the marker and does not drain: starts a thread that drains in its
   place what the marker stands behind, and ends when it can do no more or when a worker takes a
   stream. Does nothing where a worker is idle, where workers do come to the streams that are ready,
   where there are enough such threads, or where the system refuses one. */
void wr_pool_relieve(struct wr_marker *marker);
/* The calling thread has begun a long wait without draining (1), or has ended it (-1). */
void wr_pool_count_waiting(int n);
size_t wr_pool_relievers(void);
/* How often a worker has taken a stream. */
uint64_t wr_pool_taken(void);
/* True when other streams wait for a worker. */
bool wr_pool_has_ready(void);
/* True when streams of a higher class than this one's do, or kernels of one have slices left. */
bool wr_pool_has_more_urgent(const struct wr_stream *stream);
size_t wr_pool_workers(void);
/* For weir_dump, by peeks. */
struct wr_pool_look {
  int most, workers, idle; /* workers that may be, are, and sleep */
  int others;              /* threads in their place */
  uint32_t ready;          /* streams that wait for one */
};
void wr_pool_peek(struct wr_pool_look *look);
void wr_pool_parallel(int64_t n, int64_t grain, int64_t least, wr_parallel_body body, void *ctx);

/* Ends the workers once there is no work left; false at the deadline. */
bool wr_pool_stop(uint64_t deadline_ns);
void wr_pool_init(void);

/* Calls fn(data), a callback or a destructor of the user's; no lock is held. */
void wr_run_users_code(void (*fn)(void *), void *data);

/* The error where starting one of the threads below failed for this reason of errno's; NULL for 0.
   `which` says which thread. */
struct wr_error *wr_thread_refused(int refusal, const char *which);

size_t wr_blocking_threads(void);
/* Ends the threads once there is nothing left for them; false at the deadline. */
bool wr_blocking_stop(uint64_t deadline_ns);
void wr_blocking_init(void);

size_t wr_reclaimer_threads(void);
bool wr_reclaimer_stop(uint64_t deadline_ns);
void wr_reclaimer_init(void);

/* In the child of a fork: gives up what the parent's threads were doing on the stream. */
void wr_stream_fork_child(struct wr_stream *stream, void *unused);

/* As wr_timeline_stop; false, and the writer goes on, at the deadline. */
bool wr_timeline_stop_until(uint64_t deadline_ns, struct wr_error **error);

/* Frees the registry's memory if no stream is alive. */
void wr_registry_trim(void);

/* Connects the modules below to the pool and the reclaimer, once. */
void wr_stream_start_once(void);

#endif
