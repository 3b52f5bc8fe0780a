/* A growable array of pointers. Owner thread only; no locks. A failed call changes nothing. */

#include "base/base.h"

#include <string.h>

/* Memory of its own for so many. */
static bool grow(struct wr_ptrs *v, size_t capacity) {
  size_t bytes;
  if (!wr_mul_size(capacity, sizeof *v->items, &bytes)) return false;
  void **items = wr_realloc(v->lent ? NULL : v->items, bytes);
  if (!items) return false;
  if (v->lent && v->count) memcpy(items, v->items, v->count * sizeof *items);
  v->items = items;
  v->capacity = capacity;
  v->lent = NULL;
  return true;
}

bool wr_ptrs_reserve(struct wr_ptrs *v, size_t capacity) {
  if (capacity <= v->capacity) return true;
  size_t doubled = v->capacity < SIZE_MAX / 2 ? v->capacity * 2 : SIZE_MAX;
  if (capacity < doubled) capacity = doubled;
  return grow(v, capacity < 8 ? 8 : capacity);
}

bool wr_ptrs_leave_room(struct wr_ptrs *v) { return !v->lent || grow(v, v->capacity); }

bool wr_ptrs_push(struct wr_ptrs *v, void *item) {
  if (v->count == v->capacity && !wr_ptrs_reserve(v, v->count + 1)) return false;
  v->items[v->count++] = item;
  return true;
}

void wr_ptrs_free(struct wr_ptrs *v) {
  if (!v->items) return;
  if (!v->lent) wr_free(v->items);
  *v = (struct wr_ptrs){0};
}
