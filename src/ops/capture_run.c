/* A capture is run: its steps are recorded in their order on the caller's thread, each as the
   operation itself would be (again.h), groups as they were planned. No locks. */

#include <stdio.h>

#include "ops/again.h"
#include "ops/capture_internal.h"
#include "ops/internal.h"
#include "stream/stream.h"

static struct wr_error *record_step(struct wr_node **out, const struct wr_capture_step *step,
                                    struct wr_node *const *in) {
  struct wr_stream *stream = step->stream;
  struct wr_error *error = stream ? NULL : wr_stream_default(step->device, &stream);
  if (error) return error;
  struct wr_record record = wr_ops_record_of(step->like, in, (int)step->n_in, stream);
  record.steps = step->steps;
  record.n_steps = (int)step->n_steps;
  error = step->n_steps ? wr_node_record(out, &record) : wr_ops_again(out, &record);
  if (!error) return NULL;
  char name[64];
  snprintf(name, sizeof name, "%s: ", wr_op_info(record.op)->name);
  return wr_error_prefix_take(error, name);
}

struct wr_error *wr_capture_record(const struct wr_capture *c, struct wr_node **values) {
  struct wr_node *few[16];
  struct wr_node **in = few, **made = values + wr_capture_first_step(c);
  struct wr_error *error = NULL;
  if (c->most_in > sizeof few / sizeof few[0]) in = wr_alloc(c->most_in * sizeof(struct wr_node *));
  if (!in) return wr_error_out_of_memory();
  for (uint32_t i = 0; i < c->n_steps && !error; i++) {
    const struct wr_capture_step *step = &c->steps[i];
    for (uint32_t k = 0; k < step->n_in; k++) in[k] = values[c->in[step->first_in + k]];
    error = record_step(&made[i], step, in);
  }
  if (in != few) wr_free(in);
  return error;
}

static struct wr_error *draw_keys(const struct wr_capture *c, struct wr_node **values) {
  struct wr_error *error = NULL;
  for (uint32_t i = 0; i < c->n_keys && !error; i++) {
    error = wr_ops_take_key(&values[c->n_in + i], NULL);
  }
  return error;
}

static struct wr_error *run(const struct wr_capture *c, struct wr_node *const *in,
                            struct wr_node **values, struct wr_ptrs *outputs) {
  const uint32_t constants = wr_capture_first_constant(c);
  for (uint32_t i = 0; i < c->n_in; i++) values[i] = in[i];
  for (uint32_t i = 0; i < c->n_constants; i++) values[constants + i] = c->constants[i];
  struct wr_error *error = draw_keys(c, values);
  if (!error) error = wr_capture_record(c, values);
  if (!error && !wr_ptrs_reserve(outputs, c->n_out)) error = wr_error_out_of_memory();
  for (uint32_t i = 0; i < c->n_out && !error; i++) {
    outputs->items[outputs->count++] = wr_node_retain(values[c->out[i]]);
  }
  return error;
}

/* What is recorded here is no part of a transform that runs: what it repeats was. */
struct wr_error *wr_capture_run(struct wr_capture *c, struct wr_node *const *in,
                                struct wr_ptrs *outputs) {
  struct wr_node *few[64];
  const size_t n = wr_capture_values(c);
  struct wr_node **values = few;
  if (n > sizeof few / sizeof few[0]) values = wr_alloc(n * sizeof(struct wr_node *));
  if (!values) return wr_error_out_of_memory();
  for (size_t i = 0; i < n; i++) values[i] = NULL;
  struct wr_error *error = run(c, in, values, outputs);
  for (uint32_t i = c->n_in; i < wr_capture_first_constant(c); i++) wr_node_release(values[i]);
  if (values != few) wr_free(values);
  return error;
}
