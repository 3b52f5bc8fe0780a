/* The ring over TCP as an engine: for hosts that have neither MPI nor NCCL, as MLX has it, with the
   same variables and host file. The processes say on each connection who they are and with each
   command what they do, so what is not meant for them, or does not fit, is an error in words and
   never data.

   One thread that may block runs what is in a channel; when nothing is ready there it goes back. A
   process that is gone is seen by whoever reads from it or writes to it; then the group is over
   here, all connections are shut down, and so the others see it too, round the ring. Lock: EVENT,
   for the list of rings. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "base/doing.h"
#include "base/fork.h"
#include "base/list.h"
#include "base/text.h"
#include "distributed/ring.h"
#include "stream/stream.h"

enum { COLLECTIVES, SEND_RIGHT, RECV_LEFT, SEND_LEFT, RECV_RIGHT, CHANNELS };
enum { HEAD_MAGIC = 0x57524731 };

struct wr_ring_queue {
  struct wr_blocking work;
  struct wr_ring_comm *ring;
  int channel;
  uint32_t number; /* of the next command; whoever has the channel only */
};

struct wr_ring_comm {
  struct wr_comm group;
  struct wr_ring_queue queues[CHANNELS];
  int lanes;                               /* immutable after publish, like all below */
  struct wr_ring_lane lane[WR_RING_LANES]; /* for collectives */
  struct wr_ring_link beside;              /* for send and recv */
  struct sockaddr_in here[WR_RING_LANES];  /* where this process listened */
  uint64_t id;                             /* of the group */
  wr_atomic_u32 splits;                    /* atomic RELAXED: how many there were */
  bool verbose;
  struct wr_listed listed;
};

static struct wr_list rings = {.lock = WR_MUTEX_INIT(WR_RANK_EVENT),
                               .offset = offsetof(struct wr_ring_comm, listed)};

static struct wr_ring_comm *ring_of(struct wr_comm *group) {
  return WR_CONTAINER_OF(group, struct wr_ring_comm, group);
}

/* ---- errors ---- */

struct wr_error *wr_ring_lost(int rank, int number) {
  return wr_error_new(WEIR_ERROR_DEVICE, "[ring] The connection to rank %d is lost: %s", rank,
                      number ? wr_text_of_errno(number) : "it was closed there");
}

struct wr_error *wr_ring_late(const struct wr_comm *group, int rank) {
  return wr_error_new(WEIR_ERROR_TIMEOUT,
                      "[ring] Nothing went to or came from rank %d for %g s "
                      "(WEIR_DISTRIBUTED_TIMEOUT)",
                      rank, (double)group->limit_ns * 1e-9);
}

static const char *name_of(uint32_t what) {
  return what < WR_COLLECTIVES ? wr_collective_names[what] : "something else";
}

struct wr_error *wr_ring_check_head(const struct wr_ring_head *theirs,
                                    const struct wr_ring_head *ours, int rank) {
  if (!memcmp(theirs, ours, sizeof *ours)) return NULL;
  if (theirs->magic != HEAD_MAGIC || !wr_dtype_valid((int)theirs->dtype)) {
    return wr_error_new(WEIR_ERROR_DEVICE, "[ring] What rank %d sends is no command", rank);
  }
  return wr_error_new(
      WEIR_ERROR_STATE,
      "[ring] Rank %d does not do the same: its command %u is %s of %llu elements "
      "of %s, here command %u is %s of %llu elements of %s",
      rank, theirs->number, name_of(theirs->what), (unsigned long long)theirs->count,
      wr_dtype_name((enum wr_dtype)theirs->dtype), ours->number, name_of(ours->what),
      (unsigned long long)ours->count, wr_dtype_name((enum wr_dtype)ours->dtype));
}

/* ---- waits ---- */

void wr_ring_wait_anew(struct wr_ring_wait *wait) {
  const uint64_t limit = wait->group->limit_ns;
  wait->until = limit ? wr_clock_ns() + limit : UINT64_MAX;
}

int wr_ring_wait_left(const struct wr_ring_wait *wait) {
  if (wait->until == UINT64_MAX) return -1;
  const uint64_t now = wr_clock_ns();
  if (now >= wait->until) return 0;
  const uint64_t ms = (wait->until - now) / 1000000 + 1;
  return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

/* ---- running ---- */

static struct wr_error *run_peer(struct wr_ring_comm *ring, const struct wr_job *job,
                                 const struct wr_ring_head *head) {
  const bool right = job->channel == SEND_RIGHT || job->channel == RECV_RIGHT;
  const int fd = right ? ring->beside.right : ring->beside.left;
  return (job->what == WR_SEND ? wr_ring_send : wr_ring_recv)(&ring->group, fd, job, head);
}

static struct wr_error *run_job(struct wr_ring_comm *ring, struct wr_ring_queue *queue,
                                struct wr_job *job) {
  const struct wr_ring_head head = {.magic = HEAD_MAGIC,
                                    .what = (uint32_t)(job->what == WR_RECV ? WR_SEND : job->what),
                                    .dtype = (uint32_t)job->dtype,
                                    .number = queue->number++,
                                    .count = job->count};
  if (job->why) return wr_error_retain(job->why);
  if (job->what == WR_SEND || job->what == WR_RECV) return run_peer(ring, job, &head);
  return wr_ring_round(&ring->group, ring->lane, ring->lanes, job, &head);
}

/* What ended the group is told, and not what followed from it. */
static void run_and_end(struct wr_ring_comm *ring, struct wr_ring_queue *queue,
                        struct wr_job *job) {
  struct wr_error *error = wr_comm_failure(&ring->group);
  if (!error) {
    char words[WR_JOB_WORDS];
    wr_job_words(job, true, words);
    struct wr_doing *doing = wr_doing_begin(WR_DOING_COLLECTIVE, job, NULL, words);
    error = run_job(ring, queue, job);
    wr_doing_end(doing);
    if (error) {
      wr_comm_fail(&ring->group, error);
      error = wr_comm_failure(&ring->group);
    }
  }
  wr_job_end(job, error);
}

/* Loads, and others of these threads, are not held up by it. */
static void run_queue(void *work) {
  struct wr_ring_queue *queue =
      WR_CONTAINER_OF((struct wr_blocking *)work, struct wr_ring_queue, work);
  struct wr_ring_comm *ring = queue->ring;
  struct wr_job *job;
  wr_blocking_waits(true);
  while ((job = wr_channel_take(&ring->group, queue->channel)) != NULL) {
    run_and_end(ring, queue, job);
  }
  wr_blocking_waits(false);
  wr_comm_release(&ring->group);
}

/* Without a thread nothing here will be done, and the others must not wait for it. */
static void ring_run(struct wr_comm *group, int channel) {
  struct wr_ring_comm *ring = ring_of(group);
  struct wr_ring_queue *queue = &ring->queues[channel];
  struct wr_error *error = wr_blocking_submit(&queue->work);
  struct wr_job *job;
  if (!error) return;
  wr_comm_fail(group, error);
  while ((job = wr_channel_take(group, channel)) != NULL) run_and_end(ring, queue, job);
  wr_comm_release(group);
}

static struct wr_error *ring_channel(const struct wr_comm *group, enum wr_collective what, int peer,
                                     int *channel) {
  const int after = (group->rank + 1) % group->size;
  const int before = (group->rank + group->size - 1) % group->size;
  *channel = COLLECTIVES;
  if (what != WR_SEND && what != WR_RECV) return NULL;
  if (what == WR_SEND) {
    *channel = peer == after ? SEND_RIGHT : SEND_LEFT;
  } else {
    *channel = peer == before ? RECV_LEFT : RECV_RIGHT;
  }
  if (peer == after || peer == before) return NULL;
  return wr_error_new(WEIR_ERROR_UNSUPPORTED,
                      what == WR_SEND ? "[ring] Send only supported to direct neighbors but tried "
                                        "to send to %d from %d"
                                      : "[ring] Recv only supported from direct neighbors but "
                                        "tried to recv from %d to %d",
                      peer, group->rank);
}

/* ---- begin and end ---- */

static void each_socket(struct wr_ring_comm *ring, void (*fn)(int fd)) {
  for (int i = 0; i <= ring->lanes; i++) {
    const struct wr_ring_link *link = i < ring->lanes ? &ring->lane[i].link : &ring->beside;
    if (link->left >= 0) fn(link->left);
    if (link->right >= 0) fn(link->right);
  }
}

static void shut(int fd) { (void)shutdown(fd, SHUT_RDWR); }
static void hang_up(int fd) { (void)close(fd); }

/* Who waits on a connection wakes up; what others have still to read they get. */
static void ring_fail(struct wr_comm *group) { each_socket(ring_of(group), shut); }

static void ring_free(struct wr_ring_comm *ring) {
  for (int i = 0; i < ring->lanes; i++) wr_free(ring->lane[i].scratch);
  wr_comm_clear(&ring->group);
  wr_free(ring);
}

/* In the child of a fork the connections are closed already. */
static void ring_end(struct wr_comm *group) {
  struct wr_ring_comm *ring = ring_of(group);
  if (group->generation == wr_fork_generation) {
    wr_list_leave(&rings, ring);
    each_socket(ring, hang_up);
  }
  ring_free(ring);
}

/* The other processes are to see the end of the parent, not of its children. */
static void forget_in_child(void) {
  for (struct wr_ring_comm *r = wr_list_first(&rings); r; r = wr_list_next(&rings, r)) {
    each_socket(r, hang_up);
  }
  rings.first = NULL;
}

WR_AT_FORK(.rank = WR_RANK_EVENT, .lock = &rings.lock, .child = forget_in_child)

static struct wr_ring_comm *ring_new(int rank, int size, int lanes, uint64_t id) {
  struct wr_ring_comm *ring = wr_calloc(sizeof *ring);
  if (!ring) return NULL;
  bool made = wr_comm_begin(&ring->group, &wr_engine_ring, rank, size, CHANNELS);
  ring->lanes = lanes;
  ring->id = id;
  ring->beside = (struct wr_ring_link){-1, -1};
  for (int i = 0; i < CHANNELS; i++) {
    ring->queues[i] =
        (struct wr_ring_queue){.work = {.run = run_queue}, .ring = ring, .channel = i};
  }
  for (int i = 0; i < lanes; i++) {
    ring->lane[i].link = (struct wr_ring_link){-1, -1};
    ring->lane[i].scratch = wr_alloc(WR_RING_CHUNK);
    made = made && ring->lane[i].scratch;
  }
  if (made) return ring;
  ring_free(ring);
  return NULL;
}

/* Connects; from then on it is a group. */
static struct wr_error *ring_join(struct wr_ring_comm *ring, struct wr_ring_plan *plan) {
  struct wr_ring_link links[WR_RING_LANES + 1];
  plan->rank = ring->group.rank;
  plan->size = ring->group.size;
  plan->lanes = ring->lanes;
  plan->id = ring->id;
  plan->limit_ns = ring->group.limit_ns;
  struct wr_error *error = wr_ring_connect(plan, links);
  if (error) return error;
  for (int i = 0; i < ring->lanes; i++) ring->lane[i].link = links[i];
  ring->beside = links[ring->lanes];
  wr_list_enter(&rings, ring);
  return NULL;
}

static void verbose_line(const struct wr_ring_comm *ring, const char *what) {
  char line[128], address[WR_RING_ADDRESS];
  if (!ring->verbose) return;
  snprintf(line, sizeof line, "[ring] Rank %d of %d at %s: %s", ring->group.rank, ring->group.size,
           wr_ring_address(&ring->here[0], address), what);
  wr_log_line(line);
}

/* Listens at ring->here, which gets ports where it had none. */
static struct wr_error *listen_here(struct wr_ring_comm *ring, int *listeners) {
  struct wr_error *error = NULL;
  for (int i = 0; i < ring->lanes; i++) listeners[i] = -1;
  for (int i = 0; i < ring->lanes && !error; i++) {
    error = wr_ring_listen(&ring->here[i], &listeners[i]);
  }
  return error;
}

static void end_listeners(const struct wr_ring_comm *ring, const int *listeners) {
  for (int i = 0; i < ring->lanes; i++) {
    if (listeners[i] >= 0) close(listeners[i]);
  }
}

/* ---- the first group ---- */

static struct wr_error *resolve_all(struct wr_ring_comm *ring, const struct wr_ring_hosts *hosts,
                                    struct wr_ring_plan *plan) {
  const int rank = ring->group.rank, next = (rank + 1) % ring->group.size;
  struct wr_error *error = NULL;
  for (int i = 0; i < ring->lanes && !error; i++) {
    error = wr_ring_resolve(hosts->addresses[rank * ring->lanes + i], &ring->here[i]);
    if (!error) error = wr_ring_resolve(hosts->addresses[next * ring->lanes + i], &plan->next[i]);
  }
  return error;
}

static struct wr_error *meet(struct wr_ring_comm *ring, const struct wr_ring_hosts *hosts) {
  struct wr_ring_plan plan = {.watched = -1};
  struct wr_error *error = resolve_all(ring, hosts, &plan);
  if (error) return error;
  error = listen_here(ring, plan.listeners);
  if (!error) verbose_line(ring, "listens, and connects to the next");
  if (!error) error = ring_join(ring, &plan);
  if (!error) verbose_line(ring, "is connected");
  end_listeners(ring, plan.listeners);
  return error;
}

static struct wr_error *from_hosts(struct wr_comm **out, const struct wr_ring_hosts *hosts,
                                   int rank, bool verbose) {
  if (hosts->size == 1) return wr_comm_alone(out);
  struct wr_ring_comm *ring = ring_new(rank, hosts->size, hosts->lanes, wr_ring_hosts_id(hosts));
  if (!ring) return wr_error_out_of_memory();
  ring->verbose = verbose;
  struct wr_error *error = meet(ring, hosts);
  if (error) {
    ring_free(ring);
  } else {
    *out = &ring->group;
  }
  return error;
}

static struct wr_error *not_set(const char *rank, const char *file) {
  return wr_error_new(WEIR_ERROR_STATE,
                      "[ring] You need to provide via environment variables both a rank (MLX_RANK) "
                      "and a hostfile (MLX_HOSTFILE) but provided MLX_RANK=\"%s\" and "
                      "MLX_HOSTFILE=\"%s\"",
                      rank ? rank : "", file ? file : "");
}

/* -1: no number. */
static int rank_from(const char *text) {
  char *end;
  long rank = strtol(text, &end, 10);
  return *text && !*end && rank >= 0 && rank < WR_RING_SIZE ? (int)rank : -1;
}

static struct wr_error *ring_init(struct wr_comm **out, bool strict) {
  const char *text = wr_env_text("MLX_RANK"), *file = wr_env_text("MLX_HOSTFILE");
  const bool verbose = wr_env_text("MLX_RING_VERBOSE") != NULL;
  struct wr_ring_hosts hosts;
  *out = NULL;
  if (!text || !file) return strict ? not_set(text, file) : NULL;
  struct wr_error *error = wr_ring_hosts_read(file, &hosts);
  if (error) return error;
  const int rank = rank_from(text);
  if (rank < 0) {
    error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[ring] MLX_RANK=\"%s\" is no rank", text);
  } else if (rank >= hosts.size) {
    error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                         "[ring] Rank cannot be larger than the size of the group");
  } else {
    error = from_hosts(out, &hosts, rank, verbose);
  }
  wr_ring_hosts_end(&hosts);
  return error;
}

static bool ring_available(void) { return true; }

/* ---- groups of groups ---- */

struct member {
  struct wr_split_member is;
  int32_t listens; /* 0: it could not, and no group comes of it */
  struct sockaddr_in here[WR_RING_LANES];
};

static struct wr_error *all_listen(const struct member *members, int n) {
  for (int i = 0; i < n; i++) {
    if (!members[i].listens) {
      return wr_error_new(WEIR_ERROR_DEVICE, "[ring] Rank %d cannot listen for the new group",
                          members[i].is.rank);
    }
  }
  return NULL;
}

/* The group of `n` members, of which this process is one; it listens already. */
static struct wr_error *join_members(struct wr_comm **out, const struct wr_ring_comm *parent,
                                     const struct member *members, int n, uint64_t id,
                                     const struct wr_ring_plan *listening) {
  struct wr_ring_plan plan = *listening;
  int rank = 0;
  if (n == 1) return wr_comm_alone(out);
  struct wr_error *error = all_listen(members, n);
  if (error) return error;
  while (rank < n && members[rank].is.rank != parent->group.rank) rank++;
  if (rank == n) {
    return wr_error_new(WEIR_ERROR_DEVICE, "[ring] What the group has gathered is not its own");
  }
  struct wr_ring_comm *ring = ring_new(rank, n, parent->lanes, id);
  if (!ring) return wr_error_out_of_memory();
  memcpy(ring->here, members[rank].here, sizeof ring->here);
  memcpy(plan.next, members[(rank + 1) % n].here, sizeof plan.next);
  ring->verbose = parent->verbose;
  error = ring_join(ring, &plan);
  if (error) {
    ring_free(ring);
  } else {
    *out = &ring->group;
  }
  return error;
}

/* The addresses are the parent's, with ports that are free. */
static struct wr_error *listen_anew(struct wr_ring_comm *parent, struct member *me,
                                    int *listeners) {
  struct wr_error *error = NULL;
  memcpy(me->here, parent->here, sizeof me->here);
  for (int i = 0; i < parent->lanes; i++) {
    listeners[i] = -1;
    me->here[i].sin_port = 0;
  }
  for (int i = 0; i < parent->lanes && !error; i++) {
    error = wr_ring_listen(&me->here[i], &listeners[i]);
  }
  me->listens = !error;
  return error;
}

static struct wr_error *ring_split(struct wr_comm **out, struct wr_comm *group, int color,
                                   int key) {
  struct wr_ring_comm *parent = ring_of(group);
  struct wr_ring_plan plan = {.watched = parent->lane[0].link.left};
  struct member me = {.is = {.color = color, .key = key}};
  struct member *all = wr_alloc((size_t)group->size * (sizeof *all + 1));
  if (!all) return wr_error_out_of_memory();
  char *arrived = (char *)(all + group->size);
  const uint64_t id = wr_split_id(parent->id, &parent->splits, color);
  struct wr_error *refused = listen_anew(parent, &me, plan.listeners);
  struct wr_error *error = wr_gather_bytes(group, &me, (int)sizeof me, all);
  if (!error) {
    const int n = wr_split_sort(all, sizeof *all, group->size, color);
    error = refused ? wr_error_retain(refused) : join_members(out, parent, all, n, id, &plan);
  }
  /* Nobody leaves before all are connected: an end of the parent's connections meanwhile is one of
     a process that did not come so far. */
  if (!error) {
    error = wr_gather_bytes(group, "", 1, arrived);
    if (error) wr_comm_release(*out);
  }
  end_listeners(parent, plan.listeners);
  wr_error_release(refused);
  wr_free(all);
  return error;
}

const struct wr_engine wr_engine_ring = {WR_ENGINE(ring)};
