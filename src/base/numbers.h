#ifndef WR_BASE_NUMBERS_H
#define WR_BASE_NUMBERS_H

/* Numbers of things, found by their addresses. `{0}` is a valid empty list. Owner thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wr_numbers {
  struct wr_number *places; /* at most half is used */
  size_t room;              /* a power of two, or 0 */
  size_t count;
};

/* Gives the thing that number, or *number the one that it has. False when memory is refused. */
bool wr_numbers_add(struct wr_numbers *numbers, const void *thing, uint32_t *number);
/* UINT32_MAX: it has none. */
uint32_t wr_numbers_find(const struct wr_numbers *numbers, const void *thing);
void wr_numbers_end(struct wr_numbers *numbers);

#endif
