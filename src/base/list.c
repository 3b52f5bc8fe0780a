/* Lists of all objects of a kind; see list.h. */

#include "base/list.h"

static struct wr_listed *listed_of(const struct wr_list *list, void *object) {
  return (struct wr_listed *)((char *)object + list->offset);
}

static void *object_of(const struct wr_list *list, struct wr_listed *listed) {
  return listed ? (char *)listed - list->offset : NULL;
}

void wr_list_enter(struct wr_list *list, void *object) {
  struct wr_listed *p = listed_of(list, object);
  wr_mutex_lock(&list->lock);
  p->next = list->first;
  p->link = &list->first;
  if (p->next) p->next->link = &p->next;
  list->first = p;
  wr_mutex_unlock(&list->lock);
}

void wr_list_leave(struct wr_list *list, void *object) {
  struct wr_listed *p = listed_of(list, object);
  wr_mutex_lock(&list->lock);
  *p->link = p->next;
  if (p->next) p->next->link = p->link;
  wr_mutex_unlock(&list->lock);
}

void *wr_list_first(const struct wr_list *list) { return object_of(list, list->first); }

void *wr_list_next(const struct wr_list *list, void *object) {
  return object_of(list, listed_of(list, object)->next);
}
