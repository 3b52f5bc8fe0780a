/* The stand-in for cuFFT: takes everything, computes nothing, and is as hard to end as the real one
   (slow.h). A plan that is used by two threads at once, or is not there, ends the process. Plans
   are refused, and transforms take their time, where a test says so. Any thread. */

#include <stdlib.h>

#include "backend/cuda/driver/library.h"
#include "slow.h"
#include "stand_in.h"

#define WR_FUNCTION(name, symbol, params) \
  __attribute__((visibility("default"))) int stand_in_##name params __asm__(symbol);
#include "backend/cuda/driver/cufft.def"
#undef WR_FUNCTION

enum { PLANS = 1024, NONE = 0, IDLE = 1, USED = 2, REFUSED = 5 };

/* By plan. Atomic ACQ_REL: who takes a plan sees what was done with it before. */
static wr_atomic_u32 plans[PLANS];
static wr_atomic_u32 made; /* atomic RELAXED: a number by itself */

__attribute__((constructor)) static void load(void) { slow_open(NULL); }
__attribute__((destructor)) static void unload(void) { slow_end(NULL); }

/* Atomic relaxed: numbers by themselves. */
static wr_atomic_u64 to_refuse, begun;
static wr_atomic_u32 lingers; /* milliseconds */

static void refuse(uint64_t plans_refused) { wr_store_relaxed(&to_refuse, plans_refused); }
static void linger(uint32_t ms) { wr_store_relaxed(&lingers, ms); }
static uint64_t transforms(void) { return wr_load_relaxed(&begun); }

__attribute__((visibility("default"))) extern const struct stand_in_fft weir_stand_in_fft;
const struct stand_in_fft weir_stand_in_fft = {refuse, linger, transforms};

static void change(int plan, uint32_t from, uint32_t to) {
  if (plan < 0 || plan >= PLANS) slow_misuse("no such plan");
  if (!wr_cas_acq_rel(&plans[plan], &from, to)) slow_misuse("a plan is used by two, or gone");
}

static int use(int plan) {
  slow_enter();
  change(plan, IDLE, USED);
  change(plan, USED, IDLE);
  slow_leave();
  return 0;
}

static int transform(int plan) {
  const uint32_t ms = wr_load_relaxed(&lingers);
  const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
  slow_enter();
  change(plan, IDLE, USED);
  wr_fetch_add_relaxed(&begun, 1u); /* relaxed: see the word */
  if (ms) nanosleep(&time, NULL);
  change(plan, USED, IDLE);
  slow_leave();
  return 0;
}

int stand_in_create(int *plan) {
  slow_enter();
  slow_first_call();
  *plan = (int)(wr_fetch_add_relaxed(&made, 1u) % PLANS); /* relaxed: see the word */
  change(*plan, NONE, IDLE);
  slow_leave();
  return 0;
}

int stand_in_destroy(int plan) {
  slow_enter();
  change(plan, IDLE, NONE);
  slow_leave();
  return 0;
}

int stand_in_own_workspace(int plan, int yes) {
  (void)yes;
  return use(plan);
}

int stand_in_make(int plan, int rank, long long *n, long long *in_embed, long long in_stride,
                  long long in_distance, long long *out_embed, long long out_stride,
                  long long out_distance, int type, long long batch, size_t *workspace) {
  (void)rank;
  (void)in_embed;
  (void)in_stride;
  (void)in_distance;
  (void)out_embed;
  (void)out_stride;
  (void)out_distance;
  (void)type;
  *workspace = (size_t)(*n * batch * 8);
  const uint64_t left = wr_load_relaxed(&to_refuse);
  if (!left) return use(plan);
  wr_store_relaxed(&to_refuse, left - 1);
  (void)use(plan);
  slow_register();
  return REFUSED;
}

int stand_in_set_stream(int plan, wr_cu_stream stream) {
  (void)stream;
  return use(plan);
}

int stand_in_set_workspace(int plan, void *workspace) {
  if (!workspace) slow_misuse("a plan without its workspace");
  return use(plan);
}

int stand_in_c2c(int plan, void *in, void *out, int direction) {
  (void)in;
  (void)out;
  (void)direction;
  return transform(plan);
}

int stand_in_r2c(int plan, void *in, void *out) {
  (void)in;
  (void)out;
  return transform(plan);
}

int stand_in_c2r(int plan, void *in, void *out) {
  (void)in;
  (void)out;
  return transform(plan);
}
