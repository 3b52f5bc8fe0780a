/* The plan of a capture: one instance of it is recorded, which nobody else can reach, planned and
   fused as if it were forced, and never run; its order and its groups are the steps of another
   capture (graph/node.h, wr_node_plan). So there is one planner and one fuser. No locks. */

#include "base/numbers.h"
#include "ops/capture_internal.h"
#include "stream/stream.h"

/* One instance of the capture, which nobody else can reach: placeholders for all that it reads, and
   what the steps make of them. */
struct instance {
  struct wr_node **values; /* references */
  uint32_t n;
};

/* Like the node, and on a stream, which a plan asks for. */
static struct wr_error *stand_in(struct wr_node **out, const struct wr_node *like) {
  struct wr_device device;
  struct wr_stream *stream;
  struct wr_error *error = wr_default_device(&device);
  if (!error) error = wr_stream_default(device, &stream);
  if (error) return error;
  return wr_node_record(out, &(struct wr_record){.op = WR_OP_PLACEHOLDER,
                                                 .dtype = wr_node_dtype(like),
                                                 .ndim = wr_node_ndim(like),
                                                 .shape = wr_node_shape(like),
                                                 .stream = stream});
}

static struct wr_error *make_instance(struct instance *one, struct wr_capture *c) {
  const uint32_t steps = wr_capture_first_step(c), constants = wr_capture_first_constant(c);
  one->n = wr_capture_values(c);
  one->values = wr_calloc((one->n + (size_t)1) * sizeof(struct wr_node *));
  if (!one->values) return wr_error_out_of_memory();
  struct wr_error *error = NULL;
  for (uint32_t i = 0; i < one->n && !error; i++) {
    if (i >= steps && i < constants) continue;
    error = stand_in(&one->values[i], wr_capture_value(c, i));
  }
  return error ? error : wr_capture_record(c, one->values);
}

/* A node whose references are the plan's and its readers' is one that a group may take in. */
static void let_go(struct instance *one, const struct wr_capture *c, const bool *is_output) {
  const uint32_t steps = wr_capture_first_step(c);
  for (uint32_t i = steps; i < steps + c->n_steps; i++) {
    if (is_output[i]) continue;
    wr_node_release(one->values[i]);
    one->values[i] = NULL;
  }
}

/* The places of the instance's sources in the plan's values are theirs in the capture's. */
static bool number_sources(struct wr_numbers *numbers, const struct wr_capture *c,
                           const struct instance *one, uint32_t n_steps) {
  const uint32_t steps = wr_capture_first_step(c), constants = wr_capture_first_constant(c);
  for (uint32_t i = 0; i < one->n; i++) {
    if (i >= steps && i < constants) continue;
    uint32_t value = i < steps ? i : i - c->n_steps + n_steps;
    if (!wr_numbers_add(numbers, one->values[i], &value)) return false;
  }
  return true;
}

/* The steps are the plan's nodes but for the placeholders, which come to stand elsewhere. */
static bool add_planned(struct wr_capture *made, const struct wr_capture *c,
                        const struct wr_ptrs *order, const struct instance *one,
                        struct wr_numbers *numbers) {
  size_t n_in = 0, n = 0;
  for (size_t i = 0; i < order->count; i++) {
    const struct wr_record r = wr_node_planned(order->items[i]);
    if (wr_node_op(order->items[i]) != WR_OP_PLACEHOLDER) n++;
    n_in += (size_t)r.n_in;
    if ((uint32_t)r.n_in > made->most_in) made->most_in = (uint32_t)r.n_in;
  }
  made->n_steps = (uint32_t)n;
  if (!wr_capture_make_room(made, n_in, c->n_out) ||
      !number_sources(numbers, c, one, made->n_steps)) {
    return false;
  }
  uint32_t at = 0, step = 0;
  for (size_t i = 0; i < order->count; i++) {
    struct wr_node *node = order->items[i];
    const struct wr_record r = wr_node_planned(node);
    uint32_t value = wr_capture_first_step(made) + step;
    if (wr_node_op(node) == WR_OP_PLACEHOLDER) continue;
    struct wr_capture_step *s = &made->steps[step++];
    *s = (struct wr_capture_step){
        .like = wr_node_retain(node), .first_in = at, .n_in = (uint32_t)r.n_in};
    int n_steps;
    s->steps = wr_node_planned_steps(node, &n_steps);
    s->n_steps = (uint32_t)n_steps;
    wr_capture_set_stream(s, r.stream);
    for (int k = 0; k < r.n_in; k++) made->in[at++] = wr_numbers_find(numbers, r.in[k]);
    if (!wr_numbers_add(numbers, node, &value)) return false;
  }
  for (uint32_t i = 0; i < c->n_out; i++) {
    made->out[i] = wr_numbers_find(numbers, one->values[c->out[i]]);
  }
  return true;
}

static struct wr_error *plan_instance(struct wr_capture *made, const struct wr_capture *c,
                                      struct instance *one, bool fuse) {
  struct wr_ptrs roots = {0}, order = {0};
  struct wr_numbers numbers = {0};
  bool *is_output = wr_calloc(one->n + (size_t)1);
  if (!is_output || !wr_ptrs_reserve(&roots, c->n_out)) {
    wr_free(is_output);
    return wr_error_out_of_memory();
  }
  for (uint32_t i = 0; i < c->n_out; i++) {
    roots.items[roots.count++] = one->values[c->out[i]];
    is_output[c->out[i]] = true;
  }
  let_go(one, c, is_output);
  wr_free(is_output);
  struct wr_error *error =
      wr_node_plan(&order, (struct wr_node *const *)roots.items, roots.count, fuse);
  if (!error && !add_planned(made, c, &order, one, &numbers)) error = wr_error_out_of_memory();
  for (size_t i = 0; i < order.count; i++) wr_node_forget_stream(order.items[i]);
  wr_numbers_end(&numbers);
  wr_ptrs_free(&roots);
  wr_capture_drop(&order);
  return error;
}

struct wr_error *wr_capture_plan(struct wr_capture **out, struct wr_capture *c, bool fuse) {
  struct instance one = {0};
  struct wr_capture *made = wr_capture_new();
  struct wr_trace *trace = wr_trace_pause();
  struct wr_error *error = NULL;
  if (!made || !wr_capture_copy_sources(made, c)) error = wr_error_out_of_memory();
  if (!error) error = make_instance(&one, c);
  if (!error) error = plan_instance(made, c, &one, fuse);
  wr_trace_resume(trace);
  for (uint32_t i = 0; one.values && i < one.n; i++) wr_node_release(one.values[i]);
  wr_free(one.values);
  if (error) {
    wr_capture_release(made);
  } else {
    *out = made;
  }
  return error;
}
