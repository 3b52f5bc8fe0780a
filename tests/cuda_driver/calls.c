/* What every call of the stand-in goes through: orders to fail, the end of the process, the child
   of a fork; and what tests read by dlsym. All numbers are relaxed: they order nothing. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "slow.h"

struct counts counts;

static const char *const symbols[CALL_COUNT + 1] = {
#define WR_FUNCTION(name, symbol, params) [CALL_##name] = symbol,
#include "backend/cuda/driver/driver.def"
#undef WR_FUNCTION
};

/* All of the list is there: one that is missing does not link. */
typedef void (*any_function)(void);
__attribute__((used)) static const any_function functions[CALL_COUNT] = {
#define WR_FUNCTION(name, symbol, params) [CALL_##name] = (any_function)stand_in_##name,
#include "backend/cuda/driver/driver.def"
#undef WR_FUNCTION
};

/* Atomic relaxed, all of them but the first. */
static struct {
  wr_atomic_u64 calls[CALL_COUNT]; /* atomic ACQ_REL */
  wr_atomic_u64 left[CALL_COUNT];  /* calls until the one that fails, 0: no order */
  wr_atomic_u64 more[CALL_COUNT];  /* calls that fail after that one */
  wr_atomic_u32 result[CALL_COUNT];
  wr_atomic_u64 left_any;
  wr_atomic_u32 result_any;
  wr_atomic_bool failed;
  wr_atomic_u32 inside; /* calls */
  wr_atomic_bool ended;
  wr_atomic_bool forked;
} state;

static bool direct; /* immutable after cuInit */

void misuse(const char *what) {
  fprintf(stderr, "stand-in driver: %s\n", what);
  fflush(stderr);
  abort();
}

void demand(bool is_true, const char *what) {
  if (!is_true) misuse(what);
}

void count_up(wr_atomic_u64 *count) { wr_fetch_add_relaxed(count, 1u); }
void count_down(wr_atomic_u64 *count) { wr_fetch_sub_relaxed(count, 1u); }

bool runs_directly(void) { return direct; }

/* ---- the beginning and the end ---- */

static void at_end(void *unused) {
  (void)unused;
  if (wr_exchange_acq_rel(&state.ended, true)) return;
  if (wr_load_relaxed(&state.inside)) misuse("the process ends during a call");
}

/* Who was inside a call in the parent is not here. */
static void in_child(void) {
  wr_store_relaxed(&state.forked, true);
  wr_store_relaxed(&state.inside, 0u);
}

/* As the driver: handlers of its own, registered late, and the library's destructor. */
static void start(void) {
  const char *text = getenv("WEIR_STAND_IN_DIRECT");
  direct = text && !strcmp(text, "1");
  devices_start();
  slow_first_call();
  pthread_atfork(NULL, NULL, in_child);
}

__attribute__((constructor)) static void load(void) { slow_open(at_end); }
__attribute__((destructor)) static void unload(void) { at_end(NULL); }

/* ---- a call ---- */

/* Counts down; true at the call that fails. */
static bool comes_due(wr_atomic_u64 *left) {
  uint64_t n = wr_load_relaxed(left);
  while (n && !atomic_compare_exchange_weak_explicit(left, &n, n - 1, memory_order_relaxed,
                                                     memory_order_relaxed)) {
    continue;
  }
  return n == 1;
}

/* Counts down; true unless it was 0. */
static bool comes_to(wr_atomic_u64 *left) {
  uint64_t n = wr_load_relaxed(left);
  while (n && !wr_cas_acq_rel(left, &n, n - 1)) continue;
  return n > 0;
}

/* What fails here leaves the caller nothing to do about it. */
static bool is_for_any(enum call call) {
  switch (call) {
    case CALL_error_name:
    case CALL_error_text:
    case CALL_context_pop:
    case CALL_free_async:
    case CALL_stream_free:
    case CALL_event_free:
    case CALL_graph_free:
    case CALL_graph_exec_free:
      return false;
    default:
      return true;
  }
}

static wr_cu_result order_of(enum call call) {
  wr_cu_result result = 0;
  if (comes_due(&state.left[call])) {
    result = (wr_cu_result)wr_load_relaxed(&state.result[call]);
    if (comes_to(&state.more[call])) wr_store_relaxed(&state.left[call], 1u);
  }
  if (is_for_any(call) && comes_due(&state.left_any)) {
    result = (wr_cu_result)wr_load_relaxed(&state.result_any);
  }
  if (result) wr_store_relaxed(&state.failed, true);
  return result;
}

wr_cu_result call_end(wr_cu_result result) {
  wr_fetch_sub_relaxed(&state.inside, 1u);
  return result;
}

/* Any call may be a cancellation point, as those are that wait, read or write. */
wr_cu_result call_begin(enum call call) {
  if (wr_load_relaxed(&state.forked)) misuse("a call in the child of a fork");
  pthread_testcancel();
  wr_fetch_add_relaxed(&state.inside, 1u);
  if (wr_load_relaxed(&state.ended)) return call_end(WR_CU_DEINITIALIZED);
  wr_cu_result result = order_of(call);
  /* Counted when it has been looked whether it is to fail: who has seen the number gives orders for
     the next call. Release: pairs with the acquire in calls_of. */
  (void)wr_fetch_add_acq_rel(&state.calls[call], 1u);
  return result ? call_end(result) : WR_CU_SUCCESS;
}

wr_cu_result call_begin_inside(enum call call, wr_cu_context *context) {
  wr_cu_result result = call_begin(call);
  if (result) return result;
  *context = context_current();
  if (!*context) return call_end(INVALID_CONTEXT);
  result = (wr_cu_result)wr_load_relaxed(&(*context)->fault);
  return result ? call_end(result) : WR_CU_SUCCESS;
}

wr_cu_result stand_in_init(unsigned flags) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  wr_cu_result result = call_begin(CALL_init);
  if (result) return result;
  pthread_once(&once, start);
  return call_end(flags ? INVALID_VALUE : WR_CU_SUCCESS);
}

wr_cu_result stand_in_driver_version(int *version) {
  wr_cu_result result = call_begin(CALL_driver_version);
  if (result) return result;
  *version = 13000;
  return call_end(WR_CU_SUCCESS);
}

/* Also after the end. */
wr_cu_result stand_in_error_name(wr_cu_result result, const char **text) {
  static const char *const names[] = {"CUDA_SUCCESS", "CUDA_ERROR_INVALID_VALUE",
                                      "CUDA_ERROR_OUT_OF_MEMORY", "CUDA_ERROR_NOT_INITIALIZED",
                                      "CUDA_ERROR_DEINITIALIZED"};
  *text = result >= 0 && result < 5 ? names[result] : "CUDA_ERROR_OF_STAND_IN";
  return WR_CU_SUCCESS;
}

wr_cu_result stand_in_error_text(wr_cu_result result, const char **text) {
  *text = result == WR_CU_OUT_OF_MEMORY ? "out of memory" : "an error of the stand-in";
  return WR_CU_SUCCESS;
}

/* ---- orders ---- */

static enum call call_of(const char *symbol) {
  for (int i = 0; i < CALL_COUNT; i++) {
    if (!strcmp(symbols[i], symbol)) return (enum call)i;
  }
  misuse("a test names a function that is not there");
}

static void order_fail_times(const char *symbol, uint64_t n, uint64_t times, int result) {
  enum call call = call_of(symbol);
  wr_store_relaxed(&state.failed, false);
  wr_store_relaxed(&state.more[call], times > 0 ? times - 1 : 0);
  wr_store_relaxed(&state.result[call], (uint32_t)result);
  wr_store_relaxed(&state.left[call], n);
}

static void order_fail(const char *symbol, uint64_t n, int result) {
  order_fail_times(symbol, n, 1, result);
}

static void order_fail_any(uint64_t n, int result) {
  wr_store_relaxed(&state.failed, false);
  wr_store_relaxed(&state.result_any, (uint32_t)result);
  wr_store_relaxed(&state.left_any, n);
}

static int has_failed(void) { return wr_load_relaxed(&state.failed); }

static uint64_t calls_of(const char *symbol) {
  return wr_load_acquire(&state.calls[call_of(symbol)]);
}

static const char *symbol_at(int i) { return i >= 0 && i < CALL_COUNT ? symbols[i] : NULL; }

static void hold(void) { kernel_hold(1); }
static void release(void) { kernel_hold(-1); }

static void counts_read(struct stand_in_counts *out) {
  *out = (struct stand_in_counts){.streams = wr_load_relaxed(&counts.streams),
                                  .events = wr_load_relaxed(&counts.events),
                                  .allocations = wr_load_relaxed(&counts.allocations),
                                  .bytes = wr_load_relaxed(&counts.bytes),
                                  .graphs = wr_load_relaxed(&counts.graphs),
                                  .graph_execs = wr_load_relaxed(&counts.graph_execs),
                                  .modules = wr_load_relaxed(&counts.modules),
                                  .pinned = wr_load_relaxed(&counts.pinned),
                                  .kernels = wr_load_relaxed(&counts.kernels),
                                  .graph_launches = wr_load_relaxed(&counts.graph_launches),
                                  .copies = wr_load_relaxed(&counts.copies)};
}

static void *bytes_of(uint64_t address, size_t bytes) {
  void *found = addresses_find(address, bytes);
  demand(found != NULL, "a collective outside device memory that is there");
  return found;
}

__attribute__((visibility("default"))) extern const struct stand_in weir_stand_in;
const struct stand_in weir_stand_in = {.fail = order_fail,
                                       .fail_times = order_fail_times,
                                       .fail_any = order_fail_any,
                                       .has_failed = has_failed,
                                       .calls = calls_of,
                                       .symbol = symbol_at,
                                       .hold = hold,
                                       .release = release,
                                       .pause = kernel_pause,
                                       .fault = kernel_fault,
                                       .capacity = addresses_capacity,
                                       .queue = queue_limit,
                                       .blocked = queue_blocked,
                                       .run = stream_run,
                                       .bytes = bytes_of,
                                       .counts = counts_read};
