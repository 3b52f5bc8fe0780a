/* A table of addresses, open and linearly probed. Owner thread only; no locks. */

#include "base/numbers.h"

#include "base/base.h"

struct wr_number {
  const void *thing; /* NULL: free */
  uint32_t number;
};

/* Where the thing stands, or is to stand; there is a free place. */
static struct wr_number *place_of(const struct wr_numbers *numbers, const void *thing) {
  const uint64_t hash = (uint64_t)(uintptr_t)thing * UINT64_C(0x9e3779b97f4a7c15);
  size_t i = (size_t)(hash >> 32) & (numbers->room - 1);
  while (numbers->places[i].thing && numbers->places[i].thing != thing) {
    i = (i + 1) & (numbers->room - 1);
  }
  return &numbers->places[i];
}

static bool grow(struct wr_numbers *numbers) {
  struct wr_numbers larger = {.room = numbers->room ? 2 * numbers->room : 64,
                              .count = numbers->count};
  size_t bytes;
  if (!wr_mul_size(larger.room, sizeof *larger.places, &bytes)) return false;
  larger.places = wr_calloc(bytes);
  if (!larger.places) return false;
  for (size_t i = 0; i < numbers->room; i++) {
    const struct wr_number *old = &numbers->places[i];
    if (old->thing) *place_of(&larger, old->thing) = *old;
  }
  wr_free(numbers->places);
  *numbers = larger;
  return true;
}

bool wr_numbers_add(struct wr_numbers *numbers, const void *thing, uint32_t *number) {
  if (2 * (numbers->count + 1) > numbers->room && !grow(numbers)) return false;
  struct wr_number *place = place_of(numbers, thing);
  if (place->thing) {
    *number = place->number;
    return true;
  }
  *place = (struct wr_number){thing, *number};
  numbers->count++;
  return true;
}

uint32_t wr_numbers_find(const struct wr_numbers *numbers, const void *thing) {
  const struct wr_number *place = numbers->room ? place_of(numbers, thing) : NULL;
  return place && place->thing ? place->number : UINT32_MAX;
}

void wr_numbers_end(struct wr_numbers *numbers) {
  wr_free(numbers->places);
  *numbers = (struct wr_numbers){0};
}
