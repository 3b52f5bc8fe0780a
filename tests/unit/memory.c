/* Buffers: size classes, reuse, accounts, limits, magazines of several threads, user memory,
   forks. */

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "check.h"
#include "memory/buffer.h"
#include "memory/internal.h"

static struct wr_buffer *take(size_t bytes) {
  struct wr_buffer *b;
  CHECK(wr_buffer_alloc(wr_memory_host(), bytes, &b) == NULL);
  CHECK(b->bytes >= bytes && (uintptr_t)b->data % WR_BUFFER_ALIGN == 0);
  if (bytes) memset(b->data, 0x5a, bytes);
  return b;
}

static void classes_are_tight_and_ordered(void) {
  for (size_t bytes = 1; bytes < (size_t)1 << 40; bytes += bytes / 7 + 1) {
    uint32_t c = wr_class_of(bytes);
    CHECK(wr_class_bytes(c) >= bytes && wr_class_bytes(c) % 64 == 0);
    CHECK(c == 0 || wr_class_bytes(c - 1) < bytes);
    CHECK(bytes < 512 || wr_class_bytes(c) - bytes <= bytes / 8);
  }
  CHECK(wr_class_bytes(WR_CLASS_MAGAZINES - 1) == 64 << 10);
  CHECK(wr_class_of(SIZE_MAX) == WR_CLASS_NONE);
}

static void accounts_are_exact(void) {
  size_t before = wr_memory_active();
  struct wr_buffer *small = take(100);
  struct wr_buffer *large = take((size_t)8 << 20);
  CHECK(wr_memory_active() == before + 128 + ((size_t)8 << 20));
  CHECK(wr_memory_peak() >= wr_memory_active());
  wr_buffer_release(large);
  wr_buffer_release(small);
  CHECK(wr_memory_active() == before);
  CHECK(wr_memory_cached() == 128 + ((size_t)8 << 20));
  wr_memory_reset_peak();
  CHECK(wr_memory_peak() == 0);
  wr_memory_clear_cache();
  CHECK(wr_memory_cached() == 0);
}

static void what_was_freed_is_used_again(void) {
  struct wr_buffer *a = take(1000);
  void *data = a->data;
  wr_buffer_release(a);
  a = take(1000);
  CHECK(a->data == data);
  wr_buffer_release(wr_buffer_retain(a));
  CHECK(wr_buffer_unique(a));
  wr_buffer_release(a);
  wr_memory_clear_cache();
}

static void limits_hold(void) {
  size_t old = wr_memory_set_cache_limit(1 << 20);
  CHECK(wr_memory_set_cache_limit(1 << 20) == 1 << 20);
  for (size_t bytes = 1 << 12; bytes <= (size_t)64 << 20; bytes *= 2) {
    wr_buffer_release(take(bytes));
    CHECK(wr_memory_cached() <= 1 << 20);
  }
  wr_memory_set_cache_limit(0);
  CHECK(wr_memory_cached() == 0);
  wr_buffer_release(take(64));
  CHECK(wr_memory_cached() == 0);
  wr_memory_set_cache_limit(old);

  size_t limit = wr_memory_set_limit(0); /* a guideline: allocations go on */
  CHECK(wr_memory_limit() == 0);
  wr_buffer_release(take(4096));
  CHECK(wr_memory_set_limit(limit) == 0 && wr_memory_limit() == limit);
  CHECK(wr_memory_set_wired_limit(77) == 0 && wr_memory_set_wired_limit(0) == 77);
  wr_memory_clear_cache();
}

/* K14, P11: what the machine does not have is refused before anything is given up. */
static void a_refusal_is_an_error(void) {
  struct wr_buffer *b = NULL;
  wr_buffer_release(take(1 << 20));
  struct wr_error *error = wr_buffer_alloc(wr_memory_host(), (size_t)1 << 47, &b);
  CHECK(error && wr_error_status(error) == WEIR_ERROR_OUT_OF_MEMORY && !b);
  CHECK(strstr(wr_error_message(error), "140737488355328"));
  wr_error_release(error);
  error = wr_buffer_alloc(wr_memory_host(), SIZE_MAX, &b);
  CHECK(error && !b);
  wr_error_release(error);
  CHECK(wr_memory_cached() == 1 << 20);
  wr_memory_clear_cache();
}

static void count(void *payload) { ++*(int *)payload; }

static void user_memory_ends_once(void) {
  int ends = 0;
  char mine[16];
  struct wr_buffer *b;
  CHECK(!wr_buffer_wrap(mine, sizeof mine, count, &ends, &b) && b->data == mine);
  wr_buffer_release(wr_buffer_retain(b));
  CHECK(ends == 0);
  wr_buffer_release(b);
  CHECK(ends == 1);
  b = take(0);
  CHECK(b->data != NULL); /* no elements have an address too */
  wr_buffer_release(b);
}

enum { THREADS = 8, ROUNDS = 20000 };

static void *churn(void *seed) {
  struct wr_buffer *kept[16] = {0};
  uint32_t x = (uint32_t)(uintptr_t)seed * 2654435761u + 1;
  for (int i = 0; i < ROUNDS; i++) {
    x = x * 1664525u + 1013904223u;
    struct wr_buffer **at = &kept[x >> 28];
    wr_buffer_release(*at);
    *at = take((x >> 8) % 5000 + 1);
    if (i % 1000 == 0) wr_memory_clear_cache();
  }
  for (int i = 0; i < 16; i++) wr_buffer_release(kept[i]);
  return NULL;
}

static void threads_leave_nothing(void) {
  pthread_t threads[THREADS];
  size_t before = wr_memory_active();
  for (uintptr_t i = 0; i < THREADS; i++) {
    CHECK(pthread_create(&threads[i], NULL, churn, (void *)i) == 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  CHECK(wr_memory_active() == before);
  wr_memory_clear_cache();
  CHECK(wr_memory_cached() == 0);
}

/* K11: of what was idle the child has the forking thread's magazine, counts it, and can drop it. */
static void a_child_counts_what_it_keeps(void) {
  int status = 0;
  wr_buffer_release(take(1000));            /* into the magazine */
  wr_buffer_release(take((size_t)4 << 20)); /* into the shared cache, which is lost */
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    CHECK(wr_memory_cached() == 1024);
    wr_buffer_release(take((size_t)4 << 20));
    CHECK(wr_memory_cached() == 1024 + ((size_t)4 << 20));
    wr_memory_clear_cache();
    CHECK(wr_memory_cached() == 0);
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  wr_memory_clear_cache();
}

int main(void) {
  wr_memory_set_cache_limit(256 << 20); /* the default, but in the hostile build */
  classes_are_tight_and_ordered();
  accounts_are_exact();
  what_was_freed_is_used_again();
  limits_hold();
  a_refusal_is_an_error();
  user_memory_ends_once();
  a_child_counts_what_it_keeps();
  threads_leave_nothing();
  return 0;
}
