/* What is left when streams, threads and memory have come and gone. E3 stands in destroy.c, E12 in
   defaults.c. */

#include "anew.h"
#include "fixtures.h"

static void one_add(mlx_stream s) {
  mlx_array a = floats(16, 1);
  add_to(&a, a, s);
  CHECK(mlx_array_eval(a) == 0);
  mlx_array_free(a);
}

static void *one_request(void *arg) {
  one_add((mlx_stream){0});
  if (arg) probe_count(arg);
  return NULL;
}

/* Memory is flat: within 1 MB of what it was. Sanitizers keep records of what is gone. */
static void check_flat(size_t rss) {
  CHECK(SANITIZED || emulated() || rss_bytes() < rss + (1 << 20));
}

/* E1: 100,000 x {new stream, small add, eval, free}. */
static void e1_streams_one_after_another(void) {
  int n = times(SANITIZED ? 5000 : 100000, 100000), highest = 0;
  size_t rss = 0, streams = live_streams();
  one_add((mlx_stream){0});
  int threads = os_threads();
  for (int i = 0; i < n; i++) {
    mlx_stream s = new_stream();
    int index = -1;
    CHECK(mlx_stream_get_index(&index, s) == 0);
    if (index > highest) highest = index;
    one_add(s);
    mlx_stream_free(s);
    if (i == 1000) rss = rss_bytes();
  }
  check_flat(rss);
  CHECK(os_threads() <= threads);
  CHECK(streams_become(streams > 1 ? streams : 1));
  CHECK(highest < 64); /* slots are used again */
}

/* Detached from the beginning: glibc's pthread_detach reads the thread's block once more after it
   has let go of it, and the thread may have ended by then (sourceware bug 19951). */
static void start_detached(void *(*run)(void *), void *arg) {
  pthread_attr_t detached;
  pthread_t thread;
  CHECK(pthread_attr_init(&detached) == 0);
  CHECK(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) == 0);
  CHECK(pthread_create(&thread, &detached, run, arg) == 0);
  CHECK(pthread_attr_destroy(&detached) == 0);
}

/* E2: threads, each one add on its default stream: joined, then detached. */
static void e2_threads_one_after_another(void) {
  int n = times(SANITIZED ? 500 : 10000, 100000), ended = 0;
  int threads = os_threads();
  size_t streams = live_streams(), rss = 0;
  for (int i = 0; i < n; i++) {
    run_one(one_request, NULL);
    if (i == n / 10) rss = rss_bytes();
  }
  check_flat(rss);
  for (int i = 0; i < n; i++) {
    start_detached(one_request, &ended);
    if (i % 64 == 63) CHECK(becomes(&ended, i + 1));
  }
  CHECK(becomes(&ended, n));
  CHECK(streams_become(streams));
  CHECK(threads_become(threads));
}

/* E4: pooled threads clear their streams between requests, and are used again; what they share with
   other threads goes on. Under the checked policy the next request says what to do, in words. */
static mlx_stream shared;

static void requests_with_clear(int i) {
  for (int k = 0; k < 100; k++) {
    mlx_array a = chain((float)i, 10, k % 2 ? shared : (mlx_stream){0}), b = another(a);
    add_to(&b, a, (mlx_stream){0});
    CHECK(k % 3 || submit(b) == 0);
    CHECK(mlx_clear_streams() == 0);
    CHECK(k % 5 || mlx_clear_streams() == 0);
    CHECK(float_of(b) == 2 * ((float)i + 10));
    mlx_array_free(a);
    mlx_array_free(b);
  }
  CHECK(mlx_clear_streams() == 0);
}

static void e4_pooled_threads_clear(void) {
  size_t before = live_streams();
  shared = new_stream();
  run_threads(many(8), requests_with_clear);
  one_add(shared);
  mlx_stream_free(shared);
  CHECK(streams_become(before));
}

static void *clear_then_work(void *arg) {
  mlx_stream s = new_stream();
  one_add(s);
  CHECK(mlx_clear_streams() == 0 && mlx_clear_streams() == 0);
  mlx_array a = mlx_array_new_float(1), b = mlx_array_new();
  CHECK(mlx_add(&b, a, a, (mlx_stream){0}) == 1);
  CHECK(weir_last_status() == WEIR_ERROR_THREAD_RETIRED);
  CHECK(strstr(weir_last_error(), "mlx_clear_streams") != NULL);
  CHECK(strstr(weir_last_error(), "weir_thread_revive") != NULL);
  CHECK(weir_thread_revive() == 0);
  one_add((mlx_stream){0});
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_stream_free(s);
  return arg;
}

static void clear_under_the_checked_policy(void) {
  CHECK(weir_set_thread_policy(WEIR_THREADS_CHECKED) == 0);
  mlx_set_error_handler(quiet, NULL, NULL);
  one_add((mlx_stream){0});
  run_one(clear_then_work, NULL);
  one_add((mlx_stream){0}); /* C6: nobody else is harmed */
  _exit(42);
}

/* E6: a worker exits with objects of its own alive, which its own thread-local destructor frees,
   after the library has let go of the thread, or before. */
static pthread_key_t own_key;

struct own {
  mlx_stream stream;
  mlx_array lazy, value;
};

static void drop_own(void *arg) {
  struct own *own = arg;
  CHECK(float_of(own->lazy) == 20);
  one_add((mlx_stream){0}); /* a new default, on a thread that is ending */
  mlx_array_free(own->lazy);
  mlx_array_free(own->value);
  mlx_stream_free(own->stream);
  free(own);
}

static void *leave_objects(void *arg) {
  struct own *own = malloc(sizeof *own);
  CHECK(own != NULL);
  *own = (struct own){new_stream(), chain(0, 20, (mlx_stream){0}), floats(100, 1)};
  CHECK(submit(own->value) == 0);
  CHECK(pthread_setspecific(own_key, own) == 0);
  return arg;
}

static void e6_objects_of_a_thread_that_ends(void) {
  size_t streams = live_streams();
  CHECK(pthread_key_create(&own_key, drop_own) == 0);
  for (int i = 0; i < 200; i++) run_one(leave_objects, NULL);
  CHECK(streams_become(streams));
  CHECK(pthread_key_delete(own_key) == 0);
}

/* E8: 1 GB, allocated and freed in rising sizes. */
static void e8_rising_sizes(void) {
  size_t before = 0, cached = 0, limit = 16 << 20;
  size_t rss = rss_bytes();
  CHECK(mlx_set_cache_limit(&before, limit) == 0);
  for (int bytes = 1 << 12; bytes <= 256 << 20; bytes *= 2) {
    int n = bytes / (int)sizeof(float);
    mlx_array a = mlx_array_new();
    CHECK(mlx_ones(&a, &n, 1, MLX_FLOAT32, (mlx_stream){0}) == 0);
    add_to(&a, a, (mlx_stream){0});
    CHECK(mlx_array_data_float32(a)[n - 1] == 2);
    mlx_array_free(a);
    CHECK(mlx_get_cache_memory(&cached) == 0 && cached <= limit);
  }
  CHECK(mlx_clear_cache() == 0);
  CHECK(mlx_get_cache_memory(&cached) == 0 && cached == 0);
  CHECK(SANITIZED || emulated() || rss_bytes() < rss + (8 << 20));
  CHECK(mlx_set_cache_limit(&limit, before) == 0);
}

/* E9: threads swap limits in a loop. Each value set is returned to exactly one other setter, or is
   the last: so the sums agree. */
static long long set_sum, returned_sum;

static void swap_limits(int i) {
  for (size_t k = 0; k < 500; k++) {
    size_t value = ((size_t)1 << 30) + (size_t)i * 1000 + k, old = 0;
    CHECK(mlx_set_wired_limit(&old, value) == 0);
    __atomic_add_fetch(&set_sum, (long long)value, __ATOMIC_RELAXED);
    __atomic_add_fetch(&returned_sum, (long long)old, __ATOMIC_RELAXED);
    CHECK(mlx_set_memory_limit(&old, value) == 0);
    one_add((mlx_stream){0});
    CHECK(mlx_set_memory_limit(&value, old) == 0);
  }
}

static void e9_limits_in_a_loop(void) {
  size_t first = 0, last = 0, memory = 0, unused = 0;
  CHECK(mlx_get_memory_limit(&memory) == 0);
  CHECK(mlx_set_wired_limit(&first, 0) == 0);
  run_threads(many(8), swap_limits);
  CHECK(mlx_set_wired_limit(&last, first) == 0);
  CHECK(returned_sum + (long long)last == set_sum);
  CHECK(mlx_set_memory_limit(&unused, memory) == 0);
}

int main(void) {
  mean_cpu();
  CHECK(in_child(clear_under_the_checked_policy, 20) == 42);
  e4_pooled_threads_clear();
  e1_streams_one_after_another();
  e2_threads_one_after_another();
  e6_objects_of_a_thread_that_ends();
  e8_rising_sizes();
  e9_limits_in_a_loop();
  return 0;
}
