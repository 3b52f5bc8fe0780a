/* K8, K11: a product of complex numbers goes to OpenBLAS in calls of a few milliseconds each,
   whatever its shape, so that the end of the process and a fork need not wait for it. An OpenBLAS
   that computes nothing counts what each call has to do: operations, and bytes that come from
   memory. A product of one row with a million columns took 66 ms. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../modules/counting_blas.h"
#include "check.h"
#include "mean_cpu.h"
#include "mlx/c/mlx.h"

/* A slow processor does 50 GFLOP/s, and reads 5 GB/s. */
static const double most_flops = 1.2e9, most_bytes = 64e6;

static const struct {
  int m, n, k;
} products[] = {
    {1024, 1, 300000}, {1, 1024, 300000}, {1, 1, 30000000}, {8, 8, 8000000},
    {1, 2000, 100000}, {3, 2000, 100000}, {4, 3000, 50000}, {2048, 2048, 2048},
};

static struct counting counting = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Since the last time. */
static struct counted take(void) {
  pthread_mutex_lock(&counting.lock);
  struct counted taken = counting.counted;
  counting.counted = (struct counted){0};
  pthread_mutex_unlock(&counting.lock);
  return taken;
}

static size_t bytes_of(int rows, int cols) {
  return (size_t)rows * (size_t)cols * mlx_dtype_size(MLX_COMPLEX64);
}

/* Memory that nobody touches takes none. */
static mlx_array untouched(int rows, int cols, void **at) {
  const int shape[2] = {rows, cols};
  *at = mmap(NULL, bytes_of(rows, cols), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(*at != MAP_FAILED);
  mlx_array a = mlx_array_new_data_managed(*at, shape, 2, MLX_COMPLEX64, NULL);
  CHECK(a.ctx != NULL);
  return a;
}

static void is_short(int m, int n, int k) {
  void *at_a, *at_b;
  mlx_array a = untouched(m, k, &at_a), b = untouched(k, n, &at_b);
  mlx_array r = mlx_array_new();
  mlx_stream s = mlx_default_cpu_stream_new();
  CHECK(mlx_matmul(&r, a, b, s) == 0 && mlx_array_eval(r) == 0);
  const struct counted c = take();
  if (c.most_flops > most_flops || c.most_bytes > most_bytes) {
    fprintf(stderr, "%d x %d x %d: a call of %.3g operations and %.3g bytes\n", m, n, k,
            c.most_flops, c.most_bytes);
  }
  CHECK(c.flops == 8.0 * m * n * k);
  CHECK(c.most_flops <= most_flops && c.most_bytes <= most_bytes);
  CHECK(mlx_array_free(a) == 0 && mlx_array_free(b) == 0 && mlx_array_free(r) == 0);
  CHECK(mlx_stream_free(s) == 0);
  munmap(at_a, bytes_of(m, k));
  munmap(at_b, bytes_of(k, n));
}

int main(void) {
  char at[32];
  mean_cpu();
  snprintf(at, sizeof at, "%p", (void *)&counting);
  CHECK(setenv(COUNTING_BLAS_AT, at, 1) == 0);
  for (size_t i = 0; i < sizeof products / sizeof products[0]; i++) {
    is_short(products[i].m, products[i].n, products[i].k);
  }
  return 0;
}
