/* Groups: elementwise operations that run as one command. The group becomes a program of row
   functions, the same that the operations have by themselves, so results are bit for bit the same;
   and the program runs over tiles of the result that are small enough for every intermediate value
   to stay in the first-level cache. Large groups are spread over the pool like single operations.

   Where values are: a dense input is read where it lies, the last step writes to the result, all
   else lives in a scratch on the stack of the thread that runs the tile: the steps' values, each
   only until its last reader; broadcast scalars, spread once; and inputs of any other layout,
   copied for each tile, unless they happen to lie dense there. So row functions see dense operands
   alone, which is what they are fast at. No allocation, no locks. */

#include "backend/cpu/fused.h"

#include "backend/cpu/kernels.h"

enum {
  TILE_UNIT = 32, /* elements; vectors of a slot are then aligned */
  MAX_TILE = 1024 /* elements; larger ones let memory wait while steps compute */
};

_Static_assert((WR_FUSED_VALUES - 1) * 8 * TILE_UNIT <= WR_FUSED_SCRATCH,
               "a tile of every group fits");

enum layout { DENSE, SCALAR, WALKED };

enum { NO_SLOT = UINT16_MAX };

/* ---- making the program ---- */

/* Slots that nobody uses at this point, and how much scratch there is in all. */
struct slots {
  uint32_t bytes; /* of all slots, for each element */
  int32_t n_free;
  uint16_t free[WR_FUSED_VALUES];
  uint8_t width[WR_FUSED_VALUES]; /* of the free ones */
  uint8_t last[WR_FUSED_VALUES];  /* the last step that reads the value */
};

static uint16_t slot_take(struct slots *s, uint8_t width) {
  for (int i = s->n_free; i-- > 0;) {
    if (s->width[i] != width) continue;
    uint16_t slot = s->free[i];
    s->n_free--;
    s->free[i] = s->free[s->n_free];
    s->width[i] = s->width[s->n_free];
    return slot;
  }
  s->bytes += width;
  return (uint16_t)(s->bytes - width);
}

static void slot_give(struct slots *s, uint16_t slot, uint8_t width) {
  s->free[s->n_free] = slot;
  s->width[s->n_free++] = width;
}

static enum layout layout_of(const struct wr_tensor *t) {
  if (t->dense) return DENSE;
  for (int d = 0; d < t->ndim; d++) {
    if (t->shape[d] > 1 && t->strides[d] != 0) return WALKED;
  }
  return SCALAR;
}

static void place_input(struct wr_fused_program *p, struct slots *s, int i) {
  const struct wr_tensor *t = &p->group->in[i];
  p->layout[i] = (uint8_t)layout_of(t);
  p->slot[i] = NO_SLOT;
  if (p->layout[i] == DENSE) return;
  p->slot[i] = slot_take(s, p->width[i]);
  if (p->layout[i] == WALKED) wr_walk_axes(&p->walk[i], t, wr_axes_all(t));
}

/* A value that no later step reads gives its slot away, a scalar's excepted, which is filled for
   all tiles. The step's own result may be the next to take it: a row function may write where it
   reads.
 */
static void free_operands(const struct wr_fused_program *p, struct slots *s, int step) {
  const struct wr_group *g = p->group;
  const struct wr_group_step *from = &g->steps[step];
  for (int k = 0; k < from->n_in; k++) {
    int value = from->in[k];
    bool kept = p->slot[value] == NO_SLOT || s->last[value] != step ||
                (value < g->n_in && p->layout[value] == SCALAR);
    if (kept) continue;
    slot_give(s, p->slot[value], p->width[value]);
    s->last[value] = UINT8_MAX; /* once, though the step may read it twice */
  }
}

static void place_values(struct wr_fused_program *p) {
  const struct wr_group *g = p->group;
  struct slots s;
  s.bytes = 0;
  s.n_free = 0;
  for (int i = 0; i < p->n_steps; i++) {
    for (int k = 0; k < g->steps[i].n_in; k++) s.last[g->steps[i].in[k]] = (uint8_t)i;
  }
  for (int i = 0; i < g->n_in; i++) place_input(p, &s, i);
  for (int i = 0; i < p->n_steps - 1; i++) {
    free_operands(p, &s, i);
    p->slot[g->n_in + i] = slot_take(&s, p->width[g->n_in + i]);
  }
  p->tile = MAX_TILE;
  if (s.bytes * MAX_TILE > WR_FUSED_SCRATCH) {
    p->tile = WR_FUSED_SCRATCH / s.bytes / TILE_UNIT * TILE_UNIT;
  }
}

static struct wr_error *find_rows(struct wr_fused_program *p) {
  const struct wr_group *g = p->group;
  enum wr_dtype dtype[WR_FUSED_VALUES];
  for (int i = 0; i < g->n_in; i++) {
    dtype[i] = g->in[i].dtype;
    p->width[i] = (uint8_t)wr_dtype_size(dtype[i]);
  }
  for (int i = 0; i < p->n_steps; i++) {
    const struct wr_group_step *step = &g->steps[i];
    const int value = g->n_in + i;
    dtype[value] = (enum wr_dtype)step->dtype;
    p->width[value] = (uint8_t)wr_dtype_size(dtype[value]);
    p->row[i] = wr_cpu_fusable_row((enum wr_op)step->op, dtype[step->in[0]], dtype[value]);
    if (!p->row[i]) {
      return wr_error_new(WEIR_ERROR_UNSUPPORTED, "%s has no CPU kernel for %s",
                          wr_op_info((enum wr_op)step->op)->name,
                          wr_dtype_name(dtype[step->in[0]]));
    }
  }
  return NULL;
}

/* ---- running it ---- */

static char *slot_address(struct wr_fused_part *part, int value) {
  return part->scratch + part->program->slot[value] * part->program->tile;
}

static void spread_scalar(struct wr_fused_part *part, int i, int64_t n) {
  const struct wr_fused_program *p = part->program;
  part->value[i] = slot_address(part, i);
  wr_copy_run(part->value[i], 1, p->group->in[i].data, 0, n < p->tile ? n : p->tile, p->width[i]);
}

void wr_fused_start(struct wr_fused_part *part, int64_t begin, int64_t end) {
  const struct wr_fused_program *p = part->program;
  const int n_in = p->group->n_in;
  for (int i = 0; i < n_in; i++) {
    if (p->layout[i] == SCALAR) spread_scalar(part, i, end - begin);
    if (p->layout[i] == WALKED) wr_cursor_start(&part->cursor[i], &p->walk[i], begin, end);
  }
  for (int v = n_in; v < wr_fused_last(p); v++) part->value[v] = slot_address(part, v);
}

/* The next n elements of a walked input: where they are, or a copy. */
static char *walk_on(struct wr_fused_part *part, int i, int64_t n) {
  const int width = part->program->width[i];
  const int64_t stride = wr_walk_stride(&part->program->walk[i], 0);
  struct wr_cursor *c = &part->cursor[i];
  char *copy = slot_address(part, i);
  int64_t at[WR_WALK_OPERANDS];
  c->left = n;
  for (int64_t run, done = 0; (run = wr_cursor_next(c, at)) > 0; done += run) {
    char *from = (char *)part->program->group->in[i].data + at[0] * width;
    if (run == n && stride == 1) return from;
    wr_copy_run(copy + done * width, 1, from, stride, run, width);
  }
  return copy;
}

static void place_inputs(struct wr_fused_part *part, int64_t at, int64_t n) {
  const struct wr_fused_program *p = part->program;
  const struct wr_group *g = p->group;
  for (int i = 0; i < g->n_in; i++) {
    if (p->layout[i] == DENSE) part->value[i] = (char *)g->in[i].data + at * p->width[i];
    if (p->layout[i] == WALKED) part->value[i] = walk_on(part, i, n);
  }
}

static void run_steps(const struct wr_fused_part *part, int64_t n) {
  const struct wr_fused_program *p = part->program;
  const struct wr_group *g = p->group;
  struct wr_row row = {.stride = {1, 1, 1}, .n = n};
  for (int i = 0; i < p->n_steps; i++) {
    const struct wr_group_step *step = &g->steps[i];
    for (int k = 0; k < step->n_in; k++) row.in[k] = part->value[step->in[k]];
    row.out = part->value[g->n_in + i];
    p->row[i](&row);
  }
}

void wr_fused_run(struct wr_fused_part *part, int64_t at, int64_t n, char *out) {
  const struct wr_fused_program *p = part->program;
  const int last = wr_fused_last(p);
  for (int64_t done = 0; done < n; done += p->tile) {
    int64_t m = n - done < p->tile ? n - done : p->tile;
    place_inputs(part, at + done, m);
    part->value[last] = out + done * p->width[last];
    run_steps(part, m);
  }
}

static void run_part(void *ctx, int64_t begin, int64_t end) {
  const struct wr_fused_program *p = ctx;
  struct wr_fused_part part; /* not initialised: large, and all is written before it is read */
  part.program = p;
  wr_fused_start(&part, begin, end);
  wr_fused_run(&part, begin, end - begin,
               (char *)p->group->out.data + begin * p->width[wr_fused_last(p)]);
}

struct wr_error *wr_cpu_fused(const struct wr_group *group) {
  struct wr_walk walks[WR_GROUP_INPUTS]; /* not initialised: large, and seldom needed */
  const int end = wr_op_info((enum wr_op)group->steps[group->n_steps - 1].op)->ends_group;
  struct wr_fused_program p = {.group = group,
                               .n_steps = group->n_steps - (end != WR_ENDS_NOTHING),
                               .size = group->in[0].size,
                               .walk = walks};
  struct wr_error *error = find_rows(&p);
  if (error || p.size == 0) return error;
  place_values(&p);
  if (end == WR_ENDS_REDUCED) return wr_fused_reduce(&p);
  if (end == WR_ENDS_ROWS) return wr_fused_softmax(&p);
  /* Split where one operation would be, not earlier: waking a thread can cost as much as the steps
     of a group take on arrays of that size. */
  wr_spread(p.size, WR_LOOP_GRAIN, run_part, &p);
  return NULL;
}
