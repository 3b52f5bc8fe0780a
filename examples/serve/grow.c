/* Vectors double, so that appending n elements copies at most 2n. */
#include "grow.h"

#include <stdint.h>
#include <stdlib.h>

void *grow(void *items, size_t *room, size_t need, size_t item_size) {
  if (need <= *room) return items;
  size_t wanted = *room < 16 ? 16 : *room;
  while (wanted < need) {
    if (wanted > SIZE_MAX / 2) return NULL;
    wanted *= 2;
  }
  if (wanted > SIZE_MAX / item_size) return NULL;
  void *const moved = realloc(items, wanted * item_size);
  if (moved != NULL) *room = wanted;
  return moved;
}
