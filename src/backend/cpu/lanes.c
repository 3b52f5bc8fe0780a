/* Programs of lanes_steps.inc for the steps of a group. A block stands in the registers at any
   time, and each operation works on it: on its own value if it stands there, else it is loaded
   first; further operands are read from memory. What a step computes is stored only if another than
   the next step reads it, or that one reads it twice. An input that lies in memory in another form
   than in a block is loaded, and where it is not the operand that may stay there, it is stored
   again as it was in the block, in one of the rooms for that. No allocation, no locks. */

#include "backend/cpu/lanes_set.h"

/* ---- which steps ---- */

const struct wr_lanes_set *wr_lanes_set_of(enum wr_level level, enum wr_dtype dtype) {
  const bool single = dtype == WR_FLOAT32;
#if defined(__x86_64__)
  if (level == WR_LEVEL_AVX512) return single ? &wr_lanes_f32_avx512 : &wr_lanes_f64_avx512;
  if (level == WR_LEVEL_AVX2) return single ? &wr_lanes_f32_avx2 : &wr_lanes_f64_avx2;
#endif
  (void)level;
  return single ? &wr_lanes_f32 : &wr_lanes_f64;
}

/* Of the set that computes in what the group's values are, as far as they are floats. */
static const struct wr_lanes_set *set_for(const struct wr_group *group, int n_steps) {
  const unsigned single = 1u << WR_FLOAT32 | 1u << WR_BFLOAT16, wide = 1u << WR_FLOAT64;
  unsigned has = 0;
  for (int i = 0; i < group->n_in; i++) has |= 1u << group->in[i].dtype;
  for (int i = 0; i < n_steps; i++) has |= 1u << group->steps[i].dtype;
  has &= ~(1u << WR_BOOL);
  if (has == 0 || (has & ~(has & single ? single : wide)) != 0) return NULL;
  return wr_lanes_set_of(wr_level(), has == wide ? WR_FLOAT64 : WR_FLOAT32);
}

static enum wr_dtype dtype_of(const struct wr_group *group, int value) {
  return value < group->n_in ? group->in[value].dtype
                             : (enum wr_dtype)group->steps[value - group->n_in].dtype;
}

static enum wr_lanes_form form_of(enum wr_dtype dtype) {
  if (dtype == WR_BOOL) return WR_LANES_MASK;
  return dtype == WR_BFLOAT16 ? WR_LANES_BF16 : WR_LANES_FULL;
}

static bool is_logical(int op) {
  return op == WR_OP_LOGICAL_NOT || op == WR_OP_LOGICAL_AND || op == WR_OP_LOGICAL_OR;
}

static bool has_step(const struct wr_lanes_set *set, const struct wr_group *group,
                     const struct wr_group_step *step) {
  if (step->op == WR_OP_ASTYPE || step->op == WR_OP_WHERE) return true;
  if ((dtype_of(group, step->in[0]) == WR_BOOL) != is_logical(step->op)) return false;
  return step->n_in == 1 ? set->unary[step->op] != NULL : set->binary[step->op] != NULL;
}

int64_t wr_lanes_block(const struct wr_group *group, int n_steps) {
  const struct wr_lanes_set *set = set_for(group, n_steps);
  int numbers = 0;
  if (!set) return 0;
  for (int i = 0; i < n_steps; i++) {
    if (!has_step(set, group, &group->steps[i])) return 0;
    numbers += group->steps[i].dtype != WR_BOOL;
  }
  /* Bools alone are a byte each between passes over tiles, which is less to move than masks. */
  return numbers == n_steps || numbers > 1 ? set->block : 0;
}

/* ---- the program ---- */

struct maker {
  struct wr_lanes *lanes;
  const struct wr_group *group;
  int n_steps;     /* of the group's */
  int here;        /* the value that stands in the registers; -1 at first */
  int last;        /* the program's */
  unsigned moving; /* inputs */
  unsigned asked;  /* inputs that a step asks for */
};

/* Whether a value that moves is asked for; by whoever reads it later, no more. */
static bool is_new(struct maker *m, int value) {
  if (value == m->last) return true;
  const bool is_new = (m->asked >> value & 1) == 0;
  m->asked |= 1u << value;
  return is_new;
}

static void add(struct maker *m, wr_lanes_fn run, int value) {
  const bool moves = value == m->last || (value < m->group->n_in && (m->moving >> value & 1) != 0);
  m->lanes->step[m->lanes->n++] = (struct wr_lanes_step){.run = run,
                                                         .moves = moves ? -1 : 0,
                                                         .value = (uint16_t)value,
                                                         .ahead = moves && is_new(m, value)};
}

/* A step that reads none. */
static void add_alone(struct maker *m, wr_lanes_fn run) {
  m->lanes->step[m->lanes->n++] = (struct wr_lanes_step){.run = run};
}

static void load(struct maker *m, int value) {
  const bool is_input = value < m->group->n_in;
  add(m, m->lanes->set->load[is_input ? form_of(dtype_of(m->group, value)) : WR_LANES_FULL], value);
}

/* Whether an input lies in memory in another form. */
static bool is_other(const struct maker *m, int value) {
  return value < m->group->n_in && form_of(dtype_of(m->group, value)) != WR_LANES_FULL;
}

static int find(const struct wr_group_step *step, int value) {
  int k = step->n_in - 1;
  while (k >= 0 && step->in[k] != value) k--;
  return k;
}

/* Whether the value of a step is read from memory. */
static bool is_read_later(const struct wr_group *g, int n_steps, int step) {
  const int value = g->n_in + step;
  int reads = 0;
  for (int i = step + 1; i < n_steps; i++) {
    for (int k = 0; k < g->steps[i].n_in; k++) reads += g->steps[i].in[k] == value;
    if (i == step + 1 && reads < 2) reads = 0;
    if (reads > 0) return true;
  }
  return false;
}

/* Brings operands of other forms where a step can read them: the last of them into the registers,
   so that what stands there goes to a room, as the others do. Returns the operand that is in the
   registers; `at` says which values the others are. */
static int bring_others(struct maker *m, const struct wr_group_step *step, int at[3], int last) {
  int room = m->last + 1;
  const int here = find(step, m->here);
  if (here >= 0 && !is_read_later(m->group, m->n_steps, m->here - m->group->n_in)) {
    at[here] = room++;
    add(m, m->lanes->set->store, at[here]);
  }
  for (int k = 0; k < last; k++) {
    if (!is_other(m, step->in[k])) continue;
    load(m, step->in[k]);
    at[k] = room++;
    add(m, m->lanes->set->store, at[k]);
  }
  load(m, step->in[last]);
  return last;
}

static int bring(struct maker *m, const struct wr_group_step *step, int at[3]) {
  int other = -1;
  for (int k = 0; k < step->n_in; k++) {
    at[k] = step->in[k];
    if (is_other(m, at[k])) other = k;
  }
  if (other >= 0) return bring_others(m, step, at, other);
  const int here = find(step, m->here);
  if (here >= 0) return here;
  load(m, at[0]);
  return 0;
}

/* Whether its result is rounded as it is stored. */
static bool is_last(const struct maker *m, const struct wr_group_step *step) {
  return step == &m->group->steps[m->n_steps - 1];
}

static void add_cast(struct maker *m, enum wr_dtype from, enum wr_dtype to, bool last) {
  const struct wr_lanes_set *set = m->lanes->set;
  if (from == to) return;
  if (to == WR_BOOL) add_alone(m, set->is_true);
  if (from == WR_BOOL) add_alone(m, set->of_mask);
  if (to == WR_BFLOAT16 && from != WR_BOOL && !last) add_alone(m, set->round_bf16);
}

static void add_operation(struct maker *m, const struct wr_group_step *step) {
  const struct wr_lanes_set *set = m->lanes->set;
  int at[3];
  const int here = bring(m, step, at);
  if (step->op == WR_OP_WHERE) {
    add(m, set->select[here], at[here == 0 ? 1 : 0]);
    add(m, set->pass, at[here == 2 ? 1 : 2]);
  } else if (step->op == WR_OP_ASTYPE) {
    add_cast(m, dtype_of(m->group, step->in[0]), (enum wr_dtype)step->dtype, is_last(m, step));
  } else if (step->n_in == 1) {
    add_alone(m, set->unary[step->op]);
  } else if (here == 1) {
    add(m, set->reversed[step->op], at[0]);
  } else {
    add(m, set->binary[step->op], at[1]);
  }
  if (step->dtype == WR_BFLOAT16 && step->op != WR_OP_WHERE && step->op != WR_OP_ASTYPE &&
      !is_last(m, step)) {
    add_alone(m, set->round_bf16);
  }
}

void wr_lanes_make_of(const struct wr_lanes_set *set, struct wr_lanes *l,
                      const struct wr_group *group, int n_steps, unsigned moving) {
  struct maker m = {.lanes = l, .group = group, .n_steps = n_steps, .here = -1};
  m.last = group->n_in + n_steps - 1;
  m.moving = moving;
  l->set = set;
  l->n = 0;
  for (int i = 0; i < n_steps; i++) {
    add_operation(&m, &group->steps[i]);
    m.here = group->n_in + i;
    if (i < n_steps - 1 && is_read_later(group, n_steps, i)) add(&m, set->store, m.here);
  }
  add(&m, set->finish[form_of(dtype_of(group, m.last))], m.last);
}

void wr_lanes_make(struct wr_lanes *l, const struct wr_group *group, int n_steps, unsigned moving) {
  wr_lanes_make_of(set_for(group, n_steps), l, group, n_steps, moving);
}

bool wr_lanes_go_past(struct wr_lanes *l) {
  struct wr_lanes_step *last = &l->step[l->n - 1];
  if (last->run != l->set->finish[WR_LANES_FULL] || !l->set->finish_past) return false;
  last->run = l->set->finish_past;
  return true;
}

void wr_lanes_run(const struct wr_lanes *l, char *const *value, int64_t n) {
  l->set->run(l, value, n);
}
