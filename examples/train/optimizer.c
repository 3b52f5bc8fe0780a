/* Kingma, Ba: Adam, a method for stochastic optimization, 2015, with its corrections for the first
   steps. Numbers are float32 arrays of shape (), which leave the type of weights as it is. */
#include "optimizer.h"

static const float momentum = 0.9f;
static const float decay_mean = 0.9f;
static const float decay_square = 0.999f;
static const float least = 1e-8f;

size_t optimizer_kept(const struct optimizer *optimizer) {
  return optimizer->kind == OPTIMIZER_ADAM ? 2 : 1;
}

int optimizer_begin(mlx_vector_array state, const struct optimizer *optimizer,
                    mlx_vector_array weights, mlx_stream s) {
  mlx_array weight = mlx_array_new();
  mlx_array zeros = mlx_array_new();
  mlx_array steps = mlx_array_new_float(0);
  const size_t count = mlx_vector_array_size(weights);
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < count * optimizer_kept(optimizer); i++) {
    rc = mlx_vector_array_get(&weight, weights, i % count) || mlx_zeros_like(&zeros, weight, s) ||
         mlx_vector_array_append_value(state, zeros);
  }
  rc = rc || mlx_vector_array_append_value(state, steps);
  mlx_array_free(steps);
  mlx_array_free(zeros);
  mlx_array_free(weight);
  return rc;
}

/* x = x * factor */
static int scale(mlx_array *x, float factor, mlx_stream s) {
  mlx_array number = mlx_array_new_float(factor);
  const int rc = mlx_multiply(x, *x, number, s);
  mlx_array_free(number);
  return rc;
}

/* x = x + by */
static int increase(mlx_array *x, float by, mlx_stream s) {
  mlx_array number = mlx_array_new_float(by);
  const int rc = mlx_add(x, *x, number, s);
  mlx_array_free(number);
  return rc;
}

/* average = decay * average + (1 - decay) * x; changes x. */
static int move(mlx_array *average, mlx_array *x, float decay, mlx_stream s) {
  return scale(average, decay, s) || scale(x, 1 - decay, s) || mlx_add(average, *average, *x, s);
}

/* res = average / (1 - decay^steps) */
static int correct(mlx_array *res, mlx_array average, mlx_array steps, float decay, mlx_stream s) {
  mlx_array one = mlx_array_new_float(1);
  mlx_array base = mlx_array_new_float(decay);
  mlx_array rest = mlx_array_new();
  const int rc = mlx_power(&rest, base, steps, s) || mlx_subtract(&rest, one, rest, s) ||
                 mlx_divide(res, average, rest, s);
  mlx_array_free(rest);
  mlx_array_free(base);
  mlx_array_free(one);
  return rc;
}

/* What one weight has; the handles are replaced. */
struct part {
  mlx_array weight, gradient, kept[2];
};

static int sgd(struct part *part, float rate, mlx_stream s) {
  mlx_array change = mlx_array_new();
  const int rc = scale(&part->kept[0], momentum, s) ||
                 mlx_add(&part->kept[0], part->kept[0], part->gradient, s) ||
                 mlx_array_set(&change, part->kept[0]) || scale(&change, rate, s) ||
                 mlx_subtract(&part->weight, part->weight, change, s);
  mlx_array_free(change);
  return rc;
}

static int adam(struct part *part, mlx_array steps, float rate, mlx_stream s) {
  mlx_array square = mlx_array_new();
  mlx_array change = mlx_array_new();
  const int rc = mlx_square(&square, part->gradient, s) ||
                 move(&part->kept[0], &part->gradient, decay_mean, s) ||
                 move(&part->kept[1], &square, decay_square, s) ||
                 correct(&change, part->kept[0], steps, decay_mean, s) ||
                 correct(&square, part->kept[1], steps, decay_square, s) ||
                 mlx_sqrt(&square, square, s) || increase(&square, least, s) ||
                 mlx_divide(&change, change, square, s) || scale(&change, rate, s) ||
                 mlx_subtract(&part->weight, part->weight, change, s);
  mlx_array_free(change);
  mlx_array_free(square);
  return rc;
}

/* Appends the weight of one part to `next`, and what is kept for it to `kept`, one vector for each.
 */
static int step_part(mlx_vector_array next, mlx_vector_array *kept,
                     const struct optimizer *optimizer, mlx_vector_array state,
                     mlx_vector_array gradients, size_t i, mlx_array steps, mlx_stream s) {
  const size_t count = mlx_vector_array_size(gradients);
  const size_t kinds = optimizer_kept(optimizer);
  struct part part = {mlx_array_new(), mlx_array_new(), {mlx_array_new(), mlx_array_new()}};
  int rc = mlx_vector_array_get(&part.weight, state, i) ||
           mlx_vector_array_get(&part.gradient, gradients, i);
  for (size_t k = 0; k < kinds; k++) {
    rc = rc || mlx_vector_array_get(&part.kept[k], state, (k + 1) * count + i);
  }
  if (rc == 0) {
    rc = optimizer->kind == OPTIMIZER_ADAM ? adam(&part, steps, optimizer->rate, s)
                                           : sgd(&part, optimizer->rate, s);
  }
  rc = rc || mlx_vector_array_append_value(next, part.weight);
  for (size_t k = 0; k < kinds; k++) {
    rc = rc || mlx_vector_array_append_value(kept[k], part.kept[k]);
    mlx_array_free(part.kept[k]);
  }
  mlx_array_free(part.gradient);
  mlx_array_free(part.weight);
  return rc;
}

static int append_all(mlx_vector_array to, mlx_vector_array from) {
  mlx_array each = mlx_array_new();
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < mlx_vector_array_size(from); i++) {
    rc = mlx_vector_array_get(&each, from, i) || mlx_vector_array_append_value(to, each);
  }
  mlx_array_free(each);
  return rc;
}

int optimizer_step(mlx_vector_array next, const struct optimizer *optimizer, mlx_vector_array state,
                   mlx_vector_array gradients, mlx_stream s) {
  const size_t count = mlx_vector_array_size(gradients);
  mlx_vector_array kept[] = {mlx_vector_array_new(), mlx_vector_array_new()};
  mlx_array steps = mlx_array_new();
  int rc = mlx_vector_array_get(&steps, state, mlx_vector_array_size(state) - 1) ||
           increase(&steps, 1, s);
  for (size_t i = 0; rc == 0 && i < count; i++) {
    rc = step_part(next, kept, optimizer, state, gradients, i, steps, s);
  }
  rc = rc || append_all(next, kept[0]) || append_all(next, kept[1]) ||
       mlx_vector_array_append_value(next, steps);
  mlx_array_free(steps);
  mlx_vector_array_free(kept[1]);
  mlx_vector_array_free(kept[0]);
  return rc;
}
