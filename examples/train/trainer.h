/* A model on its way: its weights, what its optimizer keeps, and one step as a compiled function.
 */
#ifndef WR_EXAMPLES_TRAIN_TRAINER_H
#define WR_EXAMPLES_TRAIN_TRAINER_H

#include <mlx/c/mlx.h>
#include <stdbool.h>
#include <stdint.h>

#include "optimizer.h"

struct trainer_options {
  struct optimizer optimizer;
  uint64_t seed;
  int batch;     /* contexts for each step */
  bool compiled; /* or each step is recorded anew */
  mlx_stream at; /* where it computes; it outlives the trainer */
};

/* The fields are the trainer's own, but for the state, which anybody may read: the weights come
   first in it. */
struct trainer {
  struct trainer_options options;
  size_t weights; /* how many */
  mlx_array text;
  mlx_vector_array state;
  mlx_closure_value_and_grad gradients;
  mlx_closure step;
};

/* Seeds the calling thread's random numbers and draws the weights from them. The trainer must stay
   where it is. 1 after an error, and it is empty: trainer_free is allowed. */
int trainer_make(struct trainer *trainer, const struct trainer_options *options,
                 const char *text_path);

/* One step; the loss is that of the weights before it. */
int trainer_step(struct trainer *trainer, float *loss);

void trainer_free(struct trainer *trainer);

#endif
