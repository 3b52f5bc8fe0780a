/* Elementwise operations of two and three inputs on the GPU against the CPU: every operation and
   dtype, with inputs of the same and of different forms. */

#include "gpu_case.h"

static enum wr_dtype result_of(enum wr_op op, enum wr_dtype t) {
  bool predicate =
      wr_op_info(op)->rule == WR_RULE_COMPARE || wr_op_info(op)->rule == WR_RULE_LOGICAL;
  return predicate ? WR_BOOL : t;
}

/* One element for all. */
static struct wr_node *constant(enum wr_dtype t, uint32_t seed) {
  return gpu_case_view(gpu_case_array(t, 0, NULL, seed, false), 2, (const int32_t[]){17, 23},
                       (const int64_t[]){0, 0}, 0);
}

/* Takes the inputs. */
static void one(enum wr_op op, enum wr_dtype t, struct wr_node *a, struct wr_node *b,
                const char *form) {
  char what[128];
  struct wr_node *in[] = {a, b};
  snprintf(what, sizeof what, "%s of %s, %s", wr_op_info(op)->name, wr_dtype_name(t), form);
  const struct gpu_case c = {.op = op,
                             .dtype = result_of(op, t),
                             .ndim = wr_node_ndim(a),
                             .shape = wr_node_shape(a),
                             .n_in = 2,
                             .in = in,
                             .tolerance = t == WR_COMPLEX64 ? 1e-3 : 0};
  gpu_case_run(&c, what);
  wr_node_release(a);
  wr_node_release(b);
}

static void all_forms(enum wr_op op, enum wr_dtype t) {
  /* Powers of huge numbers and remainders of them by tiny ones have no digits left. */
  bool odd = !(wr_dtype_is_floating(t) && (op == WR_OP_POWER || op == WR_OP_REMAINDER));
  for (int form = 0; form < GPU_FORMS; form++) {
    char name[32];
    snprintf(name, sizeof name, "form %d", form);
    one(op, t, gpu_case_form_array((enum gpu_case_form)form, t, 3u, odd),
        gpu_case_form_array((enum gpu_case_form)form, t, 4u, odd), name);
  }
  one(op, t, constant(t, 5u), gpu_case_form_array(GPU_DENSE, t, 6u, odd), "one for all, left");
  one(op, t, gpu_case_form_array(GPU_DENSE, t, 7u, odd), constant(t, 8u), "one for all, right");
  one(op, t, gpu_case_form_array(GPU_TURNED, t, 9u, odd),
      gpu_case_form_array(GPU_BROADCAST, t, 10u, odd), "mixed");
}

static void where(enum wr_dtype t) {
  for (int form = 0; form < GPU_FORMS; form++) {
    char what[64];
    struct wr_node *in[] = {gpu_case_form_array((enum gpu_case_form)form, WR_BOOL, 1u, false),
                            gpu_case_form_array((enum gpu_case_form)form, t, 2u, true),
                            gpu_case_form_array((enum gpu_case_form)form, t, 3u, true)};
    snprintf(what, sizeof what, "where of %s, form %d", wr_dtype_name(t), form);
    const struct gpu_case c = {.op = WR_OP_WHERE,
                               .dtype = t,
                               .ndim = wr_node_ndim(in[0]),
                               .shape = wr_node_shape(in[0]),
                               .n_in = 3,
                               .in = in};
    gpu_case_run(&c, what);
    for (int i = 0; i < 3; i++) wr_node_release(in[i]);
  }
}

int main(void) {
  if (!gpu_case_start()) return GPU_CASE_SKIPPED;
  const struct wr_backend *gpu = wr_backend_for(WR_DEVICE_GPU);
  for (int i = 0; i < WR_DTYPE_COUNT; i++) {
    enum wr_dtype t = (enum wr_dtype)i;
    for (int op = WR_OP_ADD; op <= WR_OP_SUBTRACT; op++) {
      if (gpu->supports((enum wr_op)op, t)) all_forms((enum wr_op)op, t);
    }
    where(t);
  }
  return gpu_case_end();
}
