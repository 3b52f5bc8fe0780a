/* WEIR_DUMP_SIGNAL: a dump whenever the process gets that signal. The handler, which may run at any
   moment on any thread, with any lock held, writes a few bytes into a pipe and nothing else. A
   thread of the library's own, which does no other work and has the signal open, also where all
   threads of the program's block it, reads them and makes the dump: so it is made when all workers
   hang.

   It goes to stderr; or, where the signal was queued with a value that asks for it, as `weir dump`
   does, to a socket in the abstract namespace whose name has the number in the value, if its other
   end is the same user or the superuser. In the child of a fork the thread is started anew, with a
   pipe of its own. Locks: none. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"
#include "base/fork.h"
#include "base/text.h"
#include "stream/dump.h"
#include "stream/internal.h"

/* The upper half of the value of a signal that was queued; the lower is the socket's number. */
#define ASKS UINT64_C(0x5e9ab7d0)

static const struct timeval patience = {.tv_sec = 2};

static int ends[2] = {-1, -1}; /* immutable after load, but in a child */
static int signal_number;      /* the same */

/* ---- the handler ---- */

/* A full pipe asks for a dump already. */
static void heard(int number, siginfo_t *info, void *context) {
  const int before = errno;
  (void)number;
  (void)context;
  const uint64_t value =
      info->si_code == SI_QUEUE ? (uint64_t)(uintptr_t)info->si_value.sival_ptr : 0;
  const ssize_t written = write(ends[1], &value, sizeof value);
  (void)written;
  errno = before;
}

/* ---- the thread ---- */

static bool is_trusted(int fd) {
  struct ucred peer;
  socklen_t bytes = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes)) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

/* -1: there is none, or not one that may see it. */
static int open_socket(uint32_t number) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  const int length =
      snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "weir-dump-%08x", number);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  /* Whoever asks may have been stopped: neither connect() nor write() waits longer. */
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
  if (connect(fd, (const struct sockaddr *)&name, bytes) == 0 && is_trusted(fd)) return fd;
  close(fd);
  return -1;
}

static void dump_for(uint64_t value) {
  const int fd = value >> 32 == ASKS ? open_socket((uint32_t)value) : -1;
  (void)wr_dump_to(fd >= 0 ? fd : STDERR_FILENO);
  if (fd >= 0) close(fd);
}

/* By poll and not in read: there ThreadSanitizer, which holds handlers back until a call returns,
   lets them run. */
static bool wait_for_signal(void) {
  struct pollfd come = {.fd = ends[0], .events = POLLIN};
  int n;
  do {
    n = poll(&come, 1, -1);
  } while (n < 0 && errno == EINTR);
  return n == 1 && come.revents & POLLIN;
}

/* Signals that came while a dump was made are answered one by one, as those who ask may be several.
 */
static void *listen_main(void *unused) {
  sigset_t own;
  uint64_t value;
  (void)unused;
  pthread_detach(pthread_self());
  sigemptyset(&own);
  sigaddset(&own, signal_number);
  pthread_sigmask(SIG_UNBLOCK, &own, NULL);
  while (wait_for_signal()) {
    const ssize_t n = read(ends[0], &value, sizeof value);
    if (n == (ssize_t)sizeof value) dump_for(value);
  }
  return NULL;
}

/* ---- begin ---- */

static void refused(const char *what) {
  char line[160];
  snprintf(line, sizeof line, "weir: WEIR_DUMP_SIGNAL: no dumps on a signal: %s: %s", what,
           wr_text_of_errno(errno));
  wr_log_line(line);
}

static bool open_pipe(void) {
  if (pipe2(ends, O_CLOEXEC)) return false;
  (void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
  return true;
}

/* What the handler may still write goes nowhere. */
static void close_pipe(void) {
  const int before[2] = {ends[0], ends[1]};
  ends[0] = ends[1] = -1;
  for (int i = 0; i < 2; i++) {
    if (before[i] >= 0) close(before[i]);
  }
}

static bool start_thread(void) {
  pthread_t thread;
  return wr_thread_start("weir-dump", listen_main, NULL, &thread);
}

/* Whose the signal is already keeps it. */
static bool take_signal(void) {
  struct sigaction before, own = {.sa_sigaction = heard, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigemptyset(&own.sa_mask);
  if (sigaction(signal_number, NULL, &before)) return false;
  errno = EBUSY;
  if (before.sa_flags & SA_SIGINFO || before.sa_handler != SIG_DFL) return false;
  return sigaction(signal_number, &own, NULL) == 0;
}

/* The pipe is the parent's too. */
static void begin_in_child(void) {
  if (!signal_number) return;
  close_pipe();
  if (!open_pipe() || !start_thread()) refused("the child of a fork");
}

static struct wr_fork_row fork_row = {.rank = WR_RANK_NONE, .child = begin_in_child};

void wr_dump_listen(void) {
  const int wanted = wr_env_get()->dump_signal;
  if (!wanted) return;
  signal_number = wanted;
  /* The thread last: that it is there says to `weir dump` that the signal is the library's. */
  if (!open_pipe()) {
    refused("a pipe");
  } else if (!take_signal()) {
    refused("the signal");
  } else if (!start_thread()) {
    refused("a thread");
    (void)signal(wanted, SIG_DFL);
  } else {
    wr_fork_register(&fork_row);
    return;
  }
  close_pipe();
  signal_number = 0;
}
