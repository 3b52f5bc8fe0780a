/* The rows of the operations of one input for float64 and complex64. No locks, no allocation. */

#include "backend/cpu/elementwise_tables.h"
#include "backend/cpu/scalar/scalar.h"

#define EL f64
#define CT f64
#include "backend/cpu/unary_float.h"
#define EL c64
#include "backend/cpu/unary_complex.h"
