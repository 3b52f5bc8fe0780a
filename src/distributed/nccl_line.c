/* A process's line to the hub: how it is made, and what is said and heard. Lock: EVENT, for the
   list of lines, which the child of a fork closes. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "base/fork.h"
#include "base/grow.h"
#include "base/text.h"
#include "distributed/nccl.h"
#include "distributed/ring.h"

enum { FIRST_RETRY_MS = 20, LAST_RETRY_MS = 500 };
static const uint64_t ms = 1000000;

static struct wr_list lines = {.lock = WR_MUTEX_INIT(WR_RANK_EVENT),
                               .offset = offsetof(struct wr_nccl_line, listed)};

static void forget_in_child(void) {
  for (struct wr_nccl_line *l = wr_list_first(&lines); l; l = wr_list_next(&lines, l)) {
    close(l->fd);
  }
  lines.first = NULL;
}

WR_AT_FORK(.rank = WR_RANK_EVENT, .lock = &lines.lock, .child = forget_in_child)

/* ---- making one ---- */

struct reaching {
  const struct wr_nccl_place *place;
  struct sockaddr_in address;
  uint64_t until;
  int fd;     /* -1: none */
  int number; /* errno of the latest attempt */
};

/* Waits for the socket; false when there is no time left. */
static bool wait_for(const struct reaching *r, short what) {
  struct pollfd fd = {.fd = r->fd, .events = what};
  for (;;) {
    const uint64_t now = wr_clock_ns();
    if (now >= r->until) return false;
    const uint64_t left = (r->until - now) / ms + 1;
    if (poll(&fd, 1, left < 60000 ? (int)left : 60000) > 0) return true;
  }
}

static void give_up(struct reaching *r, int number) {
  r->number = number;
  if (r->fd >= 0) close(r->fd);
  r->fd = -1;
}

static void connect_once(struct reaching *r) {
  int number = 0;
  socklen_t n = sizeof number;
  r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (r->fd < 0) {
    r->number = errno;
    return;
  }
  wr_ring_tune(r->fd);
  if (connect(r->fd, (const struct sockaddr *)&r->address, sizeof r->address) &&
      errno != EINPROGRESS) {
    give_up(r, errno);
  } else if (!wait_for(r, POLLOUT) || getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &number, &n)) {
    give_up(r, ETIMEDOUT);
  } else if (number || wr_ring_met_itself(r->fd)) {
    give_up(r, number ? number : ECONNREFUSED);
  }
}

/* All of the answer; false when the connection is over, or the time. */
static bool read_answer(struct reaching *r, struct wr_nccl_answer *answer) {
  for (size_t got = 0; got < sizeof *answer;) {
    if (!wait_for(r, POLLIN)) return false;
    const ssize_t n = recv(r->fd, (char *)answer + got, sizeof *answer - got, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n <= 0) r->number = n < 0 ? errno : ECONNRESET;
    if (n <= 0) return false;
    got += (size_t)n;
    if (memcmp(answer->magic, wr_nccl_answer_magic, got < 8 ? got : 8) != 0) return true;
  }
  return true;
}

static bool say_hello(struct reaching *r, struct wr_nccl_answer *answer) {
  struct wr_nccl_hello hello = {.version = WR_NCCL_VERSION,
                                .rank = (uint32_t)r->place->rank,
                                .size = (uint32_t)r->place->size};
  memcpy(hello.magic, wr_nccl_hello_magic, sizeof hello.magic);
  return send(r->fd, &hello, sizeof hello, MSG_NOSIGNAL) == (ssize_t)sizeof hello &&
         read_answer(r, answer);
}

static struct wr_error *refused(const struct wr_nccl_place *place, const char *why) {
  return wr_error_new(WEIR_ERROR_STATE, "[nccl] Rank 0 is not at %s:%s: %s", place->host,
                      place->port, why);
}

static struct wr_error *check_answer(struct wr_nccl_place *place,
                                     const struct wr_nccl_answer *answer) {
  if (memcmp(answer->magic, wr_nccl_answer_magic, sizeof answer->magic) != 0) {
    return refused(place, "what answers there is something else");
  }
  if (!answer->yes) {
    return refused(place, "the process there has another MLX_WORLD_SIZE, or has met this rank");
  }
  memcpy(place->ids, answer->ids, sizeof place->ids);
  return NULL;
}

/* Whoever starts first waits for rank 0. */
static struct wr_error *reach(struct wr_nccl_place *place, int *fd) {
  struct reaching r = {.place = place, .fd = -1};
  struct wr_nccl_answer answer;
  char address[300];
  uint64_t pause = FIRST_RETRY_MS * ms;
  snprintf(address, sizeof address, "%.250s:%.10s", place->host, place->port);
  struct wr_error *error = wr_ring_resolve(address, &r.address);
  if (error) return error;
  r.until = place->limit_ns ? wr_clock_ns() + place->limit_ns : UINT64_MAX;
  for (;;) {
    connect_once(&r);
    if (r.fd >= 0 && say_hello(&r, &answer)) break;
    give_up(&r, r.number);
    if (wr_clock_ns() + pause >= r.until) {
      return wr_error_new(WEIR_ERROR_TIMEOUT, "[nccl] No connection to rank 0 at %s in %g s: %s",
                          address, (double)place->limit_ns * 1e-9, wr_text_of_errno(r.number));
    }
    wr_nap(pause);
    if (pause < LAST_RETRY_MS * ms) pause *= 2;
  }
  error = check_answer(place, &answer);
  if (error) close(r.fd);
  *fd = r.fd;
  return error;
}

struct wr_error *wr_nccl_meet(struct wr_nccl_place *place, struct wr_nccl_line **out) {
  const size_t size = (size_t)place->size;
  struct wr_nccl_line *l = wr_calloc(sizeof *l + size * sizeof l->gone[0]);
  if (!l) return wr_error_out_of_memory();
  struct wr_error *error =
      place->rank == 0 ? wr_nccl_hub_start(place, &l->fd) : reach(place, &l->fd);
  if (error) {
    wr_free(l);
    return error;
  }
  l->size = place->size;
  l->generation = wr_fork_generation;
  wr_store_relaxed(&l->refs, 1u); /* relaxed: not yet shared */
  wr_list_enter(&lines, l);
  *out = l;
  return NULL;
}

struct wr_nccl_line *wr_nccl_line_retain(struct wr_nccl_line *line) {
  wr_ref_take(&line->refs);
  return line;
}

void wr_nccl_line_release(struct wr_nccl_line *l) {
  if (!wr_ref_drop(&l->refs)) return;
  if (l->generation == wr_fork_generation) { /* in the child of a fork it is closed */
    wr_list_leave(&lines, l);
    close(l->fd);
  }
  wr_free(l->failed);
  wr_free(l);
}

/* ---- saying and hearing ---- */

void wr_nccl_say(struct wr_nccl_line *l, const struct wr_nccl_word *word) {
  if (send(l->fd, word, sizeof *word, MSG_NOSIGNAL) != (ssize_t)sizeof *word) {
    (void)shutdown(l->fd, SHUT_RDWR); /* which is heard */
  }
}

static void end_line(struct wr_nccl_line *l) {
  l->changes += !l->over;
  l->over = true;
}

static void note_failed(struct wr_nccl_line *l, uint64_t group) {
  if (wr_nccl_has_failed(l, group)) return;
  if (!wr_grow(&l->failed, &l->room, l->n_failed + 1, 8, sizeof *l->failed)) {
    end_line(l);
    return;
  }
  l->failed[l->n_failed++] = group;
  l->changes++;
}

bool wr_nccl_has_failed(const struct wr_nccl_line *l, uint64_t group) {
  for (size_t i = 0; i < l->n_failed; i++) {
    if (l->failed[i] == group) return true;
  }
  return false;
}

/* True: it is about an exchange. */
static bool take_word(struct wr_nccl_line *l) {
  const struct wr_nccl_word *word = &l->word;
  if (word->kind == WR_NCCL_GO || word->kind == WR_NCCL_DIFFER) return true;
  if (word->kind == WR_NCCL_FAILED) {
    note_failed(l, word->group);
  } else if (word->kind == WR_NCCL_GONE && word->sender < (uint32_t)l->size) {
    l->changes += !l->gone[word->sender];
    l->gone[word->sender] = true;
  }
  return false;
}

bool wr_nccl_hear(struct wr_nccl_line *l, struct wr_nccl_word *word) {
  while (!l->over) {
    const ssize_t n = recv(l->fd, (char *)&l->word + l->got, sizeof l->word - l->got, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0) {
      end_line(l);
      return false;
    }
    l->got += (size_t)n;
    if (l->got < sizeof l->word) continue;
    l->got = 0;
    *word = l->word;
    if (take_word(l)) return true;
  }
  return false;
}
