/* The rows of float64 by what every processor of the architecture has. No locks, no
   allocation. */

#define WR_LEVEL _base
#include "backend/cpu/rows_f64.inc"
