/* Running a group's program over a part of the result, tile by tile (fused.c says what lies where).
   No allocation, no locks. */

#include "backend/cpu/fused.h"

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
    if (p->layout[i] == WR_FUSED_SCALAR) spread_scalar(part, i, end - begin);
    if (p->layout[i] == WR_FUSED_WALKED) wr_cursor_start(&part->cursor[i], &p->walk[i], begin, end);
  }
  for (int v = n_in; v < wr_fused_last(p); v++) part->value[v] = slot_address(part, v);
  for (int k = 0; k < WR_LANES_ROOMS; k++) part->value[wr_fused_last(p) + 1 + k] = part->rooms[k];
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
    if (p->layout[i] == WR_FUSED_DENSE) part->value[i] = (char *)g->in[i].data + at * p->width[i];
    if (p->layout[i] == WR_FUSED_WALKED) part->value[i] = walk_on(part, i, n);
  }
}

static void run_steps(const struct wr_fused_part *part, int64_t n) {
  const struct wr_fused_program *p = part->program;
  const struct wr_group *g = p->group;
  struct wr_row row = {.stride = {1, 1, 1}, .n = n};
  for (int i = 0; i < p->n_steps; i++) {
    const struct wr_group_step *step = &g->steps[i];
    /* What a step does not have must not be the last one's: rows ask for it (float16_rows.c). */
    for (int k = 0; k < WR_LOOP_INPUTS; k++) {
      row.in[k] = k < step->n_in ? part->value[step->in[k]] : NULL;
    }
    row.out = part->value[g->n_in + i];
    p->row[i](&row);
  }
}

/* What moves, n elements on. */
static void move_on(struct wr_fused_part *part, int64_t n) {
  const struct wr_fused_program *p = part->program;
  for (int i = 0; i < p->group->n_in; i++) {
    if (p->layout[i] != WR_FUSED_SCALAR) part->value[i] += n * p->width[i];
  }
  part->value[wr_fused_last(p)] += n * p->width[wr_fused_last(p)];
}

/* By whole blocks first; what is left is less than one. */
static void run_stretch(struct wr_fused_part *part, int64_t n) {
  const struct wr_fused_program *p = part->program;
  const int64_t whole = p->block > 0 ? n - n % p->block : 0;
  if (whole > 0) wr_lanes_run(&p->lanes, part->value, whole);
  if (whole == n) return;
  if (whole > 0) move_on(part, whole);
  run_steps(part, n - whole);
}

void wr_fused_run(struct wr_fused_part *part, int64_t at, int64_t n, char *out) {
  const struct wr_fused_program *p = part->program;
  const int last = wr_fused_last(p);
  for (int64_t done = 0; done < n; done += p->stretch) {
    int64_t m = n - done < p->stretch ? n - done : p->stretch;
    place_inputs(part, at + done, m);
    part->value[last] = out + done * p->width[last];
    run_stretch(part, m);
  }
}
