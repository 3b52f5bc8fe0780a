#ifndef WR_BASE_MAP_H
#define WR_BASE_MAP_H

/* Maps from text to pointers: entries in the order in which their keys first came, found through a
   table of hashes. Keys are copied; what values are and who frees them is the owner's business.
   `{0}` is a valid empty map. Owner thread only; any number may read. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wr_map_entry {
  char *key;
  void *value;
  uint64_t hash;
};

struct wr_map {
  struct wr_map_entry *entries; /* `count` of them, in order */
  size_t count;
  size_t capacity;
  uint32_t *table; /* at each place the number of an entry from 1, or 0; at most half is used */
  size_t places;   /* a power of two, or 0 */
};

/* The value's place; NULL when the map has no such key. Valid until a key is added. */
void **wr_map_find(const struct wr_map *map, const char *key);
/* The same, and a key that was not there is added with the value NULL; *added says so. NULL, and
   nothing has changed, when memory is refused. */
void **wr_map_add(struct wr_map *map, const char *key, bool *added);
/* Takes out the entry that was added last. */
void wr_map_drop_last(struct wr_map *map);
/* The `count` entries by their keys' bytes, one array to free; valid until a key is added or
   dropped. NULL when memory is refused. */
const struct wr_map_entry **wr_map_sorted(const struct wr_map *map);
/* Frees the keys and the table, not the values. */
void wr_map_end(struct wr_map *map);

#endif
