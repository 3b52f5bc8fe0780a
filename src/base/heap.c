/* Pairing heaps; see heap.h. The key of an item is not greater than those of the items below it. */

#include "base/heap.h"

#include <stddef.h>

/* Of two roots, either of which may be NULL; of equal ones the first stays above. */
static struct wr_heaped *meld(struct wr_heaped *a, struct wr_heaped *b) {
  if (!a || !b) return a ? a : b;
  struct wr_heaped *up = a->key <= b->key ? a : b, *below = up == a ? b : a;
  below->back = up;
  below->next = up->down;
  if (below->next) below->next->back = below;
  up->down = below;
  return up;
}

static struct wr_heaped *pop(struct wr_heaped **list) {
  struct wr_heaped *p = *list;
  if (!p) return NULL;
  *list = p->next;
  p->next = NULL;
  p->back = NULL;
  return p;
}

/* Of roots beside each other: in pairs, then all to one, which is what keeps the heap flat. */
static struct wr_heaped *meld_all(struct wr_heaped *list) {
  struct wr_heaped *pairs = NULL, *root = NULL;
  while (list) {
    struct wr_heaped *a = pop(&list), *pair = meld(a, pop(&list));
    pair->next = pairs;
    pairs = pair;
  }
  while (pairs) root = meld(root, pop(&pairs));
  return root;
}

void wr_heap_put(struct wr_heaped **root, struct wr_heaped *item, uint64_t key) {
  *item = (struct wr_heaped){.key = key};
  *root = meld(*root, item);
}

void wr_heap_remove(struct wr_heaped **root, struct wr_heaped *item) {
  struct wr_heaped *below = meld_all(item->down);
  if (item == *root) {
    *root = below;
    return;
  }
  *(item->back->down == item ? &item->back->down : &item->back->next) = item->next;
  if (item->next) item->next->back = item->back;
  *root = meld(*root, below);
}
