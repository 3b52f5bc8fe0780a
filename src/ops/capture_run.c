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
  error = step->n_steps ? wr_node_record_group(out, &record, step->steps, (int)step->n_steps)
                        : wr_ops_again(out, &record);
  if (!error) return NULL;
  char name[64];
  snprintf(name, sizeof name, "%s: ", wr_op_info(record.op)->name);
  return wr_error_prefix_take(error, name);
}

/* The steps one after the other; `holds`, unless NULL, says of each whether it may be recorded on
   these inputs, and *held whether all were. */
static struct wr_error *record_all(const struct wr_capture *c, struct wr_node **values,
                                   bool (*holds)(const struct wr_capture *,
                                                 const struct wr_capture_step *,
                                                 struct wr_node *const *),
                                   bool *held) {
  struct wr_node *few[16];
  struct wr_node **in = few, **made = values + wr_capture_first_step(c);
  struct wr_error *error = NULL;
  if (c->most_in > sizeof few / sizeof few[0]) in = wr_alloc(c->most_in * sizeof(struct wr_node *));
  if (!in) return wr_error_out_of_memory();
  for (uint32_t i = 0; i < c->n_steps && !error; i++) {
    const struct wr_capture_step *step = &c->steps[i];
    for (uint32_t k = 0; k < step->n_in; k++) in[k] = values[c->in[step->first_in + k]];
    if (holds) *held = holds(c, step, in);
    if (holds && !*held) break;
    error = record_step(&made[i], step, in);
  }
  if (in != few) wr_free(in);
  return error;
}

struct wr_error *wr_capture_record(const struct wr_capture *c, struct wr_node **values) {
  return record_all(c, values, NULL, NULL);
}

/* Operations that say what they do with other extents, by parameters that count none. */
static bool is_general(enum wr_op op) {
  switch ((int)op) {
    case WR_OP_AS_STRIDED:
    case WR_OP_BROADCAST_TO:
    case WR_OP_CALL:
    case WR_OP_DIAGONAL:
    case WR_OP_FFT:
    case WR_OP_GATHER:
    case WR_OP_HADAMARD:
    case WR_OP_PARTITION:
    case WR_OP_RANDOM_BITS:
    case WR_OP_RESHAPE:
    case WR_OP_SLICE:
    case WR_OP_SLICE_UPDATE:
    case WR_OP_SPLIT:
    case WR_OP_QUANTIZE:
    case WR_OP_VIEW:
      return false;
    default:
      return true;
  }
}

/* Others do where nothing is different. Slices of a gather are whole where it drops axes. */
static bool holds_for(const struct wr_capture *c, const struct wr_capture_step *step,
                      struct wr_node *const *in) {
  const enum wr_op op = wr_node_op(step->like);
  if (is_general(op)) return true;
  if (op == WR_OP_GATHER &&
      ((const struct wr_gather_params *)wr_node_params(step->like))->dropped) {
    return true;
  }
  for (uint32_t k = 0; k < step->n_in; k++) {
    const struct wr_node *was = wr_capture_value(c, c->in[step->first_in + k]);
    if (!wr_shape_equal(wr_node_shape(was), wr_node_ndim(was), wr_node_shape(in[k]),
                        wr_node_ndim(in[k]))) {
      return false;
    }
  }
  return true;
}

/* These, or for NULL what the thread's sequence has next. */
static struct wr_error *set_keys(const struct wr_capture *c, struct wr_node *const *keys,
                                 struct wr_node **values) {
  struct wr_error *error = NULL;
  for (uint32_t i = 0; i < c->n_keys && !error; i++) {
    error = wr_ops_take_key(&values[c->n_in + i], keys ? keys[i] : NULL);
  }
  return error;
}

static struct wr_error *run(const struct wr_capture *c, struct wr_node *const *in,
                            struct wr_node *const *keys, struct wr_node **values,
                            struct wr_ptrs *outputs, bool *held) {
  const uint32_t constants = wr_capture_first_constant(c);
  for (uint32_t i = 0; i < c->n_in; i++) values[i] = in[i];
  for (uint32_t i = 0; i < c->n_constants; i++) values[constants + i] = c->constants[i];
  struct wr_error *error = wr_ptrs_reserve(outputs, c->n_out) ? NULL : wr_error_out_of_memory();
  if (!error) error = set_keys(c, keys, values);
  if (!error) error = record_all(c, values, held ? holds_for : NULL, held);
  for (uint32_t i = 0; i < c->n_out && !error && (!held || *held); i++) {
    outputs->items[outputs->count++] = wr_node_retain(values[c->out[i]]);
  }
  return error;
}

static struct wr_error *run_all(const struct wr_capture *c, struct wr_node *const *in,
                                struct wr_node *const *keys, struct wr_ptrs *outputs, bool *held) {
  struct wr_node *few[64];
  const size_t n = wr_capture_values(c);
  struct wr_node **values = few;
  if (n > sizeof few / sizeof few[0]) values = wr_alloc(n * sizeof(struct wr_node *));
  if (!values) return wr_error_out_of_memory();
  for (size_t i = 0; i < n; i++) values[i] = NULL;
  struct wr_error *error = run(c, in, keys, values, outputs, held);
  for (uint32_t i = c->n_in; i < wr_capture_first_constant(c); i++) wr_node_release(values[i]);
  if (values != few) wr_free(values);
  return error;
}

struct wr_error *wr_capture_run(struct wr_capture *c, struct wr_node *const *in,
                                struct wr_ptrs *outputs) {
  return run_all(c, in, NULL, outputs, NULL);
}

/* Constants of one element, or of none, mean something else where an axis comes to have more. */
static bool same_kind(const struct wr_node *a, const struct wr_node *b) {
  for (int i = 0; i < wr_node_ndim(a); i++) {
    const int32_t x = wr_node_shape(a)[i], y = wr_node_shape(b)[i];
    if (x != y && (x < 2 || y < 2)) return false;
  }
  return true;
}

/* A key that is drawn is gone, and who asks the function instead would draw others. So where keys
   are drawn it is first seen, by what stands for them, whether all steps hold. */
static struct wr_error *try_without_keys(const struct wr_capture *c, struct wr_node *const *in,
                                         bool *held) {
  struct wr_ptrs outputs = {0};
  struct wr_error *error = run_all(c, in, c->placeholders + c->n_in, &outputs, held);
  wr_capture_drop(&outputs);
  return error;
}

struct wr_error *wr_capture_run_general(struct wr_capture *c, struct wr_node *const *in,
                                        struct wr_ptrs *outputs, bool *held) {
  *held = true;
  for (uint32_t i = 0; i < c->n_in && *held; i++) *held = same_kind(c->placeholders[i], in[i]);
  if (*held && c->n_keys > 0) {
    struct wr_error *error = try_without_keys(c, in, held);
    if (error) return error;
  }
  return *held ? run_all(c, in, NULL, outputs, held) : NULL;
}
