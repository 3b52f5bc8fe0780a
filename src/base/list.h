#ifndef WR_BASE_LIST_H
#define WR_BASE_LIST_H

/* Lists whose links stand in what they list: entering takes no memory, and leaving no search. What
   is empty is all zeros. Those who have a list guard it. */

#include <stddef.h>

#include "base/lock.h"

/* ---- lists with one end: the newest comes first ---- */

struct wr_listed {
  struct wr_listed *next;
  struct wr_listed **link; /* what points to this one */
};

static inline void wr_listed_enter(struct wr_listed *p, struct wr_listed **newest) {
  p->next = *newest;
  p->link = newest;
  if (p->next) p->next->link = &p->next;
  *newest = p;
}
static inline void wr_listed_leave(struct wr_listed *p) {
  *p->link = p->next;
  if (p->next) p->next->link = p->link;
}

/* ---- lists with two ends ---- */

struct wr_link {
  struct wr_link *prev;
  struct wr_link *next;
};

struct wr_dlist {
  struct wr_link *head;
  struct wr_link *tail;
};

void wr_dlist_append(struct wr_dlist *list, struct wr_link *link);
void wr_dlist_prepend(struct wr_dlist *list, struct wr_link *link);
/* It stands in this list. */
void wr_dlist_remove(struct wr_dlist *list, struct wr_link *link);

/* ---- all objects of a kind, in no order, under a lock of their own ----

   An object has a member `listed` for it. Whoever has a list, of static storage, gives it the lock
   and the offset, and a row of base/fork.h. */

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
