#ifndef WR_OPS_KERNEL_H
#define WR_OPS_KERNEL_H

/* Kernels that users bring as source. Any thread; no locks. */

#include <stdbool.h>
#include <stdint.h>

#include "core/op.h"
#include "graph/node.h"
#include "stream/stream.h"

/* Arrays, strings and lists are the caller's. */
struct wr_ops_kernel {
  const char *name;
  const char *source; /* of the function's body */
  const char *header; /* in front of the function */
  int n_in, n_out;
  const char *const *in;  /* names */
  const char *const *out; /* the same */
  bool contiguous;        /* inputs are copied that are not row-major */
  int shared_bytes;
};

struct wr_ops_kernel_result {
  enum wr_dtype dtype;
  int ndim;
  int32_t shape[WR_MAX_NDIM];
};

/* A name that the source finds defined. */
enum wr_ops_kernel_constant_kind { WR_KERNEL_TYPE, WR_KERNEL_INT, WR_KERNEL_BOOL };
struct wr_ops_kernel_constant {
  const char *name;
  enum wr_ops_kernel_constant_kind kind;
  int value; /* an enum wr_dtype, a number, or 0 or 1 */
};

struct wr_ops_kernel_call {
  int n_results;
  const struct wr_ops_kernel_result *results;
  int n_constants;
  const struct wr_ops_kernel_constant *constants;
  int grid[3];  /* threads in all */
  int group[3]; /* threads of a block */
  bool begins;  /* results hold `value` before the kernel runs */
  float value;
  bool verbose; /* the source is printed */
};

/* Records the kernel on a stream of a GPU; out has room for as many as there are results. */
struct wr_error *wr_ops_kernel(struct wr_node **out, const struct wr_ops_kernel *kernel,
                               const struct wr_ops_kernel_call *call, struct wr_node *const *in,
                               int n_in, struct wr_stream *s);

/* The same of a kernel that was stored: its function's name and whole source, without linkage, what
   else stands in `params`, and its results. */
struct wr_error *wr_ops_kernel_stored(struct wr_node **out, const char *entry, const char *source,
                                      struct wr_kernel_params *params,
                                      const struct wr_ops_kernel_result *results, int n_results,
                                      struct wr_node *const *in, int n_in, struct wr_stream *s);

#endif
