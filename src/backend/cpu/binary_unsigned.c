/* The rows of the operations of two inputs for the unsigned integers. No locks, no allocation. */

#include "backend/cpu/elementwise_tables.h"
#include "backend/cpu/scalar/scalar.h"

#define EL u8
#include "backend/cpu/binary_int.h"
#define EL u16
#include "backend/cpu/binary_int.h"
#define EL u32
#include "backend/cpu/binary_int.h"
#define EL u64
#include "backend/cpu/binary_int.h"
