/* The store of what was compiled (compiled.h): identities, each with a list of entries, and all
   entries in the order of their use. What goes is taken out under the lock and freed after it,
   since the end of a constant may run a user's destructor. A fork copies the store with its lock
   free. */

#include "transforms/compiled.h"

#include <string.h>

#include "base/base.h"
#include "base/fork.h"
#include "base/lock.h"
#include "ops/capture.h"

struct wr_identity {
  uintptr_t id;                /* immutable after publish */
  bool own;                    /* immutable after publish: nobody can name it */
  uint32_t users;              /* under COMPILED */
  struct wr_compiled *entries; /* under COMPILED */
  struct wr_identity *next;    /* under COMPILED: of those that have a name */
};

static struct wr_mutex lock = WR_MUTEX_INIT(WR_RANK_COMPILED);
static struct wr_identity *named;           /* under COMPILED */
static struct wr_compiled *newest, *oldest; /* under COMPILED */
static size_t total_bytes;                  /* under COMPILED */

WR_AT_FORK(.rank = WR_RANK_COMPILED, .lock = &lock)

/* ---- keys ---- */

void wr_key_begin(struct wr_key *key) {
  key->words = key->few;
  key->count = 0;
  key->room = sizeof key->few / sizeof key->few[0];
}

bool wr_key_add(struct wr_key *key, uint64_t word) {
  size_t bytes;
  if (key->count == key->room) {
    if (!wr_mul_size(2 * key->room, sizeof *key->words, &bytes)) return false;
    uint64_t *words = wr_realloc(key->words == key->few ? NULL : key->words, bytes);
    if (!words) return false;
    if (key->words == key->few) memcpy(words, key->few, sizeof key->few);
    key->words = words;
    key->room *= 2;
  }
  key->words[key->count++] = word;
  return true;
}

void wr_key_end(struct wr_key *key) {
  if (key->words != key->few) wr_free(key->words);
}

static uint64_t hash_of(const struct wr_key *key) {
  uint64_t hash = key->count;
  for (size_t i = 0; i < key->count; i++) {
    hash = (hash ^ key->words[i]) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
  }
  return hash;
}

/* ---- lists ---- */

static void make_newest_locked(struct wr_compiled *entry) {
  entry->older = newest;
  entry->newer = NULL;
  if (newest) newest->newer = entry;
  newest = entry;
  if (!oldest) oldest = entry;
}

static void leave_uses_locked(struct wr_compiled *entry) {
  *(entry->older ? &entry->older->newer : &oldest) = entry->newer;
  *(entry->newer ? &entry->newer->older : &newest) = entry->older;
}

/* Takes the identity off the list of names once nobody has it and nothing is kept under it; it is
   the caller's to free then. */
static struct wr_identity *end_locked(struct wr_identity *identity) {
  if (identity->users > 0 || identity->entries) return NULL;
  struct wr_identity **at = &named;
  while (!identity->own && *at != identity) at = &(*at)->next;
  if (!identity->own) *at = identity->next;
  return identity;
}

/* What was taken out, to be freed. */
struct removed {
  struct wr_compiled *entries;
  struct wr_identity *identities;
};

static void remove_locked(struct wr_compiled *entry, struct removed *removed) {
  struct wr_identity *identity = entry->of;
  struct wr_compiled **at = &identity->entries;
  while (*at != entry) at = &(*at)->next;
  *at = entry->next;
  leave_uses_locked(entry);
  total_bytes -= entry->bytes;
  entry->of = NULL;
  entry->next = removed->entries;
  removed->entries = entry;
  identity = end_locked(identity);
  if (!identity) return;
  identity->next = removed->identities;
  removed->identities = identity;
}

static void free_removed(struct removed *removed) {
  while (removed->entries) {
    struct wr_compiled *entry = removed->entries;
    removed->entries = entry->next;
    wr_compiled_release(entry);
  }
  while (removed->identities) {
    struct wr_identity *identity = removed->identities;
    removed->identities = identity->next;
    wr_free(identity);
  }
}

/* ---- identities ---- */

static struct wr_identity *named_locked(uintptr_t id) {
  struct wr_identity *identity = named;
  while (identity && identity->id != id) identity = identity->next;
  return identity;
}

struct wr_identity *wr_identity_of(uintptr_t id, bool own) {
  struct wr_identity *made = wr_calloc(sizeof *made), *found = NULL;
  if (!made) return NULL;
  *made = (struct wr_identity){.id = id, .own = own, .users = 1};
  if (own) return made;
  wr_mutex_lock(&lock);
  found = named_locked(id);
  if (found) {
    found->users++;
  } else {
    made->next = named;
    named = made;
  }
  wr_mutex_unlock(&lock);
  if (found) wr_free(made);
  return found ? found : made;
}

void wr_identity_release(struct wr_identity *identity) {
  struct removed removed = {0};
  wr_mutex_lock(&lock);
  identity->users--;
  struct wr_identity *ended = NULL;
  if (identity->entries && identity->own) {
    while (identity->entries->next) remove_locked(identity->entries, &removed);
    remove_locked(identity->entries, &removed); /* and the identity with it */
  } else {
    ended = end_locked(identity);
  }
  wr_mutex_unlock(&lock);
  free_removed(&removed);
  wr_free(ended);
}

/* ---- entries ---- */

static bool has_key(const struct wr_compiled *entry, uint64_t hash, const uint64_t *words,
                    size_t n) {
  return entry->hash == hash && entry->n_words == n &&
         memcmp(entry->words, words, n * sizeof *words) == 0;
}

static struct wr_compiled *find_locked(struct wr_identity *identity, uint64_t hash,
                                       const uint64_t *words, size_t n) {
  struct wr_compiled *entry = identity->entries;
  while (entry && !has_key(entry, hash, words, n)) entry = entry->next;
  return entry;
}

struct wr_compiled *wr_compiled_find(struct wr_identity *identity, const struct wr_key *key) {
  const uint64_t hash = hash_of(key);
  wr_mutex_lock(&lock);
  struct wr_compiled *entry = find_locked(identity, hash, key->words, key->count);
  if (entry) {
    wr_ref_take(&entry->refs);
    if (entry != newest) {
      leave_uses_locked(entry);
      make_newest_locked(entry);
    }
  }
  wr_mutex_unlock(&lock);
  return entry;
}

struct wr_compiled *wr_compiled_new(const struct wr_key *key, struct wr_capture *capture,
                                    struct wr_capture *general) {
  size_t bytes = 0;
  struct wr_compiled *entry = NULL;
  if (wr_mul_size(key->count, sizeof *key->words, &bytes) &&
      wr_add_size(bytes, sizeof *entry, &bytes)) {
    entry = wr_alloc(bytes);
  }
  if (!entry) {
    wr_capture_release(capture);
    wr_capture_release(general);
    return NULL;
  }
  *entry = (struct wr_compiled){.capture = capture,
                                .general = general,
                                .hash = hash_of(key),
                                .bytes = bytes + wr_capture_bytes(capture),
                                .n_words = key->count};
  if (general) entry->bytes += wr_capture_bytes(general);
  wr_store_relaxed(&entry->refs, 1u); /* relaxed: not yet shared */
  memcpy(entry->words, key->words, key->count * sizeof *key->words);
  return entry;
}

void wr_compiled_keep(struct wr_identity *identity, struct wr_compiled *entry) {
  const uint64_t most = wr_env_get()->compile_cache_bytes;
  struct removed removed = {0};
  if (entry->bytes > most) return;
  wr_mutex_lock(&lock);
  if (!find_locked(identity, entry->hash, entry->words, entry->n_words)) {
    wr_ref_take(&entry->refs);
    entry->of = identity;
    entry->next = identity->entries;
    identity->entries = entry;
    make_newest_locked(entry);
    total_bytes += entry->bytes;
    while (total_bytes > most) remove_locked(oldest, &removed);
  }
  wr_mutex_unlock(&lock);
  free_removed(&removed);
}

void wr_compiled_release(struct wr_compiled *entry) {
  if (!entry || !wr_ref_drop(&entry->refs)) return;
  wr_capture_release(entry->capture);
  wr_capture_release(entry->general);
  wr_free(entry);
}

void wr_compiled_erase(uintptr_t id) {
  struct removed removed = {0};
  wr_mutex_lock(&lock);
  struct wr_identity *identity = named_locked(id);
  struct wr_compiled *entry = identity ? identity->entries : NULL;
  while (entry) {
    struct wr_compiled *next = entry->next;
    remove_locked(entry, &removed);
    entry = next;
  }
  wr_mutex_unlock(&lock);
  free_removed(&removed);
}

void wr_compiled_clear(void) {
  struct removed removed = {0};
  wr_mutex_lock(&lock);
  while (oldest) remove_locked(oldest, &removed);
  wr_mutex_unlock(&lock);
  free_removed(&removed);
}

struct wr_compiled_count wr_compiled_count(void) {
  struct wr_compiled_count count = {0};
  wr_mutex_lock(&lock);
  count.bytes = total_bytes;
  for (const struct wr_compiled *e = newest; e; e = e->older) count.entries++;
  for (const struct wr_identity *i = named; i; i = i->next) count.identities++;
  wr_mutex_unlock(&lock);
  return count;
}
