/* The rows of the operations of one input for bool and the integers. No locks, no allocation. */

#include "backend/cpu/elementwise_tables.h"

#define EL b8
#include "backend/cpu/unary_int.h"
#define EL u8
#include "backend/cpu/unary_int.h"
#define EL u16
#include "backend/cpu/unary_int.h"
#define EL u32
#include "backend/cpu/unary_int.h"
#define EL u64
#include "backend/cpu/unary_int.h"
#define EL i8
#define SIGNED
#include "backend/cpu/unary_int.h"
#define EL i16
#define SIGNED
#include "backend/cpu/unary_int.h"
#define EL i32
#define SIGNED
#include "backend/cpu/unary_int.h"
#define EL i64
#define SIGNED
#include "backend/cpu/unary_int.h"
