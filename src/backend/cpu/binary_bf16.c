/* The rows of the operations of two inputs for bfloat16. No locks, no allocation. */

#include "backend/cpu/elementwise_tables.h"
#include "backend/cpu/scalar/scalar.h"

#define NEAR_REMAINDER
#define EL bf16
#define CT f32
#include "backend/cpu/binary_rows.h"
