// How cost grows: nodes of a graph, bytes of an array, threads, streams. Prints series, size and
// seconds for the whole, separated by tabs; bench/plot.py draws it. --quick stops earlier.

#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "mlx/c/mlx.h"
#include "weir/weir.h"

static mlx_device cpu;
static mlx_array one;
static const mlx_stream none;

// The shortest of some runs, after one to warm up: growth is about the work, not about what else
// the machine does.
static double shortest(void (*run)(int64_t), int64_t size) {
  double best = 1e9, began = seconds();
  for (int i = 0; i < 50 && (i < 3 || seconds() - began < 0.5); i++) {
    const double start = seconds();
    run(size);
    const double took = seconds() - start;
    if (took < best) best = took;
  }
  return best;
}

static void series(const char *name, void (*run)(int64_t), int64_t from, int64_t to, int factor) {
  for (int64_t size = from; size <= to; size *= factor) {
    printf("%s\t%lld\t%.9f\n", name, (long long)size, shortest(run, size));
    fflush(stdout);
  }
}

// A chain, recorded, evaluated and freed.
static void graph(int64_t nodes) {
  mlx_array a = mlx_array_new_float(0);
  for (int64_t i = 0; i < nodes; i++) must(mlx_add(&a, a, one, none));
  must(mlx_array_eval(a));
  mlx_array_free(a);
}

static mlx_array operand;

static void array(int64_t bytes) {
  (void)bytes;
  mlx_array out = mlx_array_new();
  must(mlx_add(&out, operand, one, none));
  must(mlx_array_eval(out));
  mlx_array_free(out);
}

static void arrays(int64_t to) {
  for (int64_t bytes = 16; bytes <= to; bytes *= 4) {
    const int n = (int)(bytes / 4);
    operand = mlx_array_new();
    must(mlx_full(&operand, &n, 1, one, MLX_FLOAT32, none));
    must(mlx_array_eval(operand));
    series("array of so many bytes, plus 1", array, bytes, bytes, 2);
    mlx_array_free(operand);
  }
}

static void *some_evals(void *arg) {
  for (int i = 0; i < 1000; i++) array(0);
  return arg;
}

// Each does the same work, so the whole should grow with their number past the processors.
static void threads(int64_t n) {
  pthread_t all[64];
  for (int64_t i = 0; i < n; i++) {
    if (pthread_create(&all[i], NULL, some_evals, NULL)) exit(1);
  }
  for (int64_t i = 0; i < n; i++) pthread_join(all[i], NULL);
}

// An operation on each, all of them one graph.
static void streams(int64_t n) {
  mlx_array a = mlx_array_new_float(0);
  for (int64_t i = 0; i < n; i++) {
    mlx_stream s = mlx_stream_new_device(cpu);
    must(mlx_add(&a, a, one, s));
    mlx_stream_free(s);
  }
  must(mlx_array_eval(a));
  mlx_array_free(a);
}

int main(int argc, char **argv) {
  const int quick = argc > 1 && !strcmp(argv[1], "--quick");
  cpu = mlx_device_new_type(MLX_CPU, 0);
  must(mlx_set_default_device(cpu));  // also where there is a GPU
  one = mlx_array_new_float(1);
  series("graph of so many nodes", graph, 10, quick ? 100000 : 1000000, 10);
  arrays(quick ? 300000000 : 1100000000);
  const int small = 16;
  operand = mlx_array_new();
  must(mlx_full(&operand, &small, 1, one, MLX_FLOAT32, none));
  must(mlx_array_eval(operand));
  series("so many threads, 1,000 evals each", threads, 1, 64, 2);
  series("so many streams, a chain from one to the next", streams, 1, 10000, 10);
  mlx_array_free(operand);
  mlx_array_free(one);
  mlx_device_free(cpu);
  return 0;
}
