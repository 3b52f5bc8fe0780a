/* The order of ready streams: see ready.h. Nothing here locks. */

#include "stream/ready.h"

#include "stream/internal.h"

enum { FRESH_IN_A_ROW = 3 };

void wr_ready_append(struct wr_ready *r, struct wr_stream *s, enum wr_class class) {
  struct wr_ready_list *list = &r->lists[class];
  s->in_ready_list = true;
  s->ready_class = class;
  s->ready_next = NULL;
  s->ready_prev = list->tail;
  if (list->tail) {
    list->tail->ready_next = s;
  } else {
    list->head = s;
  }
  list->tail = s;
}

void wr_ready_unlink(struct wr_ready *r, struct wr_stream *s) {
  struct wr_ready_list *list = &r->lists[s->ready_class];
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
  s->in_ready_list = false;
}

struct wr_stream *wr_ready_take(struct wr_ready *r, bool only_fresh) {
  struct wr_stream *fresh = r->lists[WR_FRESH].head, *worn = r->lists[WR_WORN].head;
  struct wr_stream *next = fresh;
  if (!only_fresh) {
    bool take_fresh = fresh && (!worn || r->fresh_taken < FRESH_IN_A_ROW);
    r->fresh_taken = take_fresh && worn ? r->fresh_taken + 1 : 0;
    next = take_fresh ? fresh : worn;
  }
  if (next) wr_ready_unlink(r, next);
  return next;
}
