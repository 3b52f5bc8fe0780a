/* The order of ready streams: see ready.h. Nothing here locks. */

#include "stream/ready.h"

#include "stream/internal.h"

/* ---- lists ---- */

static void append(struct wr_ready_list *list, struct wr_stream *s) {
  s->ready_next = NULL;
  s->ready_prev = list->tail;
  if (list->tail) {
    list->tail->ready_next = s;
  } else {
    list->head = s;
  }
  list->tail = s;
}

static void unlink_listed(struct wr_ready_list *list, struct wr_stream *s) {
  if (s->ready_prev) {
    s->ready_prev->ready_next = s->ready_next;
  } else {
    list->head = s->ready_next;
  }
  if (s->ready_next) {
    s->ready_next->ready_prev = s->ready_prev;
  } else {
    list->tail = s->ready_prev;
  }
}

/* ---- heaps ----

   Each stream is due no later than its children, which are linked by ready_next; ready_prev leads
   to the one before, and from the first child to the parent. */

/* Of two roots without neighbours, or NULL; of two that are due at once the first stays above. */
static struct wr_stream *meld(struct wr_stream *a, struct wr_stream *b) {
  if (!a || !b) return a ? a : b;
  if (b->ready_urgency.deadline < a->ready_urgency.deadline) {
    struct wr_stream *other = a;
    a = b;
    b = other;
  }
  b->ready_prev = a;
  b->ready_next = a->ready_child;
  if (b->ready_next) b->ready_next->ready_prev = b;
  a->ready_child = b;
  return a;
}

static struct wr_stream *alone(struct wr_stream *s) {
  if (!s) return NULL;
  s->ready_next = NULL;
  s->ready_prev = NULL;
  return s;
}

/* Two passes: pairs from the left, which a list keeps, then those together from the right. */
static struct wr_stream *meld_all(struct wr_stream *first) {
  struct wr_stream *pairs = NULL, *root = NULL;
  while (first) {
    struct wr_stream *a = first, *b = a->ready_next;
    first = b ? b->ready_next : NULL;
    struct wr_stream *pair = meld(alone(a), alone(b));
    pair->ready_next = pairs;
    pairs = pair;
  }
  while (pairs) {
    struct wr_stream *next = pairs->ready_next;
    root = meld(root, alone(pairs));
    pairs = next;
  }
  return root;
}

static void unlink_due(struct wr_stream **root, struct wr_stream *s) {
  struct wr_stream *below = meld_all(s->ready_child);
  s->ready_child = NULL;
  if (s == *root) {
    *root = below;
    return;
  }
  if (s->ready_prev->ready_child == s) {
    s->ready_prev->ready_child = s->ready_next;
  } else {
    s->ready_prev->ready_next = s->ready_next;
  }
  if (s->ready_next) s->ready_next->ready_prev = s->ready_prev;
  *root = meld(*root, below);
}

/* ---- all ---- */

void wr_ready_append(struct wr_ready *r, struct wr_stream *s, enum wr_wear wear,
                     struct wr_urgency urgency) {
  struct wr_ready_class *class = &r->classes[urgency.class - 1];
  s->in_ready_list = true;
  s->ready_wear = wear;
  s->ready_urgency = urgency;
  s->ready_child = NULL;
  if (urgency.deadline) {
    class->due[wear] = meld(class->due[wear], alone(s));
  } else {
    append(&class->lists[wear], s);
  }
  r->count++;
}

void wr_ready_unlink(struct wr_ready *r, struct wr_stream *s) {
  struct wr_ready_class *class = &r->classes[s->ready_urgency.class - 1];
  if (s->ready_urgency.deadline) {
    unlink_due(&class->due[s->ready_wear], s);
  } else {
    unlink_listed(&class->lists[s->ready_wear], s);
  }
  s->in_ready_list = false;
  r->count--;
}

static bool has_due(const struct wr_ready_class *c, bool only_fresh) {
  return c->due[WR_FRESH] || (!only_fresh && c->due[WR_WORN]);
}

static bool has_undue(const struct wr_ready_class *c, bool only_fresh) {
  return c->lists[WR_FRESH].head || (!only_fresh && c->lists[WR_WORN].head);
}

static bool has(const struct wr_ready_class *c, bool only_fresh) {
  return has_due(c, only_fresh) || has_undue(c, only_fresh);
}

/* Whether the first of two that wait goes before the second, which is given a turn after `most` of
   the first. */
static bool goes_first(bool first, bool second, int *taken, int most) {
  bool goes = first && (!second || *taken < most);
  *taken = goes && second ? *taken + 1 : 0;
  return goes;
}

static struct wr_stream *next_due(const struct wr_ready_class *c, bool only_fresh) {
  struct wr_stream *fresh = c->due[WR_FRESH], *worn = only_fresh ? NULL : c->due[WR_WORN];
  if (!fresh || !worn) return fresh ? fresh : worn;
  return worn->ready_urgency.deadline < fresh->ready_urgency.deadline ? worn : fresh;
}

static struct wr_stream *next_undue(struct wr_ready_class *c, bool only_fresh) {
  struct wr_stream *fresh = c->lists[WR_FRESH].head, *worn = c->lists[WR_WORN].head;
  if (only_fresh) return fresh;
  return goes_first(fresh, worn, &c->fresh_taken, WR_FRESH_IN_A_ROW) ? fresh : worn;
}

static struct wr_stream *next_of_class(struct wr_ready_class *c, bool only_fresh) {
  bool due =
      goes_first(has_due(c, only_fresh), has_undue(c, only_fresh), &c->due_taken, WR_SHARE - 1);
  return due ? next_due(c, only_fresh) : next_undue(c, only_fresh);
}

struct wr_stream *wr_ready_take(struct wr_ready *r, bool only_fresh, bool *by_share) {
  struct wr_ready_class *end = r->classes + WR_CLASSES, *c = r->classes;
  *by_share = false;
  for (;; c++) {
    struct wr_ready_class *lower = c + 1;
    bool here = has(c, only_fresh);
    while (lower < end && !has(lower, only_fresh)) lower++;
    if (!here && lower >= end) return NULL;
    if (goes_first(here, lower < end, &c->taken, WR_SHARE - 1)) break;
    *by_share = *by_share || here;
  }
  struct wr_stream *next = next_of_class(c, only_fresh);
  wr_ready_unlink(r, next);
  return next;
}
