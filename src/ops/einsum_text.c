/* The subscripts of einsum: terms split at commas, "->" and the result's term, or none, when it has
   the axes of "..." and then each letter that occurs once, by its code. Blanks do not count.
   Nothing here looks at extents. No locks. */

#include <string.h>

#include "ops/einsum.h"

struct wr_labels wr_term_labels(const struct wr_term *t) {
  struct wr_labels found = {{0, 0}};
  for (int i = 0; i < t->n; i++) wr_labels_add(&found, t->labels[i]);
  return found;
}

/* A part of the subscripts: [from, end). */
struct text {
  const char *from;
  const char *end;
};

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* The next character that is no blank, which *t then stands behind; 0 at the end. */
static char next_of(struct text *t) {
  while (t->from < t->end && *t->from == ' ') t->from++;
  return t->from < t->end ? *t->from++ : '\0';
}

/* The letters before and behind "...". */
struct letters {
  bool dots;
  int n[2];
  uint8_t of[2][2 * WR_MAX_NDIM];
};

static struct wr_error *add_letter(struct letters *l, char c, const char *what) {
  const int side = l->dots;
  if (l->n[side] == 2 * WR_MAX_NDIM) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "subscripts: %s has too many letters", what);
  }
  l->of[side][l->n[side]++] = (uint8_t)c;
  return NULL;
}

static struct wr_error *letters_of(struct text t, const char *what, struct letters *l) {
  *l = (struct letters){.dots = false};
  for (char c = next_of(&t); c; c = next_of(&t)) {
    struct wr_error *error = NULL;
    if (is_letter(c)) {
      error = add_letter(l, c, what);
    } else if (c == '.' && next_of(&t) == '.' && next_of(&t) == '.') {
      if (l->dots) {
        error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                             "subscripts: %s has \"...\" more than once", what);
      }
      l->dots = true;
    } else {
      error = wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                           "subscripts: %s has what is neither a letter nor \"...\"", what);
    }
    if (error) return error;
  }
  return NULL;
}

/* The labels, with `dots` axes in the place of "...". False where they are too many. */
static bool labels_of(const struct letters *l, int dots, struct wr_term *t) {
  t->n = 0;
  if (l->n[0] + l->n[1] + (l->dots ? dots : 0) > WR_MAX_NDIM) return false;
  for (int i = 0; i < l->n[0]; i++) t->labels[t->n++] = l->of[0][i];
  for (int i = dots - 1; l->dots && i >= 0; i--) t->labels[t->n++] = (uint8_t)i;
  for (int i = 0; i < l->n[1]; i++) t->labels[t->n++] = l->of[1][i];
  return true;
}

/* One operand's term; *dots becomes the most axes that any "..." stands for. */
static struct wr_error *read_term(struct text text, struct wr_node *operand, int i,
                                  struct wr_term *t, int *dots) {
  struct letters l;
  struct wr_error *error = letters_of(text, "an operand's term", &l);
  if (error) return error;
  const int here = wr_node_ndim(operand) - l.n[0] - l.n[1];
  if (here < 0 || (here > 0 && !l.dots)) {
    return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                        "subscripts: %d letters%s for number %d of operands, with shape %s",
                        l.n[0] + l.n[1], l.dots ? " and \"...\"" : "", i,
                        wr_ops_shape_text(operand).s);
  }
  labels_of(&l, here, t); /* as many as the operand has axes */
  t->node = operand;
  if (here > *dots) *dots = here;
  return NULL;
}

/* Where "->" stands, blanks within aside; the end where it does not. */
static struct text arrow_of(struct text t) {
  for (const char *p = t.from; p < t.end; p++) {
    struct text rest = {p + 1, t.end};
    if (*p == '-' && next_of(&rest) == '>') return (struct text){p, rest.from};
  }
  return (struct text){t.end, t.end};
}

/* Terms end at commas. An empty one behind the last comma, or alone, is none, as in MLX. */
static bool next_term(struct text *left, struct text *term) {
  struct text probe = *left;
  if (!next_of(&probe)) return false;
  const char *comma = memchr(left->from, ',', (size_t)(left->end - left->from));
  *term = (struct text){left->from, comma ? comma : left->end};
  left->from = comma ? comma + 1 : left->end;
  return true;
}

static struct wr_error *read_terms(struct text left, struct wr_node *const *operands, int n,
                                   struct wr_term *terms, int *dots) {
  struct text term;
  int count = 0;
  *dots = 0;
  while (next_term(&left, &term)) {
    if (count < n) {
      struct wr_error *error = read_term(term, operands[count], count, &terms[count], dots);
      if (error) return error;
    }
    count++;
  }
  if (count == n) return NULL;
  return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "subscripts: %d terms for %d operands", count,
                      n);
}

static struct wr_error *implicit_result(const struct wr_term *terms, int n, int dots,
                                        struct wr_term *out) {
  int count[WR_LABELS] = {0};
  out->n = 0;
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < terms[i].n; k++) count[terms[i].labels[k]]++;
  }
  for (int i = dots - 1; i >= 0; i--) out->labels[out->n++] = (uint8_t)i;
  for (int c = 'A'; c <= 'z'; c++) {
    if (count[c] != 1) continue;
    if (out->n == WR_MAX_NDIM) return wr_ops_check_shape("the result", NULL, WR_MAX_NDIM + 1);
    out->labels[out->n++] = (uint8_t)c;
  }
  return NULL;
}

static struct wr_error *check_result(const struct wr_term *terms, int n,
                                     const struct wr_term *out) {
  struct wr_labels known = {{0, 0}}, seen = {{0, 0}};
  for (int i = 0; i < n; i++) known = wr_labels_or(known, wr_term_labels(&terms[i]));
  for (int i = 0; i < out->n; i++) {
    const int label = out->labels[i];
    if (wr_labels_have(seen, label)) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "subscripts: the result has the letter %c twice", label);
    }
    if (!wr_labels_have(known, label)) {
      return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT,
                          "subscripts: the result has the letter %c, which no operand has", label);
    }
    wr_labels_add(&seen, label);
  }
  return NULL;
}

struct wr_error *wr_einsum_read(const char *subscripts, struct wr_node *const *operands, int n,
                                struct wr_term *terms, struct wr_term *out) {
  if (n == 0) return wr_error_new(WEIR_ERROR_INVALID_ARGUMENT, "operands is empty");
  const struct text all = {subscripts, subscripts + strlen(subscripts)};
  const struct text arrow = arrow_of(all);
  int dots;
  struct wr_error *error =
      read_terms((struct text){all.from, arrow.from}, operands, n, terms, &dots);
  if (error) return error;
  *out = (struct wr_term){.node = NULL};
  if (arrow.from == all.end) return implicit_result(terms, n, dots, out);
  struct letters l;
  error = letters_of((struct text){arrow.end, all.end}, "the result", &l);
  if (error) return error;
  if (!labels_of(&l, dots, out)) return wr_ops_check_shape("the result", NULL, WR_MAX_NDIM + 1);
  return check_result(terms, n, out);
}
