/* S1 in a group: a process waits for another one in a collective, which that one never comes to.
   The first line of a dump there says which collective, and which rank is silent. */

#include "dump_case.h"
#include "processes.h"

static void silent(int rank, int size) {
  const int n = 5;
  (void)size;
  mlx_stream s = new_stream();
  mlx_distributed_group group = group_of_backend("ring");
  barrier(group, s);
  if (rank == 1) pause();
  mlx_array x = mlx_array_new(), y = mlx_array_new();
  CHECK(mlx_ones(&x, &n, 1, MLX_FLOAT32, s) == 0);
  CHECK(mlx_distributed_all_sum(&y, x, group, s) == 0 && submit(y) == 0);
  culprit_is("waits for other processes, in all_sum with rank 1 (this is rank 0 of 2)");
  dump_has("waits for the end of all_sum float32[5]");
  _exit(0);
}

int main(void) {
  struct processes p;
  processes_begin(&p, 2, 1);
  start_rank(&p, 0, silent);
  start_rank(&p, 1, silent);
  CHECK(end_rank(&p, 0) == 0);
  CHECK(kill(p.pids[1], SIGKILL) == 0);
  (void)end_rank(&p, 1);
  processes_end(&p);
  return 0;
}
