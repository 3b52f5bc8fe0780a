/* An event has the number of what was watched, not its address: its thread may have ended since.
   Lock: held while a request is cancelled, so that it is there. */
#include "watch.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "complain.h"

enum { EVENTS_MOST = 64 };

static void see_gone(struct watch *watch, uint64_t number) {
  pthread_mutex_lock(&watch->lock);
  struct watched *watched = watch->first;
  while (watched != NULL && watched->number != number) watched = watched->next;
  if (watched != NULL) {
    epoll_ctl(watch->epoll, EPOLL_CTL_DEL, watched->fd, NULL);
    watched->gone = true;
    weir_request_cancel(watched->request);
    batcher_give_up(watch->batcher, watched->request);
  }
  pthread_mutex_unlock(&watch->lock);
}

/* Number 0 is the bell's. */
static void *run(void *data) {
  struct watch *const watch = data;
  struct epoll_event events[EVENTS_MOST];
  for (;;) {
    const int count = epoll_wait(watch->epoll, events, EVENTS_MOST, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == 0) return NULL;
      see_gone(watch, events[i].data.u64);
    }
  }
}

void watch_begin(struct watch *watch, struct watched *watched, int fd, weir_request request) {
  pthread_mutex_lock(&watch->lock);
  *watched = (struct watched){.number = ++watch->last_number,
                              .fd = fd,
                              .request = request,
                              .next = watch->first,
                              .link = &watch->first};
  if (watched->next != NULL) watched->next->link = &watched->next;
  watch->first = watched;
  struct epoll_event gone = {.events = EPOLLRDHUP, .data.u64 = watched->number};
  epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &gone);
  pthread_mutex_unlock(&watch->lock);
}

bool watch_end(struct watch *watch, struct watched *watched) {
  pthread_mutex_lock(&watch->lock);
  epoll_ctl(watch->epoll, EPOLL_CTL_DEL, watched->fd, NULL);
  *watched->link = watched->next;
  if (watched->next != NULL) watched->next->link = watched->link;
  const bool gone = watched->gone;
  pthread_mutex_unlock(&watch->lock);
  return gone;
}

int watch_start(struct watch *watch, struct batcher *batcher) {
  struct epoll_event rung = {.events = EPOLLIN, .data.u64 = 0};
  *watch = (struct watch){.batcher = batcher};
  pthread_mutex_init(&watch->lock, NULL);
  watch->epoll = epoll_create1(EPOLL_CLOEXEC);
  watch->bell = eventfd(0, EFD_CLOEXEC);
  if (watch->epoll >= 0 && watch->bell >= 0 &&
      epoll_ctl(watch->epoll, EPOLL_CTL_ADD, watch->bell, &rung) == 0 &&
      pthread_create(&watch->thread, NULL, run, watch) == 0) {
    return 0;
  }
  complain("nobody to see who goes: %s", strerror(errno));
  if (watch->epoll >= 0) close(watch->epoll);
  if (watch->bell >= 0) close(watch->bell);
  pthread_mutex_destroy(&watch->lock);
  return 1;
}

void watch_stop(struct watch *watch) {
  const uint64_t one = 1;
  if (write(watch->bell, &one, sizeof(one)) == (ssize_t)sizeof(one)) {
    pthread_join(watch->thread, NULL);
  }
  close(watch->bell);
  close(watch->epoll);
  pthread_mutex_destroy(&watch->lock);
}
