/* Graphs as text. What arrays are made of comes from graph/history.h; here it is gone through as
   MLX goes, depth first and inputs before what reads them, so that names fall on the same arrays.
   Results of one command are shown as what that operation gives, and its block of bytes is not. No
   locks. */

#include "mlx/c/graph_utils.h"

#include <inttypes.h>
#include <string.h>

#include "api/api.h"
#include "base/base.h"
#include "base/bytes.h"
#include "base/grow.h"
#include "base/numbers.h"
#include "base/text.h"
#include "core/shape.h"
#include "graph/history.h"
#include "ops/primitive.h"

/* ---- names ---- */

struct named {
  const void *what;     /* a node, or one of several results that nobody has */
  struct wr_node *held; /* a reference, so that no other array comes to that address; or NULL */
  char *name;
};

/* In the order in which they were named. */
struct names {
  struct named *list;
  size_t count, room;
  struct wr_numbers numbers; /* of what is named, in the list */
};

struct namer {
  struct wr_kind_word kind;
  struct names names;
};

static void names_end(struct names *n) {
  wr_free_scope_enter();
  for (size_t i = 0; i < n->count; i++) {
    wr_node_release(n->list[i].held);
    wr_free(n->list[i].name);
  }
  wr_free_scope_leave();
  wr_free(n->list);
  wr_numbers_end(&n->numbers);
}

static struct named *find(const struct names *n, const void *what) {
  const uint32_t i = wr_numbers_find(&n->numbers, what);
  return i == UINT32_MAX ? NULL : &n->list[i];
}

/* NULL when memory is refused. */
static struct named *add(struct names *n, const void *what, struct wr_node *held,
                         const char *name) {
  if (!wr_grow(&n->list, &n->room, n->count + 1, 32, sizeof *n->list)) return NULL;
  char *copy = wr_text_copy(name);
  uint32_t number = (uint32_t)n->count;
  if (!copy || !wr_numbers_add(&n->numbers, what, &number)) {
    wr_free(copy);
    return NULL;
  }
  n->list[n->count] = (struct named){what, held ? wr_node_retain(held) : NULL, copy};
  return &n->list[n->count++];
}

/* The n-th of A, B, .. Z, AA, AB, .., from 1. */
static void letters(char out[24], size_t n) {
  char back[24];
  int length = 0;
  for (; n > 0; n = (n - 1) / 26) back[length++] = (char)('A' + (n - 1) % 26);
  for (int i = 0; i < length; i++) out[i] = back[length - 1 - i];
  out[length] = '\0';
}

static const char *name_of(struct names *n, const void *what, struct wr_node *held) {
  char text[24];
  const struct named *known = find(n, what);
  if (!known) {
    letters(text, n->count + 1);
    known = add(n, what, held, text);
  }
  return known ? known->name : NULL;
}

static struct namer *namer_of(mlx_node_namer namer, struct wr_error **error) {
  return wr_api_object(namer.ctx, WR_KIND_NAMER, "namer",
                       "is empty: expected a non-empty mlx_node_namer", error);
}

mlx_node_namer mlx_node_namer_new(void) {
  struct namer *namer = wr_calloc(sizeof *namer);
  if (namer) wr_kind_begin(&namer->kind, WR_KIND_NAMER);
  const mlx_node_namer made = {wr_api_give("mlx_node_namer_new", namer, WR_KIND_NAMER, NULL)};
  if (!made.ctx) wr_free(namer);
  return made;
}

static void namer_end(void *object) {
  struct namer *namer = object;
  names_end(&namer->names);
  wr_free(namer);
}

int mlx_node_namer_free(mlx_node_namer namer) {
  return wr_api_free("mlx_node_namer_free", namer.ctx, WR_KIND_NAMER, "namer", namer_end);
}

int mlx_node_namer_set_name(mlx_node_namer namer, const mlx_array arr, const char *name) {
  struct wr_error *error = NULL;
  struct namer *n = namer_of(namer, &error);
  struct wr_node *node = wr_api_array(arr, "arr", &error);
  wr_api_result(name, "name", &error);
  if (error) return wr_api_fail("mlx_node_namer_set_name", error);
  struct named *known = find(&n->names, node);
  if (known) {
    char *copy = wr_text_copy(name);
    if (!copy) return wr_api_fail("mlx_node_namer_set_name", wr_error_out_of_memory());
    wr_free(known->name);
    known->name = copy;
  } else if (!add(&n->names, node, node, name)) {
    error = wr_error_out_of_memory();
  }
  return wr_api_return("mlx_node_namer_set_name", error);
}

int mlx_node_namer_get_name(const char **name, mlx_node_namer namer, const mlx_array arr) {
  struct wr_error *error = NULL;
  wr_api_result(name, "name", &error);
  struct namer *n = namer_of(namer, &error);
  struct wr_node *node = wr_api_array(arr, "arr", &error);
  const char *found = error ? NULL : name_of(&n->names, node, node);
  if (!error && !found) error = wr_error_out_of_memory();
  if (!error) *name = found;
  return wr_api_return("mlx_node_namer_get_name", error);
}

/* ---- the graph ---- */

/* An operation with its inputs and results, or an input. */
struct shown {
  struct wr_node *node;               /* what is asked for first of it */
  const struct wr_history_step *step; /* NULL: an input */
};

struct graph {
  struct wr_history history;
  struct wr_numbers steps; /* of nodes, and of the parts of commands that steps show */
  unsigned char *seen;     /* of each step, by its place in `history` */
  struct shown *shown;
  size_t count, room;
  struct wr_ptrs inputs; /* seen, that are no steps; borrowed */
  struct wr_numbers among_inputs;
  struct wr_ptrs stack; /* nodes, borrowed */
};

/* The step that made a node, or shows a part. */
static const struct wr_history_step *step_of(const struct graph *g, const void *what) {
  const uint32_t i = wr_numbers_find(&g->steps, what);
  return i == UINT32_MAX ? NULL : &g->history.steps[i];
}

static struct wr_node *const *inputs_of(const struct graph *g, const struct wr_history_step *s) {
  return (struct wr_node *const *)g->history.in.items + s->first_in;
}

/* The operation that made the node: of one of several results the command's. NULL: an input. */
static const struct wr_history_step *maker_of(const struct graph *g, struct wr_node *node) {
  const struct wr_history_step *s = step_of(g, node);
  if (s && !s->given && wr_node_op(node) == WR_OP_PART) s = step_of(g, inputs_of(g, s)[0]);
  return s && !s->given ? s : NULL;
}

static bool show(struct graph *g, struct wr_node *node, const struct wr_history_step *step) {
  if (!wr_grow(&g->shown, &g->room, g->count + 1, 64, sizeof *g->shown)) return false;
  g->shown[g->count++] = (struct shown){node, step};
  return true;
}

static bool is_new_input(const struct graph *g, const struct wr_node *node) {
  return wr_numbers_find(&g->among_inputs, node) == UINT32_MAX;
}

static bool show_input(struct graph *g, struct wr_node *node) {
  uint32_t number = 0;
  return wr_numbers_add(&g->among_inputs, node, &number) && wr_ptrs_push(&g->inputs, node) &&
         show(g, node, NULL);
}

/* 0: not seen; 1: its inputs are being looked at; 2: shown. */
static unsigned char *mark_of(const struct graph *g, const struct wr_history_step *s) {
  return &g->seen[s - g->history.steps];
}

/* Puts the first input that was not seen on the stack; *all when there is none. */
static bool descend(struct graph *g, const struct wr_history_step *s, bool *all) {
  struct wr_node *const *in = inputs_of(g, s);
  *all = false;
  for (uint32_t i = 0; i < s->n_in; i++) {
    const struct wr_history_step *maker = maker_of(g, in[i]);
    if (maker ? *mark_of(g, maker) == 0 : is_new_input(g, in[i])) {
      return wr_ptrs_push(&g->stack, in[i]);
    }
  }
  *all = true;
  return true;
}

static bool step_on(struct graph *g) {
  struct wr_node *node = g->stack.items[g->stack.count - 1];
  const struct wr_history_step *s = maker_of(g, node);
  bool all = true;
  if (!s) {
    g->stack.count--;
    return !is_new_input(g, node) || show_input(g, node);
  }
  if (*mark_of(g, s) == 2) {
    g->stack.count--;
    return true;
  }
  *mark_of(g, s) = 1;
  if (!descend(g, s, &all)) return false;
  if (!all) return true;
  g->stack.count--;
  *mark_of(g, s) = 2;
  return show(g, node, s);
}

static bool walk(struct graph *g, struct wr_node *const *outputs, size_t n) {
  bool whole = true;
  for (size_t i = 0; i < n && whole; i++) {
    whole = wr_ptrs_push(&g->stack, outputs[i]);
    while (whole && g->stack.count) whole = step_on(g);
  }
  return whole;
}

static void graph_end(struct graph *g) {
  wr_numbers_end(&g->steps);
  wr_numbers_end(&g->among_inputs);
  wr_free(g->seen);
  wr_free(g->shown);
  wr_ptrs_free(&g->inputs);
  wr_ptrs_free(&g->stack);
  wr_free_scope_enter();
  wr_history_end(&g->history);
  wr_free_scope_leave();
}

static bool number_steps(struct graph *g) {
  for (uint32_t i = 0; i < g->history.count; i++) {
    const struct wr_history_step *s = &g->history.steps[i];
    uint32_t number = i;
    if (!wr_numbers_add(&g->steps, s->node, &number)) return false;
    if (s->given || wr_node_op(s->node) != WR_OP_PART) continue;
    const struct wr_part_params *params = wr_node_params(s->node);
    int n;
    const struct wr_part *parts = wr_node_parts(inputs_of(g, s)[0], &n);
    if (!wr_numbers_add(&g->steps, &parts[params->index], &number)) return false;
  }
  return true;
}

static struct wr_error *graph_of(struct graph *g, struct wr_node *const *outputs, size_t n) {
  *g = (struct graph){0};
  struct wr_error *error = wr_history_of(&g->history, outputs, n);
  if (error) return error;
  g->seen = wr_calloc(g->history.count + 1);
  if (g->seen && number_steps(g) && walk(g, outputs, n)) return NULL;
  graph_end(g);
  return wr_error_out_of_memory();
}

/* ---- text ---- */

/* What is written, with names of its own. */
struct page {
  struct wr_bytes text;
  struct names names;
  const struct graph *graph;
  struct wr_node *const *outputs;
  size_t n;
};

/* One array, where it is known by a name. */
struct value {
  const void *what;
  struct wr_node *node; /* NULL: a result that nobody has */
  enum wr_dtype dtype;
  int ndim;
  const int32_t *shape;
};

static struct value value_of(struct wr_node *node) {
  return (struct value){node, node, wr_node_dtype(node), wr_node_ndim(node), wr_node_shape(node)};
}

/* Result i of a shown operation. */
static struct value result(const struct page *p, const struct shown *s, int i) {
  int n;
  const struct wr_part *parts = wr_node_parts(s->step->node, &n);
  if (n == 0) return value_of(s->node);
  const struct wr_history_step *shows = step_of(p->graph, &parts[i]);
  if (shows) return value_of(shows->node);
  return (struct value){&parts[i], NULL, parts[i].dtype, parts[i].ndim, parts[i].shape};
}

static int results(const struct shown *s) {
  int n;
  (void)wr_node_parts(s->step->node, &n);
  return n ? n : 1;
}

static void add_name(struct page *p, const struct value *v) {
  const char *name = name_of(&p->names, v->what, v->node);
  p->text.refused = p->text.refused || !name;
  if (name) wr_bytes_add_text(&p->text, name);
}

/* As MLX names what it compiles: "CompiledAbsSqrt" */
static void add_group(struct page *p, const struct wr_history_step *s) {
  const uint16_t *ops = p->graph->history.ops + s->first_op;
  wr_bytes_add_text(&p->text, "Compiled");
  for (int i = 0; i < s->n_ops; i++) {
    wr_bytes_add_text(&p->text, wr_ops_primitive((enum wr_op)ops[i], NULL));
  }
}

static void add_primitive(struct page *p, const struct wr_history_step *s) {
  const enum wr_op op = wr_node_op(s->node);
  if (s->n_ops) {
    add_group(p, s);
    return;
  }
  wr_bytes_add_text(&p->text, wr_ops_primitive(op, wr_node_params(s->node)));
  if (op != WR_OP_VIEW) return;
  wr_bytes_format(&p->text, " %s", wr_dtype_name(wr_node_dtype(s->node)));
}

/* "A [(2,3), float32]" */
static void add_value(struct page *p, const struct value *v) {
  char shape[WR_MAX_NDIM * 12 + 3];
  add_name(p, v);
  wr_bytes_add_text(&p->text, " [");
  wr_bytes_add_text(&p->text, wr_shape_format(v->shape, v->ndim, shape, (int)sizeof shape));
  wr_bytes_format(&p->text, ", %s]", wr_dtype_name(v->dtype));
}

static void add_values(struct page *p, struct wr_node *const *nodes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const struct value v = value_of(nodes[i]);
    if (i) wr_bytes_add_text(&p->text, ", ");
    add_value(p, &v);
  }
}

static void print(struct page *p) {
  const struct graph *g = p->graph;
  wr_bytes_add_text(&p->text, "Inputs: ");
  add_values(p, (struct wr_node *const *)g->inputs.items, g->inputs.count);
  wr_bytes_add_text(&p->text, "\nOutputs: ");
  add_values(p, p->outputs, p->n);
  wr_bytes_add_text(&p->text, "\n");
  for (size_t i = 0; i < g->count; i++) {
    const struct shown *s = &g->shown[i];
    if (!s->step) continue;
    add_primitive(p, s->step);
    wr_bytes_add_text(&p->text, " ");
    add_values(p, inputs_of(g, s->step), s->step->n_in);
    wr_bytes_add_text(&p->text, " -> ");
    for (int k = 0; k < results(s); k++) {
      const struct value v = result(p, s, k);
      if (k) wr_bytes_add_text(&p->text, ", ");
      add_value(p, &v);
    }
    wr_bytes_add_text(&p->text, "\n");
  }
}

/* As the dot language has it: in quotes a quote has a backslash before it. A backslash stands for
   itself there, so one before a quote, or at the end, gets a second one. */
static void add_quoted(struct page *p, const struct value *v) {
  const char *name = name_of(&p->names, v->what, v->node);
  p->text.refused = p->text.refused || !name;
  wr_bytes_add_text(&p->text, "\"");
  for (const char *at = name ? name : ""; *at; at++) {
    const char *after = at + strspn(at, "\\");
    if (*at == '"' || (*at == '\\' && (*after == '"' || !*after))) wr_bytes_add(&p->text, "\\", 1);
    wr_bytes_add(&p->text, at, 1);
  }
  wr_bytes_add_text(&p->text, "\"");
}

static bool is_output(const struct page *p, const struct value *v) {
  for (size_t i = 0; i < p->n; i++) {
    if (p->outputs[i] == v->what) return true;
  }
  return false;
}

static void add_operation(struct page *p, const struct shown *s) {
  const uintptr_t id = (uintptr_t)s->step->node;
  wr_bytes_format(&p->text, "{ %" PRIuPTR " [label =\"", id);
  add_primitive(p, s->step);
  wr_bytes_add_text(&p->text, "\", shape=rectangle]; }\n");
  for (uint32_t i = 0; i < s->step->n_in; i++) {
    const struct value v = value_of(inputs_of(p->graph, s->step)[i]);
    add_quoted(p, &v);
    wr_bytes_format(&p->text, " -> %" PRIuPTR "\n", id);
  }
  for (int i = 0; i < results(s); i++) {
    const struct value v = result(p, s, i);
    wr_bytes_add_text(&p->text, is_output(p, &v) ? "{ rank=sink; " : "{ ");
    add_quoted(p, &v);
    wr_bytes_format(&p->text, "; }\n%" PRIuPTR " -> ", id);
    add_quoted(p, &v);
    wr_bytes_add_text(&p->text, "\n");
  }
}

static void print_dot(struct page *p) {
  wr_bytes_add_text(&p->text, "digraph {\n");
  for (size_t i = 0; i < p->graph->count; i++) {
    const struct shown *s = &p->graph->shown[i];
    if (s->step) {
      add_operation(p, s);
      continue;
    }
    const struct value v = value_of(s->node);
    wr_bytes_add_text(&p->text, "{ rank=source; ");
    add_quoted(p, &v);
    wr_bytes_add_text(&p->text, "; }\n");
  }
  wr_bytes_add_text(&p->text, "}");
}

/* ---- both forms ---- */

static bool copy_names(struct names *to, const struct names *from) {
  for (size_t i = 0; i < from->count; i++) {
    const struct named *n = &from->list[i];
    if (!add(to, n->what, n->held, n->name)) return false;
  }
  return true;
}

static struct wr_error *write_page(FILE *os, const struct wr_bytes *text) {
  if (fwrite(text->data, 1, text->n, os) == text->n) return NULL;
  return wr_error_new(WEIR_ERROR_DEVICE, "The graph could not be written.");
}

static int write(const char *function, FILE *os, mlx_node_namer namer, mlx_vector_array outputs,
                 void (*form)(struct page *)) {
  struct wr_error *error = NULL;
  struct page p = {.n = 0};
  struct graph g;
  wr_api_result(os, "os", &error);
  const struct namer *n = namer_of(namer, &error);
  p.outputs = wr_api_vector(outputs, "outputs", &p.n, &error);
  if (!error) error = graph_of(&g, p.outputs, p.n);
  if (error) return wr_api_fail(function, error);
  p.graph = &g;
  if (copy_names(&p.names, &n->names)) {
    form(&p);
  } else {
    p.text.refused = true;
  }
  error = p.text.refused ? wr_error_out_of_memory() : write_page(os, &p.text);
  wr_free(p.text.data);
  names_end(&p.names);
  graph_end(&g);
  return wr_api_return(function, error);
}

int mlx_export_to_dot(FILE *os, const mlx_node_namer namer, const mlx_vector_array outputs) {
  return write("mlx_export_to_dot", os, namer, outputs, print_dot);
}

int mlx_print_graph(FILE *os, const mlx_node_namer namer, const mlx_vector_array outputs) {
  return write("mlx_print_graph", os, namer, outputs, print);
}
