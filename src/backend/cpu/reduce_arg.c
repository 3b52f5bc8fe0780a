/* Index of the largest or smallest element along an axis, or over the whole input in row-major
   order (axis -1). The first of equal elements counts; a NaN wins over every number, the first NaN
   over the others. Of a dense run blocks are reduced first, in vectors (reduce_kernels.c), and
   the best of them is searched. Results spread over the pool, a few large ones in
   pieces; takes no locks, allocates nothing. */

#include "backend/cpu/elements.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "backend/cpu/reduce_types.h"

enum { COLUMNS = 512 }; /* at a time */

#define ELEMENT_KERNEL "backend/cpu/reduce_arg_kernel.inc"
#include "backend/cpu/elements.inc"

typedef int64_t (*search_fn)(const void *p, int64_t n, int64_t stride, const void *best);
typedef void (*columns_fn)(const void *p, int64_t n, int64_t rows, int64_t stride, uint32_t *out);

enum { LARGEST, SMALLEST };

static const search_fn searches[WR_DTYPE_COUNT][2] = {
#define WR_EL(ID, el) [ID] = {[LARGEST] = largest_##el, [SMALLEST] = smallest_##el},
#include "backend/cpu/types.def"
#undef WR_EL
};

static const columns_fn columns[WR_DTYPE_COUNT][2] = {
#define WR_EL(ID, el) [ID] = {[LARGEST] = largest_columns_##el, [SMALLEST] = smallest_columns_##el},
#include "backend/cpu/types.def"
#undef WR_EL
};

enum { FEW_ELEMENTS = 64, FEW_COLUMNS = 8 };
enum { BLOCK = 4096 }; /* still in the first-level cache when it is looked through */

struct arg_search {
  search_fn search;
  columns_fn columns;
  const struct wr_reducer *reducer; /* NULL: runs are searched one by one */
  enum wr_dtype dtype;
  bool largest;
  const char *in;
  int64_t item; /* bytes of an element */
  uint32_t *out;
  struct wr_walk kept;
  struct wr_walk reduced;
};

/* Totals of blocks, as the search has it of elements. */
static bool beats(const struct arg_search *s, const union wr_total *a, const union wr_total *b) {
  if (s->reducer->kind == WR_TOTAL_REAL) {
    if (a->d != a->d) return b->d == b->d;
    return s->largest ? a->d > b->d : a->d < b->d;
  }
  if (wr_dtype_is_unsigned(s->dtype)) return s->largest ? a->u > b->u : a->u < b->u;
  return s->largest ? a->i > b->i : a->i < b->i;
}

/* The index in a dense run of the first element that beats `best` and all of the run, or -1: blocks
   are reduced, and the first of the best ones is looked through for what it was reduced to. */
static int64_t search_blocks(const struct arg_search *s, const char *run, int64_t n,
                             const char *best) {
  int64_t at = -1;
  union wr_total top, block;
  s->reducer->init(&top);
  s->reducer->row(best, 1, 1, &top);
  for (int64_t i = 0; i < n; i += BLOCK) {
    s->reducer->init(&block);
    s->reducer->row(run + i * s->item, n - i < BLOCK ? n - i : BLOCK, 1, &block);
    if (!beats(s, &block, &top)) continue;
    at = i;
    top = block;
  }
  if (at < 0) return -1;
  return at + s->reducer->find(run + at * s->item, n - at < BLOCK ? n - at : BLOCK, &top);
}

static int64_t search_run(const struct arg_search *s, const char *run, int64_t n, int64_t stride,
                          const char *best) {
  const bool blocks = s->reducer && stride == 1 && n >= FEW_ELEMENTS;
  return blocks ? search_blocks(s, run, n, best) : s->search(run, n, stride, best);
}

struct found {
  int64_t index;
  const char *best;
};

/* Among reduced positions [begin, end), which is not empty: the caller refuses empty inputs. */
static struct found find(const struct arg_search *s, const char *p, int64_t begin, int64_t end) {
  struct found f = {.index = begin};
  struct wr_cursor c;
  wr_cursor_start(&c, &s->reduced, begin, end);
  int64_t stride = wr_walk_stride(&s->reduced, 0);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n, first = begin; (n = wr_cursor_next(&c, at)) > 0; first += n) {
    const char *run = p + at[0] * s->item;
    if (!f.best) f.best = run;
    int64_t found = search_run(s, run, n, stride, f.best);
    if (found < 0) continue;
    f.best = run + found * stride * s->item;
    f.index = first + found;
  }
  return f;
}

/* One large result, its reduced positions in pieces of equal size. */
struct pieces {
  const struct arg_search *s;
  const char *p;
  int64_t length;
  struct found found[WR_REDUCE_PIECES];
};

static void pieces_body(void *ctx, int64_t begin, int64_t end) {
  struct pieces *q = ctx;
  for (int64_t i = begin; i < end; i++) {
    int64_t last = (i + 1) * q->length;
    if (last > q->s->reduced.size) last = q->s->reduced.size;
    q->found[i] = find(q->s, q->p, i * q->length, last);
  }
}

static int64_t find_in_pieces(const struct arg_search *s, const char *p, int64_t length) {
  struct pieces q = {.s = s, .p = p, .length = length};
  const int64_t n = (s->reduced.size + length - 1) / length;
  wr_spread(n, 1, pieces_body, &q);
  struct found f = q.found[0];
  for (int64_t i = 1; i < n; i++) {
    if (s->search(q.found[i].best, 1, 1, f.best) == 0) f = q.found[i];
  }
  return f.index;
}

static void find_few(const struct arg_search *s, int64_t piece) {
  struct wr_each e;
  wr_each_start(&e, &s->kept, 0, s->kept.size);
  while (wr_each_next(&e)) {
    s->out[e.i] = (uint32_t)find_in_pieces(s, s->in + e.at[0] * s->item, piece);
  }
}

static void find_body(void *ctx, int64_t begin, int64_t end) {
  const struct arg_search *s = ctx;
  struct wr_each e;
  wr_each_start(&e, &s->kept, begin, end);
  while (wr_each_next(&e)) {
    s->out[e.i] = (uint32_t)find(s, s->in + e.at[0] * s->item, 0, s->reduced.size).index;
  }
}

/* Results whose elements lie side by side, of one reduced axis: row by row. */
static void columns_body(void *ctx, int64_t begin, int64_t end) {
  const struct arg_search *s = ctx;
  struct wr_cursor c;
  wr_cursor_start(&c, &s->kept, begin, end);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n, i = begin; (n = wr_cursor_next(&c, at)) > 0; i += n) {
    for (int64_t k = 0; k < n; k += COLUMNS) {
      s->columns(s->in + (at[0] + k) * s->item, n - k < COLUMNS ? n - k : COLUMNS, s->reduced.size,
                 wr_walk_stride(&s->reduced, 0), s->out + i + k);
    }
  }
}

static bool by_columns(const struct arg_search *s) {
  return s->reduced.ndim == 1 && wr_walk_stride(&s->kept, 0) == 1 &&
         wr_walk_stride(&s->reduced, 0) != 1 && s->kept.shape[s->kept.ndim - 1] >= FEW_COLUMNS;
}

static struct wr_error *arg_search(const struct wr_call *call, int which) {
  const struct wr_tensor *in = &call->in[0];
  const struct wr_axis_params *params = call->params;
  if (in->size == 0) {
    for (int64_t i = 0; i < call->out.size; i++) ((uint32_t *)call->out.data)[i] = 0;
    return NULL;
  }
  uint32_t all = wr_axes_all(in);
  uint32_t axes = params->axis < 0 || in->ndim == 0 ? all : 1u << params->axis;
  struct arg_search s;
  s.search = searches[in->dtype][which];
  s.columns = columns[in->dtype][which];
  s.largest = which == LARGEST;
  s.dtype = in->dtype;
  s.reducer = wr_reducer_for(s.largest ? WR_REDUCE_MAX : WR_REDUCE_MIN, in->dtype);
  if (!s.reducer->find) s.reducer = NULL;
  s.in = in->data;
  s.item = (int64_t)wr_dtype_size(in->dtype);
  s.out = call->out.data;
  wr_walk_axes(&s.kept, in, all & ~axes);
  wr_walk_axes(&s.reduced, in, axes);
  int64_t n = s.reduced.size;
  const int64_t piece = wr_reduce_piece(s.kept.size, n);
  if (by_columns(&s)) {
    wr_spread(s.kept.size, wr_reduce_columns_grain(s.kept.size, n), columns_body, &s);
    return NULL;
  }
  if (piece > 0) {
    find_few(&s, piece);
    return NULL;
  }
  wr_spread(s.kept.size, wr_cpu_grain(n), find_body, &s);
  return NULL;
}

struct wr_error *wr_cpu_argmax(const struct wr_call *call) {
  return arg_search(call, LARGEST);
}

struct wr_error *wr_cpu_argmin(const struct wr_call *call) {
  return arg_search(call, SMALLEST);
}
