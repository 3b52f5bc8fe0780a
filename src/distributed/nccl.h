#ifndef WR_DISTRIBUTED_NCCL_H
#define WR_DISTRIBUTED_NCCL_H

/* What processes of NCCL's groups tell each other beside their data: lines over TCP to a thread of
   rank 0, the hub. NCCL itself does not notice that a process is gone, and its sends and receives
   wait for each other in the order of their calls; so the hub tells who is gone and which groups
   are over, and in which order those begin for which both sides are ready, the same everywhere. */

#include "backend/backend.h"
#include "base/base.h"
#include "base/list.h"
#include "distributed/internal.h"

enum { WR_NCCL_LANES = 2 }; /* communicators of a group: for collectives, and for send and recv */

enum wr_nccl_kind {
  WR_NCCL_OFFERS_SEND, /* to the hub */
  WR_NCCL_OFFERS_RECV, /* to the hub */
  WR_NCCL_GO,          /* from it: both sides have offered */
  WR_NCCL_DIFFER,      /* from it: they have, and do not fit */
  WR_NCCL_FAILED,      /* both ways: the group is over */
  WR_NCCL_GONE         /* from it: the process `sender` */
};

struct wr_nccl_word {
  uint32_t kind;
  uint32_t dtype;
  uint32_t sender, receiver; /* ranks of the first group */
  uint64_t group;
  uint64_t count;
};

/* The first group's meeting. */
struct wr_nccl_place {
  const char *host, *port; /* of rank 0 */
  int rank, size;
  uint64_t limit_ns;
  char ids[WR_NCCL_LANES][WR_EXCHANGE_ID_BYTES]; /* of rank 0: given; of others: what it gives */
};

/* Counted. But for say, retain and release only one thread at a time uses it. */
struct wr_nccl_line {
  wr_atomic_u32 refs;  /* atomic ACQ_REL */
  int fd;              /* immutable after publish */
  int size;            /* immutable after publish */
  uint32_t generation; /* of the process that made it (fork.h) */
  bool over;           /* rank 0 is gone */
  uint32_t changes;    /* of `over`, `gone` and `failed` */
  uint64_t turn;       /* in which it was heard last */
  size_t got;
  struct wr_nccl_word word; /* that is coming */
  uint64_t *failed;         /* groups; of wr_alloc */
  size_t n_failed, room;
  struct wr_listed listed;
  bool gone[]; /* by rank */
};

/* Rank 0 listens, the others connect to it; waits until it has answered. */
struct wr_error *wr_nccl_meet(struct wr_nccl_place *place, struct wr_nccl_line **out);
struct wr_nccl_line *wr_nccl_line_retain(struct wr_nccl_line *line);
void wr_nccl_line_release(struct wr_nccl_line *line);
/* Never waits; a line that takes no more is over. */
void wr_nccl_say(struct wr_nccl_line *line, const struct wr_nccl_word *word);
/* The next word about an exchange, GO or DIFFER; false when there is none now. What else comes is
   noted in the line. */
bool wr_nccl_hear(struct wr_nccl_line *line, struct wr_nccl_word *word);
bool wr_nccl_has_failed(const struct wr_nccl_line *line, uint64_t group);

/* ---- groups: nccl.c makes and ends them, nccl_driver.c does what is to be done ---- */

struct wr_nccl_op;

struct wr_nccl_lane {
  struct wr_communicator *communicator;
  const struct wr_nccl_op *starting; /* nothing else may be started */
  uint64_t waited;                   /* the turn in which something was found not to be over */
  uint64_t came_on;                  /* of wr_clock_ns: when something was over last */
  int under_way;
};

struct wr_nccl {
  struct wr_comm group;
  struct wr_nccl_line *line;                /* a reference */
  uint64_t id;                              /* the same in all its processes */
  int device;                               /* index of the GPU */
  uint32_t *members;                        /* immutable after publish: ranks of the first group */
  wr_atomic_u32 splits;                     /* atomic RELAXED: how many there were */
  struct wr_nccl_lane lanes[WR_NCCL_LANES]; /* the driver's, like all below */
  uint32_t goes, started;                   /* sends and recvs, in the hub's order */
  uint32_t seen;                            /* changes of the line */
  bool aborted;
};

/* Channels: from WR_NCCL_PEERS on two for each rank, to it and from it. */
enum { WR_NCCL_COLLECTIVES, WR_NCCL_PEERS };

static inline struct wr_nccl *wr_nccl_of(const struct wr_comm *group) {
  return WR_CONTAINER_OF((struct wr_comm *)(uintptr_t)group, struct wr_nccl, group);
}
static inline const struct wr_exchange_device *wr_nccl_device(void) {
  return wr_backend_for(WR_DEVICE_GPU)->exchanges;
}
/* An error of the device's, as one of the engine's; takes the reference. */
struct wr_error *wr_nccl_named(struct wr_error *error);
/* Makes a group's communicators; waits for the other processes. */
struct wr_error *wr_nccl_begin(struct wr_nccl *group,
                               const char ids[WR_NCCL_LANES][WR_EXCHANGE_ID_BYTES]);
/* As an engine has it. */
void wr_nccl_run(struct wr_comm *group, int channel);

/* ---- nccl_hub.c ---- */

enum { WR_NCCL_VERSION = 1 };
struct wr_nccl_hello {
  char magic[8];
  uint32_t version, rank, size;
};
struct wr_nccl_answer {
  char magic[8];
  uint32_t yes; /* else the rank is there already, or the size is another */
  char ids[WR_NCCL_LANES][WR_EXCHANGE_ID_BYTES];
};
extern const char wr_nccl_hello_magic[8], wr_nccl_answer_magic[8];

/* Starts the hub, which ends once *line is closed, a socket of rank 0's own. */
struct wr_error *wr_nccl_hub_start(const struct wr_nccl_place *place, int *line);

#endif
