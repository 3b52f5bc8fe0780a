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
#include "backend/cpu/walk.h"

enum {
  MAX_VALUES = WR_GROUP_INPUTS + WR_GROUP_STEPS,
  SCRATCH = 20480, /* bytes; threads may have stacks of 64 KB (K13) */
  TILE_UNIT = 64,  /* elements; a slot of any width is then aligned to 64 bytes */
  MAX_TILE = 4096,
  MIN_GRAIN = 4096
};

_Static_assert((MAX_VALUES - 1) * 8 * TILE_UNIT <= SCRATCH, "a tile of every group fits");

enum layout { DENSE, SCALAR, WALKED };

/* Slots are numbered by where they begin, in bytes for each element of a tile. */
enum { NO_SLOT = UINT16_MAX };

struct program {
  const struct wr_group *group;
  int64_t tile; /* elements */
  wr_row_fn row[WR_GROUP_STEPS];
  uint8_t layout[WR_GROUP_INPUTS];
  uint8_t width[MAX_VALUES]; /* bytes of an element */
  uint16_t slot[MAX_VALUES];
  struct wr_walk *walk; /* of each input; only those that are WALKED are set */
};

/* ---- making the program ---- */

/* Slots that nobody uses at this point, and how much scratch there is in all. */
struct slots {
  uint32_t bytes; /* of all slots, for each element */
  int32_t n_free;
  uint16_t free[MAX_VALUES];
  uint8_t width[MAX_VALUES]; /* of the free ones */
  uint8_t last[MAX_VALUES];  /* the last step that reads the value */
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

static void place_input(struct program *p, struct slots *s, int i) {
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
static void free_operands(const struct program *p, struct slots *s, int step) {
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

static void place_values(struct program *p) {
  const struct wr_group *g = p->group;
  struct slots s;
  s.bytes = 0;
  s.n_free = 0;
  for (int i = 0; i < g->n_steps; i++) {
    for (int k = 0; k < g->steps[i].n_in; k++) s.last[g->steps[i].in[k]] = (uint8_t)i;
  }
  for (int i = 0; i < g->n_in; i++) place_input(p, &s, i);
  for (int i = 0; i < g->n_steps - 1; i++) {
    free_operands(p, &s, i);
    p->slot[g->n_in + i] = slot_take(&s, p->width[g->n_in + i]);
  }
  p->tile = MAX_TILE;
  if (s.bytes * MAX_TILE > SCRATCH) p->tile = SCRATCH / s.bytes / TILE_UNIT * TILE_UNIT;
}

static struct wr_error *find_rows(struct program *p) {
  const struct wr_group *g = p->group;
  enum wr_dtype dtype[MAX_VALUES];
  for (int i = 0; i < g->n_in; i++) {
    dtype[i] = g->in[i].dtype;
    p->width[i] = (uint8_t)wr_dtype_size(dtype[i]);
  }
  for (int i = 0; i < g->n_steps; i++) {
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

/* What one thread has for its part of the result. */
struct part {
  const struct program *program;
  char *value[MAX_VALUES];
  struct wr_cursor cursor[WR_GROUP_INPUTS]; /* of inputs that are WALKED */
  _Alignas(64) char scratch[SCRATCH];
};

static char *slot_address(struct part *part, int value) {
  return part->scratch + part->program->slot[value] * part->program->tile;
}

static void spread_scalar(struct part *part, int i, int64_t n) {
  const struct wr_tensor *t = &part->program->group->in[i];
  part->value[i] = slot_address(part, i);
  wr_copy_run(part->value[i], 1, t->data, 0, n, part->program->width[i]);
}

static void part_start(struct part *part, int64_t begin, int64_t end) {
  const struct program *p = part->program;
  const struct wr_group *g = p->group;
  for (int i = 0; i < g->n_in; i++) {
    if (p->layout[i] == SCALAR)
      spread_scalar(part, i, end - begin < p->tile ? end - begin : p->tile);
    if (p->layout[i] == WALKED) wr_cursor_start(&part->cursor[i], &p->walk[i], begin, end);
  }
  for (int v = g->n_in; v < g->n_in + g->n_steps - 1; v++) part->value[v] = slot_address(part, v);
}

/* The next n elements of a walked input: where they are, or a copy. */
static char *walk_on(struct part *part, int i, int64_t n) {
  const struct wr_tensor *t = &part->program->group->in[i];
  const int item = part->program->width[i];
  const int64_t stride = wr_walk_stride(&part->program->walk[i], 0);
  struct wr_cursor *c = &part->cursor[i];
  char *copy = slot_address(part, i);
  int64_t at[WR_WALK_OPERANDS];
  c->left = n;
  for (int64_t run, done = 0; (run = wr_cursor_next(c, at)) > 0; done += run) {
    char *from = (char *)t->data + at[0] * item;
    if (run == n && stride == 1) return from;
    wr_copy_run(copy + done * item, 1, from, stride, run, item);
  }
  return copy;
}

static void place_tile(struct part *part, int64_t at, int64_t n) {
  const struct program *p = part->program;
  const struct wr_group *g = p->group;
  const int last = g->n_in + g->n_steps - 1;
  for (int i = 0; i < g->n_in; i++) {
    if (p->layout[i] == DENSE) part->value[i] = (char *)g->in[i].data + at * p->width[i];
    if (p->layout[i] == WALKED) part->value[i] = walk_on(part, i, n);
  }
  part->value[last] = (char *)g->out.data + at * p->width[last];
}

static void run_steps(const struct part *part, int64_t n) {
  const struct program *p = part->program;
  const struct wr_group *g = p->group;
  struct wr_row row = {.stride = {1, 1, 1}, .n = n};
  for (int i = 0; i < g->n_steps; i++) {
    const struct wr_group_step *step = &g->steps[i];
    for (int k = 0; k < step->n_in; k++) row.in[k] = part->value[step->in[k]];
    row.out = part->value[g->n_in + i];
    p->row[i](&row);
  }
}

static void run_part(void *ctx, int64_t begin, int64_t end) {
  struct part part; /* not initialised: the scratch is large, and all else is written first */
  part.program = ctx;
  const int64_t tile = part.program->tile;
  part_start(&part, begin, end);
  for (int64_t at = begin; at < end; at += tile) {
    int64_t n = end - at < tile ? end - at : tile;
    place_tile(&part, at, n);
    run_steps(&part, n);
  }
}

struct wr_error *wr_cpu_fused(const struct wr_group *group) {
  struct wr_walk walks[WR_GROUP_INPUTS]; /* not initialised: large, and seldom needed */
  struct program p = {.group = group, .walk = walks};
  struct wr_error *error = find_rows(&p);
  if (error || group->out.size == 0) return error;
  place_values(&p);
  int64_t grain = WR_LOOP_GRAIN / group->n_steps;
  wr_spread(group->out.size, grain > MIN_GRAIN ? grain : MIN_GRAIN, run_part, &p);
  return NULL;
}
