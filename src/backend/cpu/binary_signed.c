/* The rows of the operations of two inputs for the signed integers. No locks, no allocation. */

#include "backend/cpu/elementwise_tables.h"
#include "backend/cpu/scalar/scalar.h"

#define SIGNED
#define EL i8
#include "backend/cpu/binary_int.h"
#define EL i16
#include "backend/cpu/binary_int.h"
#define EL i32
#include "backend/cpu/binary_int.h"
#define EL i64
#include "backend/cpu/binary_int.h"
