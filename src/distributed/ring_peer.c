/* What one rank sends to the one beside it, on a connection of its own that carries nothing else:
   each way one after the other. No locks. */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "distributed/ring.h"

/* What comes from the connection is as if it came at once. */
static struct wr_error *wait_for(struct wr_ring_wait *wait, int fd, short events, int rank) {
  struct pollfd one = {.fd = fd, .events = events};
  const int left = wr_ring_wait_left(wait);
  if (left == 0) return wr_ring_late(wait->group, rank);
  (void)poll(&one, 1, left);
  return NULL;
}

static bool for_now(ssize_t n) { return n < 0 && (errno == EAGAIN || errno == EINTR); }

/* Adds what a call has moved, which gave n, or waits until the socket is ready for more. Reading
   nothing is the end of the other side. */
static struct wr_error *moved(struct wr_ring_wait *wait, int fd, int rank, short events, ssize_t n,
                              size_t *done) {
  if (for_now(n)) return wait_for(wait, fd, events, rank);
  if (n < 0 || (n == 0 && events == POLLIN)) return wr_ring_lost(rank, n < 0 ? errno : 0);
  *done += (size_t)n;
  if (n > 0) wr_ring_wait_anew(wait);
  return NULL;
}

static struct wr_error *write_all(struct wr_ring_wait *wait, int fd, int rank, const void *data,
                                  size_t bytes) {
  struct wr_error *error = NULL;
  for (size_t at = 0; at < bytes && !error;) {
    const ssize_t n = send(fd, (const char *)data + at, bytes - at, MSG_NOSIGNAL);
    error = moved(wait, fd, rank, POLLOUT, n, &at);
  }
  return error;
}

static struct wr_error *read_all(struct wr_ring_wait *wait, int fd, int rank, void *data,
                                 size_t bytes) {
  struct wr_error *error = NULL;
  for (size_t at = 0; at < bytes && !error;) {
    const ssize_t n = recv(fd, (char *)data + at, bytes - at, 0);
    error = moved(wait, fd, rank, POLLIN, n, &at);
  }
  return error;
}

static struct wr_ring_wait begin(struct wr_comm *group) {
  struct wr_ring_wait wait = {.group = group};
  wr_ring_wait_anew(&wait);
  return wait;
}

/* The result of a send is what was sent. */
struct wr_error *wr_ring_send(struct wr_comm *group, int fd, const struct wr_job *job,
                              const struct wr_ring_head *head) {
  struct wr_ring_wait wait = begin(group);
  const size_t bytes = job->count * wr_dtype_size(job->dtype);
  struct wr_error *error = write_all(&wait, fd, job->peer, head, sizeof *head);
  if (!error) error = write_all(&wait, fd, job->peer, job->in, bytes);
  if (!error && bytes > 0) memcpy(job->out, job->in, bytes);
  return error;
}

struct wr_error *wr_ring_recv(struct wr_comm *group, int fd, const struct wr_job *job,
                              const struct wr_ring_head *head) {
  struct wr_ring_wait wait = begin(group);
  struct wr_ring_head theirs;
  const size_t bytes = job->count * wr_dtype_size(job->dtype);
  struct wr_error *error = read_all(&wait, fd, job->peer, &theirs, sizeof theirs);
  if (!error) error = wr_ring_check_head(&theirs, head, job->peer);
  return error ? error : read_all(&wait, fd, job->peer, job->out, bytes);
}
