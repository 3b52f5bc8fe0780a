/* A small transformer that guesses the next character: the usual kind, with norms before its parts,
   no biases, and positions that are learned. */
#ifndef WR_EXAMPLES_TRAIN_MODEL_H
#define WR_EXAMPLES_TRAIN_MODEL_H

#include <mlx/c/mlx.h>

enum {
  MODEL_CHARACTERS = 128, /* ASCII */
  MODEL_CONTEXT = 64,     /* characters that it sees */
  MODEL_WIDTH = 64,
  MODEL_HEADS = 4,
  MODEL_HIDDEN = 256,
  MODEL_LAYERS = 2
};

/* Appends the weights, float32, drawn from the calling thread's random numbers and not computed
   yet. */
int model_weights(mlx_vector_array weights, mlx_stream s);

/* From text, int32 [batch, context], to the unnormalised log-probabilities of each next character,
   float32 [batch, context, characters]. The weights are the first of `weights`. */
int model_guess(mlx_array *guess, mlx_vector_array weights, mlx_array text, mlx_stream s);

/* The mean over all characters of -log(probability of the right next one), next as text: a float32
   of shape (). */
int model_loss(mlx_array *loss, mlx_vector_array weights, mlx_array text, mlx_array next,
               mlx_stream s);

#endif
