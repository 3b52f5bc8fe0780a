#ifndef WR_STREAM_POOL_H
#define WR_STREAM_POOL_H

/* Shared between the files of the pool alone: pool.c, which has workers and spare threads,
   slices.c, which has parallel kernels, and awake.c, where workers look for work before they sleep.
 */

#include "stream/internal.h"
#include "stream/ready.h"

struct wr_job;

struct wr_pool {
  struct wr_mutex lock;
  struct wr_cond wake;      /* with LOCK */
  struct wr_cond gone;      /* with LOCK: a worker has left */
  struct wr_cond tick;      /* with LOCK: never signalled */
  struct wr_worker *left;   /* under LOCK: workers that only have to be joined */
  int stopping;             /* under LOCK: calls that wait for the workers to leave, which they do
                               meanwhile when there is no work */
  struct wr_ready ready;    /* under LOCK */
  wr_atomic_u64 taken;      /* atomic RELAXED, written under LOCK: streams, by workers */
  struct wr_job *jobs;      /* under LOCK */
  int in_jobs;              /* under LOCK: threads that take slices now, callers too */
  int turns;                /* under LOCK: streams taken since a slice was, by threads that prefer
                               streams of a higher class to it */
  int workers;              /* under LOCK */
  int spares;               /* under LOCK: threads that look, or drain in the workers' place */
  int relievers;            /* under LOCK: threads of wr_pool_relieve */
  bool watched;             /* under LOCK: one of the spare threads looks, or is being started */
  int late[WR_WEARS];       /* under LOCK: ticks at which streams were ready, since one was taken by
                               whoever takes streams so worn */
  int waiting;              /* under LOCK: threads that have waited a while without draining */
  int idle;                 /* under LOCK: inside wr_cond_wait */
  int signalled;            /* under LOCK: of those, how many were told to wake up */
  bool roused;              /* under LOCK: a worker was woken to look for kernels before it sleeps,
                               as one that has taken slices does */
  wr_atomic_u64 awake;      /* atomic RELAXED, as LOCK publishes the work (release where it is
                               compared and swapped, for want of less): workers without work that
                               are awake; see awake.c */
  wr_atomic_u64 ready_hint; /* atomic RELAXED, written under LOCK: how many streams of each class
                               are ready, a hint; see pool.c */
  bool has_classes;         /* under LOCK: there has been another than normal */
  wr_atomic_u32 job_class;  /* atomic RELAXED, written under LOCK: the highest class of kernels
                               that have slices left, a hint; 0: there are none */
  wr_atomic_u32 open_class; /* atomic RELAXED, written under LOCK: the same; 0 also where as many
                               threads take slices as may */
  wr_atomic_u64 busy_until; /* atomic RELAXED: until when no worker is roused */
};

extern struct wr_pool wr_pool;

/* Wakes up to `wanted` workers, and says how many more to start, with the lock released. */
int wr_pool_wake_locked(int wanted, int most);
void wr_pool_start_workers(int n);
/* Up to `wanted` workers that are awake without work, whom no other kernel counts on; they find the
   kernel by themselves. */
int wr_pool_tell_awake_locked(int wanted);
/* How many workers are awake without work; a hint. */
uint32_t wr_pool_looking(void);
/* Looks, with the lock released, until there may be work for the calling worker, or until then.
   False where it is to look no more. `count` is of all its looks: with kernels one behind the other
   each time is short. */
bool wr_pool_look_out_locked(uint64_t until, unsigned *count);
/* Called before the thread runs a kernel by itself that is too small to wake a worker for: whether
   one is to be woken for those that follow. */
bool wr_pool_is_row_of_small(struct wr_thread *me);
/* About as long as waking a thread takes where a processor without work is halted: so who looks in
   vain has cost what it would have saved. */
enum { WR_POOL_AWAKE_NS = WR_TORTURED ? 2 * 1000 : 50 * 1000 };
/* For so long after a worker that looked lost its processor to another thread no worker is woken
   for kernels that are too small for it. */
enum { WR_POOL_BUSY_NS = 4 * 1000 * 1000 };
/* Until when a thread looks, from now on, for what other threads will do soon, before it sleeps.
   Threads do not look where there is one processor. After WR_POOL_LOOKS looks one yields its own.
 */
uint64_t wr_pool_awake_until(void);
enum { WR_POOL_LOOKS = 100 };
/* Takes slices of a kernel, with the lock released, where more urgent than ready streams, or for
   its share; false when there is nothing to do. */
bool wr_pool_slice_locked(int most);
/* Whether streams are ready of that class or above. */
bool wr_pool_has_ready_of(enum wr_class class);

#endif
