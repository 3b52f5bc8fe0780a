#ifndef WR_BACKEND_CPU_LANES_H
#define WR_BACKEND_CPU_LANES_H

/* Elementwise steps over a block of elements that is small enough for the registers: what one step
   computes the next one finds there, so memory is read for inputs and for values that are read
   again later, and written for these and the result.

   The steps are compiled from the functions that the rows of the operations are compiled from,
   element by element and with the same steps fused (scalar/mul_add.h), so results are the same
   bits, but for a NaN's. There is a set of steps for each level (loop/level.h), and the processor
   says which is taken. Plain functions; no locks, no allocation. */

#include "backend/backend.h"

struct wr_lanes_step {
  void (*run)(void); /* of the set's own type */
  int32_t moves;     /* whether what it reads or writes in memory moves with the block: -1 or 0 */
  uint16_t value;    /* that this is */
  uint16_t ahead; /* whether it is the first to come to that, and asks for it some blocks ahead */
};

/* Of each step of a group: two inputs loaded and stored, a third loaded, the operation, which may
   take two, its rounding, a store. */
enum { WR_LANES_STEPS = 8 * WR_GROUP_STEPS + 1 };

enum {
  WR_LANES_ROOMS = 2,  /* for what lies in memory in another form than in a block */
  WR_LANES_BYTES = 512 /* of the largest block */
};

struct wr_lanes_set;

struct wr_lanes {
  const struct wr_lanes_set *set;
  int n; /* steps */
  struct wr_lanes_step step[WR_LANES_STEPS];
};

/* Elements of a block of the best set that the processor runs; 0 where the group's first n_steps
   steps have no program, as a type or an operation has no steps here. */
int64_t wr_lanes_block(const struct wr_group *group, int n_steps);
/* Makes the program of these steps. Bit i of `moving`: whether input i moves, or is one block that
   is read again and again. */
void wr_lanes_make(struct wr_lanes *l, const struct wr_group *group, int n_steps, unsigned moving);

/* Lets the results go past the caches (loop/past.h); they then begin where a line does, and the
   thread ends with wr_past_end. False: this program's cannot. */
bool wr_lanes_go_past(struct wr_lanes *l);

/* Computes n elements, a multiple of the block. By the group's numbers, value[] says where the
   inputs begin and where the last step's results go, and for each other step has room for a
   block, WR_LANES_BYTES; behind these come WR_LANES_ROOMS more. Results may go where an input is.
 */
void wr_lanes_run(const struct wr_lanes *l, char *const *value, int64_t n);

#endif
