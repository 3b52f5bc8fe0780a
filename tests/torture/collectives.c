/* Collectives with the n-th allocation of one of two processes failing: each call there succeeds or
   is an error, and the other process gets the value or an error, and never waits in vain. */

#include "processes.h"

enum { ALL_DONE = 3 };

static uint64_t failing_allocation;

/* True when it is forced; then the sum over both is right. */
static bool sum(mlx_distributed_group g, mlx_stream s, int n) {
  mlx_array x = mlx_array_new(), y = mlx_array_new();
  bool done = mlx_ones(&x, &n, 1, MLX_FLOAT32, s) == 0 &&
              mlx_distributed_all_sum(&y, x, g, s) == 0 && mlx_array_eval(y) == 0;
  if (done) CHECK(mlx_array_data_float32(y)[n - 1] == 2);
  mlx_array_free(x);
  mlx_array_free(y);
  return done;
}

static bool exchange(mlx_distributed_group g, mlx_stream s, int rank) {
  mlx_array x = mlx_array_new_float((float)rank), y = mlx_array_new();
  float got = -1;
  bool done = x.ctx && (rank ? mlx_distributed_send(&y, x, 0, g, s)
                             : mlx_distributed_recv_like(&y, x, 1, g, s)) == 0;
  done = done && mlx_array_item_float32(&got, y) == 0;
  if (done) CHECK(got == 1);
  mlx_array_free(x);
  mlx_array_free(y);
  return done;
}

static void scenario(int rank, int size) {
  (void)size;
  mlx_stream s = new_stream();
  mlx_distributed_group g = group_of_backend("ring"), h = mlx_distributed_group_new();
  if (rank == 0) wr_alloc_fail_anywhere_at(failing_allocation);
  bool done = sum(g, s, 1000) && exchange(g, s, rank) &&
              mlx_distributed_group_split(&h, g, 0, -1) == 0 && sum(h, s, 10);
  const bool failed = wr_alloc_has_failed();
  wr_alloc_fail_at(0);
  /* What was refused may have been done without, such as one more thread. */
  if (rank == 0 && !failed) CHECK(done);
  exit(rank == 0 && !failed ? ALL_DONE : 0);
}

/* False when there was no such allocation. */
static bool round_of(uint64_t n) {
  struct processes p;
  failing_allocation = n;
  processes_begin(&p, 2, 1);
  for (int i = 0; i < 2; i++) start_rank(&p, i, scenario);
  const int first = end_rank(&p, 0), second = end_rank(&p, 1);
  processes_end(&p);
  if (first && first != ALL_DONE << 8) fprintf(stderr, "allocation %d: %#x\n", (int)n, first);
  CHECK(second == 0 && (first == 0 || first == ALL_DONE << 8));
  return first == 0;
}

int main(void) {
  uint64_t n = 1;
  while (round_of(n)) n++;
  CHECK(n > 20);
  return 0;
}
