#ifndef WR_TESTS_SUPPORT_CALL_ARGUMENTS_H
#define WR_TESTS_SUPPORT_CALL_ARGUMENTS_H

/* What generated calls (*_calls.def) are given beside handles. Header-only. */

#include <stdint.h>

#include "mlx/c/mlx.h"

static int numbers[1] = {1};
static const int64_t strides[1] = {1};
static const uint64_t words[1] = {1};
static const mlx_optional_float no_number;
static const mlx_optional_int no_count;
static const mlx_optional_dtype no_dtype;

#endif
