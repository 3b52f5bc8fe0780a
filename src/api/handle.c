/* Handles: see handle.h. The table of WEIR_CHECK=handles is an array of places; those that are free
   form a list. It grows, and is freed when no place is taken. Each handle is one *use* of a place,
   and the uses of a place are counted. Lock: REGISTRY, its own. */

#include "api/handle.h"

#include <stdio.h>

#include "api/api.h"
#include "base/base.h"
#include "base/fork.h"
#include "base/lock.h"

uintptr_t wr_handle_odd_bits = _Alignof(void *) - 1;
uint32_t wr_handle_last_use = UINT32_MAX;

_Static_assert(sizeof(void *) == 8, "a place and its use fit into a handle");

enum { FIRST_PLACES = 64, MAX_PLACES = INT32_MAX };

struct place {
  void *object;  /* under LOCK; NULL: free */
  uint32_t use;  /* under LOCK; number of the handle that has the place, or had it last */
  uint32_t next; /* under LOCK; of a free place: the next one, or the table's count */
  uint32_t kind; /* under LOCK */
};

static struct {
  struct wr_mutex lock;
  struct place *places; /* under LOCK */
  uint32_t count;       /* under LOCK */
  uint32_t first_free;  /* under LOCK; count: none */
  uint32_t taken;       /* under LOCK */
  uint32_t past_uses;   /* under LOCK; the highest use of any place of the tables before this one,
                           where the uses of its places begin; below the last */
} table = {.lock = WR_MUTEX_INIT(WR_RANK_REGISTRY)};

static struct wr_fork_row fork_row = {.rank = WR_RANK_REGISTRY, .lock = &table.lock};

__attribute__((constructor)) static void start_at_load(void) {
  wr_fork_register(&fork_row);
  if (wr_env_get()->check_handles) wr_handle_odd_bits = UINTPTR_MAX;
}

/* ---- numbers ---- */

/* The use, the place, and a bit that no address of an object has. */
static void *number_of(uint32_t place, uint32_t use) {
  return (void *)((uintptr_t)use << 32 | (uintptr_t)place << 1 | 1);
}
static uint32_t place_of(const void *ctx) { return (uint32_t)(uintptr_t)ctx >> 1; }
static uint32_t use_of(const void *ctx) { return (uint32_t)((uintptr_t)ctx >> 32); }

/* The place that the handle has now, or NULL. */
static struct place *find_locked(const void *ctx) {
  if (!((uintptr_t)ctx & 1) || place_of(ctx) >= table.count) return NULL;
  struct place *place = &table.places[place_of(ctx)];
  return place->object && place->use == use_of(ctx) ? place : NULL;
}

static bool was_given_locked(const void *ctx) {
  if (!((uintptr_t)ctx & 1) || use_of(ctx) == 0) return false;
  if (place_of(ctx) >= table.count) return use_of(ctx) <= table.past_uses;
  return use_of(ctx) <= table.places[place_of(ctx)].use;
}

static bool grow_locked(void) {
  uint32_t count = table.count ? table.count * 2 : FIRST_PLACES;
  if (count > MAX_PLACES) return false;
  struct place *places = wr_realloc(table.places, count * sizeof *places);
  if (!places) return false;
  for (uint32_t i = table.count; i < count; i++) {
    places[i] = (struct place){.use = table.past_uses, .next = i + 1};
  }
  table.places = places;
  table.count = count;
  return true;
}

static bool give_locked(void **ctx, void *object, enum wr_kind kind) {
  if (table.first_free == table.count && !grow_locked()) return false;
  uint32_t i = table.first_free;
  struct place *place = &table.places[i];
  table.first_free = place->next;
  table.taken++;
  place->object = object;
  place->kind = (uint32_t)kind;
  place->use++;
  *ctx = number_of(i, place->use);
  return true;
}

bool wr_handle_give_slow(void **ctx, void *object, enum wr_kind kind) {
  wr_mutex_lock(&table.lock);
  bool given = give_locked(ctx, object, kind);
  wr_mutex_unlock(&table.lock);
  return given;
}

static char to_be_made; /* what a reserved handle leads to */

bool wr_handle_reserve(void **ctx, enum wr_kind kind) {
  *ctx = NULL;
  return !wr_handles_are_numbers() || wr_handle_give_slow(ctx, &to_be_made, kind);
}

void wr_handle_lead(void **ctx, void *object) {
  if (!wr_handles_are_numbers()) {
    *ctx = object;
    return;
  }
  wr_mutex_lock(&table.lock);
  find_locked(*ctx)->object = object;
  wr_mutex_unlock(&table.lock);
}

static void end_locked(struct place *place) {
  place->object = NULL;
  table.taken--;
  if (place->use == wr_handle_last_use) return;
  place->next = table.first_free;
  table.first_free = (uint32_t)(place - table.places);
}

static void *find_object(const void *ctx, enum wr_kind kind, bool end) {
  wr_mutex_lock(&table.lock);
  struct place *place = find_locked(ctx);
  void *object = place && place->kind == (uint32_t)kind ? place->object : NULL;
  if (object && end) end_locked(place);
  wr_mutex_unlock(&table.lock);
  return object;
}

static uint32_t most_uses_locked(void) {
  uint32_t most = table.past_uses;
  for (uint32_t i = 0; i < table.count; i++) {
    if (table.places[i].use > most) most = table.places[i].use;
  }
  return most;
}

void wr_handle_trim(void) {
  wr_mutex_lock(&table.lock);
  const uint32_t past_uses = most_uses_locked();
  if (table.taken == 0 && past_uses < wr_handle_last_use) {
    table.past_uses = past_uses;
    wr_free(table.places);
    table.places = NULL;
    table.count = table.first_free = 0;
  }
  wr_mutex_unlock(&table.lock);
}

/* ---- both ---- */

/* A device is its own object: no address, so there is nothing to look at. */
static bool is_live(void *ctx, enum wr_kind kind) {
  return kind == WR_KIND_DEVICE ? wr_api_is_device(ctx) : wr_handle_is_plain(ctx, kind);
}

void *wr_handle_object(void *ctx, enum wr_kind kind) {
  if (wr_handles_are_numbers()) return ctx ? find_object(ctx, kind, false) : NULL;
  return is_live(ctx, kind) ? ctx : NULL;
}

/* An array's handle says itself what it is from now on, and other handles may lead to a stream. */
static bool ends_with_handle(enum wr_kind kind) {
  return kind != WR_KIND_ARRAY && kind != WR_KIND_STREAM && kind != WR_KIND_DEVICE;
}

void *wr_handle_take(void *ctx, enum wr_kind kind) {
  if (wr_handles_are_numbers()) return ctx ? find_object(ctx, kind, true) : NULL;
  if (!is_live(ctx, kind)) return NULL;
  if (ends_with_handle(kind)) wr_kind_end(ctx);
  return ctx;
}

/* ---- faults ---- */

static const char *words_of(uint32_t kind) {
  static const char *const words[WR_KIND_COUNT] = {
#define WR_KIND(ID, words) [WR_NUMBER_##ID] = words,
#include "base/kinds.def"
#undef WR_KIND
  };
  const uint32_t number = (kind & 0xffu) >> 2;
  bool is_kind = (kind & ~0xffu) == (WR_KIND_WORD(0) & ~0xffu) && number < WR_KIND_COUNT;
  return is_kind ? words[number] : NULL;
}

/* What it is, WR_KIND_FREED, or 0. A device is no address; where one is wanted, none is looked at.
 */
static uint32_t look_at_address(void *ctx, enum wr_kind wanted) {
  if ((uintptr_t)ctx & wr_handle_odd_bits) {
    return wr_api_is_device(ctx) ? (uint32_t)WR_KIND_DEVICE : 0;
  }
  return wanted == WR_KIND_DEVICE ? 0 : wr_kind_of(ctx);
}

static uint32_t look_at_number(void *ctx) {
  wr_mutex_lock(&table.lock);
  const struct place *place = find_locked(ctx);
  uint32_t kind = place ? place->kind : 0;
  if (!place && was_given_locked(ctx)) kind = (uint32_t)WR_KIND_FREED;
  wr_mutex_unlock(&table.lock);
  return kind;
}

char *wr_handle_fault(void *ctx, enum wr_kind wanted, char text[WR_HANDLE_TEXT]) {
  const bool numbers = wr_handles_are_numbers();
  const uint32_t kind = numbers ? look_at_number(ctx) : look_at_address(ctx, wanted);
  const char *is = words_of(kind), *want = words_of((uint32_t)wanted);
  if (kind == (uint32_t)WR_KIND_FREED) {
    snprintf(text, WR_HANDLE_TEXT, "was freed");
  } else if (is && is != want) {
    snprintf(text, WR_HANDLE_TEXT, "is %s, not %s", is, want);
  } else {
    snprintf(text, WR_HANDLE_TEXT, "is not %s: it was %s", want,
             numbers                    ? "never set"
             : wanted == WR_KIND_DEVICE ? "never set, or is of another kind"
                                        : "freed or never set");
  }
  return text;
}
