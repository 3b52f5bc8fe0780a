/* The rows of the operations of one input for bfloat16. No locks, no allocation. */

#include "backend/cpu/elementwise_tables.h"
#include "backend/cpu/scalar/scalar.h"

#define EL bf16
#define CT f32
#include "backend/cpu/unary_float.h"
