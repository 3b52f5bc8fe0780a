/* Routines of cuSOLVER that wait for the device keep the thread that encodes them: at most half of
   the pool's workers at once (K9), on more streams than there are workers, and while no thread
   waits for them. Also where memory is refused, where routines fail, and where their request is
   cancelled. */

#include "anew.h"
#include "mlx/c/linalg.h"
#include "stand_in_case.h"
#include "weir/request.h"

enum { MANY = 8, WORKERS = 4, REFUSED = 7, ALLOC_FAILED = 2 };

static const struct stand_in_solver *solver(void) {
  void *library = dlopen("libcusolver.so.12", RTLD_NOW | RTLD_LOCAL);
  void *address = library ? dlsym(library, STAND_IN_SOLVER_SYMBOL) : NULL;
  CHECK(address != NULL);
  return address;
}

struct many {
  mlx_stream streams[MANY];
  mlx_array results[MANY];
};

/* On a stream each, by threads of the pool. */
static struct many begin_many(void) {
  struct many m;
  static const float data[9];
  const int shape[] = {3, 3};
  mlx_array a = mlx_array_new_data(data, shape, 2, MLX_FLOAT32);
  for (int i = 0; i < MANY; i++) {
    m.streams[i] = new_gpu_stream();
    m.results[i] = mlx_array_new();
    if (i % 2) {
      mlx_vector_array parts = mlx_vector_array_new();
      CHECK(mlx_linalg_svd(&parts, a, false, m.streams[i]) == 0);
      CHECK(mlx_vector_array_get(&m.results[i], parts, 0) == 0);
      mlx_vector_array_free(parts);
    } else {
      CHECK(mlx_linalg_eigvalsh(&m.results[i], a, "L", m.streams[i]) == 0);
    }
    CHECK(async_eval(m.results[i]) == 0);
  }
  mlx_array_free(a);
  return m;
}

/* Nobody waits for them. */
static void expect_over(const struct many *m) {
  for (int i = 0; i < MANY; i++) {
    bool over = false;
    for (int ms = 0; ms < 20000 && !over; ms++) {
      CHECK(_mlx_array_is_available(&over, m->results[i]) == 0);
      if (!over) usleep(1000);
    }
    CHECK(over);
  }
}

static int end_many(struct many *m) {
  int failed = 0;
  for (int i = 0; i < MANY; i++) {
    failed += mlx_array_eval(m->results[i]);
    mlx_array_free(m->results[i]);
    mlx_stream_free(m->streams[i]);
  }
  return failed;
}

static void expect_half_of_the_workers(void) {
  solver()->linger(5);
  (void)solver()->most();
  struct many m = begin_many();
  expect_over(&m);
  const uint64_t most = solver()->most();
  CHECK(most > 0 && most <= WORKERS / 2);
  solver()->linger(0);
  CHECK(end_many(&m) == 0);
}

/* A seat is left by what lacks memory, and by what fails. */
static void seats_where_memory_is_refused(void) {
  bool failed = true;
  for (uint64_t n = 1; failed; n++) {
    CHECK(mlx_clear_cache() == 0);
    cuda->fail("cuMemAllocFromPoolAsync", n, ALLOC_FAILED);
    struct many m = begin_many();
    expect_over(&m);
    failed = cuda->has_failed();
    cuda->fail("cuMemAllocFromPoolAsync", 0, 0);
    (void)end_many(&m);
  }
  for (int i = 0; i < WORKERS; i++) {
    solver()->fail("cusolverDnXgesvd", 1, REFUSED);
    struct many m = begin_many();
    expect_over(&m);
    CHECK(end_many(&m) == 1);
  }
}

/* What has begun and stands in line keeps its turn; the rest is taken back. */
static void seats_in_a_request(void) {
  solver()->linger(5);
  weir_request r = weir_request_new();
  CHECK(weir_request_enter(r) == 0);
  struct many m = begin_many();
  CHECK(weir_request_leave() == 0);
  usleep(10000);
  CHECK(weir_request_cancel(r) == 0);
  solver()->linger(0);
  CHECK(end_many(&m) == 0);
  CHECK(weir_request_free(r) == 0);
}

int main(int argc, char **argv) {
  (void)argv;
  stand_in_start();
  if (argc == 1) {
    CHECK(setenv("WEIR_LINALG", "gpu", 1) == 0 && setenv("WEIR_NUM_THREADS", "4", 1) == 0);
    run_anew("all");
  }
  mlx_set_error_handler(quiet, NULL, NULL);
  expect_half_of_the_workers();
  seats_where_memory_is_refused();
  seats_in_a_request();
  expect_half_of_the_workers();
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  return 0;
}
