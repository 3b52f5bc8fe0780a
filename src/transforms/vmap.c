/* vmap: a function is run once on placeholders, which have no values, so that what is made of them
   is never claimed and keeps its edges for anyone to read. Replacing is a walk over these edges
   from the outputs, each node once by the rule of its operation (batch.h). So a trace needs nothing
   but its arrays, may be replaced any number of times, by several threads at once too, and goes
   with them. The walk's stack is an array (K13). No locks. */

#include "base/grow.h"
#include "core/shape.h"
#include "graph/trace.h"
#include "transforms/batch.h"
#include "transforms/internal.h"

#define INVALID(...) wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, __VA_ARGS__)

enum { NOT_MAPPED = -1 };

/* ---- axes ---- */

static struct wr_error *check_axis(const struct wr_node *input, int axis, int32_t *size) {
  const int ndim = wr_node_ndim(input);
  if (axis == NOT_MAPPED) return NULL;
  if (ndim == 0) return INVALID("[vmap] Cannot vmap an input with zero dimensions.");
  if (axis < 0 || axis >= ndim) {
    return INVALID("[vmap] Axis %d invalid for input with %d dimensions.", axis, ndim);
  }
  const int32_t extent = wr_node_shape(input)[axis];
  if (*size >= 0 && extent != *size) {
    return INVALID("[vmap] Inconsistent axis sizes: %d and %d.", extent, *size);
  }
  *size = extent;
  return NULL;
}

/* *size: the extent of the mapped axes; -1: there is none. */
static struct wr_error *check_axes(const struct wr_node_list *inputs, const int *axes, size_t n,
                                   int32_t *size) {
  struct wr_error *error = NULL;
  *size = -1;
  if (n != inputs->n) {
    return INVALID("[vmap] The number of in axes (%zu) must match the number of inputs (%zu).", n,
                   inputs->n);
  }
  for (size_t i = 0; i < n && !error; i++) error = check_axis(inputs->items[i], axes[i], size);
  return error;
}

/* The shape of one call's part. */
static void without(const struct wr_node *input, int axis, int32_t *shape) {
  for (int i = 0, k = 0; i < wr_node_ndim(input); i++) {
    if (i != axis) shape[k++] = wr_node_shape(input)[i];
  }
}

/* ---- tracing ---- */

static struct wr_error *stand_ins(struct wr_ptrs *traced, const struct wr_node_list *inputs,
                                  const int *axes) {
  if (!wr_ptrs_reserve(traced, inputs->n)) return wr_error_out_of_memory();
  for (size_t i = 0; i < inputs->n; i++) {
    struct wr_node *input = inputs->items[i], *stand_in = NULL;
    int32_t shape[WR_MAX_NDIM];
    if (axes[i] == NOT_MAPPED) {
      stand_in = wr_node_retain(input);
    } else {
      without(input, axes[i], shape);
      struct wr_error *error =
          wr_node_placeholder(&stand_in, wr_node_ndim(input) - 1, shape, wr_node_dtype(input));
      if (error) return error;
    }
    traced->items[traced->count++] = stand_in;
  }
  return NULL;
}

/* The log knows where the function begins: see custom.c. */
static struct wr_error *run(struct wr_function *f, const struct wr_ptrs *traced,
                            struct wr_results *results) {
  const struct wr_arguments arguments = {.in = {wr_list_of(traced)}};
  struct wr_trace *trace = wr_trace_current();
  const size_t around = trace ? trace->batched : 0;
  if (trace) trace->batched = trace->count;
  struct wr_error *error = wr_function_call(f, &arguments, results);
  if (trace) trace->batched = around;
  return error;
}

struct wr_error *wr_vmap_trace(struct wr_function *f, const struct wr_node_list *inputs,
                               const int *axes, size_t n, struct wr_ptrs *traced,
                               struct wr_ptrs *outputs) {
  struct wr_results results = {0};
  int32_t size;
  struct wr_error *error = check_axes(inputs, axes, n, &size);
  if (!error) error = stand_ins(traced, inputs, axes);
  if (!error) error = run(f, traced, &results);
  if (error) {
    wr_nodes_end(traced);
    return error;
  }
  *outputs = results.out[0];
  results.out[0] = (struct wr_ptrs){0};
  wr_results_end(&results);
  return NULL;
}

/* ---- what nodes became ---- */

struct item {
  struct wr_node *node;  /* of the trace */
  struct wr_node *value; /* a reference: of all calls, the mapped axis in front; NULL: not mapped */
  struct wr_node *raw;   /* of an input: as it was given, with `axis`; else NULL */
  int axis;
};

/* A node whose inputs are being looked at. */
struct frame {
  struct wr_node *node;
  int next;
};

/* What a call of a function with a vmap of its own gave, once for all of its results. */
struct made {
  const struct wr_custom_params *of; /* of one of the results */
  struct wr_ptrs values;
};

struct walk {
  int32_t size;       /* of the mapped axis */
  struct item *items; /* in the order of the graph */
  size_t count, room;
  uint32_t *places; /* by a hash of the node the number of an item from 1, or 0; half is free */
  size_t n_places;  /* a power of two, or 0 */
  struct frame *stack;
  size_t depth, stack_room;
  struct made *made;
  size_t n_made;
};

static size_t place_of(const struct walk *w, const struct wr_node *node) {
  const uint64_t hash = ((uint64_t)(uintptr_t)node >> 4) * UINT64_C(0x9e3779b97f4a7c15);
  size_t i = (size_t)(hash >> 32) & (w->n_places - 1);
  while (w->places[i] && w->items[w->places[i] - 1].node != node) i = (i + 1) & (w->n_places - 1);
  return i;
}

static struct item *find(const struct walk *w, const struct wr_node *node) {
  if (w->n_places == 0) return NULL;
  const uint32_t at = w->places[place_of(w, node)];
  return at ? &w->items[at - 1] : NULL;
}

static bool more_places(struct walk *w) {
  const size_t n = w->n_places ? 2 * w->n_places : 64;
  uint32_t *places = n <= UINT32_MAX / 2 ? wr_calloc(n * sizeof *places) : NULL;
  if (!places) return false;
  wr_free(w->places);
  w->places = places;
  w->n_places = n;
  for (size_t i = 0; i < w->count; i++) places[place_of(w, w->items[i].node)] = (uint32_t)i + 1;
  return true;
}

/* Takes the item's value. */
static struct wr_error *add(struct walk *w, struct item item) {
  bool fits = wr_grow(&w->items, &w->room, w->count + 1, 64, sizeof *w->items);
  if (fits && 2 * (w->count + 1) > w->n_places) fits = more_places(w);
  if (!fits) {
    wr_node_release(item.value);
    return wr_error_out_of_memory();
  }
  w->items[w->count++] = item;
  w->places[place_of(w, item.node)] = (uint32_t)w->count;
  return NULL;
}

static void end_walk(struct walk *w) {
  for (size_t i = 0; i < w->count; i++) wr_node_release(w->items[i].value);
  for (size_t i = 0; i < w->n_made; i++) wr_nodes_end(&w->made[i].values);
  wr_free(w->items);
  wr_free(w->places);
  wr_free(w->stack);
  wr_free(w->made);
}

/* ---- one node ---- */

/* What a rule is given: inputs, whether they are mapped, and room. */
struct given {
  struct wr_node **in;
  struct wr_node **room;
  bool *mapped;
  int n;
  bool any;
};

static struct wr_error *gather(const struct walk *w, struct wr_node *node, struct given *g) {
  struct wr_node *const *in = wr_node_stand_in_inputs(node, &g->n);
  const size_t n = (size_t)g->n;
  g->in = wr_calloc((2 * n + 2) * sizeof *g->in);
  g->mapped = wr_calloc(n + 1);
  if (!g->in || !g->mapped) return wr_error_out_of_memory();
  g->room = g->in + n;
  for (size_t k = 0; k < n; k++) {
    const struct item *item = find(w, in[k]);
    g->mapped[k] = item && item->value;
    g->in[k] = g->mapped[k] ? item->value : in[k];
    g->any = g->any || g->mapped[k];
  }
  return NULL;
}

static struct wr_error *by_rule(const struct walk *w, struct wr_node *node, const struct given *g,
                                struct wr_node **value) {
  struct wr_compose c = wr_compose_begin(wr_node_stand_in_stream(node));
  const struct wr_batch batch = {.c = &c,
                                 .like = wr_ops_record_of(node, g->in, g->n, c.stream),
                                 .mapped = g->mapped,
                                 .n = w->size,
                                 .room = g->room};
  return wr_compose_end(&c, value, wr_vmap_rules[wr_node_op(node)](&batch));
}

/* The arguments of a call as they came, where the call was given inputs of the trace itself. */
static struct wr_error *call_custom(struct walk *w, struct wr_node *node, struct made *made) {
  int n;
  struct wr_node *const *all = wr_node_stand_in_inputs(node, &n);
  struct wr_ptrs in = {0};
  int *axes = wr_calloc((size_t)n * sizeof *axes);
  struct wr_error *error =
      axes && wr_ptrs_reserve(&in, (size_t)n) ? NULL : wr_error_out_of_memory();
  for (int k = 1; k + 1 < n && !error; k++) { /* between the result and what keeps the call */
    const struct item *item = find(w, all[k]);
    const bool mapped = item && item->value;
    axes[in.count] = mapped ? item->axis : NOT_MAPPED;
    in.items[in.count++] = !mapped ? all[k] : item->raw ? item->raw : item->value;
  }
  const struct wr_node_list list = wr_list_of(&in);
  made->of = wr_node_params(node);
  if (!error) error = wr_custom_vmap(made->of, &list, axes, w->size, &made->values);
  wr_ptrs_free(&in);
  wr_free(axes);
  return error;
}

static struct wr_error *by_custom(struct walk *w, struct wr_node *node, struct wr_node **value) {
  const struct wr_custom_params *p = wr_node_params(node);
  size_t i = 0;
  while (i < w->n_made && w->made[i].of->call != p->call) i++;
  if (i == w->n_made) {
    struct made *more = wr_realloc(w->made, (i + 1) * sizeof *more);
    if (!more) return wr_error_out_of_memory();
    w->made = more;
    more[i] = (struct made){.of = p};
    w->n_made++;
    struct wr_error *error = call_custom(w, node, &more[i]);
    if (error) return error;
  }
  *value = wr_node_retain(w->made[i].values.items[p->index]);
  return NULL;
}

/* All of its inputs are known. */
static struct wr_error *finish(struct walk *w, struct wr_node *node) {
  struct item item = {.node = node};
  struct given g = {0};
  struct wr_error *error = gather(w, node, &g);
  if (!error && g.any) {
    error = wr_node_op(node) == WR_OP_CUSTOM ? by_custom(w, node, &item.value)
                                             : by_rule(w, node, &g, &item.value);
  }
  wr_free(g.in);
  wr_free(g.mapped);
  return error ? error : add(w, item);
}

/* ---- the walk ---- */

static bool is_known(const struct walk *w, const struct wr_node *node) {
  return !wr_node_stands_in(node) || find(w, node);
}

static struct wr_error *push(struct walk *w, struct wr_node *node) {
  if (is_known(w, node)) return NULL;
  if (!wr_grow(&w->stack, &w->stack_room, w->depth + 1, 64, sizeof *w->stack)) {
    return wr_error_out_of_memory();
  }
  w->stack[w->depth++] = (struct frame){.node = node};
  return NULL;
}

static struct wr_error *walk_from(struct walk *w, struct wr_node *output) {
  struct wr_error *error = push(w, output);
  while (w->depth > 0 && !error) {
    struct frame *top = &w->stack[w->depth - 1];
    int n;
    struct wr_node *const *in = wr_node_stand_in_inputs(top->node, &n);
    if (top->next < n) {
      error = push(w, in[top->next++]);
    } else {
      error = finish(w, top->node);
      w->depth--;
    }
  }
  return error;
}

static struct wr_error *misfit(const struct wr_node *input, const struct wr_node *traced) {
  char a[192], b[192];
  wr_shape_format(wr_node_shape(input), wr_node_ndim(input), a, (int)sizeof a);
  wr_shape_format(wr_node_shape(traced), wr_node_ndim(traced), b, (int)sizeof b);
  return INVALID(
      "[vmap] An input of shape %s and type %s does not fit one that was traced with "
      "shape %s and type %s.",
      a, wr_dtype_name(wr_node_dtype(input)), b, wr_dtype_name(wr_node_dtype(traced)));
}

/* The input for all calls in the place of the one that was traced. */
static struct wr_error *seed(struct walk *w, struct wr_node *traced, struct wr_node *input,
                             int axis) {
  struct item item = {.node = traced, .raw = input, .axis = axis};
  int32_t shape[WR_MAX_NDIM];
  struct wr_stream *stream;
  if (axis == NOT_MAPPED || find(w, traced)) return NULL;
  without(input, axis, shape);
  if (wr_node_dtype(input) != wr_node_dtype(traced) ||
      !wr_shape_equal(shape, wr_node_ndim(input) - 1, wr_node_shape(traced),
                      wr_node_ndim(traced))) {
    return misfit(input, traced);
  }
  struct wr_error *error = wr_transform_stream(input, &stream);
  if (!error) error = wr_ops_moveaxis(&item.value, input, axis, 0, stream);
  return error ? error : add(w, item);
}

/* ---- outputs ---- */

/* The axis of n in front of what is the same for all calls. */
static struct wr_error *repeated(struct wr_node **out, struct wr_node *output, int32_t n,
                                 struct wr_stream *stream) {
  int32_t shape[WR_MAX_NDIM];
  const int ndim = wr_node_ndim(output);
  if (ndim == WR_MAX_NDIM) return INVALID("[vmap] An output has %d dimensions.", ndim);
  shape[0] = n;
  for (int i = 0; i < ndim; i++) shape[i + 1] = wr_node_shape(output)[i];
  wr_trace_pin(WR_PIN_EXTENTS);
  return wr_ops_broadcast_to(out, output, shape, ndim + 1, stream);
}

static struct wr_error *give(const struct walk *w, struct wr_node *output, int axis,
                             struct wr_ptrs *out) {
  const struct item *item = find(w, output);
  struct wr_node *value = NULL, *moved = NULL;
  struct wr_stream *stream;
  const int ndim = wr_node_ndim(output) + 1;
  if (axis < 0 || axis >= ndim) {
    return INVALID("[vmap] Axis %d invalid for output with %d dimensions.", axis, ndim);
  }
  struct wr_error *error = wr_transform_stream(output, &stream);
  if (error) return error;
  if (item && item->value) {
    value = wr_node_retain(item->value);
  } else {
    error = repeated(&value, output, w->size, stream);
  }
  if (!error) error = wr_ops_moveaxis(&moved, value, 0, axis, stream);
  wr_node_release(value);
  if (error) return error;
  out->items[out->count++] = moved;
  return NULL;
}

static struct wr_error *replace(struct walk *w, const struct wr_vmap_lists *l, const int *in_axes,
                                const int *out_axes, struct wr_ptrs *out) {
  struct wr_error *error = NULL;
  if (!wr_ptrs_reserve(out, l->outputs.n)) return wr_error_out_of_memory();
  for (size_t i = 0; i < l->inputs.n && !error; i++) {
    error = seed(w, l->traced.items[i], l->inputs.items[i], in_axes[i]);
  }
  for (size_t i = 0; i < l->outputs.n && !error; i++) {
    error = walk_from(w, l->outputs.items[i]);
    if (!error) error = give(w, l->outputs.items[i], out_axes[i], out);
  }
  return error;
}

struct wr_error *wr_vmap_replace(const struct wr_vmap_lists *l, const int *in_axes, size_t n_in,
                                 const int *out_axes, size_t n_out, struct wr_ptrs *out) {
  struct walk w = {0};
  if (n_out != l->outputs.n) {
    return INVALID("[vmap] The number of out axes (%zu) must match the number of outputs (%zu).",
                   n_out, l->outputs.n);
  }
  if (l->traced.n != l->inputs.n) {
    return INVALID(
        "[vmap] The number of traced inputs (%zu) must match the number of inputs (%zu).",
        l->traced.n, l->inputs.n);
  }
  struct wr_error *error = check_axes(&l->inputs, in_axes, n_in, &w.size);
  if (!error && w.size < 0) error = INVALID("At least one of in_axes must be non-None.");
  if (!error) error = replace(&w, l, in_axes, out_axes, out);
  end_walk(&w);
  if (error) wr_nodes_end(out);
  return error;
}
