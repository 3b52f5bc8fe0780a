#ifndef WR_BASE_FORK_H
#define WR_BASE_FORK_H

/* What a fork does to Weir: one table, and nowhere else (tools/check/forks). Each module that has
   something to say registers a row, once, as the library is loaded. The rows stand in the order of
   the ranks of locks (lock.h), those of one rank as they were registered.

   Before the process is copied the rows are gone through in that order: each row's `before` is
   called, then its lock is taken. So what a lock guards is whole in the child, and a thread that
   holds one of these locks can always go on and release it. The table holds several locks of one
   rank; nobody else ever does, so that makes no circle. Afterwards, in the parent and in the child,
   the rows are gone through backwards: `parent` or `child` is called, with the row's lock still
   held, then the lock is released. In the child the number of forks goes up before that.

   A row without a lock, whose `child` makes a lock anew, is for what is whole at any moment by
   itself, or may be forgotten in the child, and for locks under which a thread can be held up.

   What holds for all else that a child finds: the process is copied between two stores of each
   other thread, and what a thread stored before is there, with all that it had seen of others. A
   pointer that is stored after its reference was taken, and cleared before the reference is
   dropped, is good at any such moment. */

#include <stdint.h>

#include "base/lock.h"

struct wr_fork_row {
  enum wr_rank rank;     /* of the lock; WR_RANK_NONE: before all locks, where `before` waits */
  struct wr_mutex *lock; /* or NULL */
  void (*before)(void);  /* these three: or NULL; on the thread that forks, in the child the */
  void (*parent)(void);  /* only one */
  void (*child)(void);
  struct wr_fork_row *next; /* the table's */
};

/* The row stays for good. */
void wr_fork_register(struct wr_fork_row *row);
/* The one row of a file, by its fields: registered as the library is loaded. */
#define WR_AT_FORK(...)                               \
  static struct wr_fork_row fork_row = {__VA_ARGS__}; \
  __attribute__((constructor)) static void watch_forks(void) { wr_fork_register(&fork_row); }

/* How many forks lie between the first process that loaded the library and this one. Written in a
   child alone, while it has one thread. */
extern uint32_t wr_fork_generation;

#endif
