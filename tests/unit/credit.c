/* Active bytes and their peak while threads pay from credits (memory/active.c): equal to what a
   ledger says, whoever allocates, frees, resets and ends; after threads that let each other be; in
   the child of a fork; and the cache's limit beside it. */

#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "check.h"
#include "memory/budget.h"
#include "memory/buffer.h"

enum { THREADS = 6, PLACES = 64, STEPS = WR_TORTURED ? 3000 : 20000 };

static struct wr_buffer *take(size_t bytes) {
  struct wr_buffer *b;
  CHECK(wr_buffer_alloc(wr_memory_host(), bytes, &b) == NULL);
  return b;
}

static uint32_t draw(uint32_t *x) {
  *x = *x * 1664525u + 1013904223u;
  return *x >> 8;
}

/* ---- a ledger ---- */

static struct {
  pthread_mutex_t lock; /* around each step and what the ledger has of it */
  uint64_t active, peak;
  struct wr_buffer *live[PLACES]; /* freed by any thread */
} ledger = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Small ones mostly, for magazines and credits; some that no credit pays. */
static size_t draw_bytes(uint32_t *x) {
  const uint32_t kind = draw(x) % 64;
  if (kind == 0) return draw(x) % (3 << 20) + 1;
  return draw(x) % (kind < 8 ? 60000 : 600) + 1;
}

static void put(struct wr_buffer **at, size_t bytes) {
  if (*at) {
    ledger.active -= (*at)->bytes;
    wr_buffer_release(*at);
    *at = NULL;
    return;
  }
  *at = take(bytes);
  ledger.active += (*at)->bytes;
  if (ledger.active > ledger.peak) ledger.peak = ledger.active;
}

static void step(uint32_t *x) {
  const uint32_t what = draw(x) % 1000;
  struct wr_buffer **at = &ledger.live[draw(x) % PLACES];
  const size_t bytes = draw_bytes(x);
  pthread_mutex_lock(&ledger.lock);
  if (what == 0) {
    wr_memory_reset_peak();
    ledger.peak = 0;
  } else if (what < 10) {
    CHECK(wr_memory_active() == ledger.active);
  } else if (what < 20) {
    CHECK(wr_memory_peak() == ledger.peak);
  } else if (what == 20) {
    wr_memory_clear_cache();
  } else {
    put(at, bytes);
  }
  pthread_mutex_unlock(&ledger.lock);
}

static void *steps(void *seed) {
  uint32_t x = (uint32_t)(uintptr_t)seed * 2654435761u + 7;
  for (int i = 0; i < STEPS; i++) step(&x);
  return NULL;
}

static void a_ledger_agrees(void) {
  pthread_t threads[THREADS];
  ledger.active = wr_memory_active();
  wr_memory_reset_peak();
  for (int round = 0; round < 3; round++) { /* threads end with credit, and new ones come */
    for (uintptr_t i = 0; i < THREADS; i++) {
      CHECK(!pthread_create(&threads[i], NULL, steps, (void *)(i + 10 * (uintptr_t)round)));
    }
    steps((void *)(uintptr_t)(99 + round));
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK(wr_memory_active() == ledger.active && wr_memory_peak() == ledger.peak);
  }
  for (int i = 0; i < PLACES; i++) {
    if (ledger.live[i]) put(&ledger.live[i], 0);
  }
  CHECK(wr_memory_active() == ledger.active);
  wr_memory_clear_cache();
}

/* ---- threads that let each other be ---- */

static pthread_barrier_t barrier;
static size_t before;

static void meet(void) { pthread_barrier_wait(&barrier); }

/* Never more than `most` in four buffers. */
static void churn(uint32_t *x, size_t most, int times) {
  struct wr_buffer *kept[4] = {0};
  for (int i = 0; i < times; i++) {
    struct wr_buffer **at = &kept[draw(x) % 4];
    wr_buffer_release(*at);
    *at = take(draw(x) % (most / 4) + 1);
  }
  for (int i = 0; i < 4; i++) wr_buffer_release(kept[i]);
}

static void *phases(void *arg) {
  const size_t n = (size_t)(uintptr_t)arg, most = (n + 1) << 10;
  uint32_t x = (uint32_t)n;
  for (int round = 0; round < 20; round++) {
    churn(&x, most, 500);
    struct wr_buffer *all = take(most);
    meet();
    if (n == 0) CHECK(wr_memory_active() == before + (THREADS * (THREADS + 1) / 2 << 10));
    /* No moment had more than this one. */
    if (n == 1) CHECK(wr_memory_peak() == before + (THREADS * (THREADS + 1) / 2 << 10));
    meet();
    wr_buffer_release(all);
    meet();
    if (n == 0 && round % 3 == 0) wr_memory_reset_peak();
    meet();
  }
  return NULL;
}

static void maxima_are_seen(void) {
  pthread_t threads[THREADS];
  before = wr_memory_active();
  wr_memory_reset_peak();
  CHECK(!pthread_barrier_init(&barrier, NULL, THREADS));
  for (uintptr_t i = 0; i < THREADS; i++) {
    CHECK(!pthread_create(&threads[i], NULL, phases, (void *)i));
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&barrier);
  CHECK(wr_memory_active() == before);
  wr_memory_clear_cache();
}

/* ---- the cache's limit ---- */

enum { CHURNS = WR_TORTURED ? 10 : 40 };

static void *free_much(void *arg) {
  uint32_t x = (uint32_t)(uintptr_t)arg;
  for (int i = 0; i < CHURNS; i++) {
    churn(&x, 40000, 100);
    meet();
    meet();
  }
  return NULL;
}

/* Whatever the threads read of each other while all of them freed, nothing is left above the limit
   when they have. */
static void a_limit_holds(size_t limit) {
  pthread_t threads[THREADS];
  const size_t old = wr_memory_set_cache_limit(limit);
  CHECK(!pthread_barrier_init(&barrier, NULL, THREADS + 1));
  for (uintptr_t i = 0; i < THREADS; i++) {
    CHECK(!pthread_create(&threads[i], NULL, free_much, (void *)i));
  }
  for (int i = 0; i < CHURNS; i++) {
    meet();
    CHECK(wr_memory_cached() <= limit);
    meet();
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  CHECK(wr_memory_cached() <= limit);
  pthread_barrier_destroy(&barrier);
  wr_memory_set_cache_limit(old);
  wr_memory_clear_cache();
}

/* ---- a budget's end ---- */

static void a_charge_ends_once(void) {
  struct wr_budget *budget = wr_budget_new();
  const size_t active = wr_memory_active();
  for (int i = 0; i < 100; i++) {
    struct wr_buffer *b = take(300);
    wr_buffer_charge(b, budget);
    CHECK(wr_budget_live(budget) == 320 && wr_memory_active() == active + 320);
    wr_buffer_release(b);
    CHECK(wr_budget_live(budget) == 0 && wr_memory_active() == active);
  }
  wr_budget_release(budget);
}

/* ---- forks ---- */

static struct wr_buffer *held[THREADS];
static _Atomic bool leave;

static void *hold_credit(void *arg) {
  const size_t n = (size_t)(uintptr_t)arg;
  uint32_t x = (uint32_t)n;
  churn(&x, 4000, 500);
  held[n] = take(1000);
  meet();
  meet();
  wr_buffer_release(held[n]);
  while (!leave) churn(&x, 4000, 50);
  return NULL;
}

static void in_a_child(size_t least, size_t most) {
  int status = 0;
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    const size_t active = wr_memory_active();
    CHECK(active >= least && active <= most);
    struct wr_buffer *b = take(5000);
    CHECK(wr_memory_active() == active + b->bytes && wr_memory_peak() >= active + b->bytes);
    wr_memory_reset_peak();
    wr_buffer_release(b);
    wr_buffer_release(take(100));
    CHECK(wr_memory_active() == active && wr_memory_peak() == active + 128);
    wr_memory_clear_cache();
    CHECK(wr_memory_cached() == 0);
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* K11: other threads' credits are theirs; first between their steps, then at any moment. */
static void a_child_has_no_credit_of_others(void) {
  pthread_t threads[THREADS];
  before = wr_memory_active();
  CHECK(!pthread_barrier_init(&barrier, NULL, THREADS + 1));
  for (uintptr_t i = 0; i < THREADS; i++) {
    CHECK(!pthread_create(&threads[i], NULL, hold_credit, (void *)i));
  }
  meet();
  in_a_child(before + THREADS * 1024, before + THREADS * 1024);
  meet();
  for (int i = 0; i < 50; i++) in_a_child(before, before + THREADS * (4096 + 1024));
  leave = true;
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  CHECK(wr_memory_active() == before);
  pthread_barrier_destroy(&barrier);
}

int main(void) {
  wr_memory_set_cache_limit(256 << 20); /* the default, but in the hostile build */
  a_ledger_agrees();
  maxima_are_seen();
  a_limit_holds(0);
  a_limit_holds(20000);
  a_limit_holds(1 << 20);
  a_charge_ends_once();
  a_child_has_no_credit_of_others();
  return 0;
}
