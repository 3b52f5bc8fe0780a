/* The rows of the operations of one input for float32, and for float16 and bfloat16 by way of it.
   No locks, no allocation. */

#include "backend/cpu/elementwise_tables.h"
#include "backend/cpu/float16_rows.h"
#include "backend/cpu/scalar/scalar.h"

#define EL f32
#define CT f32
#include "backend/cpu/unary_float.h"

#define EL f16
#define INPUTS 1
#include "backend/cpu/float16_forms.h"
#define EL bf16
#define INPUTS 1
#include "backend/cpu/float16_forms.h"
