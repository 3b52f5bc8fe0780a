/* The lists and heaps whose links stand in what they hold: put in, taken from the ends and from the
   middle, against plain arrays. */

#include "base/base.h"
#include "base/heap.h"
#include "base/list.h"
#include "check.h"

enum { ITEMS = 64, STEPS = 20000 };

struct item {
  struct wr_link link;
  struct wr_listed listed;
  struct wr_heaped heaped;
  bool there;
};

static struct item items[ITEMS];
static uint32_t state = 1;

static uint32_t draw(uint32_t n) {
  state = state * 1664525u + 1013904223u;
  return (state >> 8) % n;
}

static void forget(void) {
  for (int i = 0; i < ITEMS; i++) items[i] = (struct item){.there = false};
}

/* `order` has n items, the head first. */
static void compare(const struct wr_dlist *list, struct item *const *order, int n) {
  const struct wr_link *before = NULL, *at = list->head;
  for (int i = 0; i < n; i++) {
    CHECK(at == &order[i]->link && at->prev == before);
    before = at;
    at = at->next;
  }
  CHECK(!at && list->tail == before);
}

static void two_ends(void) {
  struct wr_dlist list = {0};
  struct item *order[ITEMS];
  int n = 0;
  forget();
  for (int step = 0; step < STEPS; step++) {
    struct item *x = &items[draw(ITEMS)];
    if (x->there) {
      int at = 0;
      while (order[at] != x) at++;
      for (n--; at < n; at++) order[at] = order[at + 1];
      wr_dlist_remove(&list, &x->link);
    } else if (draw(2)) {
      order[n++] = x;
      wr_dlist_append(&list, &x->link);
    } else {
      for (int at = n++; at > 0; at--) order[at] = order[at - 1];
      order[0] = x;
      wr_dlist_prepend(&list, &x->link);
    }
    x->there = !x->there;
    compare(&list, order, n);
  }
}

static void newest_first(void) {
  struct wr_listed *first = NULL;
  forget();
  for (int i = 0; i < ITEMS; i++) wr_listed_enter(&items[i].listed, &first);
  for (int i = 0; i < ITEMS; i += 3) wr_listed_leave(&items[i].listed);
  for (int i = ITEMS - 1; i >= 0; i--) {
    if (i % 3 == 0) continue;
    CHECK(first == &items[i].listed);
    wr_listed_leave(first);
  }
  CHECK(!first);
}

static uint64_t least_key(void) {
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < ITEMS; i++) {
    if (items[i].there && items[i].heaped.key < least) least = items[i].heaped.key;
  }
  return least;
}

static void heaps(void) {
  struct wr_heaped *root = NULL;
  forget();
  for (int step = 0; step < STEPS; step++) {
    struct item *x = &items[draw(ITEMS)];
    if (x->there && draw(2)) x = WR_CONTAINER_OF(root, struct item, heaped);
    if (x->there) {
      wr_heap_remove(&root, &x->heaped);
    } else {
      wr_heap_put(&root, &x->heaped, draw(20)); /* equal ones too */
    }
    x->there = !x->there;
    CHECK(root ? root->key == least_key() : least_key() == UINT64_MAX);
  }
}

int main(void) {
  two_ends();
  newest_first();
  heaps();
  return 0;
}
