/* The rows of float32, float16 and bfloat16 by what every processor of the architecture has. No
   locks, no allocation. */

#define WR_LEVEL _base
#include "backend/cpu/rows_f32.inc"
