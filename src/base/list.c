/* Lists; see list.h. */

#include "base/list.h"

void wr_dlist_append(struct wr_dlist *list, struct wr_link *link) {
  *link = (struct wr_link){.prev = list->tail};
  *(list->tail ? &list->tail->next : &list->head) = link;
  list->tail = link;
}

void wr_dlist_prepend(struct wr_dlist *list, struct wr_link *link) {
  *link = (struct wr_link){.next = list->head};
  *(list->head ? &list->head->prev : &list->tail) = link;
  list->head = link;
}

void wr_dlist_remove(struct wr_dlist *list, struct wr_link *link) {
  *(link->prev ? &link->prev->next : &list->head) = link->next;
  *(link->next ? &link->next->prev : &list->tail) = link->prev;
}

static struct wr_listed *listed_of(const struct wr_list *list, void *object) {
  return (struct wr_listed *)((char *)object + list->offset);
}

static void *object_of(const struct wr_list *list, struct wr_listed *listed) {
  return listed ? (char *)listed - list->offset : NULL;
}

void wr_list_enter(struct wr_list *list, void *object) {
  wr_mutex_lock(&list->lock);
  wr_listed_enter(listed_of(list, object), &list->first);
  wr_mutex_unlock(&list->lock);
}

void wr_list_leave(struct wr_list *list, void *object) {
  wr_mutex_lock(&list->lock);
  wr_listed_leave(listed_of(list, object));
  wr_mutex_unlock(&list->lock);
}

void *wr_list_first(const struct wr_list *list) { return object_of(list, list->first); }

void *wr_list_next(const struct wr_list *list, void *object) {
  return object_of(list, listed_of(list, object)->next);
}
