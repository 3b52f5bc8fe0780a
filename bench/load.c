// Reading a file: its arrays loaded and evaluated by Weir, and the same bytes copied by pread, on
// as many threads as there are processors, into memory that was used before and into fresh memory.
// In turns, from the page cache. Prints the median, lowest and highest rate of each.
//
//   bench_load [--mib N] [--arrays N] [--turns N] FILE.safetensors
//
// A file that is not there is written first, and stays.

#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "mlx/c/mlx.h"
#include "weir/weir.h"

enum { MOST_TURNS = 101, MOST_THREADS = 64, PIECE = 8 << 20 };

static mlx_stream cpu;
static const char *path;
static size_t file_bytes;
static int arrays = 64;

// ---- Weir ----

static mlx_array ones_of(int n) {
  mlx_array a = mlx_array_new();
  must(mlx_ones(&a, &n, 1, MLX_FLOAT32, cpu));
  return a;
}

static void write_file(int64_t mib) {
  mlx_map_string_to_array all = mlx_map_string_to_array_new();
  mlx_map_string_to_string notes = mlx_map_string_to_string_new();
  for (int i = 0; i < arrays; i++) {
    char name[32];
    snprintf(name, sizeof name, "layers.%d.weight", i);
    mlx_array a = ones_of((int)(mib * (1 << 18) / arrays));
    must(mlx_map_string_to_array_insert(all, name, a));
    mlx_array_free(a);
  }
  must(mlx_save_safetensors(path, all, notes));
  mlx_map_string_to_array_free(all);
  mlx_map_string_to_string_free(notes);
}

static void by_weir(void) {
  mlx_map_string_to_array all = mlx_map_string_to_array_new();
  mlx_map_string_to_string notes = mlx_map_string_to_string_new();
  mlx_vector_array loaded = mlx_vector_array_new();
  mlx_array a = mlx_array_new();
  const char *key;
  must(mlx_load_safetensors(&all, &notes, path, cpu));
  mlx_map_string_to_array_iterator it = mlx_map_string_to_array_iterator_new(all);
  while (mlx_map_string_to_array_iterator_next(&key, &a, it) == 0) {
    must(mlx_vector_array_append_value(loaded, a));
  }
  must(mlx_eval(loaded));
  mlx_map_string_to_array_iterator_free(it);
  mlx_array_free(a);
  mlx_vector_array_free(loaded);
  mlx_map_string_to_array_free(all);
  mlx_map_string_to_string_free(notes);
}

// ---- a copy ----

struct copier {
  pthread_t thread;
  char *to;
  int fd;
  size_t from, end;
};

static void *copy(void *arg) {
  const struct copier *c = arg;
  for (size_t at = c->from; at < c->end;) {
    const size_t n = c->end - at < PIECE ? c->end - at : PIECE;
    const ssize_t got = pread(c->fd, c->to + at, n, (off_t)at);
    if (got <= 0) exit(1);
    at += (size_t)got;
  }
  return NULL;
}

static void copy_to(char *to) {
  struct copier copiers[MOST_THREADS];
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  const size_t n = processors < MOST_THREADS ? (size_t)processors : MOST_THREADS;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  for (size_t i = 0; i < n; i++) {
    struct copier *c = &copiers[i];
    *c = (struct copier){
        .to = to, .fd = fd, .from = file_bytes / n * i, .end = file_bytes / n * (i + 1)};
    if (i + 1 == n) c->end = file_bytes;
    if (pthread_create(&c->thread, NULL, copy, c)) exit(1);
  }
  for (size_t i = 0; i < n; i++) pthread_join(copiers[i].thread, NULL);
  close(fd);
}

static char *room(void) {
  char *made = mmap(NULL, file_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) exit(1);
  (void)madvise(made, file_bytes, MADV_HUGEPAGE);
  return made;
}

static char *used;

static void into_used(void) { copy_to(used); }

static void into_fresh(void) {
  char *fresh = room();
  copy_to(fresh);
  munmap(fresh, file_bytes);
}

// With nothing kept from the turn before.
static void by_weir_fresh(void) {
  must(mlx_clear_cache());
  by_weir();
}

// ---- in turns ----

static const struct side {
  const char *name;
  void (*run)(void);
} sides[] = {{"Weir, buffers from its cache", by_weir},
             {"pread, memory used before", into_used},
             {"Weir, fresh buffers", by_weir_fresh},
             {"pread, fresh memory", into_fresh}};

enum { SIDES = sizeof sides / sizeof sides[0] };

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void measure(int turns) {
  static double took[SIDES][MOST_TURNS];
  for (int turn = -1; turn < turns; turn++) {  // the first warms up
    for (int side = 0; side < SIDES; side++) {
      const double start = seconds();
      sides[side].run();
      if (turn >= 0) took[side][turn] = seconds() - start;
    }
  }
  for (int side = 0; side < SIDES; side++) {
    qsort(took[side], (size_t)turns, sizeof took[side][0], ascending);
    printf("%-30s%8.2f GB/s   %6.2f to %.2f\n", sides[side].name,
           (double)file_bytes / took[side][turns / 2] * 1e-9,
           (double)file_bytes / took[side][turns - 1] * 1e-9,
           (double)file_bytes / took[side][0] * 1e-9);
  }
}

int main(int argc, char **argv) {
  int64_t mib = 4096;
  int turns = 5;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--mib") && i + 1 < argc) {
      mib = atoll(argv[++i]);
    } else if (!strcmp(argv[i], "--arrays") && i + 1 < argc) {
      arrays = atoi(argv[++i]);
    } else if (!strcmp(argv[i], "--turns") && i + 1 < argc) {
      turns = atoi(argv[++i]);
    } else {
      path = argv[i];
    }
  }
  if (!path || mib < 1 || arrays < 1 || turns < 1 || turns > MOST_TURNS) {
    fprintf(stderr, "usage: bench_load [--mib N] [--arrays N] [--turns N] FILE.safetensors\n");
    return 2;
  }
  cpu = mlx_default_cpu_stream_new();
  struct stat facts;
  if (access(path, F_OK) != 0) write_file(mib);
  if (stat(path, &facts) != 0) return 1;
  file_bytes = (size_t)facts.st_size;
  used = room();
  size_t before;
  must(mlx_set_cache_limit(&before, 2 * file_bytes));
  measure(turns);
  munmap(used, file_bytes);
  mlx_stream_free(cpu);
  return 0;
}
