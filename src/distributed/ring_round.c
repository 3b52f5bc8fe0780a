/* Collectives on the ring. The data are cut into as many segments as there are ranks, and go round
   in steps: in each a rank sends one segment on and receives another, which it sends on in the next
   step. A segment may have its sending begun as soon as its first bytes are there, so all
   connections are busy all the time. The usual algorithm: bandwidth-optimal all-reduce as
   reduce-scatter and all-gather (Patarasuk and Yuan, 2009); a segment is summed in the same order
   whoever looks at it, so all ranks get the same bits.

     all-reduce   segments of the array; size - 1 steps that combine, and as many that copy
     all-gather   a segment is what one rank has given; size - 1 steps that copy
     sum-scatter  segments of the array; size - 1 steps that combine, the last one into the result

   No locks. */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "distributed/ring.h"

struct round {
  const struct wr_job *job;
  struct wr_comm *group;
  const struct wr_ring_head *head;
  struct wr_ring_wait wait;
  int rank, size, steps;
  size_t item;  /* bytes of an element */
  size_t block; /* elements from one segment to the next, but in an all-reduce */
};

/* What one lane has of it: in each segment, or of an all-reduce in the array, elements lo to hi. */
struct lane {
  const struct wr_ring_lane *ring;
  size_t lo, hi;
  size_t head_sent, head_got;
  struct wr_ring_head theirs;
  int send_step, recv_step;
  size_t sent;   /* bytes of the segment that is being sent */
  size_t got;    /* bytes of the one that is being received, combined where they are to be, */
  size_t filled; /* and in scratch */
  char *parts;   /* of a sum-scatter: two segments, for sums on their way */
  bool full;     /* the connection takes no more for the moment */
};

/* ---- which segment is where ---- */

static bool reduces(const struct round *r) {
  return r->job->what != WR_ALL_GATHER && r->job->what != WR_SUM_SCATTER;
}

/* The segment that is received in a step, and sent in the next; of step -1 the first one sent. */
static int segment_of(const struct round *r, int step) {
  const int first = r->job->what == WR_SUM_SCATTER ? r->rank - 1 : r->rank;
  return (first - (step + 1) + 2 * r->size) % r->size;
}

static size_t cut(const struct lane *l, const struct round *r, int segment) {
  return (l->hi - l->lo) * (size_t)segment / (size_t)r->size;
}

static size_t segment_bytes(const struct round *r, const struct lane *l, int step) {
  const int g = segment_of(r, step);
  const size_t n = reduces(r) ? cut(l, r, g + 1) - cut(l, r, g) : l->hi - l->lo;
  return n * r->item;
}

/* In bytes from the beginning of the array that has all segments. */
static size_t segment_at(const struct round *r, const struct lane *l, int step) {
  const int g = segment_of(r, step);
  return (l->lo + (reduces(r) ? cut(l, r, g) : (size_t)g * r->block)) * r->item;
}

static bool combines(const struct round *r, int step) {
  return r->job->what == WR_SUM_SCATTER || (reduces(r) && step < r->size - 1);
}

/* Where the segment of a step is put together. */
static char *target(const struct round *r, const struct lane *l, int step) {
  if (r->job->what != WR_SUM_SCATTER) return r->job->out + segment_at(r, l, step);
  if (step == r->steps - 1) return r->job->out + l->lo * r->item;
  return l->parts + (size_t)(step % 2) * (l->hi - l->lo) * r->item;
}

static const char *source(const struct round *r, const struct lane *l, int step) {
  if (step > 0) return target(r, l, step - 1);
  if (r->job->what == WR_ALL_GATHER) return r->job->in + l->lo * r->item;
  return r->job->in + segment_at(r, l, -1);
}

/* How much of the segment that is sent in a step is there. */
static size_t available(const struct round *r, const struct lane *l, int step) {
  if (step == 0 || l->recv_step >= step) return segment_bytes(r, l, step - 1);
  return l->recv_step == step - 1 ? l->got : 0;
}

/* ---- connections ---- */

static int rank_before(const struct round *r) { return (r->rank + r->size - 1) % r->size; }
static int rank_after(const struct round *r) { return (r->rank + 1) % r->size; }

/* Adds to *n what went, at most `bytes`; false where it is an error. */
static bool put(const struct round *r, struct lane *l, const void *data, size_t bytes, size_t *n,
                struct wr_error **error) {
  ssize_t sent = send(l->ring->link.right, data, bytes, MSG_NOSIGNAL);
  l->full = sent < 0 && (errno == EAGAIN || errno == EINTR);
  if (sent >= 0) *n += (size_t)sent;
  if (sent < 0 && !l->full) *error = wr_ring_lost(rank_after(r), errno);
  return sent > 0;
}

static bool get(const struct round *r, const struct lane *l, void *data, size_t bytes, size_t *n,
                struct wr_error **error) {
  ssize_t got = recv(l->ring->link.left, data, bytes, 0);
  if (got > 0) *n += (size_t)got;
  if (got == 0) *error = wr_ring_lost(rank_before(r), 0);
  if (got < 0 && errno != EAGAIN && errno != EINTR) *error = wr_ring_lost(rank_before(r), errno);
  return got > 0;
}

/* ---- sending ---- */

/* Whether anything went. */
static bool send_some(const struct round *r, struct lane *l, struct wr_error **error) {
  l->full = false;
  if (l->head_sent < sizeof *r->head) {
    const char *from = (const char *)r->head + l->head_sent;
    return put(r, l, from, sizeof *r->head - l->head_sent, &l->head_sent, error);
  }
  while (l->send_step < r->steps && l->sent == segment_bytes(r, l, l->send_step - 1)) {
    l->send_step++;
    l->sent = 0;
  }
  if (l->send_step == r->steps) return false;
  const size_t ready = available(r, l, l->send_step) - l->sent;
  if (ready == 0) return false;
  return put(r, l, source(r, l, l->send_step) + l->sent, ready, &l->sent, error);
}

/* ---- receiving ---- */

/* Of a sum-scatter two segments are on their way at most: the one before has to have gone. */
static bool may_receive(const struct round *r, const struct lane *l) {
  if (l->head_got < sizeof l->theirs) return true;
  if (l->recv_step == r->steps) return false;
  return r->job->what != WR_SUM_SCATTER || l->recv_step <= l->send_step;
}

static bool receive_head(const struct round *r, struct lane *l, struct wr_error **error) {
  char *to = (char *)&l->theirs + l->head_got;
  if (!get(r, l, to, sizeof l->theirs - l->head_got, &l->head_got, error)) return false;
  if (l->head_got == sizeof l->theirs) {
    *error = wr_ring_check_head(&l->theirs, r->head, rank_before(r));
  }
  return !*error;
}

static bool receive_piece(const struct round *r, struct lane *l, struct wr_error **error) {
  const int step = l->recv_step;
  const size_t left = segment_bytes(r, l, step) - l->got;
  char *to = target(r, l, step) + l->got;
  if (!combines(r, step)) return get(r, l, to, left, &l->got, error);
  const size_t piece = left < WR_RING_CHUNK ? left : WR_RING_CHUNK;
  if (!get(r, l, l->ring->scratch + l->filled, piece - l->filled, &l->filled, error)) return false;
  if (l->filled < piece) return true;
  const char *own = r->job->in + segment_at(r, l, step) + l->got;
  *error = wr_combine(r->job->what, r->job->dtype, piece / r->item, l->ring->scratch, own, to);
  l->got += piece;
  l->filled = 0;
  return !*error;
}

/* Whether anything came. */
static bool receive_some(const struct round *r, struct lane *l, struct wr_error **error) {
  if (l->head_got < sizeof l->theirs) return receive_head(r, l, error);
  while (l->recv_step < r->steps && l->got == segment_bytes(r, l, l->recv_step)) {
    l->recv_step++;
    l->got = 0;
  }
  return may_receive(r, l) && receive_piece(r, l, error);
}

/* ---- the loop ---- */

static bool is_over(const struct round *r, const struct lane *l) {
  return l->send_step == r->steps && l->recv_step == r->steps && l->head_got == sizeof l->theirs &&
         l->head_sent == sizeof *r->head;
}

/* As far as it goes without a wait, in turns. */
static bool advance(struct round *r, struct lane *l, struct wr_error **error) {
  bool any = false, more = true;
  while (more && !*error) {
    more = send_some(r, l, error);
    if (!*error) more = receive_some(r, l, error) || more;
    any = any || more;
  }
  return any;
}

static struct wr_error *wait_for_more(const struct round *r, const struct lane *lanes, int n) {
  struct pollfd fds[2 * WR_RING_LANES];
  for (int i = 0; i < n; i++) {
    const struct wr_ring_link *link = &lanes[i].ring->link;
    const bool in = may_receive(r, &lanes[i]);
    fds[2 * i] = (struct pollfd){.fd = in ? link->left : -1, .events = POLLIN};
    fds[2 * i + 1] = (struct pollfd){.fd = lanes[i].full ? link->right : -1, .events = POLLOUT};
  }
  const int left = wr_ring_wait_left(&r->wait);
  if (left == 0) return wr_ring_late(r->group, rank_before(r));
  (void)poll(fds, 2 * (nfds_t)n, left);
  return NULL;
}

static struct wr_error *run(struct round *r, struct lane *lanes, int n) {
  struct wr_error *error = NULL;
  for (;;) {
    bool over = true, any = false;
    for (int i = 0; i < n && !error; i++) {
      any = advance(r, &lanes[i], &error) || any;
      over = over && is_over(r, &lanes[i]);
    }
    if (error || over) return error;
    if (any) wr_ring_wait_anew(&r->wait);
    if (!any) error = wait_for_more(r, lanes, n);
  }
}

/* What this rank gives to an all-gather is where it belongs from the beginning. */
static void put_own(const struct round *r) {
  const size_t bytes = r->block * r->item;
  if (r->job->what != WR_ALL_GATHER || bytes == 0) return;
  memcpy(r->job->out + (size_t)r->rank * bytes, r->job->in, bytes);
}

struct wr_error *wr_ring_round(struct wr_comm *group, struct wr_ring_lane *lanes, int n_lanes,
                               const struct wr_job *job, const struct wr_ring_head *head) {
  struct round r = {.job = job,
                    .group = group,
                    .head = head,
                    .wait = {.group = group},
                    .rank = group->rank,
                    .size = group->size,
                    .item = wr_dtype_size(job->dtype)};
  struct lane state[WR_RING_LANES] = {{0}};
  char *parts = NULL;
  r.steps = (reduces(&r) ? 2 : 1) * (r.size - 1);
  r.block = job->what == WR_SUM_SCATTER ? job->count / (size_t)r.size : job->count;
  if (job->what == WR_SUM_SCATTER && r.block > 0) {
    parts = wr_alloc(2 * r.block * r.item);
    if (!parts) return wr_error_out_of_memory();
  }
  for (int i = 0; i < n_lanes; i++) {
    state[i].ring = &lanes[i];
    state[i].lo = r.block * (size_t)i / (size_t)n_lanes;
    state[i].hi = r.block * ((size_t)i + 1) / (size_t)n_lanes;
    state[i].parts = parts ? parts + 2 * state[i].lo * r.item : NULL;
  }
  wr_ring_wait_anew(&r.wait);
  put_own(&r);
  struct wr_error *error = run(&r, state, n_lanes);
  wr_free(parts);
  return error;
}
