#ifndef WR_BASE_THREAD_H
#define WR_BASE_THREAD_H

/* Threads of the library's own: every one is started here, so that nothing which it would inherit
   from the thread that happens to start it changes anything (T1). Any thread; no locks. */

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

/* Starts fn(arg) on a thread with
     - the default floating point environment,
     - the processors, the niceness and, unless that is one for real time, the scheduling policy of
       the process: those of its first thread at this moment,
     - all signals blocked but those that the thread's own code raises (SIGSEGV, SIGBUS, SIGFPE,
       SIGILL, SIGTRAP, SIGSYS), which a handler of the user's is there to see, and SIGPROF, by
       which profilers take their samples.
   A higher priority than that of the calling thread needs a privilege of the system's; without it
   the niceness of the calling thread stays. False when the system refuses a thread, or memory: for
   the moment, so that the next call may well succeed; errno is ENOMEM where it was memory. */
bool wr_thread_start(void *(*fn)(void *), void *arg, pthread_t *thread);

/* The processors of the process: those of its first thread; *bytes is the size of the set. NULL
   when the system does not say, or memory is refused. */
cpu_set_t *wr_process_cpus(size_t *bytes);
void wr_process_cpus_free(cpu_set_t *set); /* NULL is a no-op */

#endif
