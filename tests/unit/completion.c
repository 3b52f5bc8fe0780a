/* R2: no waiter is lost where a completion is taken back while one waits for it, another comes and
   somebody else may say that the work is needed; each is told exactly once. */

#include "stream/completion.h"

#include "check.h"
#include "fixtures.h"
#include "programs.h"

enum { OWNER = 7, OTHER = 8, WAITERS = 2 };

struct counted {
  struct wr_waiter waiter;
  wr_atomic_u32 told;
};

static struct wr_completion completion;
static struct counted waiting[WAITERS];
static wr_atomic_u32 started; /* rounds */
static wr_atomic_u32 joined;  /* rounds in which the second thread has come */

static void count(struct wr_waiter *waiter) {
  wr_fetch_add_relaxed(&WR_CONTAINER_OF(waiter, struct counted, waiter)->told, 1u);
}

/* Some instructions, so that the two threads meet at each step of the other. */
static void spend(uint32_t steps) {
  for (volatile uint32_t i = 0; i < steps; i = i + 1) {
  }
}

static void begin_round(void) {
  wr_completion_init(&completion, WR_PHASE_LAZY);
  for (int i = 0; i < WAITERS; i++) {
    waiting[i].waiter = (struct wr_waiter){.want = WR_PHASE_DONE, .fire = count};
    wr_store_relaxed(&waiting[i].told, 0u);
  }
  CHECK(wr_completion_claim(&completion, OWNER));
  wr_completion_await(&completion, &waiting[0].waiter);
}

/* Every third round it is needed by another request: before or after it is taken back. */
static void *come(void *arg) {
  const uint32_t rounds = *(const uint32_t *)arg;
  for (uint32_t round = 1; round <= rounds; round++) {
    while (wr_load_acquire(&started) < round) sched_yield();
    spend(round * 8 % 61);
    if (round % 3 == 0) (void)wr_completion_share(&completion, OTHER);
    wr_completion_await(&completion, &waiting[1].waiter);
    wr_store_release(&joined, round);
  }
  return NULL;
}

static void finish(void) {
  if (wr_completion_mark_submitted(&completion)) wr_completion_flush(&completion);
  (void)wr_completion_finish(&completion, WR_PHASE_DONE);
}

static void end_round(uint32_t round) {
  struct wr_waiter *list = NULL;
  spend(round * 13 % 61);
  bool taken = wr_completion_take_back(&completion, &list);
  wr_completion_fire(list);
  if (!taken) finish();
  while (wr_load_acquire(&joined) < round) sched_yield();
  CHECK(taken || round % 3 == 0);
  for (int i = 0; i < WAITERS; i++) CHECK(wr_load_relaxed(&waiting[i].told) == 1);
}

int main(void) {
  uint32_t rounds = (uint32_t)times(SANITIZED || WR_TORTURED ? 20000 : 100000, 1000000);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, come, &rounds) == 0);
  for (uint32_t round = 1; round <= rounds; round++) {
    begin_round();
    wr_store_release(&started, round);
    end_round(round);
  }
  CHECK(pthread_join(thread, NULL) == 0);
  return 0;
}
