/* A growable array of pointers. Owner thread only; no locks. A failed call changes nothing. */

#include "base/base.h"

bool wr_ptrs_reserve(struct wr_ptrs *v, size_t capacity) {
  if (capacity <= v->capacity) return true;
  size_t doubled = v->capacity < SIZE_MAX / 2 ? v->capacity * 2 : SIZE_MAX;
  if (capacity < doubled) capacity = doubled;
  if (capacity < 8) capacity = 8;
  size_t bytes;
  if (!wr_mul_size(capacity, sizeof *v->items, &bytes)) return false;
  void **items = wr_realloc(v->items, bytes);
  if (!items) return false;
  v->items = items;
  v->capacity = capacity;
  return true;
}

bool wr_ptrs_push(struct wr_ptrs *v, void *item) {
  if (v->count == v->capacity && !wr_ptrs_reserve(v, v->count + 1)) return false;
  v->items[v->count++] = item;
  return true;
}

void wr_ptrs_free(struct wr_ptrs *v) {
  wr_free(v->items);
  *v = (struct wr_ptrs){0};
}
