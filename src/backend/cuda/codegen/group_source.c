/* Writes the CUDA source of a group. It has one function that computes the steps for one element,
   each step by the same function as in the operation's own kernel, and each value rounded to its
   type; and kernels that call it: two that go over elements, or one that goes over packs of each
   row or over tiles, or one that makes something of each row. The text depends on the group's form
   alone. Extents and strides are arguments of the kernels; so is, except for rows, which inputs
   have a single element for all. Such a one may also be an argument by its value.

   Where steps draw random bits, the two words of one hash are those of an element in the first half
   of the result and of one in the second (threefry.cuh, random.cu): so a thread computes both.

   No locks, no allocation. */

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

bool wr_group_is_key(const struct wr_group *g, int input) {
  for (int i = 0; i < g->n_steps; i++) {
    if (g->steps[i].op == WR_OP_RANDOM_BITS && g->steps[i].in[0] == input) return true;
  }
  return false;
}

bool wr_group_draws(const struct wr_group *g) {
  int i = 0;
  while (i < g->n_steps && g->steps[i].op != WR_OP_RANDOM_BITS) i++;
  return i < g->n_steps;
}

static bool is_value(const struct wr_group_form *f, int input) {
  return (f->values >> input & 1u) != 0;
}

static bool is_turned(const struct wr_group_form *f, int input) {
  return (f->turned >> input & 1u) != 0;
}

static void put_step(struct text *t, const struct wr_group *g, int i) {
  const struct wr_group_step *s = &g->steps[i];
  const char *to = wr_type_name((enum wr_dtype)s->dtype), *from = type_of(g, s->in[0]);
  if (s->op == WR_OP_RANDOM_BITS) return;
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

static void put_separator(struct text *t, bool *begun) {
  if (*begun) put(t, ", ");
  *begun = true;
}

/* The function of one element: of its inputs but for keys, and of what was drawn for it. */
static void put_apply(struct text *t, const struct wr_group *g, int n_steps) {
  bool begun = false;
  for (int i = 0; i < g->n_in; i++) put(t, "typedef %s A%d;\n", type_of(g, i), i);
  put(t, "typedef %s R;\nINLINE R apply(", type_of(g, g->n_in + n_steps - 1));
  for (int i = 0; i < g->n_in; i++) {
    if (wr_group_is_key(g, i)) continue;
    put_separator(t, &begun);
    put(t, "A%d v%d", i, i);
  }
  for (int i = 0; i < n_steps; i++) {
    if (g->steps[i].op != WR_OP_RANDOM_BITS) continue;
    put_separator(t, &begun);
    put(t, "u32 v%d", g->n_in + i);
  }
  put(t, ") {\n");
  for (int i = 0; i < n_steps; i++) put_step(t, g, i);
  put(t, "  return v%d;\n}\n", g->n_in + n_steps - 1);
}

/* A call of it. An input that is no value is `before`, its number and `after`, or with `middle`
   that and the number once more in between; `word` says which of two words was drawn for the
   element. */
static void put_call(struct text *t, const struct wr_group_form *f, const char *before,
                     const char *middle, const char *after, const char *word) {
  const struct wr_group *g = f->group;
  bool begun = false;
  put(t, "apply(");
  for (int i = 0; i < g->n_in; i++) {
    if (wr_group_is_key(g, i)) continue;
    put_separator(t, &begun);
    if (is_value(f, i)) {
      put(t, "a%d", i);
      continue;
    }
    put(t, "%s%d", before, i);
    if (middle) put(t, "%s%d", middle, i);
    put(t, "%s", after);
  }
  for (int i = 0; i < wr_group_steps(f); i++) {
    if (g->steps[i].op != WR_OP_RANDOM_BITS) continue;
    put_separator(t, &begun);
    put(t, "w%d%s", i, word);
  }
  put(t, ")");
}

/* The head of a kernel over elements. */
static void put_head(struct text *t, const struct wr_group_form *f, const char *name) {
  const struct wr_group *g = f->group;
  put(t, "extern \"C\" __global__ void %s(R *out", name);
  for (int i = 0; i < g->n_in; i++) {
    const bool key = wr_group_is_key(g, i);
    if (is_value(f, i)) {
      put(t, key ? ", words a%d" : ", A%d a%d", i, i);
    } else {
      put(t, ", const A%d *a%d", i, i);
    }
  }
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

static void put_fetches(struct text *t, const struct wr_group_form *f, const char *half,
                        const char *at) {
  const struct wr_group *g = f->group;
  for (int i = 0; i < g->n_in; i++) {
    if (is_value(f, i) || wr_group_is_key(g, i)) continue;
    put(t, "    neighbours<A%d, PACK> x%d%s;\n", i, i, half);
    put(t,
        "    x%d%s.read(a%d + (scalars >> %d & 1u ? 0 : (i64)(%s) * PACK), scalars >> %d & 1u);\n",
        i, half, i, i, at, i);
  }
}

/* Up to the fetch of pack i; `counts` says how many there are. */
static void put_dense_head(struct text *t, const struct wr_group_form *f, const char *counts) {
  put_head(t, f, "dense");
  put(t,
      ", index_t n, u32 scalars) {\n"
      "  const index_t %s;\n"
      "  for (index_t i = thread_index(); i < packs; i += thread_count()) {\n",
      counts);
  put_fetches(t, f, "", "i");
}

/* The pack i of the result, up to the end of the loop. */
static void put_pack(struct text *t, const struct wr_group_form *f) {
  put(t, "    pack<R, PACK> y;\n#pragma unroll\n    for (int k = 0; k < PACK; k++) y.e[k] = ");
  put_call(t, f, "x", NULL, ".at(k)", "");
  put(t, ";\n    ((pack<R, PACK> *)out)[i] = y;\n  }\n");
}

/* The kernel for inputs of which each is dense or a single element, as its bit in `scalars` says.
 */
static void put_dense(struct text *t, const struct wr_group_form *f) {
  put_dense_head(t, f, "packs = n / PACK");
  put_pack(t, f);
  put(t, "  const index_t r = packs * PACK + thread_index();\n  if (r < n) out[r] = ");
  put_call(t, f, "a", "[scalars >> ", " & 1u ? 0 : r]", "");
  put(t, ";\n}\n");
}

/* The kernel for rows that are whole packs, along which each input is dense or a single element, as
   its stride says; n counts packs, and so does the layout's innermost axis. */
static void put_packs(struct text *t, const struct wr_group_form *f) {
  const struct wr_group *g = f->group;
  const int n = g->n_in;
  put_head(t, f, "packs");
  put(t,
      ", index_t n, const __grid_constant__ layout<%d> l) {\n"
      "  for (index_t i = thread_index(); i < n; i += thread_count()) {\n"
      "    i64 at[%d];\n    offsets_of<%d>(l, i, at);\n",
      n, n, n);
  for (int i = 0; i < n; i++) {
    if (is_value(f, i)) continue;
    put(t, "    neighbours<A%d, PACK> x%d;\n", i, i);
    put(t, "    x%d.read(a%d + at[%d], is_same_along(l, %d));\n", i, i, i, i);
  }
  put_pack(t, f);
  put(t, "}\n");
}

/* How many elements or packs a thread reads before it works on them. */
static int ahead_of(int inputs) { return inputs == 1 ? 4 : inputs <= 3 ? 2 : 1; }

/* The element of the index `at` of the layout, after `to`. */
static void put_element(struct text *t, const struct wr_group_form *f, const char *to,
                        const char *at, const char *word) {
  const int n = f->group->n_in;
  put(t, "{\n    i64 at[%d];\n    offsets_of<%d>(l, %s, at);\n    %s ", n, n, at, to);
  put_call(t, f, "a", "[at[", "]]", word);
  put(t, ";\n  }");
}

static void put_strided(struct text *t, const struct wr_group_form *f) {
  put_head(t, f, "strided");
  put(t,
      ", index_t n, layout<%d> l) {\n"
      "  fill<%d>(out, n, [&](index_t i) ",
      f->group->n_in, ahead_of(f->group->n_in));
  put_element(t, f, "return", "i", "");
  put(t, ");\n}\n");
}

/* ---- draws ---- */

/* What is drawn for a pair of elements: by each step the hash of two counters. */
static void put_hashes(struct text *t, const struct wr_group_form *f, const char *first,
                       const char *second) {
  const struct wr_group *g = f->group;
  for (int i = 0; i < wr_group_steps(f); i++) {
    const int key = g->steps[i].in[0];
    if (g->steps[i].op != WR_OP_RANDOM_BITS) continue;
    put(t, "    const words w%d = threefry(", i);
    if (is_value(f, key)) {
      put(t, "a%d.a, a%d.b", key, key);
    } else {
      put(t, "a%d[0], a%d[1]", key, key);
    }
    put(t, ", (u32)(%s), (u32)(%s));\n", first, second);
  }
}

/* Of a number of elements that is twice a number of packs. */
static void put_dense_draws(struct text *t, const struct wr_group_form *f) {
  put_dense_head(t, f, "pairs = n / 2, packs = pairs / PACK");
  put_fetches(t, f, "b", "packs + i");
  put(t, "    pack<R, PACK> y, z;\n#pragma unroll\n    for (int k = 0; k < PACK; k++) {\n");
  put_hashes(t, f, "i * PACK + k", "pairs + i * PACK + k");
  put(t, "    y.e[k] = ");
  put_call(t, f, "x", NULL, ".at(k)", ".a");
  put(t, ";\n    z.e[k] = ");
  put_call(t, f, "x", NULL, "b.at(k)", ".b");
  put(t,
      ";\n    }\n    ((pack<R, PACK> *)out)[i] = y;\n"
      "    ((pack<R, PACK> *)out)[packs + i] = z;\n  }\n}\n");
}

/* The second counter is 0 for the last pair of an odd number, whose other element is not there. */
static void put_strided_draws(struct text *t, const struct wr_group_form *f) {
  put_head(t, f, "strided");
  put(t,
      ", index_t n, layout<%d> l) {\n"
      "  const index_t half = n / 2, pairs = half + n %% 2;\n"
      "  for (index_t i = thread_index(); i < pairs; i += thread_count()) {\n",
      f->group->n_in);
  put_hashes(t, f, "i", "i < half ? pairs + i : 0");
  put(t, "  ");
  put_element(t, f, "out[i] =", "i", ".a");
  put(t, "\n  if (i < half) ");
  put_element(t, f, "out[pairs + i] =", "pairs + i", ".b");
  put(t, "\n  }\n}\n");
}

/* ---- tiles ---- */

/* Reads of the inputs that are turned, all before any of them is kept; or of those that are not. */
static void put_tiles(struct text *t, const struct wr_group_form *f, bool turned) {
  for (int i = 0; i < f->group->n_in; i++) {
    if (is_value(f, i) || is_turned(f, i) != turned) continue;
    put(t, "  held_tile<A%d, TURN> %c%d;\n  ", i, turned ? 'h' : 'x', i);
    if (turned) {
      put(t, "h%d.read(a%d + p.at[%d], p.col_step(%d), 1, p.cols, p.rows);\n", i, i, i, i);
    } else {
      put(t, "x%d.read(a%d + p.at[%d], p.row_step(%d), p.col_step(%d), p.rows, p.cols);\n", i, i, i,
          i, i);
    }
  }
  for (int i = 0; i < f->group->n_in && turned; i++) {
    if (is_turned(f, i)) put(t, "  h%d.put(x%d);\n", i, i);
  }
}

/* The kernel for inputs of which some are turned, a block for each tile; the layout has the result
   behind the inputs. */
static void put_turned(struct text *t, const struct wr_group_form *f) {
  const int n = f->group->n_in;
  put(t, "enum { TURN = %d };\n", wr_group_tile(f));
  put_head(t, f, "__launch_bounds__(LANES * ROWS) turned");
  put(t, ", const __grid_constant__ layout<%d> l) {\n  const tile_of<%d, TURN> p(l);\n", n + 1,
      n + 1);
  for (int i = 0; i < n; i++) {
    if (is_turned(f, i)) put(t, "  __shared__ shared_tile<A%d, TURN> x%d;\n", i, i);
  }
  put_tiles(t, f, true);
  put(t, "  __syncthreads();\n");
  put_tiles(t, f, false);
  put(t,
      "  R *to = out + p.at[%d];\n"
      "  const i64 step = p.row_step(%d);\n"
      "  each_place_of<TURN>(p.rows, p.cols, [&](int i, int j, int k) {\n"
      "    to[i * step + j] = ",
      n, n);
  put_call(t, f, "x", NULL, ".at(i, j, k)", "");
  put(t, ";\n  });\n}\n");
}

/* ---- rows ---- */

/* Appends `before`, its number and `after` for each input. */
static void put_list(struct text *t, const struct wr_group *g, const char *separator,
                     const char *before, const char *after) {
  for (int i = 0; i < g->n_in; i++) {
    put(t, "%s%s%d%s", i > 0 ? separator : "", before, i, after);
  }
}

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

/* The class of rows that kernels/rows.cuh describes. */
static void put_rows_class(struct text *t, const struct wr_group_form *f) {
  const struct wr_group *g = f->group;
  const int n = g->n_in;
  put(t, "struct group_rows {\n  enum { Q = %s, AHEAD = %d };\n", f->packed ? "PACK" : "1",
      ahead_of(n));
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
      [WR_GROUP_ROWS_BY_TURNS] = {"target to", "index_t rows, i64 n",
                                  "reduce_turns(to, from, rows, n)", 256},
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

const char *wr_group_entry(const struct wr_group_form *f, int entry) {
  static const char *const each[] = {"dense", "strided"}, *const packs[] = {"packs", NULL},
                           *const turned[] = {"turned", NULL}, *const rows[] = {"rows", NULL};
  if (entry >= WR_GROUP_ENTRIES) return NULL;
  if (f->way != WR_GROUP_EACH) return rows[entry];
  return (f->turned ? turned : f->packed ? packs : each)[entry];
}

size_t wr_group_pack(const struct wr_group_form *f) {
  const struct wr_group *g = f->group;
  const size_t result = wr_dtype_size((enum wr_dtype)g->steps[wr_group_steps(f) - 1].dtype);
  size_t widest = result;
  for (int i = 0; i < g->n_in; i++) {
    const size_t size = wr_dtype_size(g->in[i].dtype);
    if (size > widest && !is_value(f, i)) widest = size;
  }
  return f->way == WR_GROUP_EACH ? wr_pack_count(result, widest, 32) : 16 / widest;
}

int wr_group_tile(const struct wr_group_form *f) {
  size_t widest = 0;
  for (int i = 0; i < f->group->n_in; i++) {
    const size_t size = wr_dtype_size(f->group->in[i].dtype);
    if (is_turned(f, i) && size > widest) widest = size;
  }
  return widest <= 4 ? 64 : 32;
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
  const bool draws = wr_group_draws(f->group);
  put(&t, "#include \"types.cuh\"\n#include \"scalar.cuh\"\n#include \"cast.cuh\"\n");
  if (draws) put(&t, "#include \"threefry.cuh\"\n");
  if (f->way != WR_GROUP_EACH) {
    put(&t, "#include \"rows.cuh\"\n#include \"%s\"\n",
        is_softmax(f->way) ? "softmax.cuh"
                           : "blocks.cuh\"\n#include \"totals.cuh\"\n#include \"reduce.cuh");
  }
  if (f->turned) put(&t, "#include \"turned.cuh\"\n");
  put_apply(&t, f->group, wr_group_steps(f));
  put_fetch(&t, wr_group_pack(f));
  if (f->turned) {
    put_turned(&t, f);
  } else if (f->way == WR_GROUP_EACH && f->packed) {
    put_packs(&t, f);
  } else if (f->way == WR_GROUP_EACH) {
    (draws ? put_dense_draws : put_dense)(&t, f);
    (draws ? put_strided_draws : put_strided)(&t, f);
  } else {
    put_rows_class(&t, f);
    put_rows(&t, f);
  }
}
