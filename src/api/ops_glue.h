#ifndef WR_API_OPS_GLUE_H
#define WR_API_OPS_GLUE_H

/* For calls.c, and for what calls an operation by hand: a call of one operation, and counts of
   the C API as the operations take them. */

#include <limits.h>
#include <stddef.h>

#include "api/api.h"
#include "ops/ops.h"

/* More than INT_MAX axes or extents are wrong wherever they come; the operation says so. */
static inline int wr_api_count(size_t n) { return n > INT_MAX ? INT_MAX : (int)n; }

/* One call: what it reports under, where its result goes, and what it has come to. Checks that
   follow take &call.error; after them the operation, where there is no error yet, and wr_api_end.
 */
struct wr_api_call {
  const char *function;
  mlx_array *res;
  struct wr_node *out;
  struct wr_stream *stream;
  struct wr_error *error;
};

static inline struct wr_api_call wr_api_begin(const char *function, mlx_array *res, mlx_stream s) {
  struct wr_api_call call = {.function = function, .res = res};
  wr_api_result_handle(res, WR_KIND_ARRAY, "res", &call.error);
  call.stream = wr_api_stream(s, &call.error);
  return call;
}

static inline int wr_api_end(const struct wr_api_call *call) {
  return wr_api_return_array(call->function, call->error, call->res, call->out);
}

/* The three lists of a slice. */
struct wr_ops_range wr_api_range(const int *start, size_t start_num, const int *stop,
                                 size_t stop_num, const int *strides, size_t strides_num,
                                 struct wr_error **error);

#endif
