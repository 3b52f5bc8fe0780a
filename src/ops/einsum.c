/* einsum: sums of products by subscripts. What a label of one operand alone is summed over goes
   first; two operands that share a summed label are one matrix product, batched over the labels
   that stay; others are multiplied. More than two go pair by pair (einsum_path.c). No locks. */

#include "ops/einsum.h"

#include <string.h>

#include "base/base.h"

/* One call. */
struct einsum {
  struct wr_compose c;
  struct wr_term *terms; /* those that are left */
  int n;
  struct wr_term out;
  int32_t size[WR_LABELS]; /* the extent of each label */
};

static void fail(struct einsum *e, struct wr_error *error) {
  if (e->c.error) {
    wr_error_release(error);
  } else {
    e->c.error = error;
  }
}

/* ---- one operand ---- */

/* A label that comes again becomes a diagonal, which is dense as by mlx_diagonal. */
static void take_diagonals(struct einsum *e, struct wr_term *t) {
  const struct wr_node *a = t->node;
  int32_t shape[WR_MAX_NDIM];
  int64_t strides[WR_MAX_NDIM];
  struct wr_diagonal_params params;
  int place[WR_LABELS];
  memset(place, -1, sizeof place);
  int n = 0;
  for (int i = 0; i < t->n; i++) {
    const int label = t->labels[i];
    const int32_t extent = wr_node_shape(a)[i];
    if (place[label] >= 0) {
      if (shape[place[label]] != extent) {
        fail(e, wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                             "operands: an axis with the letter %c of shape %s has not the extent "
                             "of the other",
                             label, wr_ops_shape_text(a).s));
        return;
      }
      strides[place[label]] += wr_node_strides(a)[i];
      params.axis[i] = (struct wr_diagonal_axis){.with = place[label]};
      continue;
    }
    place[label] = n;
    params.axis[i] = (struct wr_diagonal_axis){.with = n};
    shape[n] = extent;
    strides[n] = wr_node_strides(a)[i];
    t->labels[n++] = (uint8_t)label;
  }
  if (n == t->n) return;
  t->n = n;
  struct wr_node **slot = wr_compose_slot(&e->c);
  t->node = wr_compose_step(
      &e->c, wr_ops_view_diagonal(slot, t->node, &params, n, shape, strides, e->c.stream));
  t->node = wr_compose_dense(&e->c, t->node);
}

/* Notes the extents; of those of one label 1 stands for any. */
static void note_sizes(struct einsum *e, const struct wr_term *t) {
  for (int i = 0; i < t->n; i++) {
    int32_t *known = &e->size[t->labels[i]];
    const int32_t extent = wr_node_shape(t->node)[i];
    if (*known < 0 || *known == 1) *known = extent;
    if (*known == extent || extent == 1) continue;
    fail(e, wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                         "operands: shape %s does not fit the others, which have %d in the place "
                         "of axis %d",
                         wr_ops_shape_text(t->node).s, *known, i));
    return;
  }
}

/* Takes away the axes of the mask: they are of extent 1, or summed. */
static void drop_axes(struct einsum *e, struct wr_term *t, uint32_t mask, bool sum) {
  int axes[WR_MAX_NDIM];
  int n_axes = 0, n = 0;
  for (int i = 0; i < t->n; i++) {
    if (wr_ops_has_axis(mask, i)) {
      axes[n_axes++] = i;
    } else {
      t->labels[n++] = t->labels[i];
    }
  }
  if (n_axes == 0 || e->c.error) return;
  t->n = n;
  if (sum) {
    t->node = wr_compose_reduce(&e->c, WR_OP_SUM, t->node, axes, n_axes, false);
    return;
  }
  struct wr_node **slot = wr_compose_slot(&e->c);
  t->node = wr_compose_step(&e->c, wr_ops_squeeze(slot, t->node, axes, n_axes, e->c.stream));
}

static enum wr_dtype common_type(const struct einsum *e) {
  enum wr_dtype t = wr_node_dtype(e->terms[0].node);
  for (int i = 1; i < e->n; i++) t = wr_dtype_promote(t, wr_node_dtype(e->terms[i].node));
  return t;
}

/* An axis of 1 that is larger elsewhere says nothing. Where it is summed over there is a matrix
   product less, which makes no difference to the types that it is for. */
static void drop_ones(struct einsum *e, struct wr_term *t, enum wr_dtype common) {
  const struct wr_labels out = wr_term_labels(&e->out);
  uint32_t mask = 0;
  for (int i = 0; i < t->n && !e->c.error; i++) {
    if (wr_node_shape(t->node)[i] == e->size[t->labels[i]]) continue;
    mask |= UINT32_C(1) << i;
    if (wr_labels_have(out, t->labels[i]) || wr_op_takes(WR_OP_MATMUL, common)) continue;
    fail(e, wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                         "operands are together %s; sums of products need a floating point or "
                         "complex type",
                         wr_dtype_name(common)));
  }
  drop_axes(e, t, mask, false);
}

static void sum_all_but(struct einsum *e, struct wr_term *t, struct wr_labels needed) {
  uint32_t mask = 0;
  for (int i = 0; i < t->n; i++) {
    if (!wr_labels_have(needed, t->labels[i])) mask |= UINT32_C(1) << i;
  }
  drop_axes(e, t, mask, true);
}

/* What the result and all terms but two need. */
static struct wr_labels needed_beside(const struct einsum *e, int i, int j) {
  struct wr_labels needed = wr_term_labels(&e->out);
  for (int k = 0; k < e->n; k++) {
    if (k != i && k != j) needed = wr_labels_or(needed, wr_term_labels(&e->terms[k]));
  }
  return needed;
}

/* ---- two operands ---- */

/* The term with its labels in this order, which has all of them; those that it has not are axes of
   1. */
static struct wr_node *ordered(struct einsum *e, const struct wr_term *t, const uint8_t *labels,
                               int n) {
  int order[WR_MAX_NDIM] = {0}, added[WR_MAX_NDIM];
  int n_order = 0, n_added = 0;
  if (e->c.error) return NULL;
  for (int i = 0; i < n; i++) {
    const uint8_t *at = memchr(t->labels, labels[i], (size_t)t->n);
    if (at) {
      order[n_order++] = (int)(at - t->labels);
    } else {
      added[n_added++] = i;
    }
  }
  struct wr_node *x = wr_compose_transpose(&e->c, t->node, order);
  if (e->c.error || n_added == 0) return x;
  struct wr_node **slot = wr_compose_slot(&e->c);
  return wr_compose_step(&e->c, wr_ops_expand_dims(slot, x, added, n_added, e->c.stream));
}

/* The labels of both, those of the first in front. False where an array has not so many axes. */
static bool labels_of_both(const struct wr_term *a, const struct wr_term *b, struct wr_term *r) {
  const struct wr_labels first = wr_term_labels(a);
  r->n = a->n;
  memcpy(r->labels, a->labels, (size_t)a->n);
  for (int i = 0; i < b->n; i++) {
    if (wr_labels_have(first, b->labels[i])) continue;
    if (r->n == WR_MAX_NDIM) return false;
    r->labels[r->n++] = b->labels[i];
  }
  return true;
}

static void too_many_axes(struct einsum *e) {
  fail(e, wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                       "subscripts: a product on the way has more than %d axes", WR_MAX_NDIM));
}

static void multiply(struct einsum *e, const struct wr_term *a, const struct wr_term *b,
                     struct wr_term *r) {
  if (!labels_of_both(a, b, r)) {
    too_many_axes(e);
    return;
  }
  struct wr_node *x = ordered(e, a, r->labels, r->n), *y = ordered(e, b, r->labels, r->n);
  r->node = wr_compose_binary(&e->c, WR_OP_MULTIPLY, x, y);
}

/* Labels in the order in which t has them. */
struct list {
  int n;
  uint8_t labels[WR_MAX_NDIM];
};

static struct list among(const struct wr_term *t, struct wr_labels set) {
  struct list l = {.n = 0};
  for (int i = 0; i < t->n; i++) {
    if (wr_labels_have(set, t->labels[i])) l.labels[l.n++] = t->labels[i];
  }
  return l;
}

static void append(uint8_t *labels, int *n, const struct list *l) {
  memcpy(labels + *n, l->labels, (size_t)l->n);
  *n += l->n;
}

static int64_t extent_of(const struct einsum *e, const struct list *l) {
  int64_t product = 1;
  for (int i = 0; i < l->n; i++) {
    product *= e->size[l->labels[i]];
    if (product > INT32_MAX) return INT64_C(1) << 32; /* too large, whatever comes */
  }
  return product;
}

/* A matrix for each element of the batch: rows over one list of labels, columns over the other. */
static struct wr_node *matrices(struct einsum *e, const struct wr_term *t, const struct list *batch,
                                const struct list *rows, const struct list *columns) {
  uint8_t labels[WR_MAX_NDIM];
  int32_t shape[WR_MAX_NDIM + 2];
  int n = 0;
  append(labels, &n, batch);
  append(labels, &n, rows);
  append(labels, &n, columns);
  const int64_t height = extent_of(e, rows), width = extent_of(e, columns);
  if (height > INT32_MAX || width > INT32_MAX || batch->n + 2 > WR_MAX_NDIM) {
    fail(e, wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                         "operands: shape %s is too large for a matrix product",
                         t->node ? wr_ops_shape_text(t->node).s : ""));
    return NULL;
  }
  struct wr_node *x = ordered(e, t, labels, n);
  for (int i = 0; i < batch->n; i++) shape[i] = e->size[batch->labels[i]];
  shape[batch->n] = (int32_t)height;
  shape[batch->n + 1] = (int32_t)width;
  return wr_compose_reshape(&e->c, x, batch->n + 2, shape);
}

/* Both terms have all of `summed`. */
static void contract(struct einsum *e, const struct wr_term *a, const struct wr_term *b,
                     struct wr_labels summed, struct wr_term *r) {
  const struct wr_labels la = wr_term_labels(a), lb = wr_term_labels(b);
  const struct list batch = among(a, wr_labels_without(wr_labels_and(la, lb), summed));
  const struct list rows = among(a, wr_labels_without(la, lb)), inner = among(a, summed);
  const struct list columns = among(b, wr_labels_without(lb, la));
  if (batch.n + rows.n + columns.n > WR_MAX_NDIM) {
    too_many_axes(e);
    return;
  }
  r->n = 0;
  append(r->labels, &r->n, &batch);
  append(r->labels, &r->n, &rows);
  append(r->labels, &r->n, &columns);
  struct wr_node *x = matrices(e, a, &batch, &rows, &inner);
  struct wr_node *y = matrices(e, b, &batch, &inner, &columns);
  x = wr_compose_matmul(&e->c, x, y);
  int32_t shape[WR_MAX_NDIM];
  for (int i = 0; i < r->n; i++) shape[i] = e->size[r->labels[i]];
  r->node = wr_compose_reshape(&e->c, x, r->n, shape);
}

/* The product of terms i < j, in their place at the end. */
static void join(struct einsum *e, int i, int j) {
  struct wr_term a = e->terms[i], b = e->terms[j], r = {.node = NULL};
  const struct wr_labels needed = needed_beside(e, i, j);
  const struct wr_labels shared = wr_labels_and(wr_term_labels(&a), wr_term_labels(&b));
  const struct wr_labels summed = wr_labels_without(shared, needed);
  sum_all_but(e, &a, wr_labels_or(needed, shared));
  sum_all_but(e, &b, wr_labels_or(needed, shared));
  if (e->c.error) return;
  if (wr_labels_none(summed)) {
    multiply(e, &a, &b, &r);
  } else {
    contract(e, &a, &b, summed, &r);
  }
  int to = 0;
  for (int k = 0; k < e->n; k++) {
    if (k != i && k != j) e->terms[to++] = e->terms[k];
  }
  e->terms[to++] = r;
  e->n = to;
}

/* All that are left: multiplied, then summed. */
static void multiply_all(struct einsum *e) {
  struct wr_term product = e->terms[0];
  for (int i = 1; i < e->n && !e->c.error; i++) {
    struct wr_term r = {.node = NULL};
    multiply(e, &product, &e->terms[i], &r);
    product = r;
  }
  e->terms[0] = product;
  e->n = 1;
}

/* ---- all ---- */

static void contract_all(struct einsum *e, struct wr_labels *labels, struct wr_pair *pairs) {
  int n_pairs = 1;
  if (e->n == 1 || e->c.error) return;
  pairs[0] = (struct wr_pair){0, 1};
  if (e->n > 2) {
    for (int i = 0; i < e->n; i++) labels[i] = wr_term_labels(&e->terms[i]);
    fail(e, wr_einsum_path(labels, e->n, wr_term_labels(&e->out), e->size, pairs, &n_pairs));
  }
  for (int i = 0; i < n_pairs && !e->c.error; i++) join(e, pairs[i].first, pairs[i].second);
  if (e->n > 1 && !e->c.error) multiply_all(e);
}

/* Each operand by itself: its diagonals, and the sums over labels that nobody else has. */
static void prepare(struct einsum *e) {
  for (int i = 0; i < e->n && !e->c.error; i++) take_diagonals(e, &e->terms[i]);
  for (int i = 0; i < WR_LABELS; i++) e->size[i] = -1;
  for (int i = 0; i < e->n && !e->c.error; i++) note_sizes(e, &e->terms[i]);
  if (e->c.error) return;
  const enum wr_dtype common = common_type(e);
  for (int i = 0; i < e->n && !e->c.error; i++) drop_ones(e, &e->terms[i], common);
  int uses[WR_LABELS] = {0};
  for (int i = 0; i < e->n; i++) {
    for (int k = 0; k < e->terms[i].n; k++) uses[e->terms[i].labels[k]]++;
  }
  struct wr_labels needed = wr_term_labels(&e->out);
  for (int label = 0; label < WR_LABELS; label++) {
    if (uses[label] > 1) wr_labels_add(&needed, label);
  }
  for (int i = 0; i < e->n && !e->c.error; i++) sum_all_but(e, &e->terms[i], needed);
}

static struct wr_error *run(struct einsum *e, struct wr_node **out, struct wr_labels *labels,
                            struct wr_pair *pairs) {
  prepare(e);
  contract_all(e, labels, pairs);
  struct wr_node *r = NULL;
  if (!e->c.error) {
    sum_all_but(e, &e->terms[0], wr_term_labels(&e->out));
    r = ordered(e, &e->terms[0], e->out.labels, e->out.n);
  }
  return wr_compose_end(&e->c, out, r);
}

struct wr_error *wr_ops_einsum(struct wr_node **out, const char *subscripts,
                               struct wr_node *const *operands, int n, struct wr_stream *s) {
  struct einsum e = {.c = wr_compose_begin(s), .n = n};
  const size_t count = n > 0 ? (size_t)n : 1;
  struct wr_error *error = NULL;
  e.terms = wr_alloc(count * sizeof *e.terms);
  struct wr_labels *labels = wr_alloc(count * sizeof *labels);
  struct wr_pair *pairs = wr_alloc(count * sizeof *pairs);
  if (!e.terms || !labels || !pairs) error = wr_error_out_of_memory();
  if (!error) error = wr_einsum_read(subscripts, operands, n, e.terms, &e.out);
  if (!error) error = run(&e, out, labels, pairs);
  wr_free(pairs);
  wr_free(labels);
  wr_free(e.terms);
  return error;
}
