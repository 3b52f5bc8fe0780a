/* The stand-in's graphs: kernels one after the other. An executable graph has copies of its own,
   and a launch another, so that an update does not reach what is in flight. */

#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { NODES_MAX = 256 };

struct wr_cu_node_object {
  wr_cu_graph graph;
  int index;
};

struct wr_cu_graph_object {
  wr_cu_context context;
  int count;
  struct wr_cu_node_object nodes[NODES_MAX];
  struct kernel kernels[NODES_MAX];
};

struct wr_cu_graph_exec_object {
  wr_cu_context context;
  wr_cu_graph graph; /* of which it was made; compared alone */
  int count;
  struct kernel kernels[];
};

wr_cu_result stand_in_graph_new(wr_cu_graph *graph, unsigned flags) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_graph_new, &context);
  if (result) return result;
  demand(flags == 0, "a graph with flags");
  *graph = calloc(1, sizeof **graph);
  if (!*graph) return call_end(WR_CU_OUT_OF_MEMORY);
  (*graph)->context = context;
  count_up(&counts.graphs);
  return call_end(WR_CU_SUCCESS);
}

/* After a fault of the context's, too, the host's memory is given back, and the fault told. */
static bool is_fault(wr_cu_result result, wr_cu_context context) {
  return result && context && result == (wr_cu_result)wr_load_relaxed(&context->fault);
}

wr_cu_result stand_in_graph_free(wr_cu_graph graph) {
  wr_cu_context context = NULL;
  wr_cu_result result = call_begin_inside(CALL_graph_free, &context);
  if (result && !is_fault(result, context)) return result;
  free(graph);
  count_down(&counts.graphs);
  return result ? result : call_end(WR_CU_SUCCESS);
}

static wr_cu_result fill(struct kernel *kernel, const struct wr_cu_node_values *v) {
  demand(!v->extra && !v->kernel && !v->context, "a node with more than the stand-in knows");
  return kernel_fill(kernel, v);
}

wr_cu_result stand_in_graph_add_kernel(wr_cu_node *node, wr_cu_graph graph, const wr_cu_node *after,
                                       size_t n_after, const struct wr_cu_node_values *values) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_graph_add_kernel, &context);
  if (result) return result;
  demand(graph->context == context && graph->count < NODES_MAX, "a graph of another context");
  demand(
      graph->count == 0 ? n_after == 0 : n_after == 1 && *after == &graph->nodes[graph->count - 1],
      "nodes that do not follow each other");
  const int i = graph->count;
  result = fill(&graph->kernels[i], values);
  if (result) return call_end(result);
  graph->count++;
  graph->nodes[i] = (struct wr_cu_node_object){graph, i};
  *node = &graph->nodes[i];
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_graph_exec_new(wr_cu_graph_exec *exec, wr_cu_graph graph,
                                     unsigned long long flags) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_graph_exec_new, &context);
  if (result) return result;
  demand(flags == 0 && graph->context == context, "a graph of another context");
  const size_t bytes = (size_t)graph->count * sizeof graph->kernels[0];
  wr_cu_graph_exec e = malloc(sizeof *e + bytes);
  if (!e) return call_end(WR_CU_OUT_OF_MEMORY);
  e->context = context;
  e->graph = graph;
  e->count = graph->count;
  memcpy(e->kernels, graph->kernels, bytes);
  count_up(&counts.graph_execs);
  *exec = e;
  return call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_graph_exec_free(wr_cu_graph_exec exec) {
  wr_cu_context context = NULL;
  wr_cu_result result = call_begin_inside(CALL_graph_exec_free, &context);
  if (result && !is_fault(result, context)) return result;
  free(exec);
  count_down(&counts.graph_execs);
  return result ? result : call_end(WR_CU_SUCCESS);
}

wr_cu_result stand_in_graph_exec_set_kernel(wr_cu_graph_exec exec, wr_cu_node node,
                                            const struct wr_cu_node_values *values) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_graph_exec_set_kernel, &context);
  if (result) return result;
  demand(node->graph == exec->graph, "a node of another graph");
  struct kernel *kernel = &exec->kernels[node->index];
  demand(kernel->function == values->function, "a node gets another kernel");
  return call_end(fill(kernel, values));
}

wr_cu_result stand_in_graph_launch(wr_cu_graph_exec exec, wr_cu_stream stream) {
  wr_cu_context context;
  wr_cu_result result = call_begin_inside(CALL_graph_launch, &context);
  if (result) return result;
  stream_check(stream, context);
  demand(exec->context == context, "a graph is launched in another context than its own");
  struct command *c = command_new(COMMAND_KERNELS, exec->count);
  memcpy(c->kernels, exec->kernels, (size_t)exec->count * sizeof exec->kernels[0]);
  stream_submit(stream, c);
  count_up(&counts.graph_launches);
  return call_end(WR_CU_SUCCESS);
}
