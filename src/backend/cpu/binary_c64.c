/* The rows of the operations of two inputs for complex64. No locks, no allocation. */

#include "backend/cpu/elementwise_tables.h"
#include "backend/cpu/scalar/scalar.h"

/* GCC 12 knows complex products as a pattern, and makes fused steps of it in some loops whatever
   -ffp-contract says: the sign of a 0 would depend on the strides. */
#define EL c64
#define CT c64
#define NO_WIDE_PRODUCT
#include "backend/cpu/binary_rows.h"
