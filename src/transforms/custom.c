/* Functions with rules of their own. While a transform logs, one is called with the log paused, so
   that what it does inside is not kept, and its results stand in the log as those of one call,
   whose rules are here. In a capture, which repeats what was done, both stand in the log. So they
   do where vmap runs the function inside of a derivative: once all calls are made at once, the
   derivative sees what f does, which for inputs that are the same for all calls is done now.
   Elsewhere it is the function that it is made of. No locks. */

#include "core/shape.h"
#include "graph/trace.h"
#include "stream/stream.h"
#include "transforms/internal.h"

struct custom_function {
  struct wr_function base;
  /* immutable after publish; references, NULL where there is none but f */
  struct wr_function *f, *vjp, *jvp, *vmap;
  bool recomputes; /* immutable after publish: cotangents come from running f again */
};

struct custom_call {
  struct wr_trace_call base;
  struct custom_function *custom; /* a reference */
  struct wr_ptrs in, out;         /* references; of one for vmap `out` is empty */
  size_t n_out;
};

/* ---- a call in the log ---- */

static void end_call(struct wr_trace_call *base) {
  struct custom_call *call = (struct custom_call *)(void *)base;
  wr_function_release(&call->custom->base);
  wr_nodes_end(&call->in);
  wr_nodes_end(&call->out);
  wr_free(call);
}

static bool keep(struct wr_ptrs *list, const struct wr_node_list *from) {
  if (!wr_ptrs_reserve(list, from->n)) return false;
  for (size_t i = 0; i < from->n; i++) list->items[list->count++] = wr_node_retain(from->items[i]);
  return true;
}

/* Each result anew: nothing that f made is in the log. */
static struct wr_error *renew(struct wr_ptrs *out) {
  for (size_t i = 0; i < out->count; i++) {
    struct wr_node *made = NULL, *old = out->items[i];
    struct wr_stream *stream;
    struct wr_error *error = wr_transform_stream(old, &stream);
    if (!error) error = wr_ops_depends(&made, old, NULL, 0, stream);
    if (error) return error;
    out->items[i] = made;
    wr_node_release(old);
  }
  return NULL;
}

/* A call without results yet. */
static struct wr_error *call_new(struct custom_call **out, struct custom_function *custom,
                                 const struct wr_node_list *in) {
  struct custom_call *call = wr_calloc(sizeof *call);
  if (!call) return wr_error_out_of_memory();
  call->base.end = end_call;
  call->custom = custom;
  wr_function_retain(&custom->base);
  if (!keep(&call->in, in)) {
    end_call(&call->base);
    return wr_error_out_of_memory();
  }
  *out = call;
  return NULL;
}

/* made: what f gave, for derivatives whose range begins in front of `seer`, which is not 0; or
   NULL. */
static struct wr_error *note(struct custom_function *custom, struct wr_trace *trace,
                             const struct wr_node_list *in, const struct wr_ptrs *out,
                             const struct wr_ptrs *made, size_t seer) {
  const struct wr_node_list results = wr_list_of(out);
  struct wr_trace_results of = {
      .out = results.items, .in = in->items, .n_out = results.n, .n_in = in->n, .seer = seer};
  if (made) of.made = (struct wr_node *const *)made->items;
  if (out->count == 0) return NULL;
  struct wr_error *error = wr_transform_stream(out->items[0], &of.stream);
  struct custom_call *call = NULL;
  if (!error) error = call_new(&call, custom, in);
  if (error) return error;
  if (!keep(&call->out, &results)) {
    end_call(&call->base);
    return wr_error_out_of_memory();
  }
  call->n_out = results.n;
  return wr_trace_note_call(trace, &call->base, &of);
}

/* ---- results for vmap ---- */

static bool any_stands_in(const struct wr_node_list *in) {
  size_t i = 0;
  while (i < in->n && !wr_node_stands_in(in->items[i])) i++;
  return i < in->n;
}

static void end_kept(void *call) { end_call(call); }

/* Result i, which leads to the call besides. all: the result's place, arguments, what keeps it. */
static struct wr_error *lead_to(void **result, const struct custom_call *call, int32_t i,
                                const struct wr_node_list *all) {
  struct wr_node *made = NULL, *old = *result;
  const struct wr_custom_params params = {.call = call, .index = i};
  struct wr_record record = {.op = WR_OP_CUSTOM,
                             .dtype = wr_node_dtype(old),
                             .ndim = wr_node_ndim(old),
                             .shape = wr_node_shape(old),
                             .n_in = (int)all->n,
                             .in = all->items,
                             .params = &params,
                             .params_bytes = sizeof params};
  struct wr_error *error = wr_transform_stream(old, &record.stream);
  if (!error) error = wr_node_view(&made, &record, wr_node_strides(old), wr_node_offset(old));
  if (error) return error;
  *result = made;
  wr_node_release(old);
  return NULL;
}

/* All results as such of one call. */
static struct wr_error *lead_all(struct custom_function *custom, const struct wr_node_list *in,
                                 struct wr_ptrs *out) {
  struct custom_call *call = NULL;
  struct wr_node *keeper = NULL;
  struct wr_ptrs all = {0};
  const int32_t one = 1;
  if (in->n > INT32_MAX - 2 || !wr_ptrs_reserve(&all, in->n + 2)) return wr_error_out_of_memory();
  struct wr_error *error = call_new(&call, custom, in);
  if (!error) {
    call->n_out = out->count;
    error = wr_node_from_managed(&keeper, call, 1, &one, WR_UINT8, call, end_kept);
    if (error) end_call(&call->base);
  }
  all.count = in->n + 2;
  for (size_t i = 0; i < in->n; i++) all.items[i + 1] = in->items[i];
  all.items[in->n + 1] = keeper;
  const struct wr_node_list list = wr_list_of(&all);
  for (size_t i = 0; i < out->count && !error; i++) {
    all.items[0] = out->items[i];
    error = lead_to(&out->items[i], call, (int32_t)i, &list);
  }
  wr_node_release(keeper);
  wr_ptrs_free(&all);
  return error;
}

/* Results that stand for the call: for vmap, or anew for a log that has nothing of what f made. */
static struct wr_error *stand_for_call(struct custom_function *custom,
                                       const struct wr_node_list *in, struct wr_ptrs *out,
                                       bool logged) {
  if (custom->vmap && any_stands_in(in)) return lead_all(custom, in, out);
  return logged ? renew(out) : NULL;
}

/* Derivatives whose range begins there or behind it see the call alone: all but those around a vmap
   that will replace the call by what f does for all calls. */
static size_t seer_of(const struct custom_function *custom, const struct wr_trace *trace,
                      const struct wr_node_list *in) {
  return trace && !custom->vmap && any_stands_in(in) ? trace->batched : 0;
}

/* What f does is in the log, for some derivatives or for captures alone; a capture repeats it, and
   has the new results in its log as well. */
static struct wr_error *call_logged(struct custom_function *custom, struct wr_trace *trace,
                                    const struct wr_arguments *arguments,
                                    struct wr_results *results) {
  const struct wr_node_list *in = &arguments->in[0];
  const size_t start = trace->count, seer = seer_of(custom, trace, in);
  const bool derives = wr_trace_derives(), captured = trace->captures > 0;
  struct wr_ptrs made = {0}, *out = &results->out[0];
  struct wr_error *error = wr_function_call(custom->f, arguments, results);
  const struct wr_node_list given = wr_list_of(out);
  if (!error && !keep(&made, &given)) error = wr_error_out_of_memory();
  if (!captured) (void)wr_trace_pause();
  if (!error) error = stand_for_call(custom, in, out, derives);
  if (!captured) wr_trace_resume(trace);
  if (!error && derives) {
    wr_trace_hide(trace, start, seer);
    error = note(custom, trace, in, out, &made, seer);
  }
  wr_nodes_end(&made);
  return error;
}

static struct wr_error *call_custom(struct wr_function *base, const struct wr_arguments *arguments,
                                    struct wr_results *results) {
  struct custom_function *custom = (struct custom_function *)(void *)base;
  const struct wr_node_list *in = &arguments->in[0];
  struct wr_trace *trace = wr_trace_current();
  if ((trace && trace->captures > 0) || seer_of(custom, trace, in) > 0) {
    return call_logged(custom, trace, arguments, results);
  }
  (void)wr_trace_pause();
  struct wr_error *error = wr_function_call(custom->f, arguments, results);
  if (!error) error = stand_for_call(custom, in, &results->out[0], trace);
  wr_trace_resume(trace);
  if (trace && !error) error = note(custom, trace, in, &results->out[0], NULL, 0);
  return error;
}

/* ---- its rules ---- */

/* The list with zeros for what is not there. */
static struct wr_error *filled(struct wr_ptrs *list, struct wr_node *const *values,
                               const struct wr_ptrs *like) {
  if (!wr_ptrs_reserve(list, like->count)) return wr_error_out_of_memory();
  for (size_t i = 0; i < like->count; i++) {
    struct wr_node *value = NULL;
    struct wr_stream *stream;
    if (values[i]) {
      value = wr_node_retain(values[i]);
    } else {
      struct wr_error *error = wr_transform_stream(like->items[i], &stream);
      if (!error) error = wr_ops_fill_like(&value, like->items[i], 0, stream);
      if (error) return error;
    }
    list->items[list->count++] = value;
  }
  return NULL;
}

static struct wr_error *misfit(const char *what, const struct wr_node *given,
                               const struct wr_node *like) {
  char a[192], b[192];
  wr_shape_format(wr_node_shape(given), wr_node_ndim(given), a, (int)sizeof a);
  wr_shape_format(wr_node_shape(like), wr_node_ndim(like), b, (int)sizeof b);
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                      "[custom_function] The %s gave an array of shape %s for one of "
                      "shape %s.",
                      what, a, b);
}

/* One in the place of what has another shape: a number stands for an array of it. */
static struct wr_error *stretch(const char *what, void **item, const struct wr_node *like) {
  const int32_t *shape = wr_node_shape(like);
  const int ndim = wr_node_ndim(like);
  struct wr_node *made = NULL, *given = *item;
  struct wr_stream *stream;
  if (wr_shape_equal(wr_node_shape(given), wr_node_ndim(given), shape, ndim)) return NULL;
  if (!wr_shape_broadcasts_to(wr_node_shape(given), wr_node_ndim(given), shape, ndim)) {
    return misfit(what, given, like);
  }
  wr_trace_pin(WR_PIN_EXTENTS);
  struct wr_error *error = wr_transform_stream(given, &stream);
  if (!error) error = wr_ops_broadcast_to(&made, given, shape, ndim, stream);
  if (error) return error;
  *item = made;
  wr_node_release(given);
  return NULL;
}

/* What users' functions give is one for each of `like`, of its shape: rules rely on that. A
   function that runs again may give other things than at first. */
static struct wr_error *fit(const char *what, struct wr_ptrs *given, const struct wr_ptrs *like) {
  struct wr_error *error = NULL;
  if (given->count != like->count) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "[custom_function] The %s gave %zu arrays instead of %zu.", what,
                        given->count, like->count);
  }
  for (size_t i = 0; i < given->count && !error; i++) {
    error = stretch(what, &given->items[i], like->items[i]);
  }
  return error;
}

/* Inputs that are over after the outputs: f runs again after it has run. */
static struct wr_error *after_outputs(struct wr_ptrs *in, const struct custom_call *call) {
  if (!wr_ptrs_reserve(in, call->in.count)) return wr_error_out_of_memory();
  for (size_t i = 0; i < call->in.count; i++) {
    struct wr_node *made = NULL;
    struct wr_stream *stream;
    struct wr_error *error = wr_transform_stream(call->in.items[i], &stream);
    if (!error) {
      error = wr_ops_depends(&made, call->in.items[i], (struct wr_node *const *)call->out.items,
                             call->out.count, stream);
    }
    if (error) return error;
    in->items[in->count++] = made;
  }
  return NULL;
}

static struct wr_error *back_by_f(const struct custom_call *call, const struct wr_ptrs *d,
                                  struct wr_ptrs *grads) {
  struct wr_ptrs outputs = {0}, in = {0};
  const struct wr_node_list cotangents = wr_list_of(d);
  struct wr_error *error = NULL;
  if (call->custom->recomputes) error = after_outputs(&in, call);
  const struct wr_node_list primals = wr_list_of(call->custom->recomputes ? &in : &call->in);
  if (!error) error = wr_vjp(call->custom->f, &primals, &cotangents, &outputs, grads);
  wr_nodes_end(&outputs);
  wr_nodes_end(&in);
  return error;
}

static struct wr_error *back_by_rule(const struct custom_call *call, const struct wr_ptrs *d,
                                     struct wr_ptrs *grads) {
  struct wr_results results = {0};
  const struct wr_arguments arguments = {
      .in = {wr_list_of(&call->in), wr_list_of(d), wr_list_of(&call->out)}};
  struct wr_error *error = wr_function_call(call->custom->vjp, &arguments, &results);
  if (!error) error = fit("vjp function", &results.out[0], &call->in);
  if (!error) {
    *grads = results.out[0];
    results.out[0] = (struct wr_ptrs){0};
  }
  wr_results_end(&results);
  return error;
}

struct wr_error *wr_custom_back(struct wr_trace_call *base, struct wr_node *const *cotangents,
                                struct wr_ptrs *grads) {
  const struct custom_call *call = (struct custom_call *)(void *)base;
  struct wr_ptrs d = {0};
  struct wr_error *error = filled(&d, cotangents, &call->out);
  if (!error) error = (call->custom->vjp ? back_by_rule : back_by_f)(call, &d, grads);
  wr_nodes_end(&d);
  return error;
}

static struct wr_error *on_by_f(const struct custom_call *call, struct wr_node *const *tangents,
                                struct wr_ptrs *out) {
  struct wr_ptrs t = {0}, outputs = {0};
  struct wr_error *error = filled(&t, tangents, &call->in);
  const struct wr_node_list primals = wr_list_of(&call->in), all = wr_list_of(&t);
  if (!error) error = wr_jvp(call->custom->f, &primals, &all, &outputs, out);
  if (!error) error = fit("function, run again,", out, &call->out);
  wr_nodes_end(&outputs);
  wr_nodes_end(&t);
  return error;
}

/* Tangents of those inputs alone that have one, and their numbers. */
static struct wr_error *on_by_rule(const struct custom_call *call, struct wr_node *const *tangents,
                                   struct wr_ptrs *out) {
  struct wr_results results = {0};
  struct wr_ptrs t = {0};
  int *numbers = wr_calloc((call->in.count + 1) * sizeof *numbers);
  struct wr_error *error =
      numbers && wr_ptrs_reserve(&t, call->in.count) ? NULL : wr_error_out_of_memory();
  for (size_t i = 0; i < call->in.count && !error; i++) {
    if (!tangents[i]) continue;
    numbers[t.count] = (int)i;
    t.items[t.count++] = tangents[i];
  }
  const struct wr_arguments arguments = {
      .in = {wr_list_of(&call->in), wr_list_of(&t)}, .numbers = numbers, .n_numbers = t.count};
  if (!error) error = wr_function_call(call->custom->jvp, &arguments, &results);
  if (!error) error = fit("jvp function", &results.out[0], &call->out);
  if (!error) {
    *out = results.out[0];
    results.out[0] = (struct wr_ptrs){0};
  }
  wr_results_end(&results);
  wr_ptrs_free(&t);
  wr_free(numbers);
  return error;
}

struct wr_error *wr_custom_on(struct wr_trace_call *base, struct wr_node *const *tangents,
                              struct wr_ptrs *out) {
  const struct custom_call *call = (struct custom_call *)(void *)base;
  return (call->custom->jvp ? on_by_rule : on_by_f)(call, tangents, out);
}

/* Output i of all calls, with their axis in front. */
static struct wr_error *in_front(const struct wr_results *results, size_t i, int32_t n,
                                 struct wr_ptrs *out) {
  struct wr_node *given = results->out[0].items[i], *made = NULL;
  const int ndim = wr_node_ndim(given), axis = (int)(intptr_t)results->numbers.items[i];
  struct wr_stream *stream;
  struct wr_error *error = wr_transform_stream(given, &stream);
  if (error) return error;
  if (axis == -1 && ndim < WR_MAX_NDIM) {
    int32_t shape[WR_MAX_NDIM] = {n};
    for (int k = 0; k < ndim; k++) shape[k + 1] = wr_node_shape(given)[k];
    wr_trace_pin(WR_PIN_EXTENTS);
    error = wr_ops_broadcast_to(&made, given, shape, ndim + 1, stream);
  } else if (axis < 0 || axis >= ndim || wr_node_shape(given)[axis] != n) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "[custom_function] The vmap function gave an array with %d dimensions and "
                        "the axis %d, along which there are not %d parts.",
                        ndim, axis, n);
  } else {
    error = wr_ops_moveaxis(&made, given, axis, 0, stream);
  }
  if (error) return error;
  out->items[out->count++] = made;
  return NULL;
}

struct wr_error *wr_custom_vmap(const struct wr_custom_params *of, const struct wr_node_list *in,
                                const int *axes, int32_t n, struct wr_ptrs *out) {
  const struct custom_call *call = of->call;
  struct wr_results results = {0};
  const struct wr_arguments arguments = {.in = {*in}, .numbers = axes, .n_numbers = in->n};
  if (!wr_ptrs_reserve(out, call->n_out)) return wr_error_out_of_memory();
  struct wr_error *error = wr_function_call(call->custom->vmap, &arguments, &results);
  if (error) return error;
  if (results.out[0].count != call->n_out || results.numbers.count != call->n_out) {
    error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                         "[custom_function] The vmap function gave %zu arrays and %zu axes instead "
                         "of %zu.",
                         results.out[0].count, results.numbers.count, call->n_out);
  }
  for (size_t i = 0; i < call->n_out && !error; i++) error = in_front(&results, i, n, out);
  wr_results_end(&results);
  return error;
}

/* ---- making one ---- */

static void end_custom(struct wr_function *base) {
  struct custom_function *custom = (struct custom_function *)(void *)base;
  wr_function_release(custom->f);
  wr_function_release(custom->vjp);
  wr_function_release(custom->jvp);
  wr_function_release(custom->vmap);
  wr_free(custom);
}

static struct wr_function *keep_function(struct wr_function *f) {
  return f ? wr_function_retain(f) : NULL;
}

static struct wr_error *make(struct wr_function **out, const struct custom_function *like) {
  struct custom_function *custom = wr_alloc(sizeof *custom);
  if (!custom) return wr_error_out_of_memory();
  wr_function_init(&custom->base, call_custom, end_custom);
  custom->f = keep_function(like->f);
  custom->vjp = keep_function(like->vjp);
  custom->jvp = keep_function(like->jvp);
  custom->vmap = keep_function(like->vmap);
  custom->recomputes = like->recomputes;
  *out = &custom->base;
  return NULL;
}

struct wr_error *wr_custom_function(struct wr_function **out, struct wr_function *f,
                                    struct wr_function *vjp, struct wr_function *jvp,
                                    struct wr_function *vmap) {
  if (vjp || jvp || vmap) {
    return make(out, &(struct custom_function){.f = f, .vjp = vjp, .jvp = jvp, .vmap = vmap});
  }
  *out = wr_function_retain(f);
  return NULL;
}

struct wr_error *wr_checkpoint(struct wr_function **out, struct wr_function *f) {
  return make(out, &(struct custom_function){.f = f, .recomputes = true});
}
