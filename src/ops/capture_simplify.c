/* Captures made smaller: of operations with the same parameters on the same values one is enough,
   and so it is of scalars; views of one input that stop gradients, or stand for it, are their
   input. Nothing is computed otherwise than before. One walk along the steps. No locks. */

#include <string.h>

#include "ops/again.h"
#include "ops/capture_internal.h"
#include "ops/internal.h"

struct simpler {
  const struct wr_capture *c;
  uint32_t *same;  /* of each value: the first that is equal to it, perhaps itself */
  uint32_t *table; /* steps by what they do, one more than their number; 0: free */
  size_t room;     /* a power of two, more than twice the steps */
};

/* ---- scalars ---- */

/* Functions have few that differ. */
static void merge_constants(struct simpler *s) {
  enum { FAR = 64 };
  const uint32_t first = wr_capture_first_constant(s->c);
  for (uint32_t i = 0; i < s->c->n_constants; i++) {
    for (uint32_t k = i > FAR ? i - FAR : 0; k < i; k++) {
      if (!wr_capture_equal_scalars(s->c->constants[k], s->c->constants[i])) continue;
      s->same[first + i] = s->same[first + k];
      break;
    }
  }
}

/* ---- steps ---- */

static uint32_t read_by(const struct simpler *s, const struct wr_capture_step *step, uint32_t k) {
  return s->same[s->c->in[step->first_in + k]];
}

static struct wr_record record_of(const struct simpler *s, const struct wr_capture_step *step) {
  struct wr_node *first = NULL;
  if (step->n_in) first = wr_capture_value(s->c, s->c->in[step->first_in]);
  return wr_ops_record_of(step->like, &first, step->n_in ? 1 : 0, NULL);
}

static uint64_t mixed(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
  return hash ^ hash >> 29;
}

static uint64_t hash_of(const struct simpler *s, const struct wr_capture_step *step) {
  const struct wr_record r = record_of(s, step);
  uint64_t hash = mixed((uint64_t)r.op << 8 | (uint64_t)r.dtype, (uint64_t)r.ndim);
  for (int i = 0; i < r.ndim; i++) hash = mixed(hash, (uint64_t)r.shape[i]);
  for (uint32_t k = 0; k < step->n_in; k++) hash = mixed(hash, read_by(s, step, k));
  for (size_t i = 0; i < r.params_bytes; i++) hash = mixed(hash, ((const uint8_t *)r.params)[i]);
  return hash;
}

static bool do_the_same(const struct simpler *s, const struct wr_capture_step *a,
                        const struct wr_capture_step *b) {
  const struct wr_record x = record_of(s, a), y = record_of(s, b);
  if (x.op != y.op || x.dtype != y.dtype || a->n_in != b->n_in || a->stream != b->stream ||
      a->device.type != b->device.type || a->device.index != b->device.index ||
      x.params_bytes != y.params_bytes || !wr_shape_equal(x.shape, x.ndim, y.shape, y.ndim)) {
    return false;
  }
  for (uint32_t k = 0; k < a->n_in; k++) {
    if (read_by(s, a, k) != read_by(s, b, k)) return false;
  }
  return x.params_bytes == 0 || memcmp(x.params, y.params, x.params_bytes) == 0;
}

/* The number of an earlier step that does the same, or the step's own, which is noted. What a
   module above runs is left alone. */
static uint32_t first_like(struct simpler *s, uint32_t i) {
  const struct wr_capture_step *step = &s->c->steps[i];
  if (wr_node_op(step->like) == WR_OP_CALL) return i;
  size_t at = (size_t)hash_of(s, step) & (s->room - 1);
  for (; s->table[at]; at = (at + 1) & (s->room - 1)) {
    if (do_the_same(s, &s->c->steps[s->table[at] - 1], step)) return s->table[at] - 1;
  }
  s->table[at] = i + 1;
  return i;
}

/* In the graph they are arrays of their own; in a capture nobody tells them from their input. What
   waits for others too stays. */
static bool is_alias(const struct wr_capture_step *step) {
  const enum wr_op op = wr_node_op(step->like);
  return step->n_in == 1 && (op == WR_OP_DEPENDS || op == WR_OP_STOP_GRADIENT);
}

static void merge_steps(struct simpler *s) {
  const uint32_t first = wr_capture_first_step(s->c);
  for (uint32_t i = 0; i < s->c->n_steps; i++) {
    const struct wr_capture_step *step = &s->c->steps[i];
    if (is_alias(step)) {
      s->same[first + i] = read_by(s, step, 0);
    } else {
      s->same[first + i] = s->same[first + first_like(s, i)];
    }
  }
}

static bool set_up(struct simpler *s) {
  const size_t values = wr_capture_values(s->c);
  s->room = 4;
  while (s->room <= 2 * (size_t)s->c->n_steps) s->room *= 2;
  s->same = wr_alloc((values + 1) * sizeof *s->same);
  s->table = wr_calloc(s->room * sizeof *s->table);
  for (size_t i = 0; s->same && i < values; i++) s->same[i] = (uint32_t)i;
  return s->same && s->table;
}

struct wr_error *wr_capture_simplify(struct wr_capture **out, struct wr_capture *c) {
  struct simpler s = {.c = c};
  struct wr_error *error = set_up(&s) ? NULL : wr_error_out_of_memory();
  if (!error) {
    merge_constants(&s);
    merge_steps(&s);
    error = wr_capture_reduced(out, c, s.same);
  }
  wr_free(s.same);
  wr_free(s.table);
  return error;
}
