/* Writes the CUDA source of a group. It has one function that computes the steps for one element,
   each step by the same function as in the operation's own kernel, and each value rounded to its
   type; and kernels that call it: two that go over elements, or one that goes over rows. The text
   depends on the group's form alone. Extents and strides are arguments of the kernels; so is,
   except for rows, which inputs have a single element for all. No locks, no allocation. */

#include <stdarg.h>
#include <stdio.h>

#include "backend/cuda/codegen/internal.h"

struct text {
  char *at;
  size_t left;
};

/* Appends to the text, of which WR_GROUP_TEXT bytes hold every group; were one too long it would be
   cut, and then not compile. */
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

/* Appends `before`, its number and `after` for each input. */
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

/* Code that reads PACK elements of an input: neighbours, or one element that stands for all. */
static void put_fetch(struct text *t, size_t k) {
  put(t, "enum { PACK = %d };\n", (int)k);
  put(t,
      "template <class E>\n"
      "INLINE pack<E, PACK> fetch(const E *p, i64 i, bool scalar) {\n"
      "  if (!scalar) return ((const pack<E, PACK> *)p)[i];\n"
      "  pack<E, PACK> x;\n"
      "  for (int k = 0; k < PACK; k++) x.e[k] = *p;\n"
      "  return x;\n}\n");
}

/* The kernel for inputs of which each is dense or a single element, as its bit in `scalars` says.
 */
static void put_dense(struct text *t, const struct wr_group *g) {
  put_head(t, g, "dense");
  put(t,
      ", index_t n, u32 scalars) {\n"
      "  const index_t packs = n / PACK;\n"
      "  for (index_t i = thread_index(); i < packs; i += thread_count()) {\n");
  for (int i = 0; i < g->n_in; i++) {
    put(t, "    const pack<A%d, PACK> x%d = fetch(a%d, i, scalars >> %d & 1u);\n", i, i, i, i);
  }
  put(t,
      "    pack<R, PACK> y;\n#pragma unroll\n    for (int k = 0; k < PACK; k++) y.e[k] = apply(");
  put_list(t, g, ", ", "x", ".e[k]");
  put(t,
      ");\n    ((pack<R, PACK> *)out)[i] = y;\n  }\n"
      "  const index_t r = packs * PACK + thread_index();\n  if (r < n) out[r] = apply(");
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

/* ---- rows ---- */

/* Functions that read each input along a row: by packs, or one element at a time by its stride. */
static void put_reads(struct text *t, const struct wr_group_form *f) {
  for (int i = 0; i < f->group->n_in; i++) {
    if (!f->packed) {
      put(t, "      x.x%d.e[0] = a%d[at[%d]];\n", i, i, i);
    } else {
      put(t, "      x.x%d = fetch(a%d, i, %s);\n", i, i, f->scalars >> i & 1u ? "true" : "false");
    }
  }
}

static void put_one(struct text *t, const struct wr_group_form *f) {
  if (!f->packed) {
    put(t, "value(packs(j), 0)");
    return;
  }
  put(t, "apply(");
  for (int i = 0; i < f->group->n_in; i++) {
    put(t, "%sa%d[%s]", i > 0 ? ", " : "", i, f->scalars >> i & 1u ? "0" : "j");
  }
  put(t, ")");
}

/* The struct of a row: where its inputs begin, and their strides where they are needed. */
static void put_row(struct text *t, const struct wr_group_form *f) {
  const int n = f->group->n_in;
  put(t, "  struct row {\n");
  for (int i = 0; i < n; i++) put(t, "    const A%d *a%d;\n", i, i);
  if (!f->packed) put(t, "    const layout<%d> &along;\n", n);
  put(t, "    INLINE raw packs(i64 i) const {\n      raw x;\n");
  if (!f->packed) put(t, "      i64 at[%d];\n      offsets_of<%d>(along, (index_t)i, at);\n", n, n);
  put_reads(t, f);
  put(t, "      return x;\n    }\n    INLINE R one(i64 j) const { return ");
  put_one(t, f);
  put(t, "; }\n  };\n");
}

/* The class of rows that kernels/rows.cuh describes. A thread reads about 64 bytes ahead. */
static void put_rows_class(struct text *t, const struct wr_group_form *f) {
  const struct wr_group *g = f->group;
  const int n = g->n_in;
  put(t, "struct group_rows {\n  enum { Q = %s, AHEAD = %d };\n", f->packed ? "PACK" : "1",
      n == 1   ? 4
      : n <= 3 ? 2
               : 1);
  put(t, "  struct raw {\n");
  for (int i = 0; i < n; i++) put(t, "    pack<A%d, Q> x%d;\n", i, i);
  put(t, "  };\n");
  put_row(t, f);
  for (int i = 0; i < n; i++) put(t, "  const A%d *a%d;\n", i, i);
  put(t, "  const layout<%d> &kept;\n", n);
  if (!f->packed) put(t, "  const layout<%d> &along;\n", n);
  put(t, "  INLINE row of(index_t r) const {\n    i64 at[%d];\n", n);
  put(t, "    offsets_of<%d>(kept, r, at);\n    return {", n);
  for (int i = 0; i < n; i++) put(t, "%sa%d + at[%d]", i > 0 ? ", " : "", i, i);
  put(t, f->packed ? "};\n  }\n" : ", along};\n  }\n");
  put(t, "  static INLINE R value(const raw &x, int q) { return apply(");
  put_list(t, g, ", ", "x.x", ".e[q]");
  put(t, "); }\n};\n");
}

static void put_rows(struct text *t, const struct wr_group_form *f) {
  static const struct {
    const char *out, *extents, *call;
    int threads;
  } ways[] = {
      [WR_GROUP_ROWS_BY_PACKS] = {"target to", "index_t rows, i64 n, i64 per_split",
                                  "reduce_packs(to, from, rows, n, per_split)", 256},
      [WR_GROUP_ROWS] = {"target to", "index_t rows, i64 n, i64 per_split",
                         "reduce_rows(to, from, rows, n, per_split)", 256},
      [WR_GROUP_SHORT_ROWS] = {"target to", "index_t rows, i64 n",
                               "reduce_short_rows(to, from, rows, n)", 256},
      [WR_GROUP_SOFTMAX_1] = {"R *to", "i64 rows, i64 n", "softmax_rows<1>(to, from, rows, n)",
                              1024},
      [WR_GROUP_SOFTMAX_4] = {"R *to", "i64 rows, i64 n", "softmax_rows<4>(to, from, rows, n)",
                              1024},
  };
  const struct wr_group *g = f->group;
  put(t, "extern \"C\" __global__ void __launch_bounds__(%d) rows(%s", ways[f->way].threads,
      ways[f->way].out);
  for (int i = 0; i < g->n_in; i++) put(t, ", const A%d *a%d", i, i);
  put(t, ", const __grid_constant__ layout<%d> kept", g->n_in);
  if (!f->packed) put(t, ", const __grid_constant__ layout<%d> along", g->n_in);
  put(t, ", %s) {\n  const group_rows from = {", ways[f->way].extents);
  put_list(t, g, "", "a", ", ");
  put(t, f->packed ? "kept};\n" : "kept, along};\n");
  put(t, "  %s;\n}\n", ways[f->way].call);
}

/* ---- the whole ---- */

static bool is_softmax(enum wr_group_way way) {
  return way == WR_GROUP_SOFTMAX_1 || way == WR_GROUP_SOFTMAX_4;
}

const char *wr_group_entry(enum wr_group_way way, int entry) {
  static const char *const each[] = {"dense", "strided"}, *const rows[] = {"rows", NULL};
  return entry < WR_GROUP_ENTRIES ? (way == WR_GROUP_EACH ? each : rows)[entry] : NULL;
}

size_t wr_group_pack(const struct wr_group_form *f) {
  const struct wr_group *g = f->group;
  size_t widest = wr_dtype_size((enum wr_dtype)g->steps[wr_group_steps(f) - 1].dtype);
  for (int i = 0; i < g->n_in; i++) {
    size_t size = wr_dtype_size(g->in[i].dtype);
    if (size > widest) widest = size;
  }
  return 16 / widest;
}

/* Without rows, the width of indices is all that the options of the compiler depend on. */
struct wr_module_id wr_group_module(const struct wr_group_form *f) {
  const struct wr_group_step *last = &f->group->steps[wr_group_steps(f) - 1];
  const struct wr_group_step *end = &f->group->steps[f->group->n_steps - 1];
  if (f->way == WR_GROUP_EACH) {
    return (struct wr_module_id){WR_SOURCE_UNARY, WR_OP_ABS, WR_FLOAT32, WR_FLOAT32, f->big, 0};
  }
  const enum wr_source source = is_softmax(f->way) ? WR_SOURCE_SOFTMAX : WR_SOURCE_REDUCE;
  return (struct wr_module_id){(uint8_t)source, (uint8_t)end->op, last->dtype,
                               end->dtype,      f->big,           0};
}

void wr_group_source(const struct wr_group_form *f, char text[WR_GROUP_TEXT]) {
  struct text t = {.at = text, .left = WR_GROUP_TEXT};
  put(&t, "#include \"types.cuh\"\n#include \"scalar.cuh\"\n#include \"cast.cuh\"\n");
  if (f->way != WR_GROUP_EACH) {
    put(&t, "#include \"rows.cuh\"\n#include \"%s\"\n",
        is_softmax(f->way) ? "softmax.cuh"
                           : "blocks.cuh\"\n#include \"totals.cuh\"\n#include \"reduce.cuh");
  }
  put_apply(&t, f->group, wr_group_steps(f));
  put_fetch(&t, wr_group_pack(f));
  if (f->way == WR_GROUP_EACH) {
    put_dense(&t, f->group);
    put_strided(&t, f->group);
  } else {
    put_rows_class(&t, f);
    put_rows(&t, f);
  }
}
