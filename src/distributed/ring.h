#ifndef WR_DISTRIBUTED_RING_H
#define WR_DISTRIBUTED_RING_H

/* The ring's own: where its processes are, how they find each other, and what goes over its
   connections. Each process has a connection from the rank before it and one to the rank after it
   for each lane, a pair of addresses; collectives go round on all lanes at once, each with a part
   of the data. One more connection each way, the last, is for send and recv. */

#include <netinet/in.h>

#include "distributed/internal.h"

enum { WR_RING_LANES = 32, WR_RING_SIZE = 65536 };

/* ---- ring_hosts.c ---- */

/* What a host file says: `size` ranks with `lanes` addresses each, rank by rank, as "host:port". */
struct wr_ring_hosts {
  int size, lanes;
  char **addresses; /* of wr_alloc */
};
/* The text may be anybody's. On an error there is nothing to end. */
struct wr_error *wr_ring_hosts_parse(const char *text, size_t n, const char *label,
                                     struct wr_ring_hosts *out);
struct wr_error *wr_ring_hosts_read(const char *file, struct wr_ring_hosts *out);
void wr_ring_hosts_end(struct wr_ring_hosts *hosts);
/* The same for all processes with the same file. */
uint64_t wr_ring_hosts_id(const struct wr_ring_hosts *hosts);
/* Looks a name up, which may wait for the network. */
struct wr_error *wr_ring_resolve(const char *address, struct sockaddr_in *out);

/* ---- ring_connect.c ---- */

/* One connection, or two where the ring has a lane: `left` is from the rank before this one. -1:
   none. */
struct wr_ring_link {
  int left, right;
};

struct wr_ring_plan {
  int rank, size, lanes;
  uint64_t id; /* of the group: processes that connect by mistake have another */
  uint64_t limit_ns;
  int listeners[WR_RING_LANES];           /* for the rank before this one; the caller's to close */
  struct sockaddr_in next[WR_RING_LANES]; /* of the rank after this one */
  int watched; /* a connection whose end is the end of this too; -1: none */
  bool verbose;
};
/* A socket that listens at the address; port 0: at one that is free, which it then says. */
struct wr_error *wr_ring_listen(struct sockaddr_in *address, int *out);
/* A machine that is gone without a word is noticed after ten seconds. */
void wr_ring_tune(int fd);
/* Where nobody listens, a socket of this machine may be given that very port, and meet itself. */
bool wr_ring_met_itself(int fd);
/* Makes all connections, lanes + 1 of them, or none. */
struct wr_error *wr_ring_connect(const struct wr_ring_plan *plan, struct wr_ring_link *links);
/* Writes "127.0.0.1:5000". Returns buf. */
enum { WR_RING_ADDRESS = 32 };
char *wr_ring_address(const struct sockaddr_in *address, char buf[WR_RING_ADDRESS]);

/* ---- ring.c ---- */

struct wr_ring_comm;
/* Commands of a channel wait here, and one thread at a time runs them. */
struct wr_ring_queue;

struct wr_ring_lane {
  struct wr_ring_link link;
  char *scratch; /* WR_RING_CHUNK bytes; used by the one thread that runs collectives */
};
enum { WR_RING_CHUNK = 1 << 18 };

/* What each command begins with on each connection, so that processes which do not do the same find
   it out. */
struct wr_ring_head {
  uint32_t magic;
  uint32_t what; /* enum wr_collective; WR_RECV stands for what is sent */
  uint32_t dtype;
  uint32_t number; /* of the command on its channel */
  uint64_t count;  /* elements */
};

/* How long a wait for one command may still be. Progress begins it anew. */
struct wr_ring_wait {
  struct wr_comm *group;
  uint64_t until; /* of wr_clock_ns; UINT64_MAX: for ever */
};
void wr_ring_wait_anew(struct wr_ring_wait *wait);
/* Milliseconds for poll; 0 when the time is over, -1 for ever. */
int wr_ring_wait_left(const struct wr_ring_wait *wait);
/* What the other process has done may be wrong: its head is not that of this one's command. */
struct wr_error *wr_ring_check_head(const struct wr_ring_head *theirs,
                                    const struct wr_ring_head *ours, int rank);
/* The connection to or from that rank is over: errno, or its end if that is 0. */
struct wr_error *wr_ring_lost(int rank, int number);
struct wr_error *wr_ring_late(const struct wr_comm *group, int rank);

/* ---- ring_round.c ---- */

/* Runs one collective on all lanes. */
struct wr_error *wr_ring_round(struct wr_comm *group, struct wr_ring_lane *lanes, int n_lanes,
                               const struct wr_job *job, const struct wr_ring_head *head);

/* ---- ring_peer.c ---- */

struct wr_error *wr_ring_send(struct wr_comm *group, int fd, const struct wr_job *job,
                              const struct wr_ring_head *head);
struct wr_error *wr_ring_recv(struct wr_comm *group, int fd, const struct wr_job *job,
                              const struct wr_ring_head *head);

#endif
