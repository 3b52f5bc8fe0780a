/* Programs of lanes_steps.inc for the steps of a group. A block stands in the registers at any
   time, and each operation works on it: on its own value if it stands there, else it is loaded
   first; a second operand is read from memory. What a step computes is stored only if another than
   the next step reads it, or that one reads it twice. No allocation, no locks. */

#include "backend/cpu/lanes_set.h"

/* ---- which steps ---- */

static const struct wr_lanes_set *best_set(enum wr_dtype dtype) {
  const bool single = dtype == WR_FLOAT32;
  if (!single && dtype != WR_FLOAT64) return NULL;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return single ? &wr_lanes_f32_avx512 : &wr_lanes_f64_avx512;
  }
  if (__builtin_cpu_supports("avx2")) return single ? &wr_lanes_f32_avx2 : &wr_lanes_f64_avx2;
#endif
  return single ? &wr_lanes_f32 : &wr_lanes_f64;
}

int64_t wr_lanes_block(const struct wr_group *group, int n_steps) {
  const enum wr_dtype dtype = group->in[0].dtype;
  const struct wr_lanes_set *set = best_set(dtype);
  if (!set) return 0;
  for (int i = 1; i < group->n_in; i++) {
    if (group->in[i].dtype != dtype) return 0;
  }
  for (int i = 0; i < n_steps; i++) {
    const struct wr_group_step *step = &group->steps[i];
    const bool has = step->n_in == 1   ? set->unary[step->op] != NULL
                     : step->n_in == 2 ? set->binary[step->op] != NULL
                                       : false;
    if (!has || step->dtype != dtype) return 0;
  }
  return set->block;
}

/* ---- the program ---- */

struct maker {
  struct wr_lanes *lanes;
  const struct wr_group *group;
  int n;           /* steps of the program so far */
  int here;        /* the value that stands in the registers; -1 at first */
  int last;        /* the program's */
  unsigned moving; /* inputs */
};

static void add(struct maker *m, wr_lanes_fn run, int value) {
  const bool moves = value == m->last || (value < m->group->n_in && (m->moving >> value & 1) != 0);
  m->lanes->step[m->n++] =
      (struct wr_lanes_step){.run = run, .moves = moves ? -1 : 0, .value = (uint32_t)value};
}

static void bring(struct maker *m, int value) {
  if (m->here != value) add(m, m->lanes->set->load, value);
}

static void add_operation(struct maker *m, const struct wr_group_step *step) {
  const struct wr_lanes_set *set = m->lanes->set;
  const int x = step->in[0], y = step->in[1];
  if (step->n_in == 1) {
    bring(m, x);
    add(m, set->unary[step->op], 0);
  } else if (m->here == y && x != y) {
    add(m, set->reversed[step->op], x);
  } else {
    bring(m, x);
    add(m, set->binary[step->op], y);
  }
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

void wr_lanes_make_of(const struct wr_lanes_set *set, struct wr_lanes *l,
                      const struct wr_group *group, int n_steps, unsigned moving) {
  struct maker m = {.lanes = l, .group = group, .here = -1, .last = group->n_in + n_steps - 1};
  m.moving = moving;
  l->set = set;
  for (int i = 0; i < n_steps; i++) {
    add_operation(&m, &group->steps[i]);
    m.here = group->n_in + i;
    if (i < n_steps - 1 && is_read_later(group, n_steps, i)) add(&m, l->set->store, m.here);
  }
  add(&m, l->set->finish, m.last);
}

void wr_lanes_make(struct wr_lanes *l, const struct wr_group *group, int n_steps, unsigned moving) {
  wr_lanes_make_of(best_set(group->in[0].dtype), l, group, n_steps, moving);
}

void wr_lanes_run(const struct wr_lanes *l, char *const *value, int64_t n) {
  l->set->run(l, value, n);
}
