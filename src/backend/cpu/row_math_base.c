/* Steps over one dense row of float32 by what every processor of the
 * architecture has. */

#define WR_LEVEL _base
#include "backend/cpu/row_math.inc"
