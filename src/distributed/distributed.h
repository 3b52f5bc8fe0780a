#ifndef WR_DISTRIBUTED_DISTRIBUTED_H
#define WR_DISTRIBUTED_DISTRIBUTED_H

/* Groups of processes, and operations in which all of a group take part. A group, by the field's
   word a communicator, is counted; an engine moves its data: the ring over TCP (ring.c), MPI
   (mpi.c). Collectives are recorded as any operation, and the order in which they were submitted is
   the order of the group, whichever streams their callers name (collective.c). Any thread may call
   any of these; no lock is held while another process is waited for. */

#include <stdbool.h>

#include "graph/node.h"

struct wr_comm;

struct wr_comm *wr_comm_retain(struct wr_comm *group);
void wr_comm_release(struct wr_comm *group); /* NULL is a no-op */
int wr_comm_rank(const struct wr_comm *group);
int wr_comm_size(const struct wr_comm *group);

/* The group of the engine with that name, or of the first one that the environment has a group for
   ("any"): one for the process, the same for each call; a reference. Waits for the other processes.
   Where there is none it is an error if `strict`, else a group of this process alone. */
struct wr_error *wr_comm_init(struct wr_comm **out, bool strict, const char *backend);
/* Whether there is an engine of that name here, or any. */
bool wr_comm_is_available(const char *backend, struct wr_error **error);
/* Called by all of the group: a group of those that give the same color, in the order of their
   keys, and of their ranks where keys are equal or negative. Waits for all. */
struct wr_error *wr_comm_split(struct wr_comm **out, struct wr_comm *group, int color, int key);

enum wr_collective {
  WR_ALL_SUM,
  WR_ALL_MAX,
  WR_ALL_MIN,
  WR_ALL_GATHER,
  WR_SUM_SCATTER,
  WR_SEND,
  WR_RECV,
  WR_COLLECTIVES
};

/* The first five; of a group of one process *out is x itself. */
struct wr_error *wr_collect(struct wr_node **out, enum wr_collective what, struct wr_node *x,
                            struct wr_comm *group, struct wr_stream *s);
struct wr_error *wr_send(struct wr_node **out, struct wr_node *x, int dst, struct wr_comm *group,
                         struct wr_stream *s);
struct wr_error *wr_recv(struct wr_node **out, const int32_t *shape, int ndim, enum wr_dtype dtype,
                         int src, struct wr_comm *group, struct wr_stream *s);

/* ---- for the rules of derivatives ---- */

/* Whether these are parameters of a collective, and of which. Its inputs are the group, as an array
   that only collectives read, and what it collects. */
bool wr_collective_is(const struct wr_call_params *params, enum wr_collective *what);
/* The rank of this process in the group that is the input of a collective. */
int wr_collective_rank(const struct wr_node *group);
/* The same, but for recv, of other inputs. */
struct wr_error *wr_collective_again(struct wr_node **out, const struct wr_call_params *params,
                                     struct wr_node *const *in, struct wr_stream *s);

#endif
