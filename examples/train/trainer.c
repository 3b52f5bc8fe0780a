/* A step is a function of the state alone, that is weights, what the optimizer keeps, and the
   number of steps: it draws characters, differentiates the loss, and gives the loss and the next
   state. The text is a constant to it. It is compiled as a whole, gradients and all; the keys that
   it draws its places from are drawn anew at each step, in the order of mlx_random_seed's sequence.
 */
#include "trainer.h"

#include "model.h"
#include "text.h"

/* ---- the function that is differentiated ---- */

/* From the weights, a text and the same one character further to the loss. */
static int loss_of(mlx_vector_array *res, const mlx_vector_array in, void *data) {
  const struct trainer *const trainer = data;
  mlx_array text = mlx_array_new();
  mlx_array next = mlx_array_new();
  mlx_array loss = mlx_array_new();
  const int rc = mlx_vector_array_get(&text, in, trainer->weights) ||
                 mlx_vector_array_get(&next, in, trainer->weights + 1) ||
                 model_loss(&loss, in, text, next, trainer->options.at) ||
                 mlx_vector_array_set_value(res, loss);
  mlx_array_free(loss);
  mlx_array_free(next);
  mlx_array_free(text);
  return rc;
}

static int make_gradients(struct trainer *trainer) {
  enum { MOST = 1024 };
  int numbers[MOST];
  mlx_closure loss = mlx_closure_new_func_payload(loss_of, trainer, NULL);
  int rc = trainer->weights > MOST;
  for (size_t i = 0; rc == 0 && i < trainer->weights; i++) numbers[i] = (int)i;
  rc = rc || mlx_value_and_grad(&trainer->gradients, loss, numbers, trainer->weights);
  mlx_closure_free(loss);
  return rc;
}

/* ---- one step ---- */

/* The first weights of the state, and what their loss depends on besides. */
static int arguments(mlx_vector_array in, const struct trainer *trainer, mlx_vector_array state) {
  mlx_array each = mlx_array_new();
  mlx_array next = mlx_array_new();
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < trainer->weights; i++) {
    rc = mlx_vector_array_get(&each, state, i) || mlx_vector_array_append_value(in, each);
  }
  rc = rc || text_draw(&each, &next, trainer->text, trainer->options.batch, trainer->options.at) ||
       mlx_vector_array_append_value(in, each) || mlx_vector_array_append_value(in, next);
  mlx_array_free(next);
  mlx_array_free(each);
  return rc;
}

/* From the state to the loss and the next state. */
static int step(mlx_vector_array *res, const mlx_vector_array state, void *data) {
  const struct trainer *const trainer = data;
  mlx_vector_array in = mlx_vector_array_new();
  mlx_vector_array values = mlx_vector_array_new();
  mlx_vector_array gradients = mlx_vector_array_new();
  const int rc =
      arguments(in, trainer, state) ||
      mlx_closure_value_and_grad_apply(&values, &gradients, trainer->gradients, in) ||
      optimizer_step(values, &trainer->options.optimizer, state, gradients, trainer->options.at) ||
      mlx_vector_array_set(res, values);
  mlx_vector_array_free(gradients);
  mlx_vector_array_free(values);
  mlx_vector_array_free(in);
  return rc;
}

static int make_step(struct trainer *trainer) {
  mlx_closure plain = mlx_closure_new_func_payload(step, trainer, NULL);
  const int rc = trainer->options.compiled ? mlx_compile(&trainer->step, plain, false)
                                           : mlx_closure_set(&trainer->step, plain);
  mlx_closure_free(plain);
  return rc;
}

/* Takes the loss out of what a step gave; the rest is the state. */
static int take(struct trainer *trainer, float *loss, mlx_vector_array results) {
  mlx_vector_array state = mlx_vector_array_new();
  mlx_array each = mlx_array_new();
  int rc = mlx_vector_array_get(&each, results, 0) || mlx_array_item_float32(loss, each);
  for (size_t i = 1; rc == 0 && i < mlx_vector_array_size(results); i++) {
    rc = mlx_vector_array_get(&each, results, i) || mlx_vector_array_append_value(state, each);
  }
  rc = rc || mlx_vector_array_set(&trainer->state, state);
  mlx_array_free(each);
  mlx_vector_array_free(state);
  return rc;
}

int trainer_step(struct trainer *trainer, float *loss) {
  mlx_vector_array results = mlx_vector_array_new();
  const int rc = mlx_closure_apply(&results, trainer->step, trainer->state) || mlx_eval(results) ||
                 take(trainer, loss, results);
  mlx_vector_array_free(results);
  return rc;
}

/* ---- beginning and end ---- */

int trainer_make(struct trainer *trainer, const struct trainer_options *options,
                 const char *text_path) {
  *trainer = (struct trainer){.options = *options,
                              .text = mlx_array_new(),
                              .state = mlx_vector_array_new(),
                              .gradients = mlx_closure_value_and_grad_new(),
                              .step = mlx_closure_new()};
  mlx_vector_array weights = mlx_vector_array_new();
  int rc = text_read(&trainer->text, text_path) || mlx_random_seed(options->seed) ||
           model_weights(weights, options->at) || mlx_vector_array_set(&trainer->state, weights) ||
           optimizer_begin(trainer->state, &options->optimizer, weights, options->at) ||
           mlx_eval(trainer->state);
  trainer->weights = mlx_vector_array_size(weights);
  rc = rc || make_gradients(trainer) || make_step(trainer);
  mlx_vector_array_free(weights);
  if (rc != 0) trainer_free(trainer);
  return rc;
}

void trainer_free(struct trainer *trainer) {
  mlx_closure_free(trainer->step);
  mlx_closure_value_and_grad_free(trainer->gradients);
  mlx_vector_array_free(trainer->state);
  mlx_array_free(trainer->text);
  *trainer = (struct trainer){0};
}
