/* One object for each text. Lock: EVENT, the table's, held with no other. */

#include "core/kernel_text.h"

#include <string.h>

#include "base/base.h"
#include "base/fork.h"
#include "base/lock.h"
#include "base/map.h"

static struct wr_mutex lock = WR_MUTEX_INIT(WR_RANK_EVENT);
static struct wr_map texts; /* under LOCK: struct wr_kernel_text by text */

WR_AT_FORK(.rank = WR_RANK_EVENT, .lock = &lock)

static struct wr_kernel_text *make(const char *entry) {
  const size_t bytes = strlen(entry) + 1;
  struct wr_kernel_text *made = wr_alloc(sizeof *made + bytes);
  if (made) made->entry = memcpy(made + 1, entry, bytes);
  return made;
}

static const struct wr_kernel_text *find_locked(const char *entry, const char *text) {
  bool added;
  void **place = wr_map_add(&texts, text, &added);
  if (!place || !added) return place ? *place : NULL;
  struct wr_kernel_text *made = make(entry);
  if (!made) {
    wr_map_drop_last(&texts);
    return NULL;
  }
  made->text = texts.entries[texts.count - 1].key; /* keys stay where they are */
  *place = made;
  return made;
}

/* Where the kernel is that has this name, from its beginning on; NULL: nowhere. */
static const char *kernel_in(const char *text, const char *entry) {
  const size_t n = strlen(WR_KERNEL_BEGINNING), length = strlen(entry);
  for (const char *at = text; (at = strstr(at, WR_KERNEL_BEGINNING)); at += n) {
    if (!strncmp(at + n, entry, length) && at[n + length] == '(') return at;
  }
  return NULL;
}

const char *wr_kernel_text_linkage(const struct wr_kernel_text *text) {
  const size_t n = strlen(WR_KERNEL_LINKAGE);
  const char *at = kernel_in(text->text, text->entry);
  if (!at || (size_t)(at - text->text) < n || strncmp(at - n, WR_KERNEL_LINKAGE, n) != 0)
    return NULL;
  return at - n;
}

char *wr_kernel_text_linked(const char *entry, const char *text, bool *is_there) {
  const char *at = kernel_in(text, entry);
  const size_t n = strlen(WR_KERNEL_LINKAGE);
  *is_there = at != NULL;
  char *made = at ? wr_alloc(strlen(text) + n + 1) : NULL;
  if (!made) return NULL;
  const size_t before = (size_t)(at - text);
  memcpy(made, text, before);
  memcpy(made + before, WR_KERNEL_LINKAGE, n);
  memcpy(made + before + n, at, strlen(at) + 1);
  return made;
}

struct wr_error *wr_kernel_text_of(const struct wr_kernel_text **out, const char *entry,
                                   const char *text) {
  wr_mutex_lock(&lock);
  *out = find_locked(entry, text);
  wr_mutex_unlock(&lock);
  return *out ? NULL : wr_error_out_of_memory();
}
