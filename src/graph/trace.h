#ifndef WR_GRAPH_TRACE_H
#define WR_GRAPH_TRACE_H

/* The log of what a thread records while a transform runs a function: each node with its inputs, in
   the order in which they were made, which is an order of the graph. A node's own edges are its
   claimer's, and go when it has a value; an entry has references of its own, so values may be
   forced meanwhile. A transform is a range of the log, and ranges of transforms inside each other
   nest. The log belongs to its thread: what others record is constant to it. Owner thread only, no
   locks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "core/error.h"
#include "graph/node.h"
#include "stream/stream.h"

/* What stands for several entries at once, instead of an operation: a function with rules of its
   own. Ends with the last of them. */
struct wr_trace_call {
  size_t entries; /* that lead here */
  void (*end)(struct wr_trace_call *call);
};

struct wr_trace_entry {
  struct wr_node *node;       /* a reference */
  struct wr_stream *stream;   /* a reference: the one it was recorded on; NULL: it has no inputs */
  struct wr_trace_call *call; /* NULL: the node's own operation */
  size_t first_in;            /* in the log's inputs */
  uint32_t n_in;
  uint32_t hidden; /* inside the function of a call that comes behind it: not for derivatives whose
                      range begins at this place or behind it, counted from 1; 0: for all */
  uint32_t passes; /* of a call: derivatives whose range begins in front of this place, counted from
                      1, go by the last input instead, which is what the function gave; 0: none */
  bool follows;    /* begins a derivative, or has an input that follows */
  bool widens; /* a cast that is part of a sum or product: cotangents keep its type, as in MLX */
};

struct wr_trace {
  struct wr_trace_entry *entries;
  size_t count;
  size_t room;
  struct wr_ptrs in;     /* of all entries, references */
  size_t open;           /* ranges */
  size_t captures;       /* of those: the ranges that are repeated, and derive nothing */
  size_t stores;         /* of those: the ranges that become a file */
  struct wr_ptrs *draws; /* in the innermost capture, if it draws random keys anew each time: gets
                            what stands for each, references; else NULL */
  unsigned pinned;       /* in the innermost capture: enum wr_pin */
  size_t batched;        /* where vmap began the function that it runs, its innermost; 0: nowhere */
};

/* The thread's log, while it is written; NULL when no transform runs, or it pauses. In the thread's
   block, since static thread-local memory is scarce (tests/late). */
static inline struct wr_trace *wr_trace_current(void) { return wr_thread_here->trace; }

/* Whether what is recorded now may be differentiated. */
static inline bool wr_trace_derives(void) {
  const struct wr_trace *trace = wr_trace_current();
  return trace && trace->open > trace->captures;
}

/* Whether what is recorded now goes to a file, which others than Weir read too. */
static inline bool wr_trace_stores(void) {
  const struct wr_trace *trace = wr_trace_current();
  return trace && trace->stores > 0;
}

/* What pins a capture to the shapes that arrays have as it is made. */
enum wr_pin {
  WR_PIN_NUMBER = 1, /* a constant was made of a number, which may be a count of elements */
  WR_PIN_EXTENTS = 2 /* one is such a count, or a shape of extents that its inputs do not tell */
};

/* For who makes such a constant or shape. */
static inline void wr_trace_pin(enum wr_pin what) {
  struct wr_trace *trace = wr_trace_current();
  if (trace) trace->pinned |= (unsigned)what;
}

/* Begins a range; the log, in which it begins at `count`. */
struct wr_error *wr_trace_open(struct wr_trace **out);
/* Ends the innermost range. With the outermost one all entries go. */
void wr_trace_close(struct wr_trace *trace);
/* Until `resume` nothing is written, and transforms begin logs of their own. */
static inline struct wr_trace *wr_trace_pause(void) {
  struct wr_trace *trace = wr_trace_current();
  if (trace) wr_thread_here->trace = NULL;
  return trace;
}
/* A thread without a block has no log, and that block is never written. */
static inline void wr_trace_resume(struct wr_trace *trace) {
  if (wr_trace_current() != trace) wr_thread_here->trace = trace;
}

/* node.c: adds a node that nobody else has seen yet. */
struct wr_error *wr_trace_note(struct wr_node *node, const struct wr_record *record);
/* Adds one that has no inputs. */
struct wr_error *wr_trace_note_source(struct wr_trace *trace, struct wr_node *node);
/* Hides all entries from there on, of a function that ends with a call, for derivatives whose range
   begins at `seer` or behind it. */
void wr_trace_hide(struct wr_trace *trace, size_t from, size_t seer);
/* Whether the call's entry is what its last input is, for derivatives of that range. */
static inline bool wr_trace_passes(const struct wr_trace_entry *e, size_t range) {
  return range + 1 < e->passes;
}
/* For other derivatives the last input of such an entry is none. */
static inline uint32_t wr_trace_n_in(const struct wr_trace_entry *e) {
  return e->passes ? e->n_in - 1 : e->n_in;
}
static inline bool wr_trace_hides(const struct wr_trace_entry *e, size_t range) {
  return e->hidden > 0 && range + 1 >= e->hidden;
}
/* The node is a cast that the operation which comes behind it makes of its input. */
void wr_trace_widens(const struct wr_node *node);
/* Of a call: its results, its inputs, and if `seer` is not 0 what its function gave, which stands
   for the results in derivatives whose range begins in front of that. */
struct wr_trace_results {
  struct wr_node *const *out, *const *in, *const *made;
  size_t n_out, n_in, seer;
  struct wr_stream *stream;
};
/* Adds the results of a call, one entry each, all with its inputs; takes the call, also when memory
   is refused. */
struct wr_error *wr_trace_note_call(struct wr_trace *trace, struct wr_trace_call *call,
                                    const struct wr_trace_results *of);

/* Where the node stands in the log; SIZE_MAX when it does not. */
size_t wr_trace_find(const struct wr_trace *trace, const struct wr_node *node);
/* The node in the log, and what comes of it from here on, follows: a derivative begins there. */
void wr_trace_begin_at(struct wr_trace *trace, const struct wr_node *node);
bool wr_trace_follows(const struct wr_trace *trace, const struct wr_node *node);
static inline struct wr_node *const *wr_trace_in(const struct wr_trace *trace, size_t i) {
  return (struct wr_node *const *)trace->in.items + trace->entries[i].first_in;
}

#endif
