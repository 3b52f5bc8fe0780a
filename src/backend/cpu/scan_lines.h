/* Template: the scans of one line of one element type, and their table. Included by scan.c with
     EL           the element type: b8 .. c64
     KIND         the totals' kind (totals.h), TOTAL its type
     LOAD, STORE  element to total and back
     LEAST, MOST  totals below or equal to all elements, and above or equal to all of them
     FLOATING     defined where the type has logarithms of sums */

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

static void LINE(_sums)(const struct line *l) { LINE(_scan)(l, BY(sum_), BY(none_)); }
static void LINE(_products)(const struct line *l) { LINE(_scan)(l, BY(prod_), BY(one_)); }
static void LINE(_maxima)(const struct line *l) { LINE(_scan)(l, BY(max_), LEAST); }
static void LINE(_minima)(const struct line *l) { LINE(_scan)(l, BY(min_), MOST); }
#ifdef FLOATING
static void LINE(_log_sums)(const struct line *l) { LINE(_scan)(l, BY(log_sum_), BY(log_none_)); }
#endif

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
