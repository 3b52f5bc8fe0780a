/* How gradients change weights: stochastic gradient descent with momentum, or Adam. */
#ifndef WR_EXAMPLES_TRAIN_OPTIMIZER_H
#define WR_EXAMPLES_TRAIN_OPTIMIZER_H

#include <mlx/c/mlx.h>
#include <stddef.h>

enum optimizer_kind { OPTIMIZER_SGD, OPTIMIZER_ADAM };

struct optimizer {
  enum optimizer_kind kind;
  float rate;
};

/* How many arrays it keeps for each weight. */
size_t optimizer_kept(const struct optimizer *optimizer);

/* Appends to `state` what it keeps: for each of the weights so many zeros of its shape, then the
   number of steps, 0, a float32. */
int optimizer_begin(mlx_vector_array state, const struct optimizer *optimizer,
                    mlx_vector_array weights, mlx_stream s);

/* One step. `state` is the weights and what optimizer_begin appended; appends to `next` the same
   after the step. */
int optimizer_step(mlx_vector_array next, const struct optimizer *optimizer, mlx_vector_array state,
                   mlx_vector_array gradients, mlx_stream s);

#endif
