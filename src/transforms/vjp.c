/* vjp and jvp: checks, and what is given to the walks and taken from them. No locks. */

#include <string.h>

#include "core/shape.h"
#include "transforms/internal.h"

static bool same_shape(const struct wr_node *a, const struct wr_node *b) {
  return wr_shape_equal(wr_node_shape(a), wr_node_ndim(a), wr_node_shape(b), wr_node_ndim(b));
}

static struct wr_error *shape_mismatch(const struct wr_node *output, const struct wr_node *d,
                                       bool alone) {
  char a[192], b[192];
  wr_shape_format(wr_node_shape(output), wr_node_ndim(output), a, (int)sizeof a);
  wr_shape_format(wr_node_shape(d), wr_node_ndim(d), b, (int)sizeof b);
  const bool hint = alone && wr_node_size(d) == 1;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[vjp] Output shape %s does not match cotangent shape %s.%s", a, b,
                      hint ? " If you are using grad your function must return a scalar." : "");
}

/* An output's cotangent begins in the output's type. */
static struct wr_error *give(struct wr_trail *w, struct wr_node *output, struct wr_node *d) {
  struct wr_stream *stream;
  struct wr_node *cast = NULL;
  struct wr_error *error = wr_transform_stream(output, &stream);
  if (!error) error = wr_ops_astype(&cast, d, wr_node_dtype(output), stream);
  if (!error) error = wr_trail_add(w, output, cast, stream);
  wr_node_release(cast);
  return error;
}

/* Outputs of stop_gradient take none. */
static bool takes_one(const struct wr_node *output) {
  return wr_node_op(output) != WR_OP_STOP_GRADIENT;
}

static struct wr_error *give_all(struct wr_trail *w, const struct wr_node_list *cotangents) {
  size_t used = 0, needed = 0;
  for (size_t i = 0; i < w->outputs.count; i++) needed += takes_one(w->outputs.items[i]);
  if (needed > cotangents->n) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "[vjp] Number of outputs to compute gradients for (%zu) does not match "
                        "number of cotangents (%zu).",
                        needed, cotangents->n);
  }
  for (size_t i = 0; i < w->outputs.count; i++) {
    struct wr_node *output = w->outputs.items[i];
    if (!takes_one(output)) continue;
    struct wr_node *d = cotangents->items[used++];
    if (!same_shape(output, d)) return shape_mismatch(output, d, w->outputs.count == 1);
    struct wr_error *error = give(w, output, d);
    if (error) return error;
  }
  return NULL;
}

/* On success the walk's outputs are the caller's. */
static struct wr_error *end(struct wr_trail *w, struct wr_error *error, struct wr_ptrs *made,
                            struct wr_ptrs *outputs, struct wr_ptrs *results) {
  if (error) {
    wr_nodes_end(made);
  } else {
    *outputs = w->outputs;
    w->outputs = (struct wr_ptrs){0};
    *results = *made;
  }
  wr_trail_end(w);
  return error;
}

struct wr_error *wr_vjp(struct wr_function *f, const struct wr_node_list *primals,
                        const struct wr_node_list *cotangents, struct wr_ptrs *outputs,
                        struct wr_ptrs *grads) {
  struct wr_trail w;
  struct wr_ptrs made = {0};
  struct wr_error *error = wr_trail_begin(&w, f, primals, NULL);
  if (error) return error;
  error = give_all(&w, cotangents);
  if (!error) error = wr_trail_back(&w);
  for (size_t i = 0; i < primals->n && !error; i++) {
    error = wr_trail_take(&w, w.tracers.items[i], primals->items[i], &made);
  }
  return end(&w, error, &made, outputs, grads);
}

static struct wr_error *check_tangents(const struct wr_node_list *primals,
                                       const struct wr_node_list *tangents) {
  if (primals->n != tangents->n) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "[jvp] Number of inputs does not match number of tangents.");
  }
  for (size_t i = 0; i < primals->n; i++) {
    if (!same_shape(primals->items[i], tangents->items[i])) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "[jvp] Input shape does not match shape of tangent.");
    }
  }
  return NULL;
}

struct wr_error *wr_jvp(struct wr_function *f, const struct wr_node_list *primals,
                        const struct wr_node_list *tangents, struct wr_ptrs *outputs,
                        struct wr_ptrs *out) {
  struct wr_trail w;
  struct wr_ptrs made = {0};
  struct wr_error *error = check_tangents(primals, tangents);
  if (!error) error = wr_trail_begin(&w, f, primals, NULL);
  if (error) return error;
  for (size_t i = 0; i < primals->n && !error; i++) {
    error = give(&w, w.tracers.items[i], tangents->items[i]);
  }
  if (!error) error = wr_trail_on(&w);
  for (size_t i = 0; i < w.outputs.count && !error; i++) {
    error = wr_trail_take(&w, w.outputs.items[i], w.outputs.items[i], &made);
  }
  return end(&w, error, &made, outputs, out);
}

/* ---- values and gradients ---- */

struct grad_function {
  struct wr_function base;
  struct wr_function *f; /* immutable after publish; a reference */
  size_t n;              /* immutable after publish */
  int argnums[];         /* immutable after publish */
};

/* Which of the n inputs. */
static struct wr_error *choose(const struct grad_function *g, size_t n, bool *wanted) {
  for (size_t i = 0; i < g->n; i++) {
    const int64_t at = g->argnums[i] < 0 ? g->argnums[i] + (int64_t)n : g->argnums[i];
    if (at < 0 || (uint64_t)at >= n) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "[grad] Invalid argument number for function with %zu inputs.", n);
    }
    if (wanted[at]) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "[grad] Repeat argument number not allowed in grad.");
    }
    wanted[at] = true;
  }
  return NULL;
}

static struct wr_error *seed(struct wr_trail *w) {
  struct wr_node *one = NULL, *first = w->outputs.count ? w->outputs.items[0] : NULL;
  if (!first) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[grad] The function has no outputs.");
  }
  struct wr_error *error = wr_ops_scalar(&one, 1, WR_FLOAT32);
  if (!error && !same_shape(first, one)) error = shape_mismatch(first, one, true);
  if (!error && takes_one(first)) error = give(w, first, one);
  wr_node_release(one);
  return error;
}

/* Outputs but the first go by the way: to transforms around this one they are constant. */
static struct wr_error *cut_others(struct wr_trail *w) {
  for (size_t i = 1; i < w->outputs.count && !w->outermost; i++) {
    struct wr_node *cut = NULL, *output = w->outputs.items[i];
    struct wr_stream *stream;
    struct wr_error *error = wr_transform_stream(output, &stream);
    if (!error) error = wr_ops_stop_gradient(&cut, output, stream);
    if (error) return error;
    w->outputs.items[i] = cut;
    wr_node_release(output);
  }
  return NULL;
}

static struct wr_error *differentiate(const struct grad_function *g,
                                      const struct wr_node_list *primals, const bool *wanted,
                                      struct wr_results *results) {
  struct wr_trail w;
  struct wr_ptrs made = {0};
  struct wr_error *error = wr_trail_begin(&w, g->f, primals, wanted);
  if (error) return error;
  error = seed(&w);
  if (!error) error = cut_others(&w);
  if (!error) error = wr_trail_back(&w);
  for (size_t i = 0; i < primals->n && !error; i++) {
    if (wanted[i]) error = wr_trail_take(&w, w.tracers.items[i], primals->items[i], &made);
  }
  return end(&w, error, &made, &results->out[0], &results->out[1]);
}

static struct wr_error *call_grad(struct wr_function *base, const struct wr_arguments *arguments,
                                  struct wr_results *results) {
  const struct grad_function *g = (struct grad_function *)(void *)base;
  const struct wr_node_list *primals = &arguments->in[0];
  bool *wanted = wr_calloc(primals->n + 1);
  if (!wanted) return wr_error_out_of_memory();
  struct wr_error *error = choose(g, primals->n, wanted);
  if (!error) error = differentiate(g, primals, wanted, results);
  wr_free(wanted);
  return error;
}

static void end_grad(struct wr_function *base) {
  struct grad_function *g = (struct grad_function *)(void *)base;
  wr_function_release(g->f);
  wr_free(g);
}

struct wr_error *wr_value_and_grad(struct wr_function **out, struct wr_function *f,
                                   const int *argnums, size_t n) {
  if (n == 0) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "[grad] Must specify at least one argument.");
  }
  struct grad_function *g = NULL;
  size_t bytes;
  if (wr_mul_size(n, sizeof *argnums, &bytes) && wr_add_size(bytes, sizeof *g, &bytes)) {
    g = wr_alloc(bytes);
  }
  if (!g) return wr_error_out_of_memory();
  wr_function_init(&g->base, call_grad, end_grad);
  g->f = wr_function_retain(f);
  g->n = n;
  memcpy(g->argnums, argnums, n * sizeof *argnums);
  *out = &g->base;
  return NULL;
}
