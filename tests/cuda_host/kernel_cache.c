/* K14: the cache of compiled kernels on disk keeps to its bound while several processes compile,
   read and remove at once, and their results are right, whatever another has removed; with a bound
   of 0 there is no file at all. The program runs itself anew for each, since the environment is
   read as the library is loaded. */

#include <sys/stat.h>

#include "anew.h"
#include "stand_in_case.h"

enum { PROCESSES = 4, ROUNDS = 3, BOUND = 20000 };

static char folder[] = "/tmp/weir-kernels-XXXXXX";

/* Kernels of many kinds, so that more are wanted than have room; copies are right over the
   stand-in, other results are only waited for. */
static void work(void) {
  int (*const unary[])(mlx_array *, const mlx_array, const mlx_stream) = {
      mlx_exp,   mlx_sin,  mlx_cos, mlx_log,    mlx_tanh, mlx_sqrt,  mlx_abs,   mlx_sigmoid,
      mlx_floor, mlx_ceil, mlx_erf, mlx_square, mlx_sign, mlx_rsqrt, mlx_log1p, mlx_expm1};
  mlx_stream s = new_gpu_stream();
  mlx_array a = floats(1000, 3), r = mlx_array_new();
  for (size_t i = 0; i < sizeof unary / sizeof unary[0]; i++) {
    CHECK(unary[i](&r, a, s) == 0 && mlx_array_eval(r) == 0);
  }
  turn(&a, s);
  expect_turned(a, 3, 1);
  mlx_array_free(a);
  mlx_array_free(r);
  mlx_stream_free(s);
}

static uint64_t bytes_there(void) {
  char path[200];
  uint64_t sum = 0;
  struct stat state;
  snprintf(path, sizeof path, "%s/weir", folder);
  DIR *d = opendir(path);
  for (const struct dirent *e; d && (e = readdir(d));) {
    if (*e->d_name == '.') continue;
    CHECK(fstatat(dirfd(d), e->d_name, &state, 0) == 0);
    sum += (uint64_t)state.st_size;
  }
  if (d) closedir(d);
  return sum;
}

static void run_processes(const char *bound) {
  pid_t pids[PROCESSES];
  CHECK(setenv("WEIR_KERNEL_CACHE_BYTES", bound, 1) == 0);
  for (int p = 0; p < PROCESSES; p++) {
    pids[p] = fork();
    CHECK(pids[p] >= 0);
    if (pids[p]) continue;
    alarm(100 * patience());
    run_anew("work");
  }
  for (int p = 0; p < PROCESSES; p++) {
    int status;
    CHECK(waitpid(pids[p], &status, 0) == pids[p] && status == 0);
  }
}

int main(int count, char **words) {
  (void)words;
  stand_in_start();
  if (count > 1) {
    work();
    return 0;
  }
  char bound[32], command[100];
  CHECK(mkdtemp(folder) && setenv("XDG_CACHE_HOME", folder, 1) == 0);
  run_processes("0");
  CHECK(rmdir(folder) == 0 && mkdir(folder, 0700) == 0);
  snprintf(bound, sizeof bound, "%d", BOUND);
  for (int r = 0; r < ROUNDS; r++) {
    run_processes(bound);
    CHECK(bytes_there() > 0 && bytes_there() <= BOUND);
  }
  CHECK(unsetenv("WEIR_KERNEL_CACHE_BYTES") == 0);
  run_processes("");
  CHECK(bytes_there() > BOUND);
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  CHECK(system(command) == 0); /* NOLINT(cert-env33-c): a path of our own */
  return 0;
}
