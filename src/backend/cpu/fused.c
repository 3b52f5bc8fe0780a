/* Groups: elementwise operations that run as one command. The group becomes a program of row
   functions, the same that the operations have by themselves, so results are bit for bit the same
   (but for a NaN's); and the program runs over tiles of the result that are small enough for every
   intermediate value to stay in the first-level cache. Where all is float32, bfloat16 and bool, or
   float64 and bool, the values of most steps stay in registers (lanes.h), and row functions compute
   what is less than a block at the end. Large groups are spread over the pool like single
   operations.

   Where values are: a dense input is read where it lies, the last step writes to the result, all
   else lives in a scratch on the stack of the thread that runs the tile: the steps' values, each
   only until its last reader; broadcast scalars, spread once; and inputs of any other layout,
   copied for each tile, unless they happen to lie dense there. So row functions see dense operands
   alone, which is what they are fast at. No allocation, no locks. */

#include "backend/cpu/fused.h"

#include "backend/cpu/kernels.h"

enum {
  TILE_UNIT = 32,  /* elements; vectors of a slot are then aligned */
  MAX_TILE = 1024, /* elements; larger ones let memory wait while steps compute */
  FEW = 512        /* elements that are not worth a program in registers */
};

_Static_assert((WR_FUSED_VALUES - 1) * 8 * TILE_UNIT <= WR_FUSED_SCRATCH,
               "a tile of every group fits");

enum { NO_SLOT = UINT16_MAX };

/* ---- row functions ---- */

enum family {
  FAMILY_index,
  FAMILY_shape,
  FAMILY_call,
  FAMILY_copy,
  FAMILY_unary,
  FAMILY_binary,
  FAMILY_ternary,
  FAMILY_reduce,
  FAMILY_softmax,
  FAMILY_row_norm,
  FAMILY_scan,
  FAMILY_sort,
  FAMILY_matmul,
  FAMILY_conv,
  FAMILY_fft,
  FAMILY_hadamard,
  FAMILY_linalg,
  FAMILY_quantized,
  FAMILY_attention,
  FAMILY_kernel,
  FAMILY_random
};

static const uint8_t families[WR_OP_COUNT] = {
#define WR_OP(ID, name, family, ...) [WR_OP_##ID] = FAMILY_##family,
#include "core/ops.def"
#undef WR_OP
};

/* The one of a fusable operation, by the types of its first input and its result; NULL when it has
   none. */
static wr_row_fn fusable_row(enum wr_op op, enum wr_dtype in, enum wr_dtype out) {
  switch ((enum family)families[op]) {
    case FAMILY_unary:
      return wr_cpu_unary_row(op, in);
    case FAMILY_binary:
      return wr_cpu_binary_row(op, in);
    case FAMILY_ternary:
      return wr_cpu_where_row(out);
    case FAMILY_copy:
      return wr_cpu_cast_row(out, in);
    default:
      return NULL;
  }
}

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

static enum wr_fused_layout layout_of(const struct wr_tensor *t) {
  if (t->dense) return WR_FUSED_DENSE;
  for (int d = 0; d < t->ndim; d++) {
    if (t->shape[d] > 1 && t->strides[d] != 0) return WR_FUSED_WALKED;
  }
  return WR_FUSED_SCALAR;
}

static void place_input(struct wr_fused_program *p, struct slots *s, int i) {
  const struct wr_tensor *t = &p->group->in[i];
  p->layout[i] = (uint8_t)layout_of(t);
  p->slot[i] = NO_SLOT;
  if (p->layout[i] == WR_FUSED_DENSE) return;
  p->slot[i] = slot_take(s, p->width[i]);
  if (p->layout[i] == WR_FUSED_WALKED) wr_walk_axes(&p->walk[i], t, wr_axes_all(t));
}

/* Whether a slot is its input's to the end: a scalar's, which is filled for all tiles, and that of
   short elements, as a block in it (lanes.h) would take more than one of the input. */
static bool keeps_slot(const struct wr_fused_program *p, int value) {
  return value < p->group->n_in &&
         (p->layout[value] == WR_FUSED_SCALAR || p->width[value] < sizeof(float));
}

/* A value that no later step reads gives its slot away. The step's own result may be the next to
   take it: a row function may write where it reads. */
static void free_operands(const struct wr_fused_program *p, struct slots *s, int step) {
  const struct wr_group *g = p->group;
  const struct wr_group_step *from = &g->steps[step];
  for (int k = 0; k < from->n_in; k++) {
    int value = from->in[k];
    bool kept = p->slot[value] == NO_SLOT || s->last[value] != step || keeps_slot(p, value);
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

/* Whether each value between steps has room for a block, in which all elements are as wide. */
static bool has_room(const struct wr_fused_program *p) {
  for (int v = p->group->n_in; v < wr_fused_last(p); v++) {
    if (p->width[v] * p->tile < WR_LANES_BYTES) return false;
  }
  return true;
}

/* Blocks in registers, where all steps are to be had so and there are some blocks to compute. */
static void make_lanes(struct wr_fused_program *p) {
  unsigned moving = 0;
  bool copies = false;
  p->block = 0;
  p->stretch = p->tile;
  if (p->size < FEW) return;
  const int64_t block = wr_lanes_block(p->group, p->n_steps);
  if (block == 0 || block > p->tile || !has_room(p)) return;
  for (int i = 0; i < p->group->n_in; i++) {
    if (p->layout[i] != WR_FUSED_SCALAR) moving |= 1u << i;
    if (p->layout[i] == WR_FUSED_WALKED) copies = true;
  }
  wr_lanes_make(&p->lanes, p->group, p->n_steps, moving);
  p->block = block;
  if (!copies) p->stretch = p->size;
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
    p->row[i] = fusable_row((enum wr_op)step->op, dtype[step->in[0]], dtype[value]);
    if (!p->row[i]) {
      return wr_error_new(WEIR_ERROR_UNSUPPORTED, "%s has no CPU kernel for %s",
                          wr_op_info((enum wr_op)step->op)->name,
                          wr_dtype_name(dtype[step->in[0]]));
    }
  }
  return NULL;
}

/* ---- running it ---- */

/* Elements [at, end), from where a line begins, piece by piece past the caches: longer ones than of
   one operation, as each is a turn of the whole program. */
static void store_past(struct wr_fused_part *part, int64_t at, int64_t end, char *out) {
  enum { PIECE = 2 * WR_PAST_PIECE };
  _Alignas(WR_PAST_LINE) char piece[PIECE];
  const int64_t each = PIECE / part->program->width[wr_fused_last(part->program)];
  for (; at + each <= end; at += each, out += PIECE) {
    wr_fused_run(part, at, each, piece);
    wr_past_store(out, piece, PIECE);
  }
  wr_fused_run(part, at, end - at, out);
}

static void run_past(struct wr_fused_part *part, int64_t begin, int64_t end, char *out) {
  const int64_t width = part->program->width[wr_fused_last(part->program)];
  int64_t head = wr_past_head(out, width);
  if (head > end - begin) head = end - begin;
  wr_fused_run(part, begin, head, out);
  out += head * width;
  if (part->program->lanes_past) {
    wr_fused_run(part, begin + head, end - begin - head, out);
  } else {
    store_past(part, begin + head, end, out);
  }
  wr_past_end();
}

WR_FUSED_BODY run_part(void *ctx, int64_t begin, int64_t end) {
  const struct wr_fused_program *p = ctx;
  char *out = (char *)p->group->out.data + begin * p->width[wr_fused_last(p)];
  struct wr_fused_part part; /* not initialised: large, and all is written before it is read */
  part.program = p;
  wr_fused_start(&part, begin, end);
  if (p->past) {
    run_past(&part, begin, end, out);
  } else {
    wr_fused_run(&part, begin, end - begin, out);
  }
}

/* Where one part's results meet lines all others' do. */
static void choose_past(struct wr_fused_program *p) {
  const struct wr_group *g = p->group;
  p->past = wr_past_wanted(&g->out, g->in, g->n_in) &&
            wr_past_head(g->out.data, p->width[wr_fused_last(p)]) >= 0;
  p->lanes_past = p->past && p->block > 0 && wr_lanes_go_past(&p->lanes);
}

struct wr_error *wr_cpu_fused(const struct wr_group *group) {
  struct wr_walk walks[WR_GROUP_INPUTS]; /* not initialised: large, and seldom needed */
  const int end = wr_op_info((enum wr_op)group->steps[group->n_steps - 1].op)->ends_group;
  struct wr_fused_program p; /* not initialised, either */
  p.group = group;
  p.n_steps = group->n_steps - (end != WR_ENDS_NOTHING);
  p.size = group->in[0].size;
  p.walk = walks;
  struct wr_error *error = find_rows(&p);
  if (error || p.size == 0) return error;
  place_values(&p);
  make_lanes(&p);
  if (end == WR_ENDS_REDUCED) return wr_fused_reduce(&p);
  if (end == WR_ENDS_ROWS) return wr_fused_softmax(&p);
  choose_past(&p);
  /* Split where one operation would be, not earlier: waking a thread can cost as much as the steps
     of a group take on arrays of that size. */
  wr_spread_awake(p.size, WR_LOOP_GRAIN, run_part, &p);
  return NULL;
}
