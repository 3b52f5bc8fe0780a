/* Linear algebra on a GPU's stream over the stand-ins for cuSOLVER and cuBLAS, which watch handles
   and memory: every operation, of both types and of one matrix, several and many; threads with a
   stream each; a matrix of which there is no result, an error of that array in the CPU's words;
   each function of the libraries refused once, an error in words, after which all goes on (E1); a
   library that lacks a function, or WEIR_LINALG=cpu, and the CPU does it; and the end of the
   program during a long routine (K8). */

#include <limits.h>
#include <time.h>

#include "anew.h"
#include "mlx/c/linalg.h"
#include "stand_in_case.h"

enum { REFUSED = 7, ALLOC_FAILED = 2, SAID = 256, HANDLES = 16 };

static const struct stand_in_solver *library_of(const char *file, const char *symbol) {
  void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  void *address = library ? dlsym(library, symbol) : NULL;
  CHECK(address != NULL);
  return address;
}

static const struct stand_in_solver *solver(void) {
  return library_of("libcusolver.so.12", STAND_IN_SOLVER_SYMBOL);
}

static const struct stand_in_solver *triangles(void) {
  return library_of("libcublas.so.13", STAND_IN_TRIANGLES_SYMBOL);
}

/* ---- every operation ---- */

static mlx_array matrices(int count, int m, int n, mlx_dtype type) {
  static const double data[8200];
  const int shape[] = {count, m, n};
  CHECK(count * m * n <= 8200);
  return mlx_array_new_data(data, shape + (count == 1), count == 1 ? 2 : 3, type);
}

/* Forces it, with all that stands beside it in one command; 0, or what came of it. */
static int force(mlx_array a) {
  const int rc = mlx_array_eval(a);
  mlx_array_free(a);
  return rc;
}

enum operation {
  CHOLESKY,
  INV,
  TRI_INV,
  SOLVE,
  SOLVE_ONE,
  SOLVE_TRIANGULAR,
  CHOLESKY_INV,
  EIGH,
  EIGVALSH,
  LU,
  LU_FACTOR,
  QR,
  SVD,
  SVD_VALUES,
  PINV,
  OPERATIONS
};

static int run_square(enum operation op, mlx_array a, mlx_array b, mlx_stream s) {
  mlx_array r = mlx_array_new(), other = mlx_array_new();
  int rc;
  switch (op) {
    case CHOLESKY:
      rc = mlx_linalg_cholesky(&r, a, false, s);
      break;
    case INV:
      rc = mlx_linalg_inv(&r, a, s);
      break;
    case TRI_INV:
      rc = mlx_linalg_tri_inv(&r, a, true, s);
      break;
    case SOLVE:
      rc = mlx_linalg_solve(&r, a, a, s);
      break;
    case SOLVE_ONE:
      rc = mlx_linalg_solve(&r, a, b, s);
      break;
    case SOLVE_TRIANGULAR:
      rc = mlx_linalg_solve_triangular(&r, a, b, false, s);
      break;
    case CHOLESKY_INV:
      rc = mlx_linalg_cholesky_inv(&r, a, false, s);
      break;
    case EIGH:
      rc = mlx_linalg_eigh(&other, &r, a, "U", s);
      break;
    default:
      rc = mlx_linalg_eigvalsh(&r, a, "L", s);
      break;
  }
  CHECK(rc == 0);
  mlx_array_free(other);
  return force(r);
}

static int run_any(enum operation op, mlx_array a, mlx_stream s) {
  mlx_array r = mlx_array_new(), other = mlx_array_new();
  mlx_vector_array parts = mlx_vector_array_new();
  switch (op) {
    case LU:
      CHECK(mlx_linalg_lu(&parts, a, s) == 0 && mlx_vector_array_get(&r, parts, 1) == 0);
      break;
    case LU_FACTOR:
      CHECK(mlx_linalg_lu_factor(&other, &r, a, s) == 0);
      break;
    case QR:
      CHECK(mlx_linalg_qr(&r, &other, a, s) == 0);
      break;
    case PINV:
      CHECK(mlx_linalg_pinv(&r, a, s) == 0);
      break;
    default:
      CHECK(mlx_linalg_svd(&parts, a, op == SVD, s) == 0 &&
            mlx_vector_array_get(&r, parts, 0) == 0);
      break;
  }
  mlx_vector_array_free(parts);
  mlx_array_free(other);
  return force(r);
}

static int run(enum operation op, int count, int m, int n, mlx_dtype type, mlx_stream s) {
  mlx_array a = matrices(count, m, n, type), b = matrices(count, m, 1, type);
  const int rc = op < LU ? run_square(op, a, b, s) : run_any(op, a, s);
  mlx_array_free(a);
  mlx_array_free(b);
  return rc;
}

static void all_of(mlx_dtype type, mlx_stream s) {
  for (int op = 0; op < OPERATIONS; op++) {
    for (int count = 1; count < 5; count += 3) {
      CHECK(run((enum operation)op, count, 3, 3, type, s) == 0);
      if (op < LU) continue;
      CHECK(run((enum operation)op, count, 5, 3, type, s) == 0);
      CHECK(run((enum operation)op, count, 3, 5, type, s) == 0);
    }
  }
  CHECK(run(INV, 1, 0, 0, type, s) == 0 && run(SVD, 1, 0, 3, type, s) == 0);
  CHECK(run(SVD, 2, 40, 3, type, s) == 0 && run(SVD, 2, 3, 40, type, s) == 0);
  CHECK(run(EIGH, 450, 3, 3, type, s) == 0 && run(SVD, 450, 3, 3, type, s) == 0);
}

/* The stand-in ends the process where a batch has not the workspace that its number takes. */
static void very_many(void) {
  const int shape[] = {(1 << 19) + 1, 1, 1};
  mlx_stream s = new_gpu_stream();
  mlx_array a = mlx_array_new();
  CHECK(mlx_zeros(&a, shape, 3, MLX_FLOAT32, s) == 0);
  CHECK(run_any(SVD_VALUES, a, s) == 0);
  mlx_array_free(a);
  mlx_stream_free(s);
}

static void everything(int i) {
  mlx_stream s = new_gpu_stream();
  all_of(i % 2 ? MLX_FLOAT64 : MLX_FLOAT32, s);
  CHECK(mlx_synchronize(s) == 0);
  mlx_stream_free(s);
}

/* Handles of more than four threads at once are kept: to destroy one waits for the GPU. */
static void one_that_lingers(int i) {
  mlx_stream s = new_gpu_stream();
  CHECK(run(i % 2 ? INV : LU, 1, 3, 3, MLX_FLOAT32, s) == 0);
  mlx_stream_free(s);
}

/* How many threads are in a routine at once is the system's to say, so this may take some rounds.
 */
static void handles_are_kept(void) {
  solver()->linger(20);
  for (int i = 0; i < 50 && solver()->alive() <= 4; i++) run_threads(6, one_that_lingers);
  solver()->linger(0);
  CHECK(solver()->alive() > 4);
}

/* ---- what is said of matrices ---- */

static void expect_words(int rc, const char *words) {
  if (rc == 1 && strstr(weir_last_error(), words)) return;
  fprintf(stderr, "rc %d, \"%s\", expected \"%s\"\n", rc, weir_last_error(), words);
  CHECK(!"the words");
}

static void said(void) {
  mlx_stream s = new_gpu_stream();
  solver()->say(SAID);
  expect_words(run(CHOLESKY, 1, 3, 3, MLX_FLOAT32, s),
               "the matrix is not positive definite: its first 256 rows and columns are not");
  solver()->say(SAID);
  expect_words(run(INV, 1, 3, 3, MLX_FLOAT32, s), "the matrix is singular");
  solver()->say(SAID);
  expect_words(run(SOLVE, 1, 3, 3, MLX_FLOAT64, s), "the matrix is singular");
  solver()->say(SAID);
  expect_words(run(EIGH, 1, 3, 3, MLX_FLOAT64, s), "the matrix is one for which");
  solver()->say(SAID);
  expect_words(run(SVD, 1, 3, 5, MLX_FLOAT32, s), "does not converge");
  triangles()->say(SAID);
  expect_words(run(INV, 4, 3, 3, MLX_FLOAT32, s), "matrix 0 of the batch is singular");
  solver()->say(-3);
  expect_words(run(EIGVALSH, 1, 3, 3, MLX_FLOAT32, s), "refuses its argument 3");
  solver()->say(SAID);
  CHECK(run(LU, 1, 3, 3, MLX_FLOAT32, s) == 0); /* there are factors */
  all_of(MLX_FLOAT32, s);
  CHECK(mlx_synchronize(s) == 0);
  mlx_stream_free(s);
}

/* ---- functions that fail ---- */

struct failing {
  const char *symbol;
  enum operation op;
  int count;
};

static void refuse_each(const struct stand_in_solver *library, const struct failing *all, int n,
                        mlx_stream s) {
  for (int i = 0; i < n; i++) {
    library->fail(all[i].symbol, 1, REFUSED);
    expect_words(run(all[i].op, all[i].count, 3, 3, MLX_FLOAT32, s), "failed with status 7");
    CHECK(run(all[i].op, all[i].count, 3, 3, MLX_FLOAT32, s) == 0);
  }
}

/* In a process that has no handles yet. */
static void refused(void) {
  static const struct failing of_solver[] = {{"cusolverDnCreate", INV, 1},
                                             {"cusolverDnXpotrf_bufferSize", CHOLESKY, 1},
                                             {"cusolverDnXpotrf", CHOLESKY, 1},
                                             {"cusolverDnSpotrfBatched", CHOLESKY, 4},
                                             {"cusolverDnXgetrf_bufferSize", INV, 1},
                                             {"cusolverDnXgetrf", LU, 1},
                                             {"cusolverDnXgetrs", SOLVE, 1},
                                             {"cusolverDnXgeqrf_bufferSize", QR, 1},
                                             {"cusolverDnXgeqrf", QR, 4},
                                             {"cusolverDnSorgqr_bufferSize", QR, 1},
                                             {"cusolverDnSorgqr", QR, 1},
                                             {"cusolverDnXsyevd_bufferSize", EIGH, 1},
                                             {"cusolverDnXsyevd", EIGVALSH, 1},
                                             {"cusolverDnXsyevBatched_bufferSize", EIGH, 4},
                                             {"cusolverDnXsyevBatched", EIGVALSH, 4},
                                             {"cusolverDnXgesvd_bufferSize", SVD, 1},
                                             {"cusolverDnXgesvd", SVD_VALUES, 1},
                                             {"cusolverDnDgesvdjBatched_bufferSize", SVD, 4},
                                             {"cusolverDnDgesvdjBatched", SVD_VALUES, 4}};
  static const struct failing of_triangles[] = {{"cublasStrsm_v2", TRI_INV, 1},
                                                {"cublasStrsmBatched", SOLVE_TRIANGULAR, 4},
                                                {"cublasSgetrfBatched", LU_FACTOR, 4},
                                                {"cublasSgetrsBatched", INV, 4}};
  mlx_stream s = new_gpu_stream();
  CHECK(run(CHOLESKY, 1, 0, 0, MLX_FLOAT32, s) == 0);
  triangles()->fail("cublasCreate_v2", 1, REFUSED);
  expect_words(run(INV, 1, 3, 3, MLX_FLOAT32, s), "cublasCreate failed with status 7");
  solver()->fail("cusolverDnCreateParams", 1, REFUSED);
  expect_words(run(INV, 1, 3, 3, MLX_FLOAT32, s), "failed with status 7");
  refuse_each(solver(), of_solver, (int)(sizeof of_solver / sizeof *of_solver), s);
  refuse_each(triangles(), of_triangles, (int)(sizeof of_triangles / sizeof *of_triangles), s);
  /* What is refused for memory is asked for again. */
  solver()->fail("cusolverDnXsyevd", 1, ALLOC_FAILED);
  CHECK(run(EIGH, 1, 3, 3, MLX_FLOAT32, s) == 0);
  exit(42);
}

/* What is refused once is asked for again before anybody hears of it. */
enum { REFUSALS = 2 };

/* The driver is asked to wait for the stream of memory after each request for memory that it does
   not refuse, and before it gives back what it keeps; and else where a thread waits inside it (K9).
 */
static int64_t waits(bool failed) {
  const uint64_t of_memory =
      cuda->calls("cuMemAllocFromPoolAsync") + cuda->calls("cuMemPoolTrimTo");
  return (int64_t)(cuda->calls("cuStreamSynchronize") - of_memory) + (failed ? REFUSALS : 0);
}

/* Memory of the device, at each request: workspaces too. Nobody waits in the driver for it. */
static void memory_refused(void) {
  static const enum operation all[] = {CHOLESKY, INV, SOLVE, EIGH, SVD, QR};
  mlx_stream s = new_gpu_stream();
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
      CHECK(mlx_clear_cache() == 0);
      cuda->fail_times("cuMemAllocFromPoolAsync", n, REFUSALS, ALLOC_FAILED);
      const int64_t before = waits(false);
      const int rc = run(all[i], 1 + (int)(n % 2) * 3, 3, 3, MLX_FLOAT32, s);
      if (rc) CHECK(strstr(weir_last_error(), "memory") != NULL);
      failed = cuda->has_failed();
      CHECK(waits(failed) == before);
      cuda->fail("cuMemAllocFromPoolAsync", 0, 0);
    }
    CHECK(run(all[i], 1, 3, 3, MLX_FLOAT32, s) == 0);
  }
  CHECK(mlx_synchronize(s) == 0);
  mlx_stream_free(s);
}

/* Memory is asked for before anything is launched: else what was launched would be waited for by
   the thread that encodes (K9), and launched again. A second call of the routine fails. */
static void memory_refused_before(int rows) {
  mlx_stream s = new_gpu_stream();
  bool failed = true;
  for (uint64_t n = 1; failed; n++) {
    CHECK(mlx_clear_cache() == 0);
    solver()->fail("cusolverDnXgetrf", 2, REFUSED);
    cuda->fail_times("cuMemAllocFromPoolAsync", n, REFUSALS, ALLOC_FAILED);
    const int rc = run(LU, 1, rows, 1, MLX_FLOAT32, s);
    if (rc) fprintf(stderr, "memory %d is refused: %s\n", (int)n, weir_last_error());
    CHECK(!rc || strstr(weir_last_error(), "memory") != NULL);
    failed = cuda->has_failed();
    cuda->fail("cuMemAllocFromPoolAsync", 0, 0);
    solver()->fail("cusolverDnXgetrf", 0, REFUSED);
  }
  mlx_stream_free(s);
}

/* In a process that has no slots yet, T2. */
static void t2_slots_refused_once(void) {
  mlx_stream s = new_gpu_stream();
  cuda->fail("cuMemHostAlloc", 1, ALLOC_FAILED);
  (void)run(CHOLESKY, 4, 3, 3, MLX_FLOAT32, s);
  CHECK(cuda->has_failed());
  CHECK(run(CHOLESKY, 4, 3, 3, MLX_FLOAT32, s) == 0);
  exit(42);
}

/* What reads what a launch was to write is not called where that was refused: it is still to fail
   after that. A stream each, since what comes again and again becomes a graph. */
static void launch_refused(const struct stand_in_solver *library, const char *symbol,
                           enum operation op) {
  bool failed = true;
  for (uint64_t n = 1; failed; n++) {
    mlx_stream s = new_gpu_stream();
    CHECK(run(op, 4, 3, 3, MLX_FLOAT32, s) == 0);
    cuda->fail("cuLaunchKernel", n, 701);
    library->fail(symbol, 1, REFUSED);
    const int rc = run(op, 4, 3, 3, MLX_FLOAT32, s);
    failed = cuda->has_failed();
    cuda->fail("cuLaunchKernel", 0, 0);
    if (failed) {
      expect_words(rc, "cuLaunchKernel");
      expect_words(run(op, 4, 3, 3, MLX_FLOAT32, s), "failed with status 7");
    } else {
      CHECK(n > 1);
      expect_words(rc, "failed with status 7");
    }
  }
}

static void launches_refused(void) {
  launch_refused(solver(), "cusolverDnSpotrfBatched", CHOLESKY);
  launch_refused(triangles(), "cublasStrsmBatched", TRI_INV);
  launch_refused(triangles(), "cublasSgetrfBatched", INV);
  launch_refused(triangles(), "cublasSgetrsBatched", INV);
  exit(42);
}

/* ---- on the CPU after all ---- */

/* What the stand-in would not compute. */
static void expect_computed(void) {
  mlx_stream s = new_gpu_stream();
  const int shape[] = {2, 2};
  const float data[] = {2, 0, 0, 4};
  mlx_array a = mlx_array_new_data(data, shape, 2, MLX_FLOAT32), r = mlx_array_new();
  CHECK(mlx_linalg_inv(&r, a, s) == 0);
  const float *inverse = mlx_array_data_float32(r);
  CHECK(inverse && inverse[0] == 0.5f && inverse[3] == 0.25f);
  /* Where the GPU was not to do it, its libraries were not opened. */
  CHECK(!strcmp(getenv("WEIR_LINALG"), "gpu") ||
        !dlopen("libcusolver.so.12", RTLD_NOW | RTLD_NOLOAD));
  exit(42);
}

static void by_the_variable(void) {
  CHECK(setenv("WEIR_LINALG", "cpu", 1) == 0);
  run_anew("computed");
}

/* Small matrices are not worth it. */
static void by_size(void) {
  CHECK(setenv("WEIR_LINALG", "", 1) == 0);
  run_anew("computed");
}

/* A library of that name without the functions. */
static void link_to(char *link, const char *folder, const char *name, const char *as) {
  char file[PATH_MAX];
  snprintf(file, sizeof file, "%s/%s", getenv("LD_LIBRARY_PATH"), name);
  snprintf(link, PATH_MAX, "%s/%s", folder, as);
  CHECK(symlink(file, link) == 0);
}

static void too_old(void) {
  char folder[] = "/tmp/weir-solver-XXXXXX", links[3][PATH_MAX];
  int status = 0;
  CHECK(mkdtemp(folder) != NULL);
  link_to(links[0], folder, "libcuda.so.1", "libcuda.so.1");
  link_to(links[1], folder, "libnvrtc.so.13", "libnvrtc.so.13");
  link_to(links[2], folder, "libcublasLt.so.13", "libcusolver.so.12");
  pid_t pid = fork();
  if (pid == 0) {
    CHECK(setenv("LD_LIBRARY_PATH", folder, 1) == 0 && setenv("WEIR_LINALG", "gpu", 1) == 0);
    run_anew("computed");
  }
  CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
  for (int i = 0; i < 3; i++) CHECK(unlink(links[i]) == 0);
  CHECK(rmdir(folder) == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

/* ---- what a routine waits for ---- */

/* K9: the stream, not a thread, waits for what is before the routine. */
static void k9_behind_its_own(mlx_stream s, enum operation op, const char *symbol) {
  mlx_array sum = floats(40, 0), a = matrices(1, 3, 3, MLX_FLOAT32), r = mlx_array_new();
  mlx_vector_array parts = mlx_vector_array_new();
  cuda->hold();
  CHECK(mlx_cumsum(&sum, sum, 0, false, true, s) == 0 && async_eval(sum) == 0);
  if (op == SVD) {
    CHECK(mlx_linalg_svd(&parts, a, true, s) == 0 && mlx_vector_array_get(&r, parts, 0) == 0);
  } else {
    CHECK(mlx_linalg_eigvalsh(&r, a, "L", s) == 0);
  }
  solver()->fail(symbol, 1, REFUSED);
  CHECK(async_eval(r) == 0);
  usleep(100000);
  solver()->fail(symbol, 0, 0); /* it would have been called by now */
  cuda->release();
  CHECK(mlx_array_eval(r) == 0);
  mlx_vector_array_free(parts);
  mlx_array_free(r);
  mlx_array_free(a);
  mlx_array_free(sum);
}

/* R8: a long batch does not fill the driver's queue: the first stretches are waited for. */
static void r8_long_batch(mlx_stream s) {
  mlx_array a = matrices(450, 3, 3, MLX_FLOAT32), q = mlx_array_new(), r = mlx_array_new();
  CHECK(mlx_linalg_qr(&q, &r, a, s) == 0);
  cuda->hold();
  solver()->fail("cusolverDnXgeqrf", 100, REFUSED);
  CHECK(async_eval(r) == 0);
  usleep(100000);
  solver()->fail("cusolverDnXgeqrf", 0, 0);
  cuda->release();
  CHECK(mlx_array_eval(r) == 0 && mlx_array_eval(q) == 0);
  mlx_array_free(a);
  mlx_array_free(q);
  mlx_array_free(r);
}

static void k9_behind(void) {
  mlx_stream s = new_gpu_stream();
  k9_behind_its_own(s, SVD, "cusolverDnXgesvd");
  k9_behind_its_own(s, EIGVALSH, "cusolverDnXsyevd");
  r8_long_batch(s);
  CHECK(mlx_synchronize(s) == 0);
  mlx_stream_free(s);
}

/* ---- the end of the program ---- */

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* K8: another thread is in a routine that takes a minute. */
static void k8_during_a_routine(void) {
  mlx_stream s = new_gpu_stream();
  CHECK(run(SVD, 1, 3, 3, MLX_FLOAT32, s) == 0);
  solver()->linger(60000);
  mlx_array a = matrices(1, 3, 3, MLX_FLOAT32), w = mlx_array_new();
  CHECK(mlx_linalg_eigvalsh(&w, a, "L", s) == 0 && async_eval(w) == 0);
  usleep(200000);
  exit(42);
}

int main(int argc, char **argv) {
  stand_in_start();
  if (argc == 1) {
    CHECK(setenv("WEIR_LINALG", "gpu", 1) == 0);
    run_anew("all");
  }
  mlx_set_error_handler(quiet, NULL, NULL);
  if (!strcmp(argv[1], "computed")) expect_computed();
  CHECK(in_child(refused, 60) == 42);
  CHECK(in_child(t2_slots_refused_once, 60) == 42);
  CHECK(in_child(launches_refused, 60) == 42);
  CHECK(in_child(by_the_variable, 60) == 42);
  CHECK(in_child(by_size, 60) == 42);
  too_old();
#ifndef __SANITIZE_THREAD__ /* it stands where Weir would come before the handlers of libraries */
  const double begin = seconds();
  CHECK(in_child(k8_during_a_routine, 50) == 42 && seconds() - begin < 20);
#else
  (void)k8_during_a_routine;
  (void)seconds;
#endif
  everything(0);
  everything(1);
  run_threads(6, everything);
  handles_are_kept();
  very_many();
  k9_behind();
  said();
  memory_refused();
  memory_refused_before(3);
  memory_refused_before(8200);
  CHECK(weir_shutdown(INT64_C(10000000000)) == 0);
  CHECK(streams_become(0) && allocations_become(0));
  CHECK(solver()->alive() <= HANDLES && triangles()->alive() <= HANDLES);
  return 0;
}
