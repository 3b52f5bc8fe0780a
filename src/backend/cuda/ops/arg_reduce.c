/* Index of the largest or smallest element along an axis, or over the whole input in row-major
   order (axis -1). The first of equal elements counts; a NaN wins over every number, the first NaN
   over the others. An empty input gives zeros. */

#include "backend/cuda/ops/internal.h"

enum { MOST_SPLITS = 1024, LEAST_PER_SPLIT = 4096, THREADS = 256 };

struct search {
  struct wr_layout kept;
  struct wr_layout reduced;
  struct wr_module_id id;
  const struct wr_call *call;
  int64_t splits;
  int64_t per_split;
};

static void choose_splits(struct search *s, const struct wr_run *run) {
  const int64_t n = s->reduced.size;
  int64_t wanted = (int64_t)run->gpu->multiprocessors * 8 / s->kept.size;
  if (wanted > n / LEAST_PER_SPLIT) wanted = n / LEAST_PER_SPLIT;
  if (wanted > MOST_SPLITS) wanted = MOST_SPLITS;
  if (wanted < 1) wanted = 1;
  s->per_split = (n + wanted - 1) / wanted;
  s->splits = (n + s->per_split - 1) / s->per_split;
}

/* What both kernels begin with. */
static void start(struct wr_launch *l, struct search *s, int entry, void *found) {
  wr_launch_start(l, s->id, entry);
  wr_launch_pointer(l, s->call->out.data);
  wr_launch_pointer(l, found);
  wr_launch_pointer(l, s->call->in[0].data);
  wr_launch_layout(l, &s->kept);
  wr_launch_layout(l, &s->reduced);
  wr_launch_index(l, s->kept.size);
}

static struct wr_error *find(struct search *s, struct wr_run *run, void *found) {
  struct wr_launch l;
  const int64_t most = (int64_t)run->gpu->multiprocessors * 32;
  start(&l, s, WR_ENTRY_ARG_ROWS, found);
  wr_launch_i64(&l, s->reduced.size);
  wr_launch_i64(&l, s->per_split);
  wr_launch_blocks(&l, s->kept.size < most ? s->kept.size : most, s->splits, THREADS);
  return wr_launch(&l, run);
}

static struct wr_error *merge(struct search *s, struct wr_run *run, void *found) {
  struct wr_launch l;
  start(&l, s, WR_ENTRY_ARG_MERGE, found);
  wr_launch_i64(&l, s->splits);
  wr_launch_blocks(&l, s->kept.size, 1, THREADS);
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_arg_reduce(struct wr_run *run, const struct wr_call *call) {
  const struct wr_tensor *in = &call->in[0], *out = &call->out;
  const struct wr_axis_params *params = call->params;
  void *found = NULL;
  if (out->size == 0) return NULL;
  if (in->size == 0) {
    return wr_run_zero(run, out->data, (size_t)out->size * wr_dtype_size(out->dtype));
  }
  const uint32_t all = wr_layout_all(in);
  const uint32_t axes = params->axis < 0 || in->ndim == 0 ? all : 1u << params->axis;
  struct search s = {.call = call};
  wr_layout_of(&s.kept, in, all & ~axes);
  wr_layout_of(&s.reduced, in, axes);
  s.id = (struct wr_module_id){WR_SOURCE_ARG_REDUCE,
                               (uint8_t)call->op,
                               (uint8_t)in->dtype,
                               (uint8_t)out->dtype,
                               wr_layout_is_big(&s.kept) || wr_layout_is_big(&s.reduced),
                               0};
  choose_splits(&s, run);
  if (s.splits > 1) {
    struct wr_error *error =
        wr_run_scratch(run, (size_t)(s.splits * s.kept.size) * sizeof(int64_t), &found);
    if (error) return error;
  }
  struct wr_error *error = find(&s, run, found);
  return !error && found ? merge(&s, run, found) : error;
}
