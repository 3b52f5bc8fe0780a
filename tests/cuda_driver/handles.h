#ifndef WR_TESTS_CUDA_DRIVER_HANDLES_H
#define WR_TESTS_CUDA_DRIVER_HANDLES_H

/* What the stand-ins for cuSOLVER and cuBLAS share; each includes it once. A handle that two
   threads use at once, or that is gone, ends the process. What a routine is given it touches in the
   order of its stream, which the driver's stand-in does: so memory that is not there any more, or
   that another stream still works in, is seen. Any thread. */

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "slow.h"
#include "stand_in.h"

enum handle_state { HANDLE_IDLE = 1, HANDLE_USED = 2 };

struct handle {
  wr_atomic_u32 state; /* atomic ACQ_REL: who uses it next sees what was done with it */
  void *stream;        /* by who uses it */
};

/* Atomic relaxed: numbers by themselves. */
static wr_atomic_u64 handles_alive;

static const struct stand_in *the_driver(void) {
  static wr_atomic_ptr found; /* atomic RELAXED: the same whoever finds it */
  const struct stand_in *driver = wr_load_relaxed(&found);
  if (driver) return driver;
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  void *symbol = library ? dlsym(library, STAND_IN_SYMBOL) : NULL;
  if (!symbol) slow_misuse("a library without its driver");
  wr_store_relaxed(&found, symbol);
  return symbol;
}

/* ---- orders to fail ---- */

static struct {
  wr_atomic_u64 left; /* atomic ACQ_REL: calls until it fails; 0: none is ordered */
  wr_atomic_u32 call; /* atomic RELAXED: which, before left */
  wr_atomic_u32 result;
} handle_order;

static void handle_fail(const char *const *symbols, int count, const char *symbol, uint64_t n,
                        int result) {
  for (int i = 0; i < count; i++) {
    if (strcmp(symbols[i], symbol) != 0) continue;
    wr_store_relaxed(&handle_order.call, (uint32_t)i);
    wr_store_relaxed(&handle_order.result, (uint32_t)result);
    wr_store_release(&handle_order.left, n);
    return;
  }
  slow_misuse("no such function to fail");
}

static int handle_ordered(int call) {
  uint64_t left = wr_load_acquire(&handle_order.left);
  if (!left || wr_load_relaxed(&handle_order.call) != (uint32_t)call) return 0;
  while (left && !wr_cas_acq_rel(&handle_order.left, &left, left - 1)) {
  }
  return left == 1 ? (int)wr_load_relaxed(&handle_order.result) : 0;
}

/* How long each call that begins takes, in milliseconds; atomic RELAXED: a number by itself. */
static wr_atomic_u32 handle_lingers;

static void handle_linger(uint32_t ms) { wr_store_relaxed(&handle_lingers, ms); }

/* How many threads are in a call with a handle, and how many were at once; atomic RELAXED: numbers
   by themselves. */
static wr_atomic_u32 handle_inside, handle_most;

static void handle_count(void) {
  const uint32_t inside = wr_fetch_add_relaxed(&handle_inside, 1u) + 1;
  uint32_t most = wr_load_relaxed(&handle_most);
  while (inside > most && !wr_cas_acq_rel(&handle_most, &most, inside)) {
  }
}

static uint64_t handle_were_inside(void) { return wr_exchange_acq_rel(&handle_most, 0u); }

/* ---- life ---- */

static int handle_new(int call, void *out) {
  slow_enter();
  slow_first_call();
  const int failed = handle_ordered(call);
  struct handle *h = failed ? NULL : calloc(1, sizeof *h);
  if (h) {
    wr_store_release(&h->state, (uint32_t)HANDLE_IDLE);
    wr_fetch_add_relaxed(&handles_alive, 1u);
    memcpy(out, &h, sizeof h);
  }
  slow_leave();
  return failed;
}

static void handle_change(struct handle *h, uint32_t from, uint32_t to) {
  if (!h || !wr_cas_acq_rel(&h->state, &from, to)) slow_misuse("a handle is used by two, or gone");
}

static int handle_free(void *handle) {
  struct handle *h = handle;
  slow_enter();
  handle_change(h, HANDLE_IDLE, HANDLE_USED);
  wr_fetch_sub_relaxed(&handles_alive, 1u);
  free(h);
  slow_leave();
  return 0;
}

/* ---- calls ---- */

/* A call with a handle; what it gives when it fails, or 0, and then handle_end comes after it. */
static int handle_begin(int call, void *handle) {
  slow_enter();
  const int failed = handle_ordered(call);
  if (failed) {
    slow_leave();
    return failed;
  }
  handle_change(handle, HANDLE_IDLE, HANDLE_USED);
  handle_count();
  const uint32_t ms = wr_load_relaxed(&handle_lingers);
  const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
  if (ms) nanosleep(&time, NULL);
  return 0;
}

static int handle_end(void *handle) {
  wr_fetch_sub_relaxed(&handle_inside, 1u);
  handle_change(handle, HANDLE_USED, HANDLE_IDLE);
  slow_leave();
  return 0;
}

/* Of device memory that a call reads or writes, a byte is written; and an info. */
enum { TOUCHED = 8 };
struct touching {
  uint64_t at[TOUCHED];
  uint64_t info_at; /* 0: nowhere */
  int info;
};

static void touch_all(void *arg) {
  struct touching *t = arg;
  const struct stand_in *driver = the_driver();
  for (int i = 0; i < TOUCHED; i++) {
    if (t->at[i]) *(volatile char *)driver->bytes(t->at[i], 1) = 0;
  }
  if (t->info_at) {
    memcpy(driver->bytes(t->info_at, sizeof t->info), &t->info, sizeof t->info);
  }
  free(t);
}

static uint64_t device_address(const void *p) { return (uint64_t)(uintptr_t)p; }

/* In the order of the handle's stream. */
static void handle_touch(void *handle, const struct touching *what) {
  struct handle *h = handle;
  struct touching *t = malloc(sizeof *t);
  if (!t || !h->stream) slow_misuse("a handle without a stream");
  *t = *what;
  the_driver()->run(h->stream, touch_all, t);
}

#endif
