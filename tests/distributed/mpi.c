/* Collectives by Open MPI: this program starts itself by mpirun, and is skipped where there is
 * none. */

#include <poll.h>

#include "anew.h"
#include "collectives.h"

static bool has_mpirun(void) { return system("mpirun --version >/dev/null 2>&1") == 0; }

/* The status of wait. */
static int run_by_mpirun(const char *n, const char *what) {
  char path[PATH_MAX];
  int status = 1;
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  CHECK(length > 0);
  path[length] = '\0';
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    execlp("mpirun", "mpirun", "--oversubscribe", "-n", n, path, what, (char *)NULL);
    _exit(127);
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  if (status) fprintf(stderr, "mpirun -n %s %s: %#x\n", n, what, (unsigned)status);
  return status;
}

/* A process leaves word in a folder that it has come to its end, and stays until all have: mpirun
   takes who ends without MPI_Finalize for failed, and kills the others. */
static void end_together(int r, int n) {
  char name[128];
  snprintf(name, sizeof name, "%s/%d", getenv("WEIR_TEST_FOLDER"), r);
  write_text(name, "done\n");
  for (int i = 0; i < n; i++) {
    snprintf(name, sizeof name, "%s/%d", getenv("WEIR_TEST_FOLDER"), i);
    while (access(name, F_OK)) (void)poll(NULL, 0, 1);
  }
  _exit(0);
}

/* A failed input is an error in all processes, in seconds. */
static void failing_input(int r, int n) {
  begin(r, n);
  mlx_array fine = mlx_array_new_float(1), y = mlx_array_new(), z = mlx_array_new();
  mlx_array bad = mlx_array_new(), all = failing(s);
  const double start = seconds_now();
  CHECK(mlx_sum(&bad, all, false, s) == 0);
  CHECK(mlx_distributed_all_sum(&y, rank == 1 ? bad : fine, group, s) == 0);
  CHECK(mlx_array_eval(y) == 1 && seconds_now() - start < 5 * patience());
  CHECK(strstr(weir_last_error(), rank == 1 ? "exp to float32" : "another process has said"));
  CHECK(mlx_distributed_all_sum(&z, fine, group, s) == 0 && mlx_array_eval(z) == 1);
  end_together(r, n);
}

/* A message that is shorter than who receives it says is an error there, and no garbage. */
static void short_message(int r, int n) {
  begin(r, n);
  const int sent = 2, expected = 3;
  mlx_array x = values_of(r, &sent, 1, MLX_FLOAT32), y = mlx_array_new();
  if (rank == 0) {
    CHECK(mlx_distributed_send(&y, x, 1, group, s) == 0);
    (void)mlx_array_eval(y); /* which may be over before the other process has seen it */
  } else {
    CHECK(mlx_distributed_recv(&y, &expected, 1, MLX_FLOAT32, 0, group, s) == 0);
    CHECK(mlx_array_eval(y) == 1);
    CHECK(strstr(weir_last_error(), "[mpi] What rank 0 has sent is not 3 elements of float32"));
  }
  end_together(r, n);
}

static void child(const char *what) {
  const int r = atoi(getenv("OMPI_COMM_WORLD_RANK")), n = atoi(getenv("OMPI_COMM_WORLD_SIZE"));
  alarm(100 * (unsigned)patience());
  mean_cpu();
  mlx_set_error_handler(quiet, NULL, NULL);
  backend = "mpi";
  if (!strcmp(what, "all")) all_of_it(r, n);
  if (!strcmp(what, "large")) large(r, n);
  if (!strcmp(what, "handle")) no_handle(r, n);
  if (!strcmp(what, "fails")) failing_input(r, n);
  if (!strcmp(what, "short")) short_message(r, n);
}

static void some_fail(const char *what) {
  char folder[] = "/tmp/weir-mpi-XXXXXX", name[128];
  CHECK(mkdtemp(folder) != NULL && !setenv("WEIR_TEST_FOLDER", folder, 1));
  (void)run_by_mpirun("2", what);
  for (int i = 0; i < 2; i++) {
    snprintf(name, sizeof name, "%s/%d", folder, i);
    CHECK(!unlink(name));
  }
  CHECK(!rmdir(folder));
}

int main(int argc, char **argv) {
  if (argc == 2) {
    child(argv[1]);
    return 0;
  }
  if (SANITIZED) {
    fprintf(stderr, "skipped: Open MPI's own code is not what the sanitizer was built for\n");
    return 77;
  }
  if (!has_mpirun()) {
    fprintf(stderr, "skipped: there is no mpirun (Debian: openmpi-bin)\n");
    return 77;
  }
  CHECK(run_by_mpirun("2", "all") == 0);
  CHECK(run_by_mpirun("4", "all") == 0);
  CHECK(run_by_mpirun("2", "handle") == 0);
  CHECK(run_by_mpirun("2", "large") == 0);
  some_fail("fails");
  some_fail("short");
  return 0;
}
