/* Collectives by NCCL between two GPUs, of a process each: all that tests/support/collectives.h
   asks of a backend, with arrays of the GPUs and with arrays of the host; and a process that is
   killed. Skipped with fewer GPUs, or without NCCL. */

#include "collectives.h"

enum { SKIPPED = 77, N = 2 };

static mlx_stream stream_of_gpu(int index) {
  mlx_device gpu = mlx_device_new_type(MLX_GPU, index);
  mlx_stream made = mlx_stream_new_device(gpu);
  CHECK(made.ctx != NULL);
  mlx_device_free(gpu);
  return made;
}

static mlx_stream of_rank(void) { return stream_of_gpu(atoi(getenv("MLX_RANK"))); }

/* All commands stand on one stream of the GPU's, where a send behind a receive waits for it. */
static void on_host(int r, int n) {
  backend = "nccl";
  begin(r, n);
  every_case();
  views();
  many_at_once();
  splits();
  gradient(mlx_distributed_all_sum, (float)n);
  gradient(mlx_distributed_all_gather, 1);
  mapped(mlx_distributed_sum_scatter, 2 * n);
  cancelled();
  storms();
  end();
}

static void on_gpus(int r, int n) {
  backend = "nccl";
  stream_for_group = of_rank;
  all_of_it(r, n);
}

static void large_on_gpus(int r, int n) {
  backend = "nccl";
  stream_for_group = of_rank;
  large(r, n);
}

/* An error in seconds, and the GPU stays in use. */
static void one_is_killed(int r, int n) {
  backend = "nccl";
  stream_for_group = of_rank;
  begin(r, n);
  barrier(group, s);
  if (r == 1) raise(SIGKILL);
  const int shape = 1 << 20;
  const double start = seconds_now();
  mlx_array x = values_of(r, &shape, 1, MLX_FLOAT32), y = mlx_array_new(), z = mlx_array_new();
  CHECK(mlx_distributed_all_sum(&y, x, group, s) == 0 && mlx_array_eval(y) == 1);
  fprintf(stderr, "after %.2f s: %s\n", seconds_now() - start, weir_last_error());
  CHECK(strstr(weir_last_error(), "[nccl]") && seconds_now() - start < 10 * patience());
  CHECK(mlx_add(&z, x, x, s) == 0 && mlx_array_eval(z) == 0);
  CHECK(mlx_distributed_all_sum(&y, z, group, s) == 0 && mlx_array_eval(y) == 1);
  mlx_array_free(x);
  mlx_array_free(y);
  mlx_array_free(z);
}

/* ---- the processes ---- */

static int devices_and_library(void) {
  int n = 0;
  fflush(NULL);
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    if (!mlx_distributed_is_available("nccl")) _exit(0);
    _exit(mlx_device_count(&n, MLX_GPU) ? 0 : n);
  }
  int status = 0;
  CHECK(waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static void check(const char *what, void (*fn)(int rank, int size), int killed) {
  struct processes p;
  char port[16];
  const double start = seconds_now();
  int wrong = 0;
  processes_begin(&p, N, 1);
  snprintf(port, sizeof port, "%d", p.ports[0]);
  CHECK(!setenv("NCCL_HOST_IP", "127.0.0.1", 1) && !setenv("NCCL_PORT", port, 1));
  CHECK(!setenv("MLX_WORLD_SIZE", "2", 1));
  for (int i = 0; i < N; i++) start_rank(&p, i, fn);
  for (int i = 0; i < N; i++) {
    const int status = end_rank(&p, i), meant = i == killed ? SIGKILL : 0;
    if (status != meant) fprintf(stderr, "%s: rank %d ended with %#x\n", what, i, (unsigned)status);
    wrong += status != meant;
  }
  processes_end(&p);
  printf("%s: %.1f s\n", what, seconds_now() - start);
  fflush(stdout);
  CHECK(wrong == 0);
}

int main(void) {
  if (devices_and_library() < N) {
    printf("skipped: there are not two GPUs, or no libnccl.so.2 (WEIR_NCCL)\n");
    return SKIPPED;
  }
  elsewhere = true; /* those of the CPU's streams */
  check("64 MB", large_on_gpus, -1);
  check("one is killed", one_is_killed, 1);
  check("on the host", on_host, -1);
  check("on the GPUs", on_gpus, -1);
  return 0;
}
