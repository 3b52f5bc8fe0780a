#ifndef WR_BASE_HEAP_H
#define WR_BASE_HEAP_H

/* Pairing heaps: the item with the least key first. The links stand in what is in the heap, so
   putting one in takes no memory and always the same time, and one that leaves from the middle
   costs no more than the first. An empty heap is a NULL root. Those who have one guard it. */

#include <stdint.h>

struct wr_heaped {
  uint64_t key;
  struct wr_heaped *down; /* the first of those below, */
  struct wr_heaped *next; /* the next beside it, and */
  struct wr_heaped *back; /* who points here by one of the two; a root has neither of these */
};

void wr_heap_put(struct wr_heaped **root, struct wr_heaped *item, uint64_t key);
/* It stands in this heap. */
void wr_heap_remove(struct wr_heaped **root, struct wr_heaped *item);

#endif
