/* wr_map: order, growth, the last entry taken back, keys of every length. */

#include "base/map.h"

#include <string.h>

#include "base/base.h"
#include "check.h"

enum { KEYS = 3000 };

static void key_of(int i, char *key, size_t n) {
  memset(key, 'a' + i % 7, n - 1);
  snprintf(key + i % 20, n - (size_t)(i % 20), "%d", i);
}

static void grows(void) {
  static int values[KEYS];
  struct wr_map map = {0};
  char key[64];
  bool added;
  for (int i = 0; i < KEYS; i++) {
    key_of(i, key, sizeof key);
    CHECK(!wr_map_find(&map, key));
    void **place = wr_map_add(&map, key, &added);
    CHECK(place && added && !*place);
    *place = &values[i];
  }
  for (int i = 0; i < KEYS; i++) {
    key_of(i, key, sizeof key);
    void **place = wr_map_add(&map, key, &added);
    CHECK(place && !added && *place == &values[i]);
    CHECK(map.entries[i].value == &values[i] && !strcmp(map.entries[i].key, key));
  }
  CHECK(map.count == KEYS);
  wr_map_end(&map);
}

static void takes_back(void) {
  struct wr_map map = {0};
  bool added;
  char key[16];
  for (int i = 0; i < 200; i++) {
    snprintf(key, sizeof key, "%d", i);
    CHECK(wr_map_add(&map, key, &added) && added);
    if (i % 3 == 0) {
      wr_map_drop_last(&map);
      CHECK(!wr_map_find(&map, key));
    }
  }
  for (int i = 0; i < 200; i++) {
    snprintf(key, sizeof key, "%d", i);
    CHECK((wr_map_find(&map, key) != NULL) == (i % 3 != 0));
  }
  wr_map_end(&map);
  CHECK(!wr_map_find(&map, "1"));
}

int main(void) {
  grows();
  takes_back();
  return 0;
}
