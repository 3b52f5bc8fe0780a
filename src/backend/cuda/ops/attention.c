/* Attention of 16-bit floats (kernels/attention.cu), of up to 128 elements a key and a value. A few
   rows are not enough for all multiprocessors, so their keys are cut in splits, which are joined.
 */

#include "backend/cuda/ops/internal.h"

enum { ROWS = 64, KEYS = 64, THREADS = 128, SPLITS_MOST = 64 };

/* The kernels' structs of these names. */
struct places {
  int64_t b, h, i, j;
};
struct problem {
  const void *q, *k, *v, *mask;
  const float *sinks;
  struct places q_at, k_at, v_at, mask_at;
  int64_t batch, heads, group, l, m, d, e;
  int64_t rows, tiles;
  int64_t causal, splits;
  double scale;
};
struct parts {
  float *sums, *stats;
};

static struct places places_of(const struct wr_tensor *t) {
  return (struct places){t->strides[0], t->strides[1], t->strides[2], t->strides[3]};
}

static struct problem problem_of(const struct wr_call *call) {
  const struct wr_attention_params *params = call->params;
  const struct wr_tensor *q = &call->in[0], *k = &call->in[1], *v = &call->in[2];
  struct problem p = {.q = q->data,
                      .k = k->data,
                      .v = v->data,
                      .q_at = places_of(q),
                      .k_at = places_of(k),
                      .v_at = places_of(v),
                      .batch = q->shape[0],
                      .heads = k->shape[1],
                      .group = q->shape[1] / k->shape[1],
                      .l = q->shape[2],
                      .m = k->shape[2],
                      .d = q->shape[3],
                      .e = v->shape[3],
                      .causal = params->causal,
                      .splits = 1,
                      .scale = (double)params->scale};
  p.rows = p.group * p.l;
  p.tiles = (p.rows + ROWS - 1) / ROWS;
  if (params->has_mask) {
    p.mask = call->in[3].data;
    p.mask_at = places_of(&call->in[3]);
  }
  return p;
}

/* So many that there is a block for each multiprocessor, of two tiles of keys at least. */
static int64_t splits_of(const struct wr_run *run, const struct problem *p) {
  const int64_t blocks = p->batch * p->heads * p->tiles, tiles = (p->m + KEYS - 1) / KEYS;
  const int64_t wanted = 2 * (int64_t)run->gpu->multiprocessors / blocks;
  int64_t splits = tiles / 2 < wanted ? tiles / 2 : wanted;
  if (splits > SPLITS_MOST) splits = SPLITS_MOST;
  return splits > 1 ? splits : 1;
}

static struct wr_error *parts_new(struct wr_run *run, const struct problem *p, struct parts *w) {
  const size_t rows = (size_t)(p->splits * p->batch * p->heads * p->rows);
  void *room;
  struct wr_error *error = wr_run_scratch(run, rows * ((size_t)p->e + 2) * sizeof(float), &room);
  if (error) return error;
  w->stats = room;
  w->sums = w->stats + 2 * rows;
  return NULL;
}

static struct wr_error *sinks_of(struct wr_run *run, const struct wr_call *call,
                                 struct problem *p) {
  const struct wr_attention_params *params = call->params;
  const struct wr_tensor *sinks = &call->in[3 + params->has_mask];
  void *room;
  if (!params->has_sinks) return NULL;
  struct wr_error *error = wr_run_scratch(run, (size_t)sinks->size * sizeof(float), &room);
  if (!error) error = wr_gpu_convert(run, sinks, WR_FLOAT32, room);
  p->sinks = room;
  return error;
}

static struct wr_error *join(struct wr_run *run, struct wr_module_id id, void *out,
                             const struct parts *w, const struct problem *p) {
  struct wr_launch l;
  const int64_t rows = p->batch * p->heads * p->rows;
  wr_launch_start(&l, id, WR_ENTRY_ATTENTION_JOIN);
  wr_launch_pointer(&l, out);
  wr_launch_struct(&l, w, sizeof *w);
  wr_launch_i64(&l, rows);
  wr_launch_i64(&l, p->e);
  wr_launch_i64(&l, p->splits);
  wr_launch_threads(&l, run, rows * p->e, 128);
  return wr_launch(&l, run);
}

struct wr_error *wr_gpu_attention(struct wr_run *run, const struct wr_call *call) {
  struct problem p = problem_of(call);
  struct parts w = {NULL, NULL};
  struct wr_launch l;
  const int64_t longest = p.d > p.e ? p.d : p.e;
  const struct wr_module_id id = {.source = WR_SOURCE_ATTENTION,
                                  .op = WR_OP_ATTENTION,
                                  .a = (uint8_t)call->out.dtype,
                                  .b = (uint8_t)(p.mask ? call->in[3].dtype : WR_BOOL),
                                  .big = true,
                                  .variant = (uint8_t)((longest + 63) / 64)};
  struct wr_error *error = sinks_of(run, call, &p);
  if (error) return error;
  p.splits = splits_of(run, &p);
  if (p.splits > 1) error = parts_new(run, &p, &w);
  if (error) return error;
  wr_launch_start(&l, id, WR_ENTRY_ATTENTION);
  wr_launch_pointer(&l, call->out.data);
  wr_launch_struct(&l, &w, sizeof w);
  wr_launch_struct(&l, &p, sizeof p);
  wr_launch_blocks(&l, p.batch * p.heads * p.tiles, p.splits, THREADS);
  error = wr_launch(&l, run);
  return error || p.splits == 1 ? error : join(run, id, call->out.data, &w, &p);
}
