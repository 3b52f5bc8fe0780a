#ifndef WR_TESTS_SUPPORT_FAKE_CALL_H
#define WR_TESTS_SUPPORT_FAKE_CALL_H

/* How the fake device runs a call: by the CPU's kernels, on its encoder's thread, which waits for
   one that stays pending. */

#include <pthread.h>
#include <stdbool.h>

#include "backend/backend.h"

struct fake_awaited {
  struct wr_completion_hook hook;
  pthread_mutex_t lock;
  pthread_cond_t over;
  bool is_over;
  struct wr_error *error;
};

static inline void fake_call_over(struct wr_completion_hook *hook, struct wr_error *error) {
  struct fake_awaited *a = (struct fake_awaited *)(void *)hook;
  pthread_mutex_lock(&a->lock);
  a->error = error;
  a->is_over = true;
  pthread_cond_signal(&a->over);
  pthread_mutex_unlock(&a->lock);
}

static inline struct wr_error *fake_call_run(struct wr_encoder *cpu, const struct wr_call *call) {
  struct fake_awaited a = {.hook = {.fn = fake_call_over},
                           .lock = PTHREAD_MUTEX_INITIALIZER,
                           .over = PTHREAD_COND_INITIALIZER};
  if (wr_backend_cpu.encode(cpu, call, &a.hook, &a.error) == WR_ENCODE_DONE) {
    return a.error;
  }
  pthread_mutex_lock(&a.lock);
  while (!a.is_over) pthread_cond_wait(&a.over, &a.lock);
  pthread_mutex_unlock(&a.lock);
  pthread_cond_destroy(&a.over);
  pthread_mutex_destroy(&a.lock);
  return a.error;
}

#endif
