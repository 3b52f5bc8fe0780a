// What bounds elementwise work on large arrays: Weir beside loops by hand in turns, in processor
// time of all threads, the least of some turns. First sqrt(abs(a*b+c))*exp(-a): a loop that
// -ffast-math, fused multiply-add and glibc's vector exp make fast, and one by Weir's own rules
// (scalar/): the steps of one by one, exp within 2 ulp. Then an array plus 1: a loop over memory
// that was written before, and what writing to memory costs that the system has just given, by
// pages of 4 KB and by large ones.

#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "calls.h"
#include "loops.h"
#include "mlx/c/mlx.h"

enum { TURNS = 30 };

static const mlx_stream none;

static double processor_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static float *floats(size_t n, float first, float step) {
  float *x = malloc(n * sizeof *x);
  if (!x) exit(1);
  for (size_t i = 0; i < n; i++) x[i] = first + step * (float)(i % 1000) / 1000;
  return x;
}

static mlx_array array_of(const float *x, size_t n) {
  const int shape = (int)n;
  return mlx_array_new_data(x, &shape, 1, MLX_FLOAT32);
}

// The least that a call takes, over turns with the others'.
struct side {
  void (*run)(void);
  double least;
};

static void take_turns(struct side *sides, int n, size_t size) {
  const int repeats = size < 100000 ? 20 : 1;
  for (int k = 0; k < n; k++) sides[k].least = 1e9;
  for (int turn = 0; turn < TURNS; turn++) {
    for (int k = 0; k < n; k++) {
      const double start = processor_seconds();
      for (int i = 0; i < repeats; i++) sides[k].run();
      const double took = (processor_seconds() - start) / repeats;
      if (took < sides[k].least) sides[k].least = took;
    }
  }
}

static size_t size;
static float *x, *y, *z, *out;
static mlx_array a, b, c, one;

// ---- a group ----

static void group_by_weir(void) {
  mlx_array root = mlx_array_new(), decay = mlx_array_new();
  must(mlx_multiply(&root, a, b, none));
  must(mlx_add(&root, root, c, none));
  must(mlx_abs(&root, root, none));
  must(mlx_sqrt(&root, root, none));
  must(mlx_negative(&decay, a, none));
  must(mlx_exp(&decay, decay, none));
  must(mlx_multiply(&root, root, decay, none));
  mlx_array_free(decay);  // with a handle it would be a result too, and written to memory
  must(mlx_array_eval(root));
  mlx_array_free(root);
}

static void group_fast(void) { bench_group_fast(x, y, z, out, size); }
static void group_same(void) { bench_group_same(x, y, z, out, size); }

static void group(size_t n) {
  struct side sides[] = {{group_by_weir, 0}, {group_fast, 0}, {group_same, 0}};
  size = n;
  x = floats(n, -2, 4), y = floats(n, 0, 4), z = floats(n, 0, 1), out = floats(n, 0, 0);
  a = array_of(x, n), b = array_of(y, n), c = array_of(z, n);
  take_turns(sides, 3, n);
  printf("%10zu floats: %7.3f ns each; fast loop %7.3f, x%.2f; same rules %7.3f, x%.2f\n", n,
         sides[0].least / (double)n * 1e9, sides[1].least / (double)n * 1e9,
         sides[0].least / sides[1].least, sides[2].least / (double)n * 1e9,
         sides[0].least / sides[2].least);
  fflush(stdout);
  mlx_array_free(a);
  mlx_array_free(b);
  mlx_array_free(c);
  free(x);
  free(y);
  free(z);
  free(out);
}

// ---- an array plus 1 ----

static void plus_by_weir(void) {
  mlx_array sum = mlx_array_new();
  must(mlx_add(&sum, a, one, none));
  must(mlx_array_eval(sum));
  mlx_array_free(sum);
}

static void plus_by_loop(void) { bench_plus(x, 1, out, size); }

static void write_fresh(int advice) {
  const size_t bytes = size * sizeof *x;
  char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) exit(1);
  (void)madvise(p, bytes, advice);  // where there are no large pages, this shows it
  memset(p, 1, bytes);
  munmap(p, bytes);
}

static void fresh_small(void) { write_fresh(MADV_NOHUGEPAGE); }
static void fresh_large(void) { write_fresh(MADV_HUGEPAGE); }

static void plus(size_t bytes) {
  struct side sides[] = {{plus_by_weir, 0}, {plus_by_loop, 0}, {fresh_small, 0}, {fresh_large, 0}};
  size = bytes / sizeof *x;
  x = floats(size, -2, 4), out = floats(size, 0, 0);
  a = array_of(x, size);
  take_turns(sides, 4, size);
  printf(
      "%10zu KB: %7.4f ns a byte; loop %7.4f, x%.2f; memset of fresh memory %7.4f, of large pages "
      "%7.4f\n",
      bytes / 1024, sides[0].least / (double)bytes * 1e9, sides[1].least / (double)bytes * 1e9,
      sides[0].least / sides[1].least, sides[2].least / (double)bytes * 1e9,
      sides[3].least / (double)bytes * 1e9);
  fflush(stdout);
  mlx_array_free(a);
  free(x);
  free(out);
}

int main(int argc, char **argv) {
  const int quick = argc > 1 && !strcmp(argv[1], "--quick");
  const mlx_device cpu = mlx_device_new_type(MLX_CPU, 0);
  must(mlx_set_default_device(cpu));  // also where there is a GPU
  one = mlx_array_new_float(1);
  printf("sqrt(abs(a*b+c))*exp(-a)\n");
  for (size_t n = 16384; n <= (quick ? 1u << 20 : 1u << 24); n *= 4) group(n);
  printf("a + 1\n");
  for (size_t n = 65536; n <= (quick ? 1u << 26 : 1u << 30); n *= 4) plus(n);
  mlx_array_free(one);
  mlx_device_free(cpu);
  return 0;
}
