/* The rows of the operations of two inputs for bool. No locks, no allocation. */

#include "backend/cpu/elementwise_tables.h"
#include "backend/cpu/scalar/scalar.h"

#define EL b8
#include "backend/cpu/binary_int.h"
