/* What the timeline gets of a command that is over (stream/timeline.h): its operation, its result
   and inputs, and of a group its steps. Called while the node still has its edges, by the thread
   that is about to finish it. No locks. */

#include <string.h>

#include "core/kernel_text.h"
#include "graph/internal.h"
#include "stream/timeline_record.h"

/* Puts one at `to`, and returns how many words it takes. */
static size_t put_tensor(uint64_t *to, uint8_t dtype, int ndim, const int32_t *shape) {
  const int kept = ndim < WR_RECORD_DIMS ? ndim : WR_RECORD_DIMS;
  const struct wr_record_tensor tensor = {
      .dtype = dtype, .ndim = (uint8_t)ndim, .kept = (uint8_t)kept};
  const size_t words = 1 + ((size_t)kept + 1) / 2;
  to[words - 1] = 0; /* half of it may stay unused */
  memcpy(to, &tensor, sizeof tensor);
  memcpy(to + 1, shape, (size_t)kept * sizeof *shape);
  return words;
}

/* Of several results the first. */
static size_t put_result(uint64_t *to, const struct wr_node *node) {
  int n;
  const struct wr_part *parts = wr_node_parts(node, &n);
  if (n) return put_tensor(to, (uint8_t)parts[0].dtype, parts[0].ndim, parts[0].shape);
  return put_tensor(to, node->dtype, node->ndim, node->shape);
}

/* That is not the operation's own. */
static const char *name_of(const struct wr_node *node) {
  if (node->op == WR_OP_KERNEL) return ((const struct wr_kernel_params *)node->params)->text->entry;
  return node->op == WR_OP_CALL ? wr_node_op_name(node) : NULL;
}

void wr_span_of(struct wr_node *node, struct wr_stream *stream, uint64_t encoded, bool failed) {
  uint64_t words[WR_RECORD_WORDS];
  const struct wr_edges *edges = wr_edges_of(node);
  const struct wr_device device = wr_stream_device(stream);
  const uint32_t tensors = edges->n < WR_RECORD_INPUTS ? edges->n : WR_RECORD_INPUTS;
  const uint32_t steps = edges->n_steps < WR_GROUP_STEPS ? edges->n_steps : WR_GROUP_STEPS;
  struct wr_command_record r = {.head = {.kind = WR_RECORD_COMMAND, .what = node->op},
                                .end = wr_clock_ns(),
                                .encoded = encoded,
                                .stream = {.number = wr_stream_id(stream) + 1,
                                           .index = (uint32_t)wr_stream_index(stream),
                                           .device_index = (uint16_t)device.index,
                                           .device_type = (uint16_t)device.type},
                                .name = name_of(node),
                                .tensors = (uint8_t)(1 + tensors),
                                .steps = (uint8_t)steps,
                                .inputs = (uint16_t)edges->n,
                                .failed = failed};
  size_t n = sizeof r / sizeof *words, live, cached;
  r.head.number = (uint32_t)(wr_load_relaxed(&node->completion.state) / WR_PHASE_OWNER);
  r.begin = wr_timeline_claim(stream, encoded, r.end);
  wr_memory_usage(wr_stream_backend(stream)->memory(device.index), &live, &cached);
  r.live = live;
  r.cached = cached;
  n += put_result(words + n, node);
  for (uint32_t i = 0; i < tensors; i++) {
    const struct wr_node *in = edges->in[i];
    n += put_tensor(words + n, in->dtype, in->ndim, in->shape);
  }
  memcpy(words + n, wr_group_steps((struct wr_edges *)edges), steps * sizeof *words);
  n += steps;
  r.head.words = (uint8_t)n;
  memcpy(words, &r, sizeof r);
  wr_timeline_put(words, n);
}
