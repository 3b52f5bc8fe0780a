#ifndef WR_TRANSFORMS_INTERNAL_H
#define WR_TRANSFORMS_INTERNAL_H

/* Shared between the files of src/transforms: a function run under a log, and walks over that;
   calls of functions with rules of their own. */

#include "graph/trace.h"
#include "transforms/rules.h"
#include "transforms/transforms.h"

struct wr_stream;

/* One run. Derivatives begin at tracers, views of the primals that stand for them, so that what
   came before a primal, and the primal itself where the function knows it by other ways, are
   constant. The outermost walk writes nothing into the log, since nobody would read it. */
struct wr_trail {
  struct wr_trace *trace;
  size_t start, end;      /* in the log: what the function recorded */
  struct wr_ptrs tracers; /* one for each primal, references; an unwanted primal itself */
  struct wr_ptrs outputs; /* references */
  struct wr_node **value; /* of each entry: its cotangent or tangent, a reference; NULL: none */
  bool *reached;          /* of each entry: it changes with a primal */
  bool *is_tracer;        /* of each entry */
  struct wr_node **in;    /* scratch for one entry: inputs, */
  struct wr_node **given; /* what its rule gets or gives, */
  bool *wanted;           /* and which inputs count */
  bool outermost;
};

/* Opens a range and runs f on tracers of the primals; wanted NULL: of all. On an error there is
   nothing to end. */
struct wr_error *wr_trail_begin(struct wr_trail *w, struct wr_function *f,
                                const struct wr_node_list *primals, const bool *wanted);
/* Closes the range, and drops all but `outputs`, if they were taken out. */
void wr_trail_end(struct wr_trail *w);
/* The entry in the range, by its place in it; SIZE_MAX: none. */
size_t wr_trail_find(const struct wr_trail *w, const struct wr_node *node);
/* From outputs with a value to tracers. */
struct wr_error *wr_trail_back(struct wr_trail *w);
/* From tracers with a value to outputs. */
struct wr_error *wr_trail_on(struct wr_trail *w);
/* Adds to the value of the entry of `node`, if it has one that is reached. */
struct wr_error *wr_trail_add(struct wr_trail *w, struct wr_node *node, struct wr_node *value,
                              struct wr_stream *stream);
/* The value of the entry of `node` in the list, or zeros. */
struct wr_error *wr_trail_take(const struct wr_trail *w, struct wr_node *node, struct wr_node *like,
                               struct wr_ptrs *list);

/* Where what has no stream of its own is recorded for it: the caller's default on its device. */
struct wr_error *wr_transform_stream(const struct wr_node *node, struct wr_stream **borrowed);

/* custom.c: the rules of a call. cotangents and tangents: one for each result, or input; NULL:
   none. Adds one for each input, or result. */
struct wr_error *wr_custom_back(struct wr_trace_call *call, struct wr_node *const *cotangents,
                                struct wr_ptrs *grads);
struct wr_error *wr_custom_on(struct wr_trace_call *call, struct wr_node *const *tangents,
                              struct wr_ptrs *out);

/* The vmap of a call: inputs as they are for all calls of n, and the axes along which they are, -1
   where they are the same. Adds one value for each result, with the axis in front. */
struct wr_error *wr_custom_vmap(const struct wr_custom_params *of, const struct wr_node_list *in,
                                const int *axes, int32_t n, struct wr_ptrs *out);

static inline struct wr_node_list wr_list_of(const struct wr_ptrs *v) {
  return (struct wr_node_list){(struct wr_node *const *)v->items, v->count};
}
/* Drops the nodes, and the list's memory. */
void wr_nodes_end(struct wr_ptrs *nodes);

#endif
