#ifndef WR_OPS_CAPTURE_H
#define WR_OPS_CAPTURE_H

/* What a function does with arrays, as a table: operations on values that are inputs, constants or
   results of operations before them. It is taken from the log of a thread that runs the function on
   placeholders (graph/trace.h), holds what leads from them to the outputs and no more, and is
   immutable: any number of threads may run it at once, on arrays of the same shapes and dtypes, and
   free it on any. What does not depend on a placeholder is a constant by reference, computed at
   most once. Takes no lock. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "core/device.h"
#include "core/error.h"
#include "graph/trace.h"
#include "ops/function.h"

struct wr_capture_step {
  struct wr_node *like; /* a reference: operation, dtype, shape, parameters; not its inputs */
  /* A reference: the stream that the function named. NULL: the caller's default of `device`. */
  struct wr_stream *stream;
  struct wr_device device;
  uint32_t first_in, n_in;           /* in the capture's `in` */
  const struct wr_group_step *steps; /* of a group, whose last step `like` is; in `like` */
  uint32_t n_steps;                  /* 0: none */
};

/* Values are numbered: inputs from 0, random keys that are drawn at each run, steps, constants. */
struct wr_capture {
  wr_atomic_u32 refs; /* atomic ACQ_REL */
  /* all immutable after publish */
  uint32_t n_in, n_keys, n_steps, n_constants, n_out;
  uint32_t most_in;              /* of a step */
  unsigned pinned;               /* enum wr_pin: if any, for inputs of these shapes alone */
  struct wr_node **placeholders; /* of inputs and keys, references: shapes and dtypes */
  struct wr_capture_step *steps; /* each after those that it reads */
  struct wr_node **constants;    /* references */
  uint32_t *in;                  /* values that the steps read */
  uint32_t *out;                 /* values that are the outputs */
};

static inline uint32_t wr_capture_first_step(const struct wr_capture *c) {
  return c->n_in + c->n_keys;
}
static inline uint32_t wr_capture_first_constant(const struct wr_capture *c) {
  return wr_capture_first_step(c) + c->n_steps;
}
static inline uint32_t wr_capture_values(const struct wr_capture *c) {
  return wr_capture_first_constant(c) + c->n_constants;
}
/* What says dtype and shape of a value: an input's placeholder, a step's `like`, a constant. */
struct wr_node *wr_capture_value(const struct wr_capture *c, uint32_t value);

/* A capture while it is made. Owner thread only. */
struct wr_capturing {
  struct wr_trace *trace;
  size_t start;        /* in the log */
  struct wr_ptrs in;   /* placeholders, references */
  struct wr_ptrs keys; /* the same, for keys */
  struct wr_ptrs *draws_before;
  unsigned pinned_before;
  unsigned how;
};

enum {
  /* What the function would draw from the thread's sequence of random keys is drawn at each run;
     else it is drawn now. */
  WR_CAPTURE_DRAWS = 1,
  /* Constants that are broadcast are so by steps, for wr_capture_generalize. */
  WR_CAPTURE_VIEWS = 2,
  /* It becomes a file: of operations that MLX runs where it has none of Weir's. */
  WR_CAPTURE_STORES = 4
};

/* Opens a range of the log. On an error there is nothing to drop. */
struct wr_error *wr_capture_begin(struct wr_capturing *making, unsigned how);
/* A further placeholder for an input; borrowed. */
struct wr_error *wr_capture_input(struct wr_capturing *making, int ndim, const int32_t *shape,
                                  enum wr_dtype dtype, struct wr_node **out);
/* What leads to the outputs; they may be any arrays. The range stays open. */
struct wr_error *wr_capture_make(struct wr_capture **out, struct wr_capturing *making,
                                 const struct wr_node_list *outputs);
/* The same of the first list of a function's results; takes what these hold. */
struct wr_error *wr_capture_of_results(struct wr_capture **out, struct wr_capturing *making,
                                       struct wr_results *results);
/* Closes the range, and drops the placeholders. */
void wr_capture_end(struct wr_capturing *making);

/* All of these for a function, on placeholders that are like the inputs. */
struct wr_error *wr_capture_function(struct wr_capture **out, struct wr_function *f,
                                     const struct wr_node_list *inputs, unsigned how);

/* About how much memory it holds: what stands for operations, and constants that nobody else has.
 */
size_t wr_capture_bytes(const struct wr_capture *c);

/* Lets go of the streams that operations were recorded on when it was made; nobody may be making
   one of the same arrays. */
void wr_capture_forget_streams(struct wr_capture *c);

struct wr_capture *wr_capture_retain(struct wr_capture *c);
void wr_capture_release(struct wr_capture *c); /* NULL is a no-op */

/* Records the steps on inputs, as many as n_in, and adds the outputs, which are lazy, to the empty
   list. Streams that the function did not name are the caller's defaults. */
struct wr_error *wr_capture_run(struct wr_capture *c, struct wr_node *const *in,
                                struct wr_ptrs *outputs);

/* The same without what need not be: operations that do what an earlier one has done, views that
   change nothing, scalars of one value. Steps are no groups. */
struct wr_error *wr_capture_simplify(struct wr_capture **out, struct wr_capture *c);

/* The same capture as it is planned, with groups for steps where `fuse` is true: cheaper to run, on
   the same shapes. */
struct wr_error *wr_capture_plan(struct wr_capture **out, struct wr_capture *c, bool fuse);

/* The same without what broadcasts operands of an elementwise operation to each other, which does
   it itself: for inputs with other extents, but for what is pinned to those that it was made of. */
struct wr_error *wr_capture_generalize(struct wr_capture **out, struct wr_capture *c);
/* As wr_capture_run, of one that was generalised, on inputs with as many axes and of the dtypes.
   *held is false, and no outputs are added, where an operation does not say what it does with the
   extents that come; so it may be where there is an error. */
struct wr_error *wr_capture_run_general(struct wr_capture *c, struct wr_node *const *in,
                                        struct wr_ptrs *outputs, bool *held);

/* For ops/random.c: what stands for the next random key of the thread; NULL without an error when
   keys are not to be drawn anew. */
struct wr_error *wr_capture_key(struct wr_node **out);

#endif
