/* Trains the model, and says how it goes. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <weir/weir.h>

#include "curve.h"
#include "options.h"

enum { EXIT_ALL_WELL = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, SHOWN_LINES = 10 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void show_loss(const struct options *options, int step, float loss) {
  const int between = options->steps > SHOWN_LINES ? options->steps / SHOWN_LINES : 1;
  if (options->losses) {
    printf("%.9g\n", (double)loss);
  } else if (step % between == 0 || step == options->steps - 1) {
    printf("step %6d  loss %.4f\n", step, (double)loss);
  }
  fflush(stdout);
}

/* The first step also compiles; it is not counted. */
static void show_end(const struct options *options, double seconds) {
  size_t most = 0;
  mlx_get_peak_memory(&most);
  if (options->steps > 1) {
    printf("%.1f steps per second, ", (options->steps - 1) / seconds);
  }
  printf("at most %.1f MB of arrays\n", (double)most / 1e6);
}

static int run(struct trainer *trainer, const struct options *options, float *losses) {
  double start = 0;
  for (int i = 0; i < options->steps; i++) {
    if (trainer_step(trainer, &losses[i]) != 0) return 1;
    if (i == 0) start = now();
    show_loss(options, i, losses[i]);
  }
  if (!options->losses) show_end(options, now() - start);
  return 0;
}

static int draw(const struct options *options, const float *losses) {
  char title[128];
  const bool is_adam = options->trainer.optimizer.kind == OPTIMIZER_ADAM;
  if (options->curve == NULL) return 0;
  snprintf(title, sizeof(title), "mean -log(p) of the next character, %s, rate %g, %d at a time",
           is_adam ? "Adam" : "SGD", (double)options->trainer.optimizer.rate,
           options->trainer.batch);
  if (curve_write(options->curve, losses, (size_t)options->steps, title) != 0) return 1;
  if (!options->losses) printf("drawn: %s\n", options->curve);
  return 0;
}

static int train(const struct options *options) {
  struct trainer trainer;
  float *const losses = calloc((size_t)options->steps, sizeof(*losses));
  int rc = losses == NULL || trainer_make(&trainer, &options->trainer, options->text);
  if (rc == 0) {
    rc = run(&trainer, options, losses) || draw(options, losses);
    trainer_free(&trainer);
  }
  free(losses);
  return rc;
}

int main(int argc, char **argv) {
  struct options options;
  switch (options_parse(&options, argc, argv)) {
    case PARSED_HELP:
      return EXIT_ALL_WELL;
    case PARSED_WRONG:
      return EXIT_USAGE;
    case PARSED_RUN:
      break;
  }
  bool has_gpu = false;
  mlx_device gpu = mlx_device_new_type(MLX_GPU, 0);
  if (!options.on_cpu) mlx_device_is_available(&has_gpu, gpu);
  mlx_device_free(gpu);
  options.trainer.at = has_gpu ? mlx_default_gpu_stream_new() : mlx_default_cpu_stream_new();
  const int rc = train(&options);
  mlx_stream_free(options.trainer.at);
  return rc == 0 ? EXIT_ALL_WELL : EXIT_FAILED;
}
