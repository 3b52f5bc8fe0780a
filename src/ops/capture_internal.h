#ifndef WR_OPS_CAPTURE_INTERNAL_H
#define WR_OPS_CAPTURE_INTERNAL_H

/* What the files of captures share. */

#include "ops/capture.h"

/* An empty one, with a reference; NULL when memory is refused. */
struct wr_capture *wr_capture_new(void);
/* Room for n_steps, which are set, for all that they read, and for the outputs. */
bool wr_capture_make_room(struct wr_capture *c, size_t n_in, size_t n_out);
/* The calling thread's default stream means that of whoever runs the capture. */
void wr_capture_set_stream(struct wr_capture_step *step, struct wr_stream *stream);
/* A list of references to what is in both lists; NULL when memory is refused. */
struct wr_node **wr_capture_retained(const struct wr_ptrs *list, const struct wr_ptrs *more);
/* Placeholders and constants of c for a new capture. False when memory is refused. */
bool wr_capture_copy_sources(struct wr_capture *made, const struct wr_capture *c);
/* What is left of c where each value is the same as another, or as itself; with a reference. */
struct wr_error *wr_capture_reduced(struct wr_capture **out, const struct wr_capture *c,
                                    const uint32_t *same);
/* Whether both are single numbers made from the host's data, the same ones. */
bool wr_capture_equal_scalars(const struct wr_node *a, const struct wr_node *b);
/* Drops the references, and the list's memory. */
void wr_capture_drop(struct wr_ptrs *nodes);

/* Records the steps. `values` has what all numbers mean that are no step's; gets the steps', a
   reference each, also those before an error. */
struct wr_error *wr_capture_record(const struct wr_capture *c, struct wr_node **values);

#endif
