#ifndef WR_OPS_EINSUM_H
#define WR_OPS_EINSUM_H

/* What the three files of einsum share: reading the subscripts (einsum_text.c), the order of the
   contractions (einsum_path.c), and making them (einsum.c). An axis is known by a label: a letter's
   code, or, of what "..." stands for, its place from the right, 0 and up. No locks. */

#include <stdbool.h>
#include <stdint.h>

#include "ops/internal.h"

enum { WR_LABELS = 128 };

/* A set of labels. */
struct wr_labels {
  uint64_t bits[2];
};

static inline bool wr_labels_have(struct wr_labels s, int label) {
  return (s.bits[label >> 6] >> (label & 63) & 1u) != 0;
}
static inline void wr_labels_add(struct wr_labels *s, int label) {
  s->bits[label >> 6] |= UINT64_C(1) << (label & 63);
}
static inline struct wr_labels wr_labels_and(struct wr_labels a, struct wr_labels b) {
  return (struct wr_labels){{a.bits[0] & b.bits[0], a.bits[1] & b.bits[1]}};
}
static inline struct wr_labels wr_labels_or(struct wr_labels a, struct wr_labels b) {
  return (struct wr_labels){{a.bits[0] | b.bits[0], a.bits[1] | b.bits[1]}};
}
static inline struct wr_labels wr_labels_without(struct wr_labels a, struct wr_labels b) {
  return (struct wr_labels){{a.bits[0] & ~b.bits[0], a.bits[1] & ~b.bits[1]}};
}
static inline bool wr_labels_none(struct wr_labels s) { return (s.bits[0] | s.bits[1]) == 0; }

/* An operand, or what was made of some: label i is axis i's. */
struct wr_term {
  struct wr_node *node; /* borrowed: the caller's, or a composition's */
  int n;
  uint8_t labels[WR_MAX_NDIM];
};

struct wr_labels wr_term_labels(const struct wr_term *t);

/* Reads the subscripts: a term for each of the n operands, whose labels may come twice in one, and
   the result's labels in `out`, without a node. */
struct wr_error *wr_einsum_read(const char *subscripts, struct wr_node *const *operands, int n,
                                struct wr_term *terms, struct wr_term *out);

/* One step of the path: terms `first` < `second` of those that are left go, and their product comes
   to the end. */
struct wr_pair {
  int first;
  int second;
};
/* The order for more than two operands with these labels, greedily, as opt_einsum finds it; n - 1
   pairs. *n_pairs is fewer where no pair is worth it: what is then left is multiplied at once. */
struct wr_error *wr_einsum_path(const struct wr_labels *terms, int n, struct wr_labels out,
                                const int32_t *size, struct wr_pair *pairs, int *n_pairs);

#endif
