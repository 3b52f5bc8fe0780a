#ifndef WR_IO_MLXFN_WRITE_H
#define WR_IO_MLXFN_WRITE_H

/* Writing functions to files that MLX reads: a file that is open, to which traces are added. One
   thread at a time uses it. No locks. */

#include "ops/capture.h"

struct wr_fn_exporter;

/* Opens the file, and makes it one of no traces. */
struct wr_error *wr_fn_exporter_new(struct wr_fn_exporter **out, const char *name, bool shapeless);
/* Adds a trace: a capture whose last n inputs have these names, in their order. Constants are
   computed. Where it fails, the file is what it was before. */
struct wr_error *wr_fn_exporter_add(struct wr_fn_exporter *x, const struct wr_capture *capture,
                                    const char *const *names, size_t n);
/* Whether there is a trace of inputs like these. */
bool wr_fn_exporter_has(const struct wr_fn_exporter *x, struct wr_node *const *in, size_t n,
                        const char *const *names, size_t n_names);
void wr_fn_exporter_free(struct wr_fn_exporter *x); /* NULL is a no-op */

#endif
