/* Groups that end in a reduction: each thread computes a block of what is reduced and folds it
   while it is in the cache. Every result is made of elements that stand one after the other. The
   blocks begin where those of reduce.c do, results that are cut are cut in the same places, and the
   kernels are the same, so sums round as they would over an array. No allocation, no locks. */

#include "backend/cpu/fused.h"
#include "backend/cpu/reduce_types.h"

/* As many elements as the kernels fold at a time, so that folding block by block changes nothing.
 */
enum { BLOCK = WR_REDUCE_BLOCK };

struct folding {
  const struct wr_fused_program *program;
  const struct wr_reducer *reducer;
  int64_t length; /* elements of a result */
  int64_t piece;  /* elements of a piece */
  int64_t first;  /* element of the result that is cut */
  union wr_total totals[WR_REDUCE_PIECES];
};

/* A part, and the block that it computes. */
struct worker {
  struct wr_fused_part part;
  _Alignas(64) char block[BLOCK * 8];
};

/* Folds elements [begin, end) into a new total; gives how far it went, for nothing may be left to
   learn from the rest. */
static int64_t fold(const struct folding *f, struct worker *w, int64_t begin, int64_t end,
                    union wr_total *total) {
  int64_t at = begin;
  f->reducer->init(total);
  while (at < end && !wr_reduce_is_over(f->reducer, total)) {
    int64_t n = end - at < BLOCK ? end - at : BLOCK;
    wr_fused_run(&w->part, at, n, w->block);
    f->reducer->row(w->block, n, 1, total);
    at += n;
  }
  return at;
}

/* As many short results at a time as a block holds. */
static void fold_short(const struct folding *f, struct worker *w, int64_t begin, int64_t end) {
  const struct wr_fused_program *p = f->program;
  const int64_t bytes = f->length * p->width[wr_fused_last(p)], each = BLOCK / f->length;
  for (int64_t i = begin; i < end; i += each) {
    int64_t n = end - i < each ? end - i : each;
    wr_fused_run(&w->part, i * f->length, n * f->length, w->block);
    for (int64_t k = 0; k < n; k++) {
      union wr_total total;
      f->reducer->init(&total);
      f->reducer->row(w->block + k * bytes, f->length, 1, &total);
      wr_reduce_store(f->reducer, &total, &p->group->out, i + k);
    }
  }
}

WR_FUSED_BODY results_body(void *ctx, int64_t begin, int64_t end) {
  const struct folding *f = ctx;
  struct worker w; /* not initialised, as any part */
  w.part.program = f->program;
  wr_fused_start(&w.part, begin * f->length, end * f->length);
  if (f->length <= BLOCK) {
    fold_short(f, &w, begin, end);
    return;
  }
  for (int64_t i = begin; i < end; i++) {
    union wr_total total;
    const int64_t over = (i + 1) * f->length;
    if (fold(f, &w, i * f->length, over, &total) < over) {
      wr_fused_start(&w.part, over, end * f->length);
    }
    wr_reduce_store(f->reducer, &total, &f->program->group->out, i);
  }
}

WR_FUSED_BODY pieces_body(void *ctx, int64_t begin, int64_t end) {
  struct folding *f = ctx;
  struct worker w; /* not initialised, as any part */
  w.part.program = f->program;
  const int64_t over = f->first + f->length;
  for (int64_t i = begin; i < end; i++) {
    int64_t from = f->first + i * f->piece;
    int64_t to = over - from < f->piece ? over : from + f->piece;
    wr_fused_start(&w.part, from, to);
    (void)fold(f, &w, from, to, &f->totals[i]);
  }
}

static void reduce_cut(struct folding *f, int64_t result) {
  const int64_t n = (f->length + f->piece - 1) / f->piece;
  union wr_total total;
  f->first = result * f->length;
  wr_spread(n, 1, pieces_body, f);
  f->reducer->init(&total);
  for (int64_t i = 0; i < n; i++) f->reducer->merge(&total, &f->totals[i]);
  wr_reduce_store(f->reducer, &total, &f->program->group->out, result);
}

struct wr_error *wr_fused_reduce(const struct wr_fused_program *program) {
  const struct wr_group *g = program->group;
  const int64_t results = g->out.size;
  const struct wr_group_step *read = &g->steps[program->n_steps - 1];
  struct folding f;
  f.program = program;
  f.reducer = wr_reducer_for(wr_reduce_op_of((enum wr_op)g->steps[program->n_steps].op),
                             (enum wr_dtype)read->dtype);
  f.length = program->size / results;
  f.piece = wr_reduce_piece(results, f.length);
  if (f.piece > 0) {
    for (int64_t i = 0; i < results; i++) reduce_cut(&f, i);
  } else {
    wr_spread(results, wr_cpu_grain(f.length), results_body, &f);
  }
  return NULL;
}
