/* examples/train learns as MLX does: the losses of 100 steps from the same seed beside those that
   bench/train_mlx.py printed, which stand in train/adam.txt and train/sgd.txt; and what it holds
   does not grow. On a GPU where there is one, with products in full float32, and on the CPU.
   Usage: train_test TEXT FOLDER_OF_LOSSES. The text is LICENSE: after a change of it, or of the
   model, train_mlx.py TEXT 100 NAME 4 >FOLDER_OF_LOSSES/NAME.txt for both. */
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <weir/matmul.h>

#include "check.h"
#include "trainer.h"

enum { STEPS = 100, SETTLED = 20, BATCH = 4 };

static const double bound = 1e-4;
static const double heap_bound = 64 * 1024; /* bytes: what allocators keep in hand */

static float recorded[STEPS];

static void read_recorded(const char *folder, const char *name) {
  char path[4096];
  snprintf(path, sizeof(path), "%s/%s.txt", folder, name);
  FILE *const file = fopen(path, "r");
  CHECK(file != NULL);
  for (int i = 0; i < STEPS; i++) CHECK(fscanf(file, "%f", &recorded[i]) == 1);
  fclose(file);
}

/* Of the C library's allocator; 0 where it does not say. */
static double heap_in_use(void) {
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  return (double)mallinfo2().uordblks;
#else
  return 0;
#endif
}

/* The largest difference of a loss from the recorded one; what is held must stay the same. */
static double steps_off(struct trainer *trainer, int steps) {
  size_t settled = 0;
  double heap = 0;
  double most = 0;
  for (int i = 0; i < steps; i++) {
    float loss;
    size_t active;
    CHECK(trainer_step(trainer, &loss) == 0);
    CHECK(mlx_get_active_memory(&active) == 0);
    if (i == SETTLED) {
      settled = active;
      heap = heap_in_use();
    }
    if (i > SETTLED) CHECK(active == settled);
    const double off = fabs((double)loss - (double)recorded[i]);
    if (!(off <= most)) most = off; /* NaN too */
  }
  if (steps > SETTLED) CHECK(heap_in_use() - heap < heap_bound);
  return most;
}

struct way {
  enum optimizer_kind kind;
  const char *name;
  bool compiled;
  int steps;
};

static void check_way(const struct way *way, const char *text, const char *folder, mlx_stream at) {
  const struct trainer_options options = {
      .optimizer = {.kind = way->kind, .rate = way->kind == OPTIMIZER_ADAM ? 0.003F : 0.1F},
      .batch = BATCH,
      .compiled = way->compiled,
      .at = at};
  struct trainer trainer;
  read_recorded(folder, way->name);
  CHECK(trainer_make(&trainer, &options, text) == 0);
  const double off = steps_off(&trainer, way->steps);
  printf("%s, %s: at most %g from MLX's in %d steps\n", way->name,
         way->compiled ? "compiled" : "recorded anew", off, way->steps);
  CHECK(off < bound);
  trainer_free(&trainer);
}

static void check_ways(const char *text, const char *folder, mlx_stream at) {
  static const struct way ways[] = {{OPTIMIZER_ADAM, "adam", true, STEPS},
                                    {OPTIMIZER_SGD, "sgd", true, STEPS},
                                    {OPTIMIZER_ADAM, "adam", false, SETTLED + 10}};
  for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
    check_way(&ways[i], text, folder, at);
  }
  mlx_stream_free(at);
}

int main(int argc, char **argv) {
  bool has_gpu = false;
  mlx_device gpu = mlx_device_new_type(MLX_GPU, 0);
  CHECK(argc == 3);
  CHECK(weir_set_matmul_precision(WEIR_MATMUL_FLOAT32) == 0);
  CHECK(mlx_device_is_available(&has_gpu, gpu) == 0);
  mlx_device_free(gpu);
  check_ways(argv[1], argv[2], mlx_default_cpu_stream_new());
  if (has_gpu) check_ways(argv[1], argv[2], mlx_default_gpu_stream_new());
  return 0;
}
