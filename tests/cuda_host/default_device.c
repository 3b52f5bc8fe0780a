/* A program that names no device, on a machine with a GPU: D2, D6, K11, P13. Each case is a child,
   since a process looks for devices once. */

#include <limits.h>

#include "anew.h"
#include "stand_in_case.h"

static bool default_is(mlx_device_type type) {
  mlx_device d = mlx_device_new();
  mlx_device_type found;
  CHECK(mlx_get_default_device(&d) == 0 && mlx_device_get_type(&found, d) == 0);
  mlx_device_free(d);
  return found == type;
}

/* An addition without a stream, right where it ran on the CPU. */
static float two(void) {
  mlx_array a = mlx_array_new_float(1);
  add_to(&a, a, (mlx_stream){0});
  const float value = float_of(a);
  mlx_array_free(a);
  return value;
}

/* D2, P13. */
static void d2_a_program_that_names_none(void) {
  CHECK(cuda->calls("cuInit") == 0); /* not at load */
  mlx_array one = mlx_array_new_float(1), sum = mlx_array_new();
  CHECK(mlx_add(&sum, one, one, mlx_stream_new()) == 0);
  CHECK(mlx_array_eval(sum) == 0 && stand_in_now().kernels > 0 && default_is(MLX_GPU));
  mlx_stream mine = mlx_default_gpu_stream_new();
  weir_stream_stats_t ran;
  CHECK(weir_stream_stats(&ran, mine) == 0 && ran.done > 0);
  mlx_stream_free(mine);
  mlx_array_free(one);
  mlx_array_free(sum);
  exit(42);
}

/* Who means the CPU never opens the driver. */
static void d2_a_program_that_means_the_cpu(void) {
  mean_cpu();
  CHECK(default_is(MLX_CPU) && two() == 2 && cuda->calls("cuInit") == 0);
  exit(42);
}

/* D6: a driver that knows of no device, or does not start. */
static void d6_no_device(void) {
  CHECK(setenv("WEIR_STAND_IN_DEVICES", "0", 1) == 0);
  CHECK(default_is(MLX_CPU) && two() == 2);
  CHECK(mlx_default_gpu_stream_new().ctx == NULL && strstr(weir_last_error(), "no device"));
  exit(42);
}

static void d6_no_driver(void) {
  enum { UNKNOWN = 999 };
  cuda->fail("cuInit", 1, UNKNOWN);
  CHECK(default_is(MLX_CPU) && two() == 2);
  CHECK(mlx_default_gpu_stream_new().ctx == NULL && strstr(weir_last_error(), "cuInit"));
  exit(42);
}

/* D6: a GPU on which no kernel runs is not the default, and no stream is made on it. */
static void d6_too_old(void) {
  CHECK(setenv("WEIR_STAND_IN_CAPABILITY", "61", 1) == 0);
  CHECK(default_is(MLX_CPU) && two() == 2 && stand_in_now().kernels == 0);
  CHECK(mlx_default_gpu_stream_new().ctx == NULL && weir_last_status() == WEIR_ERROR_UNSUPPORTED);
  CHECK(strstr(weir_last_error(), "gpu:0 has compute capability 6.1, and kernels need 7.0"));
  exit(42);
}

static void d6_old_enough(void) {
  CHECK(setenv("WEIR_STAND_IN_CAPABILITY", "70", 1) == 0);
  CHECK(default_is(MLX_GPU));
  mlx_stream s = mlx_default_gpu_stream_new();
  CHECK(s.ctx != NULL);
  mlx_stream_free(s);
  exit(42);
}

static bool opens(const char *name) {
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  return library != NULL;
}

/* D6: a driver without a compiler runs nothing. Not to be seen where there is one elsewhere. */
static void without_a_compiler(void) {
  if (opens("libnvrtc.so.13") || opens("libnvrtc.so.12") ||
      opens("/usr/local/cuda/lib64/libnvrtc.so.13") ||
      opens("/usr/local/cuda/lib64/libnvrtc.so.12")) {
    exit(42);
  }
  CHECK(default_is(MLX_CPU) && two() == 2);
  exit(42);
}

static void d6_no_compiler(void) {
  char folder[] = "/tmp/weir-default-XXXXXX", driver[PATH_MAX], link[PATH_MAX];
  const char *path = getenv("LD_LIBRARY_PATH");
  CHECK(path && mkdtemp(folder));
  snprintf(driver, sizeof driver, "%s/libcuda.so.1", path);
  snprintf(link, sizeof link, "%s/libcuda.so.1", folder);
  CHECK(symlink(driver, link) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    CHECK(setenv("LD_LIBRARY_PATH", folder, 1) == 0 && unsetenv("CUDA_HOME") == 0 &&
          unsetenv("CUDA_PATH") == 0);
    run_anew("no compiler");
  }
  int status = 0;
  CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
  CHECK(unlink(link) == 0 && rmdir(folder) == 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

/* K11: the child of a process on the GPU is on the CPU, unless the program has set the GPU. */
static void k11_a_child(void) {
  int status;
  CHECK(default_is(MLX_GPU));
  pid_t pid = fork();
  if (pid == 0) _exit(default_is(MLX_CPU) && two() == 2 ? 42 : 1);
  CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 42);
  CHECK(default_is(MLX_GPU));
  mlx_device gpu = mlx_device_new_type(MLX_GPU, 0);
  CHECK(mlx_set_default_device(gpu) == 0);
  pid = fork();
  if (pid == 0) {
    mlx_array one = mlx_array_new_float(1), sum = mlx_array_new();
    CHECK(mlx_add(&sum, one, one, (mlx_stream){0}) == 1);
    _exit(strstr(weir_last_error(), "forked") ? 42 : 1);
  }
  CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 42);
  exit(42);
}

/* A child of a process that has not looked for GPUs yet has them as any other. */
static void k11_forked_before(void) {
  mlx_stream cpu = mlx_default_cpu_stream_new();
  mlx_stream_free(cpu);
  pid_t pid = fork();
  if (pid == 0) _exit(default_is(MLX_GPU) ? 42 : 1);
  int status;
  CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 42);
  exit(42);
}

int main(int argc, char **argv) {
  stand_in_start();
  mlx_set_error_handler(quiet, NULL, NULL);
  if (argc > 1 && !strcmp(argv[1], "no compiler")) without_a_compiler();
  repeat(d2_a_program_that_names_none, "none", 1);
  repeat(d2_a_program_that_means_the_cpu, "cpu", 1);
  repeat(d6_no_device, "no device", 1);
  repeat(d6_no_driver, "no driver", 1);
  repeat(d6_too_old, "too old", 1);
  repeat(d6_old_enough, "old enough", 1);
  d6_no_compiler();
  if (!SANITIZED) repeat(k11_a_child, "child", 1);
  if (!SANITIZED) repeat(k11_forked_before, "forked before", 1);
  return 0;
}
