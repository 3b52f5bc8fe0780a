#ifndef WR_BACKEND_CUDA_QUEUE_INTERNAL_H
#define WR_BACKEND_CUDA_QUEUE_INTERNAL_H

/* An encoder, the launches that it holds back, and its commands in flight.

   The way of a command. As it is encoded, its launches are recorded and held back. A flush hands
   all launches that are held back to the driver, and then appends their commands, in the same
   order, to the encoder's queue of commands in flight. So whatever stands in that queue has been
   launched, and an event that is recorded on the stream comes after it. */

#include "backend/cuda/memory/memory.h"
#include "backend/cuda/queue/queue.h"

struct wr_graph_table;

/* All under the GPU's LOCK, but where it says otherwise. */
struct wr_gpu_queues {
  struct wr_graph_table *graphs; /* immutable after publish; graphs.c */
  struct wr_cond wake;           /* the GPU's thread */
  struct wr_cond ended;          /* it has left */
  bool watched;                  /* the GPU's thread runs */
  int stopping;                  /* calls that wait for it to leave, once nothing is in flight */
  uint64_t marks;                /* that were ever set */
  uint64_t stamp;                /* of who began to hold something back last, from 1 */
  struct wr_encoder *line;       /* those that lack memory, in their order (line.c) */
  wr_atomic_bool lined;          /* atomic SEQ_CST, changed under LOCK: there are such */
  wr_atomic_u32 taking;          /* atomic SEQ_CST: threads that may take memory now (line.c) */
  struct wr_encoder *busy;       /* those that hold something back, or with commands in flight or
                                    being reported */
  wr_atomic_u32 n_busy;          /* atomic RELAXED, changed under LOCK: how many those are */
  struct wr_launches *idle_launches;
  int n_idle_launches;
  uint64_t eager_until; /* of wr_clock_ns: until then the GPU's thread keeps its naps short, since a
                           thread sleeps that it may have to wake */
  bool reaper_sleeps;   /* the GPU's thread sleeps until it is woken */
};

enum { WR_HELD_LAUNCHES = 64, WR_HELD_BYTES = 32 << 10 };

/* A launch that is held back. Its arguments lie one after the other in `arguments` of its
   wr_launches. */
struct wr_held {
  wr_cu_function function;
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes;
  uint32_t at;                           /* bytes from the start of `arguments` */
  uint32_t bytes;                        /* of all arguments */
  uint32_t n;                            /* arguments */
  uint16_t offsets[WR_LAUNCH_ARGUMENTS]; /* bytes from `at` */
};

/* What is recorded between two flushes. */
struct wr_launches {
  struct wr_launches *next; /* under the GPU's LOCK: the list of idle ones */
  int count;
  uint32_t used; /* bytes of `arguments` */
  struct wr_held held[WR_HELD_LAUNCHES];
  uint64_t arguments[WR_HELD_BYTES / sizeof(uint64_t)];
};

/* Owned by the encoder that holds it back, then by the queue, then by its reaper. */
struct wr_gpu_command {
  struct wr_gpu_command *next;
  struct wr_completion_hook *hook;
  struct wr_ptrs scratch;
  struct wr_error *error; /* a launch failed; a reference or NULL */
  struct wr_bring bring;
  int launches;    /* how many were held back after it had been encoded, its own included */
  uint64_t number; /* in the order of the encoder's commands, from 1 */
  uint64_t stamp;  /* of its encoder, which began then to hold back what one flush launched */
  uint64_t work;   /* the encoder's `work` after it had been encoded */
};

/* An event on the stream behind commands in flight. */
struct wr_mark {
  struct wr_mark *next;
  wr_cu_event event;
  uint64_t covers; /* all commands up to this number */
  uint64_t id;     /* no other mark of the GPU has it */
};

/* How many of an encoder's commands have been reported: their hooks were called. It outlives the
   encoder, since orders of other encoders refer to it. */
struct wr_progress {
  unsigned refs;              /* all under the GPU's LOCK */
  uint64_t reported;          /* all commands up to this number */
  struct wr_encoder *encoder; /* NULL: it is gone, and all was reported */
};

/* A wait on the device: some commands of this encoder come after commands of another one. They are
   also reported in that order. So when a command is reported, the commands of its inputs have been,
   and it is known whether an input has failed. */
struct wr_order {
  struct wr_order *next;
  uint64_t behind;        /* the encoder's commands with higher numbers are behind the wait */
  struct wr_progress *on; /* one reference */
  uint64_t up_to;         /* all of its commands up to this number come first */
};

/* Which thread looks for commands of the encoder that are over, and reports them: none now, one
   that waits for a result, or the GPU's own, which never waits for a mark. */
enum wr_reaper { WR_REAPER_NONE, WR_REAPER_WAITER, WR_REAPER_WATCHER };

enum { WR_WAITED_MARKS = 8 };

struct wr_encoder {
  struct wr_gpu *gpu;          /* immutable after publish */
  wr_cu_stream stream;         /* immutable after publish */
  struct wr_buffer *workspace; /* owner thread only: whoever encodes; or NULL */
  struct wr_buffer *counters;  /* owner thread only: whoever encodes; or NULL */
  wr_atomic_bool named;        /* atomic RELAXED: a tool may know the stream by a label */
  uint64_t kept;               /* owner thread only: whoever encodes; the last command's number */
  uint64_t work;               /* owner thread only: whoever encodes; all launches and waits for
                                  other encoders, estimated */
  uint64_t work_kept;          /* owner thread only: `work` of the last command */
  wr_atomic_u64 work_over; /* atomic RELAXED, changed under the GPU's LOCK: the part of `work` that
                              was reported */

  struct wr_mutex lock;              /* of rank ENCODER: recording and flushing */
  struct wr_launches *launches;      /* under LOCK; NULL: nothing is held back */
  struct wr_gpu_command *held;       /* under LOCK, oldest first */
  struct wr_gpu_command **last_held; /* under LOCK */
  uint64_t flushes;                  /* under LOCK */
  bool recording;                    /* under LOCK: a command is being encoded */
  struct wr_error *broken; /* under LOCK: a launch of that command failed; a reference or NULL */

  /* All under the GPU's LOCK. */
  unsigned refs;
  enum wr_reaper reaper;
  bool in_busy_list;
  uint64_t launched; /* number of the last command in flight */
  uint64_t came_on;  /* when a command was reported last, or came to be the only one in flight, by
                        wr_clock_coarse_ns: for weir_dump */
  uint64_t marked;   /* what the last mark covers */
  uint64_t work_launched; /* `work` of what the driver got last, a command or a wait */
  uint64_t work_marked;   /* the same as the last mark was set */
  uint64_t waited_marks[WR_WAITED_MARKS]; /* the ids of those that its last waits are for */
  unsigned waits;                         /* for other encoders, with the driver */
  struct wr_gpu_command *first;
  struct wr_gpu_command **last;
  struct wr_mark *marks; /* oldest first */
  struct wr_mark **last_mark;
  uint64_t n_marks;
  struct wr_progress *progress; /* one reference */
  struct wr_order *orders;      /* oldest first */
  struct wr_order **last_order;
  struct wr_order **same_orders; /* where those begin whose `behind` is that of the last one */
  struct wr_completion_hook *room_hook; /* who waits for room; or NULL */
  uint64_t room_at;                     /* it waits until work_over is this */
  uint64_t opened;    /* its stamp: it has held something back since then; 0: nothing */
  uint64_t reporting; /* the stamp of the first command that is being reported; or 0 */
  bool in_line;
  bool line_alone;     /* first in the line: since then nobody else has taken memory */
  uint64_t line_until; /* the last stamp then */
  struct wr_completion_hook *line_hook; /* who waits there; or NULL */
  struct wr_encoder *line_next;
  struct wr_encoder *busy_next;
  struct wr_encoder *busy_prev;
};

/* ---- run.c ---- */

void wr_run_scratch_release(struct wr_ptrs *scratch);

/* ---- encoder.c ---- */

/* Drops a reference. */
void wr_encoder_drop(struct wr_encoder *encoder);

/* ---- launches.c: recording and flushing ---- */

/* Around the encoding of a command. begin fails where nothing can be encoded. After it comes either
   keep, which takes the command; or abandon, where it failed: afterwards nothing of it is running
   or will be launched. */
struct wr_error *wr_record_begin(struct wr_encoder *encoder, struct wr_run *run);
void wr_record_keep(struct wr_encoder *encoder, struct wr_gpu_command *command);
void wr_record_abandon(struct wr_encoder *encoder, struct wr_run *run);
/* The addresses of the arguments of a launch that is held back. */
void wr_held_arguments(const struct wr_launches *launches, int i, void **arguments);

/* ---- graphs.c: launches as graphs ---- */

struct wr_error *wr_graph_table_new(struct wr_graph_table **out);
void wr_graph_table_free(struct wr_graph_table *table); /* NULL is a no-op; no graph was made */
/* True when it has launched all of them as one graph; false: the caller has to launch them. Called
   by any thread that holds the encoder's lock. */
bool wr_graphs_launch(struct wr_gpu *gpu, wr_cu_stream stream, const struct wr_launches *launches);

/* ---- queues.c: the list of encoders that are busy ---- */

void wr_busy_insert_locked(struct wr_encoder *encoder);
/* Takes it off unless it is busy still. */
void wr_busy_remove_locked(struct wr_encoder *encoder);
/* There is something in flight again: wakes the GPU's thread where it should look for it. */
void wr_busy_tell_locked(struct wr_gpu *gpu);
/* Moves the n encoders to the end of the list, so that the next round looks at others. */
void wr_busy_rotate_locked(struct wr_gpu *gpu, struct wr_encoder *const *looked, int n);

/* ---- line.c: those that lack memory ---- */

/* Commands have been reported, or there are none in flight of those that were held back: the hook
   of the first in the line, for the caller to call without the lock; NULL: nobody waits. */
struct wr_completion_hook *wr_line_told_locked(struct wr_gpu_queues *queues);
/* In the child of a fork. */
void wr_line_forget(struct wr_gpu_queues *queues);

/* ---- watch.c: the GPU's thread ---- */

enum { WR_NAP_MIN_NS = 20 * 1000 }; /* between two looks */

/* Starts the GPU's thread, which reports what nobody waits for, unless it runs. It runs until
   wr_gpu_stop. */
struct wr_error *wr_watch_locked(struct wr_gpu *gpu);

/* ---- reap.c: commands in flight ---- */

/* Makes the calling thread the encoder's reaper, with a reference to it; false when nothing is in
   flight, or the encoder has a reaper. */
bool wr_reap_begin_locked(struct wr_encoder *encoder, enum wr_reaper as);
/* Called by the encoder's reaper: with `wait`, waits for the oldest mark and reports its commands;
   else does so for all marks that are over. True when something was reported. *blocked: the next
   command is over, but may only be reported after commands of another encoder. */
bool wr_reap(struct wr_encoder *encoder, bool wait, bool *blocked);
void wr_reap_end(struct wr_encoder *encoder);
/* Returns once all that was encoded is over and reported, but in the child of a fork, where it
   never is. Asks for no memory. Called by whoever encodes. */
void wr_reap_all(struct wr_encoder *encoder);
/* Appends the commands, which have been launched, in their order. */
void wr_in_flight_locked(struct wr_encoder *encoder, struct wr_gpu_command *commands);
/* A mark that is over soon after the command of that number, which has been launched; NULL when the
   command is over, or *full: there are as many marks as there should be. Between enter and leave.
   It is to be used before the lock is released. */
struct wr_error *wr_mark_behind_locked(struct wr_encoder *encoder, uint64_t number,
                                       const struct wr_mark **mark, bool *full);
/* The encoder's commands after the one numbered `behind` are reported after those of `other` up to
   `number`. */
struct wr_error *wr_order_add_locked(struct wr_encoder *encoder, uint64_t behind,
                                     struct wr_encoder *other, uint64_t number);
/* How many launches of one encoder may be with the driver and not over (R8). */
uint64_t wr_most_ahead(const struct wr_gpu *gpu);
/* Asked by whoever encodes: the driver has as many waits and launches of the encoder as it should.
 */
bool wr_takes_no_wait_locked(struct wr_encoder *encoder);
/* For an encoder that has nothing in flight and ends. */
void wr_orders_free_locked(struct wr_encoder *encoder);

#endif
