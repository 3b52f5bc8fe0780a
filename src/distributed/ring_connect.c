/* How the processes of a ring find each other. Each listens for the rank before it and connects to
   the rank after it, all lanes at once and in one loop, so nobody has to start first. Who connects
   says who it is; who listens answers. What says nothing, or something else, is put away, and does
   not hold up anybody: there may be other programs on the network. No locks. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/text.h"
#include "distributed/ring.h"

enum {
  VERSION = 1,
  CALLERS = 64,        /* who has been accepted and has not said who it is */
  FIRST_RETRY_MS = 20, /* of a connection that is refused; doubles up to */
  LAST_RETRY_MS = 1000
};
static const uint64_t ms = 1000000;
static const uint64_t hello_ns = UINT64_C(10000000000); /* for who has been accepted */

static const char magic[8] = {'W', 'E', 'I', 'R', 'R', 'I', 'N', 'G'};

struct hello {
  char magic[8];
  uint32_t version, size, from, to, lane, lanes;
  uint64_t id;
};

struct answer {
  char magic[8];
  uint32_t yes, rank;
};

enum state { PAUSES, CONNECTS, AWAITS_ANSWER, CONNECTED };

/* A connection to the rank after this one. */
struct outgoing {
  enum state state;
  int fd;
  int number;     /* errno of the last attempt */
  uint64_t again; /* when it is tried again, while it pauses */
  uint64_t pause;
  size_t got;
  struct answer answer;
};

/* One from somebody who may be the rank before this one. */
struct caller {
  int fd; /* -1: none */
  uint64_t until;
  size_t got;
  struct hello hello;
};

struct meeting {
  const struct wr_ring_plan *plan;
  struct wr_ring_link *links;
  int n; /* lanes + 1 */
  struct outgoing out[WR_RING_LANES + 1];
  struct caller callers[CALLERS];
  uint64_t until;
  struct wr_error *error;
};

char *wr_ring_address(const struct sockaddr_in *address, char buf[WR_RING_ADDRESS]) {
  char host[INET_ADDRSTRLEN] = "?";
  (void)inet_ntop(AF_INET, &address->sin_addr, host, sizeof host);
  snprintf(buf, WR_RING_ADDRESS, "%s:%u", host, (unsigned)ntohs(address->sin_port));
  return buf;
}

/* ---- sockets ---- */

static struct wr_error *socket_error(const char *what, const struct sockaddr_in *address,
                                     int number) {
  char text[WR_RING_ADDRESS];
  return wr_error_new(WEIR_ERROR_DEVICE, "[ring] Cannot %s %s: %s", what,
                      wr_ring_address(address, text), wr_text_of_errno(number));
}

struct wr_error *wr_ring_listen(struct sockaddr_in *address, int *out) {
  const int yes = 1;
  socklen_t n = sizeof *address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return socket_error("open a socket for", address, errno);
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, (struct sockaddr *)address, sizeof *address) || listen(fd, CALLERS) ||
      getsockname(fd, (struct sockaddr *)address, &n)) {
    struct wr_error *error = socket_error("listen at", address, errno);
    close(fd);
    return error;
  }
  *out = fd;
  return NULL;
}

void wr_ring_tune(int fd) {
  const int yes = 1, idle = 5, interval = 1, probes = 5;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

/* ---- to the rank after this one ---- */

static const struct sockaddr_in *address_of(const struct meeting *m, int lane) {
  return &m->plan->next[lane < m->plan->lanes ? lane : 0];
}

static int next_rank(const struct wr_ring_plan *plan) { return (plan->rank + 1) % plan->size; }
static int rank_before(const struct wr_ring_plan *plan) {
  return (plan->rank + plan->size - 1) % plan->size;
}

static void pause_outgoing(struct outgoing *o, int number) {
  if (o->fd >= 0) close(o->fd);
  o->fd = -1;
  o->state = PAUSES;
  o->number = number;
  o->again = wr_clock_ns() + o->pause;
  if (o->pause < LAST_RETRY_MS * ms) o->pause *= 2;
}

bool wr_ring_met_itself(int fd) {
  struct sockaddr_in here = {0}, there = {0};
  socklen_t n = sizeof here, m = sizeof there;
  return !getsockname(fd, (struct sockaddr *)&here, &n) &&
         !getpeername(fd, (struct sockaddr *)&there, &m) && here.sin_port == there.sin_port &&
         here.sin_addr.s_addr == there.sin_addr.s_addr;
}

static void say_hello(struct meeting *m, int lane) {
  const struct wr_ring_plan *plan = m->plan;
  struct outgoing *o = &m->out[lane];
  struct hello hello = {.version = VERSION,
                        .size = (uint32_t)plan->size,
                        .from = (uint32_t)plan->rank,
                        .to = (uint32_t)next_rank(plan),
                        .lane = (uint32_t)lane,
                        .lanes = (uint32_t)plan->lanes,
                        .id = plan->id};
  int number = 0;
  socklen_t n = sizeof number;
  memcpy(hello.magic, magic, sizeof magic);
  if (getsockopt(o->fd, SOL_SOCKET, SO_ERROR, &number, &n)) number = errno;
  if (number == 0 && wr_ring_met_itself(o->fd)) number = ECONNREFUSED;
  /* A new connection has room for so little. */
  if (number == 0 && send(o->fd, &hello, sizeof hello, MSG_NOSIGNAL) != (ssize_t)sizeof hello) {
    number = errno;
  }
  if (number) {
    pause_outgoing(o, number);
    return;
  }
  o->state = AWAITS_ANSWER;
  o->got = 0;
}

static void connect_to_next(struct meeting *m, int lane) {
  struct outgoing *o = &m->out[lane];
  const struct sockaddr_in *address = address_of(m, lane);
  o->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (o->fd < 0) {
    m->error = socket_error("open a socket for", address, errno);
    return;
  }
  wr_ring_tune(o->fd);
  o->state = CONNECTS;
  if (!connect(o->fd, (const struct sockaddr *)address, sizeof *address)) {
    say_hello(m, lane);
  } else if (errno != EINPROGRESS) {
    pause_outgoing(o, errno);
  }
}

/* What has come of the answer is no process of the ring's, or one that takes this for another. */
static void refuse_answer(struct meeting *m, int lane, const char *what) {
  char text[WR_RING_ADDRESS];
  m->error = wr_error_new(WEIR_ERROR_STATE, "[ring] Rank %d is not at %s: %s", next_rank(m->plan),
                          wr_ring_address(address_of(m, lane), text), what);
}

static void read_answer(struct meeting *m, int lane) {
  struct outgoing *o = &m->out[lane];
  ssize_t n = recv(o->fd, (char *)&o->answer + o->got, sizeof o->answer - o->got, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    pause_outgoing(o, n < 0 ? errno : ECONNRESET);
    return;
  }
  o->got += (size_t)n;
  if (memcmp(o->answer.magic, magic, o->got < sizeof magic ? o->got : sizeof magic) != 0) {
    refuse_answer(m, lane, "what answers there is something else");
  } else if (o->got < sizeof o->answer) {
    return;
  } else if (!o->answer.yes || o->answer.rank != (uint32_t)next_rank(m->plan)) {
    refuse_answer(
        m, lane, "the process there has another host file or another rank, or is of another group");
  } else {
    o->state = CONNECTED;
    m->links[lane].right = o->fd;
  }
}

static void outgoing_ready(struct meeting *m, int lane) {
  if (m->out[lane].state == CONNECTS) {
    say_hello(m, lane);
  } else if (m->out[lane].state == AWAITS_ANSWER) {
    read_answer(m, lane);
  }
}

/* ---- from the rank before this one ---- */

static void hang_up(struct caller *c) {
  close(c->fd);
  c->fd = -1;
}

/* A place for one more; who has waited longest goes where there is none. */
static struct caller *free_place(struct meeting *m) {
  struct caller *oldest = &m->callers[0];
  for (int i = 0; i < CALLERS; i++) {
    if (m->callers[i].fd < 0) return &m->callers[i];
    if (m->callers[i].until < oldest->until) oldest = &m->callers[i];
  }
  hang_up(oldest);
  return oldest;
}

static void accept_caller(struct meeting *m, int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  wr_ring_tune(fd);
  struct caller *c = free_place(m);
  *c = (struct caller){.fd = fd, .until = wr_clock_ns() + hello_ns};
}

static bool is_expected(const struct meeting *m, const struct hello *h) {
  const struct wr_ring_plan *plan = m->plan;
  return h->version == VERSION && h->size == (uint32_t)plan->size &&
         h->from == (uint32_t)rank_before(plan) && h->to == (uint32_t)plan->rank &&
         h->lanes == (uint32_t)plan->lanes && h->lane < (uint32_t)m->n && h->id == plan->id;
}

/* The one that comes last counts: a process that was started anew has left the other. */
static void welcome(struct meeting *m, struct caller *c) {
  int *place = &m->links[c->hello.lane].left;
  if (*place >= 0) close(*place);
  *place = c->fd;
  c->fd = -1;
}

static void read_hello(struct meeting *m, struct caller *c) {
  struct answer answer = {.rank = (uint32_t)m->plan->rank};
  ssize_t n = recv(c->fd, (char *)&c->hello + c->got, sizeof c->hello - c->got, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0) c->got += (size_t)n;
  const size_t seen = c->got < sizeof magic ? c->got : sizeof magic;
  if (n <= 0 || memcmp(c->hello.magic, magic, seen) != 0) {
    hang_up(c);
    return;
  }
  if (c->got < sizeof c->hello) return;
  answer.yes = is_expected(m, &c->hello);
  memcpy(answer.magic, magic, sizeof magic);
  bool told = send(c->fd, &answer, sizeof answer, MSG_NOSIGNAL) == (ssize_t)sizeof answer;
  if (answer.yes && told) {
    welcome(m, c);
  } else {
    hang_up(c);
  }
}

/* ---- the loop ---- */

static bool all_met(const struct meeting *m) {
  for (int i = 0; i < m->n; i++) {
    if (m->links[i].left < 0 || m->out[i].state != CONNECTED) return false;
  }
  return true;
}

/* Begins what has paused long enough, ends who has said nothing; the next time to look. */
static uint64_t on_time(struct meeting *m) {
  uint64_t now = wr_clock_ns(), next = m->until;
  for (int i = 0; i < m->n && !m->error; i++) {
    struct outgoing *o = &m->out[i];
    if (o->state == PAUSES && o->again <= now) connect_to_next(m, i);
    if (o->state == PAUSES && o->again < next) next = o->again;
  }
  for (int i = 0; i < CALLERS; i++) {
    struct caller *c = &m->callers[i];
    if (c->fd >= 0 && c->until <= now) hang_up(c);
    if (c->fd >= 0 && c->until < next) next = c->until;
  }
  return next;
}

enum { POLLED = 2 * WR_RING_LANES + 2 + CALLERS };

static int what_to_poll(const struct meeting *m, struct pollfd *fds) {
  int n = 0;
  for (int i = 0; i < m->plan->lanes; i++) {
    fds[n++] = (struct pollfd){.fd = m->plan->listeners[i], .events = POLLIN};
  }
  for (int i = 0; i < m->n; i++) {
    const struct outgoing *o = &m->out[i];
    bool waits = o->state == CONNECTS || o->state == AWAITS_ANSWER;
    fds[n++] = (struct pollfd){.fd = waits ? o->fd : -1,
                               .events = o->state == CONNECTS ? POLLOUT : POLLIN};
  }
  for (int i = 0; i < CALLERS; i++) {
    fds[n++] = (struct pollfd){.fd = m->callers[i].fd, .events = POLLIN};
  }
  fds[n++] = (struct pollfd){.fd = m->plan->watched, .events = POLLRDHUP};
  return n;
}

/* Who was accepted in this turn is polled in the next. */
static void act(struct meeting *m, const struct pollfd *fds) {
  const struct pollfd *outgoing = fds + m->plan->lanes, *callers = outgoing + m->n;
  for (int i = 0; i < CALLERS; i++) {
    if (callers[i].revents && m->callers[i].fd >= 0) read_hello(m, &m->callers[i]);
  }
  if (callers[CALLERS].revents) {
    m->error = wr_error_new(WEIR_ERROR_DEVICE,
                            "[ring] A process of the group that is split is gone, or has failed");
  }
  for (int i = 0; i < m->n && !m->error; i++) {
    if (outgoing[i].revents) outgoing_ready(m, i);
  }
  for (int i = 0; i < m->plan->lanes; i++) {
    if (fds[i].revents) accept_caller(m, m->plan->listeners[i]);
  }
}

static void one_turn(struct meeting *m) {
  struct pollfd fds[POLLED];
  const uint64_t next = on_time(m), now = wr_clock_ns();
  if (m->error) return;
  const uint64_t left = next > now ? (next - now) / ms + 1 : 0;
  const int n = what_to_poll(m, fds);
  if (poll(fds, (nfds_t)n, left < 60000 ? (int)left : 60000) > 0) act(m, fds);
}

static struct wr_error *too_late(const struct meeting *m) {
  const struct wr_ring_plan *plan = m->plan;
  const double seconds = (double)plan->limit_ns * 1e-9;
  char text[WR_RING_ADDRESS];
  for (int i = 0; i < m->n; i++) {
    const struct outgoing *o = &m->out[i];
    if (o->state == CONNECTED) continue;
    return wr_error_new(WEIR_ERROR_TIMEOUT,
                        "[ring] Rank %d has no sockets to the right: no connection to rank %d at %s"
                        " in %g s: %s",
                        plan->rank, next_rank(plan), wr_ring_address(address_of(m, i), text),
                        seconds, o->number ? wr_text_of_errno(o->number) : "no answer");
  }
  return wr_error_new(WEIR_ERROR_TIMEOUT,
                      "[ring] Rank %d has no sockets to the left: no connection from rank %d in "
                      "%g s",
                      plan->rank, rank_before(plan), seconds);
}

static void let_all_go(struct meeting *m) {
  for (int i = 0; i < CALLERS; i++) {
    if (m->callers[i].fd >= 0) hang_up(&m->callers[i]);
  }
  for (int i = 0; i < m->n && m->error; i++) {
    if (m->out[i].fd >= 0) close(m->out[i].fd);
    if (m->links[i].left >= 0) close(m->links[i].left);
    m->links[i] = (struct wr_ring_link){-1, -1};
  }
}

struct wr_error *wr_ring_connect(const struct wr_ring_plan *plan, struct wr_ring_link *links) {
  struct meeting *m = wr_calloc(sizeof *m);
  if (!m) return wr_error_out_of_memory();
  m->plan = plan;
  m->links = links;
  m->n = plan->lanes + 1;
  m->until = plan->limit_ns ? wr_clock_ns() + plan->limit_ns : UINT64_MAX;
  for (int i = 0; i < CALLERS; i++) m->callers[i].fd = -1;
  for (int i = 0; i < m->n; i++) {
    m->out[i] = (struct outgoing){.state = PAUSES, .fd = -1, .pause = FIRST_RETRY_MS * ms};
    links[i] = (struct wr_ring_link){-1, -1};
  }
  while (!m->error && !all_met(m)) {
    if (wr_clock_ns() >= m->until) {
      m->error = too_late(m);
    } else {
      one_turn(m);
    }
  }
  let_all_go(m);
  struct wr_error *error = m->error;
  wr_free(m);
  return error;
}
