/* Convolutions by cuDNN, where it is there and was measured to be faster than the kernels of
   conv.c: those of a dense input and weight by tensor cores. What it cannot or may not do, and what
   it fails at, goes by those kernels. The only error is that memory for its workspace is refused:
   it is waited for as other memory is, lest results depend on how much there is.

   A convolution is described to cuDNN, which ranks its ways; the first is taken that adds in
   float32 and in an order that does not depend on timing, rounds no operand more than was asked
   for, is not compiled first, and works in a bounded room. What comes of it, a plan, is kept, with
   a handle of cuDNN's, which one thread at a time may use: so a set of a handle and its plans is
   taken out of a list for a call, and put back. There are as many sets as threads ever were at it
   together; of each the latest plans stay. What failed a few times in a row, but for want of
   memory, is not asked for again: a plan, or any handle. Lock: BACKEND, the list's; not held during
   a call of cuDNN. */

#include <string.h>

#include "backend/cuda/ops/conv.h"
#include "base/ending.h"
#include "base/gate.h"

enum {
  PLANS = 128,  /* of a set */
  ALIGNED = 16, /* bytes, of the three tensors */
  AXES = WR_CONV_AXES,
  DIMS_MOST = AXES + 2,
  WAYS = 10,        /* of cuDNN's that are looked at */
  FAILURES_MOST = 4 /* in a row */
};

enum { INPUT, WEIGHT, OUT, TENSORS }; /* their numbers for cuDNN */

/* All that a plan depends on; compared byte by byte, so it has no padding. */
struct plan_key {
  struct wr_conv_extents x;
  int64_t n;
  int32_t dtype, precision;
};

_Static_assert(sizeof(struct plan_key) == sizeof(struct wr_conv_extents) + 16, "no padding");

struct plan {
  struct plan_key key;
  bool ranked;      /* PLAN is what cuDNN said; else it failed to say */
  int failures;     /* in a row, but for want of memory */
  wr_dnn_desc plan; /* NULL: cuDNN has no way */
  wr_dnn_desc config;
  int64_t workspace; /* bytes */
};

struct set {
  struct set *next;
  wr_dnn_handle handle;
  int count;
  struct plan plans[PLANS]; /* the latest last */
};

struct wr_conv_table {
  struct wr_mutex lock;
  struct set *sets; /* under LOCK: those that nobody uses */
  int failures;     /* under LOCK: to make a handle, in a row, but for want of memory */
};

struct wr_error *wr_conv_table_new(struct wr_conv_table **out) {
  *out = wr_calloc(sizeof **out);
  if (!*out) return wr_error_out_of_memory();
  wr_mutex_init(&(*out)->lock, WR_RANK_BACKEND);
  return NULL;
}

void wr_conv_table_free(struct wr_conv_table *table) { wr_free(table); }

/* Failures in a row after a call of this status. */
static int failures_after(int failures, int status) {
  const bool dry = status == WR_DNN_NO_HOST_MEMORY || status == WR_DNN_NO_MEMORY;
  return !status ? 0 : dry ? failures : failures + 1;
}

/* ---- sets ---- */

static struct set *set_new(struct wr_conv_table *t, const struct wr_dnn *dnn) {
  struct set *set = wr_calloc(sizeof *set);
  if (!set) return NULL;
  const int status = dnn->create(&set->handle);
  wr_mutex_lock(&t->lock);
  t->failures = failures_after(t->failures, status);
  wr_mutex_unlock(&t->lock);
  if (!status) return set;
  wr_free(set);
  return NULL;
}

/* NULL: there is none to be had. */
static struct set *set_take(struct wr_conv_table *t, const struct wr_dnn *dnn, bool *made) {
  wr_mutex_lock(&t->lock);
  struct set *set = t->sets;
  if (set) t->sets = set->next;
  *made = !set && t->failures < FAILURES_MOST;
  wr_mutex_unlock(&t->lock);
  return *made ? set_new(t, dnn) : set;
}

static void set_give(struct wr_conv_table *t, struct set *set) {
  wr_mutex_lock(&t->lock);
  set->next = t->sets;
  t->sets = set;
  wr_mutex_unlock(&t->lock);
}

/* ---- descriptions ---- */

/* What is being made of descriptions: after a call that failed, the rest are not made. */
struct making {
  const struct wr_dnn *dnn;
  int status;
};

static wr_dnn_desc begin(struct making *m, int kind) {
  wr_dnn_desc d = NULL;
  if (!m->status) m->status = m->dnn->desc_new(kind, &d);
  return m->status ? NULL : d;
}

static void set(struct making *m, wr_dnn_desc d, int attribute, int type, int64_t count,
                const void *values) {
  if (!m->status) m->status = m->dnn->desc_set(d, attribute, type, count, values);
}

static void set_number(struct making *m, wr_dnn_desc d, int attribute, int64_t value) {
  set(m, d, attribute, WR_DNN_IS_INT64, 1, &value);
}

static void set_desc(struct making *m, wr_dnn_desc d, int attribute, const wr_dnn_desc *value) {
  set(m, d, attribute, WR_DNN_IS_DESC, 1, value);
}

static void finish(struct making *m, wr_dnn_desc d) {
  if (!m->status) m->status = m->dnn->desc_finish(d);
}

/* How many values there were. */
static int64_t get(struct making *m, wr_dnn_desc d, int attribute, int type, int64_t room,
                   void *values) {
  int64_t count = 0;
  if (!m->status) m->status = m->dnn->desc_get(d, attribute, type, room, &count, values);
  return m->status ? 0 : count < room ? count : room;
}

/* Whether it will be the same next time: success, or that there is no such convolution. */
static bool is_final(int status) {
  return !status || (status >= WR_DNN_BAD && status < WR_DNN_FAILED);
}

static void drop(const struct making *m, wr_dnn_desc d) {
  if (d) (void)m->dnn->desc_free(d);
}

/* cuDNN has two axes or three; one that is not there is the first, 1 long. */
static int axes_of(const struct wr_conv_extents *x) {
  const bool plane = x->in[0] == 1 && x->kernel[0] == 1 && x->result[0] == 1 && x->padding[0] == 0;
  return plane ? 2 : 3;
}

static int type_of(enum wr_dtype t) {
  return t == WR_FLOAT32 ? WR_DNN_F32 : t == WR_FLOAT16 ? WR_DNN_F16 : WR_DNN_BF16;
}

/* cuDNN counts channels before the axes; they lie behind them. */
static wr_dnn_desc tensor(struct making *m, int number, enum wr_dtype dtype, int axes, int64_t n,
                          int64_t channels, const int64_t *extents) {
  const int dims = axes + 2, type = type_of(dtype);
  int64_t shape[DIMS_MOST] = {n, channels}, strides[DIMS_MOST] = {0, 1}, stride = channels;
  for (int i = axes - 1; i >= 0; i--) {
    shape[i + 2] = extents[AXES - axes + i];
    strides[i + 2] = stride;
    stride *= shape[i + 2];
  }
  strides[0] = stride;
  wr_dnn_desc d = begin(m, WR_DNN_TENSOR);
  set(m, d, WR_DNN_TENSOR_TYPE, WR_DNN_IS_TYPE, 1, &type);
  set(m, d, WR_DNN_TENSOR_SHAPE, WR_DNN_IS_INT64, dims, shape);
  set(m, d, WR_DNN_TENSOR_STRIDES, WR_DNN_IS_INT64, dims, strides);
  set_number(m, d, WR_DNN_TENSOR_NUMBER, number);
  set_number(m, d, WR_DNN_TENSOR_ALIGNMENT, ALIGNED);
  finish(m, d);
  return d;
}

/* The padding behind the last element that the result takes. */
static int64_t behind_of(const struct wr_conv_extents *x, int i) {
  const int64_t reach = (x->kernel[i] - 1) * x->kernel_dilation[i] + 1;
  const int64_t behind = (x->result[i] - 1) * x->stride[i] + reach - x->in[i] - x->padding[i];
  return behind > 0 ? behind : 0;
}

static wr_dnn_desc conv(struct making *m, const struct wr_conv_extents *x, int axes) {
  const int type = WR_DNN_F32, mode = WR_DNN_CROSS_CORRELATION, first = AXES - axes;
  int64_t behind[AXES];
  for (int i = 0; i < AXES; i++) behind[i] = behind_of(x, i);
  wr_dnn_desc d = begin(m, WR_DNN_CONV);
  set(m, d, WR_DNN_CONV_TYPE, WR_DNN_IS_TYPE, 1, &type);
  set(m, d, WR_DNN_CONV_MODE, WR_DNN_IS_CONV_MODE, 1, &mode);
  set_number(m, d, WR_DNN_CONV_AXES, axes);
  set(m, d, WR_DNN_CONV_STRIDES, WR_DNN_IS_INT64, axes, x->stride + first);
  set(m, d, WR_DNN_CONV_DILATIONS, WR_DNN_IS_INT64, axes, x->kernel_dilation + first);
  set(m, d, WR_DNN_CONV_BEFORE, WR_DNN_IS_INT64, axes, x->padding + first);
  set(m, d, WR_DNN_CONV_BEHIND, WR_DNN_IS_INT64, axes, behind + first);
  finish(m, d);
  return d;
}

static wr_dnn_desc operation(struct making *m, const wr_dnn_desc *tensors, wr_dnn_desc how) {
  const float alpha = 1, beta = 0;
  wr_dnn_desc d = begin(m, WR_DNN_CONV_FORWARD);
  set_desc(m, d, WR_DNN_FORWARD_INPUT, &tensors[INPUT]);
  set_desc(m, d, WR_DNN_FORWARD_WEIGHT, &tensors[WEIGHT]);
  set_desc(m, d, WR_DNN_FORWARD_OUT, &tensors[OUT]);
  set_desc(m, d, WR_DNN_FORWARD_CONV, &how);
  set(m, d, WR_DNN_FORWARD_ALPHA, WR_DNN_IS_FLOAT, 1, &alpha);
  set(m, d, WR_DNN_FORWARD_BETA, WR_DNN_IS_FLOAT, 1, &beta);
  finish(m, d);
  return d;
}

/* A graph of one operation. */
static wr_dnn_desc graph(struct making *m, wr_dnn_handle handle, const wr_dnn_desc *operation) {
  wr_dnn_desc d = begin(m, WR_DNN_GRAPH);
  set(m, d, WR_DNN_GRAPH_HANDLE, WR_DNN_IS_HANDLE, 1, &handle);
  set_desc(m, d, WR_DNN_GRAPH_OPERATIONS, operation);
  finish(m, d);
  return d;
}

static wr_dnn_desc graph_of(struct making *m, wr_dnn_handle handle, const struct plan_key *key) {
  const struct wr_conv_extents *x = &key->x;
  const enum wr_dtype t = (enum wr_dtype)key->dtype;
  const int axes = axes_of(x);
  wr_dnn_desc tensors[TENSORS] = {
      tensor(m, INPUT, t, axes, key->n, x->in_channels, x->in),
      tensor(m, WEIGHT, t, axes, x->out_channels, x->in_channels / x->groups, x->kernel),
      tensor(m, OUT, t, axes, key->n, x->out_channels, x->result)};
  wr_dnn_desc how = conv(m, x, axes), one = operation(m, tensors, how);
  wr_dnn_desc d = graph(m, handle, &one);
  drop(m, one);
  drop(m, how);
  for (int i = 0; i < TENSORS; i++) drop(m, tensors[i]);
  return d;
}

/* ---- ways ---- */

/* The bits of what cuDNN notes about an engine. */
static uint32_t notes_of(struct making *m, wr_dnn_desc engine, int attribute, int type) {
  enum { ROOM = 32 };
  int notes[ROOM];
  uint32_t bits = 0;
  const int64_t count = get(m, engine, attribute, type, ROOM, notes);
  for (int64_t i = 0; i < count; i++) bits |= (uint32_t)1 << (notes[i] & 31);
  return bits;
}

/* Whether one way may be taken: by tensor cores, with no note on its numbers but that and care for
   NaN, and without a compiler. */
static bool may_be(struct making *m, wr_dnn_desc config) {
  const uint32_t cores = (uint32_t)1 << WR_DNN_NOTE_TENSOR_CORES;
  const uint32_t strict = (uint32_t)1 << WR_DNN_NOTE_STRICT_NAN;
  const uint32_t compiles = (uint32_t)1 << WR_DNN_NOTE_COMPILES;
  wr_dnn_desc engine = begin(m, WR_DNN_ENGINE);
  (void)get(m, config, WR_DNN_CONFIG_ENGINE, WR_DNN_IS_DESC, 1, &engine);
  const uint32_t numerical = notes_of(m, engine, WR_DNN_ENGINE_NUMERICAL, WR_DNN_IS_NUMERICAL_NOTE);
  const uint32_t behavior = notes_of(m, engine, WR_DNN_ENGINE_BEHAVIOR, WR_DNN_IS_BEHAVIOR_NOTE);
  drop(m, engine);
  return !m->status && (numerical & ~strict) == cores && (behavior & compiles) == 0;
}

static void make_plan(struct making *m, wr_dnn_handle handle, const wr_dnn_desc *config,
                      struct plan *plan) {
  wr_dnn_desc d = begin(m, WR_DNN_PLAN);
  set(m, d, WR_DNN_PLAN_HANDLE, WR_DNN_IS_HANDLE, 1, &handle);
  set_desc(m, d, WR_DNN_PLAN_CONFIG, config);
  finish(m, d);
  (void)get(m, d, WR_DNN_PLAN_WORKSPACE, WR_DNN_IS_INT64, 1, &plan->workspace);
  if (!m->status && plan->workspace <= WR_RUN_WORKSPACE) {
    plan->plan = d;
  } else {
    drop(m, d);
  }
}

/* That a way cannot be taken is no failure; cuDNN says so of some that it ranked itself. */
static bool take_way(struct making *m, wr_dnn_handle handle, const wr_dnn_desc *config,
                     struct plan *plan) {
  struct making own = {.dnn = m->dnn};
  if (may_be(&own, *config)) make_plan(&own, handle, config, plan);
  if (!is_final(own.status)) m->status = own.status;
  return plan->plan != NULL;
}

/* The first of cuDNN's ways that may be taken becomes the plan. */
static void rank(struct making *m, wr_dnn_handle handle, wr_dnn_desc graph, struct plan *plan) {
  const int mode = WR_DNN_BY_TREE;
  wr_dnn_desc ways[WAYS] = {0};
  wr_dnn_desc d = begin(m, WR_DNN_HEURISTICS);
  set_desc(m, d, WR_DNN_HEURISTICS_GRAPH, &graph);
  set(m, d, WR_DNN_HEURISTICS_MODE, WR_DNN_IS_HEURISTIC, 1, &mode);
  finish(m, d);
  for (int i = 0; i < WAYS; i++) ways[i] = begin(m, WR_DNN_CONFIG);
  const int64_t count = get(m, d, WR_DNN_HEURISTICS_RESULTS, WR_DNN_IS_DESC, WAYS, ways);
  for (int64_t i = 0; i < count && !m->status && !plan->plan; i++) {
    if (!take_way(m, handle, &ways[i], plan)) continue;
    plan->config = ways[i];
    ways[i] = NULL;
  }
  for (int i = 0; i < WAYS; i++) drop(m, ways[i]);
  drop(m, d);
}

/* ---- plans ---- */

static struct plan *plan_known(struct set *set, const struct plan_key *key) {
  for (int i = set->count - 1; i >= 0; i--) {
    if (memcmp(&set->plans[i].key, key, sizeof *key) != 0) continue;
    const struct plan found = set->plans[i];
    memmove(&set->plans[i], &set->plans[i + 1],
            (size_t)(set->count - 1 - i) * sizeof set->plans[0]);
    set->plans[set->count - 1] = found;
    return &set->plans[set->count - 1];
  }
  return NULL;
}

/* One that is not ranked. */
static struct plan *plan_new(const struct wr_dnn *dnn, struct set *set,
                             const struct plan_key *key) {
  const struct making m = {.dnn = dnn};
  if (set->count == PLANS) {
    drop(&m, set->plans[0].plan);
    drop(&m, set->plans[0].config);
    set->count--;
    memmove(&set->plans[0], &set->plans[1], (size_t)set->count * sizeof set->plans[0]);
  }
  set->plans[set->count] = (struct plan){.key = *key};
  return &set->plans[set->count++];
}

static void plan_make(const struct wr_dnn *dnn, struct set *set, struct plan *plan) {
  struct making m = {.dnn = dnn};
  wr_dnn_desc all = graph_of(&m, set->handle, &plan->key);
  rank(&m, set->handle, all, plan);
  drop(&m, all);
  plan->ranked = is_final(m.status);
  if (!plan->ranked) plan->failures = failures_after(plan->failures, m.status);
}

/* ---- running ---- */

static int execute(const struct wr_dnn *dnn, wr_dnn_handle handle, const struct plan *plan,
                   const struct wr_conv *c, void *workspace) {
  struct making m = {.dnn = dnn};
  const int64_t numbers[TENSORS] = {INPUT, WEIGHT, OUT};
  void *const pointers[TENSORS] = {c->input.data, c->weight.data, c->out->data};
  wr_dnn_desc d = begin(&m, WR_DNN_ARGUMENTS);
  set(&m, d, WR_DNN_ARGUMENTS_NUMBERS, WR_DNN_IS_INT64, TENSORS, numbers);
  set(&m, d, WR_DNN_ARGUMENTS_POINTERS, WR_DNN_IS_POINTER, TENSORS, pointers);
  set(&m, d, WR_DNN_ARGUMENTS_WORKSPACE, WR_DNN_IS_POINTER, 1, &workspace);
  finish(&m, d);
  if (!m.status) m.status = dnn->execute(handle, plan->plan, d);
  drop(&m, d);
  return m.status;
}

/* The result is written whole by whoever comes after a failure. */
static struct wr_error *run_plan(struct wr_run *run, const struct wr_dnn *dnn, struct set *set,
                                 struct plan *plan, const struct wr_conv *c, bool *ran) {
  void *workspace = NULL;
  struct wr_error *error = plan->workspace > 0 ? wr_run_workspace(run, &workspace) : NULL;
  if (error) return error;
  *ran = true;
  if (!wr_run_direct(run)) return NULL; /* nobody comes after it either */
  int status = dnn->set_stream(set->handle, run->stream);
  if (!status) {
    run->launched = true;
    status = execute(dnn, set->handle, plan, c, workspace);
  }
  plan->failures = failures_after(plan->failures, status);
  *ran = !status;
  return NULL;
}

static struct wr_error *run_inside(struct wr_run *run, const struct wr_conv *c,
                                   const struct plan_key *key, bool *ran) {
  struct wr_absence why;
  struct wr_error *error = NULL;
  bool made, make = false;
  const struct wr_dnn *dnn = wr_cuda_dnn(&why);
  if (!dnn) return NULL;
  struct set *set = set_take(run->gpu->convs, dnn, &made);
  if (set) {
    struct plan *plan = plan_known(set, key);
    if (!plan) plan = plan_new(dnn, set, key);
    const bool tried = plan->failures >= FAILURES_MOST;
    make = !plan->ranked && !tried;
    if (make) plan_make(dnn, set, plan);
    if (plan->plan && !tried) error = run_plan(run, dnn, set, plan, c, ran);
    set_give(run->gpu->convs, set);
  }
  if (make || made) wr_ending_goes_first();
  return error;
}

/* ---- which ---- */

static bool is_plain(const struct wr_tensor *t) {
  return t->dense && wr_aligned(t->data, ALIGNED) && t->size <= INT32_MAX;
}

/* Below so many million operations a launch by cuDNN costs more than its kernels save. This and the
   channels: as measured on an H200. */
static int64_t least_of(const struct wr_conv *c) {
  enum { FEW = 20, TF32 = 500, SHORT = 1500 };
  return wr_conv_has_few_channels(&c->x) ? FEW : c->out->dtype == WR_FLOAT32 ? TF32 : SHORT;
}

/* For other numbers of channels cuDNN copies first, or has slower kernels. */
static bool has_channels(const struct wr_conv_extents *x) {
  enum { FEW = 4, MANY = 16 };
  const int64_t of = wr_conv_has_few_channels(x) ? FEW : MANY;
  return x->in_channels / x->groups % of == 0 && x->out_channels / x->groups % of == 0;
}

static bool is_wanted(const struct wr_run *run, const struct wr_conv *c) {
  const enum wr_dtype t = c->out->dtype;
  const bool cores =
      t == WR_FLOAT16 || t == WR_BFLOAT16 || (t == WR_FLOAT32 && c->precision == WR_PRECISION_TF32);
  if (!cores || run->gpu->arch < 80) return false;
  for (int i = 0; i < AXES; i++) {
    if (c->x.input_dilation[i] != 1) return false;
  }
  if (!is_plain(&c->input) || !is_plain(&c->weight) || !is_plain(c->out)) return false;
  const int64_t depth = c->weight.size / c->x.out_channels; /* both below 2^31 */
  return has_channels(&c->x) && 2 * c->out->size / 1000 * depth / 1000 >= least_of(c);
}

/* The gate, as around a compilation: cuDNN's destructors must not run while a thread is in a call.
 */
struct wr_error *wr_conv_by_cudnn(struct wr_run *run, const struct wr_conv *c, bool *ran) {
  *ran = false;
  if (!is_wanted(run, c) || !wr_gate_enter(WR_GATE_GPU)) return NULL;
  const enum wr_dtype t = c->out->dtype;
  const struct plan_key key = {.x = c->x,
                               .n = c->out->shape[0],
                               .dtype = (int32_t)t,
                               .precision = t == WR_FLOAT32 ? c->precision : 0};
  struct wr_error *error = run_inside(run, c, &key, ran);
  wr_gate_leave(WR_GATE_GPU);
  return error;
}
