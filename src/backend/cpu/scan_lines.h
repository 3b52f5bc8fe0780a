/* Template: the scans of one line of one element type, and of lines side by side, and their table.
   Included by scan.c with EL           the element type: b8 .. c64 KIND         the totals' kind
   (totals.h), TOTAL its type LOAD, STORE  element to total and back LEAST, MOST  totals below or
   equal to all elements, and above or equal to all of them FLOATING     defined where the type has
   logarithms of sums */

#define E WR_PASTE(wr_el_, EL)
#define LINE(name) WR_PASTE(EL, name)
#define BY(name) WR_PASTE(name, KIND)

WR_INLINE void LINE(_scan)(const struct line *l, TOTAL (*join)(TOTAL, TOTAL), TOTAL total) {
  const E *x = l->in;
  E *y = l->out;
  const int64_t n = l->n, s = l->in_stride, t = l->out_stride;
  if (l->inclusive) {
    for (int64_t i = 0; i < n; i++) {
      total = join(total, LOAD(x[i * s]));
      y[i * t] = STORE(total);
    }
    return;
  }
  for (int64_t i = 0; i < n; i++) {
    const TOTAL before = total;
    total = join(total, LOAD(x[i * s]));
    y[i * t] = STORE(before);
  }
}

/* Lines whose elements lie side by side: an element of each at a time, so that memory is read as it
   lies. Each line is joined in its own order, as by itself. */
WR_INLINE void LINE(_scan_beside)(const struct line *l, TOTAL (*join)(TOTAL, TOTAL), TOTAL total) {
  TOTAL totals[LINES];
  const int64_t n = l->n, count = l->count;
  for (int64_t j = 0; j < count; j++) totals[j] = total;
  for (int64_t i = 0; i < n; i++) {
    const E *x = (const E *)l->in + i * l->in_stride;
    E *y = (E *)l->out + i * l->out_stride;
    if (l->inclusive) {
      WR_INDEPENDENT
      for (int64_t j = 0; j < count; j++) {
        totals[j] = join(totals[j], LOAD(x[j]));
        y[j] = STORE(totals[j]);
      }
    } else {
      WR_INDEPENDENT
      for (int64_t j = 0; j < count; j++) {
        const TOTAL before = totals[j];
        totals[j] = join(before, LOAD(x[j]));
        y[j] = STORE(before);
      }
    }
  }
}

#define SCAN(wide, name, join, total)                          \
  wide static void LINE(name##_beside)(const struct line *l) { \
    LINE(_scan_beside)(l, join, total);                        \
  }                                                            \
  static void LINE(name)(const struct line *l) {               \
    if (l->count > 1) {                                        \
      LINE(name##_beside)(l);                                  \
    } else {                                                   \
      LINE(_scan)(l, join, total);                             \
    }                                                          \
  }
SCAN(WIDE, _sums, BY(sum_), BY(none_))
SCAN(WIDE, _products, BY(prod_), BY(one_))
SCAN(WIDE, _maxima, BY(max_), LEAST)
SCAN(WIDE, _minima, BY(min_), MOST)
#ifdef FLOATING
SCAN(, _log_sums, BY(log_sum_), BY(log_none_))
#endif
#undef SCAN

static const scan_fn LINE(_scans)[WR_OP_COUNT] = {
    [WR_OP_ADD] = LINE(_sums),           [WR_OP_MULTIPLY] = LINE(_products),
    [WR_OP_MAXIMUM] = LINE(_maxima),     [WR_OP_MINIMUM] = LINE(_minima),
#ifdef FLOATING
    [WR_OP_LOGADDEXP] = LINE(_log_sums),
#endif
};

#undef E
#undef LINE
#undef BY
#undef EL
#undef LOAD
#undef STORE
#undef LEAST
#undef MOST
