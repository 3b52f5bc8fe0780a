/* Derived forms (memory/derived.h): made at the second use, one for each key, held by many, never
   of memory of the user's; they end with their buffer, before it is written over, and when (K14)
   memory is short, but not while they are held; refused ones are no error. Of threads that come at
   once one fills. */

#include "memory/derived.h"

#include <pthread.h>
#include <string.h>

#include "base/base.h"
#include "check.h"

enum { BYTES = 100000, THREADS = 8, ROUNDS = 200 };
static const char maker;

static struct wr_form_key key_at(int64_t at) {
  return (struct wr_form_key){.maker = &maker, .at = at, .rows = 10, .cols = 10, .apart = 10};
}

static struct wr_buffer *buffer(void) {
  struct wr_buffer *b;
  CHECK(wr_buffer_alloc(wr_memory_host(), 1000, &b) == NULL);
  return b;
}

static struct wr_form *hold(struct wr_buffer *b, int64_t at, bool *fresh) {
  const struct wr_form_key key = key_at(at);
  return wr_form_hold(b, &key, BYTES, fresh);
}

/* The second use, and all of it; a mark may be another key's too. */
static void make(struct wr_buffer *b, int64_t at) {
  bool fresh;
  struct wr_form *f = hold(b, at, &fresh);
  if (!f) f = hold(b, at, &fresh);
  CHECK(f && fresh);
  memset(wr_form_data(f), (int)at, BYTES);
  wr_form_ready(f);
  wr_form_leave(f);
}

static void expect_held(struct wr_buffer *b, int64_t at) {
  bool fresh;
  struct wr_form *f = hold(b, at, &fresh);
  CHECK(f && !fresh && *(char *)wr_form_data(f) == (char)at);
  wr_form_leave(f);
}

static void one_for_each_key(void) {
  const size_t before = wr_memory_active();
  struct wr_buffer *b = buffer();
  for (int64_t at = 1; at < 20; at++) make(b, at);
  for (int64_t at = 1; at < 20; at++) expect_held(b, at);
  CHECK(wr_forms_bytes() >= 19 * BYTES && wr_memory_cached() >= wr_forms_bytes());
  CHECK(wr_memory_active() >= before + 1000 && wr_memory_active() < before + 2000);
  wr_forms_end(b); /* as before it is written over */
  CHECK(wr_forms_bytes() == 0);
  make(b, 3);
  wr_buffer_release(b);
  CHECK(wr_forms_bytes() == 0 && wr_memory_active() == before);
}

static void not_while_it_is_held(void) {
  bool fresh;
  struct wr_buffer *b = buffer();
  CHECK(!hold(b, 1, &fresh)); /* the first use */
  make(b, 1);
  struct wr_form *one = hold(b, 1, &fresh), *two = hold(b, 1, &fresh);
  CHECK(one && one == two && !fresh);
  CHECK(!wr_forms_drop());
  wr_form_leave(one);
  CHECK(!wr_forms_drop() && *(char *)wr_form_data(two) == 1);
  wr_form_leave(two);
  wr_memory_clear_cache();
  CHECK(wr_forms_bytes() == 0);
  struct wr_form *again = hold(b, 1, &fresh);
  CHECK(again && fresh && !hold(b, 1, &fresh)); /* nobody sees what is being filled */
  wr_form_leave(again);                         /* and it was given up */
  CHECK(wr_forms_bytes() == 0);
  again = hold(b, 1, &fresh);
  CHECK(again && fresh);
  wr_form_leave(again);
  CHECK(!hold(b, 1, &fresh)); /* made often enough */
  wr_buffer_release(b);
}

/* What is reported as cached keeps to the limit of the cache. */
static void cache_decides(void) {
  bool fresh;
  struct wr_buffer *b = buffer();
  wr_memory_clear_cache();
  const size_t limit = wr_memory_set_cache_limit(BYTES / 2);
  CHECK(!hold(b, 1, &fresh) && !hold(b, 1, &fresh));
  wr_memory_set_cache_limit(100 * BYTES);
  make(b, 2);
  CHECK(wr_forms_bytes() >= BYTES);
  wr_memory_set_cache_limit(BYTES / 2);
  CHECK(wr_forms_bytes() == 0 && wr_memory_cached() <= BYTES / 2);
  wr_buffer_release(b);
  wr_memory_set_cache_limit(limit);
}

static void memory_decides(void) {
  bool fresh;
  const size_t limit = wr_memory_set_limit(wr_memory_active() + 3 * BYTES);
  struct wr_buffer *b = buffer();
  CHECK(!hold(b, 1, &fresh) && !hold(b, 1, &fresh)); /* more than a quarter */
  wr_memory_set_limit(wr_memory_active() + 5 * BYTES);
  make(b, 2);
  struct wr_buffer *large;
  CHECK(wr_buffer_alloc(wr_memory_host(), 5 * BYTES, &large) == NULL);
  CHECK(wr_forms_bytes() == 0);
  wr_buffer_release(large);
  wr_buffer_release(b);
  wr_memory_set_limit(limit);
}

static void nothing_of_the_users(void) {
  static char data[1000];
  bool fresh;
  struct wr_buffer *b;
  CHECK(wr_buffer_wrap(data, sizeof data, NULL, NULL, &b) == NULL);
  for (int i = 0; i < 3; i++) CHECK(!hold(b, 1, &fresh));
  wr_buffer_release(b);
}

/* ---- threads ---- */

static struct wr_buffer *shared;
static wr_atomic_u32 filled, seen;

static void *use(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    const int64_t at = 1 + i % 4;
    bool fresh;
    struct wr_form *f = hold(shared, at, &fresh);
    if (!f) continue;
    if (fresh) {
      memset(wr_form_data(f), (int)at, BYTES);
      wr_fetch_add_relaxed(&filled, 1u);
      wr_form_ready(f);
    } else {
      const char *data = wr_form_data(f);
      CHECK(data[0] == (char)at && data[BYTES - 1] == (char)at);
      wr_fetch_add_relaxed(&seen, 1u);
    }
    wr_form_leave(f);
    if (arg && i % 50 == 49) wr_forms_drop();
  }
  wr_buffer_release(shared);
  return NULL;
}

static void run(void *one_drops) {
  pthread_t threads[THREADS];
  shared = buffer();
  for (int i = 0; i < THREADS; i++) wr_buffer_retain(shared);
  for (int i = 0; i < THREADS; i++) {
    CHECK(pthread_create(&threads[i], NULL, use, i ? NULL : one_drops) == 0);
  }
  wr_buffer_release(shared); /* the last user frees it */
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  CHECK(wr_forms_bytes() == 0);
}

static void threads_at_once(void) {
  run(NULL);
  CHECK(wr_load_relaxed(&filled) == 4 && wr_load_relaxed(&seen) > 0);
  run(&filled);
}

int main(void) {
  one_for_each_key();
  not_while_it_is_held();
  memory_decides();
  nothing_of_the_users();
  threads_at_once();
  cache_decides(); /* the last, since a limit that was set stays one */
  return 0;
}
