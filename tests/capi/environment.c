/* What the library says as it reads its environment: names that it does not know and values that
   make no sense, each in a line; with WEIR_INFO=1 what it finds; otherwise nothing. And its
   version, of the headers as of the library. */

#include <string.h>
#include <sys/wait.h>

#include "anew.h"
#include "mean_cpu.h"
#include "weir/weir.h"

static char said[8192];

static void multiply(void) {
  mlx_stream cpu = mlx_default_cpu_stream_new();
  mlx_array a = mlx_array_new();
  (void)(mlx_ones(&a, (int[]){3, 3}, 2, MLX_FLOAT32, cpu) || mlx_matmul(&a, a, a, cpu) ||
         mlx_array_eval(a));
  mlx_array_free(a);
  mlx_stream_free(cpu);
}

/* What this program says on stderr as it is started anew with a variable set. */
static const char *says_with(const char *name, const char *value) {
  int ends[2], status;
  size_t length = 0;
  CHECK(pipe(ends) == 0);
  pid_t child = fork();
  if (child == 0) {
    CHECK(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
    CHECK(!name || setenv(name, value, 1) == 0);
    run_anew("multiply");
  }
  close(ends[1]);
  for (ssize_t n = 1; n > 0; length += (size_t)n) {
    n = read(ends[0], said + length, sizeof said - 1 - length);
    CHECK(n >= 0);
  }
  said[length] = '\0';
  close(ends[0]);
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return said;
}

static void version(void) {
  char headers[32];
  snprintf(headers, sizeof headers, "%d.%d.%d", WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR,
           WEIR_VERSION_PATCH);
  CHECK(strcmp(weir_version(), headers) == 0);
  CHECK(WEIR_VERSION / 1000000 == WEIR_VERSION_MAJOR && WEIR_VERSION % 1000 == WEIR_VERSION_PATCH);
}

int main(int argc, char **argv) {
  (void)argv;
  if (argc > 1) return multiply(), 0;
  mean_cpu();
  version();
  CHECK(strstr(says_with("WEIR_NUM_THREAD", "2"), "WEIR_NUM_THREADS?"));
  CHECK(strstr(says_with("WEIR_WORKERS", "2"), "WEIR_WORKERS, which means nothing"));
  CHECK(strstr(says_with("WEIR_NUM_THREADS", "two"), "WEIR_NUM_THREADS=two is ignored"));
  CHECK(strstr(says_with("WEIR_INFO", "1"), "weir: library: "));
  CHECK(strstr(said, "weir: processors: ") && strstr(said, "weir: OpenBLAS: "));
  CHECK(!strstr(says_with(NULL, NULL), "OpenBLAS: ") && !strstr(said, "means nothing"));
  return 0;
}
