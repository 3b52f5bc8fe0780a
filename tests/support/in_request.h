#ifndef WR_TESTS_SUPPORT_IN_REQUEST_H
#define WR_TESTS_SUPPORT_IN_REQUEST_H

/* What a thread does inside a request that it enters for it, and what the request says of itself.
 */

#include "fixtures.h"

static inline weir_request_stats_t stats_of(weir_request r) {
  weir_request_stats_t stats;
  CHECK(weir_request_stats(&stats, r) == 0);
  return stats;
}

static inline int submit_in(weir_request r, mlx_array a) {
  CHECK(weir_request_enter(r) == 0);
  int rc = submit(a);
  CHECK(weir_request_leave() == 0);
  return rc;
}

static inline int eval_in(weir_request r, mlx_array a) {
  CHECK(weir_request_enter(r) == 0);
  int rc = mlx_array_eval(a);
  CHECK(weir_request_leave() == 0);
  return rc;
}

#endif
