#ifndef WR_DISTRIBUTED_INTERNAL_H
#define WR_DISTRIBUTED_INTERNAL_H

/* What the files of this folder share: a group, the commands that its engine gets, and the engines.

   A channel is what keeps an order of its own: the collectives of a group, and what is sent to one
   process or received from one. A command gets its place there as it is submitted, so the order is
   that of the submitting calls, and of the graph within one. Once it is begun on its stream it
   fills its place. What holds it up holds up what is behind it in the channel; that was submitted
   later, and so are the commands that it stands in front of on its stream: none of these can be
   waited for in a circle. */

#include "base/lock.h"
#include "core/dtype.h"
#include "distributed/distributed.h"

struct wr_completion_hook;
struct wr_engine;

struct wr_job;

struct wr_channel {
  struct wr_job *head; /* under the group's LOCK, like all below: the next one's place */
  struct wr_job *tail;
  bool running; /* the engine has the channel, with a reference to the group */
};

struct wr_comm {
  wr_atomic_u32 refs;             /* atomic ACQ_REL */
  const struct wr_engine *engine; /* immutable after publish, like all below but `failure`; NULL:
                                     a group of one process, which has no commands */
  int rank, size;
  uint32_t generation;   /* of the process that made it (fork.h) */
  uint64_t limit_ns;     /* without progress, of one command; 0: none */
  struct wr_mutex lock;  /* EVENT; held with no other */
  wr_atomic_ptr failure; /* atomic ACQ_REL: struct wr_error *, the first; what ended the group */
  int n_channels;
  struct wr_channel *channels;
};

/* A place in a channel, and once it is filled the collective there; what that points to is there
   until it is ended. */
struct wr_job {
  struct wr_job *next;   /* under the group's LOCK */
  struct wr_comm *group; /* a reference */
  enum wr_collective what;
  int channel;
  int peer;    /* of send and recv */
  bool filled; /* under the group's LOCK */
  enum wr_dtype dtype;
  const char *in; /* dense */
  char *out;
  size_t count;               /* elements of the input, of recv of the result */
  struct wr_encoder *encoder; /* of its stream, which is there until it is ended */
  struct wr_completion_hook *hook;
  struct wr_error *why; /* a reference: it is not begun, as an input failed or memory was refused,
                           and there is no hook; no other process is to wait for it */
};

struct wr_engine {
  const char *name;
  bool (*available)(void);
  const char *(*lacks)(void); /* why it is not; NULL: there is no more to say */
  /* Whether the environment is meant for it: asked before `available` where any engine would do, as
     that may open libraries. NULL: init says. */
  bool (*configured)(void);
  /* Leaves *out NULL where the environment has no group for it; if `strict` that is an error. */
  struct wr_error *(*init)(struct wr_comm **out, bool strict);
  /* Whose streams the group's commands stand on; NULL: the CPU's. */
  struct wr_device (*device)(const struct wr_comm *group);
  /* Whether it has reductions of that type; NULL: it has all. */
  bool (*reduces)(enum wr_collective what, enum wr_dtype dtype);
  /* The channel for a command; an error where the engine does not have it. */
  struct wr_error *(*channel)(const struct wr_comm *group, enum wr_collective what, int peer,
                              int *channel);
  /* The first job of a channel is filled, and the engine does not have it: from now on it takes
     jobs by wr_channel_take until there is none, and ends each by wr_job_end. */
  void (*run)(struct wr_comm *group, int channel);
  struct wr_error *(*split)(struct wr_comm **out, struct wr_comm *group, int color, int key);
  /* Lets others know that the group is over. */
  void (*fail)(struct wr_comm *group);
  void (*end)(struct wr_comm *group); /* frees it, but for what wr_comm_clear frees */
};

/* What each engine has, by its name. */
#define WR_ENGINE(engine)                                                    \
  .name = #engine, .available = engine##_available, .init = engine##_init,   \
  .channel = engine##_channel, .run = engine##_run, .split = engine##_split, \
  .fail = engine##_fail, .end = engine##_end

extern const struct wr_engine wr_engine_ring;
extern const struct wr_engine wr_engine_mpi;
extern const struct wr_engine wr_engine_nccl;

/* ---- comm.c ---- */

/* The part that all engines have; false when memory is refused. */
bool wr_comm_begin(struct wr_comm *group, const struct wr_engine *engine, int rank, int size,
                   int n_channels);
void wr_comm_clear(struct wr_comm *group);
/* Ends the group: all commands that are not over, and all to come, fail with this. Takes the
   reference. */
void wr_comm_fail(struct wr_comm *group, struct wr_error *error);
/* The error of a group that is over, a reference; NULL while it is not. */
struct wr_error *wr_comm_failure(struct wr_comm *group);
/* The time of the environment's that a command may go without progress, in nanoseconds. */
uint64_t wr_comm_limit(void);
/* A group of one process. */
struct wr_error *wr_comm_alone(struct wr_comm **out);

/* ---- channel.c ---- */

/* A place at the end of the channel; NULL when memory is refused. */
struct wr_job *wr_channel_append(struct wr_comm *group, enum wr_collective what, int channel,
                                 int peer);
/* It is filled in. */
void wr_channel_fill(struct wr_job *job);
/* The first job, if it is filled; else NULL, and the engine does not have the channel any more, nor
   its reference, which the caller drops. */
struct wr_job *wr_channel_take(struct wr_comm *group, int channel);
/* What it is and who it is with, for weir_dump. `before` says that the data come from the rank
   before this one. */
enum { WR_JOB_WORDS = 128 };
void wr_job_words(const struct wr_job *job, bool before, char text[WR_JOB_WORDS]);
/* Ends a job; takes it and the error. */
void wr_job_end(struct wr_job *job, struct wr_error *error);

/* ---- collective.c ---- */

extern const char *const wr_collective_names[WR_COLLECTIVES];
/* All-gathers n bytes of each process, in the order of the group's collectives; waits. `all` has
   room for size times n. */
struct wr_error *wr_gather_bytes(struct wr_comm *group, const void *mine, int n, void *all);

/* What a process says of itself in a split, first of all that its engine has it say. */
struct wr_split_member {
  int32_t color, key;
  int32_t rank; /* of the group that is split; wr_split_sort sets it */
};
/* Of what all members have gathered, `item` bytes each: leaves those of that color in front, in the
   order of the new group. Returns how many. */
int wr_split_sort(void *members, size_t item, int size, int color);
/* The number of the new group, from that of the one that is split and how many splits there were.
   Who splits one group from several threads has to keep an order by himself. */
uint64_t wr_split_id(uint64_t id, wr_atomic_u32 *splits, int color);

/* ---- combine.c ---- */

/* out = a and b by the operation of an all-reduce, element by element; out may be a or b. */
struct wr_error *wr_combine(enum wr_collective what, enum wr_dtype dtype, size_t count,
                            const void *a, const void *b, void *out);

#endif
