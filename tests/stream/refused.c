/* T2: what the system refuses for the moment (descriptors, threads, keys) is an error of the call
   that asked, and the next one tries again. K10: a shutdown inside a callback is an error.
   FAILURES: P3, P9. */

#include <dlfcn.h>
#include <errno.h>
#include <sys/resource.h>

#include "anew.h"
#include "fixtures.h"

static bool no_threads; /* written while there is one thread */

/* Stand before the C library's, or a sanitizer's. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg) {
  int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = NULL;
  void *next = dlsym(RTLD_NEXT, "pthread_create");
  memcpy(&create, &next, sizeof create);
  return no_threads ? EAGAIN : create(thread, attr, fn, arg);
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
/* Where the environment says so, there is no key from the start, as in a program that loads the
   library late and has none left. */
int pthread_key_create(pthread_key_t *key, void (*fn)(void *)) {
  int (*create)(pthread_key_t *, void (*)(void *)) = NULL;
  void *next = dlsym(RTLD_NEXT, "pthread_key_create");
  memcpy(&create, &next, sizeof create);
  return getenv("WEIR_TEST_NO_KEYS") ? EAGAIN : create(key, fn);
}
#endif

/* Of complex numbers, by OpenBLAS. */
static mlx_array product(void) {
  const int shape[] = {3, 3};
  mlx_array a = mlx_array_new();
  CHECK(mlx_ones(&a, shape, 2, MLX_COMPLEX64, (mlx_stream){0}) == 0);
  CHECK(mlx_matmul(&a, a, a, (mlx_stream){0}) == 0);
  return a;
}

static void expect_product(void) {
  mlx_array a = product();
  CHECK(mlx_real(&a, a, (mlx_stream){0}) == 0);
  CHECK(mlx_array_eval(a) == 0 && mlx_array_data_float32(a)[8] == 3);
  mlx_array_free(a);
}

static void expect_refused(void) {
  mlx_array a = product();
  CHECK(mlx_array_eval(a) == 1);
  CHECK(strstr(weir_last_error(), "OpenBLAS") && !strstr(weir_last_error(), "out of memory"));
  mlx_array_free(a);
}

static void first_product_without_descriptors(void) {
  struct rlimit before, none;
  CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
  none = before;
  none.rlim_cur = 3;
  CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
  expect_refused();
  expect_refused();
  CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
  expect_product();
  _exit(42);
}

static void first_product_without_threads(void) {
  no_threads = true;
  expect_refused();
  no_threads = false;
  expect_product();
  _exit(42);
}

/* ---- shutdown where it would wait for itself ---- */

static void shut_down_inside(void *over) {
  CHECK(weir_shutdown(INT64_C(60000000000)) == 1 && weir_last_status() == WEIR_ERROR_STATE);
  probe_count(over);
}

static void shutdown_in_callback(void) {
  static float data[1] = {1};
  int over = 0, n = 1;
  mlx_stream s = new_stream();
  CHECK(weir_stream_on_idle(s, shut_down_inside, &over) == 0 && becomes(&over, 1));
  mlx_array_free(
      mlx_array_new_data_managed_payload(data, &n, 1, MLX_FLOAT32, &over, shut_down_inside));
  CHECK(becomes(&over, 2));
  mlx_stream_free(s);
  CHECK(weir_shutdown(INT64_C(60000000000)) == 0);
  _exit(42);
}

/* ---- destructors where threads are refused: K10 ---- */

static pthread_t user; /* the thread that evaluates, and must not run them */
static bool in_free;

static void end_on_another(void *over) {
  CHECK(in_free || !pthread_equal(pthread_self(), user));
  probe_count(over);
}

static mlx_array managed(int *over) {
  static float data[1] = {1};
  int n = 1;
  return mlx_array_new_data_managed_payload(data, &n, 1, MLX_FLOAT32, over, end_on_another);
}

/* The last use of the data is the evaluation's. */
static mlx_array read_last(mlx_array a, mlx_stream s) {
  mlx_array sum = mlx_array_new();
  CHECK(mlx_add(&sum, a, a, s) == 0);
  in_free = true;
  mlx_array_free(a);
  in_free = false;
  return sum;
}

static void fail_once(const char *message, void *over) {
  (void)message;
  (void)over;
}

static void destructors_without_threads(void) {
  int over = 0, handlers = 0;
  mlx_stream s = new_stream();
  user = pthread_self();
  no_threads = true;
  CHECK(managed(&over).ctx == NULL && weir_last_status() == WEIR_ERROR_STATE && over == 0);
  CHECK(strstr(weir_last_error(), "thread"));
  in_free = true; /* it is this call that is refused */
  mlx_set_error_handler(fail_once, &handlers, end_on_another);
  in_free = false;
  CHECK(handlers == 1);
  no_threads = false;
  mlx_array sum = read_last(managed(&over), s);
  no_threads = true;
  CHECK(mlx_array_eval(sum) == 0 && mlx_array_data_float32(sum)[0] == 2 && becomes(&over, 1));
  mlx_array_free(sum);
  no_threads = false;
  /* The thread that was there has been ended since: the call waits for the next that can be had. */
  sum = read_last(managed(&over), s);
  CHECK(weir_shutdown(INT64_C(60000000000)) == 0);
  no_threads = true;
  CHECK(mlx_array_eval(sum) == 0 && over == 1);
  mlx_array_free(sum);
  no_threads = false;
  sum = managed(&over);
  CHECK(becomes(&over, 2));
  in_free = true;
  mlx_array_free(sum);
  CHECK(over == 3);
  mlx_stream_free(s);
  _exit(42);
}

/* ---- no key ---- */

static void *use_default(void *arg) {
  mlx_array a = chain(0, 5, (mlx_stream){0}), empty = mlx_array_new();
  CHECK(float_of(a) == 5);
  mlx_array_free(a);
  CHECK(mlx_array_eval(empty) == 1 && strstr(weir_last_error(), "is an empty array"));
  CHECK(mlx_add(&empty, empty, empty, (mlx_stream){0}) == 1 && strstr(weir_last_error(), "add"));
  return arg;
}

static int without_keys(void) {
  for (int i = 0; i < 50; i++) run_one(use_default, NULL);
  CHECK(streams_become(0)); /* they went with their threads, and so did their idle memory */
  size_t cached = 0;
  CHECK(mlx_get_cache_memory(&cached) == 0 && cached > 0 && mlx_clear_cache() == 0);
  CHECK(mlx_get_cache_memory(&cached) == 0 && cached == 0);
  return 42;
}

static void start_without_keys(void) {
  CHECK(setenv("WEIR_TEST_NO_KEYS", "1", 1) == 0);
  run_anew("keys");
}

int main(int argc, char **argv) {
  mean_cpu(); /* with no descriptor left nobody knows whether there is a GPU */
  mlx_set_error_handler(quiet, NULL, NULL);
  (void)argv;
  if (argc > 1) return without_keys();
  repeat(first_product_without_descriptors, "no descriptors", 1);
  repeat(first_product_without_threads, "no threads", 1);
  repeat(shutdown_in_callback, "shutdown in a callback", 1);
  repeat(destructors_without_threads, "destructors", 1);
  if (!SANITIZED) repeat(start_without_keys, "no keys", 1);
  return 0;
}
