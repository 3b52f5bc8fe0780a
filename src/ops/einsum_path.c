/* The order in which einsum contracts more than two operands: greedily the pair whose product frees
   the most elements, as opt_einsum does, so that a sum over many letters is not made over all of
   them at once. Sizes and costs are doubles, since their products have no bound. No locks. */

#include "base/base.h"
#include "ops/einsum.h"

static double size_of(struct wr_labels s, const int32_t *size) {
  double product = 1;
  for (int label = 0; label < WR_LABELS; label++) {
    if (wr_labels_have(s, label)) product *= size[label];
  }
  return product;
}

/* How many multiplications and additions it takes to contract n terms with these labels. */
static double cost_of(struct wr_labels all, bool sums, int n, const int32_t *size) {
  return size_of(all, size) * ((n > 2 ? n - 1 : 1) + (sums ? 1 : 0));
}

/* What the search goes by. */
struct search {
  const int32_t *size;
  struct wr_labels *terms; /* those that are left */
  int n;
  struct wr_labels out;
  double largest; /* no result may have more elements */
  double naive;   /* all at once costs so much; */
  double spent;   /* and the pairs so far so much */
};

/* A pair with what it brings. */
struct choice {
  struct wr_pair pair;
  double freed;
  double cost;
};

/* The labels that the product of two terms keeps: the result's and those that others have. */
static struct wr_labels kept(const struct search *s, int i, int j) {
  struct wr_labels needed = s->out;
  for (int k = 0; k < s->n; k++) {
    if (k != i && k != j) needed = wr_labels_or(needed, s->terms[k]);
  }
  return wr_labels_and(wr_labels_or(s->terms[i], s->terms[j]), needed);
}

static bool weigh(const struct search *s, int i, int j, struct choice *c) {
  const struct wr_labels all = wr_labels_or(s->terms[i], s->terms[j]), result = kept(s, i, j);
  const double elements = size_of(result, s->size);
  if (elements > s->largest) return false;
  const bool sums = !wr_labels_none(wr_labels_without(all, result));
  *c = (struct choice){.pair = {i, j}, .cost = cost_of(all, sums, 2, s->size)};
  if (s->spent + c->cost > s->naive) return false;
  c->freed = size_of(s->terms[i], s->size) + size_of(s->terms[j], s->size) - elements;
  return true;
}

/* The best pair, of those that share a label or of all; false where none is to be had. */
static bool find(const struct search *s, bool outer, struct choice *best) {
  bool found = false;
  for (int i = 0; i < s->n; i++) {
    for (int j = i + 1; j < s->n; j++) {
      struct choice c;
      if (!outer && wr_labels_none(wr_labels_and(s->terms[i], s->terms[j]))) continue;
      if (!weigh(s, i, j, &c)) continue;
      if (found && (c.freed < best->freed || (c.freed == best->freed && c.cost >= best->cost))) {
        continue;
      }
      *best = c;
      found = true;
    }
  }
  return found;
}

static void take_pair(struct search *s, const struct choice *c) {
  const struct wr_labels result = kept(s, c->pair.first, c->pair.second);
  int to = 0;
  for (int k = 0; k < s->n; k++) {
    if (k != c->pair.first && k != c->pair.second) s->terms[to++] = s->terms[k];
  }
  s->terms[to++] = result;
  s->n = to;
  s->spent += c->cost;
}

struct wr_error *wr_einsum_path(const struct wr_labels *terms, int n, struct wr_labels out,
                                const int32_t *size, struct wr_pair *pairs, int *n_pairs) {
  struct search s = {.size = size, .n = n, .out = out, .largest = size_of(out, size)};
  s.terms = wr_alloc((size_t)n * sizeof *s.terms);
  if (!s.terms) return wr_error_out_of_memory();
  struct wr_labels all = {{0, 0}};
  for (int i = 0; i < n; i++) {
    const double elements = size_of(terms[i], size);
    s.terms[i] = terms[i];
    all = wr_labels_or(all, terms[i]);
    if (elements > s.largest) s.largest = elements;
  }
  s.naive = cost_of(all, !wr_labels_none(wr_labels_without(all, out)), n, size);
  *n_pairs = 0;
  struct choice best;
  while (s.n > 1 && (find(&s, false, &best) || find(&s, true, &best))) {
    pairs[(*n_pairs)++] = best.pair;
    take_pair(&s, &best);
  }
  wr_free(s.terms);
  return NULL;
}
