#ifndef WR_API_OPS_GLUE_H
#define WR_API_OPS_GLUE_H

/* For the files ops_*.c and random.c: counts of the C API as the operations take them. */

#include <limits.h>
#include <stddef.h>

#include "api/api.h"
#include "ops/ops.h"

/* More than INT_MAX axes or extents are wrong wherever they come; the operation says so. */
static inline int wr_api_count(size_t n) { return n > INT_MAX ? INT_MAX : (int)n; }

#endif
