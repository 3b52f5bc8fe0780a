/* Room for a vector that grows. */
#ifndef WR_EXAMPLES_SERVE_GROW_H
#define WR_EXAMPLES_SERVE_GROW_H

#include <stddef.h>

/* Returns `items`, moved if that was needed, with room for at least `need` elements of `item_size`
   bytes; `room` is what it has, and is kept up to date. NULL without memory, `items` unchanged. */
void *grow(void *items, size_t *room, size_t need, size_t item_size);

#endif
