#ifndef WR_BASE_LIST_H
#define WR_BASE_LIST_H

/* Lists of all objects of a kind, in no order, each under a lock of its own. An object has a member
   `listed` for it, so entering takes no memory, and leaving no search. Whoever has a list, of
   static storage, gives it the lock and the offset, and a row of base/fork.h. */

#include <stddef.h>

#include "base/lock.h"

struct wr_listed {
  struct wr_listed *next;  /* under the list's LOCK */
  struct wr_listed **link; /* under the list's LOCK; what points to this one */
};

struct wr_list {
  struct wr_mutex lock;
  size_t offset;           /* immutable: of `listed` in an object */
  struct wr_listed *first; /* under LOCK */
};

/* Both take the lock. */
void wr_list_enter(struct wr_list *list, void *object);
void wr_list_leave(struct wr_list *list, void *object);

/* The caller holds the lock. NULL at the end. */
void *wr_list_first(const struct wr_list *list);
void *wr_list_next(const struct wr_list *list, void *object);

#endif
