/* The hub: a thread of rank 0's that all processes of a group of NCCL's have a line to. It matches
   sends with receives, and tells all who is gone and which groups have failed. It waits for nobody:
   a line that takes no more is closed. Lock: EVENT, for its descriptors, which the child of a fork
   closes, so that others see the end of the parent; held with no other. */

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/fork.h"
#include "base/list.h"
#include "base/text.h"
#include "base/thread.h"
#include "distributed/nccl.h"
#include "distributed/ring.h"

const char wr_nccl_hello_magic[8] = {'W', 'E', 'I', 'R', 'N', 'C', 'C', 'L'};
const char wr_nccl_answer_magic[8] = {'N', 'C', 'C', 'L', 'W', 'E', 'I', 'R'};

enum { CALLERS = 64 };
static const uint64_t hello_ns = UINT64_C(10000000000); /* for who has been accepted */

struct guest {
  int fd; /* -1: none; under the LOCK where it changes */
  size_t got;
  struct wr_nccl_word word;
};

struct caller {
  int fd; /* the same */
  uint64_t until;
  size_t got;
  struct wr_nccl_hello hello;
};

struct offer {
  struct offer *next;
  struct wr_nccl_word word;
};

struct hub {
  struct wr_listed listed;
  int listener;      /* as of a guest */
  int size, present; /* present: how many ever came */
  char ids[WR_NCCL_LANES][WR_EXCHANGE_ID_BYTES];
  struct caller callers[CALLERS];
  struct offer *offers; /* for which the other side has not come, the latest last */
  bool *gone;
  struct pollfd *polled;
  struct guest guests[]; /* by rank */
};

static struct wr_list hubs = {.lock = WR_MUTEX_INIT(WR_RANK_EVENT),
                              .offset = offsetof(struct hub, listed)};

/* ---- descriptors ---- */

static void put_fd(int *place, int fd) {
  wr_mutex_lock(&hubs.lock);
  *place = fd;
  wr_mutex_unlock(&hubs.lock);
}

static void hang_up(int *place) {
  const int fd = *place;
  if (fd < 0) return;
  put_fd(place, -1);
  close(fd);
}

static void close_all(const struct hub *h) {
  if (h->listener >= 0) close(h->listener);
  for (int i = 0; i < CALLERS; i++) {
    if (h->callers[i].fd >= 0) close(h->callers[i].fd);
  }
  for (int i = 0; i < h->size; i++) {
    if (h->guests[i].fd >= 0) close(h->guests[i].fd);
  }
}

static void forget_in_child(void) {
  for (struct hub *h = wr_list_first(&hubs); h; h = wr_list_next(&hubs, h)) close_all(h);
  hubs.first = NULL;
}

WR_AT_FORK(.rank = WR_RANK_EVENT, .lock = &hubs.lock, .child = forget_in_child)

/* ---- telling ---- */

static void lose(struct hub *h, int rank);

static void tell(struct hub *h, int rank, const struct wr_nccl_word *word) {
  const int fd = h->guests[rank].fd;
  if (fd < 0) return;
  if (send(fd, word, sizeof *word, MSG_NOSIGNAL) != (ssize_t)sizeof *word) lose(h, rank);
}

static void tell_others(struct hub *h, int but, const struct wr_nccl_word *word) {
  for (int i = 0; i < h->size; i++) {
    if (i != but) tell(h, i, word);
  }
}

/* It comes here once for each rank, so the calls do not nest deeper than there are ranks. */
static void lose(struct hub *h, int rank) {
  const struct wr_nccl_word word = {.kind = WR_NCCL_GONE, .sender = (uint32_t)rank};
  if (h->gone[rank]) return;
  h->gone[rank] = true;
  hang_up(&h->guests[rank].fd);
  tell_others(h, rank, &word);
}

/* ---- offers ---- */

static bool are_two_sides(const struct wr_nccl_word *a, const struct wr_nccl_word *b) {
  return a->kind != b->kind && a->group == b->group && a->sender == b->sender &&
         a->receiver == b->receiver;
}

static void begin_both(struct hub *h, const struct wr_nccl_word *a, const struct wr_nccl_word *b) {
  struct wr_nccl_word word = *a;
  word.kind = a->count == b->count && a->dtype == b->dtype ? WR_NCCL_GO : WR_NCCL_DIFFER;
  tell(h, (int)a->sender, &word);
  tell(h, (int)a->receiver, &word);
}

static void take_offer(struct hub *h, const struct wr_nccl_word *word) {
  struct offer **place = &h->offers;
  while (*place && !are_two_sides(&(*place)->word, word)) place = &(*place)->next;
  struct offer *other = *place;
  if (other) {
    *place = other->next;
    begin_both(h, &other->word, word);
    wr_free(other);
    return;
  }
  struct offer *mine = wr_alloc(sizeof *mine);
  if (!mine) { /* nobody is to wait for it */
    const struct wr_nccl_word over = {.kind = WR_NCCL_FAILED, .group = word->group};
    tell_others(h, -1, &over);
    return;
  }
  *mine = (struct offer){.word = *word};
  *place = mine;
}

/* What has another form is no process of ours. */
static void take_word(struct hub *h, int rank, const struct wr_nccl_word *word) {
  const uint32_t size = (uint32_t)h->size, me = (uint32_t)rank;
  const bool sends = word->kind == WR_NCCL_OFFERS_SEND && word->sender == me;
  const bool receives = word->kind == WR_NCCL_OFFERS_RECV && word->receiver == me;
  if ((sends || receives) && word->sender < size && word->receiver < size) {
    take_offer(h, word);
  } else if (word->kind == WR_NCCL_FAILED) {
    tell_others(h, rank, word);
  } else {
    lose(h, rank);
  }
}

static void hear(struct hub *h, int rank) {
  struct guest *g = &h->guests[rank];
  while (g->fd >= 0) {
    const ssize_t n = recv(g->fd, (char *)&g->word + g->got, sizeof g->word - g->got, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      lose(h, rank);
      return;
    }
    g->got += (size_t)n;
    if (g->got < sizeof g->word) continue;
    g->got = 0;
    take_word(h, rank, &g->word);
  }
}

/* ---- who comes ---- */

/* A place for one more; who has waited longest goes where there is none. */
static void accept_caller(struct hub *h) {
  const int fd = accept4(h->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  wr_ring_tune(fd);
  struct caller *c = &h->callers[0];
  for (int i = 0; i < CALLERS && c->fd >= 0; i++) {
    struct caller *other = &h->callers[i];
    if (other->fd < 0 || other->until < c->until) c = other;
  }
  hang_up(&c->fd);
  c->got = 0;
  c->until = wr_clock_ns() + hello_ns;
  put_fd(&c->fd, fd);
}

static bool is_expected(const struct hub *h, const struct wr_nccl_hello *hello) {
  return hello->version == WR_NCCL_VERSION && hello->size == (uint32_t)h->size &&
         hello->rank < hello->size && h->guests[hello->rank].fd < 0 && !h->gone[hello->rank];
}

/* Who comes late is told who is gone. */
static void welcome(struct hub *h, struct caller *c) {
  const int rank = (int)c->hello.rank, fd = c->fd;
  put_fd(&c->fd, -1);
  put_fd(&h->guests[rank].fd, fd);
  h->present++;
  for (int i = 0; i < h->size; i++) {
    const struct wr_nccl_word word = {.kind = WR_NCCL_GONE, .sender = (uint32_t)i};
    if (h->gone[i]) tell(h, rank, &word);
  }
  if (h->present == h->size) hang_up(&h->listener);
}

static void hear_caller(struct hub *h, struct caller *c) {
  struct wr_nccl_answer answer = {.yes = 0};
  const ssize_t n = recv(c->fd, (char *)&c->hello + c->got, sizeof c->hello - c->got, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0) c->got += (size_t)n;
  const size_t seen = c->got < sizeof wr_nccl_hello_magic ? c->got : sizeof wr_nccl_hello_magic;
  if (n <= 0 || memcmp(c->hello.magic, wr_nccl_hello_magic, seen) != 0) {
    hang_up(&c->fd);
    return;
  }
  if (c->got < sizeof c->hello) return;
  memcpy(answer.magic, wr_nccl_answer_magic, sizeof answer.magic);
  answer.yes = is_expected(h, &c->hello);
  if (answer.yes) memcpy(answer.ids, h->ids, sizeof answer.ids);
  const bool told = send(c->fd, &answer, sizeof answer, MSG_NOSIGNAL) == (ssize_t)sizeof answer;
  if (told && answer.yes) {
    welcome(h, c);
  } else {
    hang_up(&c->fd);
  }
}

/* ---- the loop ---- */

/* Milliseconds until a caller who has said nothing is put away. */
static int on_time(struct hub *h) {
  const uint64_t now = wr_clock_ns();
  int ms = -1;
  for (int i = 0; i < CALLERS; i++) {
    struct caller *c = &h->callers[i];
    if (c->fd >= 0 && c->until <= now) hang_up(&c->fd);
    if (c->fd < 0) continue;
    const int left = (int)((c->until - now) / 1000000) + 1;
    if (ms < 0 || left < ms) ms = left;
  }
  return ms;
}

static void one_turn(struct hub *h) {
  const int ms = on_time(h);
  struct pollfd *fds = h->polled, *guests = fds + 1 + CALLERS;
  fds[0] = (struct pollfd){.fd = h->listener, .events = POLLIN};
  for (int i = 0; i < CALLERS; i++) {
    fds[1 + i] = (struct pollfd){.fd = h->callers[i].fd, .events = POLLIN};
  }
  for (int i = 0; i < h->size; i++) {
    guests[i] = (struct pollfd){.fd = h->guests[i].fd, .events = POLLIN};
  }
  if (poll(fds, (nfds_t)1 + CALLERS + (nfds_t)h->size, ms) <= 0) return;
  for (int i = 0; i < h->size; i++) {
    if (guests[i].revents) hear(h, i);
  }
  for (int i = 0; i < CALLERS; i++) {
    if (fds[1 + i].revents) hear_caller(h, &h->callers[i]);
  }
  if (fds[0].revents) accept_caller(h);
}

static void hub_free(struct hub *h) {
  wr_list_leave(&hubs, h);
  close_all(h);
  while (h->offers) {
    struct offer *o = h->offers;
    h->offers = o->next;
    wr_free(o);
  }
  wr_free(h->gone);
  wr_free(h->polled);
  wr_free(h);
}

/* Rank 0's line ends with the last of its groups. */
static void *hub_main(void *arg) {
  struct hub *h = arg;
  (void)pthread_detach(pthread_self());
  while (!h->gone[0]) one_turn(h);
  hub_free(h);
  return NULL;
}

/* ---- beginning ---- */

static struct hub *hub_new(const struct wr_nccl_place *place) {
  struct hub *h = wr_calloc(sizeof *h + (size_t)place->size * sizeof h->guests[0]);
  if (!h) return NULL;
  h->size = place->size;
  h->listener = -1;
  for (int i = 0; i < CALLERS; i++) h->callers[i].fd = -1;
  for (int i = 0; i < h->size; i++) h->guests[i].fd = -1;
  memcpy(h->ids, place->ids, sizeof h->ids);
  h->gone = wr_calloc((size_t)h->size * sizeof *h->gone);
  h->polled = wr_calloc((size_t)(1 + CALLERS + h->size) * sizeof *h->polled);
  wr_list_enter(&hubs, h);
  if (h->gone && h->polled) return h;
  hub_free(h);
  return NULL;
}

static struct wr_error *listen_at(struct hub *h, const char *port) {
  const struct sockaddr_in any = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_ANY),
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
  struct sockaddr_in address = any;
  int fd = -1;
  struct wr_error *error = wr_ring_listen(&address, &fd);
  if (!error) put_fd(&h->listener, fd);
  return error;
}

/* Rank 0 is there already, by a pair of sockets. */
static struct wr_error *join_rank_0(struct hub *h, int *line) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) {
    return wr_error_new(WEIR_ERROR_STATE, "[nccl] A pair of sockets cannot be made: %s",
                        wr_text_of_errno(errno));
  }
  put_fd(&h->guests[0].fd, pair[0]);
  h->present = 1;
  *line = pair[1];
  return NULL;
}

struct wr_error *wr_nccl_hub_start(const struct wr_nccl_place *place, int *line) {
  pthread_t thread;
  struct hub *h = hub_new(place);
  if (!h) return wr_error_out_of_memory();
  struct wr_error *error = listen_at(h, place->port);
  if (!error) error = join_rank_0(h, line);
  if (!error && !wr_thread_start("weir-hub", hub_main, h, &thread)) {
    error = wr_error_new(WEIR_ERROR_STATE, "[nccl] The system refuses a thread");
    close(*line);
  }
  if (error) hub_free(h);
  return error;
}
