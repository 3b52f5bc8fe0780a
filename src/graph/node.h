#ifndef WR_GRAPH_NODE_H
#define WR_GRAPH_NODE_H

/* What leaves the graph module: recording nodes, forcing them, reading their values. A node is an
   array: lazy until forced, then a value or an error for ever. Shape, strides, offset and dtype are
   fixed when the node is recorded. Every function may be called from any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/base.h"
#include "base/kind.h"
#include "core/device.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/op.h"

struct wr_node;
struct wr_stream;
struct wr_group_step;

/* What an mlx_array leads to: one counted reference, which can be set to another node. Programs
   copy the struct mlx_array, and all copies name the same handle. A node begins with a handle, so
   that an array's first one costs nothing; others are blocks of their own. One thread at a time
   changes a handle (K4). Its kind's own bits, and WR_KIND_FREED's, say which it is:

     OWN    part of its node
     APART  a block of its own
     MOVED  part of a node, and set to another one
     ALONE  the same, and the node around it is over: what is left is the handle's block
     none   (WR_KIND_FREED) part of a node that has no handle; the next one may begin here
     LEFT   (WR_KIND_FREED) part of a node, was moved, and is over: no other begins here

   All changes are the handle's user's, but that the end of the node around a MOVED one makes it
   ALONE; that, and a free at the same time, go by compare-and-swap, ACQ_REL: whoever comes second
   frees the block, and sees the other's last use. */
struct wr_handle {
  struct wr_kind_word kind;
  wr_atomic_u32 refs;   /* atomic ACQ_REL: the references to the node that this is part of */
  struct wr_node *node; /* under the caller's lock; never NULL */
};

enum wr_handle_state {
  WR_HANDLE_OWN = WR_KIND_ARRAY,
  WR_HANDLE_APART = WR_KIND_ARRAY | 1,
  WR_HANDLE_MOVED = WR_KIND_ARRAY | 2,
  WR_HANDLE_ALONE = WR_KIND_ARRAY | 3,
  WR_HANDLE_NONE = WR_KIND_FREED,
  WR_HANDLE_LEFT = WR_KIND_FREED | 1
};

/* Takes the reference; NULL, and nothing is taken, when memory is refused. */
struct wr_handle *wr_handle_new(struct wr_node *taken);
/* Takes the reference, and releases the one that the handle had. */
void wr_handle_set(struct wr_handle *handle, struct wr_node *taken);
void wr_handle_free(struct wr_handle *handle);

/* What a new node is made of; all is copied, inputs and stream are retained. */
struct wr_record {
  enum wr_op op;
  enum wr_dtype dtype;
  int ndim;
  const int32_t *shape;
  int n_in;
  struct wr_node *const *in;
  const void *params; /* plain bytes */
  size_t params_bytes;
  struct wr_stream *stream;
  /* Several results, in the order of their places: the node is uint8, of as many as hold them; what
     others use is views of it. Mostly none. */
  const struct wr_part *parts;
  int n_parts;
};

/* Records a command whose result is dense. The caller owns *out. */
struct wr_error *wr_node_record(struct wr_node **out, const struct wr_record *record);
/* The same of a group of these steps, of which the operation is the last (backend.h). No transform
   may run: a log has operations. */
struct wr_error *wr_node_record_group(struct wr_node **out, const struct wr_record *record,
                                      const struct wr_group_step *steps, int n_steps);
/* Records a view of the first input: the same buffer, with a shape, strides and an offset of its
   own (elements of the record's dtype, from the start of the buffer, so usually wr_node_offset(in)
   plus something); its bytes must lie where that dtype allows. Of further inputs only the end is
   waited for; where one fails, the view does. Its parameters say how it was made, for who makes it
   again of another input. */
struct wr_error *wr_node_view(struct wr_node **out, const struct wr_record *record,
                              const int64_t *strides, int64_t offset);
/* An array with a value: copies `data` (bytes by shape and dtype) into a new CPU buffer. */
struct wr_error *wr_node_from_data(struct wr_node **out, const void *data, int ndim,
                                   const int32_t *shape, enum wr_dtype dtype);
/* An array over the user's memory. dtor(payload) runs once, after the last use; when the call
   fails it has not been called and will not be. Memory at an address that the type does not allow
   is copied, and dtor(payload) has run when the call returns. */
struct wr_error *wr_node_from_managed(struct wr_node **out, void *data, int ndim,
                                      const int32_t *shape, enum wr_dtype dtype, void *payload,
                                      void (*dtor)(void *));

/* An array that stands for one that is not there, while a transform looks at what a function does
   with it: it has a shape and a dtype, and never a value. Forcing it, or anything that is made of
   it, is an error and changes nothing (WEIR_ERROR_STATE). */
struct wr_error *wr_node_placeholder(struct wr_node **out, int ndim, const int32_t *shape,
                                     enum wr_dtype dtype);
/* Whether it is a placeholder, or made of one. */
bool wr_node_stands_in(const struct wr_node *node);
/* Of one that does, the *n nodes that it was made of, and the stream that it was recorded on, NULL
   for a placeholder. It is never claimed, so both stay as they are while it lives. */
struct wr_node *const *wr_node_stand_in_inputs(const struct wr_node *node, int *n);
struct wr_stream *wr_node_stand_in_stream(const struct wr_node *node);

/* A node begins with a handle (internal.h asserts it). */
static inline struct wr_node *wr_node_retain(struct wr_node *node) {
  wr_ref_take(&((struct wr_handle *)(void *)node)->refs);
  return node;
}
void wr_node_release(struct wr_node *node); /* NULL is a no-op; bounded stack at any depth */

/* Whether there are other references than one; others may change that at any time. */
static inline bool wr_node_is_shared(struct wr_node *node) {
  return wr_load_relaxed(&((struct wr_handle *)(void *)node)->refs) > 1u; /* relaxed: a hint */
}

enum wr_op wr_node_op(const struct wr_node *node);
/* Of the operation, struct wr_<..>_params. */
const void *wr_node_params(const struct wr_node *node);
/* Where it is computed; false for what has its value from the host. */
bool wr_node_device(const struct wr_node *node, struct wr_device *device);
enum wr_dtype wr_node_dtype(const struct wr_node *node);
int wr_node_ndim(const struct wr_node *node);
const int32_t *wr_node_shape(const struct wr_node *node);
const int64_t *wr_node_strides(const struct wr_node *node);
int64_t wr_node_offset(const struct wr_node *node);
int64_t wr_node_size(const struct wr_node *node);
/* The results that stand in it; *n is 0 for most nodes, which are one array. */
const struct wr_part *wr_node_parts(const struct wr_node *node, int *n);
bool wr_node_is_row_contiguous(const struct wr_node *node);
bool wr_node_is_col_contiguous(const struct wr_node *node);

/* The address of the elements of an array that was made from the host's data, NULL for any other.
   Valid while the node lives; never forces, never waits. */
const void *wr_node_constant(const struct wr_node *node);

/* A plan that is kept and recorded many times, instead of being run. Gives the nodes of which the
   roots are made, inputs first, groups as one; a reference each. They are claimed for ever, so
   nobody else may have any of them, and all of them are lazy. */
struct wr_error *wr_node_plan(struct wr_ptrs *order, struct wr_node *const *roots, size_t n,
                              bool fuse);
/* Lets go of the stream of a node in such a plan, or of one that is made of a placeholder: it is
   never run, and what it says of its operation stays. */
void wr_node_forget_stream(struct wr_node *node);
/* Of a node in such a plan inputs and stream, all borrowed; and the steps of the group that it is,
   of which there may be none. */
struct wr_record wr_node_planned(const struct wr_node *node);
const struct wr_group_step *wr_node_planned_steps(const struct wr_node *node, int *n);

/* Forcing. eval waits until each is DONE or FAILED and returns the first error among `nodes`, in
   their order; async waits for no result, but for room, and has an error only for inputs that had
   failed before. Of both, what they submit stands in queues when they return. */
struct wr_error *wr_eval(struct wr_node *const *nodes, size_t n);
struct wr_error *wr_async_eval(struct wr_node *const *nodes, size_t n);
/* The same, but WEIR_ERROR_AGAIN where it would have to wait for room (limit.h). */
struct wr_error *wr_try_async_eval(struct wr_node *const *nodes, size_t n);
/* Makes it over: forces a lazy node, and waits. */
struct wr_error *wr_node_force(struct wr_node *node);
/* As that, when the host is to read the bytes next (transfer.c). */
struct wr_error *wr_node_force_for_host(struct wr_node *node);
/* True when DONE or FAILED. */
bool wr_node_is_available(const struct wr_node *node);
/* Forces and gives the address of element 0 on the host (a copy when the device's memory is not
   host-visible, kept with the node). Valid while the node lives. */
struct wr_error *wr_node_host_data(struct wr_node *node, const void **data);

#endif
