#ifndef WR_TESTS_SUPPORT_GRIND_H
#define WR_TESTS_SUPPORT_GRIND_H

/* Streams that always have more to do, and a light task beside them. */

#include <semaphore.h>

#include "fixtures.h"
#include "stream/internal.h"

static wr_atomic_u64 ground;  /* atomic RELAXED: how many tasks of the busy streams have run */
static wr_atomic_bool enough; /* atomic RELAXED: they stop */
static uint64_t spin_ns;      /* what each of them takes; immutable while they run */

static inline void spin(uint64_t ns) {
  uint64_t end = wr_cpu_ns() + ns;
  while (wr_cpu_ns() < end) continue;
}

/* It stands in its queue again after it has run. */
static inline enum wr_step grind_run(struct wr_task *task, struct wr_stream *stream,
                                     struct wr_drain *drain) {
  (void)drain;
  spin(spin_ns);
  wr_fetch_add_relaxed(&ground, UINT64_C(1));
  if (!wr_load_relaxed(&enough)) wr_stream_submit(stream, task, true, NULL);
  return WR_STEP_DONE;
}

/* A light task: how many of the others ran between its submission and its turn. */
struct light {
  struct wr_task task;
  uint64_t before;
  uint64_t passed;
  sem_t done;
};

static inline void light_publish(struct wr_task *task) {
  ((struct light *)(void *)task)->before = wr_load_relaxed(&ground);
}

static inline enum wr_step light_run(struct wr_task *task, struct wr_stream *stream,
                                     struct wr_drain *drain) {
  struct light *l = (struct light *)(void *)task;
  (void)stream;
  (void)drain;
  l->passed = wr_load_relaxed(&ground) - l->before;
  sem_post(&l->done);
  return WR_STEP_DONE;
}

static inline uint64_t passed_by(mlx_stream s) {
  struct light l = {.task = {.run = light_run}};
  CHECK(sem_init(&l.done, 0, 0) == 0);
  wr_stream_submit(inside(s), &l.task, true, light_publish);
  while (sem_wait(&l.done)) continue;
  CHECK(mlx_synchronize(s) == 0);
  return l.passed;
}

#endif
