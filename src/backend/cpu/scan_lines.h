/* Template: the scans of one element type, and their table. Included by scan.c with

     EL           the element type: b8 .. c64
     KIND         the totals' kind (totals.h)
     BEST         the same for maxima and minima, which need not be wider than the elements
     LOAD, STORE  element to total and back
     LEAST, MOST  totals below or equal to all elements, and above or equal to all of them
     FLOATING     defined where the type has logarithms of sums
     NARROW       and where these are taken of floats (log_scan.h) */

#define E WR_PASTE(wr_el_, EL)
#define LINE(name) WR_PASTE(EL, name)

#define WAY sums
#define TOTAL WR_PASTE(total_, KIND)
#define JOIN WR_PASTE(sum_, KIND)
#define START WR_PASTE(none_, KIND)
#define BEFORE WR_PASTE(before_, KIND)
#define ABREAST FEW
#include "backend/cpu/scan_join.h"

#define WAY products
#define TOTAL WR_PASTE(total_, KIND)
#define JOIN WR_PASTE(prod_, KIND)
#define START WR_PASTE(one_, KIND)
#define ABREAST FEW
#include "backend/cpu/scan_join.h"

#define WAY maxima
#define TOTAL WR_PASTE(total_, BEST)
#define JOIN WR_PASTE(late_max_, BEST)
#define START LEAST
#define ABREAST FEW
#include "backend/cpu/scan_join.h"

#define WAY minima
#define TOTAL WR_PASTE(total_, BEST)
#define JOIN WR_PASTE(min_, BEST)
#define START MOST
#define ABREAST FEW
#include "backend/cpu/scan_join.h"

#ifdef FLOATING
#ifdef NARROW
#define WAY joined_log_sums
#else
#define WAY log_sums
#endif
#define TOTAL WR_PASTE(total_, KIND)
#define JOIN WR_PASTE(log_sum_, KIND)
#define START WR_PASTE(log_none_, KIND)
#define ABREAST MANY
#include "backend/cpu/scan_join.h"
#endif

#ifdef NARROW
static void LINE(_log_line)(const struct line *l, const E *x, E *y) {
  float few[WR_LOG_SCAN];
  double sums[WR_LOG_SCAN], carry = -(double)INFINITY;
  for (int64_t i = 0; i < l->n; i += WR_LOG_SCAN) {
    const int n = (int)(l->n - i < WR_LOG_SCAN ? l->n - i : WR_LOG_SCAN);
    for (int k = 0; k < n; k++) few[k] = LOAD(x[(i + k) * l->in_stride]);
    wr_log_scan(few, sums, n, &carry);
    for (int k = 0; k < n; k++) y[(i + k) * l->out_stride] = STORE(sums[k]);
  }
}

static void LINE(_log_sums)(struct line *l) {
  if (l->is_beside || l->n < LOG_LINE) {
    LINE(_joined_log_sums)(l);
    return;
  }
  if (!l->inclusive) LINE(_joined_log_sums_move)(l);
  for (int64_t k = 0; k < l->count; k++) {
    LINE(_log_line)(l, (const E *)l->in + k * l->in_step, (E *)l->out + k * l->out_step);
  }
}
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
#undef EL
#undef LOAD
#undef STORE
#undef LEAST
#undef MOST
