/* Wired memory and its guards: W1, K14. FAILURES: E9. Pages that are really locked are read from
   the system (VmLck); sanitizers make munlock do nothing, so there only our own count is looked at.
 */

#include <sys/mman.h>
#include <sys/resource.h>

#include "base/base.h"
#include "fake_device.h"
#include "memory/buffer.h"
#include "programs.h"

static const size_t mb = (size_t)1 << 20;
static mlx_stream gpu;

/* Bytes that the system has locked for this process. */
static size_t locked_bytes(void) {
  char line[256];
  size_t kb = 0;
  FILE *f = fopen("/proc/self/status", "r");
  if (!f) return 0;
  while (fgets(line, sizeof line, f) && sscanf(line, "VmLck: %zu", &kb) != 1) {
  }
  fclose(f);
  return kb << 10;
}

/* Whether this process may lock so much. */
static bool may_lock(size_t bytes) {
  void *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(area != MAP_FAILED);
  bool may = mlock2(area, bytes, MLOCK_ONFAULT) == 0;
  munmap(area, bytes);
  return may;
}

static size_t set_limit(size_t bytes) {
  size_t old = 0;
  CHECK(mlx_set_wired_limit(&old, bytes) == 0);
  return old;
}

static mlx_array megabytes(int n) { return floats(n << 18, 1); }

static weir_runtime_stats_t stats(void) {
  weir_runtime_stats_t s;
  CHECK(weir_runtime_stats(&s) == 0);
  return s;
}

static weir_wired_guard begin(size_t bytes, const mlx_stream *streams, size_t n) {
  weir_wired_guard guard = {0};
  CHECK(weir_wired_guard_begin(&guard, bytes, streams, n) == 0 && guard.ctx);
  return guard;
}

static void end(weir_wired_guard *guard) { CHECK(weir_wired_guard_end(guard) == 0 && !guard->ctx); }

/* ---- guards ---- */

static void guards_add_up_and_end_in_any_order(void) {
  CHECK(set_limit(5 * mb) == 0 && wr_memory_wired_limit() == 5 * mb);
  weir_wired_guard a = begin(mb, NULL, 0), b = begin(2 * mb, NULL, 0), c = begin(100, NULL, 0);
  CHECK(wr_memory_wired_limit() == 8 * mb + 4096);
  end(&a);
  CHECK(set_limit(7 * mb) == 5 * mb); /* in between: stays */
  CHECK(wr_memory_wired_limit() == 9 * mb + 4096);
  end(&c);
  end(&b);
  CHECK(wr_memory_wired_limit() == 7 * mb);
  CHECK(set_limit(0) == 7 * mb);
}

static void guards_as_large_as_can_be(void) {
  CHECK(set_limit(SIZE_MAX) == 0);
  weir_wired_guard guards[4];
  for (int i = 0; i < 4; i++) guards[i] = begin(SIZE_MAX, NULL, 0);
  CHECK(wr_memory_wired_limit() == SIZE_MAX);
  CHECK(set_limit(3) == SIZE_MAX);
  CHECK(wr_memory_wired_limit() > (size_t)1 << 48);
  for (int i = 0; i < 4; i++) end(&guards[i]);
  CHECK(wr_memory_wired_limit() == 3 && set_limit(0) == 3);
}

static void ended_twice_is_harmless(void) {
  weir_wired_guard guard = {0};
  end(&guard);
  guard = begin(mb, NULL, 0);
  end(&guard);
  end(&guard);
  CHECK(wr_memory_wired_limit() == 0);
}

static void refused(const char *word) {
  CHECK(weir_last_status() == WEIR_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(weir_last_error(), word) && strstr(weir_last_error(), "weir_wired_guard_"));
  CHECK(wr_memory_wired_limit() == 0);
}

static void arguments_are_checked(void) {
  weir_wired_guard guard = {0}, used = begin(0, NULL, 0);
  mlx_stream some[2] = {new_stream(), {0}};
  CHECK(weir_wired_guard_begin(NULL, mb, NULL, 0) == 1);
  refused("guard");
  CHECK(weir_wired_guard_end(NULL) == 1);
  refused("guard");
  CHECK(weir_wired_guard_begin(&used, mb, NULL, 0) == 1);
  refused("guard");
  CHECK(weir_wired_guard_begin(&guard, mb, NULL, 1) == 1 && !guard.ctx);
  refused("streams");
  CHECK(weir_wired_guard_begin(&guard, mb, some, 2) == 1 && !guard.ctx);
  refused("streams");
  CHECK(weir_wired_guard_begin(&guard, mb, some, SIZE_MAX / 2) == 1 && !guard.ctx);
  end(&used);
  mlx_stream_free(some[0]);
}

/* The streams live as long as the guard, and what was submitted is waited for. */
static void end_waits_for_its_streams(void) {
  size_t before = live_streams();
  mlx_stream two[2] = {new_stream(), new_stream()};
  weir_wired_guard guard = begin(mb, two, 2);
  mlx_array x = floats(1 << 16, 0), one = mlx_array_new_float(1);
  for (int i = 0; i < 20; i++) add_to(&x, one, two[i % 2]);
  mlx_vector_array v = mlx_vector_array_new_value(x);
  CHECK(mlx_async_eval(v) == 0);
  mlx_stream_free(two[0]);
  mlx_stream_free(two[1]);
  CHECK(live_streams() == before + 2);
  end(&guard);
  bool available = false;
  CHECK(_mlx_array_is_available(&available, x) == 0 && available);
  CHECK(streams_become(before));
  mlx_vector_array_free(v);
  mlx_array_free(one);
  mlx_array_free(x);
}

static void *end_on_another_thread(void *guard) {
  end(guard);
  return NULL;
}

/* While a guard waits, its limit holds; another guard and other work are not held up. */
static void other_guards_do_not_wait(void) {
  pthread_t thread;
  mlx_array x = floats(4, 0);
  weir_wired_guard waits = begin(mb, &gpu, 1), other = begin(2 * mb, NULL, 0);
  fake_device_hold();
  add_to(&x, x, gpu);
  mlx_vector_array v = mlx_vector_array_new_value(x);
  CHECK(mlx_async_eval(v) == 0);
  CHECK(pthread_create(&thread, NULL, end_on_another_thread, &waits) == 0);
  end(&other);
  CHECK(wr_memory_wired_limit() == mb);
  CHECK(set_limit(mb) == 0 && set_limit(0) == mb);
  fake_device_release();
  pthread_join(thread, NULL);
  CHECK(wr_memory_wired_limit() == 0);
  mlx_vector_array_free(v);
  mlx_array_free(x);
}

/* Without streams: what the calling thread's default has to do. */
static void end_waits_for_the_default(void) {
  mlx_array x = floats(1 << 16, 0), one = mlx_array_new_float(1);
  weir_wired_guard guard = begin(mb, NULL, 0);
  for (int i = 0; i < 20; i++) add_to(&x, one, (mlx_stream){0});
  mlx_vector_array v = mlx_vector_array_new_value(x);
  CHECK(mlx_async_eval(v) == 0);
  end(&guard);
  bool available = false;
  CHECK(_mlx_array_is_available(&available, x) == 0 && available);
  mlx_vector_array_free(v);
  mlx_array_free(one);
  mlx_array_free(x);
}

/* A wait that fails is an error, and the limit falls all the same. */
static void a_failed_wait_restores(void) {
#ifdef WR_TORTURE
  mlx_stream two[2] = {new_stream(), new_stream()};
  weir_wired_guard guard = begin(mb, two, 2);
  wr_alloc_fail_at(1);
  CHECK(weir_wired_guard_end(&guard) == 1 && !guard.ctx);
  wr_alloc_fail_at(0);
  CHECK(weir_last_status() == WEIR_ERROR_OUT_OF_MEMORY && wr_memory_wired_limit() == 0);
  wr_alloc_fail_at(1);
  CHECK(weir_wired_guard_begin(&guard, mb, two, 2) == 1 && !guard.ctx);
  wr_alloc_fail_at(0);
  CHECK(wr_memory_wired_limit() == 0);
  mlx_stream_free(two[0]);
  mlx_stream_free(two[1]);
#endif
}

/* ---- locked pages ---- */

/* Live arrays are locked as the limit rises, new ones as they are made; the limit is never passed;
   an array that is freed to the system leaves room. */
static void pages_follow_the_limit(void) {
  size_t cache = 0, old = 0;
  if (!may_lock(8 * mb)) return;
  mlx_clear_cache();
  CHECK(mlx_set_cache_limit(&cache, 0) == 0);
  mlx_array a = megabytes(2), b = megabytes(4), small = floats(16, 1);
  CHECK(stats().wired_bytes == 0 && locked_bytes() == 0);
  CHECK(set_limit(5 * mb) == 0); /* one of both fits */
  size_t first = stats().wired_bytes;
  CHECK(first == 2 * mb || first == 4 * mb);
  CHECK(locked_bytes() == first);
  CHECK(set_limit(8 * mb) == 5 * mb && stats().wired_bytes == 6 * mb);
  mlx_array c = megabytes(2), d = megabytes(2);
  CHECK(stats().wired_bytes == 8 * mb && locked_bytes() == 8 * mb);
  mlx_array_free(b);
  CHECK(stats().wired_bytes == 4 * mb && locked_bytes() == 4 * mb);
  weir_wired_guard guard = begin(2 * mb, NULL, 0); /* 10 MB: room for all */
  CHECK(stats().wired_bytes == 6 * mb && stats().wired_shortfall_bytes == 0);
  CHECK(set_limit(0) == 8 * mb && stats().wired_bytes == 2 * mb);
  if (!SANITIZED) CHECK(locked_bytes() == 2 * mb);
  end(&guard);
  CHECK(stats().wired_bytes == 0);
  if (!SANITIZED) CHECK(locked_bytes() == 0);
  CHECK(mlx_array_data_float32(a)[1] == 2);
  mlx_array_free(d);
  mlx_array_free(c);
  mlx_array_free(small);
  mlx_array_free(a);
  CHECK(mlx_set_cache_limit(&old, cache) == 0);
}

/* K14: in a child that may lock 4 MB and is nobody special. */
static void with_a_system_that_refuses(void) {
  struct rlimit limit;
  size_t cache = 0;
  CHECK(getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
  if (limit.rlim_max < 4 * mb) _exit(0);
  limit.rlim_cur = 4 * mb;
  CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
  if (geteuid() == 0) CHECK(setresuid(65534, 65534, 65534) == 0);
  /* A system without that limit, or without mlock2, as valgrind's. */
  if (may_lock(6 * mb) || !may_lock(2 * mb)) _exit(0);
  CHECK(mlx_set_cache_limit(&cache, 0) == 0);
  mlx_array a = megabytes(2), b = megabytes(2), c = megabytes(2), d = megabytes(8);
  CHECK(set_limit(mb << 10) == 0);
  CHECK(stats().wired_bytes == 4 * mb && stats().wired_shortfall_bytes == 10 * mb);
  CHECK(set_limit(9 * mb) == mb << 10); /* no more is missing than the limit allows */
  CHECK(stats().wired_bytes == 4 * mb && stats().wired_shortfall_bytes == 2 * mb);
  CHECK(set_limit(mb << 10) == 9 * mb);
  add_to(&d, d, (mlx_stream){0});
  CHECK(mlx_array_data_float32(d)[2] == 6); /* and work goes on */
  mlx_array_free(d);
  mlx_array_free(a);
  mlx_array_free(b);
  CHECK(set_limit((size_t)2 << 30) == mb << 10); /* the next rise tries again */
  CHECK(stats().wired_bytes == 2 * mb && stats().wired_shortfall_bytes == 0);
  mlx_array_free(c);
  CHECK(stats().wired_bytes == 0);
  CHECK(set_limit(0) == (size_t)2 << 30);
}

static mlx_array parents;

/* K11: the child has none of its parent's locked pages, and wires its own. */
static void in_the_child_of_a_fork(void) {
  CHECK(stats().wired_bytes == 0 && locked_bytes() == 0);
  mlx_array own = megabytes(4);
  CHECK(stats().wired_bytes == 4 * mb && locked_bytes() == 4 * mb);
  CHECK(mlx_array_data_float32(parents)[3] == 4);
  mlx_array_free(parents);
  CHECK(mlx_clear_cache() == 0 && stats().wired_bytes == 4 * mb);
  CHECK(set_limit(0) == 8 * mb && stats().wired_bytes == 0);
  mlx_array_free(own);
}

static void forks_wire_their_own(void) {
  if (!may_lock(8 * mb)) return;
  CHECK(set_limit(8 * mb) == 0);
  parents = megabytes(4);
  CHECK(stats().wired_bytes == 4 * mb);
  CHECK(in_child(in_the_child_of_a_fork, 20) == 0);
  mlx_array_free(parents);
  CHECK(set_limit(0) == 8 * mb);
}

/* ---- E9 ---- */

enum { ROUNDS = 300, LIMITS = 3 };

static int (*const setters[LIMITS])(size_t *res, size_t limit) = {
    mlx_set_wired_limit, mlx_set_cache_limit, mlx_set_memory_limit};
static size_t sum_set[LIMITS][MOST_THREADS], sum_got[LIMITS][MOST_THREADS];

static size_t exchange(int limit, size_t value) {
  size_t old = 0;
  CHECK(setters[limit](&old, value) == 0);
  return old;
}

/* Sets and restores, with guards in between that end in another order. */
static void set_and_restore(int i) {
  for (int k = 0; k < ROUNDS; k++) {
    int limit = k % LIMITS;
    size_t mine = (size_t)(i * ROUNDS + k) << 12;
    weir_wired_guard a = begin(mine, NULL, 0), b = begin(mb, NULL, 0);
    size_t old = exchange(limit, mine);
    end(&a);
    sum_got[limit][i] += old + exchange(limit, old);
    sum_set[limit][i] += mine + old;
    end(&b);
  }
}

/* Each setter gets what it replaced, so the values that went in came out, but the last one. */
static void e9_no_limit_is_lost(void) {
  size_t before[LIMITS];
  for (int l = 0; l < LIMITS; l++) before[l] = exchange(l, 77);
  run_threads(many(8), set_and_restore);
  for (int l = 0; l < LIMITS; l++) {
    size_t set = 77, got = exchange(l, before[l]);
    for (int i = 0; i < MOST_THREADS; i++) {
      set += sum_set[l][i];
      got += sum_got[l][i];
    }
    CHECK(got == set);
  }
  CHECK(wr_memory_wired_limit() == 0); /* nothing is left of the guards */
}

/* Arrays come and go while limits rise and fall: in the end the accounts and the system agree. */
static void churn(int i) {
  mlx_array kept[3] = {{0}, {0}, {0}};
  for (int k = 0; k < 40; k++) {
    if (i < 4) {
      mlx_array_free(kept[k % 3]);
      kept[k % 3] = megabytes(2 + (k + i) % 3);
      if (k % 8 == 7) CHECK(mlx_clear_cache() == 0);
    } else {
      weir_wired_guard guard = begin((size_t)(k % 5) * 3 * mb, NULL, 0);
      CHECK(mlx_synchronize(gpu) == 0);
      if (i == 4) set_limit((size_t)(k % 3) * 4 * mb);
      end(&guard);
    }
  }
  for (int j = 0; j < 3; j++) mlx_array_free(kept[j]);
}

static void accounts_stay_exact(void) {
  mlx_array a = megabytes(2);
  run_threads(8, churn);
  set_limit(0);
  CHECK(stats().wired_bytes == 0 && stats().wired_shortfall_bytes == 0);
  if (!SANITIZED) CHECK(locked_bytes() == 0);
  if (may_lock(2 * mb)) {
    mlx_clear_cache();
    CHECK(set_limit(2 * mb) == 0 && stats().wired_bytes == 2 * mb);
    CHECK(set_limit(0) == 2 * mb && stats().wired_bytes == 0);
  }
  mlx_array_free(a);
}

static wr_atomic_bool flipping;

static void *flip(void *unused) {
  while (wr_load_relaxed(&flipping)) {
    set_limit(64 * mb);
    set_limit(0);
  }
  return unused;
}

/* The system is at work on the pages for milliseconds, and the array goes meanwhile: freeing it
   does not wait, and who is at work on it ends it. */
static void arrays_go_while_their_pages_change(void) {
  pthread_t thread;
  size_t cache = 0;
  CHECK(mlx_set_cache_limit(&cache, 0) == 0);
  wr_store_relaxed(&flipping, true);
  CHECK(pthread_create(&thread, NULL, flip, NULL) == 0);
  for (int i = 0; i < (SANITIZED ? 10 : 40); i++) {
    mlx_array a = megabytes(8);
    usleep(500);
    mlx_array_free(a);
  }
  wr_store_relaxed(&flipping, false);
  pthread_join(thread, NULL);
  CHECK(stats().wired_bytes == 0 && stats().wired_shortfall_bytes == 0);
  if (!SANITIZED) CHECK(locked_bytes() == 0);
  CHECK(mlx_set_cache_limit(&cache, cache) == 0);
}

int main(void) {
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  CHECK(in_child(with_a_system_that_refuses, 20) == 0);
  forks_wire_their_own();
  pages_follow_the_limit();
  guards_add_up_and_end_in_any_order();
  guards_as_large_as_can_be();
  ended_twice_is_harmless();
  end_waits_for_the_default();
  a_failed_wait_restores();
  fake_device_install();
  mlx_device device = mlx_device_new_type(MLX_GPU, 0);
  gpu = mlx_stream_new_device(device);
  CHECK(gpu.ctx != NULL);
  arguments_are_checked();
  end_waits_for_its_streams();
  other_guards_do_not_wait();
  e9_no_limit_is_lost();
  accounts_stay_exact();
  arrays_go_while_their_pages_change();
  mlx_stream_free(gpu);
  mlx_device_free(device);
  CHECK(weir_shutdown(UINT64_C(10000000000)) == 0);
  CHECK(fake_device_shutdown() == 0);
  return 0;
}
