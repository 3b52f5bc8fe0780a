/* Sort, argsort and partition along one axis, line by line: a line is gathered into scratch memory,
   treated there and put back. NaN comes last. Short lines use the stack, longer ones one block of
   scratch for each piece of work; refused memory is the call's error. Takes no locks. */

#include <string.h>

#include "backend/cpu/elements.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/loop/loop.h"
#include "base/atomic.h"
#include "base/base.h"

enum { RUN = 16, STACK_BYTES = 4096 };

#define ELEMENT_KERNEL "backend/cpu/sort_kernel.inc"
#include "backend/cpu/elements.inc"

typedef void (*sort_fn)(void *line, void *scratch, int64_t n);
typedef void (*order_fn)(const void *keys, uint32_t *order, uint32_t *scratch, int64_t n);
typedef void (*select_fn)(void *line, void *scratch, int64_t n, int64_t kth);

static const struct {
  sort_fn sort;
  order_fn order;
  select_fn select;
} by_type[WR_DTYPE_COUNT] = {
#define WR_EL(ID, el) [ID] = {sort_##el, order_##el, select_##el},
#include "backend/cpu/types.def"
#undef WR_EL
};

struct sort_job;

/* Treats the line in `keys` and writes n results to `out`, `inner` apart. `scratch` has room for
   two lines of results. */
typedef void (*line_fn)(const struct sort_job *job, char *keys, char *scratch, char *out);

struct sort_job {
  line_fn line;
  enum wr_dtype dtype;
  int item; /* bytes of an input element */
  int out_item;
  int64_t kth;
  const char *in;
  char *out;
  struct wr_lines lines;
  wr_atomic_bool refused; /* atomic RELAXED: read after the pool has joined */
};

static void sort_line(const struct sort_job *job, char *keys, char *scratch, char *out) {
  by_type[job->dtype].sort(keys, scratch, job->lines.n);
  wr_copy_run(out, job->lines.inner, keys, 1, job->lines.n, job->item);
}

static void select_line(const struct sort_job *job, char *keys, char *scratch, char *out) {
  by_type[job->dtype].select(keys, scratch, job->lines.n, job->kth);
  wr_copy_run(out, job->lines.inner, keys, 1, job->lines.n, job->item);
}

static void order_line(const struct sort_job *job, char *keys, char *scratch, char *out) {
  int64_t n = job->lines.n;
  uint32_t *order = (uint32_t *)scratch;
  for (int64_t i = 0; i < n; i++) order[i] = (uint32_t)i;
  by_type[job->dtype].order(keys, order, order + n, n);
  wr_copy_run(out, job->lines.inner, order, 1, n, job->out_item);
}

/* Padded, so that what follows is aligned for any type. */
static size_t keys_bytes(const struct sort_job *job) {
  return ((size_t)job->lines.n * (size_t)job->item + 7u) / 8u * 8u;
}

static size_t scratch_bytes(const struct sort_job *job) {
  return keys_bytes(job) + 2u * (size_t)job->lines.n * (size_t)job->out_item;
}

static void sort_lines(const struct sort_job *job, char *scratch, int64_t begin, int64_t end) {
  const struct wr_lines *l = &job->lines;
  struct wr_each e;
  wr_each_start(&e, &l->walk, begin, end);
  while (wr_each_next(&e)) {
    wr_copy_run(scratch, 1, job->in + e.at[0] * job->item, l->stride, l->n, job->item);
    job->line(job, scratch, scratch + keys_bytes(job),
              job->out + wr_lines_out(l, e.i) * job->out_item);
  }
}

static void sort_body(void *ctx, int64_t begin, int64_t end) {
  struct sort_job *job = ctx;
  _Alignas(8) char stack[STACK_BYTES];
  size_t bytes = scratch_bytes(job);
  char *scratch = bytes <= sizeof stack ? stack : wr_alloc(bytes);
  if (!scratch) {
    wr_store_relaxed(&job->refused, true);
    return;
  }
  sort_lines(job, scratch, begin, end);
  if (scratch != stack) wr_free(scratch);
}

static struct wr_error *sort_along(const struct wr_call *call, int axis, int64_t kth,
                                   line_fn line) {
  const struct wr_tensor *in = &call->in[0];
  if (in->size == 0) return NULL;
  struct sort_job job = {
      .line = line,
      .dtype = in->dtype,
      .item = (int)wr_dtype_size(in->dtype),
      .out_item = (int)wr_dtype_size(call->out.dtype),
      .kth = kth,
      .in = in->data,
      .out = call->out.data,
  };
  wr_lines_of(&job.lines, in, axis);
  wr_spread(job.lines.walk.size, wr_lines_grain(&job.lines), sort_body, &job);
  return wr_load_relaxed(&job.refused) ? wr_error_out_of_memory() : NULL;
}

struct wr_error *wr_cpu_sort(const struct wr_call *call) {
  const struct wr_axis_params *params = call->params;
  return sort_along(call, params->axis, 0, sort_line);
}

struct wr_error *wr_cpu_argsort(const struct wr_call *call) {
  const struct wr_axis_params *params = call->params;
  return sort_along(call, params->axis, 0, order_line);
}

struct wr_error *wr_cpu_partition(const struct wr_call *call) {
  const struct wr_partition_params *params = call->params;
  return sort_along(call, params->axis, params->kth, select_line);
}
