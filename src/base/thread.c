/* Starting threads; see thread.h. A new thread has all signals blocked, from its starter, and
   changes the rest itself before it runs anything: so the thread that starts it need not be
   allowed to, and is not slowed down. What the system refuses stays as it was inherited. */

#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/base.h"
#include "base/floats.h"
#include "base/lock.h"

struct start {
  const char *name;
  void *(*fn)(void *);
  void *arg;
};

static void open_signals(void) {
  static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGPROF};
  sigset_t blocked;
  sigfillset(&blocked);
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) sigdelset(&blocked, own[i]);
  pthread_sigmask(SIG_SETMASK, &blocked, NULL);
}

/* The process's first thread has the number of the process, also when it has ended. */
static void take_scheduling(void) {
  const struct sched_param none = {.sched_priority = 0};
  int policy = sched_getscheduler(getpid());
  if (policy != SCHED_BATCH && policy != SCHED_IDLE) policy = SCHED_OTHER;
  if (sched_getscheduler(0) != policy) (void)sched_setscheduler(0, policy, &none);
  errno = 0;
  int nice = getpriority(PRIO_PROCESS, (id_t)getpid());
  if (errno == 0) (void)setpriority(PRIO_PROCESS, 0, nice); /* on Linux, of the thread */
}

static void take_processors(void) {
  size_t bytes;
  cpu_set_t *set = wr_process_cpus(&bytes);
  if (set) (void)sched_setaffinity(0, bytes, set);
  wr_process_cpus_free(set);
}

static void *thread_main(void *arg) {
  const struct start start = *(struct start *)arg;
  wr_free(arg);
  (void)wr_floats_enter(); /* for good */
  take_scheduling();
  take_processors();
  open_signals();
  if (start.name) (void)pthread_setname_np(pthread_self(), start.name);
  return start.fn(start.arg);
}

bool wr_thread_start(const char *name, void *(*fn)(void *), void *arg, pthread_t *thread) {
  sigset_t all, old;
  struct start *start = wr_alloc(sizeof *start);
  if (!start) {
    errno = ENOMEM;
    return false;
  }
  *start = (struct start){.name = name, .fn = fn, .arg = arg};
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int refusal = pthread_create(thread, NULL, thread_main, start);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (refusal) {
    wr_free(start);
    errno = refusal;
  }
  return refusal == 0;
}

static void join(struct wr_ended ended) {
  if (!ended.there) return;
  int before = wr_cancel_off();
  pthread_join(ended.thread, NULL);
  wr_cancel_restore(before);
}

void *wr_ended_leave(struct wr_ended *ended, struct wr_cond *gone, struct wr_mutex *lock) {
  struct wr_ended before = *ended;
  *ended = (struct wr_ended){.there = true, .thread = pthread_self()};
  wr_cond_broadcast(gone);
  wr_mutex_unlock(lock);
  join(before);
  return NULL;
}

void wr_ended_stop(struct wr_ended *ended, struct wr_mutex *lock) {
  struct wr_ended last = *ended;
  ended->there = false;
  wr_mutex_unlock(lock);
  join(last);
}
