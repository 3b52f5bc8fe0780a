/* The order of ready streams: see ready.h. Nothing here locks. */

#include "stream/ready.h"

#include "stream/internal.h"

void wr_ready_append(struct wr_ready *r, struct wr_stream *s, enum wr_wear wear,
                     struct wr_urgency urgency) {
  struct wr_ready_class *class = &r->classes[urgency.class - 1];
  s->in_ready_list = true;
  s->ready_wear = wear;
  s->ready_urgency = urgency;
  if (urgency.deadline) {
    wr_heap_put(&class->due[wear], &s->ready_due, urgency.deadline);
  } else {
    wr_dlist_append(&class->lists[wear], &s->ready_link);
  }
  r->count++;
}

void wr_ready_unlink(struct wr_ready *r, struct wr_stream *s) {
  struct wr_ready_class *class = &r->classes[s->ready_urgency.class - 1];
  if (s->ready_urgency.deadline) {
    wr_heap_remove(&class->due[s->ready_wear], &s->ready_due);
  } else {
    wr_dlist_remove(&class->lists[s->ready_wear], &s->ready_link);
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
  struct wr_heaped *fresh = c->due[WR_FRESH], *worn = only_fresh ? NULL : c->due[WR_WORN];
  bool is_fresh = !worn || (fresh && fresh->key <= worn->key);
  return WR_CONTAINER_OF(is_fresh ? fresh : worn, struct wr_stream, ready_due);
}

static struct wr_stream *next_undue(struct wr_ready_class *c, bool only_fresh) {
  struct wr_link *fresh = c->lists[WR_FRESH].head, *worn = c->lists[WR_WORN].head;
  bool is_fresh = only_fresh || goes_first(fresh, worn, &c->fresh_taken, WR_FRESH_IN_A_ROW);
  return WR_CONTAINER_OF(is_fresh ? fresh : worn, struct wr_stream, ready_link);
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
