#ifndef WR_BASE_THREAD_H
#define WR_BASE_THREAD_H

/* Threads of the library's own: every one is started here, so that nothing which it would inherit
   from the thread that happens to start it changes anything (T1). Any thread; no locks. */

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

/* Starts fn(arg) on a thread with
     - that name; NULL: its starter's, as threads have that it may start itself,
     - the default floating point environment,
     - the processors, the niceness and, unless that is one for real time, the scheduling policy of
       the process: those of its first thread at this moment,
     - all signals blocked but those that the thread's own code raises (SIGSEGV, SIGBUS, SIGFPE,
       SIGILL, SIGTRAP, SIGSYS), which a handler of the user's is there to see, and SIGPROF, by
       which profilers take their samples.
   A higher priority than that of the calling thread needs a privilege of the system's; without it
   the niceness of the calling thread stays. False when the system refuses a thread, or memory: for
   the moment, so that the next call may well succeed; errno is ENOMEM where it was memory. */
bool wr_thread_start(const char *name, void *(*fn)(void *), void *arg, pthread_t *thread);

struct wr_cond;
struct wr_mutex;

/* Of threads of one kind, the one that ended last and has not been joined. Each that ends joins the
   one that ended before it, and whoever stops the kind joins the last, so that one at most is left
   over. No thread detaches another, which may be ending just then: glibc's pthread_detach reads the
   thread's block after it has let go of it (sourceware bug 19951). Under a lock of the caller's,
   which is not held while joining. */
struct wr_ended {
  bool there;
  pthread_t thread;
};

/* All that is left of such a thread, which holds the lock: it becomes the last, tells `gone`, lets
   go of the lock and joins the one before. Returns what the thread is to return. */
void *wr_ended_leave(struct wr_ended *ended, struct wr_cond *gone, struct wr_mutex *lock);
/* All that is left of a stop, which holds the lock: lets go of it and joins the last, if there is
   one. No point of cancellation. */
void wr_ended_stop(struct wr_ended *ended, struct wr_mutex *lock);

/* The processors of the process: those of its first thread; *bytes is the size of the set. NULL
   when the system does not say, or memory is refused. */
cpu_set_t *wr_process_cpus(size_t *bytes);
void wr_process_cpus_free(cpu_set_t *set); /* NULL is a no-op */

#endif
