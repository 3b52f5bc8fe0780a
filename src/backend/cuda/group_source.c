/* A group as CUDA source: one function that applies its steps to the inputs' elements, each step
   by the very function that the operation's own kernel applies, each value rounded to its own type;
   and two kernels around it. The text depends on operations and dtypes alone: extents, strides and
   which inputs are a single element for all are arguments. No locks, no allocation. */

#include <stdarg.h>
#include <stdio.h>

#include "backend/cuda/kernel.h"

struct text {
  char *at;
  size_t left;
};

/* What does not fit would be cut and then not compile; WR_GROUP_TEXT has room for every group. */
__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(t->at, t->left, format, args);
  va_end(args);
  size_t written = n < 0 ? 0 : (size_t)n < t->left ? (size_t)n : t->left - 1;
  t->at += written;
  t->left -= written;
}

static const char *type_of(const struct wr_group *g, int value) {
  return wr_type_name(value < g->n_in ? g->in[value].dtype
                                      : (enum wr_dtype)g->steps[value - g->n_in].dtype);
}

static void put_step(struct text *t, const struct wr_group *g, int i) {
  const struct wr_group_step *s = &g->steps[i];
  const char *to = wr_type_name((enum wr_dtype)s->dtype), *from = type_of(g, s->in[0]);
  put(t, "  const %s v%d = ", to, g->n_in + i);
  if (s->op == WR_OP_WHERE) {
    put(t, "load<b8>(v%d) ? v%d : v%d;\n", s->in[0], s->in[1], s->in[2]);
  } else if (s->op == WR_OP_ASTYPE) {
    put(t, "cast_to<%s>::of(load<%s>(v%d));\n", to, from, s->in[0]);
  } else {
    put(t, "store_as<%s>::of(op_%s(load<%s>(v%d)", to, wr_op_info((enum wr_op)s->op)->name, from,
        s->in[0]);
    if (s->n_in == 2) put(t, ", load<%s>(v%d)", type_of(g, s->in[1]), s->in[1]);
    put(t, "));\n");
  }
}

/* `before`, the number and `after` for each input. */
static void put_list(struct text *t, const struct wr_group *g, const char *separator,
                     const char *before, const char *after) {
  for (int i = 0; i < g->n_in; i++) {
    put(t, "%s%s%d%s", i > 0 ? separator : "", before, i, after);
  }
}

static void put_apply(struct text *t, const struct wr_group *g, int n_steps) {
  for (int i = 0; i < g->n_in; i++) put(t, "typedef %s A%d;\n", type_of(g, i), i);
  put(t, "typedef %s R;\nINLINE R apply(", type_of(g, g->n_in + n_steps - 1));
  for (int i = 0; i < g->n_in; i++) put(t, "%sA%d v%d", i > 0 ? ", " : "", i, i);
  put(t, ") {\n");
  for (int i = 0; i < n_steps; i++) put_step(t, g, i);
  put(t, "  return v%d;\n}\n", g->n_in + n_steps - 1);
}

static void put_head(struct text *t, const struct wr_group *g, const char *name) {
  put(t, "extern \"C\" __global__ void %s(R *out", name);
  for (int i = 0; i < g->n_in; i++) put(t, ", const A%d *a%d", i, i);
}

/* Every input is dense, or has its bit in `scalars`: the same for all threads. */
static void put_dense(struct text *t, const struct wr_group *g, size_t k) {
  put(t, "enum { K = %d };\n", (int)k);
  put(t,
      "template <class E>\n"
      "INLINE pack<E, K> fetch(const E *p, index_t i, bool scalar) {\n"
      "  if (!scalar) return ((const pack<E, K> *)p)[i];\n"
      "  pack<E, K> x;\n"
      "  for (int k = 0; k < K; k++) x.e[k] = *p;\n"
      "  return x;\n}\n");
  put_head(t, g, "dense");
  put(t,
      ", index_t n, u32 scalars) {\n"
      "  const index_t packs = n / K;\n"
      "  for (index_t i = thread_index(); i < packs; i += thread_count()) {\n");
  for (int i = 0; i < g->n_in; i++) {
    put(t, "    const pack<A%d, K> x%d = fetch<A%d>(a%d, i, scalars >> %d & 1u);\n", i, i, i, i, i);
  }
  put(t, "    pack<R, K> y;\n#pragma unroll\n    for (int k = 0; k < K; k++) y.e[k] = apply(");
  put_list(t, g, ", ", "x", ".e[k]");
  put(t,
      ");\n    ((pack<R, K> *)out)[i] = y;\n  }\n"
      "  const index_t r = packs * K + thread_index();\n  if (r < n) out[r] = apply(");
  for (int i = 0; i < g->n_in; i++) {
    put(t, "%sa%d[scalars >> %d & 1u ? 0 : r]", i > 0 ? ", " : "", i, i);
  }
  put(t, ");\n}\n");
}

static void put_strided(struct text *t, const struct wr_group *g) {
  put_head(t, g, "strided");
  put(t,
      ", index_t n, layout<%d> l) {\n"
      "  for (index_t i = thread_index(); i < n; i += thread_count()) {\n"
      "    i64 at[%d];\n    offsets_of<%d>(l, i, at);\n    out[i] = apply(",
      g->n_in, g->n_in, g->n_in);
  for (int i = 0; i < g->n_in; i++) put(t, "%sa%d[at[%d]]", i > 0 ? ", " : "", i, i);
  put(t, ");\n  }\n}\n");
}

size_t wr_group_pack(const struct wr_group *g, int n_steps) {
  size_t widest = wr_dtype_size((enum wr_dtype)g->steps[n_steps - 1].dtype);
  for (int i = 0; i < g->n_in; i++) {
    size_t size = wr_dtype_size(g->in[i].dtype);
    if (size > widest) widest = size;
  }
  return 16 / widest;
}

void wr_group_source(const struct wr_group *group, int n_steps, char text[WR_GROUP_TEXT]) {
  struct text t = {.at = text, .left = WR_GROUP_TEXT};
  put(&t, "#include \"types.cuh\"\n#include \"scalar.cuh\"\n#include \"cast.cuh\"\n");
  put_apply(&t, group, n_steps);
  put_dense(&t, group, wr_group_pack(group, n_steps));
  put_strided(&t, group);
}
