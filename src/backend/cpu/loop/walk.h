#ifndef WR_BACKEND_CPU_LOOP_WALK_H
#define WR_BACKEND_CPU_LOOP_WALK_H

/* Walking over some axes of one or two strided operands, as runs: stretches along the innermost
   axis in which each operand moves by one constant stride. Neighbouring axes that lie in memory as
   one are merged, so a dense operand is a single run. Used by the kernels that treat axes
   differently (reductions, softmax, scan, sort, indexing). Plain values on the caller's stack; no
   allocation, no locks. */

#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"
#include "core/shape.h"

enum { WR_WALK_OPERANDS = 2 };

/* Work of at least this many elements is worth a second thread. */
enum { WR_CPU_GRAIN = 32768 };

/* How many items of n elements each make a piece of work for one thread. */
static inline int64_t wr_cpu_grain(int64_t n) {
  return n >= WR_CPU_GRAIN ? 1 : WR_CPU_GRAIN / (n > 0 ? n : 1);
}

struct wr_walk {
  int32_t ndim; /* at least 1 after wr_walk_end */
  int64_t size; /* positions */
  int64_t shape[WR_MAX_NDIM];
  int64_t strides[WR_WALK_OPERANDS][WR_MAX_NDIM];
};

/* A place in a walk. Positions count in row-major order over the walk's axes. */
struct wr_cursor {
  const struct wr_walk *walk;
  int64_t left; /* positions not yet handed out */
  int64_t index[WR_MAX_NDIM];
  int64_t offset[WR_WALK_OPERANDS]; /* elements, of the place */
};

/* Build: start, then push axes from the outermost to the innermost, then finish. */
void wr_walk_start(struct wr_walk *walk);
void wr_walk_push(struct wr_walk *walk, int64_t extent, int64_t stride0, int64_t stride1);
void wr_walk_end(struct wr_walk *walk);
/* The axes of `t` whose bit in `axes` is set, as operand 0. */
void wr_walk_axes(struct wr_walk *walk, const struct wr_tensor *t, uint32_t axes);

/* Covers positions [begin, end). */
void wr_cursor_start(struct wr_cursor *c, const struct wr_walk *walk, int64_t begin, int64_t end);
/* The length of the next run, 0 at the end; at[i] receives the offset of its first element in
   operand i. The stride along it is wr_walk_stride. */
int64_t wr_cursor_next(struct wr_cursor *c, int64_t at[WR_WALK_OPERANDS]);

static inline int64_t wr_walk_stride(const struct wr_walk *walk, int operand) {
  return walk->strides[operand][walk->ndim - 1];
}

/* The positions of a walk one by one, for work on each that feels no call: after
   `wr_each_start(&e, &walk, begin, end)`, `while (wr_each_next(&e))`. */
struct wr_each {
  struct wr_cursor cursor;
  int64_t left;                 /* of the run */
  int64_t i;                    /* the position */
  int64_t at[WR_WALK_OPERANDS]; /* elements, in each operand */
};

static inline void wr_each_start(struct wr_each *e, const struct wr_walk *walk, int64_t begin,
                                 int64_t end) {
  wr_cursor_start(&e->cursor, walk, begin, end);
  e->left = 0;
  e->i = begin - 1;
}

static inline bool wr_each_next(struct wr_each *e) {
  e->i++;
  if (e->left == 0) {
    e->left = wr_cursor_next(&e->cursor, e->at);
  } else {
    for (int k = 0; k < WR_WALK_OPERANDS; k++) e->at[k] += wr_walk_stride(e->cursor.walk, k);
  }
  return e->left-- > 0;
}

/* A mask with one bit per axis of `t`. */
static inline uint32_t wr_axes_all(const struct wr_tensor *t) {
  return t->ndim >= 32 ? UINT32_MAX : (1u << t->ndim) - 1u;
}

/* Where the i-th matrix of the last two axes begins, in elements. */
int64_t wr_matrix_offset(const struct wr_tensor *t, int64_t i);

/* Lines along one axis of a tensor, for kernels whose result has the same shape and is dense. Line
   o begins at the o-th position of `walk` in the input and at wr_lines_out(o) in the result. */
struct wr_lines {
  struct wr_walk walk; /* all axes but the one */
  int64_t n;           /* extent of the axis; 1 for a scalar */
  int64_t stride;      /* of the input along it */
  int64_t inner;       /* stride of the dense result along it */
};

void wr_lines_of(struct wr_lines *lines, const struct wr_tensor *in, int axis);

static inline int64_t wr_lines_out(const struct wr_lines *lines, int64_t o) {
  return o / lines->inner * lines->n * lines->inner + o % lines->inner;
}

/* How many lines make a piece of work for one thread. */
static inline int64_t wr_lines_grain(const struct wr_lines *lines) {
  return wr_cpu_grain(lines->n);
}

/* Calls body at once for small work, without the pool. */
static inline void wr_spread(int64_t n, int64_t grain, wr_parallel_body body, void *ctx) {
  if (n > grain) {
    wr_parallel_for(n, grain, body, ctx);
  } else if (n > 0) {
    body(ctx, 0, n);
  }
}

/* The same, where shorter ranges than `grain` only take longer to hand over: none is slower for
   where it is cut. */
static inline void wr_spread_awake(int64_t n, int64_t grain, wr_parallel_body body, void *ctx) {
  const int64_t least = grain / WR_PARALLEL_AWAKE > 1 ? grain / WR_PARALLEL_AWAKE : 1;
  if (n > least) {
    wr_parallel_for_awake(n, grain, least, body, ctx);
  } else if (n > 0) {
    body(ctx, 0, n);
  }
}

/* Copies n elements of `size` bytes (1, 2, 4 or 8); strides in elements; source and destination do
   not overlap. */
void wr_copy_run(void *dst, int64_t dst_stride, const void *src, int64_t src_stride, int64_t n,
                 int size);

#endif
