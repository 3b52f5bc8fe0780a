#ifndef WR_BACKEND_CPU_FUSED_H
#define WR_BACKEND_CPU_FUSED_H

/* Groups on the CPU. cpu.c sees wr_cpu_fused; the rest is between fused.c, which makes the program,
   fused_run.c, which runs it, by lanes.h where that has all steps, fused_reduce.c, which reduces
   what it computes, and softmax.c, which makes rows of it. */

#include "backend/backend.h"
#include "backend/cpu/lanes.h"
#include "backend/cpu/loop/loop.h"

/* Runs the group before it returns, spread over the pool where it is large. */
struct wr_error *wr_cpu_fused(const struct wr_group *group);

enum {
  WR_FUSED_VALUES = WR_GROUP_INPUTS + WR_GROUP_STEPS,
  WR_FUSED_SCRATCH = 16384 /* bytes; threads may have stacks of 64 KB (K13) */
};

/* How an input is read: where it lies; spread once over a tile; copied for each tile. */
enum wr_fused_layout { WR_FUSED_DENSE, WR_FUSED_SCALAR, WR_FUSED_WALKED };

/* The elementwise steps of a group. */
struct wr_fused_program {
  const struct wr_group *group;
  int32_t n_steps;
  int64_t size;    /* elements that each step computes */
  int64_t tile;    /* elements */
  int64_t block;   /* of `lanes`, elements; 0 where there is no such program */
  int64_t stretch; /* elements that are computed in one go: a tile, or, where no input is copied for
                      each, all */
  bool past;       /* the result goes past the caches (loop/past.h) */
  bool lanes_past; /* by the program in registers, from where a line begins */
  wr_row_fn row[WR_GROUP_STEPS];
  uint8_t layout[WR_GROUP_INPUTS]; /* enum wr_fused_layout */
  uint8_t width[WR_FUSED_VALUES];  /* bytes of an element */
  uint16_t slot[WR_FUSED_VALUES];  /* where in the scratch: bytes for each element of a tile */
  struct wr_walk *walk;            /* of each input; set where it is walked */
  struct wr_lanes lanes;           /* not initialised, unless there is a block */
};

/* What one thread has for its part of the program. */
struct wr_fused_part {
  const struct wr_fused_program *program;
  char *value[WR_FUSED_VALUES + WR_LANES_ROOMS];
  struct wr_cursor cursor[WR_GROUP_INPUTS];
  _Alignas(64) char rooms[WR_LANES_ROOMS][WR_LANES_BYTES]; /* lanes.h */
  _Alignas(64) char scratch[WR_FUSED_SCRATCH];
};

/* A function that has a part on its stack. It is compiled by itself: merged with its caller it
   would take that room as long as the caller runs, also where it is not called, and stacks may be
   small (K13). */
#define WR_FUSED_BODY __attribute__((noinline)) static void

static inline int wr_fused_last(const struct wr_fused_program *p) {
  return p->group->n_in + p->n_steps - 1;
}

/* Readies the part for elements [begin, end). */
void wr_fused_start(struct wr_fused_part *part, int64_t begin, int64_t end);
/* Computes elements [at, at + n) to `out`; called in order, from `begin` to `end` without gaps. */
void wr_fused_run(struct wr_fused_part *part, int64_t at, int64_t n, char *out);

/* Runs the program and reduces what it computes by the group's last step. */
struct wr_error *wr_fused_reduce(const struct wr_fused_program *program);
/* Runs the program and takes the softmax of its rows. */
struct wr_error *wr_fused_softmax(const struct wr_fused_program *program);

#endif
