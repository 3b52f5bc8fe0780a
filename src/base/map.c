/* Maps from text to pointers. Keys may come out of files that somebody else wrote, so the hash is a
   keyed one (SipHash-1-3, Aumasson and Bernstein, 2012) whose key no writer of a file can know: a
   file cannot make the table slow. No locks. */

#include "base/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/base.h"
#include "base/grow.h"

/* ---- hash ---- */

struct state {
  uint64_t a, b, c, d;
};

static uint64_t turn(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

static void mix(struct state *s) {
  s->a += s->b;
  s->c += s->d;
  s->b = turn(s->b, 13) ^ s->a;
  s->d = turn(s->d, 16) ^ s->c;
  s->a = turn(s->a, 32) + s->d;
  s->c += s->b;
  s->d = turn(s->d, 21) ^ s->a;
  s->b = turn(s->b, 17) ^ s->c;
  s->c = turn(s->c, 32);
}

static void take_word(struct state *s, uint64_t word) {
  s->d ^= word;
  mix(s);
  s->a ^= word;
}

/* The system gives each process 16 random bytes. */
static void hash_key(uint64_t key[2]) {
  const void *random = (const void *)(uintptr_t)getauxval(AT_RANDOM);
  if (random) {
    memcpy(key, random, 16);
  } else {
    key[0] = (uintptr_t)key;
    key[1] = 0;
  }
}

static uint64_t hash_of(const char *text, size_t n) {
  uint64_t key[2], word = 0;
  hash_key(key);
  struct state s = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                    key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
  size_t i = 0;
  for (; i + sizeof word <= n; i += sizeof word) {
    memcpy(&word, text + i, sizeof word);
    take_word(&s, word);
  }
  word = 0;
  if (i < n) memcpy(&word, text + i, n - i);
  take_word(&s, word | (uint64_t)n << 56);
  s.c ^= 0xff;
  mix(&s);
  mix(&s);
  mix(&s);
  return s.a ^ s.b ^ s.c ^ s.d;
}

/* ---- the table ---- */

/* The place of the key, or the free one where it would be. The table has free places. */
static size_t place_of(const struct wr_map *map, const char *key, uint64_t hash) {
  size_t at = (size_t)hash & (map->places - 1);
  while (map->table[at]) {
    const struct wr_map_entry *entry = &map->entries[map->table[at] - 1];
    if (entry->hash == hash && !strcmp(entry->key, key)) break;
    at = (at + 1) & (map->places - 1);
  }
  return at;
}

static bool grow_table(struct wr_map *map) {
  size_t places = map->places ? 2 * map->places : 16, bytes;
  if (places > UINT32_MAX || !wr_mul_size(places, sizeof *map->table, &bytes)) return false;
  uint32_t *table = wr_calloc(bytes);
  if (!table) return false;
  wr_free(map->table);
  map->table = table;
  map->places = places;
  for (size_t i = 0; i < map->count; i++) {
    size_t at = (size_t)map->entries[i].hash & (places - 1);
    while (table[at]) at = (at + 1) & (places - 1);
    table[at] = (uint32_t)i + 1;
  }
  return true;
}

/* Room for one entry more. */
static bool reserve(struct wr_map *map) {
  if (2 * (map->count + 1) > map->places && !grow_table(map)) return false;
  return wr_grow(&map->entries, &map->capacity, map->count + 1, 8, sizeof *map->entries);
}

void **wr_map_find(const struct wr_map *map, const char *key) {
  if (!map->count) return NULL;
  uint32_t number = map->table[place_of(map, key, hash_of(key, strlen(key)))];
  return number ? &map->entries[number - 1].value : NULL;
}

void **wr_map_add(struct wr_map *map, const char *key, bool *added) {
  *added = false;
  void **found = wr_map_find(map, key);
  if (found) return found;
  size_t n = strlen(key);
  char *copy = reserve(map) ? wr_alloc(n + 1) : NULL;
  if (!copy) return NULL;
  memcpy(copy, key, n + 1);
  uint64_t hash = hash_of(copy, n);
  map->entries[map->count] = (struct wr_map_entry){.key = copy, .hash = hash};
  map->table[place_of(map, copy, hash)] = (uint32_t)map->count + 1;
  *added = true;
  return &map->entries[map->count++].value;
}

/* Nothing was added since, so no other key's search leads across the place. */
void wr_map_drop_last(struct wr_map *map) {
  struct wr_map_entry *last = &map->entries[map->count - 1];
  map->table[place_of(map, last->key, last->hash)] = 0;
  wr_free(last->key);
  map->count--;
}

static int by_key(const void *left, const void *right) {
  const struct wr_map_entry *const *a = left, *const *b = right;
  return strcmp((*a)->key, (*b)->key);
}

const struct wr_map_entry **wr_map_sorted(const struct wr_map *map) {
  const struct wr_map_entry **sorted = wr_alloc((map->count + 1) * sizeof *sorted);
  for (size_t i = 0; sorted && i < map->count; i++) sorted[i] = &map->entries[i];
  if (sorted && map->count) qsort(sorted, map->count, sizeof *sorted, by_key);
  return sorted;
}

void wr_map_end(struct wr_map *map) {
  for (size_t i = 0; i < map->count; i++) wr_free(map->entries[i].key);
  wr_free(map->entries);
  wr_free(map->table);
  *map = (struct wr_map){0};
}
