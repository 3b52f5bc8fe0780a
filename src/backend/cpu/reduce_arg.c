/* Index of the largest or smallest element along an axis, or over the whole input in row-major
   order (axis -1). The first of equal elements counts; a NaN wins over every number, the first NaN
   over the others. Results spread over the pool; takes no locks, allocates nothing. */

#include "backend/cpu/elements.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"

#define ELEMENT_KERNEL "backend/cpu/reduce_arg_kernel.inc"
#include "backend/cpu/elements.inc"

typedef int64_t (*search_fn)(const void *p, int64_t n, int64_t stride, const void *best);

enum { LARGEST, SMALLEST };

static const search_fn searches[WR_DTYPE_COUNT][2] = {
#define WR_EL(ID, el) [ID] = {[LARGEST] = largest_##el, [SMALLEST] = smallest_##el},
#include "backend/cpu/types.def"
#undef WR_EL
};

struct arg_search {
  search_fn search;
  const char *in;
  int64_t item; /* bytes of an element */
  uint32_t *out;
  struct wr_walk kept;
  struct wr_walk reduced;
};

/* The reduced walk is never empty here: the caller refuses empty inputs. */
static uint32_t find(const struct arg_search *s, const char *p) {
  const char *best = p;
  int64_t result = 0;
  struct wr_cursor c;
  wr_cursor_start(&c, &s->reduced, 0, s->reduced.size);
  int64_t stride = wr_walk_stride(&s->reduced, 0);
  int64_t at[WR_WALK_OPERANDS];
  for (int64_t n, first = 0; (n = wr_cursor_next(&c, at)) > 0; first += n) {
    const char *run = p + at[0] * s->item;
    int64_t found = s->search(run, n, stride, best);
    if (found < 0) continue;
    best = run + found * stride * s->item;
    result = first + found;
  }
  return (uint32_t)result;
}

static void find_body(void *ctx, int64_t begin, int64_t end) {
  const struct arg_search *s = ctx;
  struct wr_each e;
  wr_each_start(&e, &s->kept, begin, end);
  while (wr_each_next(&e)) s->out[e.i] = find(s, s->in + e.at[0] * s->item);
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
  s.in = in->data;
  s.item = (int64_t)wr_dtype_size(in->dtype);
  s.out = call->out.data;
  wr_walk_axes(&s.kept, in, all & ~axes);
  wr_walk_axes(&s.reduced, in, axes);
  int64_t n = s.reduced.size;
  wr_spread(s.kept.size, n >= WR_CPU_GRAIN ? 1 : WR_CPU_GRAIN / n, find_body, &s);
  return NULL;
}

struct wr_error *wr_cpu_argmax(const struct wr_call *call) {
  return arg_search(call, LARGEST);
}

struct wr_error *wr_cpu_argmin(const struct wr_call *call) {
  return arg_search(call, SMALLEST);
}
