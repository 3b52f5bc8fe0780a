/* Template: the scan of lines of one element type by one way of joining. Included by scan_lines.h
   with E, LOAD, STORE and

     WAY      how: sums, products, ..; the function that it makes is <type>_<way>
     TOTAL    the totals' type
     JOIN     function: a total and an element, as totals, to the next total
     START    the total of nothing
     BEFORE   if it is another one, the total that an element at the beginning of a line meets
     ABREAST  lines that are scanned at a time where they do not lie side by side
     WIDE     in front of what computes: WR_WIDE or nothing

   Each line is joined in its own order, however many are scanned at a time. It undefines WAY,
   TOTAL, JOIN, START, BEFORE and ABREAST. */

#define OWN WR_PASTE(LINE(_), WAY)
#define PART(name) WR_PASTE(OWN, name)
#ifndef BEFORE
#define BEFORE START
#endif

/* The first of the lines alone, or as many as ABREAST: their totals do not wait for each other. */
WR_INLINE void PART(_scan)(const struct line *l, const E *x, E *y, int count) {
  const int64_t n = l->n, s = l->in_stride, t = l->out_stride, u = l->in_step, v = l->out_step;
  TOTAL totals[ABREAST];
  for (int k = 0; k < count; k++) totals[k] = l->inclusive ? BEFORE : START;
  for (int64_t i = 0; i < n; i++) {
    WR_INDEPENDENT
    for (int k = 0; k < count; k++) {
      totals[k] = JOIN(totals[k], LOAD(x[i * s + k * u]));
      y[i * t + k * v] = STORE(totals[k]);
    }
  }
}

WIDE static void PART(_alone)(const struct line *l, const E *x, E *y) { PART(_scan)(l, x, y, 1); }
WIDE static void PART(_abreast)(const struct line *l, const E *x, E *y) {
  PART(_scan)(l, x, y, ABREAST);
}

/* An element of each of `count` lines. */
WR_INLINE void PART(_step)(const E *x, E *y, TOTAL *restrict totals, int64_t count) {
  WR_INDEPENDENT
  for (int64_t j = 0; j < count; j++) {
    totals[j] = JOIN(totals[j], LOAD(x[j]));
    y[j] = STORE(totals[j]);
  }
}

/* Lines whose elements lie side by side: an element of each at a time, so that memory is read as it
   lies. */
WIDE static void PART(_beside)(const struct line *l, const E *in, E *out, int64_t count) {
  enum { STRIPE = SCAN_STRIPE / sizeof(E) };
  TOTAL totals[SCAN_TOTALS / sizeof(TOTAL)];
  const int64_t ahead = scan_ahead(l, (int64_t)sizeof(E));
  for (int64_t j = 0; j < count; j++) totals[j] = l->inclusive ? BEFORE : START;
  for (int64_t i = 0; i < l->n; i++) {
    const E *x = in + i * l->in_stride;
    E *y = out + i * l->out_stride;
    for (int64_t j = 0; j < count; j += STRIPE) {
      const int64_t n = count - j < STRIPE ? count - j : STRIPE;
      ask_for(y + j, ahead, n * (int64_t)sizeof(E));
      PART(_step)(x + j, y + j, totals + j, n);
    }
  }
}

/* Without the elements themselves each result stands one place further on, after the total of
   nothing. */
static void PART(_move)(struct line *l) {
  E *y = l->out;
  for (int64_t k = 0; k < l->count; k++) y[k * l->out_step] = STORE(START);
  if (--l->n > 0) l->out = y + l->out_stride;
}

static void OWN(struct line *l) {
  enum { LINES = SCAN_TOTALS / sizeof(TOTAL) };
  if (!l->inclusive) PART(_move)(l);
  const E *x = l->in;
  E *y = l->out;
  for (int64_t k = 0, n; k < l->count; k += n) {
    const int64_t left = l->count - k;
    if (l->is_beside) {
      n = left < LINES ? left : LINES;
      PART(_beside)(l, x + k, y + k, n);
    } else if (left >= ABREAST) {
      n = ABREAST;
      PART(_abreast)(l, x + k * l->in_step, y + k * l->out_step);
    } else {
      n = 1;
      PART(_alone)(l, x + k * l->in_step, y + k * l->out_step);
    }
  }
}

#undef OWN
#undef PART
#undef WAY
#undef TOTAL
#undef JOIN
#undef START
#undef BEFORE
#undef ABREAST
