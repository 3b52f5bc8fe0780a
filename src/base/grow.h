#ifndef WR_BASE_GROW_H
#define WR_BASE_GROW_H

/* Arrays that double as they fill. No locks. */

#include <stdbool.h>
#include <stddef.h>

/* Room for `needed` items of `item` bytes, `first` at least. `array` is the address of a pointer to
   the items, which may move, and *room what it has room for. False, and nothing changes, when
   memory is refused. */
bool wr_grow(void *array, size_t *room, size_t needed, size_t first, size_t item);

#endif
