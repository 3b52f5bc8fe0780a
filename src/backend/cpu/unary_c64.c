/* The rows of the operations of one input for complex64. No locks, no allocation. */

#include "backend/cpu/elementwise_tables.h"
#include "backend/cpu/scalar/scalar.h"

#define EL c64
#include "backend/cpu/unary_complex.h"
