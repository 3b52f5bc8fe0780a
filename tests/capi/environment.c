/* What the library says as it reads its environment: names that it does not know and values that
   make no sense, each in a line; with WEIR_INFO=1 what it finds; otherwise nothing. And its
   version, of the headers as of the library. */

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "anew.h"
#include "mean_cpu.h"
#include "weir/weir.h"

static char said[8192];

/* Of complex numbers, by OpenBLAS. */
static void multiply(void) {
  mlx_stream cpu = mlx_default_cpu_stream_new();
  mlx_array a = mlx_array_new();
  (void)(mlx_ones(&a, (int[]){3, 3}, 2, MLX_COMPLEX64, cpu) || mlx_matmul(&a, a, a, cpu) ||
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

/* With more rights than whoever starts it, a program opens no library that the environment names.
 */
static void more_rights(void) {
  char folder[] = "/tmp/weir-rights-XXXXXX", copy[64], command[256];
  int status;
  if (geteuid() != 0 || getenv("WEIR_TEST_EMULATOR")) return;
  CHECK(mkdtemp(folder) && chmod(folder, 0755) == 0);
  snprintf(copy, sizeof copy, "%s/program", folder);
  snprintf(command, sizeof command, "cp /proc/%d/exe %s", (int)getpid(), copy);
  CHECK(system(command) == 0 && chown(copy, 65534, 65534) == 0 && chmod(copy, 04755) == 0);
  const char *names[] = {"WEIR_OPENBLAS", "WEIR_NUM_THREAD"};
  for (int i = 0; i < 2; i++) {
    snprintf(command, sizeof command, "WEIR_INFO=1 %s=/nowhere/at/all %s multiply >%s/said 2>&1",
             names[i], copy, folder);
    status = system(command);
    /* 1 and above: the user that it runs as may not read the library, or not run programs here. */
    if (WIFEXITED(status) && WEXITSTATUS(status) > 0) break;
    snprintf(command, sizeof command,
             "! grep -q -e /nowhere -e means.nothing -e 'weir: library' %s/said", folder);
    CHECK(status == 0 && system(command) == 0);
  }
  snprintf(command, sizeof command, "rm -r %s", folder);
  CHECK(system(command) == 0);
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
  more_rights();
  CHECK(strstr(says_with("WEIR_NUM_THREAD", "2"), "WEIR_NUM_THREADS?"));
  CHECK(strstr(says_with("WEIR_WORKERS", "2"), "WEIR_WORKERS, which means nothing"));
  CHECK(strstr(says_with("WEIR_NUM_THREADS", "two"), "WEIR_NUM_THREADS=two is ignored"));
  CHECK(strstr(says_with("WEIR_INFO", "1"), "weir: library: "));
  CHECK(strstr(said, "weir: processors: ") && strstr(said, "weir: OpenBLAS: "));
  CHECK(!strstr(says_with(NULL, NULL), "OpenBLAS: ") && !strstr(said, "means nothing"));
  return 0;
}
