/* Process exit with work in flight: the program's own status, at once, no cleanup needed: K8.
   FAILURES: G1, G2, G3, G5, F1. Each program runs in a child with a time limit, many times. */

#include "anew.h"
#include "programs.h"

/* An emulator takes seconds for what takes a processor milliseconds, and the process ends though a
   product is not done when it has waited half a second. */
static mlx_array big_product(int n) {
  if (emulated() && n > 64) n = 64;
  int shape[2] = {n, n};
  mlx_array a = mlx_array_new(), b = mlx_array_new();
  CHECK(mlx_random_normal(&a, shape, 2, MLX_FLOAT32, 0, 1, (mlx_array){0}, (mlx_stream){0}) == 0);
  CHECK(mlx_matmul(&b, a, a, (mlx_stream){0}) == 0);
  mlx_array_free(a);
  return b;
}

/* Evaluates matrix products for ever. */
static void *evaluate_for_ever(void *arg) {
  for (;;) {
    mlx_array p = big_product(512);
    mlx_array_eval(p);
    mlx_array_free(p);
  }
  return arg;
}

static void start_detached(void *(*fn)(void *)) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, fn, NULL) == 0);
  pthread_detach(thread);
}

static void *one_request(void *arg) {
  mlx_array p = big_product(64);
  mlx_array_eval(p);
  mlx_array_free(p);
  return arg;
}

static void g1_worker_evaluates_for_ever(void) {
  start_detached(evaluate_for_ever);
  start_detached(evaluate_for_ever);
  mlx_array p = big_product(256);
  mlx_array_eval(p);
  exit(42);
}

static void g2_detached_threads_come_and_go(void) {
  for (int i = 0; i < 20; i++) start_detached(one_request);
  exit(42);
}

static void g3_free_nothing(void) {
  mlx_array p = big_product(128);
  mlx_array_eval(p);
  mlx_stream s = new_stream();
  mlx_array lazy = mlx_array_new();
  mlx_exp(&lazy, p, s);
  exit(42);
}

static void g5_many_graphs_submitted(void) {
  for (int i = 0; i < 100; i++) {
    mlx_array p = big_product(256);
    mlx_vector_array v = mlx_vector_array_new_value(p);
    mlx_async_eval(v);
  }
  exit(42);
}

static void g5_underscore_exit(void) {
  for (int i = 0; i < 20; i++) {
    mlx_array p = big_product(256);
    mlx_vector_array v = mlx_vector_array_new_value(p);
    mlx_async_eval(v);
  }
  _exit(42);
}

/* A call of LAPACK is in no slices. */
static void svd_of(int n) {
  mlx_array a = big_product(n), s = mlx_array_new();
  mlx_vector_array parts = mlx_vector_array_new();
  CHECK(mlx_linalg_svd(&parts, a, true, (mlx_stream){0}) == 0);
  CHECK(mlx_vector_array_get(&s, parts, 1) == 0);
  mlx_array_eval(s);
  mlx_vector_array_free(parts);
  mlx_array_free(s);
  mlx_array_free(a);
}

/* After the destructors of libraries that were opened later: time for a thread that is still inside
   one to find that something is gone. */
static bool lingers;

__attribute__((destructor)) static void linger(void) {
  if (lingers) usleep(300000);
}

static void *factorise_for_ever(void *arg) {
  for (;;) svd_of(1500);
  return arg;
}

static void during_an_svd(void) {
  start_detached(factorise_for_ever);
  svd_of(8);
  usleep(200000);
  lingers = true;
  exit(42);
}

/* F1: an error with no handler set is a line on stderr and rc 1. */
static void *bad_shapes(void *arg) {
  mlx_array a = floats(3, 0), b = floats(4, 0), c = mlx_array_new();
  if (freopen("/dev/null", "w", stderr) && mlx_add(&c, a, b, (mlx_stream){0}) == 1) _exit(42);
  return arg;
}

static void f1_error_without_handler(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, bad_shapes, NULL) == 0);
  pthread_join(thread, NULL);
}

int main(void) {
  mean_cpu();
  repeat(g1_worker_evaluates_for_ever, "G1", 20);
  repeat(g2_detached_threads_come_and_go, "G2", 20);
  repeat(g3_free_nothing, "G3", 10);
  repeat(g5_many_graphs_submitted, "G5", 20);
  repeat(g5_underscore_exit, "G5 _exit", 10);
  repeat(during_an_svd, "an svd", 5);
  repeat(f1_error_without_handler, "F1", 3);
  return 0;
}
