/* Routines of cuSOLVER that wait for the device keep the thread that encodes them: at most half of
   the pool's workers at once (K9), on more streams than there are workers, and while no thread
   waits for them. Also where memory is refused, where routines fail, and where their request is
   cancelled. The same of long batches of routines that do not wait by themselves, for which the
   thread waits between stretches of the batch. */

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

/* Nobody waits for it. */
static bool becomes_over(mlx_array a) {
  bool over = false;
  for (int ms = 0; ms < 20000 && !over; ms++) {
    CHECK(_mlx_array_is_available(&over, a) == 0);
    if (!over) usleep(1000);
  }
  return over;
}

static void expect_over(const struct many *m) {
  for (int i = 0; i < MANY; i++) CHECK(becomes_over(m->results[i]));
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

/* So many matrices that their launches would fill the driver's queue. */
static mlx_array long_batch(int i, mlx_stream s) {
  const int qr[] = {450, 3, 3}, lu[] = {450, 3, 2};
  const bool by_qr = i % 2 == 0;
  mlx_array a = mlx_array_new(), r = mlx_array_new(), other = mlx_array_new();
  CHECK(mlx_zeros(&a, by_qr ? qr : lu, 3, MLX_FLOAT32, s) == 0 && mlx_array_eval(a) == 0);
  CHECK((by_qr ? mlx_linalg_qr(&other, &r, a, s) : mlx_linalg_lu_factor(&r, &other, a, s)) == 0);
  mlx_array_free(a);
  mlx_array_free(other);
  return r;
}

/* Of more than there are workers and spare threads, which wait for a GPU that does not come on,
   none keeps a stream of the CPU's from its work, for which nobody waits. */
static void long_batches_leave_workers(void) {
  enum { BATCHES = 6 * WORKERS, LONG = 1 << 22 /* what takes less is done by who submits it */ };
  mlx_stream streams[BATCHES], cpu = new_stream();
  mlx_array results[BATCHES], sum = floats(LONG, 1);
  for (int i = 0; i < BATCHES; i++) {
    streams[i] = new_gpu_stream();
    results[i] = long_batch(i, streams[i]);
  }
  cuda->hold();
  for (int i = 0; i < BATCHES; i++) CHECK(async_eval(results[i]) == 0);
  usleep(300000); /* whoever takes them up has done so */
  add_to(&sum, sum, cpu);
  CHECK(async_eval(sum) == 0);
  const bool over = becomes_over(sum);
  cuda->release();
  CHECK(over);
  for (int i = 0; i < BATCHES; i++) {
    CHECK(becomes_over(results[i]) && mlx_array_eval(results[i]) == 0);
    mlx_array_free(results[i]);
    mlx_stream_free(streams[i]);
  }
  mlx_array_free(sum);
  mlx_stream_free(cpu);
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
  long_batches_leave_workers();
  seats_where_memory_is_refused();
  seats_in_a_request();
  expect_half_of_the_workers();
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  return 0;
}
