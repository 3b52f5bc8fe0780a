#ifndef WR_BACKEND_CPU_LANES_SET_H
#define WR_BACKEND_CPU_LANES_SET_H

/* The sets of steps that lanes.c makes programs of: lanes_steps.inc is their template. */

#include "backend/cpu/lanes.h"
#include "backend/cpu/loop/loop.h"

enum {
  WR_LANES_VECTORS = 8,  /* of a block: as many as conventions pass in registers */
  WR_LANES_AHEAD = 2048, /* bytes */
};

/* Whether blocks are kept in memory between steps (lanes_steps.inc). Clang 14 makes no jump of the
   last call where a step has had memory of its own, whether or not it still has. */
#if defined(__OPTIMIZE__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define WR_LANES_KEPT 0
#else
#define WR_LANES_KEPT 1
#endif

typedef void (*wr_lanes_fn)(void);

/* How elements lie in arrays: as in a block, as bytes that are 0 or not, as bfloat16. */
enum wr_lanes_form { WR_LANES_FULL, WR_LANES_MASK, WR_LANES_BF16, WR_LANES_FORMS };

/* Whole numbers of an element's size. */
#define WR_LANES_BITS_f32 uint32_t
#define WR_LANES_BITS_f64 uint64_t

/* The steps for one element type and one width of vectors; NULL where an operation has none. */
struct wr_lanes_set {
  int64_t block; /* elements */
  wr_lanes_fn load[WR_LANES_FORMS];
  wr_lanes_fn finish[WR_LANES_FORMS]; /* stores what the program computes, and ends it */
  wr_lanes_fn finish_past; /* as FULL, past the caches and to the beginning of lines; NULL: none */
  wr_lanes_fn store;       /* as it is in the block */
  wr_lanes_fn round_bf16;  /* to the nearest that a bfloat16 can be */
  wr_lanes_fn select[3], pass;       /* where, by which input the block is; the step behind that */
  wr_lanes_fn is_true, of_mask;      /* a mask of numbers; 1 and 0 of one */
  wr_lanes_fn unary[WR_OP_COUNT];    /* of the block */
  wr_lanes_fn binary[WR_OP_COUNT];   /* of the block and of memory */
  wr_lanes_fn reversed[WR_OP_COUNT]; /* of memory and of the block */
  void (*run)(const struct wr_lanes *l, char *const *value, int64_t n);
};

/* That of float32 or float64 at a level that the processor has. */
const struct wr_lanes_set *wr_lanes_set_of(enum wr_level level, enum wr_dtype dtype);

/* wr_lanes_make by this set. */
void wr_lanes_make_of(const struct wr_lanes_set *set, struct wr_lanes *l,
                      const struct wr_group *group, int n_steps, unsigned moving);

extern const struct wr_lanes_set wr_lanes_f32, wr_lanes_f64;
#if defined(__x86_64__)
extern const struct wr_lanes_set wr_lanes_f32_avx2, wr_lanes_f64_avx2;
extern const struct wr_lanes_set wr_lanes_f32_avx512, wr_lanes_f64_avx512;
#endif

#endif
