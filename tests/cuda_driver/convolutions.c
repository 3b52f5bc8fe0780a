/* The stand-in for cuDNN: takes everything, computes nothing, and is as hard to end as the real one
   (slow.h). It has three ways for each convolution: one that would be compiled, one that adds in an
   order of its own, and one with a workspace. A handle that is used by two threads at once, a
   description that is used before it is finished or after it is gone, and a plan that gets no
   workspace, end the process. Any thread. */

#include <stdlib.h>
#include <string.h>

#include "backend/cuda/driver/library.h"
#include "slow.h"
#include "stand_in.h"

#define WR_FUNCTION(name, symbol, params) \
  __attribute__((visibility("default"))) int stand_in_##name params __asm__(symbol);
#include "backend/cuda/driver/cudnn.def"
#undef WR_FUNCTION

enum call {
#define WR_FUNCTION(name, symbol, params) CALL_##name,
#include "backend/cuda/driver/cudnn.def"
#undef WR_FUNCTION
  CALLS
};

static const char *const symbols[CALLS] = {
#define WR_FUNCTION(name, symbol, params) symbol,
#include "backend/cuda/driver/cudnn.def"
#undef WR_FUNCTION
};

enum { WAYS = 3, WORKSPACE = 4096, BAD = 2000, NO_MEMORY = 4003, LIVE = 0x6d5a, GONE = 0x1dea };

struct wr_dnn_handle_object {
  wr_atomic_u32 used; /* atomic ACQ_REL: who uses it sees what was done with it before */
  wr_cu_stream stream;
};

struct desc {
  unsigned word;
  int kind;
  bool finished;
  int way;         /* of configurations, engines and plans */
  void *workspace; /* of arguments */
};

/* The call that is to fail. Atomic RELAXED: a test gives its orders while nobody calls. */
static wr_atomic_u32 failing, fails_at, result_then;
static wr_atomic_u64 executed, living; /* atomic RELAXED: numbers by themselves */

static void fail(const char *symbol, uint64_t n, int result) {
  uint32_t call = 0;
  while (call < CALLS && strcmp(symbols[call], symbol) != 0) call++;
  if (call == CALLS) slow_misuse("no such function");
  wr_store_relaxed(&result_then, (uint32_t)result); /* relaxed: see the words */
  wr_store_relaxed(&failing, call);
  wr_store_relaxed(&fails_at, (uint32_t)n);
}

static uint64_t executions(void) { return wr_load_relaxed(&executed); } /* relaxed: see the words */
static uint64_t alive(void) { return wr_load_relaxed(&living); }
static int has_failed(void) { return wr_load_relaxed(&fails_at) == 0; }

__attribute__((visibility("default"))) extern const struct stand_in_dnn weir_stand_in_dnn;
const struct stand_in_dnn weir_stand_in_dnn = {fail, has_failed, executions, alive};

__attribute__((constructor)) static void load(void) { slow_open(NULL); }
__attribute__((destructor)) static void unload(void) { slow_end(NULL); }

static int called(enum call call) {
  int result = 0;
  slow_enter();
  /* relaxed: see the words */
  if (wr_load_relaxed(&fails_at) && wr_load_relaxed(&failing) == (uint32_t)call &&
      wr_fetch_sub_relaxed(&fails_at, 1u) == 1) {
    result = (int)wr_load_relaxed(&result_then);
  }
  slow_leave();
  return result;
}

/* ---- handles ---- */

static void handle_take(wr_dnn_handle h) {
  uint32_t idle = 0;
  if (!wr_cas_acq_rel(&h->used, &idle, 1u)) slow_misuse("a handle is used by two");
}

static void handle_give(wr_dnn_handle h) { wr_store_release(&h->used, 0u); }

int stand_in_create(wr_dnn_handle *handle) {
  const int result = called(CALL_create);
  if (result) return result;
  slow_enter();
  slow_first_call();
  slow_leave();
  *handle = calloc(1, sizeof **handle);
  return *handle ? 0 : NO_MEMORY;
}

int stand_in_set_stream(wr_dnn_handle handle, wr_cu_stream stream) {
  const int result = called(CALL_set_stream);
  handle_take(handle);
  if (!result) handle->stream = stream;
  handle_give(handle);
  return result;
}

/* ---- descriptions ---- */

static struct desc *living_desc(wr_dnn_desc d) {
  struct desc *desc = d;
  if (!desc || desc->word != LIVE) slow_misuse("no such description");
  return desc;
}

static struct desc *finished_desc(wr_dnn_desc d, int kind) {
  struct desc *desc = living_desc(d);
  if (!desc->finished || desc->kind != kind) slow_misuse("a description is not what it has to be");
  return desc;
}

int stand_in_desc_new(int kind, wr_dnn_desc *d) {
  const int result = called(CALL_desc_new);
  if (result) return result;
  struct desc *desc = calloc(1, sizeof *desc);
  if (!desc) return NO_MEMORY;
  desc->word = LIVE;
  desc->kind = kind;
  wr_fetch_add_relaxed(&living, 1u); /* relaxed: see the word */
  *d = desc;
  return 0;
}

int stand_in_desc_free(wr_dnn_desc d) {
  struct desc *desc = living_desc(d);
  desc->word = GONE;
  free(desc);
  wr_fetch_sub_relaxed(&living, 1u); /* relaxed: see the word */
  return called(CALL_desc_free);
}

int stand_in_desc_set(wr_dnn_desc d, int attribute, int type, int64_t count, const void *values) {
  struct desc *desc = living_desc(d);
  const int result = called(CALL_desc_set);
  if (result) return result;
  if (desc->finished || count < 1 || !values) slow_misuse("a description is set so");
  if (type == WR_DNN_IS_DESC) {
    const struct desc *of = living_desc(*(const wr_dnn_desc *)values);
    if (!of->finished) slow_misuse("a description of one that is not finished");
    if (attribute == WR_DNN_PLAN_CONFIG) desc->way = of->way;
  }
  if (attribute == WR_DNN_ARGUMENTS_WORKSPACE) desc->workspace = *(void *const *)values;
  return 0;
}

int stand_in_desc_finish(wr_dnn_desc d) {
  struct desc *desc = living_desc(d);
  const int result = called(CALL_desc_finish);
  if (!result) desc->finished = true;
  return result;
}

/* Fills descriptions that the caller has made. */
static int64_t fill_ways(int64_t room, wr_dnn_desc *ways) {
  const int64_t count = room < WAYS ? room : WAYS;
  for (int i = 0; i < count; i++) {
    struct desc *way = living_desc(ways[i]);
    way->finished = true;
    way->way = i;
  }
  return count;
}

static int64_t notes(const struct desc *engine, int attribute, int *values) {
  enum { NONDETERMINISTIC = 4 };
  if (attribute == WR_DNN_ENGINE_BEHAVIOR) {
    values[0] = WR_DNN_NOTE_COMPILES;
    return engine->way == 0;
  }
  values[0] = WR_DNN_NOTE_TENSOR_CORES;
  values[1] = NONDETERMINISTIC;
  return engine->way == 1 ? 2 : 1;
}

int stand_in_desc_get(wr_dnn_desc d, int attribute, int type, int64_t room, int64_t *count,
                      void *values) {
  const struct desc *desc = living_desc(d);
  const int64_t workspace = WORKSPACE;
  const int result = called(CALL_desc_get);
  (void)type;
  if (result) return result;
  if (!desc->finished || room < 1) return BAD;
  *count = 1;
  switch (attribute) {
    case WR_DNN_HEURISTICS_RESULTS:
      *count = fill_ways(room, values);
      break;
    case WR_DNN_CONFIG_ENGINE: {
      struct desc *engine = living_desc(*(wr_dnn_desc *)values);
      engine->finished = true;
      engine->way = desc->way;
      break;
    }
    case WR_DNN_PLAN_WORKSPACE:
      memcpy(values, &workspace, sizeof workspace);
      break;
    default:
      *count = notes(desc, attribute, values);
  }
  return 0;
}

/* ---- running ---- */

int stand_in_execute(wr_dnn_handle handle, wr_dnn_desc plan, wr_dnn_desc arguments) {
  const int result = called(CALL_execute);
  handle_take(handle);
  const struct desc *p = finished_desc(plan, WR_DNN_PLAN);
  const struct desc *a = finished_desc(arguments, WR_DNN_ARGUMENTS);
  if (p->way != WAYS - 1) slow_misuse("a way that may not be taken");
  if (!a->workspace) slow_misuse("a plan without its workspace");
  if (!handle->stream) slow_misuse("a handle without a stream");
  handle_give(handle);
  if (!result) wr_fetch_add_relaxed(&executed, 1u); /* relaxed: see the word */
  return result;
}
