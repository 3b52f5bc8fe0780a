/* The rows of the operations of two inputs for float32, and for float16 by way of it. No locks, no
   allocation. */

#include "backend/cpu/elementwise_tables.h"
#include "backend/cpu/float16_rows.h"
#include "backend/cpu/scalar/scalar.h"

#define NEAR_REMAINDER
#define EL f32
#define CT f32
#include "backend/cpu/binary_rows.h"

#define EL f16
#define INPUTS 2
#include "backend/cpu/float16_forms.h"
